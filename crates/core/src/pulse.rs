//! The pulse: recent looks, alarms and purchases of each product by viewer, and the counts made
//! from them.
//!
//! A [`Counter`] is a set of marks, one per product, viewer and [`Deed`]. A repeated event, a
//! repeated batch or a viewer who repeats a deed changes nothing, in whatever order they arrive.
//! Counts follow from the marks and the time alone, so a viewer never counts as more than one in
//! any of them, and a viewer's marks cover only a few products. The consumer of events keeps a
//! counter (`crates/event-worker/`), `sinsang evaluate ranking` replays purchases through one, and
//! `pack/pulse.rs` carries the result to the edge.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::{HOUR_MS, MINUTE_MS, UnixMillis};

/// The value in a count of one signed-in viewer who acted just now.
pub const VIEWER: u32 = 16;
/// The most marks of one product. A pulse reaches its maximum at 1,023 buyers, so a product with
/// more loses nothing.
pub const MAX_MARKS: usize = 2_048;
/// The most marks of all products together; with their containers about 4 MB.
pub const MAX_ALL_MARKS: usize = 200_000;
/// The most products with marks.
pub const MAX_PRODUCTS: usize = 8_192;
/// The most marks of one signed-in viewer; somebody who shops all day has fewer.
pub const MAX_OF_VIEWER: u16 = 128;
/// The most marks of one viewer who is not signed in.
pub const MAX_OF_UNSIGNED: u16 = 32;
/// The most new marks that a product accepts per minute from viewers who are not signed in.
pub const MAX_UNSIGNED_A_MINUTE: usize = 20;
/// The most viewers that all viewers who are not signed in count for together, which bounds the
/// effect of made-up devices.
pub const MAX_UNSIGNED: u32 = 8;
/// A viewer who is not signed in weighs 2^-`UNSIGNED_SHIFT`: a quarter.
pub const UNSIGNED_SHIFT: u32 = 2;
/// The size of a mark in bytes, as [`Counter::marks`] writes it.
pub const MARK_BYTES: usize = 9;
const SIGNED: u8 = 0x80;

/// A viewer's action on a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Opened its page, tapped it, or entered its broadcast.
    Look,
    /// Set an alarm for its broadcast.
    Alarm,
    /// Bought it.
    Purchase,
}

impl Deed {
    /// All deeds, in the order of [`Counts`].
    pub const ALL: [Self; 3] = [Self::Look, Self::Alarm, Self::Purchase];

    fn code(self) -> u8 {
        match self {
            Self::Look => 0,
            Self::Alarm => 1,
            Self::Purchase => 2,
        }
    }
}

/// An event that is offered to the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The product's id.
    pub product: u64,
    /// The viewer's key.
    pub viewer: u64,
    /// Whether the key is a user's rather than a device's.
    pub is_signed: bool,
    /// The viewer's action.
    pub deed: Deed,
    /// When it happened, by the receiver's clock.
    pub at: UnixMillis,
}

/// The outcome for a [`Happening`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// It is a new mark.
    New,
    /// It counts already: the viewer did the same recently.
    Known,
    /// It is older than the window.
    Late,
    /// The product has too many marks of this minute from viewers who are not signed in.
    Crowded,
    /// The viewer has the most marks allowed.
    Enough,
    /// There is no room for the mark.
    Full,
}

impl Counted {
    /// All outcomes.
    pub const ALL: [Self; 6] = [Self::New, Self::Known, Self::Late, Self::Crowded, Self::Enough, Self::Full];
}

/// The durations that govern decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The time after which a viewer counts half, in milliseconds.
    pub half_life_ms: i64,
    /// The time after which a mark is forgotten, in milliseconds. Then the viewer may count again,
    /// and a repeated event counts as new.
    pub window_ms: i64,
}

impl Default for Terms {
    /// Suited to broadcasts of about an hour: a half-life of six hours, a window of a day.
    fn default() -> Self {
        Self { half_life_ms: 6 * HOUR_MS, window_ms: 24 * HOUR_MS }
    }
}

/// A product's recent viewers, decayed, in sixteenths of a viewer ([`VIEWER`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Viewers with any deed.
    pub viewers: u16,
    /// Viewers who looked.
    pub looks: u16,
    /// Viewers who set an alarm.
    pub alarms: u16,
    /// Viewers who bought it.
    pub purchases: u16,
}

impl Counts {
    /// A product's interest in sixteenths of a buyer: an alarm counts as half a purchase, a look as
    /// an eighth.
    pub fn interest(&self) -> u32 {
        let part = |count: u16, of: u32| u32::from(count).checked_div(of).unwrap_or(0);
        part(self.purchases, 1).saturating_add(part(self.alarms, 2)).saturating_add(part(self.looks, 8))
    }
}

