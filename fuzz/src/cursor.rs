//! Cursors of any bytes: what is taken for one reads back as it was written, belongs to its
//! question, and leads nowhere but along a list.

use std::sync::LazyLock;

use sinsang_core::audience::AudienceSet;
use sinsang_core::context::Context;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::surface::cursor::{Cursor, binding};
use sinsang_core::time::UnixMillis;

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, published, published_after};
use crate::support::edge::{Ask, Edge};

static SNAPSHOTS: LazyLock<[Published; 2]> = LazyLock::new(|| {
    let first = published(&Shape::SMALL);
    let second = published_after(&Shape::SMALL, &first);
    [first, second]
});
const LIMIT: usize = 3;

/// The first byte says what the rest is. `r`: the text of a cursor. Any other: the fields of one,
/// 26 bytes or fewer, which is then written as an answer would; its lowest bits choose a snapshot
/// that there is.
pub(crate) fn cursor(bytes: &[u8]) {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let binding = binding(&[b"", b"", b"recommended", b""]);
    let text = if *mode == b'r' { String::from_utf8_lossy(rest).into_owned() } else { made(*mode, rest, binding) };
    let read = Cursor::decode(&text);
    if let Ok(cursor) = &read {
        assert_eq!(cursor.encode(), text, "one text for one cursor");
    }
    let encoded = text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02x}"));
    let target = format!("/v1/new?limit={LIMIT}&cursor={encoded}");
    let [first, second] = &*SNAPSHOTS;
    let mut edge = Edge::with(first, at(BUILT_AT));
    edge.store.publish(second);
    for ask in [Ask::get(target.as_str()), Ask::get(target).user("u000001")] {
        let now = edge.now;
        let reply = edge.ask(&ask);
        // 414: an address that a text makes too long.
        assert!([200, 400, 410, 414].contains(&reply.status), "{text}: {}", reply.status);
        if reply.status != 200 {
            continue;
        }
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        let is_foreign = read.is_ok_and(|cursor| cursor.binding != binding);
        assert!(!is_foreign || body["interrupted"] == true, "{text}: of another question");
        let items = body["items"].as_array().expect("items");
        assert!(items.len() <= LIMIT, "{text}: {} items", items.len());
        for item in items {
            let last =
                item["broadcasts"].as_array().and_then(|list| list.last()).expect("a new product has broadcasts");
            assert!(at(last["ends_at"].as_str().expect("a time")) > now, "{text}: shows what is over");
        }
    }
}

fn made(mode: u8, fields: &[u8], binding: u64) -> String {
    let long = |at: usize| {
        let mut number = [0; 8];
        for (byte, field) in number.iter_mut().zip(fields.iter().skip(at)) {
            *byte = *field;
        }
        u64::from_le_bytes(number)
    };
    let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
    let snapshot = match mode & 3 {
        0 => SNAPSHOTS[0].snapshot,
        1 => SNAPSHOTS[1].snapshot,
        _ => SnapshotId(long(0)),
    };
    // Half of them near the time of the board.
    let seconds =
        if mode & 4 == 0 { at(BUILT_AT).to_seconds().wrapping_add(low(long(8)) % 100_000) } else { low(long(8)) };
    let cursor = Cursor {
        snapshot,
        frozen_at: UnixMillis::from_seconds(seconds),
        offset: low(long(12)),
        binding: if mode & 8 == 0 { binding } else { long(16) },
        is_personal: mode & 16 != 0,
        pulse: if mode & 32 == 0 { 0 } else { low(long(20)) },
        overlay: if mode & 128 == 0 { 0 } else { low(long(20)) & 3 },
        audiences: AudienceSet(if mode & 2 == 0 { 0 } else { low(long(24)) & 7 }),
        context: (mode & 64 != 0).then(|| Context::of_number(low(long(20)) & 1023)),
    };
    cursor.encode()
}
