//! A throw-away Kubernetes with one node, on which pods run: this machine. It needs root, and there is one at a time.
//!
//! Beside the control plane: controller manager, scheduler, containerd, kubelet, a bridge for the pods, and a registry
//! that pods' images come from. No kube-proxy and no DNS: the API server calls the pods behind a Service itself, and
//! the Service of the API server is an address of this machine.

mod config;
mod host;

use std::fs;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use crate::control_plane::{ControlPlane, Shape};
use crate::environment;
use crate::folder::Folder;
use crate::image::{self, Destination};
use crate::pki::Subject;
use crate::process::{Process, run};
use crate::programs::{Missing, Programs, Size};
use crate::registry::Registry;
pub use host::GATEWAY;
use host::{Claim, Network, SERVICE};

/// The node's name.
pub const NAME: &str = "node-1";
/// The image, in the node's registry, of a shell and its tools; its command sleeps.
pub const BUSYBOX: &str = "10.88.0.1:5000/base/busybox:1";
/// A registry that is nowhere but in the configuration of the node's container runtime: there the node's own registry is its mirror.
pub const MIRRORED: &str = "mirrored.test";
/// What containerd calls the image that holds a pod's network.
const PAUSE: &str = "localhost/pause:1";
/// How long containerd may take to answer: of the fifteen seconds until a node is Ready the smaller part.
const CONTAINERD_READY: Duration = Duration::from_mins(1);
/// How long the kubelet may take until the node is Ready: of those fifteen seconds the smaller part, too.
const NODE_READY: Duration = Duration::from_mins(3);

/// A control plane with a node and a registry. With it everything goes that it made of this machine.
pub struct Node {
    // In this order they are dropped: the kubelet before what it would complain of.
    servers: Vec<Process>,
    registry: Registry,
    control_plane: ControlPlane,
    /// What containerd and the kubelet have: images and pods are too much for memory, and are mounted here.
    folder: Folder,
    _network: Network,
    _claim: Claim,
}

impl Node {
    /// Whether there is what it takes.
    pub fn available() -> Result<(), Missing> {
        if !host::is_ours() {
            return Err(Missing::Root);
        }
        Programs::find(Size::Node).map(drop)
    }

    /// For a test: a node; or none, which is said loudly, where this machine has no programs for one.
    ///
    /// # Panics
    /// where it does not start, and where CI or `KMM_PREFLIGHT_REQUIRE_CLUSTER` insist on one and there are no programs.
    pub fn for_test() -> Option<Self> {
        environment::for_test(Self::available(), Self::start)
    }

    /// Starts one and returns when the node is Ready, which takes about fifteen seconds. Waits for another to end.
    pub fn start() -> anyhow::Result<Self> {
        Self::available()?;
        let programs = Programs::find(Size::Node)?;
        let mut claim = Claim::take()?;
        let network = Network::create()?;
        let registry = Registry::start_at(SocketAddrV4::new(GATEWAY, 5000))?;
        let control_plane = ControlPlane::start_as(programs.clone(), shape())?;
        let folder = Folder::create()?;
        claim.remember(folder.path())?;
        let mut node = Self {
            servers: Vec::new(),
            registry,
            control_plane,
            folder,
            _network: network,
            _claim: claim,
        };
        node.start_controllers(&programs)?;
        node.start_containerd(&programs)?;
        node.start_kubelet(&programs)?;
        Ok(node)
    }

    /// The API server, kubectl and helm.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The registry that pods' images come from, over plain HTTP.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where the certificates of the cluster are.
    fn pki(&self) -> PathBuf {
        self.control_plane.folder().join("pki")
    }

