//! Where facts are kept, so that a kernel is not asked anew about an image that it has judged. What it said once counts: a
//! case with which a guest died or hung is asked twice before that, any other case once.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::fact::Telling;

/// A folder of facts, each in a file that is called by all that decides about it.
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is known; nothing where the file is damaged, so that the kernel is asked again.
    pub(super) fn recall(&self, key: &str) -> Option<Telling> {
        serde_json::from_slice(&fs::read(self.folder.join(key)).ok()?).ok()
    }

    /// Others may read the same store: a fact is there as a whole, or not at all.
    pub(super) fn remember(&self, key: &str, telling: &Telling) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut fact = tempfile::NamedTempFile::new_in(&self.folder)?;
        fact.write_all(&serde_json::to_vec(telling)?)?;
        fact.persist(self.folder.join(key))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_kept_until_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("facts"));
        let mut telling = Telling::default();
        telling.add("loaded", "0");
        assert_eq!(store.recall("key"), None);
        store.remember("key", &telling).unwrap();
        assert_eq!(store.recall("key"), Some(telling));
        let file = folder.path().join("facts/key");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(store.recall("key"), None);
    }
}
