//! The Job of an order, field by field.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};

use super::{BOTH, BUILT, PLAIN, SIGNED, TOOLKIT, make, ordered, pulled, request, supplies, world};
use crate::image::Digest;
use crate::kernel::{Architecture, KernelVersion};
use crate::plan::tests::{owner, workshop};
use crate::plan::work::{BuildWith, Errand, Order, Push, Workshop, order};
use crate::plan::{Subject, Target};

fn pod(job: &Job) -> &PodSpec {
    job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap()
}

fn containers(job: &Job) -> Vec<&Container> {
    let pod = pod(job);
    pod.init_containers.iter().flatten().chain(&pod.containers).collect()
}

fn container<'a>(job: &'a Job, name: &str) -> &'a Container {
    containers(job)
        .into_iter()
        .find(|container| container.name == name)
        .unwrap()
}

fn args(job: &Job, name: &str) -> String {
    container(job, name).args.clone().unwrap_or_default().join(" ")
}

fn names(job: &Job) -> Vec<&str> {
    containers(job)
        .into_iter()
        .map(|container| container.name.as_str())
        .collect()
}

/// Which containers see a volume, and whether they may write it.
fn seen_by<'a>(job: &'a Job, volume: &str) -> Vec<(&'a str, bool)> {
    let sees = |container: &&'a Container| {
        let mount = container
            .volume_mounts
            .iter()
            .flatten()
            .find(|mount| mount.name == volume)?;
        Some((container.name.as_str(), mount.read_only != Some(true)))
    };
    containers(job).iter().filter_map(sees).collect()
}

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap()
}

fn toolkitless(container: &str, errand: Errand) -> Order {
    let (mut supplies, target) = (supplies("1"), pulled(container));
    let dockerfile = Some("FROM scratch".to_owned());
    supplies.dockerfiles = [(("ns1".to_owned(), "df".to_owned()), dockerfile)].into();
    order(&world(&supplies, None), request(&owner(), &target, errand)).unwrap()
}

// Rows "D13" and "br-41": upstream cannot build and sign without a push.
#[test]
fn a_job_has_a_container_for_each_step() {
    for (row, order, expected) in [
        (
            "D13, br-41",
            ordered(BOTH, make(Push::Never)),
            &["place", "toolkit", "build", "sign", "judge"][..],
        ),
        (
            "built",
            toolkitless(BUILT, make(Push::Never)),
            &["place", "build", "judge"],
        ),
        ("signed", toolkitless(SIGNED, make(Push::Never)), &["sign", "judge"]),
        (
            "signed, with a toolkit",
            ordered(SIGNED, make(Push::Never)),
            &["place", "toolkit", "sign", "judge"],
        ),
        (
            "looked at",
            ordered(PLAIN, Errand::Look),
            &["place", "toolkit", "judge"],
        ),
        (
            "looked at, never made",
            toolkitless(BOTH, Errand::Look),
            &["place", "judge"],
        ),
    ] {
        let job = order.job(&workshop());
        assert_eq!(names(&job), expected, "{row}");
        assert_eq!(pod(&job).containers.len(), 1, "{row}");
    }
}

#[test]
fn a_key_is_seen_by_the_step_that_signs_alone_and_what_foreign_images_write_is_read_only_after_them() {
    let job = ordered(BOTH, make(Push::IfFree)).job(&workshop());
    for (volume, expected) in [
        ("key", &[("sign", false)][..]),
        ("cert", &[("sign", false)]),
        ("bin", &[("place", true), ("toolkit", false), ("build", false)]),
        ("facts", &[("toolkit", true), ("judge", false)]),
        ("built", &[("build", true), ("sign", false)]),
        ("signed", &[("sign", true), ("judge", false)]),
        ("recipe", &[("build", false)]),
        ("secret-0", &[("build", false)]),
        ("auth", &[("build", false), ("sign", false), ("judge", false)]),
        ("storage", &[("build", true)]),
        ("sign-tmp", &[("sign", true)]),
        ("judge-tmp", &[("judge", true)]),
    ] {
        assert_eq!(seen_by(&job, volume), expected, "{volume}");
    }
    let volumes = pod(&job).volumes.as_deref().unwrap();
    assert!(
        volumes.iter().all(|volume| !seen_by(&job, &volume.name).is_empty()),
        "every volume is used"
    );
    let sign = container(&job, "sign");
    assert_eq!(
        (sign.image.as_deref(), &sign.command),
        (Some("r.example.com/kmm-preflight:1"), &None),
        "our own program"
    );
    assert_eq!(sign.termination_message_policy, None, "what it prints stays in the pod");
}

