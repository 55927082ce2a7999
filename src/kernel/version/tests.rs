use super::*;

/// A release that a distribution ships, and the architecture that its last part names.
const SHIPPED: &[(&str, Option<Architecture>)] = &[
    // Red Hat and what is made from it
    ("5.14.0-570.19.1.el9_6.x86_64", Some(Architecture::X86_64)),
    ("5.14.0-427.18.1.el9_4.x86_64+rt", Some(Architecture::X86_64)),
    ("5.14.0-427.18.1.el9_4.aarch64+64k", Some(Architecture::Aarch64)),
    ("5.14.0-427.18.1.el9_4.aarch64+64k-debug", Some(Architecture::Aarch64)),
    ("5.14.0-1.el9+debug", None),
    ("4.18.0-553.rt7.342.el8_10.x86_64", Some(Architecture::X86_64)),
    ("3.10.0-1160.el7.x86_64", Some(Architecture::X86_64)),
    ("3.10.0-1160.el7.ppc64le", Some(Architecture::Ppc64le)),
    ("4.18.0-553.el8_10.s390x", Some(Architecture::S390x)),
    ("6.12.0-55.9.1.el10_0.x86_64+rt-debug", Some(Architecture::X86_64)),
    ("6.9.7-1.el9.elrepo.x86_64", Some(Architecture::X86_64)),
    ("5.15.0-206.153.7.el9uek.x86_64", Some(Architecture::X86_64)),
    ("5.4.17-2136.315.5.el8uek.aarch64", Some(Architecture::Aarch64)),
    // Fedora
    ("6.0.15-300.fc37.x86_64", Some(Architecture::X86_64)),
    (
        "6.12.0-0.rc3.20241016git2f87d0916ce0.30.fc42.x86_64+debug",
        Some(Architecture::X86_64),
    ),
    (
        "6.11.0-0.rc0.20240716gitd67978318827.2.fc41.aarch64+16k-debug",
        Some(Architecture::Aarch64),
    ),
    ("6.10.0-64.fc41.riscv64", Some(Architecture::Riscv64)),
    // Debian
    ("6.12.107+deb12-cloud-amd64", Some(Architecture::X86_64)),
    ("6.1.0-50-rt-amd64", Some(Architecture::X86_64)),
    ("6.1.0-13-arm64", Some(Architecture::Aarch64)),
    ("6.12.43+deb13-arm64-16k", Some(Architecture::Aarch64)),
    ("6.1.0-13-powerpc64le", Some(Architecture::Ppc64le)),
    ("4.19.0-0.bpo.19-amd64-unsigned", Some(Architecture::X86_64)),
    ("6.1.0-13-686-pae", None),
    ("6.1.0-13-armmp-lpae", None),
    // Ubuntu
    ("6.8.0-45-generic", None),
    ("6.8.0-1009-raspi", None),
    ("6.10.0-061000-generic", None),
    ("6.11.0-061100rc3-generic", None),
    ("6.5.0-1024.24~22.04", None),
    // SUSE
    ("6.4.0-150600.23.25-default", None),
    ("6.10.0-rc7-1.g3b8e8f4-vanilla", None),
    // Clouds and appliances
    ("6.1.102-111.182.amzn2023.x86_64", Some(Architecture::X86_64)),
    ("5.10.223-212.873.amzn2.aarch64", Some(Architecture::Aarch64)),
    ("6.1.100+", None),
    ("6.6.54-talos", None),
    ("6.6.52-flatcar", None),
    ("6.6.47.1-1.azl3", None),
    ("5.15.158.2-1.cm2", None),
    ("6.1.83-2.ph5", None),
    ("5.10.162-rt78-1.ph4-rt", None),
    ("6.8.12-2-pve", None),
    ("5.15.153.1-microsoft-standard-WSL2", None),
    ("6.10.4-linuxkit", None),
    ("4.19.0+1", None),
    // The rest
    ("6.11.1-arch1-1", None),
    ("6.9.12-x64v3-xanmod1", None),
    ("6.6.49-0-lts", None),
    ("6.6.47-gentoo-r1-x86_64", Some(Architecture::X86_64)),
    ("6.6.51+rpt-rpi-v8", None),
    ("6.1.21-v8+", None),
    ("5.15.122-tegra", None),
    ("5.10.43-android12-9-00001-g1234567-ab7654321", None),
    ("6.12.0-rc3", None),
    ("6.12.0-rc3-00042-gabcdef012345-dirty", None),
    ("6.6.49", None),
    ("1.2.3", None),
];

