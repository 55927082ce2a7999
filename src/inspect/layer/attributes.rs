//! What a member of a tar is like beside its name and its bytes (mode, owners, times, extended attributes), kept as
//! it stands, and written again for another member.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::pax::{Records, written};

/// The size of a tar's blocks.
const BLOCK: usize = 512;
/// The longest name that a header itself holds.
const NAME: usize = 100;
/// PAX records that belong to one name and its bytes.
const OWN: [&[u8]; 3] = [b"path", b"linkpath", b"size"];
/// Extended attributes that vouch for a file's bytes (`security.ima`, `security.evm`), as tars call them.
const VOUCHING: [&[u8]; 4] = [
    b"SCHILY.xattr.security.ima",
    b"SCHILY.xattr.security.evm",
    b"LIBARCHIVE.xattr.security.ima",
    b"LIBARCHIVE.xattr.security.evm",
];

/// What a member is like beside its name and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    mode: [u8; 8],
    uid: [u8; 8],
    gid: [u8; 8],
    mtime: [u8; 12],
    /// The names of user and group, where the header has room for them.
    names: Option<Box<([u8; 32], [u8; 32])>>,
    /// PAX records: extended attributes, times with fractions, large numbers.
    records: Vec<u8>,
}

impl Attributes {
    /// Those of a member with that header, and those records before it.
    pub(super) fn of(header: &Header, records: &[u8]) -> Self {
        let old = header.as_old();
        let gnu = header.as_gnu().map(|gnu| Box::new((gnu.uname, gnu.gname)));
        let ustar = header.as_ustar().map(|ustar| Box::new((ustar.uname, ustar.gname)));
        let kept = Records::each(records).filter(|(key, _)| !OWN.contains(key) && !key.starts_with(b"GNU.sparse."));
        Self {
            mode: old.mode,
            uid: old.uid,
            gid: old.gid,
            mtime: old.mtime,
            names: ustar.or(gnu),
            records: kept.flat_map(|(_, record)| record).copied().collect(),
        }
    }

    /// Roughly how many bytes of memory they take.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.records.len()
    }

    /// Writes a file with these attributes; what vouches for other bytes is left out.
    pub fn write_file(&self, out: &mut impl Write, path: &str, bytes: &[u8]) -> io::Result<()> {
        let kept = Records::each(&self.records).filter(|(key, _)| !VOUCHING.contains(key));
        let records: Vec<u8> = kept.flat_map(|(_, record)| record).copied().collect();
        self.write_records(out, path, records)?;
        self.write_header(out, path, EntryType::Regular, bytes.len())?;
        write_padded(out, bytes)
    }

    /// Writes a folder with these attributes.
    pub fn write_folder(&self, out: &mut impl Write, path: &str) -> io::Result<()> {
        let path = format!("{path}/");
        self.write_records(out, &path, self.records.clone())?;
        self.write_header(out, &path, EntryType::Directory, 0)
    }

    /// Writes the records of the next member, its name among them where that is too long for a header.
    fn write_records(&self, out: &mut impl Write, path: &str, mut records: Vec<u8>) -> io::Result<()> {
        if path.len() > NAME {
            records.extend(written("path", path.as_bytes()));
        }
        if records.is_empty() {
            return Ok(());
        }
        self.write_header(out, "PaxHeaders/0", EntryType::XHeader, records.len())?;
        write_padded(out, &records)
    }

    /// Writes a header. Of a longer name it holds the beginning, which the records overrule.
    fn write_header(&self, out: &mut impl Write, path: &str, kind: EntryType, size: usize) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size as u64);
        let old = header.as_old_mut();
        (old.mode, old.uid, old.gid, old.mtime) = (self.mode, self.uid, self.gid, self.mtime);
        old.name.iter_mut().zip(path.bytes()).for_each(|(to, byte)| *to = byte);
        if let (Some(names), Some(ustar)) = (&self.names, header.as_ustar_mut()) {
            (ustar.uname, ustar.gname) = **names;
        }
        header.set_cksum();
        out.write_all(header.as_bytes())
    }
}

fn write_padded(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    out.write_all(bytes)?;
    let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
    out.write_all(ZEROS.get(..padding).unwrap_or_default())
}
