//! Any bytes are a layer, or a reason why not. The first byte chooses what is looked for.
#![no_main]

use kmm_preflight::inspect::layer::{Lens, Limits, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, layer)) = bytes.split_first() else { return };
    let lens = if first % 2 == 0 { Lens::ModuleImage } else { Lens::Toolkit };
    let _ = scan(layer, lens, Limits::default());
});
