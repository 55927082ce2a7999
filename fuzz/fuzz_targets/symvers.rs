//! Any bytes are a table of exported symbols, or a reason why not; every symbol of it is found again.
#![no_main]

use kmm_preflight::kmod::symvers::Symvers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(symvers) = Symvers::read(bytes) {
        for symbol in symvers.symbols() {
            assert_eq!(symvers.symbol(symbol.name), Some(symbol));
        }
    }
});
