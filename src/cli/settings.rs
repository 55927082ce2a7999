//! Arguments as typed → validated settings, once. All mistakes are named together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::args::{CheckArgs, Format, ImageArgs};
use super::environment::cache_folder;
use crate::check::{Overrides, Source};
use crate::kernel::Architecture;
use crate::registry::RegistryPattern;

/// Longest time a check may be given. A day is more than any registry needs, and sums of it stay sane.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// What `check` was told, validated.
#[derive(Clone, Debug)]
pub(super) struct CheckSettings {
    /// Where documents come from, in the order given.
    pub(super) sources: Vec<Source>,
    /// The namespaces whose Modules are judged; empty means all.
    pub(super) namespaces: Vec<String>,
    /// What replaces fields of the preflights.
    pub(super) overrides: Overrides,
    /// The nodes' architecture.
    pub(super) architecture: Option<Architecture>,
    /// Whether the nodes' kernels insist on signatures.
    pub(super) enforce_signatures: bool,
    /// Certificates that the nodes' kernels trust.
    pub(super) trusted_certificates: Vec<PathBuf>,
    /// A node's `/proc/modules`.
    pub(super) loaded_modules: Option<PathBuf>,
    /// Where images come from.
    pub(super) images: ImageSettings,
    /// How the answer is printed.
    pub(super) format: Format,
    /// Neither notes nor progress.
    pub(super) quiet: bool,
    /// How much is said of what is done: 0, 1 or 2.
    pub(super) verbosity: u8,
}

/// Where images come from, validated.
#[derive(Clone, Debug)]
pub(super) struct ImageSettings {
    /// OCI layouts, which come first.
    pub(super) layouts: Vec<PathBuf>,
    /// The credentials' file, where one was named.
    pub(super) auth_file: Option<PathBuf>,
    /// Certificates to trust beside the system's.
    pub(super) ca_files: Vec<PathBuf>,
    /// Registries whose driver toolkits may be read over plain HTTP.
    pub(super) plain_toolkit_registries: Vec<RegistryPattern>,
    /// Where layers' facts are kept; `None` keeps nothing.
    pub(super) cache: Option<PathBuf>,
    /// How long the whole check may take.
    pub(super) timeout: Duration,
    /// How many requests each registry gets at once.
    pub(super) concurrency: usize,
}

/// Arguments that cannot be used, one sentence each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\nerror: "))]
pub(super) struct WrongArguments(pub(super) Vec<String>);

impl CheckSettings {
    /// Validates the arguments; `variable` reads the environment.
    pub(super) fn new(args: CheckArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Self, WrongArguments> {
        let mut wrong = Vec::new();
        let architecture = args
            .target
            .architecture
            .as_deref()
            .and_then(|name| architecture(name, &mut wrong));
        let images = images(args.images, variable, &mut wrong);
        let files = [
            ("--authfile", images.auth_file.as_slice()),
            ("--ca-file", images.ca_files.as_slice()),
            ("--trusted-cert", args.target.trusted_certificates.as_slice()),
            ("--loaded-modules", args.target.loaded_modules.as_slice()),
        ];
        for (option, file) in files
            .iter()
            .flat_map(|(option, files)| files.iter().map(move |file| (option, file)))
        {
            if !file.exists() {
                wrong.push(format!("{option} {}: there is no such file", file.display()));
            } else if file.is_dir() {
                wrong.push(format!("{option} {}: it is a folder; name a file", file.display()));
            }
        }
        let settings = Self {
            sources: args.filenames.into_iter().map(source).collect(),
            namespaces: args.namespaces,
            overrides: Overrides {
                kernel_version: args.target.kernel_version,
                dtk_image: args.target.dtk_image,
                push_built_image: args.target.push_built_image,
            },
            architecture,
            enforce_signatures: args.target.enforce_signatures,
            trusted_certificates: args.target.trusted_certificates,
            loaded_modules: args.target.loaded_modules,
            images,
            format: args.output,
            quiet: args.quiet,
            verbosity: args.verbose,
        };
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(WrongArguments(wrong))
        }
    }
}

/// Registries, as an option names them.
pub(super) fn patterns(option: &str, texts: &[String], wrong: &mut Vec<String>) -> Vec<RegistryPattern> {
    let mut patterns = Vec::new();
    for text in texts {
        // Docker's own files name registries by URLs; here that is more likely a mistake.
        match RegistryPattern::parse(text).filter(|_| !text.contains("://")) {
            Some(pattern) => patterns.push(pattern),
            None => wrong.push(format!("{option} `{text}`: write it as host[:port][/path]")),
        }
    }
    patterns
}

