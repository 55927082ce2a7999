//! What a container says, within the bytes that Kubernetes keeps.

use crate::api::{Finding, Rule, Severity};
use crate::image::Digest;
use crate::plan::work::{TESTIMONY_LIMIT, Testimony};

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap()
}

fn judged(findings: Vec<Finding>) -> Testimony {
    Testimony::Judged {
        digest: Some(digest()),
        findings,
        left_out: 0,
        pushed: true,
        warnings: vec!["a tag is left".to_owned()],
    }
}

#[test]
fn what_is_short_is_said_as_it_is() {
    for testimony in [
        Testimony::Built { digest: digest() },
        Testimony::Signed {
            digest: digest(),
            files: 3,
            warnings: vec!["a".to_owned()],
        },
        judged(vec![Finding::warns(Rule::ModuleInTree, "is in-tree").in_file("a.ko")]),
        Testimony::Failed {
            message: "why".to_owned(),
            log: vec!["line".to_owned()],
            again: true,
        },
    ] {
        assert_eq!(Testimony::parse(&testimony.to_message()), Some(testimony));
    }
}

#[test]
fn of_many_findings_those_that_decide_stay_and_the_rest_is_counted() {
    let warns = |at: usize| Finding::warns(Rule::ModuleInTree, format!("{at} {}", "ä".repeat(400)));
    let mut findings: Vec<Finding> = (0..200).map(warns).collect();
    findings.push(
        Finding::decides(Rule::SymbolMissing, "x".repeat(5_000))
            .in_file("nic.ko")
            .of_symbol("foo"),
    );
    let message = judged(findings).to_message();
    assert!(message.len() <= TESTIMONY_LIMIT, "{}", message.len());
    let Some(Testimony::Judged {
        findings,
        left_out,
        pushed,
        ..
    }) = Testimony::parse(&message)
    else {
        panic!("no testimony: {message}");
    };
    assert_eq!(
        (findings[0].severity, findings[0].rule),
        (Severity::Decides, Rule::SymbolMissing)
    );
    assert!(findings[0].message.ends_with('…') && findings.len() > 3, "{findings:?}");
    assert_eq!((findings.len() + left_out, pushed), (201, true));
}

#[test]
fn of_a_long_log_the_last_lines_stay() {
    let log: Vec<String> = (0..300).map(|at| format!("line {at} {}", "\u{1}".repeat(40))).collect();
    let failed = Testimony::Failed {
        message: "m".repeat(9_000),
        log,
        again: false,
    };
    let message = failed.to_message();
    assert!(message.len() <= TESTIMONY_LIMIT, "{}", message.len());
    let Some(Testimony::Failed { message, log, .. }) = Testimony::parse(&message) else {
        panic!("no testimony: {message}");
    };
    assert!(
        message.len() >= 500 && log.last().is_some_and(|line| line.starts_with("line 299")),
        "{message} {log:?}"
    );
}

#[test]
fn whatever_is_said_fits() {
    let nasty = "\u{0}\"\\".repeat(3_000);
    for testimony in [
        Testimony::Signed {
            digest: digest(),
            files: 1,
            warnings: vec![nasty.clone(); 90],
        },
        judged(vec![
            Finding::decides(Rule::CrcMismatch, nasty.clone())
                .in_file(nasty.clone());
            50
        ]),
        Testimony::Failed {
            message: nasty.clone(),
            log: vec![nasty; 90],
            again: true,
        },
        Testimony::Failed {
            message: "\u{1}".repeat(9_000),
            log: Vec::new(),
            again: true,
        },
    ] {
        let message = testimony.to_message();
        assert!(message.len() <= TESTIMONY_LIMIT, "{}", message.len());
        assert!(Testimony::parse(&message).is_some(), "{message}");
    }
}

#[test]
fn what_is_no_testimony_is_none() {
    for message in ["", "\n", "make: *** Error 2", "{}", "{\"outcome\":\"dreamt\"}", "[1]"] {
        assert_eq!(Testimony::parse(message), None, "{message}");
    }
    let after_other_lines = format!(
        "buildah says\n{}\n\n",
        Testimony::Built { digest: digest() }.to_message()
    );
    assert_eq!(
        Testimony::parse(&after_other_lines),
        Some(Testimony::Built { digest: digest() })
    );
}