#[test]
fn no_volume_is_without_a_bound_and_none_is_the_hosts() {
    let job = ordered(BOTH, make(Push::IfFree)).job(&workshop());
    let kind = |volume: &Volume| match volume {
        Volume {
            empty_dir: Some(folder),
            ..
        } => folder.size_limit.is_some(),
        Volume { secret: Some(_), .. }
        | Volume {
            config_map: Some(_), ..
        } => true,
        _ => false,
    };
    assert!(pod(&job).volumes.iter().flatten().all(kind), "{job:?}");
    // A pod that waits for a Secret says nothing; a step that misses one does.
    let optional = |name: &str| {
        let volumes = pod(&job).volumes.as_deref().unwrap();
        let volume = volumes.iter().find(|volume| volume.name == name).unwrap();
        volume.secret.as_ref().and_then(|secret| secret.optional)
    };
    assert_eq!(["key", "cert", "auth"].map(optional), [Some(true); 3]);
    assert_eq!(
        optional("secret-0"),
        Some(false),
        "what a build sees is what KMM's build sees"
    );
}

// Rows "br-10" and "br-11": what is signed.
#[test]
fn each_step_is_told_what_to_do() {
    let job = ordered(BOTH, make(Push::Over(digest()))).job(&workshop());
    let kernel = "5.14.0-427.el9.x86_64";
    assert_eq!(args(&job, "place"), "pod place --to /preflight/bin/kmm-preflight");
    assert_eq!(
        args(&job, "toolkit"),
        format!("pod toolkit --kernel {kernel} --image {TOOLKIT} --to /preflight/facts/toolkit --timeout=3570s")
    );
    let hash = "DIGEST";
    let build = args(&job, "build");
    let (before, after) = build.split_once("sha256:").unwrap();
    let build = format!("{before}{hash}{}", after.get(64..).unwrap());
    assert_eq!(
        build,
        format!(
            "pod build --dockerfile /preflight/recipe/dockerfile --dockerfile-digest=DIGEST --build-arg=A=$$(B) $$$$ \
             --build-arg=DTK_AUTO={TOOLKIT} --build-arg=KERNEL_FULL_VERSION={kernel} --build-arg=KERNEL_VERSION={kernel} \
             --build-arg=MOD_NAME=kmod --build-arg=MOD_NAMESPACE=ns1 --secret-dir=/preflight/secrets/s \
             --architecture=amd64 --timeout=3570s --authfile=/preflight/auth/config.json --skip-tls-verify \
             --to /preflight/work/built"
        ),
        "D07, and what the kubelet would expand is kept from it"
    );
    let keys = "sign --key /preflight/key/key --cert /preflight/cert/cert";
    let told = "--dir-name=/opt --architecture=amd64 --testimony=/dev/termination-log";
    assert_eq!(
        args(&job, "sign"),
        format!(
            "{keys} --file=/opt/lib/modules/{kernel}/*.ko {told} oci:/preflight/work/built oci:/preflight/work/signed"
        ),
        "br-10"
    );
    let (judge, rest) = (
        args(&job, "judge"),
        "--timeout=3570s --toolkit=/preflight/facts/toolkit",
    );
    assert!(judge.starts_with("pod judge --brief={\"load\":"), "{judge}");
    assert!(
        judge.ends_with(&format!(
            "{rest} --image=oci:/preflight/work/signed --push=r.example.com/kmod:1 \
             --push-authfile=/preflight/auth/config.json --push-insecure --replaces={}",
            digest()
        )),
        "{judge}"
    );
    let signed = ordered(SIGNED, make(Push::Never)).job(&workshop());
    assert_eq!(
        args(&signed, "sign"),
        format!(
            "{keys} {told} --as-sign-file --authfile=/preflight/auth/config.json --insecure r.example.com/unsigned:1 \
             oci:/preflight/work/signed"
        ),
        "br-11"
    );
    let look = ordered(PLAIN, Errand::Look).job(&workshop());
    let judge = args(&look, "judge");
    assert!(
        judge.ends_with("--timeout=870s --toolkit=/preflight/facts/toolkit --root /"),
        "{judge}"
    );
}

