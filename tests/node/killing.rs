//! Kills the operator as a lost machine would, at moments that nobody chose.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::node::release::Release;

/// The longest time that it lives, between two kills, after it has begun to work again.
const LONGEST_LIFE_MS: u64 = 2500;

/// Kills the operator so many times, each a random time after the one before.
pub(crate) fn kill(release: &Release, times: usize) {
    for time in 0..times {
        // That it is killed at any moment is what is tried: nothing is waited for.
        let life = Duration::from_millis(RandomState::new().hash_one(time) % LONGEST_LIFE_MS);
        thread::sleep(life);
        let killed = release.eventually("the operator runs", |_| first().ok_or("no process".to_owned()));
        let status = Command::new("kill").args(["-KILL", &killed]).status().unwrap();
        assert!(status.success());
        release.eventually("another process of it", |_| match first() {
            Some(now) if now != killed => Ok(()),
            found => Err(format!("{found:?}")),
        });
    }
}

/// The id of the operator's process, which runs as its image says.
fn first() -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let mut operators = processes.filter(|process| {
        fs::read(process.join("cmdline")).is_ok_and(|line| line.starts_with(b"/kmm-preflight\0operator\0"))
    });
    let process = operators.next()?;
    Some(process.file_name()?.to_str()?.to_owned())
}
