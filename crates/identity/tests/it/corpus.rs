//! Replays every file of the fuzzing corpus through the fuzzed function.

#[path = "../../../../fuzz/src/normalise.rs"]
mod normalise;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_of_titles_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/normalise");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 20, "{} files", files.len());
    for file in files {
        normalise::normalise(&fs::read(file).unwrap());
    }
}
