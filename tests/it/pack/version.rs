//! Packs of other versions.

use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::board_write::write;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Damage, Format, Kind, Pack, PackId, VERSION};
use sinsang_core::rank::pulse_weight;

use super::{LAST, TRIED, good, rebuild, rebuild_as, sections};
use crate::support::board::{BUILT_AT, Published, Shape, published, users};
use crate::support::edge::{Ask, Edge};
use crate::support::experiment::{TINY, in_the_second_format, tried};
use crate::support::{at, seal};

/// The small snapshot as a newer writer of the same version may write it: with unknown sections and
/// longer records.
fn as_a_newer_writer(snapshot: &Published) -> Published {
    let mut manifest = Manifest::parse(snapshot.manifest.clone()).unwrap().parts();
    let mut packs = std::collections::BTreeMap::new();
    let mut longer = |kind: Kind, id: PackId, bytes: &[u8]| {
        let mut grown = vec![(*b"XTRA", 3, vec![1; 9])];
        for (tag, stride, bytes) in sections(bytes) {
            let is_text = [b"TEXT", b"STAT", b"LIST"].contains(&&tag);
            let more = if is_text { 0 } else { 8 };
            let records = bytes.chunks(stride).flat_map(|record| [record, &[0xa5; 8][..more]].concat()).collect();
            grown.push((tag, stride + more, records));
        }
        grown.push((*b"ZZZZ", 1, vec![2; 5]));
        let (bytes, new) = rebuild(kind, grown);
        assert_ne!(new, id);
        packs.insert(Key::Pack(kind, new).to_string(), bytes.clone());
        (new, bytes)
    };
    manifest.board = longer(Kind::Board, snapshot.board, snapshot.pack(Key::Pack(Kind::Board, snapshot.board))).0;
    for shard in manifest.shards.iter_mut().filter(|shard| !shard.is_none()) {
        *shard = longer(Kind::Tastes, *shard, snapshot.pack(Key::Pack(Kind::Tastes, *shard))).0;
    }
    let (bytes, id) = manifest.write().unwrap();
    let (manifest_id, bytes) = longer(Kind::Manifest, id, &bytes);
    Published {
        manifest: bytes,
        manifest_id,
        snapshot: manifest.snapshot(),
        built_at: manifest.built_at,
        board: manifest.board,
        packs,
    }
}

#[test]
fn unknown_sections_and_longer_records_are_read_past() {
    let known = published(&Shape::SMALL);
    let newer = as_a_newer_writer(&known);
    let mut now = Edge::with(&known, at(BUILT_AT));
    let mut then = Edge::with(&newer, at(BUILT_AT));
    for user in users(&Shape::SMALL) {
        for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"] {
            let ask = Ask::get(target).user(&user);
            let (today, newer_answer) = (now.ask(&ask), then.ask(&ask));
            let text = String::from_utf8(newer_answer.body).unwrap();
            assert!(text.contains("\"personalized\":true"), "{target}");
            let text = text.replace(&newer.snapshot.to_string(), &known.snapshot.to_string());
            assert_eq!(text, String::from_utf8(today.body).unwrap(), "{target}");
        }
    }
}

#[test]
fn another_version_kind_or_magic_is_refused_by_name() {
    for kind in 0..4 {
        let (kind, whole) = good(kind);
        let changed = |at: usize, value: u8| {
            let mut bytes = whole.clone();
            bytes[at] = value;
            seal(&mut bytes);
            Pack::parse(bytes, kind).err()
        };
        assert!(Pack::parse(whole.clone(), kind).is_ok());
        // All versions so far are known, for every kind.
        assert!((1..=VERSION).all(|version| changed(4, version.to_le_bytes()[0]).is_none()));
        let next = VERSION + 1;
        assert_eq!(changed(4, next.to_le_bytes()[0]), Some(Damage::UnknownVersion(next)));
        assert_eq!(changed(4, 0), Some(Damage::UnknownVersion(0)));
        assert_eq!(changed(5, 1), Some(Damage::UnknownVersion(257)));
        assert_eq!(changed(6, 9), Some(Damage::WrongKind(9)));
        assert_eq!(changed(0, b's'), Some(Damage::NotAPack));
        let mut unsealed = whole.clone();
        unsealed[20] ^= 1;
        assert_eq!(Pack::parse(unsealed, kind).err(), Some(Damage::Checksum));
    }
}

#[test]
fn weights_of_the_pulse_are_read_by_the_version_and_not_by_the_length_of_a_record() {
    let [first, second] = [good(TRIED).1, good(LAST).1];
    let read = |(bytes, id): (Vec<u8>, PackId)| Board::parse(bytes, id);
    let longer = |bytes: &[u8]| {
        let mut parts = sections(bytes);
        for (_, stride, bytes) in parts.iter_mut().filter(|(tag, ..)| [b"RULE", b"EXPW"].contains(&tag)) {
            *bytes = bytes.chunks(*stride).flat_map(|record| [record, &[0xa5; 4]].concat()).collect();
            *stride += 4;
        }
        parts
    };
    // Bytes that a writer of the first version may have appended to a record mean something else.
    let plain = read(rebuild(Kind::Board, sections(&first))).unwrap();
    let grown = read(rebuild(Kind::Board, longer(&first))).unwrap();
    assert_eq!((grown.weights(), grown.experiments()), (plain.weights(), plain.experiments()));
    assert!(grown.weights().each().into_iter().all(|(surface, weights)| weights.pulse == pulse_weight(surface)));
    let own = read(rebuild_as(Format::Two, Kind::Board, longer(&second))).unwrap();
    assert_eq!(own.weights(), in_the_second_format(tried(&TINY)).weights);
    // In the second version a record must include it, on the board and in its experiments.
    for tag in [b"RULE", b"EXPW"] {
        let mut parts = sections(&second);
        for (_, stride, bytes) in parts.iter_mut().filter(|(own, ..)| own == tag) {
            *bytes = bytes.chunks(*stride).flat_map(|record| &record[..28]).copied().collect();
            *stride = 28;
        }
        assert_eq!(read(rebuild_as(Format::Two, Kind::Board, parts)).err(), Some(Damage::Inconsistent(*tag)));
    }
}

#[test]
#[should_panic(expected = "format 1 has weights of its own here")]
fn the_first_format_does_not_lose_a_weight_silently() {
    let mut parts = in_the_second_format(tried(&TINY));
    parts.format = Format::One;
    let _ = write(&parts);
}
