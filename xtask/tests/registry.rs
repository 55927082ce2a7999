//! The throw-away registry: what is put into it can be pulled from it, as it was.

use std::path::Path;
use std::process::Command;

use xtask::Registry;
use xtask::registry::Contents;

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/upgrade/images");

#[test]
fn the_images_of_a_layout_are_served_with_their_digests() {
    let registry = Registry::start().unwrap();
    let pushed = registry.push_layout(Path::new(IMAGES)).unwrap();
    let image = format!("{}/storage/fastblk:2.4", registry.host());
    assert!(pushed.contains(&image), "{pushed:?}");

    let of_the_layout = raw(&format!("oci:{IMAGES}:registry.example.com/storage/fastblk:2.4"));
    assert_eq!(
        raw(&format!("docker://{image}")),
        of_the_layout,
        "an index of two architectures"
    );
}

#[test]
fn registries_that_begin_with_the_same_contents_go_their_own_ways() {
    let contents = Contents::of_layout(Path::new(IMAGES)).unwrap();
    let [one, other] = [(), ()].map(|()| Registry::start_with_contents(&contents).unwrap());
    let of_the_layout = raw(&format!("oci:{IMAGES}:registry.example.com/storage/fastblk:2.4"));
    let image = |of: &Registry| format!("docker://{}/storage/fastblk:2.4", of.host());
    assert_eq!(raw(&image(&one)), of_the_layout);

    let another = format!(
        "docker://{}",
        one.reference("registry.example.com/network/quicknic:6.1.0-50-cloud-amd64")
    );
    skopeo(&[
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &another,
        &image(&one),
    ]);
    assert_eq!(raw(&image(&one)), raw(&another), "the tag means another image");
    assert_eq!(raw(&image(&other)), of_the_layout);
    assert_eq!(
        raw(&image(&Registry::start_with_contents(&contents).unwrap())),
        of_the_layout
    );
}

#[test]
fn a_registry_that_is_dropped_is_gone() {
    let registry = Registry::start().unwrap();
    let host = registry.host();
    drop(registry);
    std::net::TcpStream::connect(host).unwrap_err();
}

#[test]
fn a_registry_that_takes_no_push_says_so() {
    let registry = Registry::start_read_only_at("127.0.0.1:0".parse().unwrap()).unwrap();
    let refusal = registry.push_layout(Path::new(IMAGES)).unwrap_err().to_string();
    assert!(refusal.contains("405"), "{refusal}");
}

/// An image's manifest, or index, as it is.
fn raw(image: &str) -> Vec<u8> {
    skopeo(&["inspect", "--raw", "--tls-verify=false", image])
}

/// What skopeo prints; it must succeed.
fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output().expect("skopeo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
