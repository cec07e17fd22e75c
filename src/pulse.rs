//! The pulse: who looked at, set an alarm for and bought each product lately, and the counts that are made of it.
//!
//! A [`Counter`] is a set of marks, one for each product, viewer and [`Deed`]: the same event, the same batch, or a viewer who does a thing
//! again changes nothing, in whatever order they come. Counts are worked out of the marks and the time alone, so no viewer is ever more
//! than one in any of them. The consumer of events keeps a counter (`intake/`), `sinsang evaluate ranking` replays purchases through one, and
//! `pack/pulse.rs` carries what comes of it to the edge.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::{HOUR_MS, MINUTE_MS, UnixMillis};

/// What a count has for one viewer who is signed in and did it just now.
pub const VIEWER: u32 = 16;
/// Most marks of one product. A pulse is at its most with 1,023 buyers, so a product with more loses nothing.
pub const MAX_MARKS: usize = 2_048;
/// Most marks of all products; with what they lie in, about 4 MB.
pub const MAX_ALL_MARKS: usize = 200_000;
/// Most products that have marks.
pub const MAX_PRODUCTS: usize = 8_192;
/// New marks of viewers who are not signed in that one product takes in a minute.
pub const MAX_UNSIGNED_A_MINUTE: usize = 20;
/// Those who are not signed in count for no more than this many viewers together: whoever makes up devices gets no further.
pub const MAX_UNSIGNED: u32 = 8;
/// Bytes of a mark as [`Counter::marks`] writes it.
pub const MARK_BYTES: usize = 9;
const SIGNED: u8 = 0x80;

/// What a viewer did with a product.
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
    /// All of them, in the order of [`Counts`].
    pub const ALL: [Self; 3] = [Self::Look, Self::Alarm, Self::Purchase];

    fn code(self) -> u8 {
        match self {
            Self::Look => 0,
            Self::Alarm => 1,
            Self::Purchase => 2,
        }
    }
}

/// An event that may count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The product's id.
    pub product: u64,
    /// The viewer's key.
    pub viewer: u64,
    /// Whether the key is a user's, and not a device's.
    pub is_signed: bool,
    /// What happened.
    pub deed: Deed,
    /// When, by the clock of who received it.
    pub at: UnixMillis,
}

/// What became of a [`Happening`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// It counts.
    New,
    /// The viewer has done this lately: it counts already.
    Known,
    /// It was too long ago.
    Late,
    /// Too many who are not signed in do this in one minute.
    Crowded,
    /// There is no room for it.
    Full,
}

/// How long things count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// After this long a viewer counts half, in milliseconds.
    pub half_life_ms: i64,
    /// After this long a mark is forgotten, in milliseconds: the viewer may count again, and an event that comes again then is a new one.
    pub window_ms: i64,
}

impl Default for Terms {
    /// For broadcasts of an hour or so: six hours, and a day.
    fn default() -> Self {
        Self { half_life_ms: 6 * HOUR_MS, window_ms: 24 * HOUR_MS }
    }
}

/// How many viewers a product has lately, in sixteenths ([`VIEWER`]), decayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Who did any of it.
    pub viewers: u16,
    /// Who looked.
    pub looks: u16,
    /// Who set an alarm.
    pub alarms: u16,
    /// Who bought it.
    pub purchases: u16,
}

impl Counts {
    /// What a product's interest is worth in buyers, in sixteenths: whoever set an alarm is half of one, whoever looked an eighth.
    pub fn interest(&self) -> u32 {
        let part = |count: u16, of: u32| u32::from(count).checked_div(of).unwrap_or(0);
        part(self.purchases, 1).saturating_add(part(self.alarms, 2)).saturating_add(part(self.looks, 8))
    }
}

/// A mark, ordered by viewer, and then by deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    /// The lower half of the viewer's key. Two viewers of a product may share one, and then count as one: with 2,048 marks once in 2,000 products.
    viewer: u32,
    /// The deed, and whether the viewer is signed in.
    what: u8,
    minute: u32,
}

