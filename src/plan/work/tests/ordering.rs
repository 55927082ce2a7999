//! What an order is named after, and when there is none.

use super::{BOTH, BUILT, PLAIN, TOOLKIT, make, ordered, pulled, request, supplies, world};
use crate::kernel::Architecture;
use crate::plan::tests::{owner, workshop};
use crate::plan::work::{BuildWith, Errand, Owner, Push, Workshop, fingerprint, job_name, job_of, order};
use crate::plan::{Pods, Supplies, Target, World, secret_versions};

/// The fingerprint of the work for a target, as everything else stands.
fn of(target: &Target) -> String {
    let supplies = supplies("1");
    fingerprint(&world(&supplies, Some(TOOLKIT)), target, &owner(), None).unwrap()
}

// Rows "br-30", "br-31", "br-32", "is-126", "D18" and "D24": upstream's hash knows the Dockerfile alone, or the Secrets' bytes.
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_input_of_the_work_has_a_part_in_its_fingerprint() {
    let target = pulled(BOTH);
    let same = of(&target);
    assert_eq!(of(&target.clone()), same, "br-32");
    let with = |change: &dyn Fn(&mut Target)| {
        let mut target = target.clone();
        change(&mut target);
        of(&target)
    };
    let others = [
        (
            "D24: an argument",
            with(&|target| target.build.as_mut().unwrap().build_args[0].value = "C".to_owned()),
        ),
        (
            "D24: the destination",
            with(&|target| target.image_text = "r.example.com/kmod:2".to_owned()),
        ),
        (
            "D18: another Module",
            with(&|target| target.name = "kmod-preflight".to_owned()),
        ),
        (
            "the files to sign",
            with(&|target| target.sign.as_mut().unwrap().files_to_sign.clear()),
        ),
        ("the push secret", with(&|target| target.pull_secret = None)),
    ];
    for (row, other) in others {
        assert_ne!(other, same, "{row}");
    }
    let (supplies, later) = (supplies("1"), supplies("2"));
    let in_world = |supplies: &Supplies, toolkit, owner: &Owner, architecture| {
        fingerprint(&world(supplies, toolkit), &target, owner, architecture).unwrap()
    };
    let another = Owner {
        uid: "other".to_owned(),
        ..owner()
    };
    let rewritten = Supplies {
        dockerfiles: [(("ns1".to_owned(), "df".to_owned()), Some("FROM DTK_AUTO".to_owned()))].into(),
        ..supplies.clone()
    };
    for (row, other) in [
        ("D24: the toolkit", in_world(&supplies, Some("r/dtk:2"), &owner(), None)),
        (
            "br-31: the Dockerfile",
            in_world(&rewritten, Some(TOOLKIT), &owner(), None),
        ),
        (
            "another key in the Secret",
            in_world(&later, Some(TOOLKIT), &owner(), None),
        ),
        (
            "D06: another preflight",
            in_world(&supplies, Some(TOOLKIT), &another, None),
        ),
    ] {
        assert_ne!(other, same, "{row}");
    }
    let known = in_world(&supplies, Some(TOOLKIT), &owner(), Some(Architecture::X86_64));
    assert_eq!(known, same, "the kernel's name tells the architecture already");
}

#[test]
fn a_proxys_password_is_no_part_of_what_is_shown_of_the_settings() {
    let settings = Workshop {
        environment: vec![("HTTPS_PROXY".to_owned(), "http://u:secret@proxy:3128".to_owned())],
        ..workshop()
    };
    let shown = format!("{settings:?}");
    assert!(shown.contains("HTTPS_PROXY") && !shown.contains("secret"), "{shown}");
}

#[test]
fn the_content_of_secrets_is_part_of_the_question_only_where_something_is_built_with_or_signed_by_them() {
    let versions = |container, of: &str| secret_versions(&pulled(container), &supplies(of));
    assert_eq!(versions(PLAIN, "1"), None);
    let first = versions(BOTH, "1");
    assert!(first.is_some() && versions(BOTH, "1") == first && versions(BOTH, "2") != first);
    let mut unknown = supplies("1");
    unknown.secrets.clear();
    assert_eq!(secret_versions(&pulled(BOTH), &unknown), None);
    // Those that it is pulled with alone come and go: they are no reason to ask anew.
    let mut other_pull = supplies("1");
    other_pull.secrets.remove(&("ns1".to_owned(), "pull".to_owned()));
    assert_eq!(secret_versions(&pulled(BOTH), &other_pull), first);
}

// Row "is-135".
#[test]
fn a_job_is_found_by_its_labels_where_it_was_ordered() {
    let (supplies, target) = (supplies("1"), pulled(BOTH));
    let world = world(&supplies, Some(TOOLKIT));
    for errand in [make(Push::Never), make(Push::IfFree), Errand::Look] {
        let order = order(&world, request(&owner(), &target, errand)).unwrap();
        let place = job_of(&order.labels(), &order.annotations(&workshop()));
        assert_eq!(place.as_ref(), Some(&order.job), "is-135");
    }
}

