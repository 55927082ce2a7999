//! What the operator's processes may do on this machine, by what the kernel says of them.

use std::fs;
use std::path::Path;

/// What the kernel says of a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Confinement {
    /// Its users: real, effective, saved and that of file systems.
    pub(crate) users: String,
    /// What of root's rights it has.
    pub(crate) capabilities: String,
    /// Whether a program that it runs could get more.
    pub(crate) no_new_privileges: String,
    /// How the root of its files is mounted: `ro` or `rw`.
    pub(crate) root: String,
}

/// The confinements of all processes that run the operator as its image does.
pub(crate) fn confinements() -> Vec<Confinement> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|process| {
            fs::read(process.join("cmdline")).is_ok_and(|line| line.starts_with(b"/kmm-preflight\0operator\0"))
        })
        .map(|process| confinement(&process))
        .collect()
}

fn confinement(process: &Path) -> Confinement {
    let status = fs::read_to_string(process.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let words: Vec<_> = line.unwrap_or_default().split_whitespace().collect();
        words.join(" ")
    };
    Confinement {
        users: field("Uid:"),
        capabilities: field("CapEff:"),
        no_new_privileges: field("NoNewPrivs:"),
        root: root(&fs::read_to_string(process.join("mountinfo")).unwrap()),
    }
}

/// The first option of the mount that is the root.
fn root(mounts: &str) -> String {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut roots = fields.filter(|fields| fields.get(4) == Some(&"/"));
    let options = roots.next().and_then(|fields| fields.get(5).copied());
    let first = options.and_then(|options| options.split(',').next());
    first.unwrap_or_default().to_owned()
}
