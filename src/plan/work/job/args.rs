//! The command line of each container: the contract with `kmm-preflight pod` and `kmm-preflight sign`.

use jiff::SignedDuration;

use super::places::{
    AUTHFILE, BUILT, CERT, DOCKERFILE, KEY, PROGRAM, SECRETS, SIGNED, TERMINATION_LOG, TOOLKIT_FACTS, TRUSTED,
};
use super::volumes::build_secrets;
use crate::api::module::{RegistryTls, Sign};
use crate::plan::supplies::{CERTIFICATE_KEY, PRIVATE_KEY_KEY};
use crate::plan::work::{Errand, Order, Push, Workshop};
use crate::plan::{DTK_AUTO, build_args};

/// How much earlier than the Job a step ends by itself: what it says then tells more than a Job that was stopped.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// Where the image is that is judged, or signed.
enum Origin {
    /// The layout of what was built.
    Built,
    /// The layout of what was signed.
    Signed,
    /// A registry.
    Registry { image: String, tls: RegistryTls },
}

/// The certificates have no other way into the Module's namespace that needs no right to write there.
pub(super) fn place(order: &Order, workshop: &Workshop) -> Vec<String> {
    let mut args = line(&["pod", "place", "--to", PROGRAM]);
    if order.is_trusting(workshop) {
        args.push(format!("--trusted={TRUSTED}"));
        args.extend(workshop.trusted.iter().map(|der| format!("--trust={der}")));
    }
    args
}

pub(super) fn toolkit(order: &Order, workshop: &Workshop, image: &str) -> Vec<String> {
    let kernel = order.target.kernel.raw();
    let mut args = line(&[
        "pod",
        "toolkit",
        "--kernel",
        kernel,
        "--image",
        image,
        "--to",
        TOOLKIT_FACTS,
    ]);
    args.push(time_limit(order, workshop));
    args
}

pub(super) fn build(order: &Order, workshop: &Workshop) -> Vec<String> {
    let Some((build, dockerfile)) = order.target.build.as_ref().zip(order.dockerfile.as_ref()) else {
        return Vec::new();
    };
    let toolkit = order.toolkit_image.as_deref().filter(|_| dockerfile.contains(DTK_AUTO));
    let mut args = line(&["pod", "build", "--dockerfile", DOCKERFILE]);
    args.push(format!("--dockerfile-digest={}", sha256(dockerfile)));
    for arg in build_args(&order.target, toolkit) {
        args.push(format!("--build-arg={}={}", arg.name, arg.value));
    }
    for secret in build_secrets(build) {
        args.push(format!("--secret-dir={SECRETS}/{secret}"));
    }
    args.extend(architecture(order));
    args.push(time_limit(order, workshop));
    args.extend(trusted(order, workshop));
    args.extend(access(order, "", build.base_image_registry_tls.unwrap_or_default()));
    args.extend(line(&["--to", BUILT]));
    args
}

/// Signs as KMM will: the files that `filesToSign` names, with SHA-256.
pub(super) fn sign(order: &Order, workshop: &Workshop, sign: &Sign) -> Vec<String> {
    let mut args = line(&["sign", "--key"]);
    args.push(format!("{KEY}/{PRIVATE_KEY_KEY}"));
    args.push("--cert".to_owned());
    args.push(format!("{CERT}/{CERTIFICATE_KEY}"));
    args.extend(sign.files_to_sign.iter().map(|file| format!("--file={file}")));
    args.push(format!("--dir-name={}", order.target.modprobe.dir_name));
    args.extend(architecture(order));
    args.push(format!("--testimony={TERMINATION_LOG}"));
    if !order.errand.pushes() {
        // What KMM would make of it is what is judged; only what is pushed may be better than that.
        args.push("--as-sign-file".to_owned());
    }
    let from = Origin::to_sign(order, workshop, sign);
    if from.is_remote() {
        args.extend(trusted(order, workshop));
    }
    args.extend(from.access(order));
    args.push(from.to_string());
    args.push(format!("oci:{SIGNED}"));
    args
}

