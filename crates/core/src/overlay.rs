//! The overlay: what operators say about products and broadcasts between builds, each for a time.
//!
//! A snapshot is built hourly or daily, a pulse counted once a minute; an overlay takes effect
//! within a minute or two. It only hides, marks and moves what a board has, so an edge without it
//! is merely older. [`crate::pack::overlay`] reads and writes it, and
//! [`crate::pack::board::Board::amended`] applies it to a board.
//!
//! Each entry holds the revisions that brought and removed it, so the latest overlay also tells
//! what an earlier one said: a list that is being paged through goes on in its own revision.

use xxhash_rust::xxh64::xxh64;

use crate::directive::Deed;
use crate::time::UnixMillis;

/// The most entries of an overlay, those that ended lately included: 300 KB of Workers KV.
pub const MOST_ENTRIES: usize = 4_096;
/// The most characters of a note on a card.
pub const NOTE_CHARS: usize = 40;
/// How long an overlay keeps an entry that has ended or was removed, in milliseconds, for lists
/// that began under it: as long as an edge looks for the pulse of a list.
pub const KEPT_MS: i64 = crate::time::DAY_MS;

/// The product or the listing that an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A product, by its id.
    Product(u64),
    /// A shop's listing, by its [`listing_key`].
    Listing(u64),
}

/// A broadcast by what the schedule said when the board was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotKey<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// When the slot starts, in whole seconds.
    pub starts_at: UnixMillis,
    /// The product on sale; `None` for all products of the channel that start then.
    pub product: Option<u64>,
}

/// A broadcast in place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// The product on sale.
    pub product: u64,
    /// When the slot starts, in whole seconds.
    pub starts_at: UnixMillis,
    /// When the slot ends, in whole seconds, after its start.
    pub ends_at: UnixMillis,
    /// Its opened JSON object, as in the board's `SLOT` records.
    pub head: &'a str,
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Leaves a product or listing out of every surface.
    Hide(Subject),
    /// Marks it as sold out, and puts it behind the rest where the board says so.
    SoldOut(Subject),
    /// Replaces its price, in won.
    Price(Subject, u32),
    /// Puts a text of at most [`NOTE_CHARS`] characters on a product's card.
    Note(u64, &'a str),
    /// Takes a broadcast out of the schedule.
    Cancel(SlotKey<'a>),
    /// Moves, prolongs or shortens a broadcast, or gives it to another product.
    Replace(SlotKey<'a>, Replacement<'a>),
    /// Pins, boosts or buries a product, on the surfaces of these [`crate::surface_name::Surface`]
    /// bits. The text names the entry in explanations.
    Direct(u64, Deed, u8, &'a str),
}

/// A change with the time that it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number, which no other entry of the deployment ever has; from 1.
    pub id: u32,
    /// When it begins, inclusive, in whole seconds.
    pub from: UnixMillis,
    /// When it ends, exclusive, in whole seconds.
    pub until: UnixMillis,
    /// The revision that brought it, from 1.
    pub since: u32,
    /// The revision that removed it, if one did.
    pub removed: Option<u32>,
    /// What it does.
    pub change: Change<'a>,
}

impl Entry<'_> {
    /// Whether it stands at `at` for those who know the overlay up to `revision`.
    pub fn stands(&self, at: UnixMillis, revision: u32) -> bool {
        self.since <= revision && self.removed.is_none_or(|removed| removed > revision) && self.is_due(at)
    }

    /// Whether `at` lies within its time.
    pub fn is_due(&self, at: UnixMillis) -> bool {
        self.from <= at && at < self.until
    }
}

/// The key of a shop's listing.
pub fn listing_key(shop: &str, listing_id: &str) -> u64 {
    let json = |text: &str| serde_json::to_string(text).unwrap_or_default();
    listing_key_of(format!("\"shop\":{},\"listing_id\":{}", json(shop), json(listing_id)).as_bytes())
}

/// The key of the listing whose members in a board's JSON are `members`: their XXH64.
pub fn listing_key_of(members: &[u8]) -> u64 {
    xxh64(members, 0)
}

/// The entries that stand at a time, and how long the same ones do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The entries, in the overlay's order.
    pub entries: Vec<Entry<'a>>,
    /// A hash of their numbers; 0 if there are none.
    pub print: u64,
    /// Since when the same entries stand.
    pub from: UnixMillis,
    /// Until when the same entries stand, exclusive.
    pub until: UnixMillis,
}

/// The entries of `all` that stand at `at` for those who know the overlay up to `revision`.
pub fn standing<'a>(all: impl Iterator<Item = Entry<'a>>, at: UnixMillis, revision: u32) -> Standing<'a> {
    let mut standing =
        Standing { entries: Vec::new(), print: 0, from: UnixMillis(i64::MIN), until: UnixMillis(i64::MAX) };
    for entry in all {
        for time in [entry.from, entry.until] {
            if time <= at {
                standing.from = standing.from.max(time);
            } else {
                standing.until = standing.until.min(time);
            }
        }
        if entry.stands(at, revision) {
            // Never 0, which stands for no entry.
            standing.print = xxh64(&entry.id.to_le_bytes(), standing.print) | 1;
            standing.entries.push(entry);
        }
    }
    standing
}
