//! What people see of admission: real `kubectl apply`, through a real API server, to the operator's webhook.

use std::fmt::Write as _;
use std::thread;

use serde_json::{Value, json};

use crate::stage::{KERNEL, Operator, PREFLIGHTS, Stage, eventually, module, preflight};

/// A preflight with nothing but what must be said.
fn bare(name: &str, kernel: &str) -> String {
    let kernel = Value::from(kernel);
    let head = "apiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidationOCP\n";
    format!("{head}metadata: {{name: {name}}}\nspec:\n  kernelVersion: {kernel}\n")
}

/// An image by its digest, at a registry that nobody asks.
fn by_digest(repository: &str) -> String {
    format!("registry.example.com/{repository}@sha256:{}", "0".repeat(64))
}

/// A Module that would be built with the driver toolkit, and its Dockerfile.
fn built_with_toolkit(namespace: &str, name: &str) -> String {
    let image = format!("registry.example.com/{namespace}/{name}:${{KERNEL_FULL_VERSION}}");
    let build = format!("containerImage: '{image}', build: {{dockerfileConfigMap: {{name: {name}}}}}");
    let module = module(namespace, name, &image).replace(&format!("containerImage: '{image}'"), &build);
    format!(
        "{module}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: {namespace}, name: {name}}}\n\
         data: {{dockerfile: \"ARG DTK_AUTO\\nFROM ${{DTK_AUTO}}\\n\"}}\n"
    )
}

/// The object that a dry run would have stored.
#[track_caller]
fn admitted(stage: &Stage, yaml: &str) -> Value {
    let (admitted, said) = stage.dry_run(yaml);
    assert!(admitted, "{said}");
    let object = said.get(said.find('{').unwrap_or_default()..).unwrap_or_default();
    let object = object.rsplit_once('}').map_or(object, |(body, _)| body);
    serde_json::from_str(&format!("{object}}}")).expect("JSON")
}

/// The warnings that kubectl shows, one a line.
fn warnings(said: &str) -> String {
    let warnings = said.lines().filter(|line| line.starts_with("Warning: "));
    warnings.fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn what_is_malformed_is_refused_in_words_that_say_how_to_mend_it() {
    let Some(stage) = Stage::set() else { return };
    let operator = stage.admitting_operator(&[]);
    let long = format!("5.14.0-{}", "9".repeat(5_000));
    let kernels = [
        "",
        "5.14.0-427;rm -rf /",
        "5.14.0-`id`",
        "5,14,0",
        "5.14",
        "a.b.c",
        "../../etc/passwd",
        " 6.1.0-50-cloud-amd64",
        "6.1.0-50-cloud-amd64\n",
        "kernel-6.1.0-50-cloud-amd64",
        &long,
    ];
    let mut texts: Vec<String> = kernels.iter().map(|kernel| bare("upgrade", kernel)).collect();
    for image in ["Not A Ref", "", "registry.example.com/dtk:1 "] {
        texts.push(format!("{}  dtkImage: '{image}'\n", bare("upgrade", KERNEL)));
    }
    texts.push(format!("{}  dtkImage: Not A Ref\n", bare("upgrade", "5,14,0")));
    let mut words = String::new();
    for text in texts {
        let (applied, said) = stage.try_apply(&text);
        assert!(!applied, "{text}");
        let spec = text.split_once("spec:\n").map_or("", |(_, spec)| spec);
        let _ = writeln!(words, "{}\n{said}", spec.replace(&"9".repeat(5_000), "999…"));
    }
    insta::assert_snapshot!(words);
    let refused = operator.metric("kmm_preflight_admission_requests_total{operation=\"CREATE\",outcome=\"denied\"}");
    assert!(refused.is_some_and(|refused| refused >= 15.0), "{}", operator.metrics());
}

#[test]
fn a_good_preflight_is_defaulted_and_what_its_author_wrote_stays() {
    let Some(stage) = Stage::set() else { return };
    let toolkit = by_digest("dtk");
    stage.apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: kmm-preflight, name: toolkits}}\n\
         data: {{toolkits.yaml: '{KERNEL}: {toolkit}'}}\n"
    ));
    stage.apply(&module("a", "quicknic", &by_digest("quicknic")));
    let _operator = stage.admitting_operator(&["--toolkits-config-map", "toolkits"]);
    let is_known = || {
        let judged = stage.dry_run_of(&bare("upgrade", KERNEL));
        judged.expect("a good preflight")["spec"]["dtkImage"] == toolkit.as_str()
    };
    let known = eventually(is_known);
    assert!(known, "the toolkit of the settings was not filled in");
    assert_eq!(
        admitted(&stage, &bare("upgrade", KERNEL))["spec"]["dtkImage"],
        toolkit.as_str()
    );
    assert_eq!(
        stage.object(PREFLIGHTS, "upgrade"),
        Value::Null,
        "a dry run stored something"
    );

    stage.kubectl_apply(&bare("upgrade", KERNEL));
    assert_eq!(
        stage.object(PREFLIGHTS, "upgrade")["spec"],
        json!({"kernelVersion": KERNEL, "pushBuiltImage": false, "dtkImage": toolkit})
    );
    let own = by_digest("own");
    stage.kubectl_apply(&format!(
        "{}  pushBuiltImage: true\n  dtkImage: {own}\n",
        bare("own", KERNEL)
    ));
    assert_eq!(
        stage.object(PREFLIGHTS, "own")["spec"],
        json!({"kernelVersion": KERNEL, "pushBuiltImage": true, "dtkImage": own})
    );
    // The toolkit is of another kernel; a trailing plus sign is part of a release.
    stage.kubectl_apply(&bare("other", "6.12.9-rt+"));
    assert_eq!(
        stage.object(PREFLIGHTS, "other")["spec"],
        json!({"kernelVersion": "6.12.9-rt+", "pushBuiltImage": false})
    );
}

