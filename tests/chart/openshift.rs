//! What OpenShift admits: the chart's pods and those of Jobs, by the answers of its own admission plugin, which
//! `tests/fixtures/openshift_scc` holds with the program that asked for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::SignedDuration;
use kmm_preflight::api::Module;
use kmm_preflight::kernel::KernelVersion;
use kmm_preflight::kmod::load::{LoadedModules, SignaturePolicy};
use kmm_preflight::plan::work::{BuildWith, Errand, LookBy, Owner, Push, Request, Room, Workshop, order};
use kmm_preflight::plan::{KnownSecret, Pods, Subject, Supplies, World};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chart::helm::rendered;
use crate::chart::settings::EVERY_WAY;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/openshift_scc");
/// The constraint for builds that the documentation gives.
const OURS: &str = include_str!("../../examples/openshift/build-constraint.yaml");
/// Its name.
const FOR_BUILDS: &str = "kmm-preflight-build";
const ASKED: &str = include_str!("../fixtures/openshift_scc/pods.json");
const ANSWERED: &str = include_str!("../fixtures/openshift_scc/table.json");

/// Pod templates by their names.
type Templates = BTreeMap<String, Value>;

/// All answers, and about what.
#[derive(Deserialize)]
struct Answers {
    about: String,
    undecided: BTreeMap<String, Vec<String>>,
    pods: BTreeMap<String, Verdicts>,
}

/// About one pod: what each constraint makes of it, and which it gets where its account may use that one and `restricted-v2`.
#[derive(Deserialize)]
struct Verdicts {
    of: BTreeMap<String, Verdict>,
    chosen: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Verdict {
    admitted: bool,
    #[serde(default)]
    because: String,
    #[serde(default)]
    adds: BTreeMap<String, Value>,
}

static ANSWERS: LazyLock<Answers> = LazyLock::new(|| serde_json::from_str(ANSWERED).expect("the answers"));

fn about(pod: &str) -> &'static Verdicts {
    ANSWERS
        .pods
        .get(pod)
        .unwrap_or_else(|| panic!("OpenShift was not asked about {pod:?}"))
}

/// The constraints that admit a pod.
fn admitting(pod: &str) -> Vec<&'static str> {
    let of = &about(pod).of;
    of.iter()
        .filter(|(_, verdict)| verdict.admitted)
        .map(|(name, _)| name.as_str())
        .collect()
}

const BUILT_AND_SIGNED: &str = "built and signed";
const BUILT_ELSEWHERE: &str = "built by OpenShift";
const SIGNED: &str = "signed";
const LOOKED_AT: &str = "looked at";
/// The settings under which they are made.
const PRIVILEGED: &str = ", privileged";
const IN_NAMESPACE: &str = ", in a user namespace";
const ASSIGNED: &str = ", users assigned";

/// A Module with this container section.
fn module(sections: &Value) -> Module {
    let mut container = json!({"containerImage": "r.example.com/nic:1", "modprobe": {"moduleName": "nic"}, "kernelMappings": [{"regexp": "."}]});
    let fields = container.as_object_mut().expect("an object");
    fields.extend(sections.as_object().expect("an object").clone());
    serde_json::from_value(json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "nic", "namespace": "drivers"},
        "spec": {"selector": {}, "imageRepoSecret": {"name": "pull"}, "moduleLoader": {"container": container}},
    }))
    .expect("a Module")
}

fn workshop() -> Workshop {
    Workshop {
        image: "r.example.com/kmm-preflight:1".to_owned(),
        builder_image: "r.example.com/builder:1".to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        build_with: BuildWith::Job,
        look_by: LookBy::Auto,
        at_once: 1,
        deadline: SignedDuration::from_hours(1),
        keep_failed: SignedDuration::ZERO,
        service_account: None,
        privileged: false,
        user_namespaces: false,
        assigned_users: false,
        room: Room::default(),
        environment: Vec::new(),
        trusted: Vec::new(),
    }
}

