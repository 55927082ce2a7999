//! A throw-away Kubernetes without nodes: etcd and kube-apiserver on this machine, alone in a folder of their own.
//!
//! Many may run at once. As no controller manager runs, nothing is there that one makes: no `default` service account
//! in a new namespace, no garbage collection; a namespace that is deleted stays `Terminating`.

mod access;
mod client;
mod definition;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
pub use client::Client;

use crate::environment;
use crate::folder::Folder;
use crate::pki::{Authority, Subject};
use crate::port;
use crate::process::Process;
use crate::programs::{Missing, Programs, Size};

/// How long etcd may take; it takes a fraction of a second, but many may start at once on few cores.
const ETCD_READY: Duration = Duration::from_mins(1);
/// How long the API server may take; it takes four seconds, but many may start at once on few cores.
const API_SERVER_READY: Duration = Duration::from_mins(2);
/// `GOGC` of the API server: at its start it makes much that stays, and a collector that looks often finds nothing. Of
/// 3.3 s of a processor this saves 0.8; the 270 MB that it takes become 390.
const SELDOM: &str = "400";
/// The certificate of the cluster's authority, in its folder.
const AUTHORITY: &str = "pki/ca.crt";
/// How often a control plane is tried with another port where somebody took the port in the moment before the server did.
const ATTEMPTS: usize = 3;

/// etcd and kube-apiserver with RBAC. Both are killed, and the folder is removed, when this is dropped.
pub struct ControlPlane {
    // In this order they are dropped: the servers before their folder.
    api_server: Option<Process>,
    etcd: Option<Process>,
    programs: Programs,
    authority: Authority,
    client: Client,
    shape: Shape,
    folder: Folder,
}

/// Who may do everything.
const ADMIN: Subject<'_> = Subject {
    name: "admin",
    group: Some("system:masters"),
    hosts: &[],
};

/// Under which names the API server is reached.
const HOSTS: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// What differs between an API server that is alone and one that has a node.
pub(crate) struct Shape {
    pub(crate) port: u16,
    /// Further names and addresses in its certificate.
    pub(crate) hosts: &'static [&'static str],
    pub(crate) flags: &'static [&'static str],
}

impl Shape {
    fn alone() -> anyhow::Result<Self> {
        // A Service cannot lead to 127.0.0.1, so nothing keeps the one of the API server.
        let flags = &[
            "--bind-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
        ];
        Ok(Self {
            port: port::free()?,
            hosts: &[],
            flags,
        })
    }
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
    pub fn for_test() -> Option<Self> {
        environment::for_test(Self::available(), Self::start)
    }

    /// Starts one and returns when it is ready, which takes about four seconds.
    pub fn start() -> anyhow::Result<Self> {
        let programs = Programs::find(Size::ControlPlane)?;
        let attempt = || Self::start_as(programs.clone(), Shape::alone()?);
        for _ in 1..ATTEMPTS {
            match attempt() {
                Err(error) if format!("{error:#}").contains("address already in use") => {}
                outcome => return outcome,
            }
        }
        attempt()
    }

    pub(crate) fn start_as(programs: Programs, shape: Shape) -> anyhow::Result<Self> {
        // etcd, which is told not to wait for the disk, waits all the same where the disk is busy.
        let folder = Folder::create_in_memory()?;
        let authority = Authority::create(&folder.path().join("pki"))?;
        authority.token_key("service-accounts")?;
        let admin = authority.issue("admin", &ADMIN)?;
        let client = Client::with_certificate(&url(&shape), &folder.path().join(AUTHORITY), &admin)?;
        let mut cluster = Self {
            api_server: None,
            etcd: None,
            programs,
            authority,
            client,
            shape,
            folder,
        };
        cluster.write_kubeconfig_with("admin", &admin)?;
        cluster.certify()?;
        cluster.start_etcd()?;
        cluster.start_api_server()?;
        Ok(cluster)
    }

    /// Gives the API server its certificate.
    fn certify(&self) -> anyhow::Result<()> {
        let hosts: Vec<_> = HOSTS.iter().chain(self.shape.hosts).copied().collect();
        let subject = Subject {
            name: "kube-apiserver",
            group: None,
            hosts: &hosts,
        };
        self.authority.issue("api-server", &subject).map(drop)
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
        etcd.wait_until(ETCD_READY, |_| std::os::unix::net::UnixStream::connect(&socket).is_ok())
    }

    /// Kills etcd: the API server has lost its storage until etcd is started again.
    pub fn stop_etcd(&mut self) {
        self.etcd = None;
    }

    /// Puts etcd to sleep as a stalled disk would: connections stay, and nothing is answered until [`Self::wake_etcd`].
    pub fn suspend_etcd(&self) -> anyhow::Result<()> {
        self.signal_etcd("STOP")
    }

    /// Lets etcd go on where it was.
    pub fn wake_etcd(&self) -> anyhow::Result<()> {
        self.signal_etcd("CONT")
    }

    fn signal_etcd(&self, signal: &str) -> anyhow::Result<()> {
        self.etcd.as_ref().context("etcd does not run")?.signal(signal)
    }

    /// Starts the API server, at the same address as before, and returns when it is ready.
    pub fn start_api_server(&mut self) -> anyhow::Result<()> {
        let mut command = self.programs.command("kube-apiserver");
        command.env("GOGC", SELDOM).current_dir(self.folder.path()).args([
            &format!("--etcd-servers=unix://{}", self.path("etcd.sock").display()),
            &format!("--secure-port={}", self.shape.port),
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            &format!("--client-ca-file={AUTHORITY}"),
            "--tls-cert-file=pki/api-server.crt",
            "--tls-private-key-file=pki/api-server.key",
            "--service-account-key-file=pki/service-accounts.pub",
            "--service-account-signing-key-file=pki/service-accounts.key",
        ]);
        command.args(self.shape.flags);
        let mut api_server = Process::start("kube-apiserver", self.folder.path(), &command)?;
        api_server.wait_until(API_SERVER_READY, |_| self.is_ready())?;
        self.api_server = Some(api_server);
        Ok(())
    }

    /// Kills the API server as a lost machine would: no connection is closed in peace.
    pub fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Whether the API server says so, and has made what objects are made in.
    fn is_ready(&self) -> bool {
        let answers = |path| self.client.get(path).is_ok_and(|found| found.is_some());
        answers("/readyz") && answers("/api/v1/namespaces/default")
    }

    /// Where the API server is: `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        url(&self.shape)
    }

    /// The folder of the cluster: logs are there as `etcd.log` and `kube-apiserver.log`, and there is room for more.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn url(shape: &Shape) -> String {
    format!("https://127.0.0.1:{}", shape.port)
}
