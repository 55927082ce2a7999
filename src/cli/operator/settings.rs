//! Arguments of `operator` → validated settings, once. All mistakes are named together.

use webhook_certs::Names;

use super::args::{AdmissionArgs, CertificateSource, OperatorArgs, Place, RegistryArgs};
use super::workshop::workshop;
use crate::cli::settings::patterns;
use crate::plan::ObjectName;
use crate::plan::work::Workshop;
use crate::registry::{Places, Proxies, RegistryPattern, Settings};

/// What is validated of the arguments; the rest is taken as it stands.
#[derive(Clone)]
pub(super) struct OperatorSettings {
    /// The names that the webhook's certificate is good for.
    pub(super) names: Option<Names>,
    /// The pull secret that counts for every Module.
    pub(super) cluster_pull_secret: Option<ObjectName>,
    /// Registries whose driver toolkits may be read over plain HTTP.
    pub(super) plain_toolkit_registries: Vec<RegistryPattern>,
    /// How registries are asked.
    pub(super) registries: Settings,
    /// What runs in pods, and how; `None` where nothing does.
    pub(super) workshop: Option<Workshop>,
}

/// Arguments that cannot be used, one sentence each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\nerror: "))]
pub(super) struct WrongArguments(Vec<String>);

impl OperatorSettings {
    /// Validates the arguments; `variable` reads the environment.
    pub(super) fn new(args: &OperatorArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Self, WrongArguments> {
        let mut wrong = Vec::new();
        let settings = Self {
            names: names(&args.admission, &args.namespace, &mut wrong),
            cluster_pull_secret: pull_secret(&args.registries, &mut wrong),
            plain_toolkit_registries: patterns(
                "--plain-toolkit-registry",
                &args.registries.plain_toolkit_registries,
                &mut wrong,
            ),
            registries: registries(&args.registries, &variable, &mut wrong),
            workshop: workshop(&args.work, &args.registries.ca_files, &variable, &mut wrong),
        };
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(WrongArguments(wrong))
        }
    }
}

fn names(args: &AdmissionArgs, namespace: &str, wrong: &mut Vec<String>) -> Option<Names> {
    if args.no_webhook || args.certificates == CertificateSource::Files {
        return None;
    }
    let service = &args.service_name;
    let own = [
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
    ];
    let names = Names::new(own.into_iter().chain(args.certificate_names.iter().cloned()));
    names
        .map_err(|why| wrong.push(format!("the webhook's certificate: {why}")))
        .ok()
}

fn pull_secret(args: &RegistryArgs, wrong: &mut Vec<String>) -> Option<ObjectName> {
    let text = args.cluster_pull_secret.as_deref()?;
    let name = text
        .split_once('/')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    if name.is_none() {
        wrong.push(format!("--cluster-pull-secret `{text}`: write it as NAMESPACE/NAME"));
    }
    name.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
}

fn registries(args: &RegistryArgs, variable: impl Fn(&str) -> Option<String>, wrong: &mut Vec<String>) -> Settings {
    let allowed = patterns("--allow-registries", &args.allow_registries, wrong);
    for file in args.ca_files.iter().filter(|file| !file.is_file()) {
        wrong.push(format!("--ca-file {}: there is no such file", file.display()));
    }
    Settings {
        ca_files: args.ca_files.clone(),
        proxies: Proxies::from_variables(variable),
        concurrency: usize::from(args.concurrency),
        allowed,
        registry_places: args
            .allow_places
            .iter()
            .fold(Places::PUBLIC, |places, place| places.and(of(*place))),
        ..Settings::default()
    }
}

fn of(place: Place) -> Places {
    match place {
        Place::Private => Places::PRIVATE,
        Place::Link => Places::LINK,
        Place::Machine => Places::MACHINE,
        Place::None => Places::PUBLIC,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jiff::SignedDuration;

    use super::*;
    use crate::cli::args::{Cli, Task};
    use crate::plan::work::{BuildWith, LookBy};

    fn settings(line: &str) -> Result<OperatorSettings, WrongArguments> {
        let words = "kmm-preflight operator".split(' ').chain(line.split_whitespace());
        match Cli::parse_from(words).task {
            Task::Operator(args) => OperatorSettings::new(&args, |_| None),
            task => panic!("not the operator: {task:?}"),
        }
    }

    #[test]
    fn registries_are_public_or_private_unless_somebody_says_otherwise() {
        let places = |line| settings(line).map(|settings| settings.registries.registry_places).ok();
        assert_eq!(places(""), Some(Places::PRIVATE));
        assert_eq!(places("--allow-places none"), Some(Places::PUBLIC));
        assert_eq!(
            places("--allow-places private,machine"),
            Some(Places::PRIVATE.and(Places::MACHINE))
        );
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong = settings("--cluster-pull-secret pull --allow-registries /x --ca-file /no --certificate-name a..b");
        let wrong = wrong.err().expect("mistakes").to_string();
        for part in [
            "--cluster-pull-secret `pull`",
            "--allow-registries `/x`",
            "--ca-file /no",
            "a..b",
        ] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
    }

    #[test]
    fn nothing_runs_in_pods_unless_our_image_is_named() {
        assert!(settings("--jobs-at-once 2").expect("good arguments").workshop.is_none());
        let workshop = settings("--work-image r/p:1 --build-with openshift --look-by runtime --keep-failed-jobs 0s");
        let workshop = workshop.expect("good arguments").workshop.expect("a workshop");
        assert_eq!(
            (workshop.build_with, workshop.look_by),
            (BuildWith::OpenShift, LookBy::Runtime)
        );
        assert_eq!(
            (workshop.at_once, workshop.deadline),
            (4, SignedDuration::from_hours(1))
        );
        assert_eq!(workshop.pull_policy, "IfNotPresent");
        assert!(workshop.keep_failed.is_zero() && !workshop.privileged);
    }

    #[test]
    fn a_time_for_jobs_that_is_none_is_refused() {
        let wrong = settings("--work-image r/p:1 --job-deadline 0s --keep-failed-jobs ever --builder-limits disk=9");
        let wrong = wrong.err().expect("mistakes").to_string();
        for part in [
            "--job-deadline `0s`",
            "--keep-failed-jobs `ever`",
            "--builder-limits `disk=9`",
        ] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        assert!(settings("--work-image r/p:1 --job-deadline 25h").is_err());
    }

    #[test]
    fn a_pull_secret_is_named_with_its_namespace() {
        let settings = settings("--cluster-pull-secret openshift-config/pull-secret").expect("good arguments");
        assert_eq!(
            settings.cluster_pull_secret,
            Some(("openshift-config".to_owned(), "pull-secret".to_owned()))
        );
    }
}
