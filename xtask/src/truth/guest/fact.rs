//! What became of a case: what a guest said of it, and what that comes to.

use serde::{Deserialize, Serialize};

use crate::truth::case::Case;

/// What a kernel did with a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// modprobe answers success, and the module is there.
    Loaded,
    /// modprobe answers success, and the module is not there.
    NothingLoaded,
    /// The copy step fails, or modprobe does.
    Refused,
    /// The kernel died of it, or never came back.
    Crashed,
}

/// What became of a case, with the words of all who had a say.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) outcome: Outcome,
    /// What modprobe or the copy step said.
    pub(crate) said: Vec<String>,
    /// What the kernel said.
    pub(crate) kernel: Vec<String>,
}

/// What kernel and modprobe say where they refuse a module for what stands in its file, or does not.
const TOLD_BY_FILES: [&str; 10] = [
    "Unknown symbol",
    "disagrees about version of symbol",
    "no symbol version for",
    "version magic",
    "exports duplicate symbol",
    "from namespace",
    "Key was rejected by service",
    "Required key not available",
    "Exec format error",
    "Invalid module format",
];

impl Fact {
    /// Whether a cause is named that can be read from the files.
    pub(crate) fn names_what_files_tell(&self) -> bool {
        let mut lines = self.said.iter().chain(&self.kernel);
        lines.any(|line| TOLD_BY_FILES.iter().any(|words| line.contains(words)))
    }

    /// The most telling line.
    pub(crate) fn reason(&self) -> String {
        let telling = |line: &&String| !line.contains("insmod ") && !line.contains("tainting kernel");
        let kernel = self.kernel.iter().filter(telling).map(|line| without_time(line));
        let said = self.said.iter().filter(telling).map(String::as_str);
        said.chain(kernel).collect::<Vec<_>>().join(" | ")
    }
}

/// A line of the kernel's log without the time before it.
fn without_time(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, rest)| rest)
}

/// What a guest says of one case.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Telling {
    copied: Option<bool>,
    loaded: Option<bool>,
    modules: Vec<String>,
    said: Vec<String>,
    kernel: Vec<String>,
    pub(super) noise: Vec<String>,
    ended: bool,
}

impl Telling {
    pub(super) fn add(&mut self, word: &str, rest: &str) {
        match word {
            "copied" => self.copied = Some(rest == "0"),
            "loaded" => self.loaded = Some(rest == "0"),
            "module" => self.modules.push(rest.to_owned()),
            "kernel" => self.kernel.push(rest.to_owned()),
            "end" => self.ended = true,
            _ => self.said.push(rest.to_owned()),
        }
    }

    pub(super) fn fact(mut self, case: &Case) -> Fact {
        let expected = case.expected.clone().unwrap_or_else(|| case.module.replace('-', "_"));
        let outcome = match (self.ended, self.copied, self.loaded) {
            (false, ..) => Outcome::Crashed,
            (true, Some(true), Some(true)) if self.modules.contains(&expected) => Outcome::Loaded,
            (true, Some(true), Some(true)) => Outcome::NothingLoaded,
            (true, ..) => Outcome::Refused,
        };
        if outcome == Outcome::Crashed {
            self.kernel.append(&mut self.noise);
        }
        Fact {
            outcome,
            said: self.said,
            kernel: self.kernel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[(&str, &str)]) -> Outcome {
        let mut telling = Telling::default();
        for (word, rest) in lines {
            telling.add(word, rest);
        }
        let mut case = Case::new("6.1.0-0", "a-case");
        case.module = "gpl-user".to_owned();
        telling.fact(&case).outcome
    }

    #[test]
    fn a_module_is_loaded_when_modprobe_and_the_kernel_say_so() {
        let done = [("copied", "0"), ("loaded", "0"), ("module", "gpl_user"), ("end", "0")];
        assert_eq!(told(&done), Outcome::Loaded);
        let elsewhere = [("copied", "0"), ("loaded", "0"), ("module", "other"), ("end", "0")];
        assert_eq!(told(&elsewhere), Outcome::NothingLoaded);
        assert_eq!(told(&[("copied", "1"), ("end", "0")]), Outcome::Refused);
        assert_eq!(
            told(&[("copied", "0"), ("loaded", "1"), ("end", "0")]),
            Outcome::Refused
        );
    }

    #[test]
    fn a_guest_that_never_came_to_the_end_of_a_case_died_of_it() {
        assert_eq!(told(&[("copied", "0")]), Outcome::Crashed);
    }
}
