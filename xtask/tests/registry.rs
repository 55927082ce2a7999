//! The throw-away registry: what is put into it can be pulled from it, as it was.

use std::path::Path;
use std::process::Command;

use xtask::Registry;

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/upgrade/images");

#[test]
fn the_images_of_a_layout_are_served_with_their_digests() {
    let registry = Registry::start().unwrap();
    let pushed = registry.push_layout(Path::new(IMAGES)).unwrap();
    let image = format!("{}/storage/fastblk:2.4", registry.host());
    assert!(pushed.contains(&image), "{pushed:?}");

    let raw = |image: &str| {
        let mut skopeo = Command::new("skopeo");
        let output = skopeo
            .args(["inspect", "--raw", "--tls-verify=false", image])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let of_the_layout = raw(&format!("oci:{IMAGES}:registry.example.com/storage/fastblk:2.4"));
    assert_eq!(
        raw(&format!("docker://{image}")),
        of_the_layout,
        "an index of two architectures"
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
