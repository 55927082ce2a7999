//! Images made of Debian's packages, kept as OCI layouts in the cache folder: the builder's, and driver toolkits of real kernels.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;

use super::buildah::Buildah;
use super::debian::Packages;
use super::{CERTIFICATES, Destination, repository};
use crate::environment;
use crate::process::run;

/// buildah, the libraries that it is linked to, and its configuration. Its dependencies would bring much that chroot isolation
/// never uses: GnuPG with Perl, network plugins, iptables.
const BUILDER: [&str; 12] = [
    "buildah",
    "golang-github-containers-common",
    "golang-github-containers-image",
    "libassuan0",
    "libc6",
    "libdevmapper1.02.1",
    "libgpg-error0",
    "libgpgme11",
    "libpcre2-8-0",
    "libseccomp2",
    "libselinux1",
    "libudev1",
];

/// What a Dockerfile calls beside the compiler, on which a kernel's headers depend themselves.
const TOOLS: [&str; 8] = ["coreutils", "dash", "findutils", "grep", "kmod", "make", "mawk", "sed"];

/// What is in front of the images' names until they are pushed somewhere.
const NOWHERE: &str = "registry.example.com";

/// An image in the cache folder.
#[derive(Debug, Clone)]
pub struct Kept {
    layout: PathBuf,
    reference: String,
}

/// An image that is still to be made, perhaps.
struct Wanted {
    /// For people.
    what: String,
    /// Its file name in the cache folder.
    name: String,
    reference: String,
    packages: Packages,
    /// What its root has beside the packages.
    finish: fn(&Path, &str) -> anyhow::Result<()>,
    /// The kernel, where it is for one.
    kernel: String,
    recipe: &'static str,
}

impl Kept {
    /// The image with buildah, and nothing else.
    pub fn builder() -> anyhow::Result<Self> {
        Wanted {
            what: "the builder".into(),
            name: "builder".into(),
            reference: format!("{NOWHERE}/kmm/builder:1"),
            packages: Packages::these(&BUILDER)?,
            finish: |root, _| trust_public_certificates(root),
            kernel: String::new(),
            recipe: "FROM scratch\nCOPY . /\nENV BUILDAH_ISOLATION=chroot\nCMD [\"buildah\"]\n",
        }
        .get()
    }

    /// The driver toolkit of a Debian kernel for x86-64: compiler, headers, `Module.symvers`, and the kernel's own modules.
    pub fn toolkit(kernel: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(kernel.ends_with("-amd64"), "{kernel} is no Debian kernel for amd64");
        let headers = format!("linux-headers-{kernel}");
        let compiler = Packages::with_dependencies(&[&TOOLS[..], &[&headers]].concat())?;
        let itself = Packages::these(&[&format!("linux-image-{kernel}")])?;
        let tag = kernel.replace('+', "_");
        Wanted {
            what: format!("the driver toolkit of {kernel}"),
            name: format!("toolkit-{tag}"),
            reference: format!("{NOWHERE}/dtk/driver-toolkit:{tag}"),
            packages: compiler.and(itself),
            finish: finish_toolkit,
            kernel: kernel.to_owned(),
            recipe: "FROM scratch\nCOPY . /\nCMD [\"/bin/sh\"]\n",
        }
        .get()
    }

    /// The OCI layout with the image, under a name without a place: `Registry::push_layout` puts it somewhere.
    pub fn layout(&self) -> &Path {
        &self.layout
    }

    /// Sends it.
    pub fn send(&self, destination: &Destination) -> anyhow::Result<()> {
        let (to, tls_verify) = destination.transport();
        let from = format!("oci:{}:{}", self.layout.display(), self.reference);
        let verify = format!("--dest-tls-verify={tls_verify}");
        let mut skopeo = Command::new("skopeo");
        run(skopeo.args(["copy", "--quiet", &verify, &from, &to]))
            .context("`apt-get install skopeo` where it is missing")?;
        Ok(())
    }
}

