//! How one talks to a throw-away cluster: kubeconfigs, kubectl and helm.

use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ControlPlane;
use crate::pki::{Pair, Subject};
use crate::process;

/// How long the API server may take to serve a new definition; it takes a moment.
const DEFINED: Duration = Duration::from_mins(1);
/// How often a condition is looked at that is waited for.
const POLL: Duration = Duration::from_millis(50);
/// How long a token of a service account is good for: longer than any test.
const TOKEN_LIFE: &str = "24h";

impl ControlPlane {
    /// A kubeconfig of somebody who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// A kubeconfig of a service account, which must exist, with a token that is good for a day.
    pub fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let duration = format!("--duration={TOKEN_LIFE}");
        let token = self.run_kubectl(["create", "token", name, "--namespace", namespace, &duration])?;
        self.write_kubeconfig(&format!("{namespace}.{name}"), &json!({ "token": token.trim() }))
    }

    /// `kubectl` as somebody who may do everything.
    pub fn kubectl(&self) -> Command {
        self.kubectl_as(&self.kubeconfig())
    }

    /// `kubectl` with this kubeconfig. What it remembers of a server stays with this one: another may get its port.
    pub fn kubectl_as(&self, kubeconfig: &Path) -> Command {
        let mut command = self.programs.command("kubectl");
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env("KUBECACHEDIR", self.path("kubectl-cache"));
        command
    }

    /// Runs `kubectl` as somebody who may do everything, and returns what it prints; an error has what it complains of.
    pub fn run_kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<String> {
        process::run(self.kubectl().args(arguments))
    }

    /// The same with this for its standard input: `apply --filename=-` and the like.
    pub fn feed_kubectl<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> anyhow::Result<String> {
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        process::run(self.kubectl().args(arguments).stdin(file))
    }

    /// Applies a file with the definition of a kind (a CRD) and returns when the API server has established it.
    pub fn define(&self, definition: &Path) -> anyhow::Result<()> {
        let at = [OsStr::new("--filename"), definition.as_os_str()];
        process::run(self.kubectl().args(["apply", "--server-side"]).args(at))?;
        // `kubectl wait` fails where there is no list of conditions yet.
        let is_established = "--output=jsonpath={.status.conditions[?(@.type==\"Established\")].status}";
        let deadline = Instant::now() + DEFINED;
        loop {
            match process::run(self.kubectl().args(["get", is_established]).args(at)) {
                Ok(status) if status == "True" => return Ok(()),
                outcome if Instant::now() > deadline => {
                    anyhow::bail!(
                        "{} is not established after {DEFINED:?}: {outcome:?}",
                        definition.display()
                    )
                }
                _ => std::thread::sleep(POLL),
            }
        }
    }

    /// Makes a Service lead to this machine, so that a webhook that names the Service is called in a process of ours:
    /// at the port that the webhook names, with the Service's name in TLS. What the Service was before is replaced.
    pub fn lead_service_here(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        });
        self.feed_kubectl(["replace", "--force", "--filename=-"], &service.to_string())?;
        Ok(())
    }

    /// `helm` as somebody who may do everything, with nothing of the user's own settings.
    pub fn helm(&self) -> Command {
        let mut command = self.programs.command("helm");
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .env("KUBECACHEDIR", self.path("kubectl-cache"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.path("helm"));
        }
        command
    }

    /// Writes `<name>.kubeconfig` of somebody who shows a certificate of the cluster's authority.
    pub(crate) fn write_kubeconfig_of(&self, name: &str, subject: &Subject<'_>) -> anyhow::Result<PathBuf> {
        let Pair { certificate, key } = self.authority.issue(name, subject)?;
        self.write_kubeconfig(name, &json!({ "client-certificate": certificate, "client-key": key }))
    }

    fn write_kubeconfig(&self, name: &str, user: &Value) -> anyhow::Result<PathBuf> {
        let cluster = json!({ "server": self.url(), "certificate-authority": self.path("pki/ca.crt") });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "cluster", "cluster": cluster }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{ "name": "context", "context": { "cluster": "cluster", "user": "user" } }],
            "current-context": "context",
        });
        let path = self.path(&format!("{name}.kubeconfig"));
        fs::write(&path, serde_json::to_vec_pretty(&kubeconfig)?)?;
        Ok(path)
    }
}
