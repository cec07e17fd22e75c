//! The entries of a board: products, slots and tabs, read in place from the pack.

use super::{Board, FIRST_BROADCAST, HIDDEN, NO_CATEGORY, PINNED, PRODUCT_BYTES, PRODUCTS, SLOT_BYTES, SOLD_OUT, TEXT};
use crate::pack::{Damage, Kind, Pack, PackId, Span, to_usize, u16_at, u32_at, u64_at};
use crate::time::UnixMillis;
use crate::verdict::VerdictKind;

/// A product of a [`Board`].
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    pub(super) board: &'a Board,
    pub(super) record: &'a [u8; PRODUCT_BYTES],
    pub(super) index: usize,
}

impl<'a> Product<'a> {
    /// The product's id, shown as 16 hex digits.
    pub fn id(&self) -> u64 {
        u64_at(self.record, 0)
    }

    /// Its index on the board.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The opening of its JSON object, up to and including the listings.
    pub fn head_json(&self) -> &'a [u8] {
        self.board.json(Span::at(self.record, 8))
    }

    /// The verdict as JSON: the one in force until the first broadcast ends, or the one afterwards.
    pub fn verdict_json(&self, before_first_end: bool) -> &'a [u8] {
        self.board.json(Span::at(self.record, if before_first_end { 16 } else { 24 }))
    }

    /// The start of its first known broadcast.
    pub fn first_starts_at(&self) -> UnixMillis {
        UnixMillis::from_seconds(u32_at(self.record, 32))
    }

    /// The end of its first known broadcast.
    pub fn first_ends_at(&self) -> UnixMillis {
        UnixMillis::from_seconds(u32_at(self.record, 36))
    }

    pub(super) fn slot_range(&self) -> (usize, usize) {
        (to_usize(u32_at(self.record, 40)), usize::from(u16_at(self.record, 44)))
    }

    /// The board indexes of its slots, ordered by start.
    pub fn slots(&self) -> impl Iterator<Item = usize> + use<'a> {
        let (start, count) = self.slot_range();
        let board = self.board;
        (start..start.saturating_add(count))
            .map(move |index| to_usize(u32_at(board.pack.record(&board.product_slots, index), 0)))
    }

    /// The index of its category, if it has one.
    pub fn category(&self) -> Option<usize> {
        Some(u16_at(self.record, 46)).filter(|category| *category != NO_CATEGORY).map(usize::from)
    }

    /// The price in won, if known.
    pub fn price(&self) -> Option<u32> {
        Some(u32_at(self.record, 52)).filter(|price| *price > 0)
    }

    /// The number of its brand, from 1; equal brands share a number, and 0 stands for none.
    pub fn brand(&self) -> u16 {
        self.board.mix.shown(&self.board.pack, self.index).0
    }

    /// How often it had been shown when the board was built, up to 255.
    pub fn shown(&self) -> u8 {
        self.board.mix.shown(&self.board.pack, self.index).1
    }

    /// The demand for it or for similar products, from 0 to 1,024.
    pub fn popularity(&self) -> u32 {
        u32_at(self.record, 56)
    }

    /// The verdict at the time of the build.
    pub fn verdict(&self) -> VerdictKind {
        VerdictKind::from_code(self.record.get(61).copied().unwrap_or(0))
    }

    /// Whether the new-product tab shows it before its first broadcast has ended: it is new, or it
    /// is unknown and the operator lets the tab show such products, marked by their verdict.
    pub fn is_listed(&self) -> bool {
        match self.verdict() {
            VerdictKind::New => true,
            VerdictKind::Unknown => self.record.get(60).copied().unwrap_or(0) & 1 == 1,
            VerdictKind::Repeat => false,
        }
    }

    /// Whether operators say that it is sold out.
    pub fn is_sold_out(&self) -> bool {
        self.record.get(60).copied().unwrap_or(0) & SOLD_OUT != 0
    }

    /// Whether operators hide it.
    pub fn is_hidden(&self) -> bool {
        self.record.get(60).copied().unwrap_or(0) & HIDDEN != 0
    }

    /// Its int8 vector, in the space of the board's blocks.
    pub fn vector(&self) -> &'a [u8] {
        self.board.pack.record(&self.board.vectors, self.index)
    }
}

/// A slot of a [`Board`].
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    pub(super) board: &'a Board,
    pub(super) record: &'a [u8; SLOT_BYTES],
}

impl<'a> Slot<'a> {
    /// The index of its product.
    pub fn product(&self) -> usize {
        to_usize(u32_at(self.record, 0))
    }

    /// When the slot starts.
    pub fn starts_at(&self) -> UnixMillis {
        UnixMillis::from_seconds(u32_at(self.record, 4))
    }

    /// When the slot ends.
    pub fn ends_at(&self) -> UnixMillis {
        UnixMillis::from_seconds(u32_at(self.record, 8))
    }

    /// The index of its channel.
    pub fn channel(&self) -> usize {
        usize::from(u16_at(self.record, 12))
    }

    /// Whether it is its product's first broadcast ever.
    pub fn is_first_broadcast(&self) -> bool {
        u16_at(self.record, 14) & FIRST_BROADCAST != 0
    }

    /// Whether it is on air at `now`: from its start until just before its end.
    pub fn is_on_air(&self, now: UnixMillis) -> bool {
        self.starts_at() <= now && now < self.ends_at()
    }

    /// The opening of its JSON object, up to and including the price.
    pub fn head_json(&self) -> &'a [u8] {
        self.board.json(Span::at(self.record, 16))
    }
}

/// A tab of a [`Board`].
#[derive(Clone, Copy, Debug)]
pub struct Tab<'a> {
    pub(super) board: &'a Board,
    pub(super) record: &'a [u8],
}

impl<'a> Tab<'a> {
    /// The opening of its JSON object, up to and including the target.
    pub fn head_json(&self) -> &'a [u8] {
        self.board.json(Span::at(self.record, 0))
    }

    /// Whether it keeps its position for everyone.
    pub fn is_pinned(&self) -> bool {
        u16_at(self.record, 8) & PINNED != 0
    }
}

/// Calls `take` for each product of the board named `id`, with the product's id and the opening of
/// its JSON object. It reads nothing else of the board, so callers need not link the rest of the
/// reader.
///
/// # Errors
/// [`Damage`] if the bytes are not that board, or have no product section.
pub fn each_product(bytes: Vec<u8>, id: PackId, mut take: impl FnMut(u64, &[u8])) -> Result<(), Damage> {
    let pack = Pack::parse(bytes, Kind::Board)?;
    if pack.id() != id {
        return Err(Damage::WrongId);
    }
    let (products, text) = (pack.table(PRODUCTS, PRODUCT_BYTES)?, pack.table(TEXT, 1)?);
    for record in (0..products.count).map(|index| pack.record(&products, index)) {
        take(u64_at(record, 0), pack.span(&text, Span::at(record, 8)).unwrap_or_default());
    }
    Ok(())
}
