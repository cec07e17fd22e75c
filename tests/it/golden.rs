//! The golden files: the current writer makes the packs byte for byte, and the current reader
//! answers from them byte for byte.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it golden` rewrites them. Rewriting a format's golden files
//! requires an entry in the change list of `crates/core/src/pack/FORMAT.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, published};
use crate::support::edge::{Ask, Edge};
use crate::support::experiment::{TINY, in_the_second_format, published_of, published_tried, tried};
use crate::support::golden::{Packs, answers, arithmetic, orders, pulse_of, variants, wanted, wanted_at};
use serde_json::Value;
use sinsang::memory::REFRESH_MS;
use sinsang_core::key::Key;
use sinsang_core::pack::{Kind, Pack};
use sinsang_core::time::SECOND_MS;

const MAX_GOLDEN_BYTES: u64 = 100 * 1024;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Compares `bytes` with the golden file `name`, or rewrites the file under `UPDATE_GOLDEN`.
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
    kept_in(&folder())
}

fn kept_in(folder: &Path) -> Packs {
    let read = |name: String| fs::read(folder.join(name)).unwrap();
    let tastes = (0..written().tastes.len()).map(|index| read(format!("tastes-{index}.pack"))).collect();
    Packs { manifest: read("manifest.pack".to_owned()), board: read("board.pack".to_owned()), tastes }
}

/// Items sorted by their ids; other lists unchanged.
fn by_id(list: &[Value]) -> Vec<&Value> {
    let mut list: Vec<&Value> = list.iter().collect();
    list.sort_by_key(|item| ["product_id", "tab_id"].map(|name| item[name].as_str().unwrap_or_default().to_owned()));
    list
}

/// Collects the parts of `before` that are missing or changed in `after`, by path. New members are
/// allowed.
fn gone(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                gone(value, after.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            // The ranking may change the order of items, but not their contents.
            let (before, after) = (by_id(before), by_id(after));
            for (place, (before, after)) in before.into_iter().zip(after).enumerate() {
                gone(before, after, &format!("{path}[{place}]"), found);
            }
        }
        _ if before == after => {}
        // A cursor's text is private to its edge and may change; its presence may not.
        (Value::String(_), Value::String(_)) if path.ends_with(".next_cursor") => {}
        _ => found.push(format!("{path} was {before} and is {after}")),
    }
}

#[test]
fn the_snapshot_of_the_first_release_is_answered_from_as_its_own_edge_did() {
    let folder = folder().join("release-1");
    let read = |text: &str| -> Vec<(String, Value)> {
        let row = |line: &str| {
            let parts: Vec<&str> = line.splitn(5, '\t').collect();
            (parts[..3].join(" "), serde_json::from_str(parts[4]).unwrap())
        };
        text.lines().map(row).collect()
    };
    let then = read(&fs::read_to_string(folder.join("answers.tsv")).unwrap());
    let now = read(&answers(&kept_in(&folder)));
    assert!(then.len() >= 7 && then.len() == now.len());
    for ((asked, before), (_, after)) in then.iter().zip(&now) {
        let mut found = Vec::new();
        gone(before, after, "", &mut found);
        assert!(found.is_empty(), "{asked}:\n{}", found.join("\n"));
    }
}

#[test]
fn viewers_notice_nothing_while_a_snapshot_of_the_first_release_is_replaced_and_rolled_back_to() {
    let (old, new) = (kept_in(&folder().join("release-1")).values(), published_tried(&TINY));
    let mut edge = Edge::cold(at(BUILT_AT));
    edge.store.values.clone_from(&old);
    let first = edge.ask(&Ask::get("/v1/home").user("u000001")).header("Sinsang-Snapshot").map(str::to_owned);
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        // The current release's data, with sections that the first release did not have; then back
        // again. Packs remain, as in a store.
        let live = if round % 2 == 0 { &new.packs } else { &old };
        edge.store.values.extend(live.clone());
        let manifest = if round % 2 == 0 { new.manifest.clone() } else { old[&Key::Live.to_string()].clone() };
        edge.store.values.insert(Key::Live.to_string(), manifest);
        edge.pass(REFRESH_MS + SECOND_MS);
        for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"] {
            for user in ["", "u000001"] {
                let ask = if user.is_empty() { Ask::get(target) } else { Ask::get(target).user(user) };
                // The first answer after a publication starts the look; the second uses its result.
                edge.ask(&ask);
                let reply = edge.ask(&ask);
                assert_eq!(reply.status, 200, "{target}");
                seen.insert((round, reply.header("Sinsang-Snapshot").map(str::to_owned)));
            }
        }
        let status: Value = serde_json::from_slice(&edge.get("/v1/status").body).unwrap();
        assert_eq!(status["refused"], Value::Null, "{status}");
    }
    let of = |round| seen.iter().filter(|(one, _)| *one == round).map(|(_, id)| id.clone()).collect::<Vec<_>>();
    let today = Some(new.snapshot.to_string());
    assert_eq!([of(0), of(1), of(2)], [vec![today.clone()], vec![first], vec![today]]);
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
fn the_golden_files_of_the_second_format_are_what_is_written_and_answered() {
    let today = published_of(&in_the_second_format(tried(&TINY)), &TINY);
    let board = today.pack(Key::Pack(Kind::Board, today.board));
    settle("format-2/board.pack", board);
    settle("format-2/manifest.pack", &today.manifest);
    let tastes = today.packs.iter().filter(|(_, bytes)| Pack::parse((*bytes).clone(), Kind::Tastes).is_ok());
    let tastes: Vec<&Vec<u8>> = tastes.map(|(_, bytes)| bytes).collect();
    for (index, shard) in tastes.iter().enumerate() {
        settle(&format!("format-2/tastes-{index}.pack"), shard);
    }
    let (pulse, keys) = pulse_of(board, wanted_at());
    settle("format-2/pulse.pack", &pulse);
    let read = |name: &str| fs::read(folder().join("format-2").join(name)).unwrap();
    let tastes = (0..tastes.len()).map(|index| read(&format!("tastes-{index}.pack"))).collect();
    let packs = Packs { manifest: read("manifest.pack"), board: read("board.pack"), tastes };
    let mut values = packs.values();
    values.extend(keys.into_keys().map(|key| (key, read("pulse.pack"))));
    let text = wanted(values);
    // Every weight of the board occurs: its own, and those of the two variants that change one.
    let parts: BTreeSet<i64> =
        text.split([' ', '\t', '\n']).filter_map(|item| item.split_once(':')?.1.parse().ok()).collect();
    let weights = [-7_i64, 120, 40, 2_000];
    let is_seen =
        |buyers: u32| weights.iter().all(|weight| parts.contains(&(weight * sinsang_core::rank::pulse(16 * buyers))));
    assert!((1..=12).any(is_seen), "{text}");
    settle("format-2/wanted.tsv", text.as_bytes());
}

#[test]
fn the_golden_files_stay_small() {
    let bytes: u64 = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= MAX_GOLDEN_BYTES, "{bytes} bytes of golden files");
}
