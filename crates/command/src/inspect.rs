//! `sinsang inspect`: a snapshot, a product or a user in readable form.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::taste::{Taste, TasteShard, weight};
use sinsang_core::pack::{Kind, Pack};
use sinsang_core::rank::HOUR_BUCKETS;
use sinsang_core::viewer::UserHasher;
use sinsang_publish::snapshot::{self, Snapshot};

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the snapshot can't be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The board has no such product.
    #[error("the board has no product {0}: give the 16 hex digits of a product in the window, as answers show them")]
    NoProduct(String),
    /// The user-hashing secret is missing.
    #[error("SINSANG_USER_KEY is missing: set it to the key that the snapshot was built with")]
    NoUserKey,
    /// The snapshot has no tastes of the user.
    #[error(
        "the snapshot has no tastes of that user: check the id, and that SINSANG_USER_KEY is the key it was built with"
    )]
    NoUser,
}

fn board(snapshot: &Snapshot) -> Result<Board, snapshot::Error> {
    let id = snapshot.manifest()?.board();
    snapshot.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id))
}

fn sections(pack: &Pack) -> Value {
    pack.sections()
        .map(|(tag, count, bytes)| json!({ "section": tag, "records": count, "record_bytes": bytes }))
        .collect()
}

/// The snapshot: its manifest, the sections of its board, its shards.
///
/// # Errors
/// If a file can't be used.
pub fn snapshot(snapshot: &Snapshot) -> Result<Value, Error> {
    let manifest = snapshot.manifest()?;
    let board = board(snapshot)?;
    let (from, to) = board.window();
    let parts = manifest.parts();
    Ok(json!({
        "snapshot": manifest.snapshot().to_string(),
        "built_at": manifest.built_at().to_kst_rfc3339(),
        "board": {
            "pack": board.id().to_string(),
            "format": board.pack().version(),
            "bytes": board.bytes(),
            "window": { "from": from.to_kst_rfc3339(), "to": to.to_kst_rfc3339() },
            "history_from": board.history_from().to_kst_rfc3339(),
            "products": board.product_count(),
            "slots": board.slot_count(),
            "channels": (0..board.channel_count()).map(|index| board.channel_id(index)).collect::<Vec<_>>(),
            "blocks": board.blocks().map(|block| format!("{} {}+{}", block.name, block.start, block.length)).collect::<Vec<_>>(),
            "sections": sections(board.pack()),
        },
        "tastes": {
            "users": manifest.users(),
            "shards": parts.shards.len(),
            "empty_shards": parts.shards.iter().filter(|shard| shard.is_none()).count(),
        },
        "previous": parts.beside.iter().map(|beside| beside.snapshot.to_string()).collect::<Vec<_>>(),
    }))
}

/// A product of the board: what shoppers see, both verdicts, its broadcasts, and its vector by
/// block.
///
/// # Errors
/// If a file can't be used, or the board has no such product.
pub fn product(snapshot: &Snapshot, id: &str) -> Result<Value, Error> {
    let board = board(snapshot)?;
    let index = u64::from_str_radix(id, 16).ok().and_then(|id| board.find_product(id));
    let product = board.product(index.ok_or_else(|| Error::NoProduct(id.to_owned()))?);
    let object = |text: &[u8], rest: &str| -> Value {
        serde_json::from_slice(&[text, rest.as_bytes()].concat()).unwrap_or(Value::Null)
    };
    let slots: Vec<Value> = product.slots().map(|slot| object(board.slot(slot).head_json(), "}")).collect();
    let blocks: serde_json::Map<String, Value> = board
        .blocks()
        .map(|block| {
            let range = usize::from(block.start)..usize::from(block.start) + usize::from(block.length);
            let values: Vec<i8> = range.map(|at| weight(product.vector(), at)).collect();
            (block.name, json!(values))
        })
        .collect();
    Ok(json!({
        "product": object(product.head_json(), "}"),
        "verdict_until_first_end": object(product.verdict_json(true), ""),
        "verdict_afterwards": object(product.verdict_json(false), ""),
        "first_broadcast": {
            "starts_at": product.first_starts_at().to_kst_rfc3339(),
            "ends_at": product.first_ends_at().to_kst_rfc3339(),
        },
        "popularity": product.popularity(),
        "broadcasts": slots,
        "vector": blocks,
    }))
}

/// A user's tastes: the shard, and the weights by name.
///
/// # Errors
/// If a file can't be used, the key is missing, or the user has no tastes.
pub fn user(snapshot: &Snapshot, user_id: &str, user_key: &str) -> Result<Value, Error> {
    let board = board(snapshot)?;
    let key = UserHasher::new(user_key.as_bytes()).ok_or(Error::NoUserKey)?.key(user_id);
    let id = snapshot.manifest()?.shard_of(key.0).ok_or(Error::NoUser)?;
    let shard = snapshot.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id))?;
    let taste = Taste::cut(shard.find(key.0).ok_or(Error::NoUser)?, shard.widths());
    let signed = |part: &[u8]| part.iter().map(|byte| byte.cast_signed()).collect::<Vec<i8>>();
    let hours: Vec<i8> = (0..HOUR_BUCKETS).map(|index| taste.hour(index)).collect();
    let tabs: Vec<i8> = (0..board.tab_count()).map(|index| taste.tab(index)).collect();
    let channels: serde_json::Map<String, Value> = (0..board.channel_count())
        .map(|index| (board.channel_id(index).to_owned(), json!(taste.channel(index))))
        .collect();
    Ok(json!({
        "key": format!("{:016x}", key.0),
        "shard": id.to_string(),
        "vector": signed(taste.vector),
        "channels": channels,
        "hours": hours,
        "tabs": tabs,
    }))
}

/// `value` as indented lines, for people.
pub fn readable(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.trim_end().to_owned()
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let pad = "  ".repeat(depth);
        let _ = match value {
            Value::Object(_) => {
                let _ = writeln!(out, "{pad}{name}:");
                write(value, depth + 1, out);
                Ok(())
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let _ = writeln!(out, "{pad}{name}:");
                items.iter().try_for_each(|item| writeln!(out, "{pad}  {item}"))
            }
            Value::String(text) => writeln!(out, "{pad}{name}: {text}"),
            other => writeln!(out, "{pad}{name}: {other}"),
        };
    }
}
