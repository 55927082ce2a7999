//! Modules that are built, signed and looked at in pods before their preflights answer: real compilers, keys and registries.

use std::net::SocketAddrV4;

use serde_json::{Value, json};
use xtask::Registry;
use xtask::image::{Kept, kernels};
use xtask::node::{BUSYBOX, GATEWAY, MIRRORED};

use crate::node::keys::make_secrets;
use crate::node::killing::kill;
use crate::node::modules::{Case, NAMED, NAMESPACE, Places, dockerfiles, list};
use crate::node::release::{Release, example};
use crate::node::standing::{copy, manifest, signature};

/// How often the operator is killed while it has work done.
const KILLS: usize = 10;

#[test]
#[ignore = "takes root, minutes and a static program: cargo test --test node -- --ignored"]
fn modules_are_built_signed_and_looked_at_before_the_answer() {
    let Some(workshop) = Workshop::open() else { return };
    let before = workshop.standing();
    workshop.ask("pushed", &workshop.kernels[0], true);
    workshop.ask("tried", &workshop.kernels[1], false);
    workshop.jobs_run_on_nodes_of_the_kernels_architecture();
    workshop.every_case_has_its_answer();
    workshop.the_example_is_pushed_signed();
    workshop.without_push_nothing_is_pushed();
    assert_eq!(workshop.standing(), before, "an image that would load is not touched");
    workshop.an_expired_certificate_is_told();
    workshop.another_build_argument_is_another_build();
    workshop.nothing_is_left_at_work();
    workshop.no_status_tells_a_secret();
    workshop.an_operator_that_is_killed_again_and_again_comes_to_the_same();
}

/// A release on a node, with Modules that wait to be built, and two kernels to build for.
struct Workshop {
    release: Release,
    kernels: [String; 2],
    places: Places,
    cases: Vec<Case>,
    _others: [Registry; 2],
}

impl Workshop {
    fn open() -> Option<Self> {
        let builder = BUSYBOX.replace("base/busybox", "kmm/builder");
        // Little is asked of the machine, so that its one node takes all of it at once.
        let values = format!("jobs.builderImage={builder},jobs.keepFailed=0s,jobs.builderResources.requests.cpu=50m");
        let release = Release::install(1, &values)?;
        let kernels = oldest_and_newest();
        let read_only = Registry::start_read_only_at(SocketAddrV4::new(GATEWAY, 0)).unwrap();
        let closed = Registry::start_with_password_at(SocketAddrV4::new(GATEWAY, 0)).unwrap();
        let places = Places {
            registry: release.registry().host(),
            read_only: read_only.host(),
            closed: closed.host(),
            mirrored: MIRRORED.to_owned(),
            kernel: kernels[0].clone(),
        };
        let workshop = Self {
            release,
            kernels,
            cases: places.cases(),
            places,
            _others: [read_only, closed],
        };
        workshop.push_tools();
        workshop.make_modules();
        Some(workshop)
    }

    fn push_tools(&self) {
        let registry = self.release.registry();
        registry.push_layout(Kept::builder().unwrap().layout()).unwrap();
        for kernel in &self.kernels {
            registry.push_layout(Kept::toolkit(kernel).unwrap().layout()).unwrap();
        }
        copy(&self.image("network/legacynic:1.9"), &self.image("drivers/replaced:1"));
    }

    fn make_modules(&self) {
        self.release.kubectl(&format!("create namespace {NAMESPACE}"));
        make_secrets(&self.release, NAMESPACE);
        self.apply(&dockerfiles(BUSYBOX, &self.image("storage/fastblk:2.4")));
        self.release
            .apply(&self.release.here(&example("build/module.yaml")))
            .unwrap();
        self.apply(&list(&self.cases));
    }

    fn apply(&self, objects: &Value) {
        self.release.apply(&objects.to_string()).unwrap();
    }

