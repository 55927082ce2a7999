//! What nodes have loaded → what it changes, a row each.

use std::collections::BTreeMap;

use super::{KERNEL, module, now, target};
use crate::api::{Finding, Rule, VerificationStatus};
use crate::image::Digest;
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::Ways;
use crate::kmod::load::LoadedModules;
use crate::plan::work::{Ended, Errand, Next, Push, Work, Works};
use crate::plan::{
    Evidence, Loaders, Look, NO_PRECEDENTS, Node, Pods, Precedents, Subject, Supplies, Surroundings, Verdict, World,
    examples, kernels_today, wants_evidence,
};
use VerificationStatus::{Failure, InProgress, Success};

const PLAIN: &str = "{kernelMappings: [{regexp: .}]}";
const BUILT: &str = "{kernelMappings: [{regexp: ., build: {dockerfileConfigMap: {name: df}}}]}";
const TODAY: &str = "5.14.0-362.el9.x86_64";

/// A node: its role, its kernel, and what it has loaded, if that is known.
type Of<'a> = (&'a str, &'a str, Option<&'a str>);

/// A cluster of these nodes.
fn cluster(nodes: &[Of<'_>]) -> Surroundings {
    let name = |at: usize| format!("n{at}");
    let node = |(at, (role, kernel, _)): (usize, &Of<'_>)| Node {
        name: name(at),
        kernel: (*kernel).to_owned(),
        os_image: String::new(),
        architecture: Architecture::from_name("amd64"),
        labels: [("role".to_owned(), (*role).to_owned())].into(),
    };
    let loaded = nodes.iter().enumerate().filter_map(|(at, (_, _, loaded))| {
        let loaded = LoadedModules::of((*loaded)?.split_whitespace());
        Some((name(at), loaded))
    });
    Surroundings {
        nodes: Some(nodes.iter().enumerate().map(node).collect()),
        loaded: Some(loaded.collect()),
        loaders: Some(BTreeMap::new()),
        ..Surroundings::default()
    }
}

fn unlinked(module: &str) -> Finding {
    Finding::decides(
        Rule::DependencyInTreeUnlinked,
        format!("needs the in-tree module {module}"),
    )
    .of_symbol(module)
}

fn judged(findings: Vec<Finding>) -> Look {
    let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    Look::Judged { digest, findings }
}

/// What an image of today loads itself, and what it leaves to others.
fn ways(itself: &str, others: &str) -> Ways {
    let names = |names: &str| names.split_whitespace().map(str::to_owned).collect();
    Ways {
        itself: names(itself),
        others: names(others),
    }
}

/// Where KMM says that `ns1/kmod` is loaded.
fn loaded_on(available: u32, desired: u32) -> BTreeMap<(String, String), Loaders> {
    let name = ("ns1".to_owned(), "kmod".to_owned());
    [(name, Loaders { available, desired })].into()
}

/// The Module `ns1/kmod`, on nodes with the role `disk`.
fn subject(container: &str) -> Subject {
    let mut module = module(container);
    module.spec.selector = [("role".to_owned(), "disk".to_owned())].into();
    Subject::resolve(&module, &KernelVersion::parse(KERNEL).unwrap())
}

fn weighed<T>(container: &str, question: impl Fn(&World<'_>, &Subject) -> T) -> T {
    let subject = subject(container);
    let workshop = super::workshop();
    let world = World {
        subjects: &[],
        supplies: &Supplies::default(),
        toolkit_image: None,
        push_built_image: true,
        pods: Pods::Run(&workshop),
    };
    question(&world, &subject)
}

fn verdict(around: &Surroundings, precedents: &Precedents, look: &Look, works: &Works) -> Verdict {
    weighed(PLAIN, |world, subject| {
        let evidence = Evidence::of_cluster(around, subject.target().unwrap(), Some(precedents));
        evidence.verdict(world, subject, (look, works), now())
    })
}

#[test]
fn a_dependency_counts_as_loaded_where_all_nodes_of_the_module_have_it() {
    let has = Some("sunrpc libcrc32c");
    let lacks = Some("sunrpc");
    for (row, nodes, status, words) in [
        (
            "all have it",
            vec![("disk", TODAY, has), ("disk", TODAY, has)],
            Success,
            "all 2 of its nodes have libcrc32c loaded today",
        ),
        (
            "its one node has it",
            vec![("disk", TODAY, has)],
            Success,
            "its one node has libcrc32c loaded today",
        ),
        (
            "another node lacks it",
            vec![("disk", TODAY, has), ("cpu", TODAY, lacks)],
            Success,
            "its one node has",
        ),
        (
            "one node lacks it",
            vec![("disk", TODAY, has), ("disk", TODAY, lacks)],
            Failure,
            "would not load",
        ),
        (
            "nothing is known of one node",
            vec![("disk", TODAY, has), ("disk", TODAY, None)],
            Failure,
            "would not load",
        ),
        (
            "no node is selected",
            vec![("cpu", TODAY, has)],
            Failure,
            "would not load",
        ),
        ("there is no node", vec![], Failure, "would not load"),
    ] {
        let look = judged(vec![unlinked("libcrc32c")]);
        let verdict = verdict(&cluster(&nodes), &Precedents::new(), &look, &Works::default());
        assert_eq!(verdict.status, status, "{row}: {}", verdict.reason);
        assert!(verdict.reason.contains(words), "{row}: {}", verdict.reason);
    }
}

#[test]
fn evidence_of_one_dependency_is_none_of_another_nor_of_anything_else() {
    let around = cluster(&[("disk", TODAY, Some("libcrc32c"))]);
    let gone = Finding::decides(Rule::SymbolMissing, "needs `foo`");
    for findings in [
        vec![unlinked("libcrc32c"), unlinked("sunrpc")],
        vec![unlinked("libcrc32c"), gone],
    ] {
        let verdict = verdict(&around, &Precedents::new(), &judged(findings), &Works::default());
        assert_eq!(verdict.status, Failure, "{}", verdict.reason);
    }
}

#[test]
fn a_path_that_leads_nowhere_matters_no_more_where_its_module_is_loaded() {
    let around = cluster(&[("disk", TODAY, Some("libcrc32c"))]);
    let missing = Finding::decides(Rule::DependencyMissing, "needs host/libcrc32c.ko").of_symbol("libcrc32c");
    let look = judged(vec![missing.clone(), unlinked("libcrc32c")]);
    assert_eq!(
        verdict(&around, &Precedents::new(), &look, &Works::default()).status,
        Success
    );
    // Without a toolkit nobody knows what else it misses.
    let alone = verdict(&around, &Precedents::new(), &judged(vec![missing]), &Works::default());
    assert_eq!(alone.status, Failure);
}

#[test]
fn while_nodes_are_asked_there_is_no_answer_and_nothing_is_begun() {
    let mut around = cluster(&[("disk", TODAY, Some("libcrc32c"))]);
    let look = judged(vec![unlinked("libcrc32c")]);
    let next = |around: &Surroundings, precedents: Option<&Precedents>| {
        weighed(BUILT, |world, subject| {
            let evidence = Evidence::of_cluster(around, subject.target().unwrap(), precedents);
            let seen = (&look, &Works::default());
            let verdict = evidence.verdict(world, subject, seen, now());
            (
                verdict.status,
                verdict.reason,
                evidence.next(world, subject, seen, now()),
            )
        })
    };
    let (without_nodes, without_kmm) = (
        Surroundings {
            loaded: None,
            ..around.clone()
        },
        Surroundings {
            loaders: None,
            ..around.clone()
        },
    );
    for (row, around, precedents) in [
        ("what nodes have", &without_nodes, Some(NO_PRECEDENTS)),
        ("where it is loaded", &without_kmm, Some(NO_PRECEDENTS)),
        ("the images of today", &around, None),
    ] {
        let (status, reason, next) = next(around, precedents);
        assert_eq!((status, next), (InProgress, Next::Nothing), "{row}");
        assert!(reason.contains("is being asked"), "{row}: {reason}");
    }
    let next = |around: &Surroundings| next(around, Some(NO_PRECEDENTS)).2;
    // Then it is replaced, or good as it is.
    around.loaded = Some(BTreeMap::new());
    assert!(matches!(next(&around), Next::Start { .. }));
    let has_it = cluster(&[("disk", TODAY, Some("libcrc32c"))]);
    assert_eq!(next(&has_it), Next::Nothing);
    // What needs no evidence waits for none.
    around.loaded = None;
    assert_eq!(
        verdict(&around, &Precedents::new(), &judged(vec![]), &Works::default()).status,
        Success
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_is_loaded_today_with_the_same_gap_is_an_example() {
    // What it is, the nodes, where the Module is loaded of where it should be, what the images of today need.
    type Row<'a> = (
        &'a str,
        &'a [Of<'a>],
        Option<(u32, u32)>,
        Precedents,
        VerificationStatus,
    );

    let other = "5.14.0-400.el9.x86_64";
    let needs = |kernels: &[&str]| -> Precedents {
        let needs = |kernel: &&str| ((*kernel).to_owned(), ways("kmod", "libcrc32c"));
        kernels.iter().map(needs).collect()
    };
    let both = [("disk", TODAY, None), ("disk", other, None)];
    let all = Some((2, 2));
    let cases: [Row<'_>; 9] = [
        (
            "loaded wherever it should be",
            &both[..1],
            Some((1, 1)),
            needs(&[TODAY]),
            Success,
        ),
        ("the same on both kernels", &both, all, needs(&[TODAY, other]), Success),
        ("another gap on one of them", &both, all, needs(&[TODAY]), Failure),
        (
            "not loaded everywhere",
            &both,
            Some((1, 2)),
            needs(&[TODAY, other]),
            Failure,
        ),
        ("loaded nowhere", &both, Some((0, 0)), needs(&[TODAY, other]), Failure),
        ("KMM says nothing", &both, None, needs(&[TODAY, other]), Failure),
        (
            "the image of today is linked",
            &both[..1],
            Some((1, 1)),
            [(TODAY.to_owned(), ways("kmod libcrc32c", ""))].into(),
            Failure,
        ),
        (
            "today it is built in, or another module's: the image names none",
            &both[..1],
            Some((1, 1)),
            [(TODAY.to_owned(), ways("kmod", ""))].into(),
            Failure,
        ),
        (
            "the image of today could not be read",
            &both[..1],
            Some((1, 1)),
            Precedents::new(),
            Failure,
        ),
    ];
    for (row, nodes, loaders, precedents, status) in cases {
        let mut around = cluster(nodes);
        let loaders = loaders.map(|(available, desired)| loaded_on(available, desired));
        around.loaders = Some(loaders.unwrap_or_default());
        let look = judged(vec![unlinked("libcrc32c")]);
        let verdict = verdict(&around, &precedents, &look, &Works::default());
        assert_eq!(verdict.status, status, "{row}: {}", verdict.reason);
        let named = verdict.reason.contains(&format!("its image for {TODAY}"));
        assert_eq!(named, status == Success, "{row}: {}", verdict.reason);
    }
}

#[test]
fn what_the_image_of_today_loads_itself_is_no_evidence_that_nodes_have_it() {
    let mut around = cluster(&[("disk", TODAY, Some("libcrc32c sunrpc"))]);
    around.loaders = Some(loaded_on(1, 2));
    let today = |itself: &str, others: &str| -> Precedents { [(TODAY.to_owned(), ways(itself, others))].into() };
    for (row, precedents, needs, status) in [
        ("it is linked", today("kmod libcrc32c", ""), vec!["libcrc32c"], Failure),
        (
            "it brings its own",
            today("libcrc32c kmod", ""),
            vec!["libcrc32c"],
            Failure,
        ),
        (
            "it leaves it to others",
            today("kmod", "libcrc32c"),
            vec!["libcrc32c"],
            Success,
        ),
        (
            "it has nothing to do with it",
            today("kmod", ""),
            vec!["libcrc32c"],
            Success,
        ),
        (
            "it loads another one",
            today("kmod sunrpc", ""),
            vec!["libcrc32c"],
            Success,
        ),
        (
            "it loads one of two",
            today("kmod sunrpc", ""),
            vec!["libcrc32c", "sunrpc"],
            Failure,
        ),
    ] {
        let look = judged(needs.into_iter().map(unlinked).collect());
        let verdict = verdict(&around, &precedents, &look, &Works::default());
        assert_eq!(verdict.status, status, "{row}: {}", verdict.reason);
        let says_why = verdict
            .reason
            .contains(&format!("counts for nothing: its own image for {TODAY} loads it"));
        assert_eq!(says_why, status == Failure, "{row}: {}", verdict.reason);
    }
    let subject = subject(PLAIN);
    let linked = today("kmod libcrc32c", "");
    let evidence = Evidence::of_cluster(&around, subject.target().unwrap(), Some(&linked));
    assert_eq!(
        evidence.loaded_everywhere().names().collect::<Vec<_>>(),
        ["sunrpc"],
        "nor is it told to a pod"
    );
}

#[test]
fn what_kmm_unloads_first_is_not_there_whoever_has_it() {
    let mut around = cluster(&[("disk", TODAY, Some("sun_rpc"))]);
    around.loaders = Some(loaded_on(1, 1));
    let precedents = [(TODAY.to_owned(), ways("kmod", "sun_rpc"))].into();
    let container = "{inTreeModulesToRemove: [sun-rpc], kernelMappings: [{regexp: .}]}";
    let status = |container: &str| {
        weighed(container, |world, subject| {
            let evidence = Evidence::of_cluster(&around, subject.target().unwrap(), Some(&precedents));
            let look = judged(vec![unlinked("sun_rpc")]);
            evidence
                .verdict(world, subject, (&look, &Works::default()), now())
                .status
        })
    };
    assert_eq!((status(PLAIN), status(container)), (Success, Failure));
}

#[test]
fn a_failure_says_where_nodes_could_not_be_asked() {
    let mut around = cluster(&[("disk", TODAY, None)]);
    around.loaded_unread = Some("nodefeatures is forbidden".to_owned());
    let reason = |findings: Vec<Finding>| verdict(&around, NO_PRECEDENTS, &judged(findings), &Works::default()).reason;
    let words = "Node Feature Discovery could not be read: nodefeatures is forbidden";
    assert!(reason(vec![unlinked("libcrc32c")]).contains(words));
    let other = Finding::decides(Rule::SymbolMissing, "needs `foo`");
    assert!(!reason(vec![other]).contains(words), "it would not have mattered");
}

#[test]
fn examples_are_the_targets_of_the_kernels_that_its_nodes_run() {
    let mut around = cluster(&[("disk", TODAY, None), ("cpu", "5.14.0-400.el9.x86_64", None)]);
    around.loaders = Some(loaded_on(1, 2));
    let container = "{kernelMappings: [{regexp: ., containerImage: 'r.example.com/kmod:${KERNEL_FULL_VERSION}'}]}";
    let module = std::sync::Arc::new({
        let mut module = module(container);
        module.spec.selector = [("role".to_owned(), "disk".to_owned())].into();
        module
    });
    let subject = subject(container);
    let images = |around: &Surroundings| -> Vec<String> {
        let examples = examples(around, &module, subject.target().unwrap());
        examples.into_iter().map(|target| target.image_text).collect()
    };
    assert_eq!(images(&around), [format!("r.example.com/kmod:{TODAY}")]);
    around.loaders = Some(loaded_on(0, 2));
    assert!(
        images(&around).is_empty(),
        "it is loaded nowhere, so its images tell nothing"
    );
}

#[test]
fn too_many_kernels_at_once_are_no_example() {
    let nodes = ["1.1.1", "1.1.2", "1.1.3", "1.1.4"].map(|kernel| ("disk", kernel, None));
    let mut around = cluster(&nodes);
    around.loaders = Some(loaded_on(4, 4));
    let subject = subject(PLAIN);
    let target = subject.target().unwrap();
    assert_eq!(kernels_today(&around, target).len(), 0);
    around.nodes.as_mut().unwrap().truncate(3);
    assert_eq!(kernels_today(&around, target).len(), 3);
}

#[test]
fn what_a_job_judged_is_weighed_too_unless_it_was_to_be_pushed() {
    let around = cluster(&[("disk", TODAY, Some("libcrc32c"))]);
    let made = |push: Push, left_out: usize| Works {
        make: Work::Ended {
            job: ("ns1".to_owned(), "job".to_owned()),
            errand: Errand::Make { push },
            attempt: 1,
            at: now(),
            ended: Ended::Judged {
                digest: None,
                findings: vec![unlinked("libcrc32c")],
                left_out,
                pushed: false,
                warnings: Vec::new(),
            },
        },
        look: Work::None,
    };
    let status = |works: &Works| {
        weighed(BUILT, |world, subject| {
            let evidence = Evidence::of_cluster(&around, subject.target().unwrap(), Some(NO_PRECEDENTS));
            evidence.verdict(world, subject, (&Look::Pending, works), now()).status
        })
    };
    assert_eq!(status(&made(Push::Never, 0)), Success);
    assert_eq!(
        status(&made(Push::Never, 3)),
        Failure,
        "nobody knows what the others are"
    );
    assert_eq!(status(&made(Push::IfFree, 0)), Failure, "it was not pushed");
    assert!(wants_evidence(&Look::Pending, &made(Push::Never, 0)));
    assert!(!wants_evidence(&Look::Pending, &made(Push::IfFree, 0)));
}

#[test]
fn what_all_nodes_have_loaded_is_told_to_who_judges_in_a_pod() {
    let around = cluster(&[
        ("disk", TODAY, Some("a b c")),
        ("disk", TODAY, Some("b c d")),
        ("cpu", TODAY, Some("x")),
    ]);
    let subject = subject(PLAIN);
    let everywhere = Evidence::of_cluster(&around, subject.target().unwrap(), Some(NO_PRECEDENTS)).loaded_everywhere();
    assert_eq!(everywhere.names().collect::<Vec<_>>(), ["b", "c"]);
    let unknown = Evidence::of_cluster(&Surroundings::default(), &target(PLAIN, KERNEL), None).loaded_everywhere();
    assert_eq!(unknown, LoadedModules::default());
}

#[test]
fn of_files_every_node_must_have_it() {
    let nodes = ["libcrc32c sunrpc", "libcrc32c"].map(|names| LoadedModules::of(names.split(' ')));
    let status = |nodes: &[LoadedModules], module: &str| {
        weighed(PLAIN, |world, subject| {
            let look = judged(vec![unlinked(module)]);
            Evidence::of_files(nodes)
                .verdict(world, subject, (&look, &Works::default()), now())
                .status
        })
    };
    assert_eq!(status(&nodes, "libcrc32c"), Success);
    assert_eq!(status(&nodes, "sunrpc"), Failure);
    assert_eq!(status(&[], "libcrc32c"), Failure);
}
