//! `cargo xtask demo`: what a user of the operator does and sees, on a throw-away control plane and registry.
//!
//! The chart is installed as it is. As no pod runs on a control plane without nodes, its Deployment's command line is
//! run here, as the chart's service account; its Service is made to lead to this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::image::repository;
use crate::interrupt::Interrupt;
use crate::port;
use crate::process::{Process, run};
use crate::programs::{self, Size};
use crate::registry::Registry;

/// The release, its namespace and, by the chart's rules, everything in it.
const RELEASE: &str = "kmm-preflight";
/// The registry of the example, whose place the throw-away one takes.
const EXAMPLE_REGISTRY: &str = "registry.example.com";
/// How long the operator may take until it can answer.
const OPERATOR_READY: Duration = Duration::from_mins(1);
/// How long an answer about its readiness may take.
const PROBE: Duration = Duration::from_secs(2);

/// Shows it all, and ends; with `keep`, when Ctrl-C comes.
pub fn run_demo(keep: bool) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    say("What it takes: a throw-away control plane, a registry with the images of examples/upgrade, the operator");
    programs::build_missing(Size::ControlPlane)?;
    say("Compiling the operator: minutes the first time");
    let program = compile_operator()?;
    let demo = Demo {
        cluster: ControlPlane::start()?,
        registry: Registry::start_with_tls()?,
        program,
        interrupt,
    };
    demo.registry.push_layout(&example().join("images"))?;
    demo.prepare_cluster()?;
    let _operator = demo.install_operator()?;
    demo.ask()?;
    if keep {
        say("The cluster stays until Ctrl-C");
        print(&format!("export KUBECONFIG={}\n", demo.cluster.kubeconfig().display()));
        demo.interrupt.wait();
    }
    Ok(())
}

struct Demo {
    cluster: ControlPlane,
    registry: Registry,
    /// The operator's.
    program: PathBuf,
    interrupt: Interrupt,
}

impl Demo {
    /// What a cluster with KMM has: its Modules, and a node that runs today's kernel.
    fn prepare_cluster(&self) -> anyhow::Result<()> {
        say("What the cluster has already: KMM's Modules, and a node with today's kernel");
        self.cluster
            .define(&repository().join("tests/compat/crds/modules.yaml"))?;
        self.cluster
            .feed_kubectl(["create", "--filename=-"], &node().to_string())?;
        let manifests = self.manifests()?;
        for namespace in namespaces(&manifests) {
            self.cluster.run_kubectl(["create", "namespace", &namespace])?;
        }
        self.cluster.feed_kubectl(["apply", "--filename=-"], &manifests)?;
        self.show(&["get", "modules", "--all-namespaces"])
    }

    /// The example's manifests but the preflight and what nobody answers here, with the throw-away registry in them.
    fn manifests(&self) -> anyhow::Result<String> {
        let mut files: Vec<_> = fs::read_dir(example())?.flatten().map(|entry| entry.path()).collect();
        // The one in sensors.yaml would have to be built first: nobody does that here, and it has no answer before.
        let left_out = ["preflight.yaml", "sensors.yaml"];
        files.retain(|file| {
            let is_yaml = file.extension().is_some_and(|end| end == "yaml");
            is_yaml && !left_out.iter().any(|name| file.ends_with(name))
        });
        files.sort();
        let contents = files.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
        Ok(contents
            .join("\n---\n")
            .replace(EXAMPLE_REGISTRY, &self.registry.host()))
    }

    /// Installs the chart and starts its operator; ends with what is returned.
    fn install_operator(&self) -> anyhow::Result<Process> {
        self.interrupt.check()?;
        say("The operator, installed by its chart; its registry is on this machine");
        let places = "registries.places={machine}";
        let options = ["--namespace", RELEASE, "--create-namespace", "--set", places];
        shown(&[&["helm", "install", RELEASE, "charts/kmm-preflight"], &options[..]].concat());
        let mut helm = self.cluster.helm();
        helm.args(["install", RELEASE])
            .arg(repository().join("charts/kmm-preflight"))
            .args(options);
        print(&run(&mut helm)?);
        let (webhook, metrics) = (port::free()?, port::free()?);
        self.lead_service_here(webhook)?;
        let mut operator = Process::start("operator", self.cluster.folder(), &self.operator(webhook, metrics)?)?;
        operator.wait_until(OPERATOR_READY, |_| is_ready(metrics))?;
        Ok(operator)
    }

