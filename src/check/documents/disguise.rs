//! Files that are no YAML or JSON at all: what they seem to be, and what to do instead.

/// How many bytes of a file are looked at: a tar's mark stands at 257, and a page may begin with blanks.
const LOOKED_AT: usize = 4096;

/// Where a tar has its mark.
const TAR_MARK: usize = 257;

/// What a file seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disguise {
    /// With its article, to follow "seems to be".
    pub(super) seems: &'static str,
    /// What to do about it.
    pub(super) advice: &'static str,
}

const UNPACK: &str = "unpack it, and name the folder with -f; an OCI image layout is named with --oci-layout";
const NAME_ANOTHER: &str = "name the file that has the Kubernetes objects";
const DOWNLOAD_AGAIN: &str =
    "if it was downloaded, the server has probably answered with an error or a login page; look at it, and try again";
const AS_UTF8: &str = "save it as UTF-8";

/// The first bytes of what is often named by mistake, what it is, and what to do.
const BEGINNINGS: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "a gzip file", UNPACK),
    (b"\xfd7zXZ\0", "an xz file", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (b"PK\x03\x04", "a zip file", UNPACK),
    (b"\x7fELF", "a program or a kernel module (ELF)", NAME_ANOTHER),
    (b"\x89PNG", "a picture", NAME_ANOTHER),
    (b"%PDF", "a PDF", NAME_ANOTHER),
    (b"\xff\xfe", "UTF-16 text", AS_UTF8),
    (b"\xfe\xff", "UTF-16 text", AS_UTF8),
];

/// How pages of the web begin, in small letters, after blanks.
const PAGES: &[(&[u8], &str)] = &[
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
];

/// What a file seems to be if it is neither YAML nor JSON; `None` where it may well be.
pub(super) fn seen_through(bytes: &[u8]) -> Option<Disguise> {
    let start = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let beginning = BEGINNINGS.iter().find(|(mark, ..)| start.starts_with(mark));
    if let Some((_, seems, advice)) = beginning {
        return Some(Disguise { seems, advice });
    }
    let (seems, advice) = match page(start) {
        Some(page) => (page, DOWNLOAD_AGAIN),
        None if start.get(TAR_MARK..).is_some_and(|rest| rest.starts_with(b"ustar")) => ("a tar archive", UNPACK),
        None if start.contains(&0) => ("binary data", NAME_ANOTHER),
        None => return None,
    };
    Some(Disguise { seems, advice })
}

fn page(start: &[u8]) -> Option<&'static str> {
    let text = start.trim_ascii_start();
    let begins_with = |mark: &[u8]| {
        text.get(..mark.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(mark))
    };
    PAGES.iter().find(|(mark, _)| begins_with(mark)).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::seen_through;

    #[test]
    fn files_that_are_no_documents_are_called_what_they_are() {
        let tar = [vec![b'a'; 257], b"ustar\0".to_vec()].concat();
        let late = [vec![b' '; 10_000], vec![0]].concat();
        for (bytes, expected) in [
            (b"\x1f\x8b\x08\0".as_slice(), Some("a gzip file")),
            (b"PK\x03\x04\x14", Some("a zip file")),
            (b"\x7fELF\x02\x01", Some("a program or a kernel module (ELF)")),
            (b"\xff\xfek\0i\0", Some("UTF-16 text")),
            (b"\n <!DOCTYPE html>\n", Some("an HTML page")),
            (b"<HTML><body>502", Some("an HTML page")),
            (b"<?xml version=\"1.0\"?>", Some("an XML document")),
            (&tar, Some("a tar archive")),
            (b"kind: \0\0\0", Some("binary data")),
            (b"", None),
            (b"<<: *defaults", None),
            (b"<htm", None),
            (b"kind: Module # <html>", None),
            (b"kind: M\xe9dule", None),
            (&late, None),
        ] {
            let start = String::from_utf8_lossy(bytes.get(..20).unwrap_or(bytes)).into_owned();
            assert_eq!(seen_through(bytes).map(|seen| seen.seems), expected, "{start:?}");
        }
    }
}
