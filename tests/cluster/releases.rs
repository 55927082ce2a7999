//! OpenShift's image stream of driver toolkits, from a stand-in for the API that serves it.

use kmm_preflight::cluster::{WatchSettings, Watches};
use kmm_preflight::kernel::KernelVersion;
use serde_json::json;

use crate::ground::{MODULES, OUR_PREFLIGHTS, SOON, apply, cluster, delete, no_problem, node_status, until};

const IMAGE_STREAMS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: imagestreams.image.openshift.io}
spec:
  group: image.openshift.io
  names: {kind: ImageStream, listKind: ImageStreamList, plural: imagestreams, singular: imagestream}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
const NAMESPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: openshift}}";
const NODE: &str = "{apiVersion: v1, kind: Node, metadata: {name: n1}}";
const KERNEL: &str = "5.14.0-427.16.1.el9_4.x86_64";
const TAG: &str = "416.94.202405291527-0";

fn stream(image: &str) -> String {
    let tag = |name: &str| json!({"name": name, "from": {"kind": "DockerImage", "name": image}});
    json!({
        "apiVersion": "image.openshift.io/v1", "kind": "ImageStream",
        "metadata": {"namespace": "openshift", "name": "driver-toolkit"},
        "spec": {"tags": [tag(TAG), tag("latest")]},
    })
    .to_string()
}

fn toolkit(watches: &Watches) -> Option<String> {
    let kernel = KernelVersion::parse(KERNEL).expect("a kernel");
    watches.surroundings().toolkit(&kernel).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_toolkit_of_a_release_is_known_by_the_kernel_of_its_nodes() {
    let objects = [MODULES, OUR_PREFLIGHTS, IMAGE_STREAMS, NAMESPACE, NODE];
    let Some((cluster, client)) = cluster(&objects).await else {
        return;
    };
    let info = json!({"nodeInfo": {
        "kernelVersion": KERNEL, "osImage": format!("Red Hat Enterprise Linux CoreOS {TAG}"), "architecture": "amd64",
        "bootID": "", "containerRuntimeVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "",
        "operatingSystem": "linux", "systemUUID": "",
    }});
    node_status(&cluster, &info);
    let settings = WatchSettings {
        image_stream: Some(("openshift".to_owned(), "driver-toolkit".to_owned())),
        ..WatchSettings::default()
    };
    let watches = Watches::start(&client, settings);
    assert!(watches.wait_synced(SOON).await, "{:?}", watches.problems());
    assert_eq!(
        toolkit(&watches),
        None,
        "there is no stream yet, and that is no problem"
    );
    no_problem(&watches).await;

    for image in ["quay.io/dtk:1", "quay.io/dtk:2"] {
        apply(&cluster, &stream(image));
        until(&watches, image, |watches| toolkit(watches).as_deref() == Some(image)).await;
    }
    delete(
        &cluster,
        "/apis/image.openshift.io/v1/namespaces/openshift/imagestreams/driver-toolkit",
    );
    until(&watches, "no stream", |watches| toolkit(watches).is_none()).await;
}