/// The kernels that the tests know, oldest first: those of which apt has headers.
pub fn kernels() -> anyhow::Result<Vec<String>> {
    let known = repository().join("tests/kernels/headers.sh");
    let mut bash = Command::new("bash");
    let script = "set -euo pipefail; . \"$0\"; headers_wanted";
    let names = run(bash.args(["-c", script]).arg(known))?;
    Ok(names.lines().map(str::to_owned).collect())
}

impl Wanted {
    /// The image in the cache folder, after it was made where it was not there.
    fn get(&self) -> anyhow::Result<Kept> {
        let folder = environment::cache_folder().context("neither XDG_CACHE_HOME nor HOME is set")?;
        let folder = folder.join("images");
        let layout = folder.join(format!("{}-{:016x}", self.name, self.key()));
        if !layout.exists() {
            fs::create_dir_all(&folder)?;
            self.make(&folder, &layout)?;
        }
        Ok(Kept {
            layout,
            reference: self.reference.clone(),
        })
    }

    /// Another one where anything is another that goes into it.
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let this = (include_str!("kept.rs"), include_str!("debian.rs"));
        (self.packages.text(), self.recipe, this).hash(&mut hasher);
        hasher.finish()
    }

    /// Makes it beside its place and puts it there when it is whole; those of earlier keys go.
    fn make(&self, folder: &Path, layout: &Path) -> anyhow::Result<()> {
        let (what, count) = (&self.what, self.packages.count());
        say(&format!(
            "MAKING {what} from {count} Debian packages: a minute, once; it is kept in {}",
            layout.display()
        ));
        let started = Instant::now();
        let parts = tempfile::Builder::new().prefix(".making-").tempdir_in(folder)?;
        let (root, made) = (parts.path().join("root"), parts.path().join("layout"));
        self.packages.unpack(&root)?;
        (self.finish)(&root, &self.kernel)?;
        let recipe = parts.path().join("Dockerfile");
        fs::write(&recipe, self.recipe)?;
        let image = Buildah::new()?;
        image.build(&root, &[&format!("--file={}", recipe.display())])?;
        image.send(&Destination::Layout {
            folder: made.clone(),
            name: self.reference.clone(),
        })?;
        self.remove_former(folder)?;
        fs::rename(&made, layout)?;
        say(&format!("{what} is made, in {} s", started.elapsed().as_secs()));
        Ok(())
    }

    fn remove_former(&self, folder: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.rsplit_once('-').is_some_and(|(stem, _)| stem == self.name) {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }
}

fn trust_public_certificates(root: &Path) -> anyhow::Result<()> {
    let place = root.join(CERTIFICATES.trim_start_matches('/'));
    fs::create_dir_all(place.parent().context("a file without a folder")?)?;
    fs::copy(CERTIFICATES, place).with_context(|| format!("no {CERTIFICATES}: `apt-get install ca-certificates`"))?;
    Ok(())
}

/// What scripts of the packages would have done: awk, and the indexes of the kernel's own modules. Headers of other
/// architectures are half of all headers, and nobody includes them.
fn finish_toolkit(root: &Path, kernel: &str) -> anyhow::Result<()> {
    symlink("mawk", root.join("usr/bin/awk"))?;
    for entry in fs::read_dir(root.join("usr/src"))? {
        let Ok(architectures) = fs::read_dir(entry?.path().join("arch")) else {
            continue;
        };
        for architecture in architectures.flatten().filter(|folder| folder.file_name() != "x86") {
            if architecture.file_type()?.is_dir() {
                fs::remove_dir_all(architecture.path())?;
            }
        }
    }
    run(Command::new("/sbin/depmod").arg("-b").arg(root).arg(kernel))?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "who waits for a minute wants to know what for")]
fn say(words: &str) {
    eprintln!("{words}");
}
