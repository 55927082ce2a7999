//! An image: signed into a layout or a registry, with what came of it for people and for the operator.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};

use super::Testifier;
use crate::amend::{self, Amended, Amendment, DEFAULT_DIR_NAME, Step};
use crate::api::module::RegistryTls;
use crate::cli::{Ending, answer, environment, output};
use crate::kernel::Architecture;
use crate::kmod::signing::Signer;
use crate::plan::work::Testimony;
use crate::registry::{Access, Location, Proxies, Settings, Sources};

/// What an image's place begins with where it is no plain reference.
const PREFIXES: [&str; 2] = ["oci:", "docker://"];
/// How long reading one layer may take.
const LAYER_DEADLINE: Duration = Duration::from_mins(15);
/// How often the line on the terminal moves.
const TICK: Duration = Duration::from_millis(120);

/// How images are signed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Images")]
pub(super) struct SignImageArgs {
    /// A file of the image that is signed: a path, or a pattern as a shell has it (`*`, `?`, `[ab]`); may be given
    /// several times
    ///
    /// What a Module has in sign.filesToSign. Of an image without a --file nothing is signed, as with KMM.
    #[arg(long = "file", value_name = "PATTERN")]
    files: Vec<String>,

    /// The Module's modprobe.dirName: nothing outside of it is signed, since KMM signs a copy of that folder
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR_NAME)]
    dir_name: String,

    /// Whose image of a multi-architecture index is signed (amd64, arm64, ppc64le, s390x, riscv64); the result is that
    /// image alone, as with KMM. Without it, the images of all are signed
    #[arg(long, value_name = "ARCH")]
    architecture: Option<String>,

    /// Sign packed files as they stand, as sign-file does, which no kernel sees; without it they are signed inside and
    /// packed again
    #[arg(long)]
    as_sign_file: bool,

    /// Credentials in the form of ~/.docker/config.json; without it, those that `check` finds
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    authfile: Option<PathBuf>,

    /// Certificates (PEM) to trust beside the system's when talking to registries; may be given several times
    #[arg(long = "ca-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_files: Vec<PathBuf>,

    /// Registries may be asked over plain HTTP
    #[arg(long)]
    insecure: bool,

    /// Registries may have any certificate
    #[arg(long)]
    skip_tls_verify: bool,

    /// Write what came of it into this file, as one line of JSON: for the operator
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) testimony: Option<PathBuf>,
}

impl SignImageArgs {
    /// Whether this is about images, and not about module files.
    pub(super) fn is_meant(&self, from: &str, to: &str) -> bool {
        let is_image = |text: &str| PREFIXES.iter().any(|prefix| text.starts_with(prefix));
        !self.files.is_empty() || is_image(from) || is_image(to)
    }

    /// Signs one image into another.
    pub(super) fn sign(
        &self,
        signer: Signer,
        from: &str,
        to: &str,
        testifier: &mut Testifier,
    ) -> anyhow::Result<Ending> {
        let warnings = signer.warnings(environment::now());
        let subject = signer.certificate().subject().to_owned();
        is_no_file(from)?;
        let (from, to) = (Location::parse(from)?, Location::parse(to)?);
        let (sources, access) = (self.sources()?, self.access()?);
        let bar = Bar::new();
        let amendment = self.amendment(signer, &bar)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let amending = async {
            let origin = sources.origin(&from, &access)?;
            let destination = sources.destination(&to, &access)?;
            amend::amend(&amendment, &origin, &destination).await
        };
        let outcome = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => None,
                outcome = amending => Some(outcome),
            }
        });
        drop(bar);
        match outcome {
            None => Ok(Ending::Interrupted),
            Some(Ok(mut amended)) => {
                amended.warnings.extend(warnings);
                testifier.say(&testimony_of(&amended))?;
                report(&to, &subject, &amended)
            }
            Some(Err(failure)) => {
                testifier.failed(&failure.to_string(), failure.may_pass())?;
                output::complain(&format!("error: {failure}"));
                let passing = failure.may_pass();
                Ok(if passing { Ending::NoAnswer } else { Ending::Failed })
            }
        }
    }

    fn amendment(&self, signer: Signer, bar: &Bar) -> anyhow::Result<Amendment> {
        let architecture = self.architecture.as_deref().map(|name| {
            let known = Architecture::ALL.map(Architecture::go_name).join(", ");
            Architecture::from_name(name).with_context(|| format!("--architecture `{name}`: not one of {known}"))
        });
        let as_sign_file = self.as_sign_file;
        Ok(Amendment {
            files: self.files.clone(),
            dir_name: self.dir_name.clone(),
            architecture: architecture.transpose()?,
            created: environment::now(),
            layer_deadline: LAYER_DEADLINE,
            signer: Arc::new(move |_path, bytes| {
                let signed = if as_sign_file {
                    signer.sign(bytes).map(|trailer| [bytes, &trailer].concat())
                } else {
                    signer.signed(bytes)
                };
                signed.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
            }),
            on_step: bar.steps(),
        })
    }

    fn sources(&self) -> anyhow::Result<Sources> {
        let settings = Settings {
            ca_files: self.ca_files.clone(),
            proxies: Proxies::from_variables(environment::variable),
            ..Settings::default()
        };
        Ok(Sources::new(Vec::new(), settings)?)
    }

    fn access(&self) -> anyhow::Result<Access> {
        let tls = RegistryTls {
            insecure: self.insecure,
            insecure_skip_tls_verify: self.skip_tls_verify,
        };
        let keyring = answer::own_keyring(self.authfile.as_ref())?;
        Ok(Access::new(Arc::new(keyring), tls))
    }
}

/// A file's name would be taken for that of an image on Docker Hub.
fn is_no_file(from: &str) -> anyhow::Result<()> {
    ensure!(
        !Path::new(from).is_file(),
        "IN is the file {from}, and by its --file or its OUT this is about an image; to sign the file, leave --file out and name a \
         file as OUT; an image of that name is written docker://{from}"
    );
    Ok(())
}

fn testimony_of(amended: &Amended) -> Testimony {
    Testimony::Signed {
        digest: amended.digest.clone(),
        files: amended.files,
        warnings: amended.warnings.clone(),
    }
}

fn report(to: &Location, subject: &str, amended: &Amended) -> anyhow::Result<Ending> {
    for warning in &amended.warnings {
        output::complain(&format!("warning: {warning}"));
    }
    let files = match amended.files {
        0 => "nothing signed".to_owned(),
        1 => format!("1 file signed by {subject}"),
        files => format!("{files} files signed by {subject}"),
    };
    output::print(&format!("{to}: {files}\n{}\n", amended.digest))
}

/// A line on the terminal while the work goes on; nothing where nobody watches.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new() -> Self {
        let bar = environment::is_watched().then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            let style = ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}");
            bar.set_style(style.expect("invariant: the template is fixed and well formed"));
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// What the work reports to.
    fn steps(&self) -> Arc<dyn Fn(&Step<'_>) + Send + Sync> {
        let bar = self.0.clone();
        Arc::new(move |step| {
            if let Some(bar) = &bar {
                bar.set_message(step.to_string());
            }
        })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
