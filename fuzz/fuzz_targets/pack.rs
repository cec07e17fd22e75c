#![no_main]

#[path = "../src/pack.rs"]
mod pack;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pack::pack(bytes));
