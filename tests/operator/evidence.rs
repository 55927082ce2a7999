//! What nodes have loaded counts where an image has no way to an in-tree module: by Node Feature Discovery, and by what KMM loads today.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::stage::{KERNEL, Operator, Stage, condition, is_complete, module, project, row};
use crate::support::fake_image::{FakeImage, LAYER_GZIP, write_layout};
use crate::support::fake_layer::FakeLayer;

/// The kernel that the nodes run today.
const TODAY: &str = "6.1.0-47-cloud-amd64";
/// What `raidmesh` needs of the kernel's own modules.
pub(crate) const NEEDED: &str = "libcrc32c";
/// Where the Module `raidmesh` is.
const RAIDMESH: &str = "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/a/modules/raidmesh";
/// Where Node Feature Discovery is, unless somebody says otherwise.
pub(crate) const DISCOVERY: &str = "node-feature-discovery";
/// A stand-in for the definition that Node Feature Discovery brings.
const NODE_FEATURES: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodefeatures.nfd.k8s-sigs.io}
spec:
  group: nfd.k8s-sigs.io
  names: {kind: NodeFeature, listKind: NodeFeatureList, plural: nodefeatures, singular: nodefeature}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// An account that may do everything the operator does, and nothing with NodeFeatures.
const ALL_BUT_NODE_FEATURES: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: answerer, namespace: kmm-preflight}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: answerer}
rules:
- apiGroups: ['', kmm.sigs.x-k8s.io, coordination.k8s.io, events.k8s.io, apiextensions.k8s.io]
  resources: ['*']
  verbs: ['*']
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: answerer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: answerer}
subjects: [{kind: ServiceAccount, name: answerer, namespace: kmm-preflight}]
";

pub(crate) fn reason(status: &Value) -> String {
    let row = row(status, "raidmesh");
    row["statusReason"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn is_verified(status: &Value) -> bool {
    condition(status, "Verified") == "True"
}

pub(crate) fn has_failed(status: &Value) -> bool {
    is_complete(status) && row(status, "raidmesh")["verificationStatus"] == "Failure"
}

/// The example's image of `raidmesh`, for this kernel, with KMM's link to the node's modules or without.
fn raidmesh(kernel: &str, linked: bool) -> FakeImage {
    let layout = project("examples/upgrade/images");
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON") };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("a digest").replace("sha256:", "");
        layout.join("blobs/sha256").join(digest)
    };
    let index = json(&layout.join("index.json"));
    let is_its = |image: &&Value| image["annotations"].to_string().contains("/raidmesh:");
    let image = index["manifests"].as_array().expect("images").iter().find(is_its);
    let manifest = json(&blob(image.expect("raidmesh")));
    let layers = manifest["layers"].as_array().expect("layers").iter();
    let layers = layers.map(|layer| fs::read(blob(layer)).expect("a layer"));
    let image = layers.fold(FakeImage::new(), |image, layer| {
        image.layer(LAYER_GZIP, moved(&layer, kernel))
    });
    if linked {
        let link = format!("opt/lib/modules/{kernel}/host");
        return image.layer(
            LAYER_GZIP,
            FakeLayer::new().link(&link, &format!("/lib/modules/{kernel}")).gzip(),
        );
    }
    image.layer(
        LAYER_GZIP,
        FakeLayer::new()
            .whiteout(&format!("opt/lib/modules/{kernel}/host"))
            .gzip(),
    )
}

/// A layer with the folder of another kernel.
fn moved(layer: &[u8], kernel: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer));
    let mut moved = FakeLayer::new();
    for entry in archive.entries().expect("a layer") {
        let mut entry = entry.expect("an entry");
        let path = entry
            .path()
            .expect("a path")
            .display()
            .to_string()
            .replace(KERNEL, kernel);
        let link = entry
            .link_name()
            .expect("a link")
            .map(|link| link.display().to_string());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its content");
        moved = match (entry.header().entry_type(), link) {
            (tar::EntryType::Regular, _) => moved.file(&path, &bytes),
            (tar::EntryType::Symlink, Some(link)) => moved.link(&path, &link),
            (tar::EntryType::Link, Some(link)) => moved.hard_link(&path, &link),
            _ => moved,
        };
    }
    moved.gzip()
}

