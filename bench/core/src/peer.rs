//! A snapshot in the peers' format: plain JSON, read from the packs with the edge's own reader.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, Kind};
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserHasher;

use crate::snapshot::Snapshot;

/// Why a snapshot can't be copied.
#[derive(Debug)]
pub enum Error {
    /// A pack is missing.
    Missing(String),
    /// A pack can't be read.
    Damage(Damage),
    /// A text of the board is not JSON.
    Json(serde_json::Error),
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

fn value(snapshot: &Snapshot, key: Key) -> Result<Vec<u8>, Error> {
    let name = key.to_string();
    snapshot.values.get(&name).cloned().ok_or(Error::Missing(name))
}

fn weights(weights: &SurfaceWeights) -> Value {
    json!({
        "taste": weights.taste, "channel": weights.channel, "hour": weights.hour, "soon": weights.soon,
        "on_air": weights.on_air, "popularity": weights.popularity, "position": weights.position,
    })
}

/// Closes an open JSON object.
fn object(opened: &[u8]) -> Result<String, Error> {
    let mut text = String::from_utf8_lossy(opened).into_owned();
    text.push('}');
    serde_json::from_str::<Value>(&text)?;
    Ok(text)
}

/// The board as JSON; items keep the packs' order of fields.
///
/// # Errors
/// [`Error`] if a pack is missing or damaged, or a text isn't JSON.
pub fn board(snapshot: &Snapshot) -> Result<String, Error> {
    let manifest = Manifest::parse(value(snapshot, Key::Live)?)?;
    let board = Board::parse(value(snapshot, Key::Pack(Kind::Board, snapshot.board))?, snapshot.board)?;
    let mut products = Vec::new();
    for index in 0..board.product_count() {
        let product = board.product(index);
        let slots: Vec<usize> = product.slots().collect();
        let vector: Vec<i8> = product.vector().iter().map(|byte| byte.cast_signed()).collect();
        let fields = json!({
            "id": format!("{:016x}", product.id()),
            "is_new": product.verdict() == VerdictKind::New,
            "first_starts_at": product.first_starts_at().0,
            "first_ends_at": product.first_ends_at().0,
            "popularity": product.popularity(),
            "vector": vector,
            "slots": slots,
        });
        let verdict = |before| String::from_utf8_lossy(product.verdict_json(before)).into_owned();
        // Spliced as text: a JSON value of serde would sort the fields of an item.
        products.push(format!(
            "{{\"item\":{},\"verdict\":{},\"verdict_after\":{},\"facts\":{fields}}}",
            object(product.head_json())?,
            verdict(true),
            verdict(false)
        ));
    }
    let mut slots = Vec::new();
    for index in 0..board.slot_count() {
        let slot = board.slot(index);
        let fields = json!({
            "product": slot.product(), "channel": slot.channel(),
            "starts_at": slot.starts_at().0, "ends_at": slot.ends_at().0,
        });
        slots.push(format!("{{\"item\":{},\"facts\":{fields}}}", object(slot.head_json())?));
    }
    let mut tabs = Vec::new();
    for index in 0..board.tab_count() {
        let tab = board.tab(index);
        tabs.push(format!("{{\"item\":{},\"is_pinned\":{}}}", object(tab.head_json())?, tab.is_pinned()));
    }
    let all = board.weights();
    let weights = json!({ "new": weights(&all.new), "live": weights(&all.live), "tabs": weights(&all.tabs) });
    let candidates: Vec<usize> = board.candidates().collect();
    Ok(format!(
        "{{\"snapshot\":\"{}\",\"built_at\":\"{}\",\"built_at_ms\":{},\"channels\":{},\"weights\":{weights},\"candidates\":{},\n\
         \"tabs\":[{}],\n\"slots\":[{}],\n\"products\":[{}]}}\n",
        manifest.snapshot(),
        manifest.built_at(),
        manifest.built_at().0,
        board.channel_count(),
        json!(candidates),
        tabs.join(",\n"),
        slots.join(",\n"),
        products.join(",\n")
    ))
}

/// The tastes of the first `count` users, by id: base64 of the int8 vector, then channels, hours
/// and tabs.
///
/// # Errors
/// [`Error`] if a pack is missing or damaged.
pub fn tastes(snapshot: &Snapshot, hasher: &UserHasher, count: usize) -> Result<Value, Error> {
    let manifest = Manifest::parse(value(snapshot, Key::Live)?)?;
    let mut widths = Value::Null;
    let mut users = Map::new();
    for user in snapshot.users.iter().take(count) {
        let key = hasher.key(user).0;
        let Some(id) = manifest.shard_of(key) else { continue };
        let shard = TasteShard::parse(value(snapshot, Key::Pack(Kind::Tastes, id))?, id)?;
        if let Some(record) = shard.find(key) {
            users.insert(user.clone(), Base64::encode_string(record).into());
        }
        let of = shard.widths();
        widths = json!({ "vector": of.vector, "channels": of.channels, "hours": of.hours, "tabs": of.tabs });
    }
    Ok(json!({ "widths": widths, "users": users }))
}
