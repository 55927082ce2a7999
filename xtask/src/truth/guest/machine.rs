//! A virtual machine: its process, and the lines of its serial console.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;

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
}

impl Machine {
    pub(super) fn start(mut command: Command) -> anyhow::Result<Self> {
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
        Ok(Self { process, lines })
    }

    /// The next line, if it comes in time. That somebody killed QEMU, or that it fails, is an error: the kernel did nothing.
    pub(super) fn hear(&mut self, until: Instant) -> anyhow::Result<Heard> {
        let within: Duration = until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(Heard::Line(line)),
            Err(RecvTimeoutError::Timeout) => Ok(Heard::Silence),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait()?;
                anyhow::ensure!(status.success(), "QEMU fails: {status}");
                Ok(Heard::Ended)
            }
        }
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
        Machine::start(command).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn what_a_machine_says_is_heard_until_it_is_off() {
        let mut machine = machine("echo one; echo two");
        let heard: Vec<_> = (0..3).map(|_| machine.hear(soon()).unwrap()).collect();
        assert_eq!(
            heard,
            [Heard::Line("one".into()), Heard::Line("two".into()), Heard::Ended]
        );
    }

    #[test]
    fn a_machine_that_hangs_is_given_up_when_its_time_is_over() {
        let mut machine = machine("echo one; exec sleep 1000");
        assert_eq!(machine.hear(soon()).unwrap(), Heard::Line("one".into()));
        assert_eq!(machine.hear(Instant::now()).unwrap(), Heard::Silence);
    }

    #[test]
    fn a_machine_that_somebody_killed_did_not_end_by_itself() {
        let mut machine = machine("kill -KILL $$");
        assert!(machine.hear(soon()).unwrap_err().to_string().contains("signal: 9"));
    }

    #[test]
    fn a_machine_is_switched_off_when_nobody_listens_any_more() {
        let machine = machine("exec sleep 1000");
        let process = machine.process.id();
        drop(machine);
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
    }
}
