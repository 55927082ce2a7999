//! Any text is a Go regexp, or a reason why not. The first line is the pattern, the rest what it is tried on.
#![no_main]

use kmm_preflight::kernel::GoRegexp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (pattern, subject) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(regexp) = GoRegexp::new(pattern) {
        let _ = regexp.is_match(subject);
    }
});
