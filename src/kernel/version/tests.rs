use super::*;

use proptest::prelude::*;

use super::KernelVersionError as E;

/// Each release of `releases.txt`, and the architecture that its name tells.
fn shipped() -> Vec<(&'static str, Option<Architecture>)> {
    let lines = include_str!("releases.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known = |name| Architecture::from_name(name).unwrap_or_else(|| panic!("{name} is no architecture"));
    lines
        .map(|line| match line.split_once(' ') {
            Some((release, architecture)) => (release, Some(known(architecture))),
            None => (line, None),
        })
        .collect()
}

#[test]
fn what_distributions_ship_is_a_release() {
    let shipped = shipped();
    assert!(shipped.len() >= 300, "only {} releases", shipped.len());
    for (text, architecture) in shipped {
        let version = KernelVersion::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(version.raw(), text);
        assert_eq!(version.architecture(), architecture, "{text}");
    }
}

#[test]
fn the_first_kernels_of_a_series_have_two_numbers_in_debian_alone() {
    for (text, numbers, z) in [
        ("6.7-amd64", (6, 7, 0), "amd64"),
        ("6.12-rc6-rt-arm64", (6, 12, 0), "rc6"),
        ("6.18+kali-amd64", (6, 18, 0), "amd64"),
        ("6.17-rc3+deb14-cloud-arm64", (6, 17, 0), "rc3_deb14"),
    ] {
        let version = KernelVersion::parse(text).unwrap();
        assert_eq!((version.numbers(), version.components().z.as_str()), (numbers, z));
    }
    for text in [
        "6.12-rc1",
        "5.15-generic",
        "6.1-18-amd64",
        "3.14-2-generic",
        "3.14-0.bpo.-amd64",
        "6.7-amd64-x",
        "6.7-x86_64",
        "6.7.amd64",
        "2.6-amd64",
        "6.07-amd64",
        "6.300-amd64",
        "6.12-rc-amd64",
        "6.18+-amd64",
        "6.18+kali",
        "6.18+kali-generic",
        "6.12-cloud-rt-amd64",
        "6.0.arch1-1",
    ] {
        assert_eq!(KernelVersion::parse(text), Err(E::NotNumeric), "{text}");
    }
}

fn refused(text: &str) -> String {
    KernelVersion::parse(text).expect_err(text).to_string()
}

/// What stands in the error's words; the field's path comes before them.
const REFUSED: &[(&str, &str)] = &[
    (
        "",
        "it is empty; give the release that `uname -r` prints on the upgraded nodes",
    ),
    // Copied with something else
    (" ", "white space at its beginning: a space; remove it"),
    (
        " 5.14.0-1.el9.x86_64",
        "white space at its beginning: a space; remove it",
    ),
    (
        "5.14.0-1.el9.x86_64\n",
        "white space at its end: a line break; remove it",
    ),
    (
        "5.14.0-1.el9.x86_64\r\n",
        "white space at its end: a line break; remove it",
    ),
    ("5.14.0-1.el9.x86_64 \t", "white space at its end: a space; remove it"),
    ("5.14.0-1\t.el9.x86_64", "white space at character 9: a tab; remove it"),
    (
        "5.14.0-1\u{a0}x",
        "white space at character 9: the character U+00A0; remove it",
    ),
    (
        "5.14.0\u{2028}",
        "white space at its end: the character U+2028; remove it",
    ),
    (
        "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)",
        "it holds more than a release; give `6.1.0-18-amd64` alone",
    ),
    (
        "Linux worker-1 5.14.0-427.el9.x86_64 #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux",
        "it holds more than a release; give `5.14.0-427.el9.x86_64` alone",
    ),
    (
        "v6.1.0",
        "it must begin with the version; give `6.1.0` without the leading `v`",
    ),
    (
        "linux-image-6.1.0-18-amd64",
        "it must begin with the version; give `6.1.0-18-amd64` without the leading `linux-image-`",
    ),
    (
        "-5.14.0",
        "it must begin with the version; give `5.14.0` without the leading `-`",
    ),
    // Shells and paths
    (
        "5.14.0-427;rm -rf /",
        "';' at character 11; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0-`id`",
        "'`' at character 8; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0-$(id)",
        "'$' at character 8; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "../../etc/passwd",
        "'/' at character 3; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0/x",
        "'/' at character 7; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5,14,0",
        "',' at character 2; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "6.5.0-1024.24~22.04",
        "'~' at character 14; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0-é",
        "'é' at character 8; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0\u{0}",
        "'\\0' at character 7; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0\u{1b}[2J",
        "'\\u{1b}' at character 7; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "5.14.0\u{202e}",
        "'\\u{202e}' at character 7; a kernel release has letters, digits and . _ - + only",
    ),
    (
        "٥.١٤.٠",
        "'٥' at character 1; a kernel release has letters, digits and . _ - + only",
    ),
    // No version
    ("test", "it must begin with three numbers, as in 6.12.0-55.el10.x86_64"),
    ("--", "it must begin with three numbers, as in 6.12.0-55.el10.x86_64"),
    ("..", "it must begin with three numbers, as in 6.12.0-55.el10.x86_64"),
    ("a.b.c", "it must begin with three numbers, as in 6.12.0-55.el10.x86_64"),
    ("a-b-c", "it must begin with three numbers, as in 6.12.0-55.el10.x86_64"),
    ("1.2", "it must begin with three numbers, as in 6.12.0-55.el10.x86_64"),
    (
        "5-14-0",
        "it must begin with three numbers, as in 6.12.0-55.el10.x86_64",
    ),
    (
        "5.14.0rc1",
        "it must begin with three numbers, as in 6.12.0-55.el10.x86_64",
    ),
    (
        "5.14.-1",
        "it must begin with three numbers, as in 6.12.0-55.el10.x86_64",
    ),
    (
        "5..14.0",
        "it must begin with three numbers, as in 6.12.0-55.el10.x86_64",
    ),
    (
        "05.14.0",
        "no kernel has the version 05.14.0; compare it with what `uname -r` prints",
    ),
    (
        "5.14.00",
        "no kernel has the version 5.14.00; compare it with what `uname -r` prints",
    ),
    (
        "0.0.0",
        "no kernel has the version 0.0.0; compare it with what `uname -r` prints",
    ),
    (
        "300.1.1-x",
        "no kernel has the version 300.1.1; compare it with what `uname -r` prints",
    ),
    (
        "5.300.1",
        "no kernel has the version 5.300.1; compare it with what `uname -r` prints",
    ),
    (
        "5.14.99999999999",
        "no kernel has the version 5.14.99999999999; compare it with what `uname -r` prints",
    ),
    // Cut off
    (
        "5.14.0-",
        "it is incomplete near \"-\"; copy the whole of what `uname -r` prints",
    ),
    (
        "5.14.0.",
        "it is incomplete near \".\"; copy the whole of what `uname -r` prints",
    ),
    (
        "5.14.0_",
        "it is incomplete near \"_\"; copy the whole of what `uname -r` prints",
    ),
    (
        "5.14.0-1..el9",
        "it is incomplete near \"..\"; copy the whole of what `uname -r` prints",
    ),
];

#[test]
fn what_cannot_be_a_release_is_refused_for_its_reason() {
    for (text, words) in REFUSED {
        assert_eq!(refused(text), *words, "{text:?}");
    }
}

#[test]
fn a_release_has_at_most_64_characters() {
    let fits = format!("5.14.0-{}", "x".repeat(57));
    assert_eq!(fits.len(), MAX_LENGTH);
    assert!(KernelVersion::parse(&fits).is_ok());
    let error = KernelVersion::parse(&format!("{fits}x")).unwrap_err();
    assert_eq!(error, KernelVersionError::TooLong { length: 65 });
    let long = format!("5.14.0-{}", "1".repeat(4_993));
    assert_eq!(refused(&long), "5000 characters; a kernel reports at most 64");
}

#[test]
fn one_trailing_plus_does_not_count_where_kmm_drops_it() {
    let version = KernelVersion::parse("6.1.100+").unwrap();
    assert_eq!(
        (version.raw(), version.without_plus(), version.folder()),
        ("6.1.100+", "6.1.100", "6.1.100")
    );
    assert_eq!(version.components().z, "100");
    let twice = KernelVersion::parse("6.1.100++").unwrap();
    assert_eq!(twice.without_plus(), "6.1.100+");
}

#[test]
fn numbers_are_for_comparing() {
    let version = KernelVersion::parse("6.4.0-150600.23.25-default").unwrap();
    assert_eq!(version.numbers(), (6, 4, 0));
    assert!(version.numbers() >= (6, 4, 0) && version.numbers() < (6, 10, 0));
}

/// Texts near releases: pieces of them, and what attackers and copying add.
fn near_releases() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,3}",
        "[.+_-]",
        "(el9|amd64|rc1|generic|rt|x86_64|v)",
        proptest::char::any().prop_map(String::from),
        "[ \\t\\n;|&$<>(){}\\[\\]*?!#'\"`\\\\/~^%=:,@]",
    ];
    let tail = proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    (
        prop_oneof!["", "[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}", "6\\.[0-9]-"],
        tail,
    )
        .prop_map(|(head, tail)| format!("{head}{tail}"))
}

proptest! {
    #[test]
    fn nothing_that_a_shell_or_a_path_could_misread_is_a_release(text in near_releases()) {
        if let Ok(version) = KernelVersion::parse(&text) {
            let is_harmless = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
            prop_assert!(text.chars().all(is_harmless), "{text:?}");
            prop_assert!(text.len() <= MAX_LENGTH && !text.contains("..") && text.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(version.components().full == normalize(version.without_plus()));
            prop_assert!(version.raw() == text);
        }
    }

    #[test]
    fn a_refusal_is_short_and_shows_nothing_that_a_terminal_obeys(text in near_releases()) {
        if let Err(why) = KernelVersion::parse(&text) {
            let words = why.to_string();
            prop_assert!(words.chars().count() <= 200, "{words}");
            prop_assert!(!words.chars().any(char::is_control), "{words:?}");
        }
    }

    /// What a refusal proposes is a release.
    #[test]
    fn a_proposal_is_a_release(text in near_releases()) {
        if let Err(E::NotAlone { release } | E::Prefixed { release, .. }) = KernelVersion::parse(&text) {
            prop_assert!(KernelVersion::parse(&release).is_ok(), "{text:?}: {release}");
        }
    }
}
