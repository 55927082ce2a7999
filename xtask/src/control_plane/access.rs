//! How one talks to a throw-away cluster: kubeconfigs, kubectl, helm, and requests of our own.

use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::{AUTHORITY, Client, ControlPlane};
use crate::pki::{Pair, Subject};
use crate::process;

/// For how many seconds a token of a service account is good: longer than any test.
const TOKEN_LIFE: u32 = 24 * 60 * 60;

impl ControlPlane {
    /// A kubeconfig of somebody who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// A kubeconfig of a service account, which must exist, with a token that is good for a day.
    pub fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let token = self.token_of(namespace, name)?;
        self.write_kubeconfig(&format!("{namespace}.{name}"), &json!({ "token": token }))
    }

    /// Requests of somebody who may do everything, for all that is asked again and again: kubectl is for what it does
    /// itself, and for what it shows.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Requests of a service account, which must exist, for a day.
    pub fn client_of_service_account(&self, namespace: &str, name: &str) -> anyhow::Result<Client> {
        Client::with_token(&self.url(), &self.path(AUTHORITY), &self.token_of(namespace, name)?)
    }

    fn token_of(&self, namespace: &str, name: &str) -> anyhow::Result<String> {
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "expirationSeconds": TOKEN_LIFE },
        });
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let made = self.client.create(&account, &request)?;
        let token = made["status"]["token"].as_str();
        Ok(token.context("a request for a token without one")?.to_owned())
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
        let pair = self.authority.issue(name, subject)?;
        self.write_kubeconfig_with(name, &pair)
    }

    /// The same with a certificate that is there already.
    pub(super) fn write_kubeconfig_with(&self, name: &str, pair: &Pair) -> anyhow::Result<PathBuf> {
        let Pair { certificate, key } = pair;
        self.write_kubeconfig(name, &json!({ "client-certificate": certificate, "client-key": key }))
    }

    fn write_kubeconfig(&self, name: &str, user: &Value) -> anyhow::Result<PathBuf> {
        let cluster = json!({ "server": self.url(), "certificate-authority": self.path(AUTHORITY) });
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