    fn start_controllers(&mut self, programs: &Programs) -> anyhow::Result<()> {
        for (name, flags) in [
            ("kube-controller-manager", config::CONTROLLER_MANAGER),
            ("kube-scheduler", &["--leader-elect=false"]),
        ] {
            let user = format!("system:{name}");
            let kubeconfig = self.control_plane.write_kubeconfig_of(
                name,
                &Subject {
                    name: &user,
                    group: None,
                    hosts: &[],
                },
            )?;
            let mut command = programs.command(name);
            command
                .current_dir(self.control_plane.folder())
                .arg("--kubeconfig")
                .arg(kubeconfig)
                .args(flags);
            self.servers
                .push(Process::start(name, self.control_plane.folder(), &command)?);
        }
        Ok(())
    }

    /// containerd, with the image in it that every pod begins with.
    fn start_containerd(&mut self, programs: &Programs) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let archive = folder.join("pause.tar");
        image::build_busybox(&[
            Destination::Archive {
                file: archive.clone(),
                name: PAUSE.to_owned(),
            },
            Destination::Registry {
                reference: BUSYBOX.to_owned(),
                tls_verify: false,
            },
        ])?;
        config::write_for_containerd(
            folder,
            &programs.place_of("containerd-shim-runc-v2"),
            &self.registry.host(),
        )?;
        let mut command = programs.command("containerd");
        command.arg("--config").arg(folder.join("containerd.toml"));
        let mut containerd = Process::start("containerd", folder, &command)?;
        let ctr = || {
            let mut ctr = programs.command("ctr");
            ctr.arg("--address")
                .arg(folder.join("containerd.sock"))
                .args(["--namespace", "k8s.io"]);
            ctr
        };
        containerd.wait_until(CONTAINERD_READY, |_| run(ctr().arg("version")).is_ok())?;
        self.servers.push(containerd);
        run(ctr().args(["images", "import"]).arg(archive))?;
        Ok(())
    }

    fn start_kubelet(&mut self, programs: &Programs) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let user = format!("system:node:{NAME}");
        let gateway = GATEWAY.to_string();
        let subject = Subject {
            name: &user,
            group: Some("system:nodes"),
            hosts: &[NAME, &gateway],
        };
        let kubeconfig = self.control_plane.write_kubeconfig_of("kubelet", &subject)?;
        fs::write(
            folder.join("kubelet.json"),
            config::kubelet(folder, &self.pki()).to_string(),
        )?;
        let mut command = programs.command("kubelet");
        command
            .arg("--config")
            .arg(folder.join("kubelet.json"))
            .arg("--kubeconfig")
            .arg(kubeconfig);
        command.arg("--root-dir").arg(folder.join("kubelet"));
        command.args([format!("--hostname-override={NAME}"), format!("--node-ip={GATEWAY}")]);
        let kubelet = self.servers.push_mut(Process::start("kubelet", folder, &command)?);
        let control_plane = &self.control_plane;
        kubelet.wait_until(NODE_READY, |_| is_ready(control_plane))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The last that was started first: it would complain of the others, or start pods again.
        while self.servers.pop().is_some() {}
        host::stop_pods(self.folder.path());
    }
}

/// An API server that pods reach, at an address of this machine and at that of its Service, and that reaches them.
fn shape() -> Shape {
    Shape {
        port: 443,
        hosts: &["10.88.0.1", SERVICE],
        flags: &[
            "--advertise-address=10.88.0.1",
            "--authorization-mode=Node,RBAC",
            "--enable-aggregator-routing=true", // calls a Service's pods itself
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-certificate-authority=pki/ca.crt",
            "--kubelet-client-certificate=pki/admin.crt",
            "--kubelet-client-key=pki/admin.key",
        ],
    }
}

/// Whether the node says so, and the controllers have made what a pod needs.
fn is_ready(control_plane: &ControlPlane) -> bool {
    let there = |path: &str| control_plane.client().get(path).ok().flatten().unwrap_or_default();
    let node = there(&format!("/api/v1/nodes/{NAME}"));
    let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && !there("/api/v1/namespaces/default/serviceaccounts/default").is_null()
}
