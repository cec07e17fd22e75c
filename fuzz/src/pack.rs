//! Packs of any bytes: whatever a store holds, it is refused or served from, and nothing panics.

use std::sync::LazyLock;

use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Kind, PackId, bundle};
use sinsang_core::time::HOUR_MS;

use crate::support::board::{BUILT_AT, Published, Shape, published, users};
use crate::support::edge::{Ask, Edge, Fault};
use crate::support::{HEADER_BYTES, at, seal};

const ENTRY_BYTES: usize = 16;
static WHOLE: LazyLock<Published> = LazyLock::new(|| published(&Shape::SMALL));

/// The first byte says what the rest is: `m` a manifest, `b` a board, `t` a taste shard, `p` a
/// pulse, `o` an overlay, `d` what is deployed with the Worker. In upper case it is taken as it is;
/// else its checksum is made right first, so that what lies behind that check is reached.
pub(crate) fn pack(bytes: &[u8]) {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let is_sealed = mode.is_ascii_lowercase();
    match mode.to_ascii_lowercase() {
        b'm' => meet(Kind::Manifest, rest.to_vec(), is_sealed),
        b'b' => meet(Kind::Board, rest.to_vec(), is_sealed),
        b't' => meet(Kind::Tastes, rest.to_vec(), is_sealed),
        b'p' => meet(Kind::Pulse, rest.to_vec(), is_sealed),
        b'o' => meet(Kind::Overlay, rest.to_vec(), is_sealed),
        b'd' => deployed(rest.to_vec(), is_sealed),
        _ => {}
    }
}

/// Parses `bytes` as every kind, and serves every route from a snapshot that has them as its pack
/// of `kind`.
pub(crate) fn meet(kind: Kind, mut bytes: Vec<u8>, is_sealed: bool) {
    let id = if is_sealed { seal(&mut bytes) } else { PackId::default() };
    let is_whole = [
        Manifest::parse(bytes.clone()).is_ok(),
        Board::parse(bytes.clone(), id).is_ok(),
        TasteShard::parse(bytes.clone(), id).is_ok_and(|shard| shard.find(shard.key(shard.len() / 2)).is_some()),
        Overlay::parse(bytes.clone()).is_ok(),
        Pulse::parse(bytes.clone()).is_ok_and(|pulse| pulse.iter().all(|(id, counts)| pulse.find(id) == Some(counts))),
    ];
    let mut manifest = Manifest::parse(WHOLE.manifest.clone()).unwrap().parts();
    let mut edge = Edge::with(&WHOLE, at(BUILT_AT));
    edge.store.values.insert(Key::Pack(kind, id).to_string(), bytes.clone());
    match kind {
        Kind::Board => manifest.board = id,
        Kind::Tastes => manifest.shards.fill(id),
        Kind::Pulse => {
            edge.store.values.insert(Key::Pulse.to_string(), bytes.clone());
        }
        Kind::Overlay => {
            edge.store.values.insert(Key::Overlay.to_string(), bytes.clone());
        }
        Kind::Manifest => {}
    }
    let live = if kind == Kind::Manifest { bytes } else { manifest.write().unwrap().0 };
    edge.store.values.insert(Key::Live.to_string(), live);
    serve(&mut edge, is_whole.contains(&true));
}

/// Serves every route from `bytes` as the snapshot that is deployed with the Worker, no store being
/// there.
fn deployed(mut bytes: Vec<u8>, is_sealed: bool) {
    if is_sealed {
        let length =
            bytes.get(8..12).and_then(|length| length.first_chunk()).map_or(0, |length| u32::from_le_bytes(*length));
        let length = usize::try_from(length).unwrap().min(bytes.len());
        let (manifest, board) = bytes.split_at_mut(length);
        let id = seal(board);
        // Its manifest names the board.
        let meta = manifest.get(HEADER_BYTES..).and_then(|directory| {
            directory.chunks_exact(ENTRY_BYTES).take(64).find(|entry| entry.starts_with(b"META"))
        });
        let start = meta.map_or(usize::MAX, |entry| {
            usize::try_from(u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]])).unwrap()
        });
        if let Some(name) = manifest.get_mut(start.saturating_add(16)..start.saturating_add(32)) {
            name.copy_from_slice(&id.0);
        }
        seal(manifest);
    }
    let is_whole = bundle::parse(&bytes).is_ok();
    let mut edge = Edge::cold(at(BUILT_AT));
    edge.store.outage = Some(Fault::Error);
    edge.store.cache_outage = Some(Fault::Error);
    edge.store.bundle = Some(bytes);
    serve(&mut edge, is_whole);
}

fn serve(edge: &mut Edge, is_whole: bool) {
    let user = users(&Shape::SMALL).into_iter().find(|user| WHOLE.shard_of(user).is_some()).unwrap();
    let times: &[i64] = if is_whole { &[-100_000, -1, 0, 3, 100_000] } else { &[0] };
    for hours in times {
        for target in [
            "/v1/new?limit=100",
            "/v1/new?sort=soonest&channel=ch-01&limit=2",
            "/v1/live",
            "/v1/tabs",
            "/v1/home",
            "/v1/status",
        ] {
            for ask in [Ask::get(target), Ask::get(target).user(&user), Ask::get(target).device("0123456789abcdef")] {
                edge.now = at(BUILT_AT).plus(hours * HOUR_MS);
                let status = edge.ask(&ask).status;
                // A damaged clock may hold a token for expired; all else is answered, or there is
                // nothing to answer from.
                assert!([200, 401, 503].contains(&status), "{target}: {status}");
            }
        }
    }
}
