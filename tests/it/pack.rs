//! The packs' format: written packs are read back, damaged ones are refused, and a newer writer's
//! additions are skipped.

use proptest::prelude::*;
use sinsang_core::experiment::WHOLE;
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::board_write::{BoardParts, write};
use sinsang_core::pack::manifest::{Beside, Manifest, ManifestParts, SnapshotId};
use sinsang_core::pack::overlay::{self, Overlay};
use sinsang_core::pack::pulse::{self, Pulse};
use sinsang_core::pack::taste::{self, Taste, TasteShard, Widths};
use sinsang_core::pack::{Damage, Format, Kind, Pack, PackId, Writer};
use sinsang_core::pulse::Counts;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;

use crate::corpus::pack::meet;
use crate::support::board::{BUILT_AT, Published, Shape, hasher, parts, publish, published, users, widths};
use crate::support::edge::{Ask, Edge};
use crate::support::experiment::{TINY, in_the_second_format, tried};
use crate::support::{HEADER_BYTES, Numbers, at};

mod version;

const ENTRY_BYTES: usize = 16;
/// Indices into the [`good`] packs: the board with experiments, and the last, the same board in the
/// second format.
const TRIED: usize = 5;
const LAST: usize = 6;

/// The sections of a pack: tag, record length, bytes.
fn sections(bytes: &[u8]) -> Vec<([u8; 4], usize, Vec<u8>)> {
    let number = |at: usize| usize::try_from(u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap();
    (0..number(12))
        .map(|index| HEADER_BYTES + index * ENTRY_BYTES)
        .map(|at| {
            let (start, length, stride) = (number(at + 4), number(at + 8), number(at + 12));
            (*bytes[at..].first_chunk().unwrap(), stride, bytes[start..start + length].to_vec())
        })
        .collect()
}

fn rebuild(kind: Kind, sections: Vec<([u8; 4], usize, Vec<u8>)>) -> (Vec<u8>, PackId) {
    rebuild_as(Format::One, kind, sections)
}

fn rebuild_as(format: Format, kind: Kind, sections: Vec<([u8; 4], usize, Vec<u8>)>) -> (Vec<u8>, PackId) {
    let mut writer = Writer::of(kind, format);
    for (tag, stride, bytes) in sections {
        writer.section(tag, stride, bytes);
    }
    writer.finish().unwrap()
}

fn user_of_first_shard(snapshot: &Published) -> String {
    users(&Shape::SMALL).into_iter().find(|user| snapshot.shard_of(user).is_some()).unwrap()
}

/// Intact packs: a manifest, a board, tastes, and a board with experiments.
fn good(kind: usize) -> (Kind, Vec<u8>) {
    let snapshot = published(&Shape::SMALL);
    match kind {
        0 => (Kind::Manifest, snapshot.manifest),
        1 => (Kind::Board, snapshot.pack(Key::Pack(Kind::Board, snapshot.board)).to_vec()),
        3 => {
            let counts = [(1, Counts::default()), (2, Counts { viewers: 16, looks: 16, ..Counts::default() })];
            (Kind::Pulse, pulse::write(&counts, at(BUILT_AT)).unwrap())
        }
        4 => {
            let parts = parts(&Shape::SMALL);
            (Kind::Overlay, overlay::write(&crate::overlay::one_of_each(&parts), 7, at(BUILT_AT)).unwrap())
        }
        TRIED => (Kind::Board, write(&tried(&TINY)).unwrap().0),
        LAST => (Kind::Board, write(&in_the_second_format(tried(&TINY))).unwrap().0),
        _ => {
            let id = snapshot.shard_of(&user_of_first_shard(&snapshot)).unwrap();
            (Kind::Tastes, snapshot.pack(Key::Pack(Kind::Tastes, id)).to_vec())
        }
    }
}

/// A position in a pack: in the header, in the directory, or anywhere.
fn place() -> impl Strategy<Value = prop::sample::Index> {
    any::<prop::sample::Index>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_bytes_are_changed_behind_a_right_checksum_nothing_panics(
        kind in 0_usize..=LAST,
        changes in proptest::collection::vec((place(), 0_usize..4, prop_oneof![any::<u32>(), 0_u32..40, Just(u32::MAX), Just(0x7fff_ffff)]), 1..6),
    ) {
        let (kind, mut bytes) = good(kind);
        let directory = HEADER_BYTES + sections(&bytes).len() * ENTRY_BYTES;
        for (place, region, value) in changes {
            // Half of the changes hit the header's counts and the directory.
            let at = match region {
                0 => 12 + place.index(4),
                1 => HEADER_BYTES + place.index(directory - HEADER_BYTES),
                _ => HEADER_BYTES + place.index(bytes.len() - HEADER_BYTES),
            };
            for (byte, new) in bytes[at..].iter_mut().zip(value.to_le_bytes()) {
                *byte = new;
            }
        }
        meet(kind, bytes, true);
    }

    #[test]
    fn records_of_noise_behind_a_right_checksum_do_not_panic(
        kind in 0_usize..=LAST, seed in any::<u64>(), noisy in 0_usize..40, wild in any::<bool>(),
    ) {
        let (kind, bytes) = good(kind);
        let mut numbers = Numbers::seeded(seed);
        let mut parts = sections(&bytes);
        let chosen = noisy % parts.len();
        for byte in &mut parts[chosen].2 {
            let noise = numbers.next().to_le_bytes()[0];
            // Small numbers pass more checks than wild ones.
            *byte = if wild { noise } else { noise & 1 };
        }
        let stride = parts[chosen].1;
        if numbers.below(3) == 0 {
            parts[chosen].2.truncate(stride * numbers.below(4));
        }
        let (bytes, _) = rebuild_as(if seed.is_multiple_of(2) { Format::One } else { Format::Two }, kind, parts);
        meet(kind, bytes, true);
    }

    #[test]
    fn cut_and_lengthened_packs_do_not_panic(kind in 0_usize..=LAST, length in place(), is_sealed in any::<bool>(), more in 0_usize..50) {
        let (kind, mut bytes) = good(kind);
        let length = length.index(bytes.len());
        if more > 25 {
            bytes.resize(bytes.len() + more, 0xee);
        } else {
            bytes.truncate(length);
        }
        if !is_sealed {
            prop_assert!(matches!(Pack::parse(bytes.clone(), kind).err(), Some(Damage::Truncated)));
        }
        meet(kind, bytes, is_sealed);
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed(kind in 0_usize..=LAST, place in place(), bit in 0_u8..8) {
        let (kind, mut bytes) = good(kind);
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Pack::parse(bytes.clone(), kind).is_err());
        meet(kind, bytes, false);
    }

    #[test]
    fn noise_does_not_panic(kind in 0_usize..=LAST, mut bytes in proptest::collection::vec(any::<u8>(), 0..400), dressed in any::<bool>()) {
        let (kind, model) = good(kind);
        if dressed && bytes.len() > HEADER_BYTES {
            bytes[..16].copy_from_slice(&model[..16]);
        }
        meet(kind, bytes, true);
    }
}

fn check_board(parts: &BoardParts, board: &Board) {
    let seconds = |at: UnixMillis| UnixMillis::from_seconds(at.to_seconds());
    assert_eq!((board.built_at(), board.history_from()), (parts.built_at, parts.history_from));
    assert_eq!(board.weights(), parts.weights);
    assert_eq!(board.blocks().collect::<Vec<_>>(), parts.blocks);
    let experiments: Vec<_> = parts.mix.experiments.iter().map(|part| part.experiment(&parts.mix.audiences)).collect();
    assert_eq!(board.experiments().iter().cloned().collect::<Vec<_>>(), experiments);
    assert_eq!(board.vocabulary(), widths(parts).vocabulary);
    assert_eq!(
        (board.product_count(), board.slot_count(), board.tab_count(), board.channel_count()),
        (parts.products.len(), parts.slots.len(), parts.tabs.len(), parts.channels.len())
    );
    for (index, channel) in parts.channels.iter().enumerate() {
        assert_eq!((board.channel_id(index), board.find_channel(&channel.id)), (channel.id.as_str(), Some(index)));
    }
    for (index, category) in parts.categories.iter().enumerate() {
        assert_eq!((board.category(index), board.find_category(category)), (category.as_str(), Some(index)));
    }
    for part in &parts.products {
        let product = board.product(board.find_product(part.id).unwrap());
        assert_eq!(product.id(), part.id);
        let head: serde_json::Value =
            serde_json::from_slice(&[product.head_json(), b"}"].concat()).expect("the head is an open object");
        assert_eq!(
            (head["title"].as_str(), head["brand"].as_str()),
            (Some(part.title.as_str()), part.brand.as_deref())
        );
        assert_eq!((product.verdict(), product.price()), (part.verdict, part.price));
        assert_eq!(product.category(), part.category.map(usize::from));
        assert_eq!(
            (product.first_starts_at(), product.first_ends_at()),
            (seconds(part.first.0), seconds(part.first.1))
        );
        assert_eq!((product.popularity(), product.vector().len()), (part.popularity, part.vector.len()));
        assert!(product.vector().iter().zip(&part.vector).all(|(byte, value)| byte.cast_signed() == *value));
        assert_eq!(product.verdict_json(true), part.verdict_first.as_bytes());
        assert_eq!(product.verdict_json(false), part.verdict_later.as_bytes());
        let slots: Vec<_> = product.slots().map(|index| board.slot(index)).collect();
        let mut expected: Vec<_> = parts
            .slots
            .iter()
            .filter(|slot| slot.product == part.id)
            .map(|slot| (seconds(slot.starts_at), usize::from(slot.channel), seconds(slot.ends_at)))
            .collect();
        expected.sort_unstable();
        let read: Vec<_> = slots.iter().map(|slot| (slot.starts_at(), slot.channel(), slot.ends_at())).collect();
        assert_eq!(read, expected);
        assert!(slots.iter().all(|slot| board.product(slot.product()).id() == part.id));
        assert!(slots.iter().all(|slot| slot.is_first_broadcast() == (slot.starts_at() == seconds(part.first.0))));
    }
    let fresh = parts.products.iter().filter(|product| product.verdict != VerdictKind::Repeat).count();
    let candidates: Vec<_> = board.candidates().map(|index| board.product(index).first_starts_at()).collect();
    assert!(candidates.len() == fresh && candidates.is_sorted());
    for (index, part) in parts.tabs.iter().enumerate() {
        assert_eq!(board.tab(index).is_pinned(), part.pinned);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_board_is_read_back_as_written_and_the_order_of_its_parts_is_no_matter(
        seed in any::<u64>(), channels in 1_usize..19, products in 1_usize..40, hours in 1_i64..30, tabs in 0_usize..10,
        odd_ms in 0_i64..1000, is_tried in any::<bool>(), is_second in any::<bool>(),
    ) {
        let shape = Shape { seed, channels, products, hours, tabs, users: 3, shard_bits: 1 };
        let mut parts = if is_tried { tried(&shape) } else { parts(&shape) };
        if is_second {
            parts = in_the_second_format(parts);
        }
        for slot in &mut parts.slots {
            slot.starts_at = slot.starts_at.plus(odd_ms);
        }
        let (bytes, id) = write(&parts).unwrap();
        check_board(&parts, &Board::parse(bytes.clone(), id).unwrap());
        let mut numbers = Numbers::seeded(seed);
        parts.products.sort_by_cached_key(|_| numbers.next());
        parts.slots.sort_by_cached_key(|_| numbers.next());
        prop_assert!(write(&parts).unwrap() == (bytes, id), "other bytes");
    }

    #[test]
    fn a_manifest_is_read_back_as_written(
        format in prop_oneof![Just(Format::One), Just(Format::Two)], built_at in any::<i64>(), board in any::<[u8; 16]>(), users in any::<u32>(), bits in 0_u32..6,
        beside in proptest::collection::vec((any::<u64>(), any::<[u8; 16]>(), any::<i64>(), proptest::option::of(0..=WHOLE)), 0..5), key in any::<u64>(),
    ) {
        let shards: Vec<PackId> = (0..1_u8 << bits).map(|index| PackId([index + 1; 16])).collect();
        let beside = beside.into_iter().map(|(snapshot, manifest, built_at, share)| Beside {
            snapshot: SnapshotId(snapshot), manifest: PackId(manifest), built_at: UnixMillis(built_at), share,
        });
        let parts = ManifestParts {
            built_at: UnixMillis(built_at), board: PackId(board), format, users, shards: shards.clone(), beside: beside.collect(),
        };
        let (bytes, id) = parts.write().unwrap();
        let manifest = Manifest::parse(bytes).unwrap();
        prop_assert_eq!(manifest.parts(), parts);
        prop_assert_eq!(manifest.id(), id);
        let expected = usize::try_from((u128::from(key) << bits) >> 64).unwrap();
        prop_assert_eq!(manifest.shard_of(key), Some(shards[expected]));
    }

    #[test]
    fn a_shard_finds_each_of_its_users_and_nobody_else(
        mut keys in proptest::collection::btree_set(any::<u64>(), 0..60),
        vector in prop_oneof![Just(0_u16), 0_u16..70],
        tabs in prop_oneof![Just(0_u16), 0_u16..9],
        other in any::<u64>(),
    ) {
        keys.remove(&other);
        let widths = Widths { vocabulary: 9, vector, tabs, ..Widths::default() };
        let record = |key: u64| -> Vec<u8> {
            let mut numbers = Numbers::seeded(key);
            (0..widths.record_bytes()).map(|_| numbers.next().to_le_bytes()[0]).collect()
        };
        let users: Vec<(u64, Vec<u8>)> = keys.iter().map(|key| (*key, record(*key))).collect();
        let (bytes, id) = taste::write(&widths, &users).unwrap();
        let shard = TasteShard::parse(bytes, id).unwrap();
        prop_assert_eq!((shard.len(), shard.widths()), (users.len(), &widths));
        for (key, expected) in &users {
            let found = Taste::cut(shard.find(*key).unwrap(), &widths);
            prop_assert_eq!([found.vector, found.channels, found.hours, found.tabs].concat(), expected.clone());
        }
        prop_assert_eq!(shard.find(other), None);
    }
}

#[test]
fn two_slots_that_differ_in_their_product_alone_are_written_in_one_order() {
    let mut parts = parts(&Shape::SMALL);
    let mut twin = parts.slots[0].clone();
    twin.product = parts.products.iter().map(|product| product.id).find(|id| *id != twin.product).unwrap();
    parts.slots.push(twin);
    let written = write(&parts).unwrap();
    parts.slots.reverse();
    assert!(write(&parts).unwrap() == written, "other bytes");
}

#[test]
fn a_board_without_vector_blocks_and_one_without_anything_are_read_back() {
    let mut bare = parts(&Shape::SMALL);
    bare.blocks.clear();
    bare.products.iter_mut().for_each(|product| product.vector.clear());
    let (bytes, id) = write(&bare).unwrap();
    assert_eq!(Board::parse(bytes, id).unwrap().product_count(), bare.products.len());

    let nothing = BoardParts {
        blocks: Vec::new(),
        channels: Vec::new(),
        categories: Vec::new(),
        products: Vec::new(),
        slots: Vec::new(),
        tabs: Vec::new(),
        ..bare
    };
    let snapshot = publish(&nothing, &Shape::SMALL, &widths(&nothing), Vec::new());
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"] {
        assert_eq!(edge.ask(&Ask::get(target).user("u000001")).status, 200, "{target}");
    }
}

#[test]
fn a_missing_section_is_refused_by_name() {
    for kind in 0..TRIED {
        let (kind, whole) = good(kind);
        let parts = sections(&whole);
        for left_out in 0..parts.len() {
            let mut fewer = parts.clone();
            let (tag, ..) = fewer.remove(left_out);
            let (bytes, id) = rebuild(kind, fewer);
            let damage = match kind {
                Kind::Manifest => Manifest::parse(bytes).err(),
                Kind::Board => Board::parse(bytes, id).err(),
                Kind::Tastes => TasteShard::parse(bytes, id).err(),
                Kind::Pulse => Pulse::parse(bytes).err(),
                Kind::Overlay => Overlay::parse(bytes).err(),
            };
            assert_eq!(damage, Some(Damage::Missing(tag)));
        }
    }
}

#[test]
fn experiments_that_do_not_fit_together_are_refused_by_name() {
    let (_, whole) = good(TRIED);
    let damage = |wanted: &[u8; 4], change: &dyn Fn(&mut Vec<u8>)| {
        let mut parts = sections(&whole);
        parts.iter_mut().filter(|(tag, ..)| tag == wanted).for_each(|(_, _, bytes)| change(bytes));
        let (bytes, id) = rebuild(Kind::Board, parts);
        Board::parse(bytes, id).err()
    };
    let put =
        |at: usize, value: u32| move |bytes: &mut Vec<u8>| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    assert_eq!(damage(b"EXPR", &|_| {}), None);
    // Ids past the text, empty or of invalid letters; variants past the end, none at all, too many.
    for (at, value) in [(0, u32::MAX), (4, 0), (4, 41), (40, 3), (40, u32::MAX), (44, 0), (44, 9), (44, u32::MAX)] {
        assert_eq!(damage(b"EXPR", &put(at, value)), Some(Damage::Inconsistent(*b"EXPR")), "{at} {value}");
    }
    let name_at =
        u32::from_le_bytes(*sections(&whole).iter().find(|(tag, ..)| tag == b"EXPR").unwrap().2.first_chunk().unwrap());
    let name_at = usize::try_from(name_at).unwrap();
    for letter in [b'\r', b'"', b' ', b'='] {
        let changed = damage(b"TEXT", &|bytes: &mut Vec<u8>| bytes[name_at] = letter);
        assert_eq!(changed, Some(Damage::Inconsistent(*b"EXPR")), "{letter}");
    }
    assert_eq!(damage(b"EXPV", &put(4, 0)), Some(Damage::Inconsistent(*b"EXPV")));
    assert_eq!(damage(b"EXPR", &|bytes| *bytes = bytes[..56].repeat(17)), Some(Damage::Inconsistent(*b"EXPR")));
    assert_eq!(damage(b"EXPV", &|bytes| *bytes = bytes.repeat(33)), Some(Damage::Inconsistent(*b"EXPV")));
    assert_eq!(damage(b"EXPW", &|bytes| bytes.truncate(28)), Some(Damage::Inconsistent(*b"EXPW")));
    assert_eq!(damage(b"EXPM", &|bytes| bytes.truncate(24)), Some(Damage::Inconsistent(*b"EXPM")));
    for missing in [b"EXPV", b"EXPW", b"EXPM"] {
        let parts = sections(&whole).into_iter().filter(|(tag, ..)| tag != missing).collect();
        let (bytes, id) = rebuild(Kind::Board, parts);
        assert_eq!(Board::parse(bytes, id).err(), Some(Damage::Missing(*missing)));
    }
    // An older edge reads none of these sections, and an older board has none.
    let parts = sections(&whole).into_iter().filter(|(tag, ..)| !tag.starts_with(b"EXP")).collect();
    let (bytes, id) = rebuild(Kind::Board, parts);
    assert!(Board::parse(bytes, id).unwrap().experiments().is_empty());
}

#[test]
fn shards_that_are_no_power_of_two_are_refused() {
    for count in [0, 3, 5] {
        let shards = vec![PackId([1; 16]); count];
        let parts = ManifestParts {
            built_at: at(BUILT_AT),
            board: PackId([2; 16]),
            format: Format::One,
            users: 1,
            shards,
            beside: Vec::new(),
        };
        assert_eq!(Manifest::parse(parts.write().unwrap().0).err(), Some(Damage::Inconsistent(*b"SHRD")), "{count}");
    }
}

#[test]
fn a_pack_is_only_taken_under_its_own_name() {
    let (_, bytes) = good(1);
    assert_eq!(Board::parse(bytes, PackId([9; 16])).err(), Some(Damage::WrongId));
    let (_, bytes) = good(2);
    assert_eq!(TasteShard::parse(bytes, PackId([9; 16])).err(), Some(Damage::WrongId));
    assert_ne!(hasher().key("a"), hasher().key("b"));
}
