//! Root file systems of many shapes, the hostile ones too, against the same in layers.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::{View, look};
use crate::inspect::StageRequest;
use crate::inspect::layer::fixture::Layer;
use crate::inspect::layer::{Limits, ScanError};
use crate::inspect::tree::{Found, MergedTree};
use crate::kmod::staged::{Entry, Folder, Program, StagedFolder, StagedImage, Tool};

const KERNEL: &str = "6.1.0-50-cloud-amd64";

fn elf() -> Vec<u8> {
    [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &[62, 0]].concat()
}

/// A root under construction, and the layer that would unpack to it.
struct Root {
    folder: TempDir,
    layer: Layer,
}

impl Root {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            layer: Layer::new(),
        }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        let at = self.folder.path().join(path);
        fs::create_dir_all(at.parent().expect("a folder above")).expect("folders");
        at
    }

    fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        fs::write(self.at(path), bytes).expect("a file");
        fs::set_permissions(self.at(path), Permissions::from_mode(0o755)).expect("a mode");
        self.layer = self.layer.file(path, bytes);
        self
    }

    fn link(mut self, path: &str, target: &str) -> Self {
        symlink(target, self.at(path)).expect("a link");
        self.layer = self.layer.link(path, target);
        self
    }

    fn in_kernel(path: &str) -> String {
        format!("opt/lib/modules/{KERNEL}/{path}")
    }

    fn tree(&self) -> MergedTree {
        look(self.folder.path(), &module_view(), Limits::default()).expect("a tree")
    }
}

fn module_view() -> View {
    View::ModuleImage {
        kernel_folder: KERNEL.to_owned(),
    }
}

fn stage(tree: &MergedTree) -> StagedImage {
    tree.stage(&StageRequest {
        dir_name: "/opt".to_owned(),
        kernel_folder: KERNEL.to_owned(),
        firmware_path: Some("/firmware".to_owned()),
    })
}

fn folder(staged: &StagedImage) -> &Folder {
    match &staged.folder {
        StagedFolder::Folder(folder) => folder,
        other => panic!("no folder but {other:?}"),
    }
}

#[test]
fn a_root_is_staged_as_the_layer_that_unpacks_to_it() {
    let root = Root::new()
        .file("usr/bin/busybox", &elf())
        .link("bin", "usr/bin")
        .link("usr/bin/sh", "busybox")
        .link("usr/bin/cp", "/bin/busybox")
        .link("usr/bin/mkdir", "../../usr/bin/busybox")
        .file(&Root::in_kernel("modules.dep.bin"), b"index")
        .file(&Root::in_kernel("extra/a.ko"), b"not an ELF file")
        .file(&Root::in_kernel("extra/notes.txt"), b"text")
        .link(&Root::in_kernel("host"), "/lib/modules/6.1")
        .link(&Root::in_kernel("gone.ko"), "nowhere.ko")
        .file("firmware/fw.bin", b"x")
        .file("etc/modprobe.d/a.conf", b"options a x=1")
        .file("opt/lib/modules/other/b.ko", b"x");
    let layer = MergedTree::new(vec![root.layer.clone().facts()]);
    let staged = stage(&root.tree());
    assert_eq!(staged, stage(&layer));
    assert_eq!(
        [staged.sh, staged.cp, staged.mkdir],
        [Tool::Present(Program::Elf(62)); 3]
    );
    assert_eq!(folder(&staged).entries.len(), 5);
}

#[test]
fn links_out_of_the_root_lead_nowhere() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("a.ko"), b"secret").expect("a file");
    let outside_path = outside.path().to_str().expect("text");
    let root = Root::new()
        .link("opt", outside_path)
        .link("bin", "../../../../../../bin")
        .link("loop", "loop");
    let staged = stage(&root.tree());
    assert_eq!(staged.sh, Tool::Missing, "the machine's own shell is not the root's");
    assert_eq!(
        staged.folder,
        StagedFolder::Missing {
            other_kernels: Vec::new()
        }
    );
}

