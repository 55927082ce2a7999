//! How long deciding takes, once everything is known: 10,000 targets, every tenth of which would not load.

use divan::{Bencher, black_box};
use jiff::Timestamp;
use kmm_preflight::api::{Finding, Rule};
use kmm_preflight::image::{Digest, DigestAlgorithm};
use kmm_preflight::kernel::KernelVersion;
use kmm_preflight::plan::{Look, Pods, Subject, Supplies, World, decide};

#[path = "support/module.rs"]
mod fixture;

use fixture::module;

const TARGETS: usize = 10_000;
const KERNEL: &str = "5.14.0-570.19.1.el9_6.x86_64";

fn main() {
    divan::main();
}

#[divan::bench]
fn deciding_ten_thousand_targets(bencher: Bencher<'_, '_>) {
    let (subjects, looks, supplies) = (subjects(), looks(), Supplies::default());
    let world = World {
        subjects: &subjects,
        supplies: &supplies,
        toolkit_image: Some("r.example.com/dtk:1"),
        push_built_image: false,
        pods: Pods::None,
    };
    let look = |at: usize| looks.get(usize::from(at.is_multiple_of(10))).expect("two looks");
    bencher.bench(|| decide(black_box(&world), look, Timestamp::UNIX_EPOCH));
}

#[divan::bench]
fn resolving_one_module(bencher: Bencher<'_, '_>) {
    let (module, kernel) = (module(1), kernel());
    bencher.bench(|| Subject::resolve(black_box(&module), black_box(&kernel)));
}

fn kernel() -> KernelVersion {
    KernelVersion::parse(KERNEL).expect("a real release")
}

fn subjects() -> Vec<Subject> {
    let kernel = kernel();
    (0..TARGETS)
        .map(|number| Subject::resolve(&module(number), &kernel))
        .collect()
}

/// An image that loads, and one that does not.
fn looks() -> [Look; 2] {
    let digest = Digest::from_bytes(DigestAlgorithm::Sha256, &[7; 32]).expect("32 bytes");
    let fine = vec![Finding::warns(
        Rule::ModuleInTree,
        "the kernel has an in-tree module of that name",
    )];
    let gone = vec![
        Finding::decides(Rule::SymbolMissing, "needs the symbol `gone`"),
        fine[0].clone(),
    ];
    [fine, gone].map(|findings| Look::Judged {
        digest: digest.clone(),
        findings,
    })
}
