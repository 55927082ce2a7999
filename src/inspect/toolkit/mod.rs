//! What a driver toolkit says of one kernel, among those that it has.
//!
//! Toolkits differ: OpenShift's has `/usr/src/kernels/<K>` and a release file, Debian's and Ubuntu's headers are
//! in `/usr/src/linux-headers-<K>`, SUSE's are found through `/lib/modules/<K>/build` alone. Where
//! `utsrelease.h` speaks, it counts more than a folder's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::layer::{Content, KernelSample};
use super::tree::{Found, MergedTree};
use crate::kmod::config::KernelConfig;
use crate::kmod::symvers::Symvers;
use crate::kmod::toolkit::{InTree, Toolkit, ToolkitEvidence};

/// OpenShift's own word on which kernels its toolkit is for.
const RELEASE_FILE: &str = "etc/driver-toolkit-release.json";

/// Where kernels' modules lie; the second where `/lib` is no link to `/usr/lib`.
const MODULE_ROOTS: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// The file of a kernel's headers that tells its release.
const UTS_RELEASE: &str = "include/generated/utsrelease.h";

/// Where the headers of a kernel have the script by which modules are linked (`scripts/module.lds.S`): in the kernel's own place,
/// and in Debian's.
const MODULE_SCRIPTS: [&str; 6] = [
    "scripts",
    "arch/x86",
    "arch/arm64",
    "arch/powerpc",
    "arch/s390",
    "arch/riscv",
];

/// The kernels that an image knows, and where each one's facts are.
type Kernels = BTreeMap<String, Places>;

/// Where the facts of one kernel are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    /// Folders of headers.
    headers: Vec<String>,
    /// Folders of modules.
    modules: Vec<String>,
}

impl MergedTree {
    /// What this image, as a driver toolkit, says of a kernel.
    pub fn toolkit(&self, image: &str, kernel: &str) -> ToolkitEvidence {
        let mut kernels = self.kernels();
        if find(&kernels, kernel).is_none() {
            self.add_headers_anywhere(&mut kernels);
        }
        match find(&kernels, kernel) {
            Some((release, places)) => ToolkitEvidence::Found(Arc::new(self.facts_of(image, release, places))),
            None => ToolkitEvidence::OtherKernel {
                image: image.to_owned(),
                kernels: kernels.into_keys().collect(),
            },
        }
    }

    /// Folders in which a kernel's facts may be and that could not be looked into, with the reasons.
    pub fn closed_toolkit_folders(&self) -> Vec<String> {
        let mut closed = Vec::new();
        for above in ["usr", "lib", "boot", "etc"] {
            match self.resolve(above) {
                Some(Found::Closed(why)) => closed.push(format!("/{above}: {why}")),
                Some(Found::Dir(dir)) => self.walk(&dir, |path, found| match found {
                    Found::Closed(why) if may_hold_facts(above, path) => {
                        closed.push(format!("/{above}/{path}: {why}"));
                    }
                    _ => {}
                }),
                _ => {}
            }
        }
        closed
    }

    fn kernels(&self) -> Kernels {
        let mut kernels = Kernels::new();
        for root in MODULE_ROOTS {
            for name in self.folders_in(root) {
                let folder = format!("{root}/{name}");
                self.add_headers(&mut kernels, &name, format!("{folder}/build"));
                kernels.entry(name).or_default().modules.push(folder);
            }
        }
        for name in self.folders_in("usr/src/kernels") {
            let folder = format!("usr/src/kernels/{name}");
            self.add_headers(&mut kernels, &name, folder);
        }
        for name in self.folders_in("usr/src") {
            if let Some(release) = name
                .strip_prefix("linux-headers-")
                .filter(|release| !is_shared(release))
            {
                self.add_headers(&mut kernels, release, format!("usr/src/{name}"));
            }
        }
        for release in self.releases_told() {
            kernels.entry(release).or_default();
        }
        kernels
    }

    /// Adds a folder of headers, if it is one, under the release that it tells or else the one of its name.
    fn add_headers(&self, kernels: &mut Kernels, name: &str, folder: String) {
        if self.dir(&folder).is_none() {
            return;
        }
        let told = self.text(&format!("{folder}/{UTS_RELEASE}")).and_then(uts_release);
        kernels
            .entry(told.unwrap_or(name).to_owned())
            .or_default()
            .headers
            .push(folder);
    }

    /// Adds every folder of headers of the whole image. Slow: for images whose headers are in an unusual place.
    fn add_headers_anywhere(&self, kernels: &mut Kernels) {
        self.walk(&self.root(), |path, found| {
            let Found::File {
                content: Some(Content::Text(text)),
                ..
            } = found
            else {
                return;
            };
            let folder = path
                .strip_suffix(UTS_RELEASE)
                .and_then(|folder| folder.strip_suffix('/'));
            if let (Some(folder), Some(release)) = (folder, uts_release(text)) {
                kernels
                    .entry(release.to_owned())
                    .or_default()
                    .headers
                    .push(folder.to_owned());
            }
        });
    }

