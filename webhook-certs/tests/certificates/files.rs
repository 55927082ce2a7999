//! Mounted files, exchanged as the kubelet does it.

use crate::fake_api::{FakeApi, VALIDATING};
use crate::keeper::keeper;
use crate::tls::{Connection, MovedClock, serve};
use std::fs::{create_dir, remove_file, rename, write};
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;
use webhook_certs::{FilesError, Flaw, MountedFiles};

/// A CA with a pair that somebody else issued.
pub(crate) struct Foreign {
    pub(crate) bundle: Vec<u8>,
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

pub(crate) async fn foreign(clock: &MovedClock) -> Foreign {
    let api = FakeApi::default().with_configurations();
    keeper(&api, clock).pass().await.unwrap();
    let entry = |key| api.secret_data(key).unwrap();
    Foreign {
        bundle: api.bundle(VALIDATING),
        chain: entry("tls.crt"),
        key: entry("tls.key"),
    }
}

/// Puts a pair in place as the kubelet does: a new folder, then the link `..data` exchanged.
pub(crate) fn mount(folder: &Path, version: &str, chain: &[u8], key: &[u8]) {
    let data = folder.join(version);
    create_dir(&data).unwrap();
    write(data.join("tls.crt"), chain).unwrap();
    write(data.join("tls.key"), key).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        let link = folder.join(file);
        let _absent_at_first = remove_file(&link);
        symlink(Path::new("..data").join(file), link).unwrap();
    }
}

#[tokio::test]
async fn an_exchange_of_the_links_is_served_and_connections_live_on() {
    let (folder, clock) = (TempDir::new().unwrap(), MovedClock::start());
    let (one, two) = (foreign(&clock).await, foreign(&clock).await);
    mount(folder.path(), "..1", &one.chain, &one.key);
    let mut files = MountedFiles::new(folder.path());
    files.look().await.unwrap();
    let address = serve(files.resolver()).await;
    let mut before = Connection::open(address, &one.bundle, &clock).await.unwrap();
    mount(folder.path(), "..2", &two.chain, &two.key);
    files.look().await.unwrap();
    Connection::open(address, &one.bundle, &clock)
        .await
        .map(drop)
        .expect_err("another CA now");
    Connection::open(address, &two.bundle, &clock)
        .await
        .unwrap()
        .echo()
        .await
        .unwrap();
    before.echo().await.unwrap();
}

#[tokio::test]
async fn a_broken_pair_is_named_and_the_last_good_one_serves_on() {
    let (folder, clock) = (TempDir::new().unwrap(), MovedClock::start());
    let (one, two) = (foreign(&clock).await, foreign(&clock).await);
    mount(folder.path(), "..1", &one.chain, &one.key);
    let mut files = MountedFiles::new(folder.path());
    files.look().await.unwrap();
    let broken: [(&str, &[u8], &[u8], Flaw); 4] = [
        ("..2", &one.chain, &two.key, Flaw::KeyMismatch),
        ("..3", b"", &two.key, Flaw::Missing),
        ("..4", &one.chain[..one.chain.len() / 2], &one.key, Flaw::Damaged),
        ("..5", &one.chain, b"half a k", Flaw::Damaged),
    ];
    let address = serve(files.resolver()).await;
    for (version, chain, key, expected) in broken {
        mount(folder.path(), version, chain, key);
        let error = files.look().await.unwrap_err();
        assert!(
            matches!(&error, FilesError::Flawed { flaw, .. } if *flaw == expected),
            "{version}: {error}"
        );
        Connection::open(address, &one.bundle, &clock).await.unwrap();
    }
    mount(folder.path(), "..6", &two.chain, &two.key);
    files.look().await.unwrap();
    Connection::open(address, &two.bundle, &clock).await.unwrap();
}

#[tokio::test]
async fn files_that_are_not_there_yet_are_served_once_they_are() {
    let (folder, clock) = (TempDir::new().unwrap(), MovedClock::start());
    let mut files = MountedFiles::new(folder.path());
    assert!(matches!(files.look().await, Err(FilesError::Read { .. })));
    assert!(!files.resolver().is_ready());
    let one = foreign(&clock).await;
    mount(folder.path(), "..1", &one.chain, &one.key);
    files.look().await.unwrap();
    assert!(files.resolver().is_ready());
}

#[tokio::test]
async fn a_file_without_end_is_not_read_to_its_end() {
    let folder = TempDir::new().unwrap();
    symlink("/dev/zero", folder.path().join("tls.crt")).unwrap();
    let looked = MountedFiles::new(folder.path()).look().await;
    assert!(matches!(looked, Err(FilesError::TooLarge { .. })));
}
