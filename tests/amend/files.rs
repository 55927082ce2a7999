//! What a signed file and the folders above it are like: as they were.

use crate::*;

const ATTRIBUTE: (&str, &str) = ("SCHILY.xattr.user.origin", "a build");
const IMA: (&str, &str) = ("SCHILY.xattr.security.ima", "a hash");

/// Name, mode, user, group, time, name of the user, and PAX records of a member.
type Looks = (String, u32, u64, u64, u64, String, Vec<(String, String)>);

fn looks(tar: &[u8]) -> Vec<Looks> {
    let mut archive = tar::Archive::new(tar);
    let mut all = Vec::new();
    for member in archive.entries().unwrap() {
        let mut member = member.unwrap();
        let records = member.pax_extensions().unwrap();
        let records = records.into_iter().flatten().map(|record| {
            let record = record.unwrap();
            (record.key().unwrap().to_owned(), record.value().unwrap().to_owned())
        });
        let records = records.collect();
        let header = member.header();
        all.push((
            member.path().unwrap().display().to_string(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            header.username().unwrap().unwrap_or_default().to_owned(),
            records,
        ));
    }
    all
}

fn looked(path: &str, mode: u32, records: &[(&str, &str)]) -> Looks {
    let records = records
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    (
        path.to_owned(),
        mode,
        1001,
        1002,
        1_600_000_000,
        "builder".to_owned(),
        records.collect(),
    )
}

#[tokio::test]
async fn owners_modes_times_and_attributes_stay_and_what_vouches_for_the_old_bytes_goes() {
    let long = format!("opt/{}/a.ko", "d".repeat(120));
    let lower = FakeLayer::new()
        .member("opt/", b"", 0o755, &[])
        .member("opt/a.ko", b"a", 0o640, &[ATTRIBUTE, IMA])
        .member(&long, b"long", 0o600, &[]);
    let upper = FakeLayer::new().member("opt/", b"", 0o2750, &[ATTRIBUTE]);
    let image = FakeImage::new()
        .layer(LAYER_GZIP, lower.gzip())
        .layer(LAYER_GZIP, upper.gzip());
    let written = Bench::new(&image).signed(&["/opt/a.ko", "/opt/d*/a.ko"]).await;
    let path = ("path", long.as_str());
    let expected = [
        looked("opt/", 0o2750, &[ATTRIBUTE]),
        looked("opt/a.ko", 0o640, &[ATTRIBUTE]),
        looked(&long, 0o600, &[path]),
    ];
    assert_eq!(looks(&written.top()), expected);
    assert_eq!(written.files()[&long], "long~signed");
}

#[tokio::test]
async fn the_kind_of_compression_is_that_of_the_topmost_layer() {
    let gnu = || FakeLayer::new().file("opt/a.ko", b"a");
    let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let rows = [
        (FakeImage::new().layer(LAYER_GZIP, gnu().gzip()), LAYER_GZIP),
        (FakeImage::new().layer(LAYER_ZSTD, gnu().zstd()), LAYER_ZSTD),
        (FakeImage::new().layer(LAYER_PLAIN, gnu().plain()), LAYER_PLAIN),
        (
            FakeImage::new()
                .layer(LAYER_GZIP, gnu().gzip())
                .layer(LAYER_PLAIN, FakeLayer::new().plain()),
            LAYER_PLAIN,
        ),
        (FakeImage::new().of_docker().layer(docker, gnu().gzip()), docker),
    ];
    for (image, expected) in rows {
        let written = Bench::new(&image).signed(&["/opt/a.ko"]).await;
        let layers = written.manifest["layers"].as_array().unwrap();
        assert_eq!(layers.last().unwrap()["mediaType"], expected);
        assert_eq!(written.files()["opt/a.ko"], "a~signed", "{expected}");
        let config: Value = serde_json::from_slice(&written.config()).unwrap();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        assert_eq!(*diff_ids.last().unwrap(), digest_of(&written.top()));
    }
}
