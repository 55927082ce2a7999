//! Names of modules and aliases, as kmod writes them (`shared/util.c`).

/// A name as modprobe looks it up: every `-` becomes `_`, except between `[` and `]`, where it means a range.
/// `None` where the brackets do not match, which modprobe does not look up at all (`alias_normalize`).
pub fn normalised(name: &str) -> Option<String> {
    let mut inside = false;
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            ']' if !inside => return None,
            ']' => inside = false,
            '[' => inside = true,
            _ => {}
        }
        out.push(if letter == '-' && !inside { '_' } else { letter });
    }
    (!inside).then_some(out)
}

/// The name of the module in a file: its file name up to the first dot, `-` as `_` (`path_to_modname`).
pub fn file_name_to_module(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_kmod_does() {
        for (name, looked_up) in [
            ("my-mod", Some("my_mod")),
            ("a[b-c]-d", Some("a[b-c]_d")),
            ("pci:v*", Some("pci:v*")),
            ("a[b", None),
            ("a]b", None),
        ] {
            assert_eq!(normalised(name).as_deref(), looked_up, "{name}");
        }
    }

    #[test]
    fn a_file_is_named_after_the_part_before_its_first_dot() {
        for (path, module) in [
            ("extra/my-mod.ko.xz", "my_mod"),
            ("a.b.ko", "a"),
            ("x", "x"),
            ("d/", ""),
        ] {
            assert_eq!(file_name_to_module(path), module, "{path}");
        }
    }
}
