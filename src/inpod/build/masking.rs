//! Keeps secrets out of what is shown: their values are replaced wherever a line holds one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::inpod::Failure;

/// What stands where a secret stood.
const MASK: &str = "***";

/// Shorter values are not masked: they are parts of ordinary words, and no secrets worth the name.
const SHORTEST: usize = 4;

/// The largest file of a Secret, in bytes: no Secret holds more.
const FILE_CAP: u64 = 1 << 20;

/// How many files of secrets are read: a Secret of 1 MiB has no more keys worth the name.
const MAX_FILES: usize = 4096;

/// The largest automaton that looks for secrets, in bytes: some ten times all that they hold.
const AUTOMATON_CAP: usize = 256 << 20;

/// How much of a line is shown, in bytes.
const SHOWN: usize = 4 << 10;

/// Knows the values that nobody may see. `Debug` does not show them.
pub(super) struct Mask {
    values: Option<Regex>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

impl Mask {
    /// Masks what is in the files of these folders, and the passwords and tokens of a file of credentials.
    pub(super) fn of(folders: &[PathBuf], authfile: Option<&Path>) -> Result<Self, Failure> {
        let mut values = BTreeSet::new();
        for folder in folders {
            let files = files(folder).map_err(|error| about(folder, &error))?;
            for file in files {
                let content = content(&file).map_err(|error| about(&file, &error))?;
                add_file(&content, &mut values);
            }
        }
        if let Some(file) = authfile {
            let content = content(file).map_err(|error| about(file, &error))?;
            add_file(&content, &mut values);
            add_credentials(&serde_json::from_str(&content).unwrap_or_default(), &mut values);
        }
        Self::new(values)
    }

    fn new(values: BTreeSet<String>) -> Result<Self, Failure> {
        let mut values: Vec<String> = values.into_iter().filter(|value| value.len() >= SHORTEST).collect();
        if values.is_empty() {
            return Ok(Self { values: None });
        }
        // The first that fits is taken: the longest goes first.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let pattern: Vec<String> = values.iter().map(|value| regex::escape(value)).collect();
        let values = RegexBuilder::new(&pattern.join("|"))
            .size_limit(AUTOMATON_CAP)
            .build()
            .map_err(|_shows_them| {
                Failure::lasting("the build's secrets are too large to be kept out of its output; make them smaller")
            })?;
        Ok(Self { values: Some(values) })
    }

    /// A line without secrets, and not longer than is shown.
    pub(super) fn masked(&self, line: &str) -> String {
        let masked = match &self.values {
            Some(values) => values.replace_all(line, MASK).into_owned(),
            None => line.to_owned(),
        };
        // A secret that a cap has cut in two is not known by its first half; it stands far behind what is shown.
        match masked.char_indices().find(|(at, _)| *at >= SHOWN) {
            Some((at, _)) => format!("{}…", masked.get(..at).unwrap_or_default()),
            None => masked,
        }
    }
}

fn about(file: &Path, error: &io::Error) -> Failure {
    Failure::of_file(&format!("the secret {} cannot be read", file.display()), error)
}

/// The files of a folder, through kubelet's links (`..data`), and no deeper.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.take(MAX_FILES);
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = Vec::new();
    for path in paths {
        let path = path?;
        if fs::metadata(&path)?.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn content(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_CAP).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines of a file: output comes in lines too. And the whole of it in base64, as `kubectl get secret` shows it.
fn add_file(content: &str, values: &mut BTreeSet<String>) {
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty());
    values.extend(lines.map(str::to_owned));
    values.insert(STANDARD_NO_PAD.encode(content));
    values.insert(STANDARD_NO_PAD.encode(content.trim_end()));
}

/// The passwords and tokens in Docker's forms of credentials.
fn add_credentials(value: &Value, values: &mut BTreeSet<String>) {
    const SECRET: [&str; 4] = ["auth", "password", "identitytoken", "registrytoken"];
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        match value {
            Value::String(text) if SECRET.contains(&name.as_str()) => {
                values.insert(text.clone());
                values.extend(password(text));
            }
            other => add_credentials(other, values),
        }
    }
}

/// The password of an `auth`, which is base64 of `NAME:PASSWORD`.
fn password(auth: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    Some(decoded.split_once(':')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(values: &[&str]) -> Mask {
        Mask::new(values.iter().map(|value| (*value).to_owned()).collect()).expect("a mask")
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let folder = tempfile::tempdir().expect("a folder");
        let secrets = folder.path().join("tokens");
        fs::create_dir(&secrets).expect("a folder");
        fs::write(secrets.join("token"), "s3cr3t.+*\n").expect("a file");
        fs::write(secrets.join("key.pem"), "-----BEGIN KEY-----\nMIIEabc\nMIIEdef\n").expect("a file");
        let authfile = folder.path().join(".dockerconfigjson");
        let auth = STANDARD.encode("robot:hunter22");
        fs::write(
            &authfile,
            format!(r#"{{"auths":{{"r.example.com":{{"auth":"{auth}"}}}}}}"#),
        )
        .expect("a file");
        let mask = Mask::of(&[secrets], Some(&authfile)).expect("a mask");
        for (line, shown) in [
            ("token=s3cr3t.+*;", "token=***;"),
            ("MIIEabc", "***"),
            ("  MIIEdef MIIEdef", "  *** ***"),
            ("docker login -u robot -p hunter22", "docker login -u robot -p ***"),
            (auth.as_str(), "***"),
            ("czNjcjN0LisqCg==", "***=="),
            ("robot builds for r.example.com", "robot builds for r.example.com"),
        ] {
            assert_eq!(mask.masked(line), shown);
        }
    }

    #[test]
    fn the_longest_secret_wins() {
        assert_eq!(mask(&["abcd", "abcdefgh"]).masked("abcdefgh"), "***");
    }

    #[test]
    fn short_values_are_no_secrets() {
        assert_eq!(mask(&["", "yes"]).masked("yes, it was built"), "yes, it was built");
    }

    #[test]
    fn of_a_long_line_the_beginning_is_shown() {
        let shown = mask(&["secret"]).masked(&format!("{}secret", "ü".repeat(SHOWN)));
        assert_eq!(shown.chars().count(), SHOWN / 2 + 1);
        assert!(shown.ends_with("ü…"));
    }

    #[test]
    fn a_mask_does_not_show_what_it_hides() {
        assert_eq!(format!("{:?}", mask(&["secret"])), "Mask { .. }");
    }

    #[test]
    fn a_secret_that_cannot_be_read_stops_the_build() {
        let missing = Path::new("/nowhere/at/all").to_owned();
        let failure = Mask::of(&[missing], None).expect_err("nothing is there");
        assert!(
            failure.message.starts_with("the secret /nowhere/at/all cannot be read"),
            "{failure}"
        );
    }
}
