//! What people ship: modules of Debian's packages for DKMS, compiled for each of a few kernels and tried on each, alone
//! in their image and with KMM's link to the node's modules.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::case::Case;
use super::kernel::Kernel;
use super::ko::Ko;
use super::{Answer, Errand, Subject};
use table::Table;

/// The packages: file systems, network, block devices, packet filters, tracing, drivers from user space.
const PACKAGES: [&str; 10] = [
    "apfs-dkms",
    "dm-writeboost-dkms",
    "dpdk-kmods-dkms",
    "falcosecurity-scap-dkms",
    "jool-dkms",
    "nat-rtsp-dkms",
    "openvpn-dco-dkms",
    "rapiddisk-dkms",
    "rtpengine-kernel-dkms",
    "xtables-addons-dkms",
];
/// The kernels, unless others are named: two of one series that differ in their ABI.
const KERNELS: [&str; 2] = ["6.1.0-47-cloud-amd64", "6.1.0-50-cloud-amd64"];

/// Modules whose own init refuses to go on: the kernel has taken them. Where it has not, and says why, that is no excuse.
const INIT_REFUSES: [(&str, &str); 1] = [(
    "xt_DNETMAP",
    "its init goes on only where NAT is built in, and answers EINVAL where it is a module",
)];

/// A package's modules, compiled for one kernel.
struct Shipment {
    package: &'static str,
    version: String,
    compiled_for: String,
    /// None, where they do not compile.
    kos: Vec<Ko>,
}

/// How modules are put into an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Packaging {
    Plain,
    HostLink,
}

impl Packaging {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::HostLink => "host",
        }
    }
}

/// A module of a package, as a case tries it.
struct Trial<'a> {
    shipment: &'a Shipment,
    module: &'a str,
    packaging: Packaging,
}

/// Asks about all of them.
pub(super) fn ask(errand: &Errand<'_>, print: &mut impl FnMut(&str)) -> anyhow::Result<Answer> {
    let kernels = errand.kernels_named_or(&KERNELS, print)?;
    let mut shipments = Vec::new();
    for (kernel, package) in kernels
        .iter()
        .flat_map(|kernel| PACKAGES.map(|package| (kernel, package)))
    {
        shipments.push(Shipment::compiled(errand.cache, kernel, package)?);
    }
    let (mut rows, mut table) = (Vec::new(), Table::default());
    for kernel in &kernels {
        let kernel = kernel.with_in_tree(needed(&shipments))?;
        let trials: BTreeMap<String, Trial<'_>> = shipments.iter().flat_map(Shipment::trials).collect();
        let cases = trials.iter().map(|(id, trial)| ("shipped", 0, trial.case(id, &kernel)));
        for row in errand.asked(&kernel, cases.collect(), print)? {
            table.add(trials.get(&row.id).context("a trial of that name")?, &row);
            rows.push(row);
        }
    }
    let text = table.text(&shipments);
    Ok(Answer::of(Subject::Shipped, rows, text, print))
}

/// The modules that any of them names as needed; those that no kernel has in its tree do no harm.
fn needed(shipments: &[Shipment]) -> BTreeSet<String> {
    let kos = shipments.iter().flat_map(|shipment| &shipment.kos);
    let named: Vec<String> = kos.filter_map(|ko| ko.info("depends")).collect();
    named
        .iter()
        .flat_map(|names| names.split(','))
        .map(str::to_owned)
        .collect()
}

impl Shipment {
    /// Compiles what is missing.
    fn compiled(cache: &Path, kernel: &Kernel, package: &'static str) -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("truth/shipped.sh");
        let mut bash = Command::new("bash");
        let status = bash.arg(script).arg(cache).args([&kernel.release, package]).status()?;
        anyhow::ensure!(status.success(), "{package} cannot be had");
        let folder = kernel.place(&format!("shipped/{package}"));
        let version = fs::read_to_string(folder.join("version"))?;
        Ok(Self {
            package,
            version: version.trim().to_owned(),
            compiled_for: kernel.release.clone(),
            kos: kos_in(&folder)?,
        })
    }

    fn modules(&self) -> impl Iterator<Item = &str> {
        self.kos.iter().map(|ko| ko.name.as_str())
    }

    /// Every module, packaged in either way, by the name of its case.
    fn trials(&self) -> impl Iterator<Item = (String, Trial<'_>)> {
        let ways = [Packaging::Plain, Packaging::HostLink];
        self.kos.iter().flat_map(move |ko| {
            ways.map(|packaging| {
                let trial = Trial {
                    shipment: self,
                    module: &ko.name,
                    packaging,
                };
                (trial.id(), trial)
            })
        })
    }
}

impl Trial<'_> {
    /// A name that is also one of an image and of a Module.
    fn id(&self) -> String {
        let (module, release) = (self.module, &self.shipment.compiled_for);
        let id = format!("{module}-of-{release}-{}", self.packaging.name());
        id.replace(['.', '+', '_'], "-").to_lowercase()
    }

    /// All of the package's modules in one image, and one of them loaded.
    fn case(&self, id: &str, kernel: &Kernel) -> Case {
        let case = kernel.case(id).loads(self.module);
        let case = self.shipment.kos.iter().fold(case, |case, ko| case.ko(ko.clone()));
        let refuses = INIT_REFUSES.iter().find(|(module, _)| *module == self.module);
        let case = refuses.map_or(case.clone(), |(_, why)| case.out_of_reach(why));
        match self.packaging {
            Packaging::Plain => case,
            Packaging::HostLink => case.host_link(),
        }
    }
}

/// The modules in a folder, by name.
fn kos_in(folder: &Path) -> anyhow::Result<Vec<Ko>> {
    let mut kos = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".ko")) {
            kos.push(Ko::new(name, fs::read(&path)?));
        }
    }
    kos.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(kos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipment(names: &[&str]) -> Shipment {
        Shipment {
            package: "some-dkms",
            version: "1".to_owned(),
            compiled_for: "6.12.107+deb12-cloud-amd64".to_owned(),
            kos: names.iter().map(|name| Ko::new(name, Vec::new())).collect(),
        }
    }

    #[test]
    fn a_trial_has_a_name_that_an_image_may_have() {
        let shipment = shipment(&["xt_ACCOUNT"]);
        let names: Vec<String> = shipment.trials().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "xt-account-of-6-12-107-deb12-cloud-amd64-plain",
                "xt-account-of-6-12-107-deb12-cloud-amd64-host"
            ]
        );
    }

    #[test]
    fn no_two_modules_share_a_name() {
        let shipment = shipment(&["one", "two", "three"]);
        assert_eq!(shipment.trials().collect::<BTreeMap<_, _>>().len(), 6);
    }
}