impl Stage {
    /// Puts these images of `raidmesh` into the registry, each for its kernel.
    pub(crate) fn push_raidmesh(&self, images: &[(&str, bool)]) {
        let folder = self.plane.folder().join("raidmesh");
        let images: Vec<(String, FakeImage)> = images
            .iter()
            .map(|(kernel, linked)| {
                (
                    format!("registry.example.com/raidmesh:{kernel}"),
                    raidmesh(kernel, *linked),
                )
            })
            .collect();
        let named: Vec<(&str, &FakeImage)> = images.iter().map(|(name, image)| (name.as_str(), image)).collect();
        write_layout(&folder, &named);
        self.registry.push_layout(&folder).expect("pushed");
    }

    /// A node with this label, that runs [`TODAY`].
    pub(crate) fn node(&self, name: &str, role: &str) {
        self.apply(&format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{role: {role}}}}}\n"
        ));
        let info = json!({"nodeInfo": {
            "kernelVersion": TODAY, "osImage": "", "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "",
            "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "linux", "systemUUID": "",
        }});
        self.patch_status(&format!("/api/v1/nodes/{name}"), &info);
    }

    /// Installs Node Feature Discovery, as far as anybody sees who asks it.
    pub(crate) fn install_discovery(&self) {
        let definition = self.plane.folder().join("node-features.yaml");
        fs::write(&definition, NODE_FEATURES).expect("written");
        self.plane.define(&definition).expect("a definition");
        self.namespaces(&[DISCOVERY]);
    }

    /// What Node Feature Discovery says of a node.
    pub(crate) fn discovered(&self, node: &str, modules: &[&str]) {
        self.feature((DISCOVERY, node), node, modules);
    }

    /// An object that says of a node that it has these modules loaded.
    pub(crate) fn feature(&self, (namespace, name): (&str, &str), node: &str, modules: &[&str]) {
        let elements: serde_json::Map<String, Value> =
            modules.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let object = json!({
            "apiVersion": "nfd.k8s-sigs.io/v1alpha1", "kind": "NodeFeature",
            "metadata": {"namespace": namespace, "name": name, "labels": {"nfd.node.kubernetes.io/node-name": node}},
            "spec": {"features": {
                "flags": {"kernel.loadedmodule": {"elements": elements}},
                "attributes": {"kernel.config": {"elements": {"X86": "y"}}},
            }},
        });
        self.apply(&object.to_string());
    }

    /// KMM says on how many nodes `raidmesh` is loaded, of one.
    fn raidmesh_is_loaded(&self, available: u32) {
        let counts = json!({"availableNumber": available, "desiredNumber": 1, "nodesMatchingSelectorNumber": 1});
        self.patch_status(RAIDMESH, &json!({"moduleLoader": counts}));
    }

    /// The Module `raidmesh` on nodes with the role `storage`.
    fn apply_raidmesh(&self) {
        let image = self
            .registry
            .reference("registry.example.com/raidmesh:${KERNEL_FULL_VERSION}");
        self.apply(&module("a", "raidmesh", &image).replace("selector: {}", "selector: {role: storage}"));
    }

    /// That Module, and the operator with a preflight that asks for it.
    pub(crate) fn asked_of_raidmesh(&self, words: &[&str]) -> Operator {
        self.apply_raidmesh();
        let host = self.registry.host();
        let operator = self.operator(&[&["--plain-toolkit-registry", &host], words].concat());
        self.preflight_with_toolkit("upgrade", KERNEL);
        operator
    }
}

#[test]
fn what_node_feature_discovery_says_of_all_its_nodes_counts_while_it_says_so() {
    let Some(stage) = Stage::set() else { return };
    stage.push_raidmesh(&[(KERNEL, false)]);
    for (node, role) in [("n1", "storage"), ("n2", "storage"), ("other", "compute")] {
        stage.node(node, role);
    }
    let operator = stage.asked_of_raidmesh(&[]);
    let status = stage.wait_for_status("upgrade", has_failed);
    assert!(reason(&status).contains("ln -s"), "the remedy: {status:#}");

    // Node Feature Discovery is installed later.
    stage.install_discovery();
    stage.discovered("n1", &[NEEDED, "dm_mod"]);
    stage.discovered("other", &["dm_mod"]);
    stage.discovered("n2", &[NEEDED]);
    let status = stage.wait_for_status("upgrade", is_verified);
    let words = format!(
        "warning: Node Feature Discovery says that all 2 of its nodes have {NEEDED} loaded today; without that it would not load"
    );
    assert!(reason(&status).contains(&words), "{status:#}");

    // Another process knows no more than that, and must see for itself.
    operator.end();
    let _operator = stage.operator(&["--plain-toolkit-registry", &stage.registry.host()]);
    stage.discovered("n2", &["dm_mod"]);
    stage.wait_for_status("upgrade", has_failed);
    stage.discovered("n2", &[NEEDED]);
    stage.wait_for_status("upgrade", is_verified);

    // It is taken away.
    stage.kubectl(["delete", "crd", "nodefeatures.nfd.k8s-sigs.io"]);
    stage.wait_for_status("upgrade", has_failed);
}

