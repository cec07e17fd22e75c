#![no_main]

#[path = "../src/exporter.rs"]
mod exporter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exporter::exporter(bytes));