// Row "D12": upstream pushes what is not signed yet to the final tag.
#[test]
fn nobody_but_the_judge_is_told_the_final_tag_and_he_only_where_it_is_pushed() {
    let is_told = |container: &&Container| {
        let args = container.args.as_deref().unwrap_or_default();
        args.iter().any(|arg| arg.starts_with("--push"))
    };
    for (push, pushes) in [(Push::Never, false), (Push::IfFree, true), (Push::Over(digest()), true)] {
        let order = ordered(BOTH, make(push));
        for workshop in [workshop(), openshift()] {
            let job = order.job(&workshop);
            let told: Vec<&str> = containers(&job)
                .into_iter()
                .filter(|one| is_told(one))
                .map(|one| one.name.as_str())
                .collect();
            assert_eq!(told, if pushes { &["judge"][..] } else { &[] });
            let replaces = args(&job, "judge").contains("--replaces=");
            assert_eq!(replaces, matches!(order.errand, Errand::Make { push: Push::Over(_) }));
        }
    }
}

fn openshift() -> Workshop {
    Workshop {
        build_with: BuildWith::OpenShift,
        ..workshop()
    }
}

#[test]
fn what_openshift_built_is_taken_from_its_temporary_tag() {
    let order = ordered(BOTH, make(Push::IfFree));
    let temporary = format!("r.example.com/kmod:kmm-preflight-{}", order.fingerprint);
    assert_eq!(order.temporary_image(&openshift()), Some(temporary.clone()));
    let job = order.job(&openshift());
    assert_eq!(names(&job), ["place", "toolkit", "sign", "judge"]);
    assert!(
        args(&job, "sign").contains(&format!("--insecure {temporary} oci:")),
        "{}",
        args(&job, "sign")
    );
    assert!(
        args(&job, "judge").contains(&format!("--temporary={temporary}")),
        "{}",
        args(&job, "judge")
    );
    let built = ordered(BUILT, make(Push::IfFree)).job(&openshift());
    assert!(
        args(&built, "judge").contains("--image=r.example.com/kmod:kmm-preflight-"),
        "{}",
        args(&built, "judge")
    );
    assert_eq!(
        ordered(BOTH, make(Push::Never)).temporary_image(&openshift()),
        None,
        "nothing is to be pushed"
    );
    assert_eq!(
        ordered(SIGNED, make(Push::IfFree)).temporary_image(&openshift()),
        None,
        "nothing is built"
    );
}

#[test]
fn everybody_but_the_builder_is_restricted() {
    let job = ordered(BOTH, make(Push::IfFree)).job(&workshop());
    for container in containers(&job) {
        let rights = container.security_context.as_ref().unwrap();
        let capabilities = rights.capabilities.as_ref().unwrap();
        assert_eq!(
            capabilities.drop.as_deref(),
            Some(&["ALL".to_owned()][..]),
            "{}",
            container.name
        );
        assert_eq!(
            (rights.allow_privilege_escalation, rights.privileged),
            (Some(false), None),
            "{}",
            container.name
        );
        if container.name == "build" {
            assert_eq!((rights.run_as_user, &rights.seccomp_profile), (Some(0), &None));
            let added = capabilities.add.as_deref().unwrap();
            assert_eq!(added, ["SETUID", "SETGID", "SETFCAP"]);
        } else {
            assert_eq!(
                (rights.run_as_user, rights.run_as_non_root),
                (Some(65532), Some(true)),
                "{}",
                container.name
            );
            assert_eq!(rights.read_only_root_filesystem, Some(true), "{}", container.name);
            assert_eq!(
                rights.seccomp_profile.as_ref().map(|profile| profile.type_.as_str()),
                Some("RuntimeDefault")
            );
        }
    }
    let settings = Workshop {
        privileged: true,
        user_namespaces: true,
        ..workshop()
    };
    let privileged = ordered(BOTH, make(Push::IfFree)).job(&settings);
    let rights = |name: &str| {
        container(&privileged, name)
            .security_context
            .clone()
            .unwrap()
            .privileged
    };
    assert_eq!((rights("build"), rights("sign")), (Some(true), None));
    assert_eq!(pod(&privileged).host_users, Some(false));
    assert_eq!(pod(&ordered(PLAIN, Errand::Look).job(&settings)).host_users, None);
}

#[test]
fn a_job_leaves_its_user_to_the_cluster_where_that_assigns_one_and_nothing_builds_in_it() {
    let assigning = |user_namespaces| Workshop {
        assigned_users: true,
        user_namespaces,
        ..workshop()
    };
    let assigns = Workshop {
        assigned_users: true,
        ..openshift()
    };
    for (row, order, workshop, left) in [
        ("a look", ordered(PLAIN, Errand::Look), assigning(true), true),
        ("signed", ordered(SIGNED, make(Push::Never)), assigning(false), true),
        ("built by OpenShift", ordered(BUILT, make(Push::IfFree)), assigns, true),
        ("built", ordered(BUILT, make(Push::Never)), assigning(false), false),
        (
            "in a user namespace",
            ordered(SIGNED, make(Push::Never)),
            assigning(true),
            false,
        ),
        ("not assigned", ordered(SIGNED, make(Push::Never)), workshop(), false),
    ] {
        let job = order.job(&workshop);
        let template = job.spec.as_ref().unwrap().template.metadata.as_ref().unwrap();
        let required = template.annotations.as_ref().unwrap().get("openshift.io/required-scc");
        assert_eq!(required.map(String::as_str), left.then_some("restricted-v2"), "{row}");
        for container in containers(&job)
            .into_iter()
            .filter(|container| container.name != "build")
        {
            let rights = container.security_context.as_ref().unwrap();
            let fixed = (!left).then_some(65532);
            assert_eq!((rights.run_as_user, rights.run_as_group), (fixed, fixed), "{row}");
            assert_eq!(rights.run_as_non_root, Some(true), "{row}");
        }
    }
}