#[test]
fn what_distributions_ship_is_a_release() {
    for (text, architecture) in SHIPPED {
        let version = KernelVersion::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(version.raw(), *text);
        assert_eq!(version.architecture(), *architecture, "{text}");
    }
}

/// Whether an error is the one that a row expects.
type IsReason = fn(&KernelVersionError) -> bool;

#[test]
fn what_cannot_be_a_release_is_refused_for_its_reason() {
    use KernelVersionError as E;
    let cases: &[(&str, IsReason)] = &[
        ("", |e| matches!(e, E::Empty)),
        (" ", |e| matches!(e, E::WhiteSpace { position: 1 })),
        (" 5.14.0-1.el9.x86_64", |e| matches!(e, E::WhiteSpace { position: 1 })),
        ("5.14.0-1.el9.x86_64\n", |e| matches!(e, E::WhiteSpace { position: 20 })),
        ("5.14.0\u{a0}x", |e| matches!(e, E::WhiteSpace { position: 7 })),
        ("5.14.0-427;rm -rf /", |e| {
            matches!(
                e,
                E::Character {
                    character: ';',
                    position: 11
                }
            )
        }),
        ("5.14.0-`id`", |e| matches!(e, E::Character { character: '`', .. })),
        ("5.14.0-$(id)", |e| matches!(e, E::Character { character: '$', .. })),
        ("../../etc/passwd", |e| matches!(e, E::Character { character: '/', .. })),
        ("5.14.0/x", |e| matches!(e, E::Character { character: '/', .. })),
        ("5,14,0", |e| matches!(e, E::Character { character: ',', .. })),
        ("5.14.0-é", |e| matches!(e, E::Character { character: 'é', .. })),
        ("5.14.0\u{0}", |e| matches!(e, E::Character { character: '\0', .. })),
        ("٥.١٤.٠", |e| matches!(e, E::Character { .. })),
        ("test", |e| matches!(e, E::NotNumeric)),
        ("--", |e| matches!(e, E::NotNumeric)),
        ("..", |e| matches!(e, E::NotNumeric)),
        ("a.b.c", |e| matches!(e, E::NotNumeric)),
        ("a-b-c", |e| matches!(e, E::NotNumeric)),
        ("1.2", |e| matches!(e, E::NotNumeric)),
        ("6.12-rc1", |e| matches!(e, E::NotNumeric)),
        ("5.15-generic", |e| matches!(e, E::NotNumeric)),
        ("5-14-0", |e| matches!(e, E::NotNumeric)),
        ("v5.14.0", |e| matches!(e, E::NotNumeric)),
        ("5.14.0rc1", |e| matches!(e, E::NotNumeric)),
        ("05.14.0", |e| matches!(e, E::NotNumeric)),
        ("0.0.0", |e| matches!(e, E::NotNumeric)),
        ("300.1.1", |e| matches!(e, E::NotNumeric)),
        ("5.14.99999999999", |e| matches!(e, E::NotNumeric)),
        ("-5.14.0", |e| matches!(e, E::NotNumeric)),
        ("5.14.0-", |e| matches!(e, E::Incomplete { .. })),
        ("5.14.0.", |e| matches!(e, E::Incomplete { .. })),
        ("5.14.0-1..el9", |e| matches!(e, E::Incomplete { .. })),
    ];
    for (text, reason) in cases {
        let error = KernelVersion::parse(text).expect_err(text);
        assert!(reason(&error), "{text:?}: {error:?}");
    }
}

#[test]
fn a_release_has_at_most_64_characters() {
    let fits = format!("5.14.0-{}", "x".repeat(57));
    assert_eq!(fits.len(), MAX_LENGTH);
    assert!(KernelVersion::parse(&fits).is_ok());
    let error = KernelVersion::parse(&format!("{fits}x")).unwrap_err();
    assert_eq!(error, KernelVersionError::TooLong { length: 65 });
    assert!(KernelVersion::parse(&format!("5.14.0-{}", "1".repeat(5_000))).is_err());
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
