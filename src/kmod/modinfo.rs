//! `.modinfo`: what a module says of itself, as `key=value` texts that each end in NUL.

/// The pairs of a `.modinfo` section, in its order, as the kernel walks it (`kernel/module/main.c: next_string`):
/// texts are separated by any number of NULs, and one without `=` is never found by any key.
pub(super) fn pairs(section: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    section.split(|byte| *byte == 0).filter_map(|text| {
        let at = text.iter().position(|byte| *byte == b'=')?;
        Some((text.get(..at)?, text.get(at + 1..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn texts_are_walked_as_the_kernel_walks_them() {
        let cases = [
            ("an empty section has none", "", ""),
            ("one text", "license=GPL\0", "license: GPL"),
            ("padding between texts is skipped", "\0\0a=1\0\0\0b=2\0", "a: 1, b: 2"),
            ("keys may repeat", "alias=x\0alias=y\0", "alias: x, alias: y"),
            ("a value may hold an equals sign", "parm=a=b\0", "parm: a=b"),
            ("a text without an equals sign is no pair", "license\0a=1\0", "a: 1"),
            ("the last text may lack its NUL", "a=1\0b=2", "a: 1, b: 2"),
        ];
        for (name, section, expected) in cases {
            let text = |bytes| str::from_utf8(bytes).unwrap();
            let pairs = pairs(section.as_bytes()).map(|(key, value)| format!("{}: {}", text(key), text(value)));
            assert_eq!(pairs.collect::<Vec<_>>().join(", "), expected, "{name}");
        }
    }
}