/// Judges what was made, and pushes it where it would load.
pub(super) fn judge_made(order: &Order, workshop: &Workshop) -> Vec<String> {
    let mut args = judge(order, workshop);
    let made = Origin::to_judge(order, workshop);
    args.push(format!("--image={made}"));
    if made.is_remote() || order.errand.pushes() {
        args.extend(trusted(order, workshop));
    }
    args.extend(made.access(order));
    if order.errand.pushes() {
        args.push(format!("--push={}", order.target.image_text));
        args.extend(access(order, "push-", order.target.registry_tls));
    }
    if let Errand::Make {
        push: Push::Over(digest),
    } = &order.errand
    {
        args.push(format!("--replaces={digest}"));
    }
    if let Some(temporary) = order.temporary_image(workshop) {
        args.push(format!("--temporary={temporary}"));
    }
    args
}

/// Judges the file system that it runs in.
pub(super) fn judge_root(order: &Order, workshop: &Workshop) -> Vec<String> {
    let mut args = judge(order, workshop);
    args.extend(line(&["--root", "/"]));
    args
}

fn judge(order: &Order, workshop: &Workshop) -> Vec<String> {
    let mut args = line(&["pod", "judge"]);
    args.push(format!("--brief={}", order.brief.to_json()));
    args.push(time_limit(order, workshop));
    if order.toolkit_image.is_some() {
        args.push(format!("--toolkit={TOOLKIT_FACTS}"));
    }
    args
}

impl Origin {
    fn to_sign(order: &Order, workshop: &Workshop, sign: &Sign) -> Self {
        let tls = order.target.registry_tls;
        let unsigned = sign.unsigned_image.clone().unwrap_or_default();
        match (order.temporary_image(workshop), &order.target.build) {
            (Some(image), _) => Self::Registry { image, tls },
            (None, Some(_)) => Self::Built,
            (None, None) => {
                let tls = sign.unsigned_image_registry_tls.unwrap_or_default();
                Self::Registry { image: unsigned, tls }
            }
        }
    }

    fn to_judge(order: &Order, workshop: &Workshop) -> Self {
        let tls = order.target.registry_tls;
        match (&order.target.sign, order.temporary_image(workshop)) {
            (Some(_), _) => Self::Signed,
            (None, Some(image)) => Self::Registry { image, tls },
            (None, None) => Self::Built,
        }
    }

    const fn is_remote(&self) -> bool {
        matches!(self, Self::Registry { .. })
    }

    fn access(&self, order: &Order) -> Vec<String> {
        match self {
            Self::Registry { tls, .. } => access(order, "", *tls),
            Self::Built | Self::Signed => Vec::new(),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Built => write!(f, "oci:{BUILT}"),
            Self::Signed => write!(f, "oci:{SIGNED}"),
            Self::Registry { image, .. } => f.write_str(image),
        }
    }
}

/// How registries are asked.
fn access(order: &Order, purpose: &str, tls: RegistryTls) -> Vec<String> {
    let authfile = order
        .target
        .pull_secret
        .as_ref()
        .map(|_| format!("--{purpose}authfile={AUTHFILE}"));
    let insecure = tls.insecure.then(|| format!("--{purpose}insecure"));
    let any_certificate = tls
        .insecure_skip_tls_verify
        .then(|| format!("--{purpose}skip-tls-verify"));
    authfile.into_iter().chain(insecure).chain(any_certificate).collect()
}

/// By which certificates, beside those of a step's image.
fn trusted(order: &Order, workshop: &Workshop) -> Option<String> {
    order.is_trusting(workshop).then(|| format!("--ca-file={TRUSTED}"))
}

fn architecture(order: &Order) -> Option<String> {
    let architecture = order.architecture?;
    Some(format!("--architecture={}", architecture.go_name()))
}

fn time_limit(order: &Order, workshop: &Workshop) -> String {
    let deadline = order.deadline(workshop);
    format!("--timeout={}s", (deadline - MARGIN).max(deadline / 2).as_secs())
}

fn line(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn sha256(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let digest = crate::image::Digest::from_bytes(crate::image::DigestAlgorithm::Sha256, hash.as_ref());
    digest.map(|digest| digest.to_string()).unwrap_or_default()
}

/// Arguments as the kubelet has to be told them: it would expand `$(NAME)`, and takes `$$` for `$`.
pub(super) fn verbatim(args: Vec<String>) -> Vec<String> {
    args.into_iter().map(|arg| arg.replace('$', "$$")).collect()
}