    /// The kernels that OpenShift's release file names.
    fn releases_told(&self) -> Vec<String> {
        let Some(text) = self.text(RELEASE_FILE) else {
            return Vec::new();
        };
        let told: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
        let releases = ["KERNEL_VERSION", "RT_KERNEL_VERSION"]
            .iter()
            .filter_map(|key| told.get(*key)?.as_str());
        releases
            .map(str::trim)
            .filter(|release| !release.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn facts_of(&self, image: &str, release: &str, places: &Places) -> Toolkit {
        let sample = places.modules.iter().find_map(|folder| self.sample(folder));
        Toolkit {
            image: image.to_owned(),
            kernel: release.to_owned(),
            symvers: self.symvers(release, places),
            config: self.config(release, places),
            in_tree: places.modules.iter().find_map(|folder| self.in_tree(folder)),
            vermagic: sample.and_then(|sample| sample.vermagic.clone()),
            this_module: sample.map(|sample| sample.this_module),
            has_export_flags: self.has_export_flags(places),
        }
    }

    /// Whether the script by which modules are linked makes a table of their exports' flags.
    fn has_export_flags(&self, places: &Places) -> Option<bool> {
        let of = |folder: &String| MODULE_SCRIPTS.map(|place| format!("{folder}/{place}/module.lds"));
        let script = places.headers.iter().flat_map(of).find_map(|path| self.text(&path))?;
        Some(script.contains("__kflagstab"))
    }

    fn symvers(&self, release: &str, places: &Places) -> Option<Arc<Symvers>> {
        let headers = places.headers.iter().map(|folder| format!("{folder}/Module.symvers"));
        let packed = |stem: &str| [".gz", ".xz", ".zst"].map(|suffix| format!("{stem}{suffix}"));
        let modules = places
            .modules
            .iter()
            .flat_map(|folder| packed(&format!("{folder}/symvers")));
        let boot = packed(&format!("boot/symvers-{release}"));
        headers
            .chain(modules)
            .chain(boot)
            .find_map(|path| match self.content(&path)? {
                Content::Symvers(symvers) => Some(Arc::clone(symvers)),
                _ => None,
            })
    }

    fn config(&self, release: &str, places: &Places) -> Option<Arc<KernelConfig>> {
        let headers = places
            .headers
            .iter()
            .flat_map(|folder| ["include/config/auto.conf", ".config"].map(|name| format!("{folder}/{name}")));
        let modules = places.modules.iter().map(|folder| format!("{folder}/config"));
        let boot = [format!("boot/config-{release}")];
        headers
            .chain(modules)
            .chain(boot)
            .find_map(|path| match self.content(&path)? {
                Content::Config(config) if !config.is_empty() => Some(Arc::clone(config)),
                _ => None,
            })
    }

    /// The in-tree modules. An empty `modules.dep` is that of an image without the kernel's modules, where
    /// depmod ran all the same; it says nothing about nodes.
    fn in_tree(&self, folder: &str) -> Option<Arc<InTree>> {
        let modules = self.text(&format!("{folder}/modules.dep"))?;
        let builtin = self.text(&format!("{folder}/modules.builtin")).unwrap_or_default();
        let in_sysfs = self.text(&format!("{folder}/modules.builtin.modinfo"));
        let in_tree = InTree::from_text(modules, builtin, in_sysfs.unwrap_or_default());
        (!in_tree.modules.is_empty()).then(|| Arc::new(in_tree))
    }

    fn sample(&self, folder: &str) -> Option<&KernelSample> {
        let mut sample: Option<&KernelSample> = None;
        self.walk(&self.dir(&format!("{folder}/kernel"))?, |_, found| {
            if let Found::File {
                content: Some(Content::Sample(found)),
                ..
            } = found
            {
                sample = sample.filter(|sample| sample.this_module.end.is_some()).or(Some(found));
            }
        });
        sample
    }

    fn content(&self, path: &str) -> Option<&Content> {
        match self.resolve(path)? {
            Found::File { content, .. } => content,
            _ => None,
        }
    }

    fn text(&self, path: &str) -> Option<&str> {
        match self.content(path)? {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The names of the folders in a folder, links to folders included.
    fn folders_in(&self, path: &str) -> Vec<String> {
        let Some(dir) = self.dir(path) else { return Vec::new() };
        let names = self.children(&dir).into_iter().map(|(name, _)| name);
        names
            .filter(|name| self.dir(&format!("{path}/{name}")).is_some())
            .map(str::to_owned)
            .collect()
    }
}

/// Whether a folder is one of those that [`MergedTree::kernels`] looks into, or in one.
fn may_hold_facts(above: &str, path: &str) -> bool {
    let path = format!("{above}/{path}");
    let is_at_or_below = |folder: &&str| {
        path.strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    path == "usr/lib"
        || ["lib/modules", "usr/lib/modules", "usr/src", "boot"]
            .iter()
            .any(is_at_or_below)
}

/// Debian's headers that several flavours of a kernel share; Debian's tools' name ends alike.
fn is_shared(release: &str) -> bool {
    release.ends_with("-common") || release.ends_with("-common-rt")
}

/// The kernel of that release; one that differs only in a trailing `+`, which KMM drops, where there is none.
fn find<'a>(kernels: &'a Kernels, kernel: &str) -> Option<(&'a str, &'a Places)> {
    let bare = |release: &str| release.strip_suffix('+').unwrap_or(release).to_owned();
    let exact = kernels.get_key_value(kernel);
    let found = exact.or_else(|| kernels.iter().find(|(release, _)| bare(release) == bare(kernel)));
    found.map(|(release, places)| (release.as_str(), places))
}

/// The release in `#define UTS_RELEASE "…"`.
fn uts_release(text: &str) -> Option<&str> {
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("#define UTS_RELEASE"))?;
    value
        .trim()
        .strip_prefix('"')?
        .strip_suffix('"')
        .filter(|release| !release.is_empty())
}

#[cfg(test)]
mod tests;