/// The pod template of the Job that does this errand for a Module with these sections.
fn of_job(sections: &Value, errand: Errand, workshop: &Workshop) -> Value {
    let subject = Subject::resolve(
        &module(sections),
        &KernelVersion::parse("6.1.0-18.x86_64").expect("a kernel"),
    );
    let in_namespace = |name: &str| ("drivers".to_owned(), name.to_owned());
    let exists = KnownSecret::Exists {
        version: "1".to_owned(),
    };
    let supplies = Supplies {
        dockerfiles: [(in_namespace("df"), Some("FROM ${DTK_AUTO}".to_owned()))].into(),
        secrets: ["s", "k", "c", "pull"]
            .map(|name| (in_namespace(name), exists.clone()))
            .into(),
        ..Supplies::default()
    };
    let world = World {
        subjects: &[],
        supplies: &supplies,
        toolkit_image: Some("r.example.com/dtk:1"),
        push_built_image: true,
        pods: Pods::None,
    };
    let request = Request {
        owner: &Owner {
            name: "el9".to_owned(),
            uid: "1a2b".to_owned(),
        },
        target: subject.target().expect("a target"),
        errand,
        attempt: 1,
        architecture: None,
        signatures: SignaturePolicy::default(),
        loaded: LoadedModules::default(),
    };
    let job = order(&world, request).expect("an order").job(workshop);
    serde_json::to_value(job.spec.expect("a spec").template).expect("JSON")
}

/// The pods of Jobs of every kind, under every setting that changes what they may do.
fn of_jobs() -> Templates {
    let build = json!({"dockerfileConfigMap": {"name": "df"}, "secrets": [{"name": "s"}]});
    let sign = json!({"keySecret": {"name": "k"}, "certSecret": {"name": "c"}, "filesToSign": ["/opt/*.ko"]});
    let unsigned =
        json!({"keySecret": {"name": "k"}, "certSecret": {"name": "c"}, "unsignedImage": "r.example.com/unsigned:1"});
    let make = || Errand::Make { push: Push::IfFree };
    let kinds = [
        (
            BUILT_AND_SIGNED,
            json!({"build": build, "sign": sign}),
            make(),
            BuildWith::Job,
        ),
        (BUILT_ELSEWHERE, json!({"build": build}), make(), BuildWith::OpenShift),
        (SIGNED, json!({"sign": unsigned}), make(), BuildWith::Job),
        (LOOKED_AT, json!({}), Errand::Look, BuildWith::Job),
    ];
    let mut templates = Templates::new();
    for (kind, sections, errand, build_with) in kinds {
        for (setting, privileged, user_namespaces) in [
            ("", false, false),
            (PRIVILEGED, true, false),
            (IN_NAMESPACE, false, true),
        ] {
            for (users, assigned_users) in [("", false), (ASSIGNED, true)] {
                let workshop = Workshop {
                    build_with,
                    privileged,
                    user_namespaces,
                    assigned_users,
                    ..workshop()
                };
                let template = of_job(&sections, errand.clone(), &workshop);
                templates.insert(format!("{kind}{setting}{users}"), template);
            }
        }
    }
    templates
}

/// What of a pod and of a container a constraint looks at. The rest (images, arguments, resources) may change without a new question.
const OF_PODS: [&str; 7] = [
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "securityContext",
    "volumes",
];
const OF_CONTAINERS: [&str; 3] = ["name", "ports", "securityContext"];

/// The questions about these pods, each once, under its shortest name.
fn questions(pods: Templates) -> Templates {
    let mut all: Vec<_> = pods.into_iter().collect();
    all.sort_by_key(|(name, _)| name.len());
    let mut once = Templates::new();
    for (name, template) in all {
        let question = question(&template);
        if !once.values().any(|known| *known == question) {
            once.insert(name, question);
        }
    }
    once
}

