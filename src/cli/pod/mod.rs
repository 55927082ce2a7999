//! `pod`: arguments → a step → its testimony.

mod args;
mod settings;
mod testimony;

use std::io;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

pub(super) use args::PodArgs;
use args::{BuildArgs, JudgeArgs, PlaceArgs, PodStep, ToolkitArgs};

use settings::{JudgeSettings, Temporary};

use super::settings::WrongArguments;
use super::{Ending, environment, output};
use crate::inpod::{self, Failure, Judged, Reading};
use crate::plan::work::Testimony;

/// What a step came to; nothing where there is nothing to say.
type Outcome = Result<Option<Testimony>, Failure>;

/// Does one step, and testifies.
pub(super) fn run(args: PodArgs) -> anyhow::Result<Ending> {
    let outcome = match args.step {
        PodStep::Place(args) => place(&args),
        PodStep::Toolkit(args) => toolkit(args)?,
        PodStep::Build(args) => build(args)?,
        PodStep::Judge(args) => judge(&args)?,
    };
    let (ending, said) = match outcome {
        Ok(said) => (Ending::Good, said),
        Err(failure) => (Ending::Failed, Some(Testimony::from(failure))),
    };
    if let Some(said) = said {
        testimony::give(&said, args.testimony.as_deref())?;
    }
    Ok(ending)
}

fn place(args: &PlaceArgs) -> Outcome {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::of_file("this program does not find itself", &error))?;
    inpod::place(&program, &args.to)?;
    if let Some(file) = &args.trusted {
        inpod::place_certificates(&args.trust, file)?;
    }
    Ok(None)
}

fn toolkit(args: ToolkitArgs) -> Result<Outcome, WrongArguments> {
    let reading = Reading {
        deadline: Instant::now().checked_add(settings::time_limit(&args.timeout)?),
        kernel: args.kernel,
        image: args.image,
        root: args.root,
        to: args.to,
    };
    Ok(inpod::read_toolkit(&reading).map(|()| None))
}

fn build(args: BuildArgs) -> anyhow::Result<Outcome> {
    let building = settings::building(args, environment::variable)?;
    runtime()?.block_on(async {
        let stopped = told_to_end()?;
        let tell = |line: &str| drop(output::print(&format!("{line}\n")));
        let built = inpod::build::build(&building, tell, stopped).await;
        Ok(built.map(|digest| Some(Testimony::Built { digest })))
    })
}

fn judge(args: &JudgeArgs) -> anyhow::Result<Outcome> {
    match settings::judging(args)? {
        Ok(settings) => Ok(runtime()?.block_on(judge_and_push(&settings))),
        Err(failure) => Ok(Err(failure)),
    }
}

async fn judge_and_push(settings: &JudgeSettings) -> Outcome {
    let judged = judged(settings).await;
    let left = match &settings.temporary {
        Some(temporary) => left(temporary).await,
        None => None,
    };
    if let Some(left) = &left {
        output::complain(&format!("warning: {left}"));
    }
    match (judged, left) {
        (Ok((judged, pushed)), left) => Ok(Some(Testimony::Judged {
            digest: judged.digest,
            findings: judged.findings,
            left_out: 0,
            pushed,
            warnings: left.into_iter().collect(),
        })),
        (Err(failure), Some(left)) => Err(failure.and(&left)),
        (Err(failure), None) => Err(failure),
    }
}

/// What is found, and whether it stands under its final tag now.
async fn judged(settings: &JudgeSettings) -> Result<(Judged, bool), Failure> {
    let judged = inpod::judge(&settings.judging).await?;
    let pushed = match &settings.pushing {
        Some(pushing) => inpod::push(pushing, &judged).await?,
        None => false,
    };
    Ok((judged, pushed))
}

/// Removes the temporary tag; says what is left of it.
async fn left(temporary: &Temporary) -> Option<String> {
    let Temporary { tag, access, settings } = temporary;
    let removed = inpod::remove(tag, access, settings).await;
    removed.unwrap_or_else(|failure| Some(format!("the temporary tag {tag} is left: {}", failure.message)))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Ends when kubelet, or Ctrl-C, wants this process to end; listens from now on. The first process of a container is never
/// ended by a signal that it does not ask for.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
