#![no_main]

#[path = "../src/request.rs"]
mod request;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request::request(bytes));