/// A mark, ordered by viewer and then by deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    /// The lower half of the viewer's key. Two viewers of a product with the same half count as
    /// one; with 2,048 marks that happens to one product in 2,000.
    viewer: u32,
    /// The deed's code, with the bit [`SIGNED`] if the viewer is signed in.
    what: u8,
    minute: u32,
}

impl Mark {
    fn is_signed(&self) -> bool {
        self.what & SIGNED != 0
    }

    /// The viewer that the mark belongs to. Two viewers with the same half also share a limit: four
    /// or five pairs among 200,000 marks.
    fn owner(&self) -> (u32, bool) {
        (self.viewer, self.is_signed())
    }
}

/// The counts of all viewers, and of the signed-in ones alone.
struct CountedBy {
    all: Counts,
    signed: Counts,
}

/// A product's rank when room is short. The number of signed-in viewers comes first: it is the most
/// expensive to fake for somebody who wants to push others out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    signed_viewers: u16,
    signed_interest: u32,
    interest: u32,
}

impl Worth {
    /// The worth of a single, current deed by a signed-in viewer.
    fn of_one(deed: Deed) -> Self {
        let one = u16::try_from(VIEWER).unwrap_or(u16::MAX);
        let done = |of: Deed| if of == deed { one } else { 0 };
        let [looks, alarms, purchases] = Deed::ALL.map(done);
        let counts = Counts { viewers: one, looks, alarms, purchases };
        Self::of(&CountedBy { all: counts, signed: counts })
    }

    fn of(by: &CountedBy) -> Self {
        Self { signed_viewers: by.signed.viewers, signed_interest: by.signed.interest(), interest: by.all.interest() }
    }
}

/// The marks of all products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    terms: Terms,
    products: BTreeMap<u64, Vec<Mark>>,
    marks: usize,
    unsigned: usize,
    /// The number of marks per viewer.
    of_viewer: BTreeMap<(u32, bool), u16>,
    /// Products in the order of eviction, the next one last, each with its worth when computed:
    /// once a minute, while there is no room.
    yielding: Vec<(Worth, u64)>,
    yielding_of: Option<u32>,
    changed: BTreeSet<u64>,
    swept_at: UnixMillis,
}

impl Counter {
    /// An empty counter.
    pub fn new(terms: Terms) -> Self {
        Self { terms, ..Self::default() }
    }

    /// Counts `one`, if it is new and there is room, at `now`.
    pub fn count(&mut self, one: &Happening, now: UnixMillis) -> Counted {
        if now.since(one.at) > self.terms.window_ms {
            return Counted::Late;
        }
        let minute = minute_of(one.at.min(now));
        let [a, b, c, d, ..] = one.viewer.to_le_bytes();
        let viewer = u32::from_le_bytes([a, b, c, d]);
        let mark = Mark { viewer, what: one.deed.code() | if one.is_signed { SIGNED } else { 0 }, minute };
        self.sweep(now);
        let most = if one.is_signed { MAX_OF_VIEWER } else { MAX_OF_UNSIGNED };
        let has_enough = self.of_viewer.get(&mark.owner()).is_some_and(|own| *own >= most);
        let known = self.products.get_mut(&one.product);
        if let Some(marks) = known {
            if let Some(known) = marks.iter_mut().find(|known| (known.viewer, known.what) == (mark.viewer, mark.what)) {
                // The earliest time wins, in whatever order events arrive.
                if mark.minute < known.minute {
                    known.minute = mark.minute;
                    self.changed.insert(one.product);
                }
                return Counted::Known;
            }
            let is_of_the_minute = |known: &&Mark| !known.is_signed() && known.minute == mark.minute;
            if !one.is_signed && marks.iter().filter(is_of_the_minute).count() >= MAX_UNSIGNED_A_MINUTE {
                return Counted::Crowded;
            }
            if has_enough {
                return Counted::Enough;
            }
            // Viewers who are not signed in leave half of the room to the others.
            let unsigned = marks.iter().filter(|known| !known.is_signed()).count();
            if marks.len() >= MAX_MARKS || (!one.is_signed && unsigned >= MAX_MARKS / 2) {
                return Counted::Full;
            }
        } else if has_enough {
            return Counted::Enough;
        } else if self.products.len() >= if one.is_signed { MAX_PRODUCTS } else { MAX_PRODUCTS / 2 }
            && !(one.is_signed && self.give_way(one, now))
        {
            return Counted::Full;
        }
        if !one.is_signed && self.unsigned >= MAX_ALL_MARKS / 2 {
            return Counted::Full;
        }
        if self.marks >= MAX_ALL_MARKS && !(one.is_signed && self.give_way(one, now)) {
            return Counted::Full;
        }
        let marks = self.products.entry(one.product).or_default();
        let place = marks.partition_point(|known| *known < mark);
        marks.insert(place, mark);
        self.tally(mark, true);
        self.changed.insert(one.product);
        Counted::New
    }

