//! What each surface shows: packs and a time in, JSON out.

pub mod cursor;
pub mod live;
pub mod new;
pub mod tabs;

use crate::pack::board::{Board, Product, Slot};
use crate::pack::taste::Taste;
use crate::time::UnixMillis;

/// Everything that a surface is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The board of the snapshot.
    pub board: &'a Board,
    /// The viewer's tastes, where they are known and fit the board.
    pub taste: Option<Taste<'a>>,
    /// The time that decides what is on air and what is over.
    pub now: UnixMillis,
}

/// Appends a product's JSON object without its closing brace: head, verdict and whether it is on air.
fn write_product(product: &Product<'_>, on_air: bool, now: UnixMillis, out: &mut Vec<u8>) {
    out.extend_from_slice(product.head_json());
    out.extend_from_slice(b",\"verdict\":");
    out.extend_from_slice(product.verdict_json(now < product.first_ends_at()));
    out.extend_from_slice(if on_air { b",\"on_air\":true" } else { b",\"on_air\":false" });
}

/// Appends a broadcast's JSON object.
fn write_broadcast(slot: &Slot<'_>, now: UnixMillis, out: &mut Vec<u8>) {
    out.extend_from_slice(slot.head_json());
    out.extend_from_slice(if slot.is_on_air(now) { b",\"on_air\":true}" } else { b",\"on_air\":false}" });
}

/// Appends `items`, written by `write`, as a JSON array.
fn write_array<T>(items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
