//! The table "What decides" where something runs in pods: what is started, and what is said meanwhile.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{KERNEL, module, now, workshop};
use crate::api::{Finding, ModuleStatus, Rule, VerificationStage, VerificationStatus};
use crate::image::{Digest, LookFailure, LookFailureKind};
use crate::kernel::KernelVersion;
use crate::plan::work::{ATTEMPTS, Ended, Errand, LookBy, Next, Push, Step, Work, Works, Workshop};
use crate::plan::{Look, Pods, Subject, Supplies, UNREACHABLE_PATIENCE, Verdict, World, next, verdict};
use LookBy::{Auto, Registry, Runtime};
use LookFailureKind::{Damaged, Denied, NotFound, OffLimits, Unreachable};
use VerificationStatus::{Failure, InProgress, Success};

const PLAIN: &str = "{kernelMappings: [{regexp: .}]}";
const BUILT: &str = "{kernelMappings: [{regexp: ., build: {dockerfileConfigMap: {name: df}}}]}";
const SIGNED: &str =
    "{kernelMappings: [{regexp: ., sign: {keySecret: {name: k}, certSecret: {name: c}, unsignedImage: 'r/u:1'}}]}";
const BOTH: &str = "{kernelMappings: [{regexp: ., build: {dockerfileConfigMap: {name: df}}, \
                    sign: {keySecret: {name: k}, certSecret: {name: c}}}]}";

/// What there is to know of the Module `ns1/kmod`.
struct Scene {
    container: &'static str,
    look: Look,
    works: Works,
    push: bool,
    by: LookBy,
}

fn scene(container: &'static str, look: Look) -> Scene {
    Scene {
        container,
        look,
        works: Works::default(),
        push: true,
        by: Auto,
    }
}

impl Scene {
    fn unpushed(self) -> Self {
        Self { push: false, ..self }
    }

    fn by(self, by: LookBy) -> Self {
        Self { by, ..self }
    }

    fn made(mut self, work: Work) -> Self {
        self.works.make = work;
        self
    }

    fn looked(mut self, work: Work) -> Self {
        self.works.look = work;
        self
    }

