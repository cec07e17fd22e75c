#![no_main]

#[path = "../src/reader.rs"]
#[expect(dead_code, reason = "each target calls one of the two")]
mod reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reader::reader_csv(bytes));