impl Mark {
    fn is_signed(&self) -> bool {
        self.what & SIGNED != 0
    }
}

/// Marks by product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    terms: Terms,
    products: BTreeMap<u64, Vec<Mark>>,
    marks: usize,
    unsigned: usize,
    changed: BTreeSet<u64>,
    swept_at: UnixMillis,
}

impl Counter {
    /// A counter without marks.
    pub fn new(terms: Terms) -> Self {
        Self { terms, ..Self::default() }
    }

    /// Takes in what happened, at `now`.
    pub fn count(&mut self, one: &Happening, now: UnixMillis) -> Counted {
        if now.since(one.at) > self.terms.window_ms {
            return Counted::Late;
        }
        let minute = minute_of(one.at.min(now));
        let [a, b, c, d, ..] = one.viewer.to_le_bytes();
        let viewer = u32::from_le_bytes([a, b, c, d]);
        let mark = Mark { viewer, what: one.deed.code() | if one.is_signed { SIGNED } else { 0 }, minute };
        self.sweep(now);
        let known = self.products.get_mut(&one.product);
        if let Some(marks) = known {
            if let Some(known) = marks.iter_mut().find(|known| (known.viewer, known.what) == (mark.viewer, mark.what)) {
                // The earliest counts, in whatever order they come.
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
            // Those who are not signed in leave the others half of the room.
            let unsigned = marks.iter().filter(|known| !known.is_signed()).count();
            if marks.len() >= MAX_MARKS || (!one.is_signed && unsigned >= MAX_MARKS / 2) {
                return Counted::Full;
            }
        } else if self.products.len() >= if one.is_signed { MAX_PRODUCTS } else { MAX_PRODUCTS / 2 }
            && !(one.is_signed && self.give_way())
        {
            return Counted::Full;
        }
        if self.marks >= MAX_ALL_MARKS || (!one.is_signed && self.unsigned >= MAX_ALL_MARKS / 2) {
            return Counted::Full;
        }
        let marks = self.products.entry(one.product).or_default();
        let place = marks.partition_point(|known| *known < mark);
        marks.insert(place, mark);
        self.tally(mark, true);
        self.changed.insert(one.product);
        Counted::New
    }

    /// Forgets the product with the fewest marks, for one that is new to the counter; `false` where there is none.
    fn give_way(&mut self) -> bool {
        let least = self.products.iter().min_by_key(|(_, marks)| marks.len()).map(|(product, _)| *product);
        let Some(product) = least else { return false };
        for mark in self.products.remove(&product).unwrap_or_default() {
            self.tally(mark, false);
        }
        self.changed.insert(product);
        true
    }

    fn tally(&mut self, mark: Mark, is_added: bool) {
        let moved = |count: usize| if is_added { count.saturating_add(1) } else { count.saturating_sub(1) };
        self.marks = moved(self.marks);
        if !mark.is_signed() {
            self.unsigned = moved(self.unsigned);
        }
    }

    /// Forgets marks that are past the window, once a minute.
    pub fn sweep(&mut self, now: UnixMillis) {
        if now.since(self.swept_at) < MINUTE_MS {
            return;
        }
        self.swept_at = now;
        let oldest = minute_of(now.plus(self.terms.window_ms.saturating_neg()));
        let (mut marks, mut unsigned) = (0_usize, 0_usize);
        for (product, kept) in &mut self.products {
            let before = kept.len();
            kept.retain(|mark| mark.minute >= oldest);
            if kept.len() < before {
                self.changed.insert(*product);
            }
            marks = marks.saturating_add(kept.len());
            unsigned = unsigned.saturating_add(kept.iter().filter(|mark| !mark.is_signed()).count());
        }
        self.products.retain(|_, marks| !marks.is_empty());
        (self.marks, self.unsigned) = (marks, unsigned);
    }

    /// Takes in all marks of `other`, as if what made them had happened here.
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

    /// Whether nothing counts any more.
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// How many marks there are.
    pub fn len(&self) -> usize {
        self.marks
    }

    /// The counts of `product` at `now`.
    pub fn counts_of(&self, product: u64, now: UnixMillis) -> Counts {
        self.products.get(&product).map_or_else(Counts::default, |marks| self.counted(marks, now))
    }

    /// The counts of the `most` products of the most interest at `now`, by ascending id; those of which nothing is left are left out.
    pub fn counts(&self, most: usize, now: UnixMillis) -> Vec<(u64, Counts)> {
        let mut all: Vec<(u64, Counts)> = self
            .products
            .iter()
            .map(|(product, marks)| (*product, self.counted(marks, now)))
            .filter(|(_, counts)| counts.viewers > 0)
            .collect();
        all.sort_by_key(|(product, counts)| (std::cmp::Reverse(counts.interest()), *product));
        all.truncate(most);
        all.sort_unstable_by_key(|(product, _)| *product);
        all
    }

    fn counted(&self, marks: &[Mark], now: UnixMillis) -> Counts {
        let weight = |mark: &Mark| self.weight(mark, now);
        let of = |deed: Deed| {
            sum(marks
                .iter()
                .filter(|mark| mark.what & !SIGNED == deed.code())
                .map(|mark| (mark.is_signed(), weight(mark))))
        };
        // Marks of one viewer lie together; the latest deed is what a viewer counts by.
        let viewers = marks.chunk_by(|a, b| a.viewer == b.viewer).map(|own| {
            let signed = own.iter().any(Mark::is_signed);
            (signed, own.iter().filter(|mark| mark.is_signed() == signed).map(weight).max().unwrap_or(0))
        });
        let [looks, alarms, purchases] = Deed::ALL.map(of);
        Counts { viewers: sum(viewers), looks, alarms, purchases }
    }

    /// What a signed-in viewer's mark counts at `now`, in 65,536ths.
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

    /// The products whose marks have changed since the last call, each with its marks as bytes; none where it has no more.
    pub fn take_changed(&mut self) -> Vec<(u64, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|product| (product, self.marks(product))).collect()
    }