fn question(template: &Value) -> Value {
    let kept = |object: &Value, fields: &[&str]| -> Map<String, Value> {
        let fields = fields
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), object.get(field)?.clone())));
        fields.collect()
    };
    let mut spec = kept(&template["spec"], &OF_PODS);
    for kind in ["initContainers", "containers"] {
        let containers = template["spec"][kind].as_array().into_iter().flatten();
        let containers: Vec<_> = containers.map(|container| kept(container, &OF_CONTAINERS)).collect();
        spec.insert(kind.to_owned(), json!(containers));
    }
    let required = template["metadata"]["annotations"].get("openshift.io/required-scc");
    let annotations = required.map(|constraint| json!({ "openshift.io/required-scc": constraint }));
    json!({"metadata": {"annotations": annotations}, "spec": spec})
}

/// The operator's own pods, under every set of values; nothing where there is no helm.
fn of_the_chart() -> Option<Templates> {
    let ways = EVERY_WAY.iter().map(|(name, values)| {
        let template = rendered(values)?.the("Deployment")["spec"]["template"].clone();
        Some((format!("operator, {name}"), template))
    });
    ways.collect()
}

/// What a pod could want that no Job of ours does. The constraint for builds must not be a way to it.
fn of_others() -> Templates {
    let container = |security: Value| json!({"name": "c", "image": "i", "securityContext": security});
    let least = || json!({"runAsUser": 0, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let with = |field: &str, value: Value| {
        let mut security = least();
        security[field] = value;
        json!({"spec": {"automountServiceAccountToken": false, "containers": [container(security)]}})
    };
    let pod = |field: &str, value: Value| {
        let mut spec = json!({"automountServiceAccountToken": false, "containers": [container(least())]});
        spec[field] = value;
        json!({ "spec": spec })
    };
    let added = |capability: &str| with("capabilities", json!({"drop": ["ALL"], "add": [capability]}));
    let host_path = json!([{"name": "v", "hostPath": {"path": "/"}}]);
    let host_port = json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}], "securityContext": least()}]);
    let others = [
        (
            "privileged",
            json!({"spec": {"containers": [container(json!({"privileged": true}))]}}),
        ),
        ("escalating", with("allowPrivilegeEscalation", json!(true))),
        ("with SYS_ADMIN", added("SYS_ADMIN")),
        ("with NET_RAW", added("NET_RAW")),
        (
            "with nothing asked for",
            json!({"spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}}),
        ),
        ("with the runtime's capabilities", with("capabilities", json!({}))),
        ("on a host path", pod("volumes", host_path)),
        (
            "on a claim",
            pod(
                "volumes",
                json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]),
            ),
        ),
        ("in the host's network", pod("hostNetwork", json!(true))),
        ("on a host port", pod("containers", host_port)),
        ("among the host's processes", pod("hostPID", json!(true))),
        ("in the host's IPC", pod("hostIPC", json!(true))),
        (
            "of another SELinux type",
            with("seLinuxOptions", json!({"type": "spc_t"})),
        ),
        ("with a token", json!({"spec": {"containers": [container(least())]}})),
    ];
    others
        .map(|(name, template)| (format!("somebody's, {name}"), template))
        .into()
}