    fn ask(&self, name: &str, kernel: &str, push: bool) {
        let toolkit = self.image(&format!("dtk/driver-toolkit:{}", kernel.replace('+', "_")));
        let spec = json!({ "kernelVersion": kernel, "dtkImage": toolkit, "pushBuiltImage": push });
        let (version, kind) = ("kmm.sigs.x-k8s.io/v1beta2", "PreflightValidationOCP");
        self.apply(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": spec }));
    }

    fn image(&self, path: &str) -> String {
        format!("{}/{path}", self.release.registry().host())
    }

    /// The example's image for this kernel.
    fn heartbeat(&self, kernel: &str) -> String {
        self.image(&format!("drivers/heartbeat:{}", kernel.replace('+', "_")))
    }

    /// The row of a Module: its verdict, and why.
    fn row(&self, preflight: &str, module: &str) -> (String, String) {
        let field = |name: &str| {
            let row = format!("{{.status.modules[?(@.name=='{module}')].{name}}}");
            self.release
                .kubectl(&format!("get preflightvalidationocp {preflight} -o=jsonpath={row}"))
        };
        (field("verificationStatus"), field("statusReason"))
    }

    fn wait_for(&self, preflight: &str) {
        self.release.kubectl(&format!(
            "wait --for=condition=Complete preflightvalidationocp/{preflight} --timeout=12m"
        ));
    }

    /// What stands under a tag from the beginning, and would load.
    fn standing(&self) -> Option<Value> {
        manifest(&self.image("storage/fastblk:2.4"))
    }

    fn every_case_has_its_answer(&self) {
        self.wait_for("pushed");
        let complaints: Vec<_> = self.cases.iter().filter_map(|case| self.complaint(case)).collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    fn complaint(&self, case: &Case) -> Option<String> {
        let (verdict, reason) = self.row("pushed", case.name);
        let absent: Vec<_> = case.words.iter().filter(|&&word| !reason.contains(word)).collect();
        let is_as_it_should = verdict == case.verdict && absent.is_empty();
        let (name, row, expected) = (case.name, case.row, case.verdict);
        (!is_as_it_should)
            .then(|| format!("{name} {row}: {expected} with {absent:?} expected, but {verdict}: {reason}"))
    }

    /// "D19"
    fn jobs_run_on_nodes_of_the_kernels_architecture(&self) {
        let selector = "{.items[*].spec.template.spec.nodeSelector['kubernetes\\.io/arch']}";
        self.release.eventually("a Job is there", |release| {
            let found = release.kubectl(&format!("get jobs -n {NAMESPACE} -o=jsonpath={selector}"));
            let is_amd64 = !found.is_empty() && found.split(' ').all(|one| one == "amd64");
            is_amd64.then_some(()).ok_or(found)
        });
    }

    /// The kernel does not mind; who signs should.
    fn an_expired_certificate_is_told(&self) {
        self.release.eventually("an Event tells of it", |release| {
            let told = release.kubectl(&format!("get events -n {NAMESPACE}"));
            told.contains("has expired").then_some(()).ok_or(told)
        });
    }

    /// "D24": the Dockerfile is the same.
    fn another_build_argument_is_another_build(&self) {
        self.apply(&self.places.named_with("second"));
        self.release.eventually("it is built again", |_| {
            let (_, reason) = self.row("pushed", NAMED);
            reason
                .contains("built for named in drivers, second")
                .then_some(())
                .ok_or(reason)
        });
    }

    /// "D12" and "D13": built and signed at once, with and without a push.
    fn the_example_is_pushed_signed(&self) {
        let kernel = &self.kernels[0];
        let (verdict, reason) = self.row("pushed", "heartbeat");
        assert_eq!(verdict, "Success", "{reason}");
        let module = format!("opt/lib/modules/{kernel}/heartbeat.ko");
        assert_eq!(signature(&self.heartbeat(kernel), &module), "PKCS#7");
        let module = format!("opt/lib/modules/{kernel}/fastblk.ko");
        for name in ["signed-only", "replaced"] {
            let image = self.image(&format!("drivers/{name}:1"));
            assert_eq!(signature(&image, &module), "PKCS#7", "{name}");
        }
    }

    fn without_push_nothing_is_pushed(&self) {
        self.wait_for("tried");
        let (verdict, reason) = self.row("tried", "heartbeat");
        assert_eq!(verdict, "Success", "{reason}");
        let image = self.heartbeat(&self.kernels[1]);
        assert!(reason.contains(&format!("not pushed: would be {image}")), "{reason}");
        assert_eq!(manifest(&image), None);
        for case in self.cases.iter().filter(|case| case.verdict == "Failure") {
            let image = self.image(&format!("drivers/{}:1", case.name));
            assert_eq!(manifest(&image), None, "{image} was judged bad");
        }
    }

    fn nothing_is_left_at_work(&self) {
        self.release.eventually("no Job and no pod is left", |release| {
            let left = release.kubectl(&format!("get jobs,pods -n {NAMESPACE} -o=name"));
            left.is_empty().then_some(()).ok_or(left)
        });
    }

    fn no_status_tells_a_secret(&self) {
        let told = self.release.kubectl("get preflightvalidationsocp -o=yaml");
        assert!(!told.contains("PRIVATE KEY"), "{told}");
    }

    fn an_operator_that_is_killed_again_and_again_comes_to_the_same(&self) {
        let expected = self.answers("tried");
        self.ask("killed", &self.kernels[1], false);
        kill(&self.release, KILLS);
        self.wait_for("killed");
        assert_eq!(self.answers("killed"), expected);
        self.nothing_is_left_at_work();
    }

    /// What a preflight answered, less what is another for every run: Jobs, and digests of what is built.
    fn answers(&self, preflight: &str) -> Vec<[String; 3]> {
        let text = self
            .release
            .kubectl(&format!("get preflightvalidationocp {preflight} -o=json"));
        let object: Value = serde_json::from_str(&text).unwrap();
        let rows = object["status"]["modules"].as_array().unwrap().iter();
        rows.map(|row| {
            let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let reason: Vec<_> = field("statusReason")
                .split(' ')
                .filter(|word| !is_of_one_run(word))
                .map(str::to_owned)
                .collect();
            [field("name"), field("verificationStatus"), reason.join(" ")]
        })
        .collect()
    }
}

fn is_of_one_run(word: &str) -> bool {
    word.contains("kmm-preflight-") || word.contains("sha256:")
}

/// Two of the kernels of which there are toolkits to be had.
fn oldest_and_newest() -> [String; 2] {
    let known = kernels().unwrap();
    let of_the_example = "6.1.0-50-cloud-amd64".to_owned();
    assert!(known.contains(&of_the_example), "{known:?}");
    [of_the_example, known.last().unwrap().clone()]
}
