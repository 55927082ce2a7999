//! Reads `manifest.json` and what it names: kernels become toolkits, module files become folders of an image.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use kmm_preflight::kernel::Architecture;
use kmm_preflight::kmod::config::KernelConfig;
use kmm_preflight::kmod::facts::ModuleFile;
use kmm_preflight::kmod::intree::in_sysfs;
use kmm_preflight::kmod::signature::Certificate;
use kmm_preflight::kmod::staged::Folder;
use kmm_preflight::kmod::symvers::Symvers;
use kmm_preflight::kmod::toolkit::{InTree, Toolkit};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::shelf;

/// Where `tests/run` says that the kernels stand.
const VARIABLE: &str = "KMM_PREFLIGHT_KERNELS";

/// All that the cache holds.
pub(crate) struct Cache {
    /// Its folder.
    pub(crate) root: PathBuf,
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) modules: Vec<Module>,
    /// The certificate that signed the modules marked `trusted`.
    pub(crate) trusted: Certificate,
}

/// A real kernel.
pub(crate) struct Kernel {
    pub(crate) release: String,
    pub(crate) architecture: Architecture,
    pub(crate) toolkit: Toolkit,
    /// `auto.conf`, as text, for kernels that differ from it in one option.
    pub(crate) config: String,
    /// Folders with the index files of a real depmod.
    pub(crate) folders: PathBuf,
}

/// A module file that some real kernel was asked to load.
pub(crate) struct Module {
    pub(crate) record: Record,
    /// The name by which modprobe is asked for it.
    pub(crate) name: String,
    /// The folder of an image that holds it and what it needs.
    pub(crate) folder: Arc<Folder>,
}

/// What the manifest says of a module.
#[derive(Deserialize)]
pub(crate) struct Record {
    pub(crate) file: String,
    pub(crate) built_for: String,
    pub(crate) what: String,
    pub(crate) loads: bool,
    pub(crate) refusal: Option<String>,
    pub(crate) symbol: Option<String>,
    pub(crate) refused_by: Option<String>,
    pub(crate) signed_by: Option<String>,
    #[serde(default)]
    pub(crate) altered: bool,
    #[serde(default)]
    pub(crate) needs_force_load: bool,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    needs_in_tree: Vec<String>,
    #[serde(default)]
    softdep: Vec<String>,
    #[serde(default)]
    pub(crate) parameters: Map<String, Value>,
}

#[derive(Deserialize)]
struct KernelRecord {
    release: String,
    toolkit: String,
    folders: String,
    in_tree: bool,
}

#[derive(Deserialize)]
struct Manifest {
    kernels: Vec<KernelRecord>,
    keys: Map<String, Value>,
    modules: Vec<Record>,
}

/// The cache, or nothing where there is none; where tests must not be skipped, that is a failure.
pub(crate) fn cache() -> Option<&'static Cache> {
    static CACHE: LazyLock<Option<Cache>> = LazyLock::new(|| {
        let Some(root) = variable(VARIABLE) else {
            let must_run = variable("CI").as_deref() == Some("true");
            assert!(
                !must_run,
                "{VARIABLE} is not set, and with CI=true nothing may be skipped; use tests/run"
            );
            eprintln!("SKIPPED: no real kernel was asked, since {VARIABLE} is not set. Use tests/run, which builds");
            eprintln!(
                "SKIPPED: them, or tests/kernels/build.sh FOLDER and {VARIABLE}=FOLDER cargo test --test kernels"
            );
            return None;
        };
        Some(Cache::read(Path::new(&root)))
    });
    CACHE.as_ref()
}

