#![no_main]

#[path = "../src/normalise.rs"]
mod normalise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| normalise::normalise(bytes));
