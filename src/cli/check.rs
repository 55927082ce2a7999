//! `check`: read, ask, answer, report.

use std::io;

use miette::{GraphicalReportHandler, GraphicalTheme};
use tracing_subscriber::EnvFilter;

use super::args::{CheckArgs, Format};
use super::progress::Bar;
use super::settings::CheckSettings;
use super::{Ending, answer, environment, output};
use crate::api::PreflightValidationOCP;
use crate::check::report::{self, Layout, Tally};
use crate::check::{self, DocumentProblem, Documents, Options, Progress, Question};
use crate::inspect::SCANS;

/// How many problems are shown. The wrong folder has thousands, and the first ones tell as much.
const MAX_PROBLEMS_SHOWN: usize = 20;
/// Narrower terminals get the table of this width: a reason in a column of five letters helps nobody.
const MIN_WIDTH: u16 = 60;

/// Threads for what blocks: a scan of a layer each ([`SCANS`]), and some for files and names besides. Each keeps
/// buffers of its own, so more of them is memory.
const BLOCKING_THREADS: usize = SCANS + 8;

/// Answers the questions that the files ask.
pub(super) fn run(args: CheckArgs) -> anyhow::Result<Ending> {
    let mut settings = CheckSettings::new(args, environment::variable)?;
    log_to_stderr(settings.verbosity);
    let documents = check::documents::read(&settings.sources, &mut io::stdin().lock());
    if !documents.problems.is_empty() {
        complain_of(&documents.problems);
        return Ok(Ending::WrongQuestion);
    }
    if !settings.quiet {
        documents
            .notes
            .iter()
            .for_each(|note| output::complain(&format!("note: {note}")));
    }
    let questions = questions(documents, &mut settings)?;
    let Some(answers) = answers(&questions, &settings)? else {
        return Ok(Ending::Interrupted);
    };
    output::print(&report(&answers, settings.format))?;
    Ok(ending(&answers))
}

fn questions(documents: Documents, settings: &mut CheckSettings) -> anyhow::Result<Vec<Question>> {
    settings.images.layouts.extend(documents.layouts.iter().cloned());
    let options = Options {
        enforce_signatures: settings.enforce_signatures,
        trusted_certificates: answer::certificates(&settings.trusted_certificates)?,
        architecture: settings.architecture,
        plain_toolkit_registries: settings.images.plain_toolkit_registries.clone(),
        loaded_modules: answer::loaded_modules(settings.loaded_modules.as_deref())?,
    };
    Ok(check::questions(
        documents,
        &settings.overrides,
        &settings.namespaces,
        &options,
    )?)
}

/// The answered preflights, in the order of the questions; `None` if somebody pressed Ctrl-C first.
fn answers(questions: &[Question], settings: &CheckSettings) -> anyhow::Result<Option<Vec<PreflightValidationOCP>>> {
    // Lines of a log would tear the bar.
    let has_place = !settings.quiet && settings.verbosity == 0;
    let bar = (environment::is_watched() && has_place).then(Bar::new);
    let progress = bar.as_ref().map_or_else(Progress::silent, Bar::progress);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()?;
    let answers = runtime.block_on(async {
        tokio::select! {
            // First, so that Ctrl-C is heard before the first request goes out.
            biased;
            _ = tokio::signal::ctrl_c() => Ok(None),
            answers = answer::all(questions, settings, progress, environment::now()) => answers.map(Some),
        }
    });
    runtime.shutdown_background();
    answers
}

fn report(answers: &[PreflightValidationOCP], format: Format) -> String {
    let layout = Layout {
        wide: format == Format::Wide,
        width: environment::terminal_width().map(|width| width.max(MIN_WIDTH)),
        colours: environment::takes_colours(),
    };
    match format {
        Format::Table => report::table(answers, layout),
        Format::Wide => report::table(answers, Layout { width: None, ..layout }),
        Format::Json => report::json(answers),
        Format::Yaml => report::yaml(answers),
        Format::Junit => report::junit(answers),
        Format::Markdown => report::markdown(answers),
    }
}

/// A failure outweighs what has no answer.
fn ending(answers: &[PreflightValidationOCP]) -> Ending {
    let tallies: Vec<_> = answers.iter().map(Tally::of).collect();
    if tallies.iter().any(|tally| tally.failed > 0) {
        Ending::Failed
    } else if tallies.iter().any(|tally| tally.unknown > 0) {
        Ending::NoAnswer
    } else {
        Ending::Good
    }
}

/// Shows what is wrong with the documents, each with the lines around it.
fn complain_of(problems: &[DocumentProblem]) {
    let theme = if environment::complaints_take_colours() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false);
    for problem in problems.iter().take(MAX_PROBLEMS_SHOWN) {
        let mut text = String::new();
        match handler.render_report(&mut text, problem) {
            Ok(()) => output::complain(&text),
            Err(_) => output::complain(&problem.to_string()),
        }
    }
    if let Some(more) = problems.len().checked_sub(MAX_PROBLEMS_SHOWN).filter(|more| *more > 0) {
        output::complain(&format!("… and {more} more"));
    }
}

/// What is done, on standard error: the errors of the libraries always, the rest as asked for. Of certificates the answers tell
/// already, in words for people and once.
fn log_to_stderr(verbosity: u8) {
    let filter = match verbosity {
        0 => "error,rustls_platform_verifier=off",
        1 => "warn,kmm_preflight=info,kmm_preflight::examine=debug,rustls_platform_verifier=off",
        _ => "info,kmm_preflight=debug",
    };
    let colours = environment::complaints_take_colours();
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(colours);
    let _ = log.with_writer(io::stderr).try_init();
}
