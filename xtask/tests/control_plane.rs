//! The throw-away control plane that other tests rely on: it is a real one, and it leaves nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use xtask::ControlPlane;

/// Whether any process was started with something of this folder in its arguments.
fn is_used(folder: &Path) -> bool {
    let text = folder.to_str().expect("a path");
    std::fs::read_dir("/proc").expect("processes").flatten().any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    })
}

#[test]
fn it_is_ready_for_objects_when_it_is_started() {
    let Some(cluster) = ControlPlane::for_test() else {
        return;
    };
    cluster
        .run_kubectl(["create", "configmap", "settings", "--from-literal=a=b"])
        .unwrap();
    let value = cluster
        .run_kubectl(["get", "configmap", "settings", "-o", "jsonpath={.data.a}"])
        .unwrap();
    assert_eq!(value, "b");
    assert!(
        cluster
            .run_kubectl(["version"])
            .unwrap()
            .contains("Server Version: v1.36.3")
    );
}

#[test]
fn without_programs_a_test_skips_loudly_unless_a_cluster_is_required() {
    let run_without_programs = |required: &str| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "--nocapture", "it_is_ready_for_objects_when_it_is_started"]);
        test.env_remove("CI")
            .env_remove("KUBEBUILDER_ASSETS")
            .env("XDG_CACHE_HOME", "/nowhere");
        test.env("KMM_PREFLIGHT_REQUIRE_CLUSTER", required).output().unwrap()
    };
    let skipped = run_without_programs("");
    assert!(skipped.status.success());
    let said = String::from_utf8_lossy(&skipped.stderr);
    let why =
        "SKIPPED, NOTHING IS TESTED HERE: etcd, kube-apiserver, kubectl, helm not found in /nowhere/kmm-preflight/";
    assert!(said.contains(why), "{said}");
    assert!(!run_without_programs("1").status.success());
}

#[test]
fn two_at_once_know_nothing_of_one_another() {
    let (Some(one), Some(other)) = (ControlPlane::for_test(), ControlPlane::for_test()) else {
        return;
    };
    one.run_kubectl(["create", "namespace", "only-here"]).unwrap();
    let refusal = other
        .run_kubectl(["get", "namespace", "only-here"])
        .unwrap_err()
        .to_string();
    assert!(refusal.ends_with(r#"namespaces "only-here" not found"#), "{refusal}");
    assert_ne!(one.url(), other.url());
}

#[test]
fn objects_outlive_a_restart_at_the_same_address() {
    let Some(mut cluster) = ControlPlane::for_test() else {
        return;
    };
    let url = cluster.url();
    cluster.run_kubectl(["create", "namespace", "stays"]).unwrap();
    cluster.stop_api_server();
    let refusal = cluster.run_kubectl(["get", "namespaces"]).unwrap_err().to_string();
    assert!(refusal.contains("refused"), "{refusal}");
    cluster.stop_etcd();
    cluster.start_etcd().unwrap();
    cluster.start_api_server().unwrap();
    assert_eq!(cluster.url(), url);
    cluster.run_kubectl(["get", "namespace", "stays"]).unwrap();
}

#[test]
fn an_api_server_that_lost_etcd_finds_it_again() {
    let Some(mut cluster) = ControlPlane::for_test() else {
        return;
    };
    cluster.stop_etcd();
    cluster
        .run_kubectl(["create", "namespace", "too-early", "--request-timeout=2s"])
        .unwrap_err();
    cluster.start_etcd().unwrap();
    cluster.run_kubectl(["create", "namespace", "in-time"]).unwrap();
}

#[test]
fn a_service_account_may_do_what_its_roles_allow_and_no_more() {
    let Some(cluster) = ControlPlane::for_test() else {
        return;
    };
    cluster.run_kubectl(["create", "serviceaccount", "reader"]).unwrap();
    cluster
        .run_kubectl(["create", "role", "read", "--verb=get,list", "--resource=configmaps"])
        .unwrap();
    cluster
        .run_kubectl([
            "create",
            "rolebinding",
            "read",
            "--role=read",
            "--serviceaccount=default:reader",
        ])
        .unwrap();
    let kubeconfig = cluster.kubeconfig_for_service_account("default", "reader").unwrap();
    let may = |what: &[&str]| {
        cluster
            .kubectl_as(&kubeconfig)
            .args(what)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(may(&["get", "configmaps"]));
    assert!(!may(&["get", "secrets"]));
    assert!(!may(&["create", "configmap", "mine"]));
    let client = cluster.client_of_service_account("default", "reader").unwrap();
    client.list("/api/v1/namespaces/default/configmaps").unwrap();
    let refusal = client
        .list("/api/v1/namespaces/default/secrets")
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("forbidden"), "{refusal}");
}

/// A definition as somebody writes it who likes it short.
const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing, listKind: ThingList, plural: things, singular: thing}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer}}}}
";