#[expect(clippy::disallowed_methods, reason = "tests have no cli to read it for them")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Cache {
    fn read(root: &Path) -> Self {
        let manifest: Manifest = serde_json::from_str(&text(&root.join("manifest.json"))).expect("a manifest");
        let key = manifest
            .keys
            .get("trusted")
            .and_then(Value::as_str)
            .expect("a trusted key");
        let der = fs::read(root.join(key)).expect("the certificate");
        Self {
            root: root.to_owned(),
            kernels: manifest
                .kernels
                .iter()
                .map(|record| Kernel::read(root, record))
                .collect(),
            modules: manifest
                .modules
                .into_iter()
                .filter_map(|record| Module::read(root, record))
                .collect(),
            trusted: Certificate::from_pem_or_der(&der).expect("a certificate"),
        }
    }

    /// The kernel that a module was built for.
    pub(crate) fn home(&self, module: &Module) -> &Kernel {
        let is_home = |kernel: &&Kernel| kernel.release == module.record.built_for;
        self.kernels.iter().find(is_home).expect("a kernel of the manifest")
    }
}

impl Kernel {
    fn read(root: &Path, record: &KernelRecord) -> Self {
        let folder = root.join(&record.toolkit);
        let config = text(&folder.join("auto.conf"));
        let symvers = File::open(folder.join("Module.symvers")).expect("Module.symvers");
        let in_tree = record.in_tree.then(|| folder.join("in-tree"));
        let sample = in_tree.as_deref().map(an_in_tree_module);
        let sample = sample.as_ref().map(shelf::elf);
        let toolkit = Toolkit {
            image: "toolkit".to_owned(),
            kernel: record.release.clone(),
            symvers: Some(Arc::new(Symvers::read(BufReader::new(symvers)).expect("symbols"))),
            config: Some(Arc::new(KernelConfig::parse(&config))),
            in_tree: in_tree.as_deref().map(|folder| Arc::new(in_tree_list(folder))),
            vermagic: sample.and_then(|elf| elf.info("vermagic")).map(str::to_owned),
            this_module: sample.map(|elf| elf.this_module),
            has_export_flags: None,
        };
        let name = record.release.rsplit('-').next().unwrap_or_default();
        Self {
            release: record.release.clone(),
            architecture: Architecture::from_name(name).expect("an architecture at the end of the release"),
            toolkit,
            config,
            folders: root.join(&record.folders),
        }
    }
}

fn in_tree_list(folder: &Path) -> InTree {
    InTree::from_text(
        &text(&folder.join("modules.dep")),
        &text(&folder.join("modules.builtin")),
        &in_sysfs(&text(&folder.join("modules.builtin.modinfo"))),
    )
}

/// The kernel's own module that `modules.dep` names first.
fn an_in_tree_module(folder: &Path) -> ModuleFile {
    let dep = text(&folder.join("modules.dep"));
    let (first, _) = dep.split_once(':').expect("a line of modules.dep");
    ModuleFile::read(&fs::read(folder.join(first)).expect("an in-tree module"))
}

impl Module {
    /// `None` for a module that needs in-tree modules of a kernel of which the cache has none.
    fn read(root: &Path, record: Record) -> Option<Self> {
        let path = root.join(&record.file);
        let folder = if record.needs_in_tree.is_empty() {
            let companions = record.needs.iter().chain(&record.softdep);
            let companions = companions.map(|name| path.with_file_name(format!("{name}.ko")));
            let companions: Vec<PathBuf> = companions.filter(|path| path.exists()).collect();
            shelf::indexed(&path, &companions, &record.built_for)
        } else {
            let linked = root.join(&record.built_for).join("folders/linked");
            linked.exists().then(|| shelf::read(&linked, &record.built_for))?
        };
        Some(Self {
            name: asked_for(&record.file).to_owned(),
            folder: Arc::new(folder),
            record,
        })
    }
}

/// The name of a module file, as people write it.
fn asked_for(path: &str) -> &str {
    let (_, file) = path.rsplit_once('/').expect("a file in a folder");
    let (name, _) = file.split_once(".ko").expect("a module file");
    name
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}; run tests/kernels/build.sh", path.display()))
}
