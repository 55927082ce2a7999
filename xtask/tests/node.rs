//! The throw-away node: pods run on it, with images of its registry, and it gives this machine back as it was.

use std::path::Path;
use std::process::Command;

use xtask::Node;
use xtask::node::BUSYBOX;

/// What the node makes of this machine: mounts, network, processes.
fn traces() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let ours = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|place| place.contains("/kmm-preflight-"));
    let network = Command::new("ip")
        .args(["-oneline", "address"])
        .output()
        .expect("addresses")
        .stdout;
    let network = String::from_utf8(network).expect("text");
    let addresses = network
        .lines()
        .filter(|line| line.contains("cni0") || line.contains(" 10.96.0.1/"));
    let folders = ["/run/containerd", "/var/lib/kubelet"]
        .into_iter()
        .filter(|folder| Path::new(folder).exists());
    ours.chain(addresses).chain(folders).map(str::to_owned).collect()
}

/// One test, as one machine is one node at a time.
#[test]
fn pods_run_and_nothing_is_left_of_them() {
    let before = traces();
    let Some(node) = Node::for_test() else { return };
    let cluster = node.control_plane();
    let kubectl = |line: &str| cluster.run_kubectl(line.split(' ')).unwrap();

    kubectl(&format!("run files --image={BUSYBOX} -- httpd -f -p 8080 -h /"));
    kubectl("wait --for=condition=Ready pod/files --timeout=90s");
    kubectl("exec files -- wget -q -O /dev/null http://localhost:8080/bin/busybox");

    kubectl("create configmap owner");
    let uid = kubectl("get configmap owner -o jsonpath={.metadata.uid}");
    let reference = format!(r#"[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{uid}"}}]"#);
    kubectl("create configmap owned");
    let patch = format!(r#"--patch={{"metadata":{{"ownerReferences":{reference}}}}}"#);
    cluster.run_kubectl(["patch", "configmap", "owned", &patch]).unwrap();
    kubectl("delete configmap owner");
    kubectl("wait --for=delete configmap/owned --timeout=60s");

    drop(node);
    assert_eq!(traces(), before);
}
