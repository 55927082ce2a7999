//! The environment variables that these tasks know, read here and nowhere else.

use std::path::PathBuf;

use crate::programs::Missing;

/// An environment variable; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder for what may be lost: `$XDG_CACHE_HOME/kmm-preflight`, else `~/.cache/kmm-preflight`.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let own = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let folder = own.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))?;
    Some(folder.join("kmm-preflight"))
}

/// Where people who use `setup-envtest` have kube-apiserver, etcd and kubectl.
pub(crate) fn kubebuilder_assets() -> Option<PathBuf> {
    variable("KUBEBUILDER_ASSETS").map(PathBuf::from)
}

/// The operator's program, linked statically, where it has been built already.
pub(crate) fn static_program() -> Option<PathBuf> {
    variable("KMM_PREFLIGHT_STATIC").map(PathBuf::from)
}

/// What a test gets: what `start` starts; or nothing, which is said loudly, where there is no Kubernetes to be had.
///
/// # Panics
/// where it does not start, and where CI or `KMM_PREFLIGHT_REQUIRE_CLUSTER` insist on one and it is not to be had.
#[expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "this is how a test fails, and how it says that it skips"
)]
pub(crate) fn for_test<T>(available: Result<(), Missing>, start: impl Fn() -> anyhow::Result<T>) -> Option<T> {
    match available {
        Ok(()) => Some(start().unwrap_or_else(|error| panic!("{error:?}"))),
        Err(missing) if requires_cluster() => panic!("{missing}"),
        Err(missing) => {
            eprintln!("\nSKIPPED, NOTHING IS TESTED HERE: {missing}\n");
            None
        }
    }
}

/// Whether tests must fail rather than skip where there is no cluster to be had: in CI, or as the variable says.
fn requires_cluster() -> bool {
    ["KMM_PREFLIGHT_REQUIRE_CLUSTER", "CI"]
        .into_iter()
        .any(|name| variable(name).is_some_and(|value| value != "false"))
}