    /// The marks of `product` as bytes.
    pub fn marks(&self, product: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mark in self.products.get(&product).map(Vec::as_slice).unwrap_or_default() {
            bytes.extend_from_slice(&mark.viewer.to_le_bytes());
            bytes.push(mark.what);
            bytes.extend_from_slice(&mark.minute.to_le_bytes());
        }
        bytes
    }

    /// Takes back the marks of `product` as [`Counter::marks`] wrote them. What is no mark is passed over.
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
        for mark in self.products.remove(&product).unwrap_or_default() {
            self.tally(mark, false);
        }
        if !marks.is_empty() && self.products.len() < MAX_PRODUCTS {
            for mark in &marks {
                self.tally(*mark, true);
            }
            self.products.insert(product, marks);
        }
    }
}

/// Sums weights in sixteenths of a viewer: those who are not signed in weigh a quarter, and are bounded together.
fn sum(weights: impl Iterator<Item = (bool, u64)>) -> u16 {
    let (signed, unsigned) = weights.fold((0_u64, 0_u64), |(signed, unsigned), (is_signed, weight)| {
        if is_signed { (signed.saturating_add(weight), unsigned) } else { (signed, unsigned.saturating_add(weight)) }
    });
    let all = signed.saturating_add((unsigned >> 2).min(u64::from(MAX_UNSIGNED) << 16));
    u16::try_from(all.saturating_mul(u64::from(VIEWER)) >> 16).unwrap_or(u16::MAX)
}

fn minute_of(at: UnixMillis) -> u32 {
    u32::try_from(at.0.div_euclid(MINUTE_MS).max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
