//! What real modules say, as the kernel's own tools made them.

use super::{PUMP, RING, X86_64};
use crate::kmod::elf::read;
use crate::kmod::facts::{Export, ExportTable, Takes, ValueType};

#[test]
fn a_real_module_says_what_modinfo_says() {
    let pump = read(PUMP).0.unwrap();
    assert_eq!((pump.machine, pump.this_module.size), (X86_64, 896));
    assert_eq!(pump.name.as_deref(), Some("kmmp_pump"));
    let one = |key: &str| pump.info(key).map(str::to_owned);
    assert_eq!(one("license").as_deref(), Some("GPL"));
    assert_eq!(one("depends").as_deref(), Some("kmmp_ring"));
    assert_eq!(one("import_ns").as_deref(), Some("KMMP_RING"));
    assert_eq!(
        one("vermagic").as_deref(),
        Some("6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions ")
    );
    let parameters = pump.parameters.as_ref().unwrap().iter();
    let parameters: Vec<_> = parameters.map(|one| (one.name.as_str(), one.takes)).collect();
    let several = Takes::Several {
        each: ValueType::UShort,
        most: Some(4),
    };
    assert_eq!(
        parameters,
        [
            ("lanes", several),
            ("label", Takes::One(ValueType::Text)),
            ("quiet", Takes::One(ValueType::Switch)),
            ("level", Takes::One(ValueType::Int)),
        ]
    );
    assert!(pump.exports.is_empty());
}

/// The CRCs are those that `modprobe --dump-modversions` prints.
#[test]
fn a_real_module_has_the_versions_of_what_it_needs() {
    let pump = read(PUMP).0.unwrap();
    let versions = pump.versions.basic.as_ref().unwrap();
    assert!(pump.versions.extended.is_none());
    assert_eq!(versions.of("module_layout"), Some(0x8216_4fbb));
    assert_eq!(versions.of("_printk"), Some(0x9299_7ed8));
    assert_eq!(versions.of("kmmp_ring_open"), Some(0x46c8_89a1));
    for undefined in &pump.undefined {
        assert!(
            !undefined.weak && versions.of(&undefined.name).is_some(),
            "{undefined:?}"
        );
    }
    assert_eq!(
        versions.0.len(),
        pump.undefined.len() + 1,
        "all of them, and module_layout"
    );
}

#[test]
fn a_real_module_exports_what_its_users_expect() {
    let export = |name: &str, table, namespace: Option<&str>, crc| Export {
        name: name.to_owned(),
        table,
        flags: None,
        namespace: namespace.map(str::to_owned),
        crc: Some(crc),
    };
    assert_eq!(
        read(RING).0.unwrap().exports,
        [
            export("kmmp_ring_size", ExportTable::Plain, None, 0xc810_318c),
            export("kmmp_ring_open", ExportTable::GplOnly, Some("KMMP_RING"), 0x46c8_89a1),
        ]
    );
}