/// A node with this kernel; nobody keeps it.
fn node(name: &str, kernel: &str, architecture: &str) -> String {
    let info = [
        "bootID",
        "containerRuntimeVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ];
    let info = info.join(": x, ");
    format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n\
         status: {{nodeInfo: {{{info}: x, kernelVersion: {kernel}, architecture: {architecture}}}}}\n"
    )
}

#[test]
fn kubectl_shows_what_is_doubtful() {
    let Some(stage) = Stage::set() else { return };
    let _operator = stage.admitting_operator(&[]);
    let (applied, nothing) = stage.try_apply(&bare("first", KERNEL));
    assert!(applied, "{nothing}");
    stage.namespaces(&["sensors"]);
    stage.apply(&built_with_toolkit("sensors", "i2cbridge"));
    stage.apply(&node("worker", KERNEL, "amd64"));
    let doubtful = format!("{}  dtkImage: registry.example.com/dtk:1\n", bare("second", KERNEL));
    let mut said = String::new();
    // Modules, nodes and preflights are watched each by itself.
    let all = eventually(|| {
        said = stage.dry_run(&doubtful).1;
        warnings(&said).lines().count() == 4
    });
    assert!(all, "{said}");
    stage.apply(&module("sensors", "old", &by_digest("old")).replace("'^.+$'", "'^5[.]'"));
    stage.kubectl(["delete", "module", "-n", "sensors", "i2cbridge"]);
    let mut elsewhere = String::new();
    let unmatched = eventually(|| {
        elsewhere = stage.dry_run(&bare("third", "6.6.8-300.fc39.aarch64")).1;
        warnings(&elsewhere).contains("no image for this kernel") && !elsewhere.contains("Modules")
    });
    assert!(unmatched, "{elsewhere}");
    let words = [&nothing, &said, &elsewhere].map(|said| warnings(said)).join("\n");
    insta::assert_snapshot!(words);
}

#[test]
fn a_module_that_is_built_with_the_driver_toolkit_asks_for_one() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["sensors"]);
    stage.apply(&built_with_toolkit("sensors", "i2cbridge"));
    let _operator = stage.admitting_operator(&[]);
    let refused = eventually(|| stage.dry_run_of(&bare("upgrade", KERNEL)).is_err());
    let (admitted, said) = stage.dry_run(&bare("upgrade", KERNEL));
    assert!(refused && !admitted, "{said}");
    insta::assert_snapshot!(said, @r#"The PreflightValidationOCP "upgrade" is invalid: spec.dtkImage: is required: the Dockerfile of sensors/i2cbridge uses DTK_AUTO, and the operator's settings name no driver toolkit for 6.1.0-50-cloud-amd64; name the driver toolkit image of that kernel"#);
    let toolkit = by_digest("dtk");
    stage.kubectl_apply(&format!("{}  dtkImage: {toolkit}\n", bare("upgrade", KERNEL)));
    assert_eq!(
        stage.object(PREFLIGHTS, "upgrade")["spec"]["dtkImage"],
        toolkit.as_str()
    );
}

#[test]
fn what_is_stored_can_be_tidied_up_though_todays_rules_refuse_it() {
    let Some(stage) = Stage::with_definition("tests/compat/crds/preflightvalidationsocp.yaml") else {
        return;
    };
    let old = preflight("old", "5.14.0-427;rm -rf /");
    stage.kubectl_apply(&old);
    stage.replace_definition();
    let _operator = stage.admitting_operator(&[]);
    let name = "preflightvalidationocp/old";
    stage.kubectl(["label", name, "team=kernels"]);
    stage.kubectl(["annotate", name, "example.com/note=kept"]);
    let finalizers = |list: &str| stage.kubectl(["patch", name, "--type=merge", "-p", &finalizers_patch(list)]);
    finalizers("\"example.com/hold\"");
    let summary = r#"{"status":{"summary":"0/0"}}"#;
    stage.kubectl(["patch", name, "--subresource=status", "--type=merge", "-p", summary]);

    let (applied, said) = stage.try_apply(&preflight("old", "5,14,0"));
    assert!(!applied && said.contains("spec.kernelVersion"), "{said}");
    let mended = stage.dry_run(&preflight("old", KERNEL));
    assert!(mended.0, "{}", mended.1);

    stage.kubectl(["delete", name, "--wait=false"]);
    stage.kubectl(["label", name, "team=none", "--overwrite"]);
    finalizers("");
    assert!(eventually(|| stage.object(PREFLIGHTS, "old").is_null()));
}

