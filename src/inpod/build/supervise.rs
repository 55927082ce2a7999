//! Runs a program to its end, line by line, and ends it where it takes too long.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a program may take to end once it is told to.
const GRACE: Duration = Duration::from_secs(5);

/// How long the output of a program that has ended is waited for: what it left behind may hold the pipe.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The longest line that is heard, in bytes; of a longer one the first half.
const LINE_CAP: usize = 64 << 10;

/// When a program is ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// Then.
    pub(super) deadline: Instant,
    /// How long that was in all, for messages.
    pub(super) limit: Duration,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, or by somebody else's signal.
    Exited(ExitStatus),
    /// By us, after that long.
    TooLate(Duration),
    /// By us, since we were told to end.
    Stopped,
}

/// Runs a program in a process group of its own; `heard` gets each line of its output and of its complaints, in the order
/// in which they were written.
pub(super) async fn run(
    mut command: Command,
    stop: &Stop,
    stopped: Pin<&mut impl Future<Output = ()>>,
    heard: impl FnMut(&str),
) -> io::Result<Ended> {
    let (output, input) = io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    // The command keeps its ends of the pipe open as long as it lives.
    drop(command);
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut lines = Lines {
        output: Receiver::from_owned_fd(output.into())?,
        line: Vec::new(),
        heard,
    };
    let ended = until_its_end(&mut child, &mut lines, stop, stopped).await;
    if !matches!(ended, Ok(Ended::Exited(_))) {
        end(&mut child, group, &mut lines).await;
    }
    let _open_for_ever = timeout(LAST_WORDS, lines.drain()).await;
    signal(group, Signal::KILL);
    lines.flush();
    ended
}

async fn until_its_end(
    child: &mut Child,
    lines: &mut Lines<impl FnMut(&str)>,
    stop: &Stop,
    mut stopped: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<Ended> {
    let mut is_open = true;
    loop {
        tokio::select! {
            more = lines.more(), if is_open => is_open = more?,
            status = child.wait() => return Ok(Ended::Exited(status?)),
            () = sleep_until(stop.deadline) => return Ok(Ended::TooLate(stop.limit)),
            () = stopped.as_mut() => return Ok(Ended::Stopped),
        }
    }
}

/// Asks the whole group to end, and ends it where it does not.
async fn end(child: &mut Child, group: Option<Pid>, lines: &mut Lines<impl FnMut(&str)>) {
    signal(group, Signal::TERM);
    let ending = async { tokio::join!(child.wait(), lines.drain()) };
    if timeout(GRACE, ending).await.is_err() {
        signal(group, Signal::KILL);
        let _reaped = timeout(GRACE, child.wait()).await;
    }
}

/// A group that is gone already needs no signal.
fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        let _gone = kill_process_group(group, signal);
    }
}

/// The lines of a pipe.
struct Lines<H> {
    output: Receiver,
    /// What was read of the present line.
    line: Vec<u8>,
    heard: H,
}

impl<H: FnMut(&str)> Lines<H> {
    /// Reads what there is; `false` at the end.
    async fn more(&mut self) -> io::Result<bool> {
        let mut piece = [0; 8 << 10];
        let read = self.output.read(&mut piece).await?;
        for byte in piece.iter().take(read) {
            match byte {
                b'\n' | b'\r' => self.flush(),
                _ if self.line.len() < LINE_CAP => self.line.push(*byte),
                _ => {}
            }
        }
        Ok(read > 0)
    }

    async fn drain(&mut self) {
        while matches!(self.more().await, Ok(true)) {}
    }

    /// Hands on the present line. A secret that begins near the cap would not be known by its first half: of a line that
    /// met the cap only the first half is handed on, after it was masked as a whole.
    fn flush(&mut self) {
        if !self.line.is_empty() {
            (self.heard)(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}
