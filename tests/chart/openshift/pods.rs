//! The pods of Jobs, the operator's own, and others that the constraint for builds must not admit.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use kmm_preflight::api::Module;
use kmm_preflight::kernel::KernelVersion;
use kmm_preflight::kmod::load::{LoadedModules, SignaturePolicy};
use kmm_preflight::plan::work::{BuildWith, Errand, LookBy, Owner, Push, Request, Room, Workshop, order};
use kmm_preflight::plan::{KnownSecret, Pods, Subject, Supplies, World};
use serde_json::{Value, json};

use crate::chart::helm::rendered;
use crate::chart::settings::EVERY_WAY;

/// Pod templates by their names.
pub(super) type Templates = BTreeMap<String, Value>;

pub(super) const BUILT_AND_SIGNED: &str = "built and signed";
pub(super) const BUILT_ELSEWHERE: &str = "built by OpenShift";
pub(super) const SIGNED: &str = "signed";
pub(super) const LOOKED_AT: &str = "looked at";
/// The settings under which they are made.
pub(super) const PRIVILEGED: &str = ", privileged";
pub(super) const IN_NAMESPACE: &str = ", in a user namespace";
pub(super) const ASSIGNED: &str = ", users assigned";

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
pub(super) fn of_jobs() -> Templates {
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

/// The operator's own pods, under every set of values; nothing where there is no helm.
pub(super) fn of_the_chart() -> Option<Templates> {
    let ways = EVERY_WAY.iter().map(|(name, values)| {
        let template = rendered(values)?.the("Deployment")["spec"]["template"].clone();
        Some((format!("operator, {name}"), template))
    });
    ways.collect()
}

/// What a pod could want that no Job of ours does. The constraint for builds must not be a way to it.
pub(super) fn of_others() -> Templates {
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

/// The containers of a pod template.
pub(super) fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| template["spec"][field].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}
