//! Arguments of `pod` as typed → what the steps take.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::{BuildArgs, JudgeArgs};
use crate::api::module::RegistryTls;
use crate::cli::environment;
use crate::cli::settings::{WrongArguments, timeout};
use crate::image::{Digest, Reference};
use crate::inpod::build::{Building, Surroundings, is_legacy};
use crate::inpod::{Failure, Judging, Pushing, Subject};
use crate::kernel::Architecture;
use crate::plan::work::Brief;
use crate::registry::{Access, Keyring, Location, Proxies, Settings};

/// The largest brief that is read, in bytes: a Module's arguments and some certificates.
const BRIEF_CAP: u64 = 1 << 20;

/// The largest file of credentials, in bytes: no Secret holds more.
const CREDENTIALS_CAP: u64 = 1 << 20;

/// A time like `90s` or `2h`.
pub(super) fn time_limit(text: &str) -> Result<Duration, WrongArguments> {
    let mut wrong = Vec::new();
    let limit = timeout(text, &mut wrong);
    if wrong.is_empty() {
        Ok(limit)
    } else {
        Err(WrongArguments(wrong))
    }
}

/// What `pod build` is told; `variable` reads the environment.
pub(super) fn building(args: BuildArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Building, WrongArguments> {
    let mut wrong = Vec::new();
    let digest = Digest::parse(&args.dockerfile_digest).map_err(|error| wrong.push(error.to_string()));
    for argument in args.arguments.iter().filter(|argument| !argument.contains('=')) {
        wrong.push(format!("--build-arg `{argument}`: it must be NAME=VALUE"));
    }
    if let Some(name) = args
        .architecture
        .as_deref()
        .filter(|name| Architecture::from_name(name).is_none())
    {
        let known = Architecture::ALL.map(Architecture::go_name).join(", ");
        wrong.push(format!("--architecture `{name}`: not one of {known}"));
    }
    for folder in args.secret_dirs.iter().filter(|folder| !is_volume(folder)) {
        let folder = folder.display();
        wrong.push(format!(
            "--secret-dir `{folder}`: it must be an absolute path without colons and `..`"
        ));
    }
    let time_limit = timeout(&args.timeout, &mut wrong);
    let usual = Surroundings::default();
    match digest {
        Ok(dockerfile_digest) if wrong.is_empty() => Ok(Building {
            dockerfile: args.dockerfile,
            dockerfile_digest,
            build_args: args.arguments,
            authfile: args.access.authfile,
            ca_files: args.ca_files,
            any_certificate: args.access.insecure || args.access.skip_tls_verify,
            secret_dirs: args.secret_dirs,
            architecture: args.architecture,
            to: args.to,
            time_limit,
            surroundings: Surroundings {
                isolation: variable("BUILDAH_ISOLATION").unwrap_or(usual.isolation),
                storage_driver: variable("STORAGE_DRIVER").unwrap_or(usual.storage_driver),
                certificate_folders: variable("SSL_CERT_DIR").unwrap_or(usual.certificate_folders),
            },
        }),
        _ => Err(WrongArguments(wrong)),
    }
}

/// Whether buildah takes a folder as the source of a volume, and its name as a place below `/run/secrets`.
fn is_volume(folder: &Path) -> bool {
    folder.is_absolute() && folder.file_name().is_some() && !folder.as_os_str().as_encoded_bytes().contains(&b':')
}

/// What `pod judge` is told.
#[derive(Debug)]
pub(super) struct JudgeSettings {
    /// What is judged.
    pub(super) judging: Judging,
    /// Where it goes if it is good.
    pub(super) pushing: Option<Pushing>,
    /// The temporary tag that is removed at the end.
    pub(super) temporary: Option<Temporary>,
}

/// A temporary tag.
#[derive(Debug)]
pub(super) struct Temporary {
    /// The tag.
    pub(super) tag: Reference,
    /// Whom to be at its registry.
    pub(super) access: Access,
    /// How registries are talked to.
    pub(super) settings: Settings,
}

/// The places among the arguments.
struct Places {
    image: Option<Location>,
    push: Option<Reference>,
    replaces: Option<Digest>,
    temporary: Option<Reference>,
    limit: Duration,
}

impl Places {
    fn of(args: &JudgeArgs) -> Result<Self, WrongArguments> {
        let mut wrong = Vec::new();
        let image = args.image.as_deref().map(Location::parse).transpose();
        let push = args.push.push.as_deref().map(Reference::parse).transpose();
        let replaces = args.push.replaces.as_deref().map(Digest::parse).transpose();
        let temporary = args.push.temporary.as_deref().map(Reference::parse).transpose();
        let places = Self {
            image: image.unwrap_or_else(|error| refuse(&mut wrong, format!("--image: {error}"))),
            push: push.unwrap_or_else(|error| refuse(&mut wrong, format!("--push: {error}"))),
            replaces: replaces.unwrap_or_else(|error| refuse(&mut wrong, format!("--replaces: {error}"))),
            temporary: temporary.unwrap_or_else(|error| refuse(&mut wrong, format!("--temporary: {error}"))),
            limit: timeout(&args.timeout, &mut wrong),
        };
        if places.push.is_some() && places.image.is_none() {
            wrong.push("--push: --image must say what is pushed".to_owned());
        }
        if wrong.is_empty() {
            Ok(places)
        } else {
            Err(WrongArguments(wrong))
        }
    }
}

fn refuse<T>(wrong: &mut Vec<String>, why: String) -> Option<T> {
    wrong.push(why);
    None
}

/// What `pod judge` is told. What cannot be read of it is a failure of the step, and is testified.
pub(super) fn judging(args: &JudgeArgs) -> Result<Result<JudgeSettings, Failure>, WrongArguments> {
    let places = Places::of(args)?;
    Ok(read_judging(args, places))
}

fn read_judging(args: &JudgeArgs, places: Places) -> Result<JudgeSettings, Failure> {
    let settings = Settings {
        ca_files: args.ca_files.clone(),
        proxies: Proxies::from_variables(environment::variable),
        ..Settings::default()
    };
    let (usual, push) = (&args.access, &args.push);
    let image_access = access(usual.authfile.as_deref(), usual.insecure, usual.skip_tls_verify)?;
    let push_access = access(
        push.push_authfile.as_deref().or(usual.authfile.as_deref()),
        push.push_insecure || usual.insecure,
        push.push_skip_tls_verify || usual.skip_tls_verify,
    )?;
    let temporary = places.temporary.map(|tag| Temporary {
        tag,
        access: push_access.clone(),
        settings: settings.clone(),
    });
    let pushing = places.push.zip(places.image.clone()).map(|(to, from)| Pushing {
        from,
        access: image_access.clone(),
        to,
        push_access,
        replaces: places.replaces,
        settings: settings.clone(),
    });
    let subject = match places.image {
        Some(location) => Subject::Image {
            location,
            access: image_access,
            settings: Box::new(settings),
        },
        None => Subject::Root(args.root.clone().unwrap_or_else(|| PathBuf::from("/"))),
    };
    let judging = Judging {
        brief: brief(&args.brief)?,
        toolkit: args.toolkit.clone(),
        subject,
        deadline: Instant::now().checked_add(places.limit),
    };
    Ok(JudgeSettings {
        judging,
        pushing,
        temporary,
    })
}

fn brief(text: &str) -> Result<Brief, Failure> {
    let json = match text.strip_prefix('@') {
        Some(file) => String::from_utf8_lossy(&read("the brief", Path::new(file), BRIEF_CAP)?).into_owned(),
        None => text.to_owned(),
    };
    Brief::parse(&json).map_err(|error| {
        Failure::lasting(format!(
            "the brief cannot be read: {error}; the operator and the image that runs here may be of different versions"
        ))
    })
}

/// Credentials from a file. Whatever wrote it, no program that it names is run.
fn access(file: Option<&Path>, insecure: bool, skip_tls_verify: bool) -> Result<Access, Failure> {
    let tls = RegistryTls {
        insecure,
        insecure_skip_tls_verify: skip_tls_verify,
    };
    let Some(file) = file else {
        return Ok(Access::new(Arc::default(), tls));
    };
    let content = read("the credentials", file, CREDENTIALS_CAP)?;
    let kind = if is_legacy(&content) {
        "kubernetes.io/dockercfg"
    } else {
        "kubernetes.io/dockerconfigjson"
    };
    let keyring = Keyring::from_secret_data(&file.display().to_string(), kind, &content);
    let keyring = keyring.map_err(|error| Failure::lasting(error.to_string()))?;
    Ok(Access::new(Arc::new(keyring), tls))
}

fn read(what: &str, file: &Path, cap: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(cap).read_to_end(&mut bytes))
        .map_err(|error| Failure::of_file(&format!("{what} in {} cannot be read", file.display()), &error))?;
    Ok(bytes)
}
