//! The operator with the rights and the words that the chart gives it, and no more.

use std::process::Command;

use serde_json::Value;

use crate::stage::{KERNEL, Operator, Stage, condition, eventually, module, preflight, project, row};

/// Words that are others on this machine: ports, places, and how much is logged.
const OURS: [&str; 5] = [
    "--webhook-port",
    "--metrics-port",
    "--allow-places",
    "--log-level",
    "--log-format",
];

/// Where a Module has room for more.
const SELECTOR: &str = "  selector: {}\n";

impl Stage {
    /// What helm makes of the chart in a release and a namespace called `kmm-preflight`.
    pub(crate) fn rendered(&self, values: &[&str]) -> String {
        let mut helm: Command = self.plane.helm();
        let chart = project("charts/kmm-preflight");
        helm.args(["template", "kmm-preflight"])
            .arg(chart)
            .args(["--namespace", "kmm-preflight"]);
        for value in values {
            helm.args(["--set-json", value]);
        }
        let output = helm.output().expect("helm");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Gives the chart's account its rights, and what it finds; returns the words with which the chart starts it.
    fn install_rights(&self, values: &[&str]) -> Vec<String> {
        let rendered = self.rendered(values);
        let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).expect("YAML");
        let wanted = [
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Secret",
            "Lease",
            "ConfigMap",
        ];
        for object in objects
            .iter()
            .filter(|object| wanted.iter().any(|kind| object["kind"] == *kind))
        {
            self.apply(&object.to_string());
        }
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .expect("a Deployment");
        let words = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
            .as_array()
            .expect("words");
        let words = words.iter().skip(1).filter_map(Value::as_str);
        let others = words.filter(|word| !OURS.iter().any(|ours| word.starts_with(ours)));
        others.map(str::to_owned).collect()
    }
}

/// Lines that tell of something that the operator may not do.
fn forbidden(log: &str) -> Vec<&str> {
    let tells = |line: &&str| line.to_lowercase().contains("forbidden") || line.contains("lacks the permission");
    log.lines().filter(tells).collect()
}

/// Modules whose questions need every right: pull secrets of their own, of an account and of the cluster, and
/// a Dockerfile with the driver toolkit.
fn demanding_modules(stage: &Stage) {
    let server = format!("--docker-server={}", stage.registry.host());
    for secret in ["everybodys", "own", "of-the-account"] {
        let words = ["create", "secret", "docker-registry", secret, "-n", "sensors"];
        let login = ["--docker-username=robot", "--docker-password=pass", &server];
        stage.kubectl(words.into_iter().chain(login));
    }
    stage.apply(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: sensors, name: default}\n\
         imagePullSecrets: [{name: of-the-account}]\n",
    );
    let sensors = std::fs::read_to_string(project("examples/upgrade/sensors.yaml")).expect("an example");
    stage.apply(&stage.with_our_registry(&sensors));
    let good = good_image(stage);
    stage.apply(&module("sensors", "quicknic", &good));
    let own = module("sensors", "own", &good).replace("moduleName: own", "moduleName: quicknic");
    stage.apply(&own.replace(SELECTOR, "  selector: {}\n  imageRepoSecret: {name: own}\n"));
}

/// An image of the example that loads.
fn good_image(stage: &Stage) -> String {
    let name = format!("registry.example.com/network/quicknic:{KERNEL}");
    stage.registry.reference(&name)
}

/// Whether an object of the collection at a path is there.
fn is_there(stage: &Stage, collection: &str, name: &str) -> bool {
    !stage.object(collection, name).is_null()
}

/// Starts the operator as the chart's account, with the chart's words and these.
fn start_as_installed(stage: &Stage, values: &[&str], words: &[&str]) -> Operator {
    let installed = stage.install_rights(values);
    let words: Vec<&str> = installed
        .iter()
        .map(String::as_str)
        .chain(words.iter().copied())
        .collect();
    let account = stage
        .plane
        .kubeconfig_for_service_account("kmm-preflight", "kmm-preflight");
    stage.admitting_operator_as(&account.expect("the account"), &words)
}

#[test]
fn the_charts_rights_are_enough_for_everything() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["sensors"]);
    let toolkit = format!("registry.example.com/dtk/driver-toolkit:{KERNEL}");
    let toolkits = format!(r#"toolkits={{"{KERNEL}": "{}"}}"#, stage.registry.reference(&toolkit));
    let values = [r#"clusterPullSecret="sensors/everybodys""#, &toolkits];
    let operator = start_as_installed(&stage, &values, &["--plain-toolkit-registry", &stage.registry.host()]);
    demanding_modules(&stage);
    let (admitted, said) = stage.try_apply(&preflight("upgrade", "5.14"));
    assert!(!admitted && said.contains("spec.kernelVersion"), "{said}");
    stage.preflight("upgrade", KERNEL);
    // One image is not there and is built, by a Job that nobody carries out here: its question stays open.
    let status = stage.wait_for_status("upgrade", |status| {
        status["summary"] == "2/4" && condition(status, "Verified") == "False"
    });
    let build = "Job sensors/kmm-preflight-i2cbridge-";
    let is_building = |status: &Value| status.to_string().contains(build);
    assert!(
        is_building(&stage.wait_for_status("upgrade", is_building)),
        "{status:#}"
    );
    let has_event = || stage.events().contains("upgrade");
    assert!(eventually(has_event), "no event");
    stage.kubectl(["delete", "preflightvalidationocp", "upgrade"]);
    let jobs = || stage.list("/apis/batch/v1/namespaces/sensors/jobs");
    assert!(eventually(|| jobs().is_empty()), "{:#?}", jobs());

    // What the operator makes when somebody deletes it.
    stage.kubectl(["delete", "secret", "-n", "kmm-preflight", "kmm-preflight-tls"]);
    stage.kubectl(["delete", "lease", "-n", "kmm-preflight", "kmm-preflight"]);
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kmm-preflight/leases";
    let are_back = || {
        is_there(&stage, "/api/v1/namespaces/kmm-preflight/secrets", "kmm-preflight-tls")
            && is_there(&stage, leases, "kmm-preflight")
    };
    assert!(eventually(are_back), "{}", operator.log());
    assert_eq!(forbidden(&operator.end()), Vec::<&str>::new());
}

#[test]
fn secrets_of_namespaces_that_are_not_named_are_not_read_and_the_row_says_so() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["drivers", "closed"]);
    for namespace in ["drivers", "closed"] {
        stage.kubectl(["create", "secret", "generic", "pull", "-n", namespace]);
    }
    let good = good_image(&stage);
    for namespace in ["drivers", "closed"] {
        let named = "  selector: {}\n  imageRepoSecret: {name: pull}\n";
        let text = module(namespace, "quicknic", &good).replace(SELECTOR, named);
        stage.apply(&text.replace("name: quicknic}\n", &format!("name: {namespace}}}\n")));
    }
    let _operator = start_as_installed(&stage, &[r#"rbac.secretNamespaces=["drivers"]"#], &[]);
    stage.preflight("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", |status| {
        row(status, "drivers")["verificationStatus"] == "Success" && status.to_string().contains("lacks the permission")
    });
    let closed = row(&status, "closed");
    let reason = closed["statusReason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("lacks the permission to get secrets in namespace closed"),
        "{closed:#}"
    );
}