#[test]
fn a_folder_that_is_a_link_to_outside_is_not_looked_into() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("a.ko"), b"secret").expect("a file");
    let root = Root::new()
        .file(&Root::in_kernel("modules.dep.bin"), b"index")
        .link(&Root::in_kernel("extra"), outside.path().to_str().expect("text"));
    let staged = stage(&root.tree());
    let entries = &folder(&staged).entries;
    assert!(matches!(entries.get("extra"), Some(Entry::Link(_))), "{entries:?}");
    assert_eq!(entries.len(), 2);
}

#[test]
fn pipes_and_sockets_are_not_waited_for() {
    let root = Root::new().file(&Root::in_kernel("modules.dep.bin"), b"index");
    for (name, kind) in [("pipe.ko", FileType::Fifo), ("socket.ko", FileType::Socket)] {
        let at = root.at(&Root::in_kernel(name));
        mknodat(CWD, &at, kind, Mode::from_raw_mode(0o644), 0).expect("a special file");
    }
    let staged = stage(&root.tree());
    for name in ["pipe.ko", "socket.ko"] {
        assert_eq!(folder(&staged).entries.get(name), Some(&Entry::Other), "{name}");
    }
}

#[test]
fn a_module_larger_than_is_read_costs_nothing() {
    let root = Root::new().file(&Root::in_kernel("modules.dep.bin"), b"index");
    for (name, size) in [("huge.ko", 1_u64 << 40), ("modules.alias.bin", 1 << 33)] {
        let file = fs::File::create(root.at(&Root::in_kernel(name))).expect("a file");
        file.set_len(size).expect("a size, without bytes");
    }
    let start = Instant::now();
    let staged = stage(&root.tree());
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(
        folder(&staged).entries.get("modules.alias.bin"),
        Some(&Entry::TooLarge(1 << 33))
    );
    match folder(&staged).entries.get("huge.ko") {
        Some(Entry::Module(file)) => assert!(file.content.is_err(), "{file:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn folders_deeper_than_paths_go_are_said_to_be_so() {
    let root = Root::new().file(&Root::in_kernel("modules.dep.bin"), b"index");
    let mut at = rustix::fs::open(
        root.folder.path(),
        rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY,
        Mode::empty(),
    )
    .expect("the root");
    let name = "d".repeat(200);
    for _ in 0..30 {
        rustix::fs::mkdirat(&at, &name, Mode::from_raw_mode(0o755)).expect("a folder");
        at = rustix::fs::openat(&at, &name, rustix::fs::OFlags::RDONLY, Mode::empty()).expect("the folder");
    }
    let tree = root.tree();
    let mut closed = 0;
    tree.walk(&tree.root(), |_, found| {
        closed += usize::from(matches!(found, Found::Closed(_)));
    });
    assert_eq!(closed, 1, "where the path gets too long");
    assert!(matches!(stage(&tree).folder, StagedFolder::Folder(_)));
}

#[test]
fn a_walk_ends_at_its_limits() {
    let root = Root::new().file(&Root::in_kernel("a.ko"), &[1; 4096]);
    let past = Instant::now().checked_sub(Duration::from_secs(1));
    let late = Limits {
        deadline: past,
        ..Limits::default()
    };
    let small = Limits {
        unpacked: 1000,
        ..Limits::default()
    };
    match look(root.folder.path(), &module_view(), late) {
        Err(ScanError::Source(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    match look(root.folder.path(), &module_view(), small) {
        Err(ScanError::TooLarge(why)) => assert!(why.contains("more bytes"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    assert!(matches!(
        look(Path::new("/nowhere/at/all"), &View::Toolkit, Limits::default()),
        Err(ScanError::Source(_))
    ));
}

#[test]
fn what_is_mounted_over_the_root_is_passed_over() {
    assert!(Path::new("/dev/pts/ptmx").exists(), "a file system of its own in /dev");
    let tree = look(Path::new("/dev"), &View::Toolkit, Limits::default()).expect("a tree");
    let mounted = tree.dir("pts").expect("the folder at which it is mounted");
    assert_eq!(tree.children(&mounted), [], "and nothing of what is mounted there");
    assert_eq!(tree.resolve("null"), Some(Found::Other));
}

#[test]
fn files_with_names_of_the_layers_kind_are_just_files() {
    let root = Root::new().file(&Root::in_kernel("extra/.wh.a.ko"), b"x");
    let staged = stage(&root.tree());
    assert!(folder(&staged).entries.contains_key("extra/.wh.a.ko"));
}
