//! Names as they stand in a layer's tar, made into paths: cleaned, confined to the root, whiteouts told apart.

/// The longest path that Linux takes (`include/uapi/linux/limits.h: PATH_MAX`, less its final NUL).
const MAX_PATH: usize = 4095;

/// The longest name of one file (`include/uapi/linux/limits.h: NAME_MAX`).
const MAX_NAME: usize = 255;

/// What a name in a tar speaks of. Paths have no leading slash; the root is the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A path of this layer.
    Path(String),
    /// `.wh.NAME`: that path of the layers below is gone.
    Whiteout(String),
    /// `.wh..wh..opq`: nothing of the layers below shows in that folder.
    Opaque(String),
    /// AUFS's own bookkeeping (`.wh..wh.plnk` …), which container runtimes pass over.
    Bookkeeping,
}

/// Reads the name of a tar's member.
///
/// # Errors
///
/// In words, where no container runtime would unpack it.
pub(super) fn parse(name: &str) -> Result<Name, String> {
    let path = clean(name)?;
    let (folder, base) = split(&path);
    let Some(hidden) = base.strip_prefix(".wh.") else {
        return Ok(Name::Path(path));
    };
    match hidden {
        ".wh..opq" => Ok(Name::Opaque(folder.to_owned())),
        "" | "." | ".." => Err(format!("{name:?} is a whiteout of nothing")),
        _ if hidden.starts_with(".wh.") => Ok(Name::Bookkeeping),
        _ => Ok(Name::Whiteout(join(folder, hidden))),
    }
}

/// A name as a path below the root, without `.`, `..`, doubled or leading slashes.
///
/// `a/../b` is `b`, as for every container runtime. A name that climbs above the root lands in the root with
/// containerd (`continuity/fs: RootPath`), while CRI-O refuses the layer (containers/storage
/// `pkg/archive: Unpack`, "breakoutError"): the stricter one decides.
pub(super) fn clean(name: &str) -> Result<String, String> {
    if name.contains('\0') {
        return Err(format!("the name {name:?} holds a NUL byte"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts
                    .pop()
                    .ok_or_else(|| format!("the name {:?} climbs above the root folder", shortened(name)))?;
            }
            _ if part.len() > MAX_NAME => return Err(too_long(name)),
            _ => parts.push(part),
        }
    }
    let path = parts.join("/");
    if path.len() > MAX_PATH {
        Err(too_long(name))
    } else {
        Ok(path)
    }
}

/// Folder and last name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A name in a folder.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// A name as messages show it.
pub(super) fn shortened(name: &str) -> String {
    const SHOWN: usize = 200;
    if name.chars().count() <= SHOWN {
        return name.to_owned();
    }
    name.chars().take(SHOWN).chain(['…']).collect()
}

fn too_long(name: &str) -> String {
    format!("the name {:?} is longer than Linux allows", shortened(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_the_root() {
        let path = |p: &str| Ok(Name::Path(p.to_owned()));
        for (name, expected) in [
            ("./opt/lib", path("opt/lib")),
            ("/opt//lib/", path("opt/lib")),
            ("./", path("")),
            ("a/./b/../c", path("a/c")),
            ("...", path("...")),
            ("a/.wh.b", Ok(Name::Whiteout("a/b".to_owned()))),
            (".wh.b", Ok(Name::Whiteout("b".to_owned()))),
            ("a/.wh..hidden", Ok(Name::Whiteout("a/.hidden".to_owned()))),
            ("a/b/.wh..wh..opq", Ok(Name::Opaque("a/b".to_owned()))),
            (".wh..wh..opq", Ok(Name::Opaque(String::new()))),
            (".wh..wh.plnk", Ok(Name::Bookkeeping)),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
    }

    #[test]
    fn names_that_no_node_can_unpack_are_refused_with_the_reason() {
        let component = "n".repeat(256);
        let deep = "d/".repeat(2100);
        for (name, reason) in [
            ("../../etc/passwd", "climbs above the root"),
            ("a/../../b", "climbs above the root"),
            ("a/.wh.", "whiteout of nothing"),
            ("a/.wh...", "whiteout of nothing"),
            ("a\0b", "NUL byte"),
            (component.as_str(), "longer than Linux allows"),
            (deep.as_str(), "longer than Linux allows"),
        ] {
            let message = parse(name).expect_err("refused");
            assert!(message.contains(reason), "{message}");
            assert!(message.chars().count() < 300, "{message}");
        }
    }
}
