//! The command lines of buildah.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use tokio::process::Command;

use super::{BUILT, Bench, Building};

/// The program.
pub(super) const PROGRAM: &str = "buildah";

/// `buildah bud`: from the Dockerfile to an image in buildah's own storage.
pub(super) fn bud(building: &Building, bench: &Bench) -> Command {
    let mut command = buildah(building, "bud");
    if !building.ca_files.is_empty() {
        let mut folders = OsString::from(&building.surroundings.certificate_folders);
        folders.push(":");
        folders.push(bench.trusted());
        command.env("SSL_CERT_DIR", folders);
    }
    // One layer for each stage: the intermediate ones would be stored for nobody.
    command.args(["--layers=false", "--format=oci", "--file"]);
    command.arg(bench.dockerfile()).arg("--iidfile").arg(bench.image_id());
    for argument in &building.build_args {
        command.arg("--build-arg").arg(argument);
    }
    for folder in &building.secret_dirs {
        command.arg("--volume").arg(secret_volume(folder));
    }
    if let Some(file) = &bench.authfile {
        command.arg("--authfile").arg(file);
    }
    if building.any_certificate {
        command.arg("--tls-verify=false");
    }
    if let Some(architecture) = &building.architecture {
        command.arg("--arch").arg(architecture);
    }
    command.arg(bench.context());
    command
}

/// `buildah push`: from there into the layout.
pub(super) fn push(building: &Building, image: &str) -> Command {
    let mut command = buildah(building, "push");
    command.arg(image);
    let mut layout = OsString::from("oci:");
    layout.push(&building.to);
    layout.push(format!(":{BUILT}"));
    command.arg(layout);
    command
}

fn buildah(building: &Building, task: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg(task)
        .env("BUILDAH_ISOLATION", &building.surroundings.isolation)
        .env("STORAGE_DRIVER", &building.surroundings.storage_driver);
    command
}

/// A folder of secrets as the Dockerfile's commands see it.
fn secret_volume(folder: &Path) -> OsString {
    let name = folder.file_name().unwrap_or(OsStr::new("secret"));
    let mut volume = folder.as_os_str().to_owned();
    volume.push(":/run/secrets/");
    volume.push(name);
    volume.push(":ro");
    volume
}
