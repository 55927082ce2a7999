//! The same images behind a registry, in the forms in which registries hold them.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rstest::rstest;
use serde_json::json;

use super::registry::{PASSWORD, Registry, USER};
use super::{REGISTRY, asked, digests, reason, tools, turned_to, verdicts, without_tls};
use crate::upgrade::{Run, document, example};

const FASTBLK: &str = "registry.example.com/storage/fastblk:2.4";
const GEOTUNNEL: &str = "registry.example.com/network/geotunnel:6.1.0-50-cloud-amd64";

/// Every image of the example's layout.
fn images() -> Vec<String> {
    let index = fs::read(example("images/index.json")).expect("the index");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("JSON");
    let manifests = index["manifests"].as_array().expect("manifests");
    let name = |manifest: &serde_json::Value| manifest["annotations"]["org.opencontainers.image.ref.name"].clone();
    manifests
        .iter()
        .map(|manifest| name(manifest).as_str().expect("a name").to_owned())
        .collect()
}

/// Pushes the images of some namespaces; asks for their Modules, once of the layout and once of the registry.
fn both_ways(files: &[&str], options: &[&str]) -> (Run, Run) {
    let registry = Registry::open();
    let images = images();
    let wanted = |image: &&str| files.iter().any(|file| image.contains(&file.replace(".yaml", "/")));
    let images: Vec<&str> = images.iter().map(String::as_str).filter(wanted).collect();
    registry.push(&images, options);
    let from_layout = asked(turned_to(REGISTRY, files).path(), &[]);
    let from_registry = asked(turned_to(&registry.place, files).path(), &[]);
    (from_layout.ended_with(1), from_registry.ended_with(1))
}

#[test]
fn a_registry_gives_the_verdicts_of_the_layout() {
    if !tools::present(&["docker-registry", "skopeo"]) {
        return;
    }
    let files = [
        "edge.yaml",
        "gpu.yaml",
        "network.yaml",
        "security.yaml",
        "sensors.yaml",
        "storage.yaml",
    ];
    let (from_layout, from_registry) = both_ways(&files, &["--all"]);
    assert_eq!(verdicts(&from_registry), verdicts(&from_layout));
    assert_eq!(digests(&from_registry), digests(&from_layout));
    assert_eq!(verdicts(&from_registry).len(), 17);
}

#[test]
fn dockers_manifests_give_the_same_verdicts() {
    if !tools::present(&["docker-registry", "skopeo"]) {
        return;
    }
    let (from_layout, from_registry) = both_ways(&["network.yaml", "storage.yaml"], &["--all", "--format", "v2s2"]);
    assert_eq!(verdicts(&from_registry), verdicts(&from_layout));
    assert_ne!(
        digests(&from_registry),
        digests(&from_layout),
        "the manifests are other ones"
    );
}

#[rstest]
#[case::docker("v2s2", "", "application/vnd.docker.image.rootfs.diff.tar.gzip")]
#[case::zstd("oci", "zstd", "application/vnd.oci.image.layer.v1.tar+zstd")]
fn an_image_is_read_however_its_layers_are_kept(#[case] format: &str, #[case] compression: &str, #[case] layers: &str) {
    if !tools::present(&["docker-registry", "skopeo"]) {
        return;
    }
    let registry = Registry::open();
    let mut options = vec!["--format", format];
    if !compression.is_empty() {
        options.extend(["--dest-compress-format", compression]);
    }
    registry.push(&[GEOTUNNEL], &options);
    assert!(
        registry.manifest(GEOTUNNEL).contains(layers),
        "{}",
        registry.manifest(GEOTUNNEL)
    );
    let run = asked_for("network.yaml", "geotunnel", &registry, "", &[]).ended_with(1);
    assert!(reason(&run).contains("[symbol-missing]"), "{}", reason(&run));
}

/// Asks for one Module of the example, with an object besides.
fn asked_for(file: &str, name: &str, registry: &Registry, besides: &str, options: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let module = without_tls(&document(file, name), &registry.place);
    fs::write(folder.path().join("module.yaml"), format!("{module}---\n{besides}")).expect("a file");
    asked(folder.path(), options)
}

/// What `skopeo login` writes, with this password.
fn logins(registry: &Registry, password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{USER}:{password}"));
    json!({"auths": {&registry.place: {"auth": auth}}}).to_string()
}

/// The pull secret that `storage/fastblk` names, with this password.
fn pull_secret(registry: &Registry, password: &str) -> String {
    let data = BASE64_STANDARD.encode(logins(registry, password));
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: registry-pull, namespace: storage}}\n\
         type: kubernetes.io/dockerconfigjson\ndata: {{.dockerconfigjson: {data}}}\n"
    )
}

#[test]
fn a_registry_with_a_password_opens_to_the_right_pull_secret_only() {
    if !tools::present(&["docker-registry", "skopeo"]) {
        return;
    }
    let registry = Registry::with_password();
    registry.push(&[FASTBLK], &["--all"]);
    let ask = |secret: &str| asked_for("storage.yaml", "fastblk", &registry, secret, &[]);
    let opened = ask(&pull_secret(&registry, PASSWORD)).ended_with(0);
    assert!(reason(&opened).contains("loads fastblk"), "{}", reason(&opened));
    let absent = "the pull secret storage/registry-pull of the Module was not given, or holds no credentials";
    for (secret, is_absent) in [(pull_secret(&registry, "wrong"), false), (String::new(), true)] {
        let refused = reason(&ask(&secret).ended_with(1));
        assert!(refused.contains("does not exist, or is not accessible"), "{refused}");
        assert_eq!(refused.contains(absent), is_absent, "{refused}");
    }
}

#[test]
fn a_registry_with_a_password_opens_to_the_logins_of_an_authfile() {
    if !tools::present(&["docker-registry", "skopeo"]) {
        return;
    }
    let registry = Registry::with_password();
    registry.push(&[FASTBLK], &["--all"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("auth.json");
    fs::write(&file, logins(&registry, PASSWORD)).expect("a file");
    let options = ["--authfile", file.to_str().expect("a path")];
    let opened = asked_for("storage.yaml", "fastblk", &registry, "", &options).ended_with(0);
    assert!(reason(&opened).contains("loads fastblk"), "{}", reason(&opened));
}
