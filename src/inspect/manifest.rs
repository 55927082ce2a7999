//! What an image's manifest or index says, and which of an index's images a node would pull.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::image::{Digest, LookFailure, LookFailureKind, Platform};
use crate::kernel::Architecture;
use crate::registry::Descriptor;

/// How many layers an image may have: overlayfs mounts no more (`fs/overlayfs: OVL_MAX_STACK`), and CRI-O allows
/// as many (containers/storage `drivers/overlay: maxDepth`).
pub(crate) const MAX_LAYERS: usize = 500;

/// An image's layers, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageManifest {
    pub(crate) layers: Vec<Descriptor>,
}

/// An index: images by platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    entries: Vec<IndexEntry>,
}

/// One entry of an index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct IndexEntry {
    digest: Digest,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    artifact_type: Option<String>,
    config: RawConfig,
    layers: Vec<RawLayer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawConfig {
    #[serde(default)]
    media_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLayer {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
}

#[derive(Deserialize)]
struct RawIndex {
    manifests: Vec<IndexEntry>,
}

impl ImageManifest {
    /// Reads an image's manifest.
    ///
    /// # Errors
    ///
    /// Where it is malformed, or that of an artifact, which no container runtime makes a container of.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LookFailure> {
        let raw: RawManifest = json(bytes, "manifest")?;
        if !is_image_config(&raw.config.media_type) {
            let kind = raw.artifact_type.unwrap_or(raw.config.media_type);
            return Err(damaged(format!(
                "it is no container image but an artifact of the type {}",
                shown(&kind)
            )));
        }
        if raw.layers.len() > MAX_LAYERS {
            let count = raw.layers.len();
            let message =
                format!("it has {count} layers; overlayfs, which nodes mount images with, takes {MAX_LAYERS}");
            return Err(LookFailure::new(LookFailureKind::TooLarge, message));
        }
        let layers = raw
            .layers
            .into_iter()
            .enumerate()
            .map(|(at, layer)| layer.checked(at + 1));
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }
}

impl RawLayer {
    fn checked(self, number: usize) -> Result<Descriptor, LookFailure> {
        let Self {
            media_type,
            digest,
            size,
        } = self;
        if media_type.contains("encrypted") {
            return Err(damaged(format!(
                "its layer {number} is encrypted ({})",
                shown(&media_type)
            )));
        }
        if !is_layer(&media_type) {
            let shown = shown(&media_type);
            return Err(damaged(format!(
                "its layer {number} has the media type {shown}, which is no layer's"
            )));
        }
        Ok(Descriptor {
            digest,
            size,
            media_type,
        })
    }
}

/// The media types of an image's configuration; whatever else stands there makes an artifact (OCI image
/// specification, "guidelines for artifact usage").
fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
    )
}

/// The media types of layers (containerd `core/images: IsLayerType`). The compression that they tell does not
/// count: that is seen from the bytes.
fn is_layer(media_type: &str) -> bool {
    const KINDS: [&str; 4] = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];
    const COMPRESSIONS: [&str; 5] = ["", "+gzip", "+zstd", ".gzip", ".zstd"];
    KINDS.iter().any(|kind| {
        media_type
            .strip_prefix(kind)
            .is_some_and(|rest| COMPRESSIONS.contains(&rest))
    })
}

