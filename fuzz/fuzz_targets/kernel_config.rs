//! Any text is a kernel's configuration, and a list of in-tree modules.
#![no_main]

use kmm_preflight::kmod::config::KernelConfig;
use kmm_preflight::kmod::toolkit::InTree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = KernelConfig::parse(text).vermagic("6.12.0");
    let in_tree = InTree::from_text(text, text, text);
    for module in &in_tree.modules {
        assert!(in_tree.module(&module.name).is_some());
    }
});