#[test]
fn a_job_is_tried_once_ends_in_time_and_goes_with_its_preflight() {
    let order = ordered(BOTH, make(Push::Never));
    let job = order.job(&workshop());
    let spec = job.spec.as_ref().unwrap();
    assert_eq!(
        (spec.backoff_limit, spec.active_deadline_seconds),
        (Some(0), Some(3600))
    );
    assert_eq!(
        ordered(PLAIN, Errand::Look)
            .job(&workshop())
            .spec
            .unwrap()
            .active_deadline_seconds,
        Some(900)
    );
    let owner = &job.metadata.owner_references.as_deref().unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
        ("PreflightValidationOCP", "el9", "1a2b")
    );
    assert_eq!(
        (owner.api_version.as_str(), owner.controller),
        ("kmm.sigs.x-k8s.io/v1beta2", Some(true))
    );
    assert_eq!(job.metadata.labels, spec.template.metadata.as_ref().unwrap().labels);
    assert_eq!(
        (job.metadata.namespace.as_deref(), job.metadata.name.as_deref()),
        (Some("ns1"), Some(order.job.1.as_str()))
    );
    let pod = pod(&job);
    assert_eq!(
        (pod.automount_service_account_token, pod.enable_service_links),
        (Some(false), Some(false))
    );
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    assert_eq!(
        pod.image_pull_secrets
            .as_deref()
            .map(|secrets| secrets[0].name.as_str()),
        Some("pull")
    );
}

// Row "D19": upstream's pods run on nodes of any architecture, and never mind the Module's selector.
#[test]
fn a_job_runs_where_the_module_may() {
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let selecting = |container: &str, selector: &[(&str, &str)]| {
        let target = Target {
            selector: labels(selector),
            ..pulled(container)
        };
        move |errand| {
            let supplies = supplies("1");
            let order = order(&world(&supplies, Some(TOOLKIT)), request(&owner(), &target, errand)).unwrap();
            pod(&order.job(&workshop())).node_selector.clone().unwrap()
        }
    };
    let (nic, arch) = (("nic", "yes"), ("kubernetes.io/arch", "amd64"));
    assert_eq!(selecting(BOTH, &[nic])(Errand::Look), labels(&[nic, arch]), "D19");
    assert_eq!(
        selecting(BOTH, &[nic])(make(Push::Never)),
        labels(&[("build", "here"), arch])
    );
    assert_eq!(selecting(SIGNED, &[nic])(make(Push::Never)), labels(&[nic, arch]));
    let other = ("kubernetes.io/arch", "arm64");
    assert_eq!(
        selecting(BUILT, &[nic, other])(make(Push::Never)),
        labels(&[nic, other]),
        "its own word counts"
    );
    let job = ordered(BOTH, Errand::Look).job(&workshop());
    let taints: Vec<_> = pod(&job)
        .tolerations
        .iter()
        .flatten()
        .filter_map(|one| one.key.as_deref())
        .collect();
    assert!(taints.contains(&"node.kubernetes.io/disk-pressure"), "{taints:?}");
}

#[test]
fn the_architecture_of_the_nodes_counts_where_the_kernels_name_tells_none() {
    let mut target = pulled(PLAIN);
    target.kernel = KernelVersion::parse("6.1.0-18").unwrap();
    target.architecture = None;
    let (supplies, owner) = (supplies("1"), owner());
    let mut request = request(&owner, &target, Errand::Look);
    request.architecture = Some(Architecture::Aarch64);
    let order = order(&world(&supplies, None), request).unwrap();
    let selector = pod(&order.job(&workshop())).node_selector.clone().unwrap();
    assert_eq!(selector.get("kubernetes.io/arch").map(String::as_str), Some("arm64"));
    assert_eq!(order.brief.load.architecture, Some(Architecture::Aarch64));
}