/// One pod a line.
fn written(templates: &Templates) -> String {
    let lines: Vec<_> = templates
        .iter()
        .map(|(name, template)| format!("{}: {template}", json!(name)))
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// What the program says that it was asked about.
fn fingerprint() -> String {
    let asked = [ASKED, OURS].concat();
    digest(&SHA256, asked.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn openshift_was_asked_about_the_pods_that_are_made_today() {
    let Some(of_the_chart) = of_the_chart() else { return };
    let pods = [of_jobs(), of_the_chart, of_others()];
    let text = written(&questions(pods.into_iter().flatten().collect()));
    if text != ASKED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openshift_pods.json");
        std::fs::write(&path, text).expect("a file in target");
        panic!(
            "the pods have changed: put {} in place of pods.json, and have {FOLDER} ask anew",
            path.display()
        );
    }
    assert_eq!(
        ANSWERS.about,
        fingerprint(),
        "pods.json or the constraint for builds has changed: have {FOLDER} ask anew"
    );
}

#[test]
fn where_openshift_assigns_users_a_job_that_builds_nothing_needs_what_every_account_may_use() {
    for kind in [BUILT_ELSEWHERE, SIGNED, LOOKED_AT] {
        let pod = format!("{kind}{ASSIGNED}");
        let chosen = &about(&pod).chosen;
        assert!(
            chosen.values().all(|constraint| constraint == "restricted-v2"),
            "{pod}, whatever else its account may use: {chosen:?}"
        );
        let adds = &about(&pod).of["restricted-v2"].adds;
        for container in containers(&of_jobs()[&pod]) {
            let user = &adds[&format!("{}.runAsUser", container["name"].as_str().expect("a name"))];
            assert_eq!(user, 1_000_650_000, "{pod}: the first of the namespace's own");
        }
    }
}

#[test]
fn elsewhere_its_fixed_user_takes_nonroot_v2() {
    for kind in [BUILT_ELSEWHERE, SIGNED, LOOKED_AT] {
        assert_eq!(
            admitting(kind),
            [
                FOR_BUILDS,
                "nested-container",
                "nonroot-v2",
                "privileged",
                "restricted-v3"
            ],
            "{kind}"
        );
        let because = &about(kind).of["restricted-v2"].because;
        assert!(because.contains("runAsUser: Invalid value: 65532"), "{kind}: {because}");
    }
}

#[test]
fn in_a_user_namespace_it_keeps_to_what_restricted_v3_asks_for() {
    let undecided = &ANSWERS.undecided["restricted-v3"];
    assert_eq!(
        undecided,
        &["runAsGroup", "userNamespaceLevel"],
        "what the plugin's version does not decide"
    );
    let jobs = of_jobs();
    for kind in [BUILT_ELSEWHERE, SIGNED] {
        let pod = &jobs[&format!("{kind}{IN_NAMESPACE}")];
        assert_eq!(
            pod,
            &jobs[&format!("{kind}{IN_NAMESPACE}{ASSIGNED}")],
            "its user is its own"
        );
        assert!(
            about(&format!("{kind}{IN_NAMESPACE}")).of["restricted-v3"].admitted,
            "{kind}"
        );
        assert_eq!(pod["spec"]["hostUsers"], false, "{kind}: userNamespaceLevel");
        for container in containers(pod) {
            let group = container["securityContext"]["runAsGroup"].as_i64();
            assert!(
                group.is_some_and(|group| (1000..=65534).contains(&group)),
                "{kind}: runAsGroup"
            );
        }
    }
}

#[test]
fn a_build_needs_the_constraint_that_the_documentation_gives_or_the_privileged_one() {
    for setting in ["", IN_NAMESPACE] {
        let pod = format!("{BUILT_AND_SIGNED}{setting}");
        assert_eq!(admitting(&pod), [FOR_BUILDS, "privileged"], "{pod}");
        let verdicts = about(&pod);
        assert_eq!(verdicts.chosen[FOR_BUILDS], FOR_BUILDS, "{pod}");
        let adds: Vec<_> = verdicts.of[FOR_BUILDS].adds.keys().collect();
        assert_eq!(
            adds,
            ["pod.seLinuxOptions.level"],
            "{pod}: no seccomp profile, no group"
        );
    }
    assert_eq!(admitting(&format!("{BUILT_AND_SIGNED}{PRIVILEGED}")), ["privileged"]);
    let jobs = of_jobs();
    for setting in ["", PRIVILEGED, IN_NAMESPACE] {
        let pod = format!("{BUILT_AND_SIGNED}{setting}");
        assert_eq!(
            jobs[&pod],
            jobs[&format!("{pod}{ASSIGNED}")],
            "{pod}: its users are its own"
        );
    }
}

#[test]
fn the_constraint_for_builds_is_no_way_to_anything_else() {
    let mut narrowed = Vec::new();
    for pod in of_others().into_keys() {
        let verdict = &about(&pod).of[FOR_BUILDS];
        if verdict.admitted {
            let drops = verdict.adds.get("c.capabilities.drop");
            assert_eq!(drops, Some(&json!(["ALL"])), "{pod} is admitted as it is");
            narrowed.push(pod);
        }
    }
    let unasking = "somebody's, with nothing asked for";
    assert_eq!(narrowed, [unasking, "somebody's, with the runtime's capabilities"]);
    assert_eq!(about(unasking).chosen[FOR_BUILDS], FOR_BUILDS, "before `restricted-v2`");
}

#[test]
fn the_constraint_for_builds_allows_what_builds_use_and_has_every_field_that_its_definition_requires() {
    let ours: Value = serde_saphyr::from_str(OURS).expect("YAML");
    let jobs = of_jobs();
    let pod = &jobs[BUILT_AND_SIGNED];
    let build = containers(pod)
        .find(|container| container["name"] == "build")
        .expect("a builder");
    assert_eq!(
        ours["allowedCapabilities"],
        build["securityContext"]["capabilities"]["add"]
    );
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    let kinds: BTreeSet<_> = volumes
        .iter()
        .flat_map(|volume| volume.as_object().expect("a volume").keys())
        .collect();
    let kinds: Vec<_> = kinds.into_iter().filter(|key| *key != "name").collect();
    assert_eq!(json!(kinds), ours["volumes"]);
    // github.com/openshift/api security/v1: securitycontextconstraints.crd.yaml, `required`.
    for field in [
        "allowHostDirVolumePlugin",
        "allowHostIPC",
        "allowHostNetwork",
        "allowHostPID",
        "allowHostPorts",
        "allowPrivilegedContainer",
        "allowedCapabilities",
        "defaultAddCapabilities",
        "priority",
        "readOnlyRootFilesystem",
        "requiredDropCapabilities",
        "volumes",
    ] {
        assert!(ours.get(field).is_some(), "{field}");
    }
    let guide = include_str!("../../docs/building.md");
    assert!(
        guide.contains("examples/openshift/build-constraint.yaml"),
        "the guide gives it"
    );
}

#[test]
fn the_operators_pods_need_what_every_account_may_use_unless_somebody_gives_them_a_user() {
    let operators = ANSWERS.pods.iter().filter(|(pod, _)| pod.starts_with("operator, "));
    let (given, not_given): (Vec<_>, Vec<_>) = operators.partition(|(pod, _)| pod.ends_with("everything set"));
    assert_eq!((given.len(), not_given.is_empty()), (1, false));
    for (pod, verdicts) in not_given {
        assert_eq!(verdicts.chosen["restricted-v2"], "restricted-v2", "{pod}");
    }
    for (pod, verdicts) in given {
        assert_eq!(verdicts.chosen["restricted-v2"], "", "{pod}");
        assert_eq!(verdicts.chosen["nonroot-v2"], "nonroot-v2", "{pod}");
    }
}

/// The containers of a pod template.
fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| template["spec"][field].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}

/// In `tests/fixtures/openshift_scc`: `go run . ../../../examples/openshift/build-constraint.yaml < pods.json > table.json`.
#[test]
#[ignore = "compiles OpenShift's admission plugin with Go, for minutes"]
fn openshift_answers_today_what_it_answered() {
    let output = Command::new("go")
        .args(["run", ".", "../../../examples/openshift/build-constraint.yaml"])
        .current_dir(FOLDER)
        .stdin(Stdio::from(
            std::fs::File::open(Path::new(FOLDER).join("pods.json")).expect("pods.json"),
        ))
        .stderr(Stdio::inherit())
        .output()
        .expect("Go in the PATH");
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), ANSWERED);
}
