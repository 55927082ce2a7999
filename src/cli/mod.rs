//! The command line: arguments → validated settings → the other rooms. The only room that reads the environment
//! and prints.

mod answer;
mod args;
mod check;
#[cfg(test)]
mod contract;
mod crd;
mod environment;
mod explain;
mod operator;
mod output;
mod pod;
mod progress;
mod settings;
mod sign;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches};

use args::{Cli, Task};

/// How the program ends. Scripts rely on the numbers; `--help` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every Module is verified, or what was asked for is printed.
    Good = 0,
    /// At least one Module failed.
    Failed = 1,
    /// The question was wrong: arguments, files, malformed objects.
    WrongQuestion = 2,
    /// At least one Module has no answer yet, and none failed.
    NoAnswer = 3,
    /// Somebody pressed Ctrl-C: 128 and the number of the signal, as shells have it.
    Interrupted = 130,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending as u8)
    }
}

/// Runs the command line `arguments`, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let command = command(arguments.first().map(OsString::as_os_str));
    let task = arguments.get(1).cloned().unwrap_or_default();
    let matches = command.clone().try_get_matches_from(arguments);
    let cli = match matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => return refused(error, &task).into(),
    };
    match perform(cli.task, command) {
        Ok(ending) => ending.into(),
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            Ending::WrongQuestion.into()
        }
    }
}

fn perform(task: Task, command: Command) -> anyhow::Result<Ending> {
    match task {
        Task::Check(args) => check::run(*args),
        Task::Explain(args) => explain::run(&args),
        Task::Sign(args) => sign::run(&args),
        Task::Operator(args) => operator::run(*args),
        Task::Pod(args) => pod::run(*args),
        Task::Crd { output: format } => output::print(&crd::print(format)),
        Task::Completions { shell } => completions(shell, command),
        Task::Man { command: name } => man(command, name.as_deref()),
    }
}

/// The command under the name it was started by: kubectl finds its plugins by the name `kubectl-…`.
fn command(program: Option<&OsStr>) -> Command {
    let command = Cli::command();
    let name = program.map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
    match name.and_then(|name| name.strip_prefix("kubectl-")) {
        Some(plugin) => {
            let spoken = format!("kubectl {}", plugin.replace('-', " ").replace('_', "-"));
            command.bin_name(&spoken).display_name(spoken)
        }
        None => command,
    }
}

/// Prints clap's answer to a task: help and version are no mistakes.
fn refused(mut error: clap::Error, task: &OsStr) -> Ending {
    let stray = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument && task == "check" => Some(word),
        _ => None,
    };
    if let Some(file) = stray.filter(|word| Path::new(word).exists()) {
        let tip = format!("to check the file {file}, put -f before it").into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ending::Good,
        _ => Ending::WrongQuestion,
    }
}

fn completions(shell: clap_complete::Shell, mut command: Command) -> anyhow::Result<Ending> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

/// The manual page of the program, or of one of its commands.
fn man(mut command: Command, name: Option<&str>) -> anyhow::Result<Ending> {
    command.build();
    let page = match name {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).cloned();
            let found = found.ok_or_else(|| anyhow::anyhow!("there is no command `{name}`; --help lists them"))?;
            found
                .name(format!("{}-{name}", command.get_name()))
                .display_name(format!("{}-{name}", command.get_name()))
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    output::print(&String::from_utf8_lossy(&roff))
}