fn finalizers_patch(list: &str) -> String {
    format!(r#"{{"metadata":{{"finalizers":[{list}]}}}}"#)
}

#[test]
fn without_a_webhook_the_definition_refuses_the_worst_and_keeps_what_is_stored_writable() {
    let Some(stage) = Stage::with_definition("tests/compat/crds/preflightvalidationsocp.yaml") else {
        return;
    };
    stage.kubectl_apply(&preflight("old", "../../etc/passwd"));
    stage.replace_definition();
    for worst in [
        "",
        "a.b.c",
        "../../etc/passwd",
        "5.14.0-427;rm -rf /",
        "5,14,0",
        "5.14.0 ",
        &"5.1".repeat(22),
    ] {
        let (applied, said) = stage.try_apply(&preflight("upgrade", worst));
        assert!(!applied && said.contains("spec.kernelVersion"), "{worst}: {said}");
    }
    for release in [
        KERNEL,
        "5.14.0-427.el9.x86_64",
        "6.12.9-rt+",
        "6.6.8-300.fc39.aarch64+64k-debug",
    ] {
        stage.kubectl_apply(&preflight("upgrade", release));
    }
    let push = "{\"spec\":{\"pushBuiltImage\":true}}";
    stage.kubectl(["patch", "preflightvalidationocp", "old", "--type=merge", "-p", push]);
    let (applied, _) = stage.try_apply(&preflight("old", "../../etc/shadow"));
    assert!(!applied, "another bad value was taken");
    stage.kubectl_apply(&preflight("old", KERNEL));
}

#[test]
fn who_was_let_in_is_answered_when_the_operator_ends() {
    let Some(stage) = Stage::set() else { return };
    let operator = stage.admitting_operator(&[]);
    let batch = |name: &str| {
        let each = (0..50).map(|n| preflight(&format!("{name}-{n}"), KERNEL));
        each.collect::<Vec<_>>().join("---\n")
    };
    let told: Vec<String> = thread::scope(|scope| {
        let stage = &stage;
        let creating: Vec<_> = ["a", "b"]
            .map(batch)
            .into_iter()
            .map(|text| scope.spawn(move || stage.try_apply(&text).1))
            .collect();
        assert!(eventually(|| stored(stage) >= 10), "nothing was created");
        operator.end();
        creating.into_iter().map(|one| one.join().expect("kubectl")).collect()
    });
    let told = told.join("\n");
    let (created, refused): (Vec<&str>, Vec<&str>) = told
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("Warning: "))
        .partition(|line| line.ends_with(" created"));
    assert_eq!(created.len(), stored(&stage), "{told}");
    assert_eq!(created.len() + refused.len(), 100, "{told}");
    // Whoever came too late never got in. A connection that breaks would be a request that was lost.
    let lost: Vec<_> = refused
        .iter()
        .filter(|line| !line.contains("connect: connection refused"))
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

/// How many preflights there are.
fn stored(stage: &Stage) -> usize {
    stage.list(PREFLIGHTS).len()
}

#[test]
fn a_certificate_that_is_lost_or_damaged_is_made_anew_while_admission_goes_on() {
    let Some(stage) = Stage::set() else { return };
    let operator = stage.admitting_operator(&[]);
    let admits = || {
        let judged = stage.dry_run_of(&preflight("upgrade", KERNEL));
        assert!(judged.is_ok(), "{judged:?}\n{}", operator.log());
    };
    let secret = || stage.object("/api/v1/namespaces/kmm-preflight/secrets", "kmm-preflight-webhook");
    let certificate = |secret: &Value| secret["data"]["tls.crt"].as_str().unwrap_or_default().len() > 100;
    assert!(certificate(&secret()));

    stage.kubectl(["delete", "secret", "-n", "kmm-preflight", "kmm-preflight-webhook"]);
    assert!(
        eventually(|| {
            admits();
            certificate(&secret())
        }),
        "{}",
        operator.log()
    );
    let damage = r#"{"data":{"tls.crt":"AAAA"}}"#;
    stage.kubectl([
        "patch",
        "secret",
        "-n",
        "kmm-preflight",
        "kmm-preflight-webhook",
        "--type=merge",
        "-p",
        damage,
    ]);
    assert!(
        eventually(|| {
            admits();
            certificate(&secret())
        }),
        "{}",
        operator.log()
    );
    admits();
    assert_ready(&operator);
}

#[track_caller]
fn assert_ready(operator: &Operator) {
    let answer = operator.get("/readyz").unwrap_or_default();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
