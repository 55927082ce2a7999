//! The command lines that Jobs have are ones that this program takes: both are written here, each in its own room.

use clap::Parser;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Container;

use super::args::{Cli, Task};
use crate::api::Module;
use crate::image::Digest;
use crate::kernel::KernelVersion;
use crate::kmod::load::{LoadedModules, SignaturePolicy};
use crate::plan::work::{BuildWith, Errand, LookBy, Order, Owner, Push, Request, Room, Workshop, order};
use crate::plan::{KnownSecret, Pods, Subject, Supplies, World};

/// A Module with everything that has a part in a command line.
fn module() -> Module {
    let tls = serde_json::json!({"insecure": true, "insecureSkipTLSVerify": true});
    let named = |name: &str| serde_json::json!({ "name": name });
    serde_json::from_value(serde_json::json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "nic", "namespace": "drivers"},
        "spec": {"selector": {}, "imageRepoSecret": named("pull"), "moduleLoader": {"container": {
            "containerImage": "r.example.com/nic:1",
            "registryTLS": tls,
            "modprobe": {"moduleName": "nic", "parameters": ["a=$(b) $$"]},
            "build": {
                "dockerfileConfigMap": named("df"), "secrets": [named("s")], "baseImageRegistryTLS": tls,
                "buildArgs": [{"name": "FLAGS", "value": "-O2 --x=\"$(y)\""}],
            },
            "sign": {"keySecret": named("k"), "certSecret": named("c"), "filesToSign": ["/opt/*.ko"]},
            "kernelMappings": [{"regexp": "."}],
        }}},
    }))
    .expect("a Module")
}

fn ordered(errand: Errand) -> Order {
    let subject = Subject::resolve(&module(), &KernelVersion::parse("6.1.0-18.x86_64").expect("a kernel"));
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
    order(&world, request).expect("an order")
}

fn workshop(build_with: BuildWith) -> Workshop {
    Workshop {
        image: "r.example.com/kmm-preflight:1".to_owned(),
        builder_image: "r.example.com/builder:1".to_owned(),
        pull_policy: "Always".to_owned(),
        build_with,
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
        trusted: vec!["MIIB+/==".to_owned()],
    }
}

/// What a container's program is given by the kubelet, which takes `$$` for `$`.
fn arguments(container: &Container) -> Vec<String> {
    let args = container.args.iter().flatten().map(|arg| arg.replace("$$", "$"));
    std::iter::once("kmm-preflight".to_owned()).chain(args).collect()
}

#[test]
fn every_command_line_of_a_job_is_one_that_this_program_takes() {
    let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).expect("a digest");
    let pushes = [Push::Never, Push::IfFree, Push::Over(digest)];
    let errands = pushes
        .map(|push| Errand::Make { push })
        .into_iter()
        .chain([Errand::Look]);
    for errand in errands {
        for build_with in [BuildWith::Job, BuildWith::OpenShift] {
            let job = ordered(errand.clone()).job(&workshop(build_with));
            let pod = job.spec.and_then(|spec| spec.template.spec).expect("a pod");
            for container in pod.init_containers.iter().flatten().chain(&pod.containers) {
                let line = arguments(container);
                let cli = Cli::try_parse_from(&line).unwrap_or_else(|why| panic!("{line:?}: {why}"));
                let is_sign = matches!(cli.task, Task::Sign(_));
                assert_eq!(
                    (is_sign, matches!(cli.task, Task::Pod(_))),
                    (container.name == "sign", !is_sign),
                    "{line:?}"
                );
            }
        }
    }
}
