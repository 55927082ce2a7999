//! Any text is an image reference, or a reason why not; what is accepted is written as it is read.
#![no_main]

use kmm_preflight::image::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = Reference::parse(text) {
        assert_eq!(Reference::parse(&reference.to_string()).map(|again| again.name()), Ok(reference.name()));
    }
});