    fn ask<T>(&self, question: impl Fn(&World<'_>, &Subject) -> T) -> T {
        let subjects = [Subject::resolve(
            &module(self.container),
            &KernelVersion::parse(KERNEL).unwrap(),
        )];
        let workshop = Workshop {
            look_by: self.by,
            ..workshop()
        };
        let world = World {
            subjects: &subjects,
            supplies: &Supplies::default(),
            toolkit_image: None,
            push_built_image: self.push,
            pods: Pods::Run(&workshop),
        };
        question(&world, &subjects[0])
    }

    fn verdict(&self) -> Verdict {
        self.ask(|world, subject| verdict(world, subject, &self.look, &self.works, now()))
    }

    fn next(&self) -> Next {
        self.ask(|world, subject| next(world, subject, &self.look, &self.works, now()))
    }
}

fn failed(kind: LookFailureKind) -> Look {
    failed_since(kind, SignedDuration::ZERO)
}

fn failed_since(kind: LookFailureKind, ago: SignedDuration) -> Look {
    Look::Failed {
        failure: LookFailure::new(kind, "the registry said so"),
        since: now() - ago,
    }
}

fn digest(digit: &str) -> Digest {
    Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap()
}

fn good() -> Look {
    Look::Judged {
        digest: digest("0"),
        findings: Vec::new(),
    }
}

fn gone() -> Finding {
    Finding::decides(Rule::SymbolMissing, "needs `foo`")
}

fn bad() -> Look {
    Look::Judged {
        digest: digest("0"),
        findings: vec![gone()],
    }
}

fn job() -> (String, String) {
    ("ns1".to_owned(), "job".to_owned())
}

fn make(push: Push) -> Errand {
    Errand::Make { push }
}

/// A Job of this errand that ended so long ago.
fn ended(errand: Errand, attempt: u32, ago: SignedDuration, ended: Ended) -> Work {
    Work::Ended {
        job: job(),
        errand,
        attempt,
        at: now() - ago,
        ended,
    }
}

fn just(errand: Errand, what: Ended) -> Work {
    ended(errand, 1, SignedDuration::ZERO, what)
}

fn judged(findings: Vec<Finding>, pushed: bool) -> Ended {
    Ended::Judged {
        digest: Some(digest("1")),
        findings,
        left_out: 0,
        pushed,
        warnings: Vec::new(),
    }
}

fn unseen(kind: LookFailureKind) -> Ended {
    Ended::Unseen(LookFailure::new(kind, "the node said so"))
}

fn broken(step: Step) -> Ended {
    Ended::Failed {
        step: Some(step),
        why: "exit code 2".to_owned(),
    }
}

fn interrupted() -> Ended {
    Ended::Interrupted {
        why: "evicted".to_owned(),
    }
}

fn underway(errand: Errand, step: Step) -> Work {
    Work::Underway {
        job: job(),
        errand,
        step: Some(step),
        since: now(),
        hindrance: None,
    }
}

fn remembered() -> Work {
    Work::Remembered(Box::new(ModuleStatus {
        name: "kmod".to_owned(),
        namespace: "ns1".to_owned(),
        verification_stage: VerificationStage::Done,
        verification_status: Failure,
        status_reason: Some("build failed at step 4/7".to_owned()),
        last_transition_time: Time(now()),
        image: None,
        digest: None,
        findings: Vec::new(),
        inputs: None,
        job: Some("ns1/job".to_owned()),
    }))
}

fn start(errand: Errand, attempt: u32) -> Next {
    Next::Start { errand, attempt }
}

// Rows "is-111", "is-122" (nothing was made: make it), "D11" and those of the table.
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_the_registry_says_tells_what_is_started_first() {
    let long = SignedDuration::from_mins(2);
    for (row, scene, expected) in [
        (
            "missing, could not be made",
            scene(PLAIN, failed(NotFound)),
            Next::Nothing,
        ),
        (
            "is-122: missing",
            scene(BUILT, failed(NotFound)),
            start(make(Push::IfFree), 1),
        ),
        (
            "missing, not to be pushed",
            scene(BUILT, failed(NotFound)).unpushed(),
            start(make(Push::Never), 1),
        ),
        (
            "missing, to be signed",
            scene(SIGNED, failed(NotFound)),
            start(make(Push::IfFree), 1),
        ),
        (
            "damaged: it stands there",
            scene(BUILT, failed(Damaged)),
            start(make(Push::Never), 1),
        ),
        (
            "denied: a node first",
            scene(BUILT, failed(Denied)),
            start(Errand::Look, 1),
        ),
        (
            "denied, and nobody else to ask (D11)",
            scene(BUILT, failed(Denied)).by(Registry),
            start(make(Push::Never), 1),
        ),
        ("off limits", scene(PLAIN, failed(OffLimits)), start(Errand::Look, 1)),
        (
            "out of reach for a moment (D11)",
            scene(BUILT, failed(Unreachable)),
            Next::Nothing,
        ),
        (
            "out of reach (D11)",
            scene(BUILT, failed_since(Unreachable, long)),
            start(Errand::Look, 1),
        ),
        (
            "out of reach, the registry alone",
            scene(BUILT, failed_since(Unreachable, long)).by(Registry),
            Next::Nothing,
        ),
        (
            "would not load",
            scene(BUILT, bad()),
            start(make(Push::Over(digest("0"))), 1),
        ),
        (
            "would not load, not to be pushed",
            scene(BUILT, bad()).unpushed(),
            Next::Nothing,
        ),
        ("would load", scene(BUILT, good()), Next::Nothing),
        ("not looked at yet", scene(BUILT, Look::Pending), Next::Nothing),
        (
            "not looked at, a node's view alone",
            scene(PLAIN, Look::Pending).by(Runtime),
            start(Errand::Look, 1),
        ),
        (
            "no mapping",
            scene("{kernelMappings: []}", Look::Pending).by(Runtime),
            Next::Nothing,
        ),
    ] {
        assert_eq!(scene.next(), expected, "{row}");
    }
}

#[test]
fn what_a_node_says_tells_what_is_started_then() {
    let looked = |container, kind, what| scene(container, failed(kind)).looked(just(Errand::Look, what));
    let in_vain = |attempt, ago| {
        let look = ended(Errand::Look, attempt, ago, unseen(Unreachable));
        scene(BUILT, failed(Denied)).looked(look)
    };
    let minutes = SignedDuration::from_mins;
    for (row, scene, expected) in [
        (
            "both refused: never pushed (D11)",
            looked(BUILT, Denied, unseen(Denied)),
            start(make(Push::Never), 1),
        ),
        (
            "the node knows that it is missing",
            looked(BUILT, Denied, unseen(NotFound)),
            start(make(Push::IfFree), 1),
        ),
        (
            "the node could not look",
            looked(BUILT, Denied, broken(Step::Place)),
            start(make(Push::Never), 1),
        ),
        (
            "it would load",
            looked(BUILT, Denied, judged(vec![], false)),
            Next::Nothing,
        ),
        (
            "it would not load",
            looked(BUILT, Denied, judged(vec![gone()], false)),
            start(make(Push::Over(digest("1"))), 1),
        ),
        (
            "nor could the node (D11)",
            in_vain(1, minutes(0)),
            Next::Later(now() + minutes(5)),
        ),
        ("again after a pause", in_vain(1, minutes(5)), start(Errand::Look, 2)),
        (
            "ever more seldom",
            in_vain(3, minutes(5)),
            Next::Later(now() + minutes(15)),
        ),
        ("but for ever", in_vain(50, minutes(60)), start(Errand::Look, 51)),
        (
            "its look was cut off",
            scene(BUILT, failed(Denied)).looked(just(Errand::Look, interrupted())),
            Next::Later(now() + SignedDuration::from_secs(30)),
        ),
        (
            "the registry answers again",
            scene(PLAIN, failed(NotFound)).looked(just(Errand::Look, unseen(Unreachable))),
            Next::Nothing,
        ),
    ] {
        assert_eq!(scene.next(), expected, "{row}");
    }
}

// Rows "is-125", "D02", "D04": what was made is not made again for the same inputs.
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_was_made_tells_what_is_started_next() {
    let seconds = SignedDuration::from_secs;
    let made = |container, work| scene(container, failed(NotFound)).made(work);
    let cut_off = |attempt, ago| made(BUILT, ended(make(Push::IfFree), attempt, ago, interrupted()));
    let refused = |ago| Work::Refused {
        errand: make(Push::IfFree),
        attempt: 2,
        why: "quota".to_owned(),
        at: now() - ago,
    };
    let queued = Work::Queued {
        errand: make(Push::IfFree),
        attempt: 2,
        ahead: 3,
    };
    let unpushed = just(make(Push::Never), judged(vec![], false));
    for (row, scene, expected) in [
        (
            "is-125: at work",
            made(BUILT, underway(make(Push::IfFree), Step::Build)),
            Next::Nothing,
        ),
        ("waits for others", made(BUILT, queued), start(make(Push::IfFree), 2)),
        (
            "refused now",
            made(BUILT, refused(seconds(0))),
            Next::Later(now() + seconds(30)),
        ),
        (
            "refused before",
            made(BUILT, refused(seconds(30))),
            start(make(Push::IfFree), 2),
        ),
        (
            "D02",
            made(SIGNED, just(make(Push::IfFree), broken(Step::Sign))),
            Next::Nothing,
        ),
        (
            "D04",
            made(BOTH, just(make(Push::IfFree), broken(Step::Sign))),
            Next::Nothing,
        ),
        ("remembered", made(BOTH, remembered()), Next::Nothing),
        (
            "would not load",
            made(BUILT, just(make(Push::Never), judged(vec![gone()], false))),
            Next::Nothing,
        ),
        ("cut off now", cut_off(1, seconds(0)), Next::Later(now() + seconds(30))),
        ("cut off before", cut_off(1, seconds(30)), start(make(Push::IfFree), 2)),
        (
            "cut off twice",
            cut_off(2, seconds(30)),
            Next::Later(now() + seconds(30)),
        ),
        ("cut off too often", cut_off(ATTEMPTS, seconds(9_999)), Next::Nothing),
        (
            "made unpushed, and the tag is free",
            made(BUILT, unpushed.clone()),
            start(make(Push::IfFree), 1),
        ),
        (
            "made unpushed, as wanted",
            made(BUILT, unpushed.clone()).unpushed(),
            Next::Nothing,
        ),
        (
            "pushed",
            made(
                BUILT,
                ended(make(Push::IfFree), 1, seconds(9_999), judged(vec![], true)),
            ),
            Next::Nothing,
        ),
        (
            "made unpushed, and the registry still refuses",
            scene(BUILT, failed(Denied)).by(Registry).made(unpushed),
            Next::Nothing,
        ),
    ] {
        assert_eq!(scene.next(), expected, "{row}");
    }
}

#[test]
fn a_node_goes_on_looking_where_building_failed_for_somebody_may_push_the_image() {
    let hour = SignedDuration::from_hours(1);
    let scene = scene(BUILT, failed(Denied))
        .looked(ended(Errand::Look, 2, hour, unseen(Denied)))
        .made(ended(make(Push::Never), 1, hour, broken(Step::Build)));
    assert_eq!(scene.next(), start(Errand::Look, 3));
    assert_eq!(scene.verdict().status, Failure);
    let found = scene.looked(ended(Errand::Look, 3, hour, judged(vec![], false)));
    assert_eq!((found.verdict().status, found.next()), (Success, Next::Nothing));
    let forgotten = Scene {
        look: failed(Denied),
        works: Works {
            look: Work::None,
            make: remembered(),
        },
        ..found
    };
    assert_eq!(
        (forgotten.verdict().status, forgotten.next()),
        (Failure, start(Errand::Look, 1))
    );
}

// Rows "is-113", "is-114", "is-115", "D02", "D04", "D13" and "br-40".
#[expect(clippy::too_many_lines, reason = "one table")]
#[test]
fn what_the_work_came_to_is_the_verdict() {
    let made = |container, work| scene(container, failed(NotFound)).made(work);
    let none = || make(Push::Never);
    for (row, scene, status, reason) in [
        (
            "nothing yet",
            made(BUILT, Work::None),
            InProgress,
            "it would be built from ConfigMap ns1/df (which was not given, so not checked), then pushed",
        ),
        (
            "waits",
            made(
                BOTH,
                Work::Queued {
                    errand: none(),
                    attempt: 1,
                    ahead: 3,
                },
            ),
            InProgress,
            "it is to be built and signed: it waits for 3 others",
        ),
        (
            "refused",
            made(
                BUILT,
                Work::Refused {
                    errand: none(),
                    attempt: 1,
                    why: "exceeded quota: q".to_owned(),
                    at: now(),
                },
            ),
            Failure,
            "the Job in namespace ns1 could not be created: exceeded quota: q. It will be tried again",
        ),
        (
            "is-115: at work",
            made(BUILT, underway(none(), Step::Build)),
            InProgress,
            "the registry said so; building in Job ns1/job (step build)",
        ),
        (
            "does not go on",
            made(
                BUILT,
                Work::Underway {
                    job: job(),
                    errand: none(),
                    step: None,
                    since: now(),
                    hindrance: Some("no node takes its pod: 0/3 nodes are available".to_owned()),
                },
            ),
            InProgress,
            "preparing in Job ns1/job (step not started): no node takes its pod: 0/3 nodes are available",
        ),
        (
            "is-114: failed",
            made(
                BUILT,
                just(
                    none(),
                    Ended::Failed {
                        step: Some(Step::Build),
                        why: "build failed at step 4/7 (RUN make): make: *** [all] Error 2".to_owned(),
                    },
                ),
            ),
            Failure,
            "build/sign failed: build failed at step 4/7 (RUN make): make: *** [all] Error 2; Job ns1/job",
        ),
        (
            "D02",
            made(SIGNED, just(none(), broken(Step::Sign))),
            Failure,
            "sign failed: exit code 2; Job ns1/job",
        ),
        (
            "D04",
            made(BOTH, just(none(), broken(Step::Sign))),
            Failure,
            "sign failed: exit code 2; Job ns1/job",
        ),
        (
            "remembered",
            made(BUILT, remembered()),
            Failure,
            "build failed at step 4/7",
        ),
        (
            "cut off",
            made(BUILT, just(none(), interrupted())),
            InProgress,
            "attempt 1 of 3 (Job ns1/job) came to nothing: evicted. It is tried again",
        ),
        (
            "cut off too often",
            made(BUILT, ended(none(), 3, SignedDuration::ZERO, interrupted())),
            Failure,
            "3 attempts came to nothing, the last one for this: evicted; Job ns1/job",
        ),
        (
            "is-113, D13, br-40: made, not pushed",
            made(BOTH, just(none(), judged(vec![], false))).unpushed(),
            Success,
            "built and signed in Job ns1/job, not pushed: would be r.example.com/kmod:1 (sha256:111111111111…), and loads kmod",
        ),
        (
            "br-40: signed, not pushed",
            made(SIGNED, just(none(), judged(vec![], false))).unpushed(),
            Success,
            "signed in Job ns1/job, not pushed",
        ),
        (
            "made, and would not load",
            made(BUILT, just(none(), judged(vec![gone()], false))),
            Failure,
            "built in Job ns1/job, and what came of it would not load: needs `foo` [symbol-missing]",
        ),
        (
            "would not load, and the new one would neither",
            scene(BUILT, bad()).made(just(none(), judged(vec![gone()], false))),
            Failure,
            "would not load: needs `foo` [symbol-missing]. It would be replaced; built in Job ns1/job",
        ),
        (
            "somebody pushed a good one",
            scene(BUILT, good()).made(just(none(), broken(Step::Build))),
            Success,
            "verified image exists",
        ),
        (
            "a node looks",
            scene(PLAIN, failed(Denied)).looked(underway(Errand::Look, Step::Judge)),
            InProgress,
            "the registry said so; a node looks at the image in Job ns1/job",
        ),
        (
            "a node saw it",
            scene(PLAIN, failed(Denied)).looked(just(Errand::Look, judged(vec![], false))),
            Success,
            "verified image exists",
        ),
        (
            "a node did not see it either",
            scene(PLAIN, failed(Denied)).looked(just(Errand::Look, unseen(Denied))),
            Failure,
            "not accessible: the registry said so; and on a node: the node said so",
        ),
        (
            "a node could not look",
            scene(PLAIN, Look::Pending)
                .by(Runtime)
                .looked(just(Errand::Look, broken(Step::Judge))),
            Failure,
            "the image could not be judged: exit code 2",
        ),
    ] {
        let verdict = scene.verdict();
        assert_eq!(verdict.status, status, "{row}: {}", verdict.reason);
        assert!(verdict.reason.contains(reason), "{row}: {}", verdict.reason);
    }
}

#[test]
fn a_verdict_names_the_job_that_it_rests_on_and_what_is_done_there() {
    let at_work = scene(BUILT, failed(NotFound))
        .made(underway(make(Push::Never), Step::Sign))
        .verdict();
    assert_eq!(
        (at_work.job.as_deref(), at_work.doing),
        (Some("ns1/job"), Some(Step::Sign))
    );
    let done = scene(BUILT, failed(NotFound))
        .made(just(make(Push::Never), judged(vec![], false)))
        .verdict();
    assert_eq!(
        (done.job.as_deref(), done.digest, done.doing),
        (Some("ns1/job"), Some(digest("1")), None)
    );
    let seen = scene(PLAIN, failed(Denied))
        .looked(just(Errand::Look, judged(vec![], false)))
        .verdict();
    assert_eq!(seen.job.as_deref(), Some("ns1/job"));
    assert_eq!(scene(PLAIN, good()).verdict().job, None);
}

#[test]
fn after_a_push_the_operators_own_look_decides() {
    let pushed = |look, ago| {
        let work = ended(
            make(Push::IfFree),
            1,
            SignedDuration::from_mins(ago),
            judged(vec![], true),
        );
        scene(BUILT, look).made(work)
    };
    for (row, scene, status, reason) in [
        (
            "not looked at yet",
            pushed(Look::Pending, 60),
            InProgress,
            "was built and pushed in Job ns1/job, and is to be looked at",
        ),
        (
            "the look of before",
            pushed(failed(NotFound), 0),
            InProgress,
            "is to be looked at",
        ),
        (
            "the look of before, at what was replaced",
            pushed(bad(), 1),
            InProgress,
            "is to be looked at",
        ),
        ("seen", pushed(good(), 0), Success, "verified image exists"),
        (
            "gone again",
            pushed(failed(NotFound), 3),
            Failure,
            "somebody has changed it since",
        ),
        ("replaced again", pushed(bad(), 3), Failure, "would not load"),
        (
            "cannot be seen by the operator",
            pushed(failed(Denied), 0),
            Success,
            "built and pushed in Job ns1/job: r.example.com/kmod:1",
        ),
        (
            "nor is it to",
            pushed(Look::Pending, 0).by(Runtime),
            Success,
            "built and pushed in Job ns1/job",
        ),
    ] {
        let verdict = scene.verdict();
        assert_eq!(verdict.status, status, "{row}: {}", verdict.reason);
        assert!(verdict.reason.contains(reason), "{row}: {}", verdict.reason);
        assert_eq!(scene.next(), Next::Nothing, "{row}");
    }
}

#[test]
fn a_registry_that_neither_reaches_is_a_failure_after_a_bounded_time() {
    let look = || failed_since(Unreachable, UNREACHABLE_PATIENCE * 2);
    let in_vain = |attempt| ended(Errand::Look, attempt, SignedDuration::ZERO, unseen(Unreachable));
    let status = |attempt| scene(BUILT, look()).looked(in_vain(attempt)).verdict().status;
    assert_eq!([1, 2, 3].map(status), [InProgress, InProgress, Failure]);
}

#[test]
fn whoever_was_killed_finds_again_what_was_begun() {
    // Nothing is known yet but the Job: its answer is not held back until the image was looked at again.
    let scene = scene(BUILT, Look::Pending).made(just(make(Push::Never), broken(Step::Build)));
    assert_eq!((scene.verdict().status, scene.next()), (Failure, Next::Nothing));
}

#[test]
fn an_image_that_is_named_by_its_digest_cannot_be_made() {
    let container = "{containerImage: 'r/m@sha256:0000000000000000000000000000000000000000000000000000000000000000', \
                     kernelMappings: [{regexp: ., build: {dockerfileConfigMap: {name: df}}}]}";
    let scene = scene(container, failed(NotFound));
    assert_eq!((scene.verdict().status, scene.next()), (Failure, Next::Nothing));
    assert!(
        scene.verdict().reason.contains("name a tag instead"),
        "{}",
        scene.verdict().reason
    );
}

#[test]
fn a_module_may_say_by_itself_how_its_image_is_looked_at() {
    let mut annotated = module(PLAIN);
    let annotation =
        |word: &str| Some([("preflight.kmm.sigs.x-k8s.io/image-check".to_owned(), word.to_owned())].into());
    let kernel = KernelVersion::parse(KERNEL).unwrap();
    annotated.metadata.annotations = annotation("runtime");
    let subject = Subject::resolve(&annotated, &kernel);
    assert_eq!(subject.target().and_then(|target| target.look_by), Some(Runtime));
    annotated.metadata.annotations = annotation("guess");
    assert!(Subject::resolve(&annotated, &kernel).target().is_none());
}
