//! The volumes of a Job, and which container sees which.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::places::{AUTH, BIN, BUILT, CERT, FACTS, KEY, RECIPE, SCRATCH, SECRETS, SIGNED, STORAGE, TEMPORARY, TRUST};
use crate::api::module::Build;
use crate::plan::supplies::{CERTIFICATE_KEY, DOCKERFILE_KEY, PRIVATE_KEY_KEY};
use crate::plan::work::{Order, Step, Workshop};

/// Room for this program.
const PROGRAM_SIZE: &str = "64Mi";
/// Room for the facts of a driver toolkit: its symbols, configuration and in-tree modules.
const FACTS_SIZE: &str = "256Mi";

/// Room for the certificates that are trusted.
const TRUST_SIZE: &str = "4Mi";

/// The keys of pull secrets, of the old type (`kubernetes.io/dockercfg`) and of the present one. Where a Secret has both, the kubelet
/// leaves what comes last (`pkg/volume/secret: MakePayload`).
const CREDENTIALS_KEYS: [&str; 2] = [".dockercfg", ".dockerconfigjson"];
/// The name of the file that either becomes: what is in it tells them apart.
const DOCKER_CONFIG: &str = "config.json";

/// Who may see a volume.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    ReadsAndWrites,
    Reads,
}

/// One volume, where it is seen, and by whom.
struct Shelf {
    volume: Volume,
    path: String,
    seen_by: Vec<(Step, Sees)>,
}

/// The volumes of an order's Job.
pub(super) fn of(order: &Order, workshop: &Workshop) -> Vec<Volume> {
    shelves(order, workshop).into_iter().map(|shelf| shelf.volume).collect()
}

/// What a step sees of them.
pub(super) fn mounts(order: &Order, workshop: &Workshop, step: Step) -> Vec<VolumeMount> {
    let shelves = shelves(order, workshop);
    let seen = shelves.into_iter().filter_map(|shelf| {
        let (_, sees) = shelf.seen_by.iter().find(|(by, _)| *by == step)?;
        Some(VolumeMount {
            name: shelf.volume.name,
            mount_path: shelf.path,
            read_only: (*sees == Sees::Reads).then_some(true),
            ..VolumeMount::default()
        })
    });
    seen.collect()
}

/// The Secrets that a build sees, each once.
pub(in crate::plan::work) fn build_secrets(build: &Build) -> Vec<&str> {
    let mut names: Vec<&str> = build.secrets.iter().map(|secret| secret.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn shelves(order: &Order, workshop: &Workshop) -> Vec<Shelf> {
    use Sees::{Reads, ReadsAndWrites};
    let disk = workshop.room.disk.as_str();
    let foreign = order.steps(workshop).into_iter().filter(|step| order.is_foreign(*step));
    let bin = [(Step::Place, ReadsAndWrites)]
        .into_iter()
        .chain(foreign.map(|step| (step, Reads)));
    let mut shelves = vec![shelf(empty("bin", PROGRAM_SIZE), BIN, bin.collect())];
    if order.toolkit_image.is_some() {
        let seen_by = vec![(Step::Toolkit, ReadsAndWrites), (Step::Judge, Reads)];
        shelves.push(shelf(empty("facts", FACTS_SIZE), FACTS, seen_by));
    }
    if order.builds_itself(workshop) {
        let next = if order.target.sign.is_some() {
            Step::Sign
        } else {
            Step::Judge
        };
        shelves.push(shelf(
            empty("built", disk),
            BUILT,
            vec![(Step::Build, ReadsAndWrites), (next, Reads)],
        ));
        shelves.push(shelf(
            empty("storage", disk),
            STORAGE,
            vec![(Step::Build, ReadsAndWrites)],
        ));
        shelves.push(shelf(
            empty("scratch", disk),
            SCRATCH,
            vec![(Step::Build, ReadsAndWrites)],
        ));
        shelves.extend(supplies(order));
    }
    if order.is_trusting(workshop) {
        let seen_by = [
            (Step::Place, ReadsAndWrites),
            (Step::Build, Reads),
            (Step::Sign, Reads),
            (Step::Judge, Reads),
        ];
        shelves.push(shelf(empty("trust", TRUST_SIZE), TRUST, seen_by.into()));
    }
    if order.errand.makes() {
        shelves.extend(signing(order, disk));
        shelves.extend(credentials(order));
        shelves.push(shelf(
            empty("judge-tmp", disk),
            TEMPORARY,
            vec![(Step::Judge, ReadsAndWrites)],
        ));
    }
    shelves
}

/// The Dockerfile and the build's Secrets. A ConfigMap that went is told by the step itself: a pod without it would
/// wait for it without a word.
fn supplies(order: &Order) -> Vec<Shelf> {
    let Some(build) = &order.target.build else {
        return Vec::new();
    };
    let recipe = Volume {
        name: "recipe".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: build.dockerfile_config_map.name.clone(),
            items: Some(vec![item(DOCKERFILE_KEY, DOCKERFILE_KEY)]),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let secrets = build_secrets(build).into_iter().enumerate().map(|(at, name)| {
        // A Secret's name may be longer than a volume's, and have dots.
        let volume = secret(&format!("secret-{at}"), name, None, false);
        shelf(volume, &format!("{SECRETS}/{name}"), vec![(Step::Build, Sees::Reads)])
    });
    let recipe = shelf(recipe, RECIPE, vec![(Step::Build, Sees::Reads)]);
    std::iter::once(recipe).chain(secrets).collect()
}

/// The key and the certificate, for the step that signs alone. Where one is missing, that step says so; a pod would wait.
fn signing(order: &Order, disk: &str) -> Vec<Shelf> {
    let Some(sign) = &order.target.sign else {
        return Vec::new();
    };
    let key = vec![item(PRIVATE_KEY_KEY, PRIVATE_KEY_KEY)];
    let cert = vec![item(CERTIFICATE_KEY, CERTIFICATE_KEY)];
    let alone = || vec![(Step::Sign, Sees::Reads)];
    vec![
        shelf(secret("key", &sign.key_secret.name, Some(key), true), KEY, alone()),
        shelf(secret("cert", &sign.cert_secret.name, Some(cert), true), CERT, alone()),
        shelf(
            empty("signed", disk),
            SIGNED,
            vec![(Step::Sign, Sees::ReadsAndWrites), (Step::Judge, Sees::Reads)],
        ),
        shelf(
            empty("sign-tmp", disk),
            TEMPORARY,
            vec![(Step::Sign, Sees::ReadsAndWrites)],
        ),
    ]
}

/// The credentials for registries, as a file that Docker would have.
fn credentials(order: &Order) -> Option<Shelf> {
    let name = order.target.pull_secret.as_ref()?;
    let steps = [Step::Build, Step::Sign, Step::Judge].map(|step| (step, Sees::Reads));
    let items = CREDENTIALS_KEYS.map(|key| item(key, DOCKER_CONFIG)).into();
    let volume = secret("auth", name, Some(items), true);
    Some(shelf(volume, AUTH, steps.into()))
}

fn shelf(volume: Volume, path: &str, seen_by: Vec<(Step, Sees)>) -> Shelf {
    Shelf {
        volume,
        path: path.to_owned(),
        seen_by,
    }
}

fn empty(name: &str, size: &str) -> Volume {
    let size_limit = Some(Quantity(size.to_owned()));
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit,
            medium: None,
        }),
        ..Volume::default()
    }
}

fn secret(name: &str, secret: &str, items: Option<Vec<KeyToPath>>, optional: bool) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            items,
            optional: Some(optional),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path: path.to_owned(),
        mode: None,
    }
}