#[test]
fn a_gap_that_the_image_of_today_has_too_counts_while_kmm_says_that_it_is_loaded() {
    let Some(stage) = Stage::set() else { return };
    stage.push_raidmesh(&[(KERNEL, false), (TODAY, false)]);
    stage.node("n1", "storage");
    let _operator = stage.asked_of_raidmesh(&["--ignore-node-features"]);
    stage.wait_for_status("upgrade", has_failed);
    stage.raidmesh_is_loaded(1);
    let status = stage.wait_for_status("upgrade", is_verified);
    let words = format!(
        "its image for {TODAY}, the kernel of today, needs {NEEDED} in the same way, and KMM says that the Module is loaded on 1 node;"
    );
    assert!(reason(&status).contains(&words), "{status:#}");
    stage.raidmesh_is_loaded(0);
    stage.wait_for_status("upgrade", has_failed);
}

#[test]
fn that_nodes_have_what_the_image_of_today_loads_by_its_link_counts_for_nothing() {
    let Some(stage) = Stage::set() else { return };
    stage.push_raidmesh(&[(KERNEL, false), (TODAY, true)]);
    stage.install_discovery();
    stage.node("n1", "storage");
    stage.discovered("n1", &[NEEDED]);
    stage.apply_raidmesh();
    stage.raidmesh_is_loaded(1);
    let operator = stage.asked_of_raidmesh(&[]);
    let words =
        format!("that its nodes have {NEEDED} loaded today counts for nothing: its own image for {TODAY} loads it");
    // The reason tells that the image was read: it is no failure for want of an answer.
    let status = stage.wait_for_status("upgrade", |status| reason(status).contains(&words));
    assert!(has_failed(&status), "{status:#}");

    // Where that image has no link either, somebody else loads it.
    operator.end();
    stage.push_raidmesh(&[(TODAY, false)]);
    let _operator = stage.operator(&["--plain-toolkit-registry", &stage.registry.host()]);
    let status = stage.wait_for_status("upgrade", is_verified);
    assert!(reason(&status).contains("Node Feature Discovery says"), "{status:#}");
}

#[test]
fn a_right_that_is_missing_is_named_in_the_reason_until_it_is_given() {
    let Some(stage) = Stage::set() else { return };
    stage.push_raidmesh(&[(KERNEL, false)]);
    stage.install_discovery();
    stage.node("n1", "storage");
    stage.discovered("n1", &[NEEDED]);
    stage.apply(ALL_BUT_NODE_FEATURES);
    stage.apply_raidmesh();
    let account = stage.plane.kubeconfig_for_service_account("kmm-preflight", "answerer");
    let words = ["--no-webhook", "--plain-toolkit-registry", &stage.registry.host()];
    let operator = stage.operator_as(&account.expect("the account"), &words);
    stage.preflight_with_toolkit("upgrade", KERNEL);
    let status = stage.wait_for_status("upgrade", has_failed);
    let words = "Node Feature Discovery could not be read: ";
    assert!(
        reason(&status).contains(words) && reason(&status).contains("lacks the permission to list nodefeatures"),
        "{status:#}"
    );
    assert_eq!(operator.metric("kmm_preflight_problems"), Some(1.0));
    let rule = ["--verb=list,watch", "--resource=nodefeatures.nfd.k8s-sigs.io"];
    stage.kubectl(["create", "clusterrole", "features"].into_iter().chain(rule));
    let who = ["--clusterrole=features", "--serviceaccount=kmm-preflight:answerer"];
    stage.kubectl(["create", "clusterrolebinding", "features"].into_iter().chain(who));
    stage.wait_for_status("upgrade", is_verified);
    assert_eq!(operator.metric("kmm_preflight_problems"), Some(0.0));
}
