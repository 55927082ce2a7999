//! The certificates of a throw-away cluster: one authority, and what it signs.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// An authority that keeps everything it makes in one folder. It lives as long as the cluster: its certificates say
/// nothing of time.
pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Who a certificate is for.
pub(crate) struct Subject<'a> {
    /// To Kubernetes, the user.
    pub(crate) name: &'a str,
    /// To Kubernetes, the user's group.
    pub(crate) group: Option<&'a str>,
    /// Host names and addresses under which a server is reached.
    pub(crate) hosts: &'a [&'a str],
}

/// A certificate and its key, as PEM files.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// A new authority whose certificate is `<folder>/ca.crt`.
    pub(crate) fn create(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut params = params(&Subject {
            name: "throw-away cluster",
            group: None,
            hosts: &[],
        })?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        fs::write(folder.join("ca.crt"), params.self_signed(&key)?.pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Signs a new certificate, for a client as well as for a server: `<folder>/<file>.crt` and `.key`.
    pub(crate) fn issue(&self, file: &str, subject: &Subject<'_>) -> anyhow::Result<Pair> {
        let mut params = params(subject)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let pair = self.pair(file);
        fs::write(&pair.certificate, params.signed_by(&key, &self.issuer)?.pem())?;
        fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }

    /// A key and its public half, which signs and proves the tokens of service accounts: `<folder>/<file>.pub` and `.key`.
    pub(crate) fn token_key(&self, file: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let (public, private) = (
            self.folder.join(format!("{file}.pub")),
            self.folder.join(format!("{file}.key")),
        );
        fs::write(&public, key.public_key_pem())?;
        fs::write(&private, key.serialize_pem())?;
        Ok((public, private))
    }

    fn pair(&self, file: &str) -> Pair {
        Pair {
            certificate: self.folder.join(format!("{file}.crt")),
            key: self.folder.join(format!("{file}.key")),
        }
    }
}

fn params(subject: &Subject<'_>) -> anyhow::Result<CertificateParams> {
    let hosts: Vec<_> = subject.hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, subject.name);
    if let Some(group) = subject.group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    Ok(params)
}
