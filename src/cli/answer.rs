//! Wires the engine: registries, cache and credentials as the settings say.

use std::path::{Path, PathBuf};

use anyhow::Context;
use futures::future::join_all;
use jiff::Timestamp;

use super::settings::{CheckSettings, ImageSettings};
use super::{environment, output};
use crate::api::PreflightValidationOCP;
use crate::check::{Credentials, Engine, Progress, Question};
use crate::examine::{Examiner, TimeLimit};
use crate::inspect::cache::{Bounds, Cache};
use crate::inspect::{Inspector, Limits};
use crate::kmod::load::LoadedModules;
use crate::kmod::signature::Certificate;
use crate::registry::{Keyring, Layout, Proxies, Settings, Sources, usual_files};

/// The certificates of files.
pub(super) fn certificates(files: &[PathBuf]) -> anyhow::Result<Vec<Certificate>> {
    files.iter().map(|file| certificate(file)).collect()
}

/// The certificate of a file.
pub(super) fn certificate(file: &Path) -> anyhow::Result<Certificate> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Certificate::from_pem_or_der(&bytes).with_context(|| format!("{} is no certificate", file.display()))
}

/// The modules that a node has loaded, from a file.
pub(super) fn loaded_modules(file: Option<&Path>) -> anyhow::Result<LoadedModules> {
    let Some(file) = file else {
        return Ok(LoadedModules::default());
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    LoadedModules::parse(&text).map_err(|line| {
        anyhow::anyhow!(
            "{} is no copy of a node's /proc/modules: `{line}` begins with no module's name",
            file.display()
        )
    })
}

/// Answers every question, side by side.
pub(super) async fn all(
    questions: &[Question],
    settings: &CheckSettings,
    progress: Progress,
    now: Timestamp,
) -> anyhow::Result<Vec<PreflightValidationOCP>> {
    let engine = Engine {
        examiner: Examiner {
            inspector: inspector(&settings.images)?,
            time_limit: TimeLimit {
                duration: settings.images.timeout,
                set_by: "--timeout",
            },
        },
        credentials: credentials(questions, settings)?,
        progress,
    };
    if !settings.quiet {
        let problems = questions.iter().flat_map(Question::certificate_problems);
        problems.for_each(|problem| output::complain(&format!("note: {problem}")));
    }
    Ok(join_all(questions.iter().map(|question| engine.answer(question, now))).await)
}

fn inspector(images: &ImageSettings) -> anyhow::Result<Inspector> {
    let layouts = images
        .layouts
        .iter()
        .map(|folder| Layout::open(folder))
        .collect::<Result<Vec<_>, _>>()?;
    let settings = Settings {
        ca_files: images.ca_files.clone(),
        proxies: Proxies::from_variables(environment::variable),
        concurrency: images.concurrency,
        ..Settings::default()
    };
    let cache = Cache::new(images.cache.clone(), Bounds::default());
    Ok(Inspector::new(
        Sources::new(layouts, settings)?,
        cache,
        Limits::default(),
    ))
}

/// What the user is logged in as: by the file that was named, else by the usual ones.
pub(super) fn own_keyring(named: Option<&PathBuf>) -> anyhow::Result<Keyring> {
    let usual = || {
        usual_files(environment::variable)
            .into_iter()
            .find(|file| file.is_file())
    };
    Ok(match named.cloned().or_else(usual) {
        Some(file) => Keyring::from_file(&file)?,
        None => Keyring::anonymous(),
    })
}

/// What the user is logged in as, and the pull secrets among the documents.
fn credentials(questions: &[Question], settings: &CheckSettings) -> anyhow::Result<Credentials> {
    let own = own_keyring(settings.images.auth_file.as_ref())?;
    let secrets = questions
        .first()
        .map(|question| question.secrets.as_slice())
        .unwrap_or_default();
    let (credentials, complaints) = Credentials::new(own, secrets);
    if !settings.quiet {
        for complaint in complaints {
            output::complain(&format!("note: {complaint}"));
        }
    }
    Ok(credentials)
}
