//! Replays the fuzzing corpora: every file through the functions that were fuzzed.

#[path = "../../../../fuzz/src/reader.rs"]
mod reader;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{} files of {target}", files.len());
    for file in files {
        run(&fs::read(file).unwrap());
    }
}

#[test]
fn the_corpus_of_csv_files_holds() {
    replay("reader_csv", reader::reader_csv);
}

#[test]
fn the_corpus_of_ndjson_files_holds() {
    replay("reader_ndjson", reader::reader_ndjson);
}
