//! The first file system of a kernel: busybox, what loads modules, and the modules.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module that a kernel is asked to load.
pub(crate) struct Case {
    /// Its file's name.
    pub(crate) name: String,
    pub(crate) file: Vec<u8>,
    /// Whether the kernel is expected to take it.
    pub(crate) loads: bool,
    loader: Loader,
}

/// What reads a module file and hands it to the kernel.
#[derive(Clone, Copy)]
pub(crate) enum Loader {
    /// kmod, as distributions have it; Debian's unpacks xz and zstd.
    Kmod,
    /// busybox, which unpacks gzip.
    Busybox,
    /// The kernel unpacks it (`finit_module` with `MODULE_INIT_COMPRESSED_FILE`), as kmod 31 and later ask it to.
    Kernel,
}

impl Case {
    pub(crate) fn new(name: &str, file: Vec<u8>, loads: bool) -> Self {
        Self {
            name: name.to_owned(),
            file,
            loads,
            loader: Loader::Kmod,
        }
    }

    pub(crate) fn loaded_by(mut self, loader: Loader) -> Self {
        self.loader = loader;
        self
    }

    fn command(&self) -> String {
        let file = format!("/modules/{}", self.name);
        match self.loader {
            Loader::Kmod => format!("/sbin/insmod {file}"),
            Loader::Busybox => format!("/bin/busybox insmod {file}"),
            Loader::Kernel => format!("/usr/bin/perl /finit_module.pl {file}"),
        }
    }
}

/// `finit_module` is system call 313 on x86-64; 4 is `MODULE_INIT_COMPRESSED_FILE`.
const FINIT_MODULE: &str = "open my $file, '<', $ARGV[0] or die; my $parameters = '';\n\
                            die \"$!\\n\" if syscall 313, fileno $file, $parameters, 4;\n";

const HEAD: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
try() {
    name=$1
    shift
    if words=$(\"$@\" 2>&1); then
        echo \"loaded $name\"
        /bin/busybox rmmod plain
    else
        echo \"refused $name: $words\"
    fi
}
";

/// An initrd that is being put together.
pub(crate) struct Initrd {
    root: tempfile::TempDir,
}

impl Initrd {
    /// Programs, and the one module that Debian's 6.1 needs for signatures over SHA-384 and SHA-512.
    pub(crate) fn new(cache: &Path, release: &str) -> Self {
        let initrd = Self {
            root: tempfile::tempdir().expect("a folder"),
        };
        for folder in ["proc", "sbin", "modules"] {
            fs::create_dir(initrd.path(folder)).expect("a folder");
        }
        for program in ["/bin/busybox", "/bin/kmod", "/usr/bin/perl"] {
            initrd.program(program);
        }
        for name in ["insmod", "modprobe"] {
            symlink("/bin/kmod", initrd.path("sbin").join(name)).expect("a link");
        }
        fs::write(initrd.path("finit_module.pl"), FINIT_MODULE).expect("a file");
        initrd.in_tree(&cache.join("debian"), release, "kernel/crypto/sha512_generic.ko");
        initrd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A program of this machine, with the libraries that it needs.
    fn program(&self, program: &str) {
        let libraries = Command::new("ldd").arg(program).output().expect("ldd").stdout;
        let libraries = String::from_utf8(libraries).expect("text");
        let files = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for file in files.chain([program]) {
            self.file(file, &fs::read(file).expect("a program or library"), 0o755);
        }
    }

    /// A module of the kernel's own, where the kernel has it as a module.
    fn in_tree(&self, debian: &Path, release: &str, module: &str) {
        let file = format!("lib/modules/{release}/{module}");
        if let Ok(bytes) = fs::read(debian.join(&file)) {
            self.file(&file, &bytes, 0o644);
            let depmod = Command::new("depmod")
                .arg("-b")
                .arg(self.root.path())
                .arg(release)
                .output();
            assert!(depmod.expect("depmod").status.success(), "depmod of {file}");
        }
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) {
        let path = self.path(name.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
    }

    /// The modules, and the script that loads one after the other.
    pub(crate) fn with_cases(self, cases: &[Case]) -> Self {
        let mut script = HEAD.to_owned();
        for case in cases {
            self.file(&format!("modules/{}", case.name), &case.file, 0o644);
            writeln!(script, "try {} {}", case.name, case.command()).expect("a text");
        }
        script.push_str("/bin/busybox poweroff -f\n");
        self.file("init", script.as_bytes(), 0o755);
        self
    }

    /// The archive that a kernel unpacks.
    pub(crate) fn pack(self, folder: &Path) -> PathBuf {
        let initrd = folder.join("initrd");
        let script = "find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 > \"$0\"";
        let packed = Command::new("sh")
            .arg("-euc")
            .arg(script)
            .arg(&initrd)
            .current_dir(self.root.path())
            .status();
        assert!(packed.expect("a shell").success(), "cpio");
        initrd
    }
}
