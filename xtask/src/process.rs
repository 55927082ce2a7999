//! A server that runs as a process of ours, writes a log, and does not outlive us.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// How often a condition is looked at that is waited for.
const POLL: Duration = Duration::from_millis(50);
/// How much of a log an error shows.
const LAST_LINES: usize = 12;

/// Runs the server that its arguments name and kills it as soon as standard input ends: when we drop the pipe, or die
/// in whichever way. Ends with the server, and with its status.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -KILL "$server"; } 2>/dev/null &
guard=$!
wait "$server"
status=$?
{ kill "$guard"; wait "$guard"; } 2>/dev/null
exit "$status"
"#;

/// A server, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    guard: Child,
}

impl Process {
    /// Starts the server; what it says is added to `<folder>/<name>.log`.
    pub(crate) fn start(name: &str, folder: &Path, server: &Command) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let guard = guarded(server)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            guard,
        })
    }

    /// Waits until `ready`, which is told the log. Fails with the end of the log where the server ends before, or the
    /// time is over.
    pub(crate) fn wait_until(&mut self, within: Duration, mut ready: impl FnMut(&str) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while !ready(&self.log()) {
            if let Some(status) = self.guard.try_wait()? {
                anyhow::bail!(
                    "{} ended early ({status}); its log ends:\n{}",
                    self.name,
                    last_lines(&self.log())
                );
            }
            if Instant::now() > deadline {
                let name = &self.name;
                anyhow::bail!(
                    "{name} is not ready after {within:?}; its log ends:\n{}",
                    last_lines(&self.log())
                );
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends a signal, such as `STOP`, to the server itself; its guard stays awake.
    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let guard = self.guard.id().to_string();
        let server = run(Command::new("pgrep").args(["--oldest", "--parent", &guard]))?;
        run(Command::new("kill").args([&format!("-{signal}"), server.trim()])).map(drop)
    }

    fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines
        .get(lines.len().saturating_sub(LAST_LINES)..)
        .unwrap_or_default()
        .join("\n")
}

/// Runs a program to its end and returns what it prints; an error has what it complains of.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} does not start"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{command:?} failed ({}): {}",
        output.status,
        complaint.trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The same command under the guard, in a process group of its own: Ctrl-C is for us, and we stop the server.
fn guarded(server: &Command) -> Command {
    use std::os::unix::process::CommandExt;
    let mut guarded = Command::new("/bin/sh");
    guarded
        .args(["-c", GUARD, "sh"])
        .arg(server.get_program())
        .args(server.get_args());
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(folder) = server.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded.stdin(Stdio::piped()).process_group(0);
    guarded
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nothing can be done here about a guard that cannot be waited for.
        let _ = self.guard.wait();
    }
}
