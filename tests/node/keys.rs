//! Keys and certificates for Modules that are signed, made by OpenSSL here and now.

use std::fs;
use std::path::Path;
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
    secret(release, namespace, "locked-key", "key", &key);
    make_expired(release, namespace, folder.path());
}

/// A certificate whose time was over yesterday.
fn make_expired(release: &Release, namespace: &str, folder: &Path) {
    let [key, request, cert] = ["expired.pem", "request.pem", "cert.pem"].map(|name| folder.join(name));
    let [key_text, request_text, cert_text] = [&key, &request, &cert].map(|path| path.display().to_string());
    openssl(&["genrsa", "-out", &key_text, "2048"]);
    openssl(&[
        "req",
        "-new",
        "-key",
        &key_text,
        "-subj",
        "/CN=last year",
        "-out",
        &request_text,
    ]);
    let signing = ["x509", "-req", "-in", &request_text, "-signkey", &key_text];
    openssl(&[signing.as_slice(), &["-days", "-1", "-out", &cert_text]].concat());
    secret(release, namespace, "expired-key", "key", &key);
    secret(release, namespace, "expired-cert", "cert", &cert);
}

fn secret(release: &Release, namespace: &str, name: &str, key: &str, file: &Path) {
    release.kubectl(&format!(
        "create secret generic {name} --namespace={namespace} --from-file={key}={}",
        file.display()
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
