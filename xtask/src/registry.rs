//! A throw-away registry: Debian's `docker-registry` on this machine.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::pki::{Authority, Pair, Subject};
use crate::process::Process;

/// How long it may take; it takes 50 ms.
const READY: Duration = Duration::from_secs(30);

/// Who may pull and push where a password is asked for.
pub const USER: &str = "example";
/// With which password.
pub const PASSWORD: &str = "pw";
/// The password as htpasswd keeps it.
const PASSWORD_HASH: &str = "$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q";

/// A registry of which everybody may pull and push, unless it asks for a password. It is killed, and what it holds is removed, when this is dropped.
pub struct Registry {
    // Dropped before its folder.
    _server: Process,
    address: SocketAddr,
    folder: Folder,
}

/// What a registry held when it was stopped; others can begin with it. The folder is removed when this is dropped.
pub struct Contents(Folder);

impl Contents {
    /// Every image of an OCI layout, as [`Registry::push_layout`] puts them into a registry. Pushing a dozen images costs
    /// three seconds of a processor, copying what they come to next to nothing.
    pub fn of_layout(layout: &Path) -> anyhow::Result<Self> {
        let registry = Registry::start()?;
        registry.push_layout(layout)?;
        Ok(Self(registry.folder))
    }
}

impl Registry {
    /// Starts one on a free port of 127.0.0.1, over plain HTTP, that begins with these contents and does not alter them.
    pub fn start_with_contents(contents: &Contents) -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        // Copies, not links: a registry writes anew into the files that say what a tag means.
        copy_folder(&data_in(contents.0.path()), &data_in(folder.path()))?;
        let config = config_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), folder.path());
        Self::start_with(&config, folder)
    }

    /// Starts one on a free port of 127.0.0.1, over plain HTTP.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    /// Starts one at an address of this machine, over plain HTTP; port 0 is any that is free.
    pub fn start_at(address: SocketAddrV4) -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        let config = config_at(address, folder.path());
        Self::start_with(&config, folder)
    }

    /// Starts one at an address of this machine, over plain HTTP, that takes no push.
    pub fn start_read_only_at(address: SocketAddrV4) -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        let mut config = config_at(address, folder.path());
        config["storage"]["maintenance"] = json!({ "readonly": { "enabled": true } });
        Self::start_with(&config, folder)
    }

    /// Starts one on a free port of 127.0.0.1, over plain HTTP, of which nothing can be deleted.
    pub fn start_without_deletion() -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        let mut config = config_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), folder.path());
        config["storage"]["delete"]["enabled"] = json!(false);
        Self::start_with(&config, folder)
    }

    /// Starts one on a free port of 127.0.0.1, over plain HTTP, of which only [`USER`] may pull and push.
    pub fn start_with_password() -> anyhow::Result<Self> {
        Self::start_with_password_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    /// The same at an address of this machine; port 0 is any that is free.
    pub fn start_with_password_at(address: SocketAddrV4) -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        let passwords = folder.path().join("htpasswd");
        fs::write(&passwords, format!("{USER}:{PASSWORD_HASH}\n"))?;
        let mut config = config_at(address, folder.path());
        config["auth"] = json!({ "htpasswd": { "realm": "example", "path": passwords } });
        Self::start_with(&config, folder)
    }

    /// Starts one on a free port of 127.0.0.1, over TLS with a certificate of its own authority.
    pub fn start_with_tls() -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        let mut config = config_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), folder.path());
        let subject = Subject {
            name: "registry",
            group: None,
            hosts: &["127.0.0.1", "localhost"],
        };
        let Pair { certificate, key } = Authority::create(&folder.path().join("pki"))?.issue("registry", &subject)?;
        config["http"]["tls"] = json!({ "certificate": certificate, "key": key });
        Self::start_with(&config, folder)
    }

    fn start_with(config: &Value, folder: Folder) -> anyhow::Result<Self> {
        let file = folder.path().join("config.json"); // JSON is YAML
        fs::write(&file, config.to_string())?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file);
        let mut server = Process::start("docker-registry", folder.path(), &command)?;
        let mut address = None;
        server
            .wait_until(READY, |log| {
                address = listening_address(log);
                address.is_some()
            })
            .context("`apt-get install docker-registry` where it is missing")?;
        let address = address.context("a registry that does not say where it listens")?;
        Ok(Self {
            _server: server,
            address,
            folder,
        })
    }

    /// The certificate of the authority that one with TLS has its own from.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("pki/ca.crt")
    }

    /// What an image's reference begins with: `127.0.0.1:<port>`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Puts every image of an OCI layout into the registry, under the repository and tag after its reference's host,
    /// with all its architectures and the digests that it has. Returns the new references.
    pub fn push_layout(&self, layout: &Path) -> anyhow::Result<Vec<String>> {
        references(layout)?
            .into_iter()
            .map(|reference| {
                let pushed = self.reference(&reference);
                let from = format!("oci:{}:{reference}", layout.display());
                let to = format!("docker://{pushed}");
                let mut skopeo = Command::new("skopeo");
                skopeo.args([
                    "copy",
                    "--quiet",
                    "--all",
                    "--preserve-digests",
                    "--dest-tls-verify=false",
                    &from,
                    &to,
                ]);
                crate::process::run(&mut skopeo)?;
                Ok(pushed)
            })
            .collect()
    }

    /// The reference with this registry in place of its own.
    pub fn reference(&self, reference: &str) -> String {
        let path = reference.split_once('/').map_or(reference, |(_, path)| path);
        format!("{}/{path}", self.address)
    }
}

fn config_at(address: SocketAddrV4, folder: &Path) -> Value {
    json!({
        "version": "0.1",
        "log": { "level": "info", "accesslog": { "disabled": true } }, // it says where it listens at this level
        "storage": { "filesystem": { "rootdirectory": data_in(folder) }, "delete": { "enabled": true } },
        "http": { "addr": address.to_string(), "secret": "throw-away" },
    })
}

/// Where a registry that has this folder keeps what it holds.
fn data_in(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Copies a folder's files and folders into a new one.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

/// Where it listens, as it says in its log.
fn listening_address(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.rsplit_once("listening on ")?;
    let (address, _) = rest.split_once(['"', ' ', ',', '\n'])?;
    address.parse().ok()
}

/// The references of the images in an OCI layout.
fn references(layout: &Path) -> anyhow::Result<Vec<String>> {
    let index =
        fs::read(layout.join("index.json")).with_context(|| format!("no OCI layout in {}", layout.display()))?;
    let index: Value = serde_json::from_slice(&index)?;
    let manifests = index["manifests"].as_array().into_iter().flatten();
    let names = manifests.filter_map(|manifest| manifest["annotations"]["org.opencontainers.image.ref.name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let log = "level=info msg=\"debug\"\nlevel=info msg=\"listening on 127.0.0.1:41207\" go.version=go1.19\n";
        assert_eq!(listening_address(log).unwrap().to_string(), "127.0.0.1:41207");
        assert_eq!(
            listening_address("listening on 127.0.0.1:41"),
            None,
            "more digits may come"
        );
        assert_eq!(listening_address("not yet"), None);
    }
}
