//! CA files. They are read and checked here, because the TLS library takes a file of garbage in silence.

use std::path::Path;

use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode as _;

use super::settings::SettingsError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Every certificate of a PEM file, in DER, in their order.
///
/// # Errors
///
/// The file cannot be read, has none, or one that is none.
pub fn ca_certificates(path: &Path) -> Result<Vec<Vec<u8>>, SettingsError> {
    let text = std::fs::read(path).map_err(|source| SettingsError::UnreadableCa {
        path: path.to_owned(),
        source,
    })?;
    let mut certificates = Vec::new();
    for (position, found) in CertificateDer::pem_slice_iter(&text).enumerate() {
        let der = found.map_err(|_error| damaged(path, position))?;
        Parsed::from_der(&der).map_err(|_error| damaged(path, position))?;
        certificates.push(der.to_vec());
    }
    if certificates.is_empty() {
        return Err(SettingsError::EmptyCa { path: path.to_owned() });
    }
    Ok(certificates)
}

fn damaged(path: &Path, position: usize) -> SettingsError {
    SettingsError::DamagedCa {
        path: path.to_owned(),
        number: position + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(content: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let problem = ca_certificates(file.path()).unwrap_err();
        problem
            .to_string()
            .replace(&file.path().display().to_string(), "ca.pem")
    }

    #[test]
    fn a_ca_file_that_is_none_is_refused() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let rows = [
            (
                "",
                "the CA file ca.pem holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
            ),
            (
                "hello",
                "the CA file ca.pem holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
            ),
            (garbage, "certificate 1 of the CA file ca.pem is damaged"),
        ];
        for (content, expected) in rows {
            assert_eq!(problem(content), expected);
        }
        assert!(
            ca_certificates(Path::new("/nowhere/ca.pem"))
                .unwrap_err()
                .to_string()
                .contains("/nowhere/ca.pem")
        );
    }

    #[test]
    fn every_certificate_of_a_bundle_is_read() {
        let pem = |name: &str| {
            rcgen::generate_simple_self_signed(vec![name.to_owned()])
                .unwrap()
                .cert
                .pem()
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("# two\n{}{}", pem("a.example"), pem("b.example"))).unwrap();
        assert_eq!(ca_certificates(file.path()).unwrap().len(), 2);
    }
}
