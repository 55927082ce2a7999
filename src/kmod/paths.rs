//! Paths on the node, as KMM's worker sees them.

/// The folder of a node's own modules, which KMM mounts into its worker under both names.
pub(super) const NODE_FOLDERS: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// An absolute path without empty parts, `.` and `..`, as Go's `filepath.Join` leaves it: KMM's copy step runs in the
/// image's root.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in [
            ("/tmp//opt/", "/tmp/opt"),
            ("/tmp/./opt/../srv", "/tmp/srv"),
            ("/../..", "/"),
            ("tmp", "/tmp"),
            ("", "/"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }
}
