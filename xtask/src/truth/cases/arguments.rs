//! modprobe's arguments: `args.load`, `rawArgs.load`, `dirName` (kmod `tools/modprobe.c: do_modprobe`).

use super::{Case, Kernel};

/// `args.load`, by a name for the case.
const ARGS: [(&str, &[&str]); 30] = [
    ("quiet", &["-q"]),
    ("verbose", &["-v"]),
    ("verbose-long", &["--verbose"]),
    ("syslog", &["-s"]),
    ("ignore-install", &["-i"]),
    ("use-blacklist", &["-b"]),
    ("all", &["-a"]),
    ("first-time", &["--first-time"]),
    ("dry-run", &["-n"]),
    ("dry-run-long", &["--dry-run"]),
    ("show-depends", &["-D"]),
    ("show-depends-long", &["--show-depends"]),
    ("resolve-alias", &["-R"]),
    ("remove", &["-r"]),
    ("remove-long", &["--remove"]),
    ("show-config", &["-c"]),
    ("version", &["-V"]),
    ("help", &["-h"]),
    ("show-modversions", &["--show-modversions"]),
    ("unknown-short", &["-Z"]),
    ("unknown-long", &["--no-such-option"]),
    ("abbreviated", &["--verb"]),
    ("ambiguous", &["--sh"]),
    ("config-elsewhere", &["-C", "/nowhere"]),
    ("root-elsewhere", &["-d", "/nowhere"]),
    ("other-kernel", &["-S", "9.9.9-none"]),
    ("wait", &["-w", "1000"]),
    ("wait-no-number", &["-w", "x"]),
    ("another-module-first", &["exporter"]),
    ("two-dashes", &["--"]),
];

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let plain = || kernel.ko("plain");
    let mut cases = Vec::new();
    for (name, args) in ARGS {
        cases.push(kernel.case(format!("args-{name}")).ko(plain()?).args(args));
    }
    let release = kernel.release.as_str();
    let file = format!("/tmp/opt/lib/modules/{release}/extra/plain.ko");
    let raw: [(&str, &[&str]); 13] = [
        ("as-kmm", &["-vd", "/tmp/opt", "plain"]),
        ("short", &["-d/tmp/opt", "plain"]),
        ("long", &["--dirname=/tmp/opt", "plain"]),
        ("with-kernel", &["-d", "/tmp/opt", "-S", release, "plain"]),
        ("with-parameters", &["-d", "/tmp/opt", "plain", "a=1"]),
        ("no-root", &["plain"]),
        ("root-without-tmp", &["-d", "/opt", "plain"]),
        ("root-with-slash", &["-d", "/tmp/opt/", "plain"]),
        ("all", &["-a", "-d", "/tmp/opt", "exporter", "plain"]),
        ("all-one-unknown", &["-a", "-d", "/tmp/opt", "plain", "no_such_module"]),
        ("no-words", &["-d", "/tmp/opt"]),
        ("path", &[file.as_str()]),
        ("two-roots", &["-d", "/nowhere", "-d", "/tmp/opt", "plain"]),
    ];
    for (name, words) in raw {
        let case = kernel
            .case(format!("raw-{name}"))
            .ko(plain()?)
            .ko(kernel.ko("exporter")?);
        cases.push(case.raw(words).expecting("plain"));
    }
    cases.extend([
        kernel
            .case("parameter-that-is-an-option")
            .ko(plain()?)
            .parameters(&["-n"]),
        kernel
            .case("parameter-that-is-a-bad-option")
            .ko(plain()?)
            .parameters(&["-Z"]),
        kernel
            .case("parameter-that-is-no-option")
            .ko(plain()?)
            .parameters(&["-"]),
        kernel.case("dir-deep").ko(plain()?).dir("/a/b/c"),
        kernel.case("dir-usr").ko(plain()?).dir("/usr"),
        kernel
            .case("dir-wrong")
            .ko(plain()?)
            .dir("/srv")
            .file("/opt/lib/keep", "")
            .without(""),
    ]);
    Ok(cases)
}
