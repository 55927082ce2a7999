//! Keys and certificates for Modules that are signed, made by OpenSSL here and now.

use std::fs;
use std::process::Command;

use crate::node::release::{Release, project};

/// Makes the Secrets of the example, and those with which something is wrong.
pub(crate) fn make_secrets(release: &Release, namespace: &str) {
    let example = pair(namespace);
    release.apply(&example).unwrap();
    release
        .apply(&pair(namespace).replace("name: signing-", "name: other-"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    openssl(&[
        "genrsa",
        "-aes256",
        "-passout",
        "pass:unknown",
        "-out",
        &key.display().to_string(),
        "2048",
    ]);
    assert!(fs::read_to_string(&key).unwrap().contains("ENCRYPTED"));
    release.kubectl(&format!(
        "create secret generic locked-key --namespace={namespace} --from-file=key={}",
        key.display()
    ));
}

/// What the example's script prints: another pair each time.
fn pair(namespace: &str) -> String {
    let output = Command::new(project("examples/build/keys.sh"))
        .arg(namespace)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
