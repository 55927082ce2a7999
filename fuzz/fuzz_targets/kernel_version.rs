//! Any text is a kernel version, or a reason why not; what is accepted has all its parts.
#![no_main]

use kmm_preflight::kernel::KernelVersion;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(kernel) = KernelVersion::parse(text) {
        let _ = (kernel.normalized(), kernel.dns_safe(), kernel.components(), kernel.numbers(), kernel.architecture());
        assert!(kernel.raw().starts_with(kernel.folder()));
    }
});
