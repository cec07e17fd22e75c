#![no_main]

#[path = "../src/cursor.rs"]
mod cursor;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cursor::cursor(bytes));
