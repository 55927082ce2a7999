//! Puts this program, and the certificates that are trusted, where the other containers of a pod find them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Failure;
use super::whole::write_whole;

/// Everybody may run it, and nobody may write to it.
const PROGRAM_MODE: u32 = 0o555;
/// Everybody may read them, and nobody may write to them.
const CERTIFICATES_MODE: u32 = 0o444;

/// Bytes of Base64 in a line of a PEM file.
const PEM_LINE: usize = 64;

/// Copies `program` to `to`, executable: whoever looks there sees all of it or nothing. What stood there is replaced.
///
/// # Errors
///
/// Where the one cannot be read or the other cannot be written.
pub fn place(program: &Path, to: &Path) -> Result<(), Failure> {
    let copied = File::open(program)
        .and_then(|mut source| write_whole(to, PROGRAM_MODE, |copy| io::copy(&mut source, copy).map(drop)));
    let doing = || format!("{} cannot be copied to {}", program.display(), to.display());
    copied.map_err(|error| Failure::of_file(&doing(), &error))
}

/// Writes certificates (DER in Base64) into one PEM file, as whole as the program.
///
/// # Errors
///
/// Where one of them is no Base64, or the file cannot be written.
pub fn place_certificates(certificates: &[String], to: &Path) -> Result<(), Failure> {
    let mut pem = String::new();
    for (at, certificate) in certificates.iter().enumerate() {
        let der = STANDARD.decode(certificate).map_err(|error| {
            Failure::lasting(format!(
                "certificate {} of --trust is no Base64 ({error}); the operator and the image that runs here may be of \
                 different versions",
                at + 1
            ))
        })?;
        add(&der, &mut pem);
    }
    let written = write_whole(to, CERTIFICATES_MODE, |file| file.write_all(pem.as_bytes()));
    let doing = || {
        format!(
            "the certificates that are trusted cannot be written to {}",
            to.display()
        )
    };
    written.map_err(|error| Failure::of_file(&doing(), &error))
}

fn add(der: &[u8], pem: &mut String) {
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for (at, character) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % PEM_LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
}
