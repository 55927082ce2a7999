//! Any bytes are an index of depmod's, or a reason why not, whatever is looked up in it. The first line is what is
//! looked up, the rest is the index.
#![no_main]

use kmm_preflight::kmod::index::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (key, index) = bytes.split_at(end);
    let (Ok(key), Ok(index)) = (str::from_utf8(key), Index::open(index.get(1..).unwrap_or_default())) else {
        return;
    };
    let _ = index.search(key);
    let _ = index.search_wild(key);
});
