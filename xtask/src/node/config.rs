//! What the servers of a node are told.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::host::{GATEWAY, POD_NETWORK};
use super::{MIRRORED, PAUSE};

pub(super) const CONTROLLER_MANAGER: &[&str] = &[
    "--leader-elect=false",
    "--use-service-account-credentials",
    "--service-account-private-key-file=pki/service-accounts.key",
    "--root-ca-file=pki/ca.crt",
];

/// Writes `containerd.toml` and what it refers to: the pods' network, and how the registry is reached.
pub(super) fn write_for_containerd(folder: &Path, shim: &Path, registry: &str) -> anyhow::Result<()> {
    fs::write(folder.join("containerd.toml"), containerd(folder, shim))?;
    fs::create_dir_all(folder.join("cni"))?;
    fs::write(folder.join("cni/10-pods.conflist"), network(folder).to_string())?;
    let plain = format!("[host.\"http://{registry}\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
    for name in [registry, MIRRORED] {
        let hosts = folder.join("certs.d").join(name);
        fs::create_dir_all(&hosts)?;
        fs::write(hosts.join("hosts.toml"), &plain)?;
    }
    Ok(())
}

/// `restrict_oom_score_adj`: where CAP_SYS_RESOURCE is missing, runc could not lower it and dies.
/// `netns_mounts_under_state_dir`: so that all mounts are in our folder, and are found again.
fn containerd(folder: &Path, shim: &Path) -> String {
    let (folder, shim) = (folder.display(), shim.display());
    format!(
        "version = 3
root = '{folder}/containerd/root'
state = '{folder}/containerd/state'
[grpc]
address = '{folder}/containerd.sock'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{PAUSE}'
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '{folder}/certs.d'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
runtime_path = '{shim}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/usr/lib/cni']
conf_dir = '{folder}/cni'
"
    )
}

fn network(folder: &Path) -> Value {
    let addresses = json!({
        "type": "host-local",
        "dataDir": folder.join("cni/addresses"),
        "ranges": [[{ "subnet": POD_NETWORK, "gateway": GATEWAY }]],
        "routes": [{ "dst": "0.0.0.0/0" }],
    });
    let bridge = json!({ "type": "bridge", "bridge": super::host::BRIDGE, "isGateway": true, "ipam": addresses });
    json!({ "cniVersion": "1.0.0", "name": "pods", "plugins": [bridge] })
}

/// The kubelet's configuration. It may be a machine with cgroups of version 1, without swap accounting or systemd, and
/// with little room on its disk. `pki` is where the cluster's certificates are.
pub(super) fn kubelet(folder: &Path, pki: &Path) -> Value {
    let authority = pki.join("ca.crt");
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": format!("unix://{}", folder.join("containerd.sock").display()),
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": pki.join("kubelet.crt"),
        "tlsPrivateKeyFile": pki.join("kubelet.key"),
        "clusterDNS": [GATEWAY],
        "resolvConf": "",
        "makeIPTablesUtilChains": false,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": { "memory.available": "50Mi" },
        "crashLoopBackOff": { "maxContainerRestartPeriod": "1s" }, // a container that was killed is back at once
        "podLogsDir": folder.join("pod-logs"),
        "volumePluginDir": folder.join("volume-plugins"),
    })
}
