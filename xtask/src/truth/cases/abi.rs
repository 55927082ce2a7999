//! Modules that were compiled for another kernel: of the same ABI, of another, of another series, flavour or processor.

use super::{Case, Kernel};

/// The name of this group.
pub(crate) const GROUP: &str = "abi";

/// The name of a case with modules that were compiled for another kernel.
pub(crate) fn id(what: &str, other: &str) -> String {
    format!("{what}-of-{}", other.replace(['.', '+', '_'], "-"))
}

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for other in &kernel.others {
        let case = |what: &str| kernel.case(id(what, other));
        let ko = |name: &str| kernel.ko_of(other, name);
        let own = kernel.ko("plain")?.info("vermagic").unwrap_or_default();
        cases.extend([
            case("plain").ko(ko("plain")?),
            case("no-symbols").ko(ko("params_none")?),
            case("gpl-user").ko(ko("gpl_user")?),
            case("pair").ko(ko("importer")?).ko(ko("exporter")?),
            case("mixed-pair").ko(ko("importer")?).ko(kernel.ko("exporter")?),
            case("in-tree-dependency").ko(ko("needs_lru")?).host_link(),
            case("parameters").ko(ko("params")?).parameters(&["p_int=1"]),
            case("own-vermagic").ko(ko("plain")?.with_modinfo("vermagic", &own)),
            case("own-vermagic-no-versions").ko(ko("plain")?
                .with_modinfo("vermagic", &own)
                .without_section("__versions")),
            case("forced").ko(ko("plain")?).args(&["-f"]),
        ]);
    }
    Ok(cases)
}
