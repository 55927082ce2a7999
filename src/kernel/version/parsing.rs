//! Which texts can be the release of a kernel, and what is said of the others.

use crate::kernel::white_space::{Place, WhiteSpace};

/// The longest release that a kernel can report: `__NEW_UTS_LEN` (`include/uapi/linux/utsname.h`). The kernel's
/// Makefile refuses to build a longer one.
pub const MAX_LENGTH: usize = 64;

/// How many words of a text are searched for a release, so that a huge text costs little.
const MAX_WORDS: usize = 64;

/// Why a text cannot be the release of a kernel. What it quotes of the text is short and printable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelVersionError {
    /// Nothing stands there.
    #[error("it is empty; give the release that `uname -r` prints on the upgraded nodes")]
    Empty,
    /// White space, which no kernel reports; it comes from copying.
    #[error("{0}; remove it")]
    WhiteSpace(WhiteSpace),
    /// A release, and something else that was copied with it.
    #[error("it holds more than a release; give `{release}` alone")]
    NotAlone {
        /// The release.
        release: String,
    },
    /// A release after something that does not belong to it: `v`, `linux-image-`.
    #[error("it must begin with the version; give `{release}` without the leading `{prefix}`")]
    Prefixed {
        /// What stands before the release.
        prefix: String,
        /// The release.
        release: String,
    },
    /// A character that no kernel reports.
    #[error("{character:?} at character {position}; a kernel release has letters, digits and . _ - + only")]
    Character {
        /// The character.
        character: char,
        /// Its place, counted from 1.
        position: usize,
    },
    /// Longer than a kernel can report.
    #[error("{length} characters; a kernel reports at most {MAX_LENGTH}")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// It does not begin with three numbers.
    #[error("it must begin with three numbers, as in 6.12.0-55.el10.x86_64")]
    NotNumeric,
    /// It begins with numbers that no kernel has.
    #[error("no kernel has the version {numbers}; compare it with what `uname -r` prints")]
    NoSuchVersion {
        /// Its first three parts.
        numbers: String,
    },
    /// It ends in the middle, or has two dots in a row: it was cut or put together wrongly.
    #[error("it is incomplete near {near:?}; copy the whole of what `uname -r` prints")]
    Incomplete {
        /// The part that cannot stand there.
        near: String,
    },
}

/// The version, patch level and sublevel of a text that is a release.
pub(super) fn numbers(text: &str) -> Result<(u32, u32, u32), KernelVersionError> {
    strictly(text).map_err(|why| match &why {
        KernelVersionError::WhiteSpace(space) if matches!(space.place, Place::At(_)) => {
            release_within(text).unwrap_or(why)
        }
        KernelVersionError::NotNumeric => without_prefix(text).unwrap_or(why),
        _ => why,
    })
}

fn strictly(text: &str) -> Result<(u32, u32, u32), KernelVersionError> {
    check_characters(text)?;
    let numbers = match two_numbers_of_debian(text) {
        Some((x, y)) => (x, y, 0),
        None => three_numbers(text)?,
    };
    check_complete(text)?;
    Ok(numbers)
}

/// The characters that releases of real distributions have besides letters and digits. `~` and `^` stand in versions
/// of packages, never in releases.
const PUNCTUATION: [char; 4] = ['.', '_', '-', '+'];

fn check_characters(text: &str) -> Result<(), KernelVersionError> {
    if text.is_empty() {
        return Err(KernelVersionError::Empty);
    }
    let is_foreign = |(_, c): &(usize, char)| !c.is_ascii_alphanumeric() && !PUNCTUATION.contains(c);
    if let Some((index, character)) = text.chars().enumerate().find(is_foreign) {
        let space = WhiteSpace::first(text).filter(|_| character.is_whitespace());
        let position = index + 1;
        return Err(space.map_or(
            KernelVersionError::Character { character, position },
            KernelVersionError::WhiteSpace,
        ));
    }
    // Every character is ASCII by now: bytes are characters.
    if text.len() > MAX_LENGTH {
        return Err(KernelVersionError::TooLong { length: text.len() });
    }
    Ok(())
}