    /// Evicts the product of least worth to make room for `one`, a mark of a signed-in viewer.
    /// `false` if no product is worth less than that mark.
    fn give_way(&mut self, one: &Happening, now: UnixMillis) -> bool {
        // Worths are computed once a minute. A product that has gained since then is skipped, until
        // the next minute.
        let minute = minute_of(now);
        if self.yielding_of != Some(minute) {
            self.yielding_of = Some(minute);
            self.yielding = self
                .products
                .iter()
                .map(|(product, marks)| (Worth::of(&self.counted_by(marks, now)), *product))
                .collect();
            self.yielding.sort_unstable_by(|a, b| b.cmp(a));
        }
        while let Some((worth, least)) = self.yielding.pop() {
            if worth >= Worth::of_one(one.deed) {
                self.yielding.push((worth, least));
                return false;
            }
            let is_as_it_was = |marks: &Vec<Mark>| Worth::of(&self.counted_by(marks, now)) <= worth;
            if least == one.product || !self.products.get(&least).is_some_and(is_as_it_was) {
                continue;
            }
            self.remove(least);
            self.changed.insert(least);
            return true;
        }
        false
    }

    fn remove(&mut self, product: u64) {
        for mark in self.products.remove(&product).unwrap_or_default() {
            self.tally(mark, false);
        }
    }

    fn tally(&mut self, mark: Mark, is_added: bool) {
        let moved = |count: usize| if is_added { count.saturating_add(1) } else { count.saturating_sub(1) };
        self.marks = moved(self.marks);
        if !mark.is_signed() {
            self.unsigned = moved(self.unsigned);
        }
        let own = self.of_viewer.entry(mark.owner()).or_default();
        *own = if is_added { own.saturating_add(1) } else { own.saturating_sub(1) };
        if *own == 0 {
            self.of_viewer.remove(&mark.owner());
        }
    }

    /// Forgets marks from before the window, at most once a minute.
    pub fn sweep(&mut self, now: UnixMillis) {
        if now.since(self.swept_at) < MINUTE_MS {
            return;
        }
        self.swept_at = now;
        let oldest = minute_of(now.plus(self.terms.window_ms.saturating_neg()));
        let mut gone = Vec::new();
        for (product, kept) in &mut self.products {
            let before = gone.len();
            gone.extend(kept.extract_if(.., |mark| mark.minute < oldest));
            if gone.len() > before {
                self.changed.insert(*product);
            }
        }
        self.products.retain(|_, marks| !marks.is_empty());
        for mark in gone {
            self.tally(mark, false);
        }
    }

    /// Counts all marks of `other`, as if their events had happened here.
    pub fn merge(&mut self, other: &Self, now: UnixMillis) {
        for (product, marks) in &other.products {
            for mark in marks {
                let deed = Deed::ALL.into_iter().find(|deed| deed.code() == mark.what & !SIGNED);
                let at = UnixMillis(i64::from(mark.minute).saturating_mul(MINUTE_MS));
                let one = deed.map(|deed| Happening {
                    product: *product,
                    viewer: mark.viewer.into(),
                    is_signed: mark.is_signed(),
                    deed,
                    at,
                });
                one.map(|one| self.count(&one, now));
            }
        }
    }

    /// Whether there are no marks.
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// The number of marks.
    pub fn len(&self) -> usize {
        self.marks
    }

    /// The counts of `product` at `now`.
    pub fn counts_of(&self, product: u64, now: UnixMillis) -> Counts {
        self.products.get(&product).map_or_else(Counts::default, |marks| self.counted(marks, now))
    }

    /// The counts of the `most` products of greatest worth at `now`, by ascending id. Products
    /// whose counts have decayed to 0 are left out.
    pub fn counts(&self, most: usize, now: UnixMillis) -> Vec<(u64, Counts)> {
        let mut all: Vec<(Worth, u64, Counts)> = self
            .products
            .iter()
            .map(|(product, marks)| (self.counted_by(marks, now), *product))
            .map(|(by, product)| (Worth::of(&by), product, by.all))
            .filter(|(_, _, counts)| counts.viewers > 0)
            .collect();
        all.sort_unstable_by_key(|(worth, product, _)| (std::cmp::Reverse(*worth), *product));
        all.truncate(most);
        let mut all: Vec<(u64, Counts)> = all.into_iter().map(|(_, product, counts)| (product, counts)).collect();
        all.sort_unstable_by_key(|(product, _)| *product);
        all
    }

