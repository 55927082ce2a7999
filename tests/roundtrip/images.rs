//! An image that buildah makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::tools::{present, run, skopeo_copy};
use super::{IMAGES, asked, reason};
use crate::upgrade::document;

const FASTBLK: &str = "registry.example.com/storage/fastblk:2.4";
const BUILT: &str = "registry.example.com/built/fastblk:1";

/// The files of an image of the example, as its layers put them there.
fn unpack(image: &str, into: &Path) {
    let copy = tempfile::tempdir().expect("a folder");
    let path = copy.path().to_str().expect("a path");
    skopeo_copy(
        &["--override-arch", "amd64", "--override-os", "linux"],
        &format!("oci:{IMAGES}:{image}"),
        &format!("dir:{path}"),
    );
    let manifest = fs::read(copy.path().join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    for layer in manifest["layers"].as_array().expect("layers") {
        let digest = layer["digest"]
            .as_str()
            .expect("a digest")
            .trim_start_matches("sha256:");
        let layer = copy.path().join(digest);
        run(Command::new("tar").arg("-C").arg(into).arg("-xf").arg(layer));
    }
}

/// `buildah` with these words, and with a store of its own.
fn buildah(store: &Path, words: &[&str]) -> String {
    let mut command = Command::new("buildah");
    command
        .env("BUILDAH_ISOLATION", "chroot")
        .env("STORAGE_DRIVER", "vfs")
        .arg("--root")
        .arg(store.join("root"))
        .arg("--runroot")
        .arg(store.join("run"))
        .args(words);
    String::from_utf8(run(&mut command)).expect("text").trim().to_owned()
}

#[test]
fn an_image_of_buildah_is_read_from_a_layout() {
    if !present(&["buildah", "skopeo", "tar"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (files, layout, store) = (path("files"), path("layout"), folder.path().join("store"));
    fs::create_dir(&files).expect("a folder");
    unpack(FASTBLK, Path::new(&files));
    let container = buildah(&store, &["from", "scratch"]);
    buildah(&store, &["copy", "--quiet", &container, &files, "/"]);
    let to = format!("oci:{layout}:{BUILT}");
    buildah(&store, &["commit", "--quiet", "--format", "oci", &container, &to]);

    let module = document("storage.yaml", "fastblk").replace(FASTBLK, BUILT);
    fs::create_dir(path("objects")).expect("a folder");
    fs::write(path("objects/module.yaml"), module).expect("a file");
    let run = asked(Path::new(&path("objects")), &["--oci-layout", &layout]).ended_with(0);
    assert!(reason(&run).contains("loads fastblk"), "{}", reason(&run));
}
