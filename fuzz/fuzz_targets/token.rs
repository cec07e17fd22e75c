#![no_main]

#[path = "../src/token.rs"]
mod token;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| token::token(bytes));