    fn counted_by(&self, marks: &[Mark], now: UnixMillis) -> CountedBy {
        let signed: Vec<Mark> = marks.iter().copied().filter(Mark::is_signed).collect();
        CountedBy { all: self.counted(marks, now), signed: self.counted(&signed, now) }
    }

    fn counted(&self, marks: &[Mark], now: UnixMillis) -> Counts {
        let weight = |mark: &Mark| self.weight(mark, now);
        let of = |deed: Deed| {
            sum(marks
                .iter()
                .filter(|mark| mark.what & !SIGNED == deed.code())
                .map(|mark| (mark.is_signed(), weight(mark))))
        };
        // A viewer's marks are adjacent, and the heaviest counts for the viewer.
        let viewers = marks.chunk_by(|a, b| a.viewer == b.viewer).map(|own| {
            let signed = own.iter().any(Mark::is_signed);
            (signed, own.iter().filter(|mark| mark.is_signed() == signed).map(weight).max().unwrap_or(0))
        });
        let [looks, alarms, purchases] = Deed::ALL.map(of);
        Counts { viewers: sum(viewers), looks, alarms, purchases }
    }

    /// The weight of a signed-in viewer's mark at `now`, in 65,536ths.
    fn weight(&self, mark: &Mark, now: UnixMillis) -> u64 {
        /// 2^(-n/16), in 65,536ths.
        const SIXTEENTHS: [u64; 16] = [
            65_536, 62_757, 60_097, 57_549, 55_109, 52_773, 50_535, 48_393, 46_341, 44_376, 42_495, 40_693, 38_968,
            37_316, 35_734, 34_219,
        ];
        let age = now.since(UnixMillis(i64::from(mark.minute).saturating_mul(MINUTE_MS)));
        if age > self.terms.window_ms {
            return 0;
        }
        let steps = age.max(0).saturating_mul(16).checked_div(self.terms.half_life_ms.max(1)).unwrap_or(0);
        let part = usize::try_from(steps.rem_euclid(16)).unwrap_or(0);
        let halvings = u32::try_from(steps.div_euclid(16)).unwrap_or(u32::MAX);
        SIXTEENTHS.get(part).copied().unwrap_or(0).checked_shr(halvings).unwrap_or(0)
    }

    /// The products whose marks have changed since the last call, each with its marks as bytes;
    /// empty if it has none left.
    pub fn take_changed(&mut self) -> Vec<(u64, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|product| (product, self.marks(product))).collect()
    }

    /// The marks of `product`, [`MARK_BYTES`] each.
    pub fn marks(&self, product: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mark in self.products.get(&product).map(Vec::as_slice).unwrap_or_default() {
            bytes.extend_from_slice(&mark.viewer.to_le_bytes());
            bytes.push(mark.what);
            bytes.extend_from_slice(&mark.minute.to_le_bytes());
        }
        bytes
    }

    /// Replaces the marks of `product` with those that [`Counter::marks`] wrote. Invalid marks are
    /// skipped.
    pub fn restore(&mut self, product: u64, bytes: &[u8]) {
        let (records, _) = bytes.as_chunks::<MARK_BYTES>();
        let mut marks: Vec<Mark> = records
            .iter()
            .map(|[a, b, c, d, what, e, f, g, h]| Mark {
                viewer: u32::from_le_bytes([*a, *b, *c, *d]),
                what: *what,
                minute: u32::from_le_bytes([*e, *f, *g, *h]),
            })
            .filter(|mark| Deed::ALL.iter().any(|deed| deed.code() == mark.what & !SIGNED))
            .take(MAX_MARKS)
            .collect();
        marks.sort_unstable();
        marks.dedup_by_key(|mark| (mark.viewer, mark.what));
        self.remove(product);
        if !marks.is_empty() && self.products.len() < MAX_PRODUCTS {
            for mark in &marks {
                self.tally(*mark, true);
            }
            self.products.insert(product, marks);
        }
    }
}

/// Sums weights to sixteenths of a viewer. Viewers who are not signed in weigh a quarter, up to a
/// joint limit.
fn sum(weights: impl Iterator<Item = (bool, u64)>) -> u16 {
    let (signed, unsigned) = weights.fold((0_u64, 0_u64), |(signed, unsigned), (is_signed, weight)| {
        if is_signed { (signed.saturating_add(weight), unsigned) } else { (signed, unsigned.saturating_add(weight)) }
    });
    let all = signed.saturating_add((unsigned >> UNSIGNED_SHIFT).min(u64::from(MAX_UNSIGNED) << 16));
    u16::try_from(all.saturating_mul(u64::from(VIEWER)) >> 16).unwrap_or(u16::MAX)
}

fn minute_of(at: UnixMillis) -> u32 {
    u32::try_from(at.0.div_euclid(MINUTE_MS).max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
