//! The golden files: today's writer makes the packs byte for byte, and today's reader answers from them byte for byte.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew; a format's golden files are only written anew together with an entry in
//! the change list of `src/pack/FORMAT.md`.

mod support;

use std::fs;
use std::path::PathBuf;

use sinsang::key::Key;
use sinsang::pack::Kind;
use support::board::{Shape, published};
use support::experiment::{TINY, published_tried};
use support::golden::{Packs, answers, arithmetic, orders, variants};

const MAX_GOLDEN_BYTES: u64 = 100 * 1024;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Compares with the golden file `name`, or writes it where that is asked for.
fn settle(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_default();
    let same = golden.iter().zip(bytes).take_while(|(golden, today)| golden == today).count();
    assert!(
        golden == bytes,
        "tests/golden/{name} differs from byte {same} on ({} bytes there, {} bytes made)",
        golden.len(),
        bytes.len()
    );
}

fn written() -> Packs {
    let golden = published(&Shape::SMALL);
    let prefix = Key::Pack(Kind::Board, golden.board).to_string();
    let manifest = Key::Pack(Kind::Manifest, golden.manifest_id).to_string();
    let tastes = golden.packs.iter().filter(|(key, _)| **key != prefix && **key != manifest);
    Packs {
        manifest: golden.manifest.clone(),
        board: golden.packs[&prefix].clone(),
        tastes: tastes.map(|(_, bytes)| bytes.clone()).collect(),
    }
}

fn kept() -> Packs {
    let read = |name: String| fs::read(folder().join(name)).unwrap();
    let tastes = (0..written().tastes.len()).map(|index| read(format!("tastes-{index}.pack"))).collect();
    Packs { manifest: read("manifest.pack".to_owned()), board: read("board.pack".to_owned()), tastes }
}

#[test]
fn the_golden_files_are_what_is_written_and_answered() {
    let packs = written();
    settle("manifest.pack", &packs.manifest);
    settle("board.pack", &packs.board);
    for (index, shard) in packs.tastes.iter().enumerate() {
        settle(&format!("tastes-{index}.pack"), shard);
    }
    let packs = kept();
    settle("orders.tsv", orders(&packs).as_bytes());
    settle("answers.tsv", answers(&packs).as_bytes());
    let tried = published_tried(&TINY);
    settle("experiments.pack", tried.pack(Key::Pack(Kind::Board, tried.board)));
    settle("experiments.tsv", variants(&tried).as_bytes());
    settle("arithmetic.txt", format!("{:016x}\n", arithmetic()).as_bytes());
}

#[test]
fn the_golden_files_stay_small() {
    let bytes: u64 = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= MAX_GOLDEN_BYTES, "{bytes} bytes of golden files");
}
