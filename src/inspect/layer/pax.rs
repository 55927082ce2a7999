//! PAX records: `<length> <key>=<value>\n`, which describe the next member of a tar.

/// The records that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// `path`, or `GNU.sparse.name`.
    pub(super) path: Option<Vec<u8>>,
    /// `linkpath`.
    pub(super) link_path: Option<Vec<u8>>,
    /// `size`: of the bytes in the tar.
    pub(super) size: Option<u64>,
    is_sparse: bool,
}

impl Records {
    /// Reads them. As in Go (`archive/tar: parsePAX`, `mergePAX`), an empty value leaves the header's, and
    /// anything malformed spoils the archive.
    pub(super) fn parse(mut text: &[u8]) -> Result<Self, String> {
        let mut records = Self::default();
        let mut sparse_name = None;
        while !text.is_empty() {
            let (key, value, rest) = record(text).ok_or("a PAX record in it is malformed")?;
            text = rest;
            records.is_sparse |= key.starts_with(b"GNU.sparse.");
            if value.is_empty() {
                continue;
            }
            match key {
                b"path" => records.path = Some(without_nul(value)?),
                b"linkpath" => records.link_path = Some(without_nul(value)?),
                b"size" => records.size = Some(number(value).ok_or("a PAX record's size is not a number")?),
                b"GNU.sparse.name" => sparse_name = Some(without_nul(value)?),
                _ => {}
            }
        }
        records.path = sparse_name.or(records.path);
        Ok(records)
    }

    /// The records of a text that is well formed, one by one: the key, and the record as it stands.
    pub(super) fn each(mut text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        std::iter::from_fn(move || {
            let (key, _, rest) = record(text)?;
            let whole = text.get(..text.len() - rest.len())?;
            text = rest;
            Some((key, whole))
        })
    }

    /// Whether the file's holes are left out.
    pub(super) fn is_sparse(&self) -> bool {
        self.is_sparse
    }
}

/// The first record's key and value, and what follows it.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(text.get(..space)?)?).ok()?;
    let body = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((body.get(..equals)?, body.get(equals + 1..)?, text.get(length..)?))
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|number| i64::try_from(*number).is_ok())
}

fn without_nul(value: &[u8]) -> Result<Vec<u8>, String> {
    if value.contains(&0) {
        Err("a name in a PAX record holds a NUL byte".to_owned())
    } else {
        Ok(value.to_vec())
    }
}

/// A record of its own length.
pub(super) fn written(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let digits = |length: usize| length.to_string().len();
    let mut length = rest + 1;
    while rest + digits(length) != length {
        length += 1;
    }
    let mut text = format!("{length} {key}=").into_bytes();
    text.extend_from_slice(value);
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_one_by_one() {
        let text = b"13 path=a/b/c\n12 size=4096\n30 mtime=1700000000.123456789\n15 linkpath=x\n";
        // Lengths count themselves; each of these is wrong by one or right.
        for (text, expected) in [
            (
                &b"14 path=a/b/c\n13 size=4096\n"[..],
                Some((Some(&b"a/b/c"[..]), Some(4096))),
            ),
            (b"8 path=\n", Some((None, None))),
            (b"22 path=a name = value\n", None),
            (b"23 path=a name = value\n", Some((Some(b"a name = value"), None))),
            (text, None),
            (b"99999999999999999999 path=a\n", None),
            (b"5 =a\n", None),
            (b"path=a\n", None),
            (b"13 size=-4096\n", None),
            (b"12 path=a\0bc\n", None),
            (b"9 path=a", None),
        ] {
            let got = Records::parse(text).ok();
            let got = got.as_ref().map(|r| (r.path.as_deref(), r.size));
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for size in [1, 3, 85, 90, 91, 92, 993, 994, 995, 5000] {
            let value = "v".repeat(size);
            let text = written("path", value.as_bytes());
            let records = Records::parse(&text).expect("records");
            assert_eq!(records.path.as_deref(), Some(value.as_bytes()), "{size}");
            let all: Vec<_> = Records::each(&text).collect();
            assert_eq!(all, [(&b"path"[..], text.as_slice())]);
        }
    }

    #[test]
    fn the_name_of_a_sparse_file_is_in_a_record_of_its_own() {
        let records = Records::parse(b"19 path=placeholder\n").err();
        assert!(records.is_some(), "a wrong length");
        let records = Records::parse(b"20 path=placeholder\n26 GNU.sparse.name=a/b.ko\n").expect("records");
        assert_eq!(records.path.as_deref(), Some(&b"a/b.ko"[..]));
        assert!(records.is_sparse());
    }
}