// What an administrator was told to change, and has changed, is tried again; an update of the operator is no reason.
#[test]
fn the_settings_that_work_is_done_by_have_a_part_in_its_fingerprint() {
    let (target, supplies) = (pulled(BOTH), supplies("1"));
    let by = |settings: &Workshop| {
        let world = World {
            pods: Pods::Run(settings),
            ..world(&supplies, Some(TOOLKIT))
        };
        fingerprint(&world, &target, &owner(), None).unwrap()
    };
    let with = |change: &dyn Fn(&mut Workshop)| {
        let mut settings = workshop();
        change(&mut settings);
        by(&settings)
    };
    let same = by(&workshop());
    for (setting, other) in [
        (
            "the builder",
            with(&|settings| settings.builder_image = "r/b:2".to_owned()),
        ),
        (
            "memory",
            with(&|settings| settings.room.build.limit.memory = Some("8Gi".to_owned())),
        ),
        (
            "what builds",
            with(&|settings| settings.build_with = BuildWith::OpenShift),
        ),
        ("disk", with(&|settings| settings.room.disk = "40Gi".to_owned())),
        ("time", with(&|settings| settings.deadline *= 2)),
        ("CAs", with(&|settings| settings.trusted = vec!["MIIB".to_owned()])),
        (
            "the way out",
            with(&|settings| settings.environment = vec![("A".to_owned(), "b".to_owned())]),
        ),
    ] {
        assert_ne!(other, same, "{setting}");
    }
    for (setting, alike) in [
        ("our own version", with(&|settings| settings.image = "r/p:2".to_owned())),
        ("how many at once", with(&|settings| settings.at_once = 9)),
    ] {
        assert_eq!(alike, same, "{setting}");
    }
}

// Row "is-120": what cannot be written out is not made, and says why.
#[test]
fn a_secret_that_was_not_looked_for_leaves_the_work_without_a_name() {
    let target = pulled(BOTH);
    let mut supplies = supplies("1");
    supplies.secrets.remove(&("ns1".to_owned(), "pull".to_owned()));
    let world = world(&supplies, Some(TOOLKIT));
    assert_eq!(fingerprint(&world, &target, &owner(), None), None);
    let why = order(&world, request(&owner(), &target, make(Push::Never))).unwrap_err();
    assert_eq!(why, ["its Secrets have not been looked for yet"]);
}

#[test]
fn a_name_is_a_label_and_tells_errands_and_attempts_apart() {
    let long = Target {
        name: format!("{}.x", "a".repeat(70)),
        ..pulled(BUILT)
    };
    let names = [
        job_name(&long, "f", &Errand::Look, 1),
        job_name(&long, "f", &Errand::Look, 2),
        job_name(&long, "f", &make(Push::Never), 1),
        job_name(&long, "f", &make(Push::IfFree), 1),
        job_name(&long, "g", &make(Push::IfFree), 1),
    ];
    for (namespace, name) in &names {
        assert_eq!((namespace.as_str(), name.len()), ("ns1", 63), "{name}");
        assert!(name.starts_with("kmm-preflight-aaa"), "{name}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "{name}"
        );
    }
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len());
    let dotted = Target {
        name: "a.b".to_owned(),
        ..pulled(BUILT)
    };
    assert!(
        job_name(&dotted, "f", &Errand::Look, 1)
            .1
            .starts_with("kmm-preflight-a-b-")
    );
}

#[test]
fn the_labels_of_an_order_tell_what_it_is() {
    let digest = crate::image::Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    let order = ordered(BUILT, make(Push::Over(digest.clone())));
    let labels = order.labels();
    let label = |name: &str| labels.get(name).map(String::as_str);
    assert_eq!(label("app.kubernetes.io/managed-by"), Some("kmm-preflight"));
    assert_eq!(label("preflight.kmm.sigs.x-k8s.io/uid"), Some("1a2b"));
    assert_eq!(
        label("preflight.kmm.sigs.x-k8s.io/fingerprint"),
        Some(order.fingerprint.as_str())
    );
    assert_eq!(label("preflight.kmm.sigs.x-k8s.io/errand"), Some("make-and-push"));
    assert_eq!(label("preflight.kmm.sigs.x-k8s.io/attempt"), Some("1"));
    let annotations = order.annotations(&workshop());
    assert_eq!(
        annotations
            .get("preflight.kmm.sigs.x-k8s.io/module")
            .map(String::as_str),
        Some("ns1/kmod")
    );
    assert_eq!(
        annotations.get("preflight.kmm.sigs.x-k8s.io/replaces"),
        Some(&digest.to_string())
    );
}

#[test]
fn what_is_missing_is_said_instead_of_ordered() {
    let target = pulled(BUILT);
    let supplies = Supplies {
        dockerfiles: [].into(),
        ..supplies("1")
    };
    let why = order(&world(&supplies, None), request(&owner(), &target, make(Push::Never))).unwrap_err();
    assert_eq!(why, ["the ConfigMap ns1/df does not exist"]);
    assert!(
        order(&world(&supplies, None), request(&owner(), &target, Errand::Look)).is_ok(),
        "a look needs none"
    );
    let unread = Supplies {
        dockerfiles_complete: false,
        ..supplies
    };
    let why = order(&world(&unread, None), request(&owner(), &target, make(Push::Never))).unwrap_err();
    assert_eq!(why, ["the ConfigMap ns1/df could not be read yet"]);
}

#[test]
fn a_brief_survives_the_command_line() {
    let order = ordered(PLAIN, Errand::Look);
    let brief = crate::plan::work::Brief::parse(&order.brief.to_json()).unwrap();
    assert_eq!(brief.to_json(), order.brief.to_json());
    assert_eq!(
        (brief.image.as_str(), brief.load.architecture),
        ("r.example.com/kmod:1", Some(Architecture::X86_64))
    );
}