impl Index {
    /// Reads an index.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LookFailure> {
        let raw: RawIndex = json(bytes, "index")?;
        Ok(Self { entries: raw.manifests })
    }

    /// The entry that a node pulls, as containerd chooses (`core/images: Manifest`) and CRI-O (containers/image
    /// `internal/manifest: ChooseInstance`): the first that is for the node's platform, else the first that
    /// names none.
    pub(crate) fn choose(&self, architecture: Option<Architecture>) -> Result<&Digest, LookFailure> {
        self.entry(architecture).map(|entry| &entry.digest)
    }

    fn entry(&self, architecture: Option<Architecture>) -> Result<&IndexEntry, LookFailure> {
        let any = || self.entries.iter().find(|entry| entry.platform.is_none());
        match architecture {
            Some(architecture) => {
                let fitting = self.entries.iter().find(|entry| entry.runs_on(architecture.go_name()));
                fitting.or_else(any).ok_or_else(|| self.no_platform(architecture))
            }
            None => match self.linux_architectures().as_slice() {
                [] => any().ok_or_else(|| self.no_linux()),
                [only] => self
                    .entries
                    .iter()
                    .find(|entry| entry.runs_on(only))
                    .or_else(any)
                    .ok_or_else(|| self.no_linux()),
                _ => Err(self.unknown_platform()),
            },
        }
    }

    fn linux_architectures(&self) -> Vec<&str> {
        let platforms = self.entries.iter().filter_map(|entry| entry.platform.as_ref());
        let linux = platforms.filter(|platform| platform.os == "linux" && !platform.is_unknown());
        linux
            .map(|platform| platform.architecture.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    fn no_platform(&self, architecture: Architecture) -> LookFailure {
        let wanted = architecture.go_name();
        let message = format!("it has no image for linux/{wanted}; it has {}", self.platforms());
        LookFailure::new(LookFailureKind::NoPlatform, message)
    }

    fn no_linux(&self) -> LookFailure {
        LookFailure::new(
            LookFailureKind::NoPlatform,
            format!("it has no image for Linux; it has {}", self.platforms()),
        )
    }

    fn unknown_platform(&self) -> LookFailure {
        let message = format!(
            "it has images for {}, and neither the kernel version nor the Module's selector tells the nodes' architecture",
            self.platforms()
        );
        LookFailure::new(LookFailureKind::UnknownPlatform, message)
    }

    /// The platforms that it has, for messages.
    fn platforms(&self) -> String {
        const SHOWN: usize = 12;
        let platforms = self.entries.iter().filter_map(|entry| entry.platform.as_ref());
        let named: BTreeSet<String> = platforms
            .filter(|platform| !platform.is_unknown())
            .map(|platform| shown(&platform.to_string()))
            .collect();
        let more = named.len().saturating_sub(SHOWN);
        let list = named.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
        match (list.is_empty(), more) {
            (true, _) => "none".to_owned(),
            (false, 0) => list,
            (false, more) => format!("{list} and {more} more"),
        }
    }
}

impl IndexEntry {
    fn runs_on(&self, architecture: &str) -> bool {
        self.platform
            .as_ref()
            .is_some_and(|platform| platform.runs_on(architecture))
    }
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, LookFailure> {
    serde_json::from_slice(bytes).map_err(|error| damaged(format!("its {what} is malformed: {error}")))
}

/// A text from outside, as messages show it.
fn shown(text: &str) -> String {
    const SHOWN: usize = 80;
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

fn damaged(message: String) -> LookFailure {
    LookFailure::new(LookFailureKind::Damaged, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    fn digest(digit: char) -> String {
        format!("sha256:{}", String::from(digit).repeat(64))
    }

    fn manifest(config: &str, layers: &[&str]) -> Vec<u8> {
        let layers: Vec<Value> = layers
            .iter()
            .map(|kind| json!({"mediaType": kind, "digest": digest('1'), "size": 7}))
            .collect();
        json!({"schemaVersion": 2, "config": {"mediaType": config, "digest": digest('0'), "size": 2}, "layers": layers})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn the_layers_of_images_of_every_kind_are_read() {
        let docker = "application/vnd.docker.container.image.v1+json";
        for (config, layer) in [
            (OCI_CONFIG, OCI_LAYER),
            (OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar"),
            (OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar+zstd"),
            (
                OCI_CONFIG,
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            ),
            (docker, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
            (docker, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        ] {
            let parsed = ImageManifest::parse(&manifest(config, &[layer, OCI_LAYER])).expect(layer);
            let first = parsed.layers.first().expect("two layers");
            assert_eq!(
                (first.media_type.as_str(), first.size, parsed.layers.len()),
                (layer, 7, 2)
            );
        }
        assert_eq!(
            ImageManifest::parse(&manifest(OCI_CONFIG, &[]))
                .expect("no layer is fine")
                .layers,
            []
        );
    }

    #[test]
    fn what_is_no_image_is_refused_with_what_it_is() {
        let helm = manifest("application/vnd.cncf.helm.config.v1+json", &[OCI_LAYER]);
        let signature = json!({
            "artifactType": "application/vnd.example.sbom", "layers": [],
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest('0'), "size": 2},
        });
        let many = manifest(OCI_CONFIG, &[OCI_LAYER; MAX_LAYERS + 1]);
        let no_size = br#"{"config": {"mediaType": "x"}, "layers": [{"digest": "sha256:1"}]}"#.to_vec();
        for (bytes, kind, words) in [
            (
                helm,
                LookFailureKind::Damaged,
                "artifact of the type application/vnd.cncf.helm",
            ),
            (
                signature.to_string().into_bytes(),
                LookFailureKind::Damaged,
                "application/vnd.example.sbom",
            ),
            (
                manifest(OCI_CONFIG, &[OCI_LAYER, "text/plain"]),
                LookFailureKind::Damaged,
                "layer 2 has the media type text/plain",
            ),
            (
                manifest(OCI_CONFIG, &["application/vnd.oci.image.layer.v1.tar+gzip+encrypted"]),
                LookFailureKind::Damaged,
                "is encrypted",
            ),
            (many, LookFailureKind::TooLarge, "501 layers"),
            (no_size, LookFailureKind::Damaged, "malformed"),
            (b"{".to_vec(), LookFailureKind::Damaged, "malformed"),
        ] {
            let failure = ImageManifest::parse(&bytes).expect_err(words);
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.message.contains(words), "{failure}");
        }
    }

    /// An index of these platforms; the digests count up from 0.
    fn index(platforms: &[&str]) -> Index {
        let entries = platforms.iter().enumerate().map(|(at, platform)| {
            let parts: Vec<&str> = platform.split('/').collect();
            let digit = char::from_digit(u32::try_from(at).expect("few"), 16).expect("few");
            let mut entry =
                json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(digit), "size": 1});
            if let [os, architecture, variant @ ..] = parts.as_slice() {
                entry["platform"] = json!({"os": os, "architecture": architecture, "variant": variant.first()});
            }
            entry
        });
        let bytes = json!({"manifests": entries.collect::<Vec<_>>()}).to_string();
        Index::parse(bytes.as_bytes()).expect("an index")
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn the_platform_is_chosen_as_a_node_would() {
        let (amd, arm) = (Some(Architecture::X86_64), Some(Architecture::Aarch64));
        for (case, platforms, architecture, expected) in [
            ("the one that fits", &["linux/amd64", "linux/arm64"][..], arm, Ok('1')),
            (
                "a variant that every node has",
                &["linux/arm/v7", "linux/arm64/v8"],
                arm,
                Ok('1'),
            ),
            (
                "the first of two that fit",
                &["linux/amd64", "linux/amd64"],
                amd,
                Ok('0'),
            ),
            (
                "attestations are no images",
                &["unknown/unknown", "linux/amd64"],
                None,
                Ok('1'),
            ),
            (
                "the only Linux one where nothing is known",
                &["windows/amd64", "linux/s390x"],
                None,
                Ok('1'),
            ),
            (
                "one without a platform, if none fits",
                &["linux/amd64", ""],
                arm,
                Ok('1'),
            ),
            ("one that fits before one without", &["", "linux/amd64"], amd, Ok('1')),
            (
                "nothing fits",
                &["linux/amd64", "linux/s390x"],
                arm,
                Err((
                    LookFailureKind::NoPlatform,
                    "no image for linux/arm64; it has linux/amd64, linux/s390x",
                )),
            ),
            (
                "only newer processors' variants",
                &["linux/amd64/v3"],
                amd,
                Err((LookFailureKind::NoPlatform, "linux/amd64/v3")),
            ),
            (
                "several and nothing known",
                &["linux/amd64", "linux/arm64"],
                None,
                Err((LookFailureKind::UnknownPlatform, "linux/amd64, linux/arm64")),
            ),
            (
                "no Linux",
                &["windows/amd64"],
                None,
                Err((LookFailureKind::NoPlatform, "windows/amd64")),
            ),
            ("empty", &[], None, Err((LookFailureKind::NoPlatform, "it has none"))),
            (
                "empty, and the architecture known",
                &[],
                amd,
                Err((LookFailureKind::NoPlatform, "it has none")),
            ),
        ] {
            let index = index(platforms);
            match (index.choose(architecture), expected) {
                (Ok(entry), Ok(digit)) => assert_eq!(entry.to_string(), digest(digit), "{case}"),
                (Err(failure), Err((kind, words))) => {
                    assert_eq!(failure.kind, kind, "{case}: {failure}");
                    assert!(failure.message.contains(words), "{case}: {failure}");
                }
                (got, expected) => panic!("{case}: {got:?} instead of {expected:?}"),
            }
        }
    }
}
