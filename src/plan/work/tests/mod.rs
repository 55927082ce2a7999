//! Orders, their objects, and what becomes of these. Rows of `tests/compat/upstream_cases.yaml` carry their id.

mod building;
mod ordering;
mod rendering;
mod seeing;
mod testifying;

use super::{Errand, Order, Owner, Push, Request, order};
use crate::kmod::load::{LoadedModules, SignaturePolicy};
use crate::plan::tests::{KERNEL, owner, target};
use crate::plan::{KnownSecret, Pods, Supplies, Target, World};

const DOCKERFILE: &str = "ARG DTK_AUTO\nFROM ${DTK_AUTO} AS builder\nRUN make KERNEL=$KERNEL_VERSION\n";
const TOOLKIT: &str = "r.example.com/dtk:1";

/// A container section that builds and signs.
const BOTH: &str = "{containerImage: 'r.example.com/kmod:1', \
    registryTLS: {insecure: true}, \
    build: {dockerfileConfigMap: {name: df}, buildArgs: [{name: A, value: '$(B) $$'}], secrets: [{name: s}, {name: s}], \
            baseImageRegistryTLS: {insecureSkipTLSVerify: true}, selector: {build: here}}, \
    sign: {keySecret: {name: k}, certSecret: {name: c}, filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko']}, \
    kernelMappings: [{regexp: .}]}";
/// One that signs alone.
const SIGNED: &str = "{kernelMappings: [{regexp: .}], sign: {keySecret: {name: k}, certSecret: {name: c}, \
    unsignedImage: 'r.example.com/unsigned:1', unsignedImageRegistryTLS: {insecure: true}}}";
/// One that builds alone.
const BUILT: &str = "{kernelMappings: [{regexp: .}], build: {dockerfileConfigMap: {name: df}}}";
/// One that does neither.
const PLAIN: &str = "{kernelMappings: [{regexp: .}]}";

/// The Secrets `k`, `c`, `s` and `pull`, each with that content, and the Dockerfile `df`.
fn supplies(version: &str) -> Supplies {
    let named = |name: &str| ("ns1".to_owned(), name.to_owned());
    let known = KnownSecret::Exists {
        version: version.to_owned(),
    };
    Supplies {
        dockerfiles_complete: true,
        dockerfiles: [(named("df"), Some(DOCKERFILE.to_owned()))].into(),
        secrets: ["k", "c", "s", "pull"].map(|name| (named(name), known.clone())).into(),
        ..Supplies::default()
    }
}

fn world<'a>(supplies: &'a Supplies, toolkit: Option<&'a str>) -> World<'a> {
    World {
        subjects: &[],
        supplies,
        toolkit_image: toolkit,
        push_built_image: true,
        pods: Pods::None,
    }
}

fn request<'a>(owner: &'a Owner, target: &'a Target, errand: Errand) -> Request<'a> {
    Request {
        owner,
        target,
        errand,
        attempt: 1,
        architecture: None,
        signatures: SignaturePolicy::default(),
        loaded: LoadedModules::default(),
    }
}

/// The Module `ns1/kmod` with this section and the pull secret `pull`.
fn pulled(container: &str) -> Target {
    Target {
        pull_secret: Some("pull".to_owned()),
        ..target(container, KERNEL)
    }
}

fn ordered(container: &str, errand: Errand) -> Order {
    let (supplies, target) = (supplies("1"), pulled(container));
    order(&world(&supplies, Some(TOOLKIT)), request(&owner(), &target, errand)).unwrap()
}

fn make(push: Push) -> Errand {
    Errand::Make { push }
}
