//! The CA files, which may change while this runs. A mounted ConfigMap changes by an exchange of symbolic links, which watches of
//! files do not see: they are read now and then, and compared by what stands in them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often the files are looked at. The kubelet itself takes a minute to bring a change.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How much of a file is compared: a ConfigMap holds 1 MiB at most, and Jobs are given half of that.
const COMPARED: u64 = 2 << 20;

/// The CA files, and how they stood when they were last seen.
pub(super) struct CaFiles {
    files: Vec<PathBuf>,
    seen: State,
}

/// The hash of each file; `None` for one that cannot be read.
type State = Vec<Option<Vec<u8>>>;

impl CaFiles {
    /// These files, as they stand now.
    pub(super) fn new(files: &[PathBuf]) -> Self {
        Self {
            seen: state(files),
            files: files.to_vec(),
        }
    }

    /// Waits until they stand otherwise than when they were last seen; for ever, where there are none. What is read of them after
    /// this is at least as new as what was seen here.
    pub(super) async fn changed(&mut self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        loop {
            sleep(LOOK_EVERY).await;
            let files = self.files.clone();
            match spawn_blocking(move || state(&files)).await {
                Ok(state) if state != self.seen => {
                    self.seen = state;
                    return;
                }
                // A look that came to nothing is made again.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn state(files: &[PathBuf]) -> State {
    files.iter().map(|file| hash(file).ok()).collect()
}

fn hash(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(COMPARED).read_to_end(&mut bytes)?;
    Ok(digest(&SHA256, &bytes).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tokio::time::timeout;

    use super::*;

    /// Longer than the time between two looks.
    const A_WHILE: Duration = Duration::from_secs(60);

    async fn is_told(files: &mut CaFiles) -> bool {
        timeout(A_WHILE, files.changed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_into_a_file_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        std::fs::write(&file, "one").unwrap();
        let mut files = CaFiles::new(std::slice::from_ref(&file));
        assert!(!is_told(&mut files).await, "nothing has changed");
        std::fs::write(&file, "two").unwrap();
        assert!(is_told(&mut files).await);
        assert!(!is_told(&mut files).await, "it was told before");
        std::fs::remove_file(&file).unwrap();
        assert!(is_told(&mut files).await, "a file that is gone is another state");
    }

    #[tokio::test(start_paused = true)]
    async fn the_links_of_a_mounted_config_map_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("v1", "one"), ("v2", "two")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("ca.crt"), text).unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/ca.crt", at("ca.crt")).unwrap();
        let mut files = CaFiles::new(&[at("ca.crt")]);
        symlink("v2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(is_told(&mut files).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_files_there_is_nothing_to_wait_for() {
        assert!(!is_told(&mut CaFiles::new(&[])).await);
    }
}
