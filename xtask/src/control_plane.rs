//! A throw-away Kubernetes without nodes: etcd and kube-apiserver on this machine, alone in a folder of their own.
//!
//! Many may run at once. As no controller manager runs, nothing is there that one makes: no `default` service account
//! in a new namespace, no garbage collection; what is deleted with a namespace stays.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;

use crate::environment;
use crate::pki::{Authority, Pair, Subject};
use crate::port;
use crate::process::Process;
use crate::programs::{Missing, Programs, Size};

/// How long etcd may take; on a busy machine with two cores it took two seconds.
const ETCD_READY: Duration = Duration::from_mins(1);
/// How long the API server may take; on a busy machine with two cores it took twenty seconds.
const API_SERVER_READY: Duration = Duration::from_mins(2);
/// How often a control plane is tried with another port where somebody took the port in the moment before the server did.
const ATTEMPTS: usize = 3;
/// How long a token of a service account is good for: longer than any test.
const TOKEN_LIFE: &str = "24h";

/// etcd and kube-apiserver with RBAC. Both are killed, and the folder is removed, when this is dropped.
pub struct ControlPlane {
    // In this order they are dropped: the servers before their folder.
    api_server: Option<Process>,
    etcd: Option<Process>,
    programs: Programs,
    port: u16,
    folder: TempDir,
}

impl ControlPlane {
    /// Whether there is what it takes.
    pub fn available() -> Result<(), Missing> {
        Programs::find(Size::ControlPlane).map(drop)
    }

    /// For a test: a control plane; or none, which is said loudly, where this machine has no programs for one.
    ///
    /// # Panics
    /// where it does not start, and where CI or `KMM_PREFLIGHT_REQUIRE_CLUSTER` insist on one and there are no programs.
    #[expect(
        clippy::panic,
        clippy::print_stderr,
        reason = "this is how a test fails, and how it says that it skips"
    )]
    pub fn for_test() -> Option<Self> {
        match Self::available() {
            Ok(()) => Some(Self::start().unwrap_or_else(|error| panic!("{error:?}"))),
            Err(missing) if environment::requires_cluster() => panic!("{missing}"),
            Err(missing) => {
                eprintln!("\nSKIPPED, NOTHING IS TESTED HERE: {missing}\n");
                None
            }
        }
    }

    /// Starts one and returns when it is ready, which takes about five seconds.
    pub fn start() -> anyhow::Result<Self> {
        let programs = Programs::find(Size::ControlPlane)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(programs.clone()) {
                Err(error) if attempt < ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                    attempt += 1
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(programs: Programs) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kmm-preflight-").tempdir()?;
        let mut cluster = Self {
            api_server: None,
            etcd: None,
            programs,
            port: port::free()?,
            folder,
        };
        cluster.issue_certificates()?;
        cluster.start_etcd()?;
        cluster.start_api_server()?;
        Ok(cluster)
    }

    fn issue_certificates(&self) -> anyhow::Result<()> {
        let authority = Authority::create(&self.path("pki"))?;
        authority.token_key("service-accounts")?;
        let hosts = [
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
        ];
        authority.issue(
            "api-server",
            &Subject {
                name: "kube-apiserver",
                group: None,
                hosts: &hosts,
            },
        )?;
        let admin = Subject {
            name: "admin",
            group: Some("system:masters"),
            hosts: &[],
        };
        let Pair { certificate, key } = authority.issue("admin", &admin)?;
        self.write_kubeconfig(
            "admin",
            &json!({ "client-certificate": certificate, "client-key": key }),
        )?;
        Ok(())
    }

    /// Starts etcd with what it held when it was stopped. It listens on a socket in our folder: no port to find.
    pub fn start_etcd(&mut self) -> anyhow::Result<()> {
        let socket = self.path("etcd.sock");
        let mut command = self.programs.command("etcd");
        command.current_dir(self.folder.path()).args([
            "--data-dir=etcd",
            &format!("--listen-client-urls=unix://{}", socket.display()),
            "--advertise-client-urls=http://localhost:1", // nobody is told
            // To its peers, of which there are none, it wants to be a host with a port: a socket of that name in the folder.
            "--listen-peer-urls=unix://localhost:2",
            "--initial-advertise-peer-urls=unix://localhost:2",
            "--initial-cluster=default=unix://localhost:2",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]);
        let etcd = self.etcd.insert(Process::start("etcd", self.folder.path(), &command)?);
        etcd.wait_until(ETCD_READY, || std::os::unix::net::UnixStream::connect(&socket).is_ok())
    }

    /// Kills etcd: the API server has lost its storage until etcd is started again.
    pub fn stop_etcd(&mut self) {
        self.etcd = None;
    }

    /// Starts the API server, at the same address as before, and returns when it is ready.
    pub fn start_api_server(&mut self) -> anyhow::Result<()> {
        let pki = self.path("pki");
        let file = |flag: &str, name: &str| format!("--{flag}={}", pki.join(name).display());
        let mut command = self.programs.command("kube-apiserver");
        command.args([
            format!("--etcd-servers=unix://{}", self.path("etcd.sock").display()),
            format!("--secure-port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(), // a Service cannot lead to 127.0.0.1
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "api-server.crt"),
            file("tls-private-key-file", "api-server.key"),
            file("service-account-key-file", "service-accounts.pub"),
            file("service-account-signing-key-file", "service-accounts.key"),
        ]);
        let mut api_server = Process::start("kube-apiserver", self.folder.path(), &command)?;
        api_server.wait_until(API_SERVER_READY, || self.is_ready())?;
        self.api_server = Some(api_server);
        Ok(())
    }

    /// Kills the API server as a lost machine would: no connection is closed in peace.
    pub fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Whether the API server says so, and has made what objects are made in.
    fn is_ready(&self) -> bool {
        let answers = |path: &str| {
            let mut command = self.kubectl();
            command
                .args(["get", "--request-timeout=5s", "--raw", path])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && answers("/readyz")
            && answers("/api/v1/namespaces/default")
    }

    /// Where the API server is: `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A kubeconfig of somebody who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// The folder of the cluster: logs are there as `etcd.log` and `kube-apiserver.log`, and there is room for more.
    pub fn folder(&self) -> &Path {
        self.folder.path()
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
        let mut command = self.kubectl();
        command.args(arguments);
        let output = command.output().context("kubectl does not start")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{command:?}: {}", complaint.trim());
        Ok(String::from_utf8(output.stdout)?)
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

    fn write_kubeconfig(&self, name: &str, user: &serde_json::Value) -> anyhow::Result<PathBuf> {
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
