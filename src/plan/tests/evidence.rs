//! What nodes have loaded → what it changes, a row each.

use std::collections::BTreeMap;

use super::{KERNEL, module, now, target};
use crate::api::{Finding, Rule, VerificationStatus};
use crate::image::Digest;
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::load::LoadedModules;
use crate::plan::work::{Ended, Errand, Next, Push, Work, Works};
use crate::plan::{
    Evidence, Loaders, Look, Node, Pods, Precedents, Subject, Supplies, Surroundings, Verdict, World, kernels_today,
    wants_evidence,
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
    let mut around = cluster(&[("disk", TODAY, None)]);
    around.loaded = None;
    let look = judged(vec![unlinked("libcrc32c")]);
    let waiting = verdict(&around, &Precedents::new(), &look, &Works::default());
    assert_eq!(waiting.status, InProgress);
    assert!(waiting.reason.contains("is being asked"), "{}", waiting.reason);
    let next = |around: &Surroundings| {
        weighed(BUILT, |world, subject| {
            let evidence = Evidence::of_cluster(around, subject.target().unwrap(), None);
            evidence.next(world, subject, (&look, &Works::default()), now())
        })
    };
    assert_eq!(next(&around), Next::Nothing);
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
        let needs = |kernel: &&str| ((*kernel).to_owned(), ["libcrc32c".to_owned()].into());
        kernels.iter().map(needs).collect()
    };
    let both = [("disk", TODAY, None), ("disk", other, None)];
    let all = Some((2, 2));
    let cases: [Row<'_>; 7] = [
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
            [(TODAY.to_owned(), [].into())].into(),
            Failure,
        ),
    ];
    for (row, nodes, loaders, precedents, status) in cases {
        let mut around = cluster(nodes);
        let name = ("ns1".to_owned(), "kmod".to_owned());
        around.loaders = loaders
            .into_iter()
            .map(|(available, desired)| (name.clone(), Loaders { available, desired }))
            .collect();
        let look = judged(vec![unlinked("libcrc32c")]);
        let verdict = verdict(&around, &precedents, &look, &Works::default());
        assert_eq!(verdict.status, status, "{row}: {}", verdict.reason);
        let named = verdict.reason.contains(&format!("its image for {TODAY}"));
        assert_eq!(named, status == Success, "{row}: {}", verdict.reason);
    }
}

#[test]
fn too_many_kernels_at_once_are_no_example() {
    let nodes = ["1.1.1", "1.1.2", "1.1.3", "1.1.4"].map(|kernel| ("disk", kernel, None));
    let mut around = cluster(&nodes);
    let loaders = Loaders {
        available: 4,
        desired: 4,
    };
    around.loaders = [(("ns1".to_owned(), "kmod".to_owned()), loaders)].into();
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
            let evidence = Evidence::of_cluster(&around, subject.target().unwrap(), None);
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
    let everywhere = Evidence::of_cluster(&around, subject.target().unwrap(), None).loaded_everywhere();
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