fn source(path: PathBuf) -> Source {
    if path.as_os_str() == "-" {
        Source::Stdin
    } else {
        Source::Path(path)
    }
}

fn architecture(name: &str, wrong: &mut Vec<String>) -> Option<Architecture> {
    let architecture = Architecture::from_name(name);
    if architecture.is_none() {
        let known = Architecture::ALL.map(Architecture::go_name).join(", ");
        wrong.push(format!("--architecture `{name}`: not one of {known}"));
    }
    architecture
}

fn images(args: ImageArgs, variable: impl Fn(&str) -> Option<String>, wrong: &mut Vec<String>) -> ImageSettings {
    let why_not = args
        .layouts
        .iter()
        .filter_map(|layout| Some((layout, no_layout(layout)?)));
    wrong.extend(why_not.map(|(layout, why)| format!("--oci-layout {}: {why}", layout.display())));
    let cache_is_file = args.cache_dir.as_ref().filter(|folder| folder.is_file());
    wrong.extend(cache_is_file.map(|file| format!("--cache-dir {}: it is a file; name a folder", file.display())));
    let cache = if args.no_cache {
        None
    } else {
        args.cache_dir.or_else(|| cache_folder(variable))
    };
    ImageSettings {
        layouts: args.layouts,
        auth_file: args.authfile,
        ca_files: args.ca_files,
        plain_toolkit_registries: patterns("--plain-toolkit-registry", &args.plain_toolkit_registries, wrong),
        cache,
        timeout: timeout(&args.timeout, wrong),
        concurrency: usize::from(args.concurrency),
    }
}

/// Why a path is no OCI image layout, if it is none.
fn no_layout(path: &Path) -> Option<&'static str> {
    if path.is_file() {
        Some("it is a file; name the folder of an OCI image layout (of an archive: unpack it first)")
    } else if !path.exists() {
        Some("there is no such folder")
    } else if !path.join("oci-layout").is_file() {
        Some("not an OCI image layout: it has no file `oci-layout`")
    } else {
        None
    }
}

/// A time like `90s`, `10m` or `1h30m`.
pub(super) fn timeout(text: &str, wrong: &mut Vec<String>) -> Duration {
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    match parsed {
        Some(duration) if duration > Duration::ZERO && duration <= MAX_TIMEOUT => duration,
        _ => {
            wrong.push(format!(
                "--timeout `{text}`: not a time between 1ms and 24h; write it like 90s, 10m or 1h30m"
            ));
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Task};

    fn settings(line: &str) -> Result<CheckSettings, WrongArguments> {
        let words = "kmm-preflight check".split(' ').chain(line.split(' '));
        match Cli::parse_from(words).task {
            Task::Check(args) => CheckSettings::new(*args, |name| (name == "HOME").then(|| "/home/me".to_owned())),
            task => panic!("not a check: {task:?}"),
        }
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let settings = settings("-f a.yaml -f -").expect("good arguments");
        assert_eq!(settings.sources, [Source::Path("a.yaml".into()), Source::Stdin]);
        assert_eq!(settings.images.timeout, Duration::from_mins(10));
        assert_eq!(settings.images.concurrency, 8);
        assert_eq!(settings.images.cache, Some("/home/me/.cache/kmm-preflight".into()));
        assert_eq!(settings.format, Format::Table);
    }

    #[test]
    fn a_cache_can_be_named_or_left_out() {
        assert_eq!(
            settings("-f a --cache-dir /c").expect("good arguments").images.cache,
            Some("/c".into())
        );
        assert_eq!(settings("-f a --no-cache").expect("good arguments").images.cache, None);
    }

    #[test]
    fn times_are_written_as_people_do() {
        for (text, expected) in [("90s", 90), ("1h30m", 5_400), ("24h", 86_400)] {
            let settings = settings(&format!("-f a --timeout {text}")).expect("good arguments");
            assert_eq!(settings.images.timeout, Duration::from_secs(expected), "{text}");
        }
        for text in ["0s", "soon", "10", "25h", "-5m"] {
            assert!(settings(&format!("-f a --timeout={text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong =
            settings("-f a --architecture vax --oci-layout /no --authfile /no/auth.json --timeout x").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "--architecture `vax`: not one of amd64, arm64, ppc64le, s390x, riscv64\n\
             error: --oci-layout /no: there is no such folder\n\
             error: --timeout `x`: not a time between 1ms and 24h; write it like 90s, 10m or 1h30m\n\
             error: --authfile /no/auth.json: there is no such file"
        );
    }
}