#[test]
fn a_kind_is_served_when_it_is_defined_and_objects_need_no_kubectl() {
    let Some(cluster) = ControlPlane::for_test() else {
        return;
    };
    let file = cluster.folder().join("definition.yaml");
    std::fs::write(&file, DEFINITION).unwrap();
    cluster.define(&file).unwrap();
    let (client, things) = (cluster.client(), "/apis/example.com/v1/namespaces/default/things");
    let thing = |size: serde_json::Value| {
        serde_json::json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}, "size": size,
        })
    };
    client.dry_run(&thing(1.into())).unwrap();
    assert_eq!(client.list(things).unwrap().len(), 0, "a dry run stores nothing");
    client.apply(&thing(1.into())).unwrap();
    let path = format!("{things}/one");
    assert_eq!(client.get(&path).unwrap().unwrap()["size"], 1);
    client.merge(&path, &serde_json::json!({"size": 2})).unwrap();
    let conflict = client.apply_as("somebody", &thing(3.into())).unwrap_err().to_string();
    assert!(conflict.contains("conflict"), "{conflict}");
    let refusal = client.apply(&thing("big".into())).unwrap_err().to_string();
    assert!(refusal.contains("size"), "{refusal}");
    assert_eq!(client.list(things).unwrap()[0]["size"], 2);
    // Once more: what is there already is defined anew.
    cluster.define(&file).unwrap();
    for _ in 0..2 {
        client.delete(&path).unwrap();
        assert_eq!(client.get(&path).unwrap(), None);
    }
    let unknown = serde_json::json!({"apiVersion": "example.com/v2", "kind": "Thing", "metadata": {"name": "one"}});
    let complaint = client.apply(&unknown).unwrap_err().to_string();
    assert_eq!(complaint, "the API server knows no Thing of example.com/v2");
}

#[test]
fn helm_installs_a_chart() {
    let Some(cluster) = ControlPlane::for_test() else {
        return;
    };
    let chart = cluster.folder().join("chart");
    let helm = |arguments: &[&str]| {
        cluster
            .helm()
            .current_dir(cluster.folder())
            .args(arguments)
            .output()
            .unwrap()
    };
    assert!(helm(&["create", chart.to_str().unwrap()]).status.success());
    let installed = helm(&[
        "install",
        "web",
        chart.to_str().unwrap(),
        "--namespace",
        "shop",
        "--create-namespace",
    ]);
    assert!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    cluster
        .run_kubectl(["get", "deployment", "web-chart", "--namespace", "shop"])
        .unwrap();
}

#[test]
fn a_webhook_behind_a_service_is_called_on_this_machine() {
    let Some(cluster) = ControlPlane::for_test() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = serde_json::json!({
        "name": "hook", "namespace": "default", "path": "/", "port": listener.local_addr().unwrap().port(),
    });
    let hook = serde_json::json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "hook" },
        "webhooks": [{
            "name": "hook.example.com",
            "clientConfig": { "service": service },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"] }],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    });
    cluster
        .run_kubectl(["create", "service", "clusterip", "hook", "--tcp=443"])
        .unwrap();
    cluster.lead_service_here("default", "hook").unwrap();
    cluster
        .feed_kubectl(["create", "--filename=-"], &hook.to_string())
        .unwrap();
    let caller = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 512];
        let length = stream.read(&mut hello).unwrap();
        String::from_utf8_lossy(&hello[..length]).into_owned()
    });
    // The server learns of a webhook a moment after it was made.
    wait_until(|| {
        cluster
            .run_kubectl(["create", "secret", "generic", "s", "--dry-run=server"])
            .is_err()
    });
    assert!(
        caller.join().unwrap().contains("hook.default.svc"),
        "the name that TLS is asked for"
    );
}

#[test]
fn nothing_is_left_of_one_that_is_dropped() {
    let Some(cluster) = ControlPlane::for_test() else {
        return;
    };
    let folder = cluster.folder().to_owned();
    assert!(is_used(&folder));
    drop(cluster);
    assert!(!is_used(&folder));
    assert!(!folder.exists());
}

#[test]
fn the_servers_die_with_a_process_that_is_killed() {
    if ControlPlane::for_test().is_none() {
        return;
    }
    let (mut task, folder) = cluster_task();
    assert!(is_used(&folder));
    task.kill().unwrap();
    task.wait().unwrap();
    wait_until(|| !is_used(&folder));
    // The next one removes the folder, if another test has not been that.
    drop(ControlPlane::start().unwrap());
    assert!(!folder.exists());
}

#[test]
fn ctrl_c_ends_the_task_and_leaves_nothing() {
    if ControlPlane::for_test().is_none() {
        return;
    }
    let (mut task, folder) = cluster_task();
    let interrupt = Command::new("kill").args(["-INT", &task.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    assert!(task.wait().unwrap().success());
    assert!(!is_used(&folder));
    assert!(!folder.exists());
}

/// `cargo xtask cluster`, and the folder of what it started.
fn cluster_task() -> (Child, PathBuf) {
    let mut task = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let mut task = task.arg("cluster").stdout(Stdio::piped()).spawn().expect("the task");
    let mut lines = BufReader::new(task.stdout.take().expect("what it says"))
        .lines()
        .map_while(Result::ok);
    let kubeconfig = lines.find_map(|line| Some(PathBuf::from(line.strip_prefix("export KUBECONFIG=")?)));
    let folder = kubeconfig
        .as_deref()
        .and_then(Path::parent)
        .expect("a kubeconfig in a folder");
    (task, folder.to_owned())
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not after 20 seconds");
        std::thread::yield_now();
    }
}
