//! Arguments about work in pods → the [`Workshop`] that plans are made for.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;

use super::args::{Builder, PullPolicy, Way, WorkArgs};
use crate::plan::work::{Amount, BuildWith, LookBy, Room, Share, Workshop};
use crate::registry::ca_certificates;

/// The longest time that one Job may take: a kernel module that takes longer to build is no kernel module.
const LONGEST_JOB: SignedDuration = SignedDuration::from_hours(24);
/// The longest time for which a failed Job is kept: each counts for a namespace's quota.
const LONGEST_KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);

/// The variables of the operator's own environment that its pods are given too: they reach registries by the same way.
const HANDED_ON: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// How many bytes of certificates a Job is given, in Base64: twice what a distribution trusts, and a third of what the API server
/// stores in one object.
const MOST_TRUSTED: usize = 512 << 10;
/// The largest certificate, in Base64: Linux takes no argument of a program beyond 128 KiB.
const LARGEST_CERTIFICATE: usize = 64 << 10;

/// What an administrator has set; `None` where nothing is to run in pods. `variable` reads the environment.
pub(super) fn workshop(
    args: &WorkArgs,
    ca_files: &[PathBuf],
    variable: impl Fn(&str) -> Option<String>,
    wrong: &mut Vec<String>,
) -> Option<Workshop> {
    let (least, none) = (SignedDuration::from_secs(1), SignedDuration::ZERO);
    let deadline = time("--job-deadline", &args.job_deadline, (least, LONGEST_JOB), wrong);
    let keep_failed = time(
        "--keep-failed-jobs",
        &args.keep_failed_jobs,
        (none, LONGEST_KEPT),
        wrong,
    );
    let room = room(args, wrong);
    let environment = HANDED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
    let image = args.work_image.clone()?;
    Some(Workshop {
        image,
        builder_image: args.builder_image.clone(),
        pull_policy: match args.work_pull_policy {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
        .to_owned(),
        build_with: match args.build_with {
            Builder::Job => BuildWith::Job,
            Builder::OpenShift => BuildWith::OpenShift,
        },
        look_by: match args.look_by {
            Way::Auto => LookBy::Auto,
            Way::Registry => LookBy::Registry,
            Way::Runtime => LookBy::Runtime,
        },
        at_once: usize::from(args.jobs_at_once),
        deadline,
        keep_failed,
        service_account: args.work_service_account.clone(),
        privileged: args.privileged_builds,
        user_namespaces: args.user_namespaces,
        assigned_users: args.assigned_users,
        room,
        environment: environment.collect(),
        trusted: trusted(ca_files, wrong),
    })
}

/// The certificates of these files, each once. Files that are none at all are complained of elsewhere.
fn trusted(ca_files: &[PathBuf], wrong: &mut Vec<String>) -> Vec<String> {
    let mut trusted = Vec::new();
    for file in ca_files.iter().filter(|file| file.is_file()) {
        match ca_certificates(file) {
            Ok(found) => trusted.extend(found.iter().map(|der| STANDARD.encode(der))),
            Err(error) => wrong.push(format!("--ca-file: {error}")),
        }
    }
    trusted.sort_unstable();
    trusted.dedup();
    let size: usize = trusted.iter().map(String::len).sum();
    if size > MOST_TRUSTED || trusted.iter().any(|one| one.len() > LARGEST_CERTIFICATE) {
        wrong.push(format!(
            "--ca-file: {} certificates of {} KiB are more than Jobs can be given ({} KiB, {} KiB each): name the CAs of your \
             registries, not all that a machine trusts",
            trusted.len(),
            size >> 10,
            MOST_TRUSTED >> 10,
            LARGEST_CERTIFICATE >> 10
        ));
    }
    trusted
}

fn room(args: &WorkArgs, wrong: &mut Vec<String>) -> Room {
    Room {
        build: Share {
            requested: amount("--builder-requests", &args.builder_requests, wrong),
            limit: amount("--builder-limits", &args.builder_limits, wrong),
        },
        other: Share {
            requested: amount("--work-requests", &args.work_requests, wrong),
            limit: amount("--work-limits", &args.work_limits, wrong),
        },
        disk: args.work_disk.clone(),
    }
}

/// Amounts like `cpu=500m` and `memory=1Gi`. The API server judges the quantities.
fn amount(option: &str, texts: &[String], wrong: &mut Vec<String>) -> Amount {
    let mut amount = Amount::default();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        match text.split_once('=') {
            Some(("cpu", cpu)) => amount.cpu = Some(cpu.to_owned()),
            Some(("memory", memory)) => amount.memory = Some(memory.to_owned()),
            _ => wrong.push(format!("{option} `{text}`: write it as cpu=500m or memory=1Gi")),
        }
    }
    amount
}

/// A time like `90s`, `10m` or `1h30m`, between these two.
fn time(
    option: &str,
    text: &str,
    (shortest, longest): (SignedDuration, SignedDuration),
    wrong: &mut Vec<String>,
) -> SignedDuration {
    let parsed = text.parse::<SignedDuration>().ok();
    parsed
        .filter(|time| (shortest..=longest).contains(time))
        .unwrap_or_else(|| {
            wrong.push(format!(
                "{option} `{text}`: not a time between {shortest:#} and {longest:#}; write it like 90s, 10m or 1h30m"
            ));
            SignedDuration::ZERO
        })
}
