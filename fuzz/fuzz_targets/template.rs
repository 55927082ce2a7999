//! Any text is a template, or a reason why not.
#![no_main]

use kmm_preflight::kernel::{Template, Variables};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let variables: Variables = [("A", "value"), ("EMPTY", ""), ("KERNEL_XYZ", "5.14.0")].into_iter().collect();
    let _ = Template::expand(text, &variables);
});