/// `X.Y.Z`, closed by the end or by punctuation. The kernel packs X and Y into a byte each
/// (`Makefile: filechk_version.h`), its sublevels have never had more than three digits, and no kernel 0 knows
/// modules as we do.
fn three_numbers(text: &str) -> Result<(u32, u32, u32), KernelVersionError> {
    let mut parts = text.splitn(3, '.');
    let (Some(x), Some(y), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KernelVersionError::NotNumeric);
    };
    let z = rest.split(PUNCTUATION).next().unwrap_or_default();
    if ![x, y, z].into_iter().all(is_digits) {
        return Err(KernelVersionError::NotNumeric);
    }
    match (number(x), number(y), number(z)) {
        (Some(x @ 1..=255), Some(y @ 0..=255), Some(z @ 0..=9_999)) => Ok((x, y, z)),
        _ => Err(KernelVersionError::NoSuchVersion {
            numbers: format!("{x}.{y}.{z}"),
        }),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A number as the kernel's Makefile has it: digits, no leading zero.
fn number(text: &str) -> Option<u32> {
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    (is_digits(text) && !has_leading_zero).then(|| text.parse().ok())?
}

/// The architectures and page sizes that end the names of Debian's kernels.
const DEBIAN_FLAVOURS: [&str; 15] = [
    "486",
    "686",
    "686-pae",
    "amd64",
    "arm64",
    "arm64-16k",
    "armmp",
    "armmp-lpae",
    "loong64",
    "marvell",
    "powerpc64le",
    "powerpc64le-64k",
    "riscv64",
    "rpi",
    "s390x",
];

/// The two numbers of `6.7-amd64`, `6.11-cloud-arm64`, `6.12-rc6-rt-arm64`: the first kernels of a series in Debian's
/// experimental and unstable really call themselves so, as do those that somebody else builds from Debian's package
/// (`6.18+kali-amd64`, `6.12+unreleased-amd64`), and in the days of 3.x all did: `3.14-2-amd64`. Everybody else keeps the Makefile's `X.Y.0`.
fn two_numbers_of_debian(text: &str) -> Option<(u32, u32)> {
    let (numbers, rest) = text.split_once('-')?;
    let (x, y) = numbers.split_once('.')?;
    let numbers = (number(x)?, number(without_builder(y))?);
    let build = rest.split_once('-');
    let build = build.filter(|(build, _)| is_candidate(without_builder(build)) || numbers.0 == 3 && is_abi(build));
    let flavour = build.map_or(rest, |(_, flavour)| flavour);
    let special = ["cloud-", "rt-"]
        .into_iter()
        .find_map(|name| flavour.strip_prefix(name));
    let is_debians = DEBIAN_FLAVOURS.contains(&special.unwrap_or(flavour));
    (is_debians && (3..=255).contains(&numbers.0) && numbers.1 <= 255).then_some(numbers)
}

/// A part without the name of who built it.
fn without_builder(part: &str) -> &str {
    let parts = part.split_once('+').filter(|(_, builder)| !builder.is_empty());
    parts.map_or(part, |(own, _)| own)
}

/// Whether a part says that this is a candidate: `rc6`.
fn is_candidate(part: &str) -> bool {
    part.strip_prefix("rc").is_some_and(is_digits)
}

/// Whether a part tells a kernel's ABI as Debian did in the days of 3.x: `2`, `trunk`, `0.bpo.2`.
fn is_abi(part: &str) -> bool {
    part == "trunk" || is_digits(part.strip_prefix("0.bpo.").unwrap_or(part))
}

fn check_complete(text: &str) -> Result<(), KernelVersionError> {
    if text.contains("..") {
        return Err(KernelVersionError::Incomplete { near: "..".to_owned() });
    }
    match text.chars().next_back() {
        Some(last) if !last.is_ascii_alphanumeric() && last != '+' => {
            Err(KernelVersionError::Incomplete { near: last.to_string() })
        }
        _ => Ok(()),
    }
}

/// The release in what `uname -a`, `/proc/version` or a sentence says. One that was only torn apart is none of its
/// parts.
fn release_within(text: &str) -> Option<KernelVersionError> {
    let joined: String = text.split_whitespace().take(MAX_WORDS).collect();
    if strictly(&joined).is_ok() {
        return None;
    }
    let mut words = text.split_whitespace().take(MAX_WORDS);
    let release = words.find(|word| strictly(word).is_ok())?.to_owned();
    Some(KernelVersionError::NotAlone { release })
}

/// The release after a `v`, or in the name of a file or a package.
fn without_prefix(text: &str) -> Option<KernelVersionError> {
    let (prefix, release) = text.split_at_checked(text.find(|c: char| c.is_ascii_digit())?)?;
    strictly(release).ok()?;
    Some(KernelVersionError::Prefixed {
        prefix: prefix.to_owned(),
        release: release.to_owned(),
    })
}
