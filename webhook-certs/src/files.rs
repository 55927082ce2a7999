//! Bring your own: a certificate and key mounted as files by cert-manager, OpenShift's service CA or anybody else.
//!
//! A mounted Secret changes by an exchange of symbolic links, which watches of the files do not see: the files are
//! read now and then and compared by their hash.

use crate::certificate::Pair;
use crate::content::{TLS_CRT, TLS_KEY};
use crate::error::{FilesError, Flaw};
use crate::pace::jitter;
use crate::resolver::{CertificateResolver, Serving};
use aws_lc_rs::digest::{Context, SHA256};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, Take};
use tokio::time::sleep;

/// How often the files are looked at. The kubelet itself takes a minute to bring a change.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// No certificate chain or key is larger; a Secret itself holds 1 MiB at most.
const MAX_FILE: u64 = 1 << 20;

/// An exchange of the files between the reading of the one and the other is met by reading again, so often.
const MAX_READS: usize = 3;

/// Serves `tls.crt` and `tls.key` of a folder, and what they are exchanged for.
///
/// A pair that cannot be served is told once; the last good one goes on.
pub struct MountedFiles {
    folder: PathBuf,
    serving: Serving,
    seen: Option<Digest>,
    told: Option<String>,
}

/// What identifies a state of both files.
type Digest = Vec<u8>;

/// The bytes of both files, as they stood at one moment.
struct Texts {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl MountedFiles {
    /// Nothing is read yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            serving: Serving::new(),
            seen: None,
            told: None,
        }
    }

    /// What a TLS server asks for certificates.
    pub fn resolver(&self) -> CertificateResolver {
        self.serving.resolver()
    }

    /// Looks at the files every ten seconds until it is dropped.
    pub async fn run(mut self) -> Infallible {
        loop {
            self.look_and_tell().await;
            sleep(jitter(LOOK_EVERY)).await;
        }
    }

    async fn look_and_tell(&mut self) {
        match self.look().await {
            Ok(()) => self.told = None,
            Err(error) => {
                let problem = in_words(&error);
                if self.told.as_ref() != Some(&problem) {
                    tracing::warn!(folder = %self.folder.display(), ready = self.resolver().is_ready(), problem, "keeping the last good webhook certificate");
                    self.told = Some(problem);
                }
            }
        }
    }

    /// Looks once, and serves the pair if it is another and can be served.
    ///
    /// # Errors
    /// If the files cannot be read or are no pair. The last good pair goes on being served.
    pub async fn look(&mut self) -> Result<(), FilesError> {
        let texts = self.read_at_one_moment().await?;
        let digest = texts.digest();
        if self.seen.as_ref() == Some(&digest) {
            return Ok(());
        }
        let pair = Pair::read(Some(&texts.chain), Some(&texts.key)).map_err(|flaw| self.flawed(flaw))?;
        if self.serving.serve(&pair) {
            tracing::info!(folder = %self.folder.display(), expiry = %pair.certificate.not_after, "serving a new webhook certificate");
        }
        self.seen = Some(digest);
        Ok(())
    }

    /// Reads until the certificate is the same after the key has been read as it was before.
    async fn read_at_one_moment(&self) -> Result<Texts, FilesError> {
        let (certificate, key) = (self.folder.join(TLS_CRT), self.folder.join(TLS_KEY));
        let mut texts = Texts {
            chain: read(&certificate).await?,
            key: read(&key).await?,
        };
        for _ in 1..MAX_READS {
            let again = read(&certificate).await?;
            if again == texts.chain {
                break;
            }
            texts = Texts {
                chain: again,
                key: read(&key).await?,
            };
        }
        Ok(texts)
    }

    fn flawed(&self, flaw: Flaw) -> FilesError {
        FilesError::Flawed {
            folder: self.folder.clone(),
            flaw,
        }
    }
}

impl Texts {
    fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        context.update(&(self.chain.len() as u64).to_be_bytes());
        context.update(&self.chain);
        context.update(&self.key);
        context.finish().as_ref().to_vec()
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let unreadable = |source| FilesError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let mut file: Take<File> = File::open(path).await.map_err(unreadable)?.take(MAX_FILE + 1);
    file.read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(FilesError::TooLarge {
            path: path.to_owned(),
            most: MAX_FILE,
        });
    }
    Ok(bytes)
}

fn in_words(error: &FilesError) -> String {
    match error {
        FilesError::Read { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