#[test]
fn a_look_is_kmms_own_pull_and_a_build_runs_as_the_settings_say() {
    let mut module = crate::plan::tests::module(
        "{kernelMappings: [{regexp: .}], imagePullPolicy: IfNotPresent, \
        build: {dockerfileConfigMap: {name: df}}}",
    );
    module.spec.module_loader.as_mut().unwrap().service_account_name = Some("loader".to_owned());
    let kernel = KernelVersion::parse("5.14.0-427.el9.x86_64").unwrap();
    let subject = Subject::resolve(&module, &kernel);
    let target = subject.target().unwrap();
    let (supplies, owner) = (supplies("1"), owner());
    let settings = Workshop {
        service_account: Some("builder".to_owned()),
        environment: vec![("HTTPS_PROXY".to_owned(), "http://proxy:$1".to_owned())],
        ..workshop()
    };
    let job =
        |errand| order(&world(&supplies, None), request(&owner, target, errand)).map(|order| order.job(&settings));
    let look = job(Errand::Look).unwrap();
    assert_eq!(pod(&look).service_account_name.as_deref(), Some("loader"));
    let judge = container(&look, "judge");
    assert_eq!(
        (judge.image.as_deref(), judge.image_pull_policy.as_deref()),
        (Some("r.example.com/kmod:1"), Some("IfNotPresent"))
    );
    assert_eq!(
        judge.command.as_deref(),
        Some(&["/preflight/bin/kmm-preflight".to_owned()][..])
    );
    assert_eq!(
        judge.env.as_ref().unwrap()[0].value.as_deref(),
        Some("http://proxy:$$1")
    );
    assert!(seen_by(&look, "auth").is_empty() && pod(&look).image_pull_secrets.is_none());
    let made = order(
        &world(&supplies, Some(TOOLKIT)),
        request(&owner, target, make(Push::Never)),
    )
    .unwrap();
    assert_eq!(
        pod(&made.job(&settings)).service_account_name.as_deref(),
        Some("builder")
    );
}

// An administrator's CAs reach a namespace in its Job, for the operator writes nothing else there.
#[test]
fn registries_are_trusted_by_what_the_operator_trusts() {
    let settings = |build_with| Workshop {
        trusted: vec!["MIIB".to_owned(), "MIIC".to_owned()],
        build_with,
        ..workshop()
    };
    let (of_job, of_openshift) = (settings(BuildWith::Job), settings(BuildWith::OpenShift));
    let both = ordered(BOTH, make(Push::IfFree));
    for (row, job, steps, told) in [
        (
            "built and signed",
            both.job(&of_job),
            &["place", "toolkit", "build", "sign", "judge"][..],
            &["build", "judge"][..],
        ),
        (
            "built elsewhere",
            both.job(&of_openshift),
            &["place", "toolkit", "sign", "judge"],
            &["sign", "judge"],
        ),
        (
            "signed alone",
            toolkitless(SIGNED, make(Push::Never)).job(&of_job),
            &["place", "sign", "judge"],
            &["sign"],
        ),
        (
            "looked at, as the node trusts",
            ordered(PLAIN, Errand::Look).job(&of_job),
            &["place", "toolkit", "judge"],
            &[],
        ),
    ] {
        assert_eq!(names(&job), steps, "{row}");
        let is_told = |name: &&str| args(&job, name).contains("--ca-file=/preflight/trust/ca.pem");
        let trusting: Vec<&str> = names(&job).into_iter().filter(is_told).collect();
        assert_eq!(trusting, told, "{row}");
        let place = args(&job, "place").contains("--trusted=/preflight/trust/ca.pem --trust=MIIB --trust=MIIC");
        assert_eq!(place, !told.is_empty(), "{row}");
        for step in told {
            assert!(seen_by(&job, "trust").contains(&(*step, false)), "{row}: {step}");
        }
    }
}

// Both keys become one file; what is in it tells them apart.
#[test]
fn pull_secrets_of_either_type_are_mounted() {
    let job = ordered(BUILT, make(Push::IfFree)).job(&workshop());
    let volumes = pod(&job).volumes.as_deref().unwrap();
    let auth = volumes.iter().find(|volume| volume.name == "auth").unwrap();
    let secret = auth.secret.as_ref().unwrap();
    let items: Vec<_> = secret
        .items
        .iter()
        .flatten()
        .map(|item| (item.key.as_str(), item.path.as_str()))
        .collect();
    assert_eq!(
        items,
        [(".dockercfg", "config.json"), (".dockerconfigjson", "config.json")]
    );
    assert_eq!(secret.optional, Some(true), "one of the two is missing");
}
