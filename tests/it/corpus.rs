//! Replays fuzzing's findings: every file of the edge's corpora through the same functions.

#[path = "../../fuzz/src/cursor.rs"]
mod cursor;
#[path = "../../fuzz/src/pack.rs"]
pub(crate) mod pack;
#[path = "../../fuzz/src/request.rs"]
mod request;
#[path = "../../fuzz/src/token.rs"]
mod token;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{} files of {target}", files.len());
    for file in files {
        run(&fs::read(file).unwrap());
    }
}

#[test]
fn the_corpus_of_requests_holds() {
    replay("request", request::request);
}

#[test]
fn the_corpus_of_tokens_holds() {
    replay("token", token::token);
}

#[test]
fn the_corpus_of_cursors_holds() {
    replay("cursor", cursor::cursor);
}

#[test]
fn the_corpus_of_packs_holds() {
    replay("pack", pack::pack);
}