    /// Lets the API server find the operator on this machine.
    fn lead_service_here(&self, webhook: u16) -> anyhow::Result<()> {
        self.cluster.lead_service_here(RELEASE, RELEASE)?;
        let port = json!([{ "op": "add", "path": "/webhooks/0/clientConfig/service/port", "value": webhook }]);
        for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
            self.cluster
                .run_kubectl(["patch", kind, RELEASE, "--type=json", "--patch", &port.to_string()])?;
        }
        Ok(())
    }

    /// The command of the chart's Deployment, with free ports, as its service account.
    fn operator(&self, webhook: u16, metrics: u16) -> anyhow::Result<Command> {
        let arguments = "-o=jsonpath={.spec.template.spec.containers[0].args}";
        let arguments = self
            .cluster
            .run_kubectl(["get", "deployment", RELEASE, "--namespace", RELEASE, arguments])?;
        let mut arguments: Vec<String> = serde_json::from_str(&arguments)?;
        arguments.retain(|one| !one.starts_with("--webhook-port=") && !one.starts_with("--metrics-port="));
        let mut operator = Command::new(&self.program);
        operator.args(arguments);
        operator.args([format!("--webhook-port={webhook}"), format!("--metrics-port={metrics}")]);
        operator.arg("--ca-file").arg(self.registry.ca_file());
        operator.env(
            "KUBECONFIG",
            self.cluster.kubeconfig_for_service_account(RELEASE, RELEASE)?,
        );
        operator.env("POD_NAMESPACE", RELEASE).env("POD_NAME", "demo");
        Ok(operator)
    }

    /// A question that is refused, then one done right, and its answers.
    fn ask(&self) -> anyhow::Result<()> {
        say("A malformed question is refused at once:");
        self.refuse(&repository().join("examples/operator/malformed.yaml"))?;

        say("The right question: will every Module load on the kernel of the upgrade?");
        let question = fs::read_to_string(repository().join("examples/operator/preflight.yaml"))?;
        print(&question);
        shown(&["kubectl", "apply", "-f", "examples/operator/preflight.yaml"]);
        print(
            &self
                .cluster
                .feed_kubectl(["apply", "--filename=-"], &self.here(&question))?,
        );
        self.show(&[
            "wait",
            "--for=condition=Complete",
            "preflightvalidationocp/upgrade",
            "--timeout=2m",
        ])?;
        self.show(&["get", "preflightvalidationsocp"])?;
        self.show(&["describe", "preflightvalidationocp", "upgrade"])
    }

    /// Applies something that must not be taken, and shows what is said of it.
    fn refuse(&self, file: &Path) -> anyhow::Result<()> {
        self.interrupt.check()?;
        print(&fs::read_to_string(file)?);
        shown(&["kubectl", "apply", "-f", "examples/operator/malformed.yaml"]);
        let output = self
            .cluster
            .kubectl()
            .args(["apply", "--filename"])
            .arg(file)
            .output()?;
        let refusal = String::from_utf8_lossy(&output.stderr);
        print(&refusal);
        // The API server's own check of the definition would name the first alone.
        let both = ["spec.kernelVersion", "spec.dtkImage"];
        let by_admission = !output.status.success() && both.iter().all(|field| refusal.contains(field));
        anyhow::ensure!(
            by_admission,
            "admission should have refused this for both of its fields"
        );
        Ok(())
    }

    /// The text with the throw-away registry in place of the example's.
    fn here(&self, manifests: &str) -> String {
        manifests.replace(EXAMPLE_REGISTRY, &self.registry.host())
    }

    /// Runs `kubectl` before everybody's eyes.
    fn show(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.interrupt.check()?;
        shown(&[&["kubectl"], arguments].concat());
        let status = self.cluster.kubectl().args(arguments).status()?;
        anyhow::ensure!(status.success(), "kubectl failed ({status}): what it said stands above");
        Ok(())
    }
}

/// Compiles the operator.
fn compile_operator() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(repository())
        .args(["build", "--quiet", "--locked", "--bin=kmm-preflight"]);
    anyhow::ensure!(
        cargo.status().context("cargo does not start")?.success(),
        "the operator does not compile"
    );
    Ok(repository().join("target/debug/kmm-preflight"))
}

/// A node of the cluster, as its kubelet would introduce it.
fn node() -> serde_json::Value {
    let kernel = json!({ "kernelVersion": "6.1.0-47-cloud-amd64", "architecture": "amd64", "operatingSystem": "linux",
        "machineID": "", "systemUUID": "", "bootID": "", "osImage": "", "containerRuntimeVersion": "",
        "kubeletVersion": programs::KUBERNETES, "kubeProxyVersion": "" });
    let labels = json!({ "node-role.kubernetes.io/worker": "" });
    json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "worker-1", "labels": labels },
        "status": { "nodeInfo": kernel } })
}

/// The namespaces that manifests name, each once.
fn namespaces(manifests: &str) -> Vec<String> {
    let mut names: Vec<_> = manifests
        .lines()
        .filter_map(|line| line.strip_prefix("  namespace: "))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

/// Whether the operator says so.
fn is_ready(port: u16) -> bool {
    let answer = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PROBE))?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok::<_, std::io::Error>(status)
    };
    answer().is_ok_and(|status| status.ends_with(b" 200"))
}

fn example() -> PathBuf {
    repository().join("examples/upgrade")
}

/// A heading.
fn say(words: &str) {
    print(&format!("\n# {words}\n"));
}

/// A command that a user would type.
fn shown(command: &[&str]) {
    print(&format!("\n$ {}\n", command.join(" ")));
}

#[expect(clippy::print_stdout, reason = "a demo talks to people")]
fn print(words: &str) {
    print!("{words}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespaces_of_the_example_are_found() {
        let manifests =
            "metadata:\n  name: a\n  namespace: storage\n---\n  namespace: gpu\n---\n  namespace: storage\n";
        assert_eq!(namespaces(manifests), ["gpu", "storage"]);
    }
}
