//! A virtual machine: its process, and the lines of its serial console.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;

/// The most time that a machine is given beyond its own because others kept it from computing.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// What a machine is kept from computing at any time: no reason for more of it.
const A_MOMENT: Duration = Duration::from_secs(1);

/// What came of listening.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Line(String),
    /// The machine is off.
    Ended,
    /// The time is over.
    Silence,
}

/// The machine, which is switched off when this is dropped.
pub(super) struct Machine {
    process: Child,
    lines: Receiver<String>,
    allowance: Allowance,
}

/// The time that a machine has; what others take of it on a busy computer is given back.
struct Allowance {
    /// When it is over.
    until: Instant,
    /// The moment beyond which it is not drawn out.
    latest: Instant,
    /// How long the machine had been kept from computing when that was last given back.
    kept: Duration,
}

impl Allowance {
    /// So much time from now on, for a machine that has been kept from computing for so long.
    fn new(time: Duration, now: Instant, kept: Duration) -> Self {
        let until = now + time;
        Self {
            until,
            latest: until + LONGEST_WAIT,
            kept,
        }
    }

    /// Gives back what was taken meanwhile; whether there is time left then.
    fn is_drawn_out(&mut self, now: Instant, kept: Duration) -> bool {
        let taken = kept.saturating_sub(self.kept);
        self.kept = kept;
        self.until = (self.until + taken).min(self.latest);
        taken > A_MOMENT && now < self.until
    }
}

impl Machine {
    /// Starts it, with so much time to say something worth more.
    pub(super) fn start(mut command: Command, time: Duration) -> anyhow::Result<Self> {
        // Ctrl-C is for us: it does not outlive us, but shall not end before us either, like a kernel that died.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut process = command
            .spawn()
            .context("QEMU does not start: run xtask/truth/packages.sh")?;
        let output = process.stdout.take().context("a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let allowance = Allowance::new(time, Instant::now(), Duration::ZERO);
        Ok(Self {
            process,
            lines,
            allowance,
        })
    }

    /// Gives it so much time from now on.
    pub(super) fn give(&mut self, time: Duration) {
        self.allowance = Allowance::new(time, Instant::now(), self.kept_from_computing());
    }

    /// The next line, if it comes in time. That somebody killed QEMU, or that it fails, is an error: the kernel did nothing.
    pub(super) fn hear(&mut self) -> anyhow::Result<Heard> {
        loop {
            let within = self.allowance.until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(within) {
                Ok(line) => return Ok(Heard::Line(line)),
                Err(RecvTimeoutError::Timeout) => {
                    let kept = self.kept_from_computing();
                    if !self.allowance.is_drawn_out(Instant::now(), kept) {
                        return Ok(Heard::Silence);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.process.wait()?;
                    anyhow::ensure!(status.success(), "QEMU fails: {status}");
                    return Ok(Heard::Ended);
                }
            }
        }
    }

    /// How long its threads have waited for a processor so far (the second number of their `schedstat`); nothing where the kernel does
    /// not tell.
    fn kept_from_computing(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id()));
        let waited = |thread: fs::DirEntry| {
            let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            told.split(' ').nth(1)?.parse::<u64>().ok()
        };
        let all = threads.into_iter().flatten().flatten().filter_map(waited);
        Duration::from_nanos(all.sum())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Whether it is off already does not matter.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(script: &str) -> Machine {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Machine::start(command, Duration::from_mins(1)).unwrap()
    }

    #[test]
    fn what_a_machine_says_is_heard_until_it_is_off() {
        let mut machine = machine("echo one; echo two");
        let heard: Vec<_> = (0..3).map(|_| machine.hear().unwrap()).collect();
        assert_eq!(
            heard,
            [Heard::Line("one".into()), Heard::Line("two".into()), Heard::Ended]
        );
    }

    #[test]
    fn a_machine_that_hangs_is_given_up_when_its_time_is_over() {
        let mut machine = machine("echo one; exec sleep 1000");
        assert_eq!(machine.hear().unwrap(), Heard::Line("one".into()));
        machine.give(Duration::ZERO);
        assert_eq!(machine.hear().unwrap(), Heard::Silence);
    }

    #[test]
    fn the_time_that_others_take_is_given_back_but_not_for_ever() {
        let second = Duration::from_secs;
        let begin = Instant::now();
        let mut allowance = Allowance::new(second(120), begin, second(7));
        assert!(
            allowance.is_drawn_out(begin + second(120), second(97)),
            "90 s were taken"
        );
        assert_eq!(allowance.until, begin + second(210));
        assert!(
            !allowance.is_drawn_out(begin + second(210), second(97)),
            "and nothing since"
        );
        assert!(allowance.is_drawn_out(begin + second(210), second(9000)));
        assert_eq!(allowance.until, begin + second(120) + LONGEST_WAIT);
        assert!(!allowance.is_drawn_out(allowance.until, second(18_000)));
    }

    #[test]
    fn a_machine_that_somebody_killed_did_not_end_by_itself() {
        let mut machine = machine("kill -KILL $$");
        assert!(machine.hear().unwrap_err().to_string().contains("signal: 9"));
    }

    #[test]
    fn a_machine_is_switched_off_when_nobody_listens_any_more() {
        let machine = machine("exec sleep 1000");
        let process = machine.process.id();
        drop(machine);
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
    }
}
