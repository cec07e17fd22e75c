//! The arrangement of a list beyond its scores: caps on products of a kind, a penalty for
//! similarity to the places before, floors from contracts, exploration of little-seen products, and
//! places pinned by operators.
//!
//! It uses integers only, and allocates nothing per item: a list is arranged in place. A place
//! depends on the places before it and on a bounded stretch of what follows, so every page of a
//! list computes the same places.

use serde::{Deserialize, Serialize};

use crate::rank::{Trail, UNIT};
use crate::scatter::scatter;
use crate::surface_name::Surface;

/// The number of places at the head of a list that are arranged; the rest stay in score order.
pub const PLACES: usize = 40;
/// How many entries from a place on are searched for one to put there.
pub const REACH: usize = 128;
/// The most entries within the caps that are compared for similarity to the places before.
const COMPARED: usize = 16;
/// The most products picked for exploration in one list.
pub const MOST_PICKS: usize = 8;
/// The largest [`Mix::window`].
pub const MOST_WINDOW: usize = 32;
/// The most floors on a board.
pub const MOST_FLOORS: usize = 16;

/// The mixing rules of lists. All 0 leaves the order to scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// The number of consecutive places that caps and floors apply to.
    pub window: u8,
    /// The most products of one category among them; 0 for no limit.
    pub category: u8,
    /// The most products of one brand among them; 0 for no limit.
    pub brand: u8,
    /// The most products of one channel among them; 0 for no limit.
    pub channel: u8,
    /// The penalty for full similarity to the places before, as a signal's weight.
    pub similarity: i32,
    /// One place in this many goes to a little-seen product; 0 for none.
    pub explore_every: u8,
    /// A product counts as little seen if it was shown fewer times than this.
    pub explore_below: u8,
    /// The weight of the viewer's short-term memory on the new-product tab.
    pub memory: i32,
    /// Points per second that a broadcast has been on air, on the live order.
    pub stay: i32,
    /// The points by which a tab's score must exceed that of a tab before it in the shared order to
    /// pass it.
    pub tab_margin: i32,
    /// The surfaces, as bits, on which the second half of vectors replaces the first, for viewers
    /// who have one.
    pub second: u8,
    /// The meaning of notes above 0. If this is 0, they are places on a supplied list, and count on
    /// the new-product tab. Otherwise they are nearness to the viewer's actions, and count on the
    /// live order with a weight of this minus 1.
    pub near: u8,
}

/// Where the second half of vectors begins: a separate space for vectors from an external source.
pub const SECOND_AT: usize = 64;

/// The half of vectors that counts for a viewer on a surface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half(bool);

impl Half {
    /// The half that counts for a viewer with `vector` on `surface`; `second` has the bits of the
    /// surfaces that use the second half.
    pub fn of(vector: &[u8], second: u8, surface: Surface) -> Self {
        let has_second = vector.get(SECOND_AT..).is_some_and(|half| half.iter().any(|value| *value != 0));
        Self(second & surface.bit() != 0 && has_second)
    }

    /// The values of a vector that this half has.
    pub fn range(self) -> std::ops::Range<usize> {
        if self.0 { SECOND_AT..usize::MAX } else { 0..SECOND_AT }
    }

    /// Cuts this half out of a vector.
    pub fn cut(self, vector: &[u8]) -> &[u8] {
        if self.0 { vector.get(SECOND_AT..).unwrap_or_default() } else { vector.get(..SECOND_AT).unwrap_or(vector) }
    }
}

impl Mix {
    /// Copies the fields in which `own` differs from `base`.
    pub fn take_changes(&mut self, base: &Self, own: &Self) {
        fn take<T: PartialEq + Copy>(field: &mut T, base: T, own: T) {
            if own != base {
                *field = own;
            }
        }
        take(&mut self.window, base.window, own.window);
        take(&mut self.category, base.category, own.category);
        take(&mut self.brand, base.brand, own.brand);
        take(&mut self.channel, base.channel, own.channel);
        take(&mut self.similarity, base.similarity, own.similarity);
        take(&mut self.explore_every, base.explore_every, own.explore_every);
        take(&mut self.explore_below, base.explore_below, own.explore_below);
        take(&mut self.memory, base.memory, own.memory);
        take(&mut self.stay, base.stay, own.stay);
        take(&mut self.tab_margin, base.tab_margin, own.tab_margin);
        take(&mut self.second, base.second, own.second);
        take(&mut self.near, base.near, own.near);
    }

    /// Whether no entry affects its neighbours: there are no caps and no `floors`, and similarity
    /// costs nothing.
    pub fn is_plain(&self, floors: &[Floor]) -> bool {
        self.category == 0 && self.brand == 0 && self.channel == 0 && self.similarity == 0 && floors.is_empty()
    }
}

/// A contractual minimum: in every [`Mix::window`] places, at least `least` from these channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// The channels, one bit per index; channels from the 64th on can't have a floor.
    pub channels: u64,
    /// The minimum number of places in the window.
    pub least: u8,
}

/// The traits of a list entry that affect its neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// Its score, in points.
    pub total: i64,
    /// The index of its category, `u16::MAX` for none.
    pub category: u16,
    /// The number of its brand, 0 for none.
    pub brand: u16,
    /// The index of its channel, `u16::MAX` for none.
    pub channel: u16,
    /// Its vector, int8.
    pub vector: &'a [u8],
}

impl Traits<'_> {
    /// Category, brand and channel.
    fn kinds(&self) -> [u16; 3] {
        [self.category, self.brand, self.channel]
    }
}

/// The arrangement of one list.
#[derive(Clone, Debug)]
pub struct Plan<'a, T> {
    /// The mix, with the caps.
    pub mix: Mix,
    /// The floors, of which the first [`MOST_FLOORS`] count.
    pub floors: &'a [Floor],
    /// The number of requested places at the head; later ones need no arrangement.
    pub places: usize,
    /// The seed for the places of exploration.
    pub seed: u64,
    /// The entries to explore, in the order in which they get places.
    pub picks: &'a [T],
    /// Pinned entries with their places, ascending. The list must not contain them.
    pub pins: &'a [(usize, T)],
}

/// The recent places that affect the next one, by their traits.
struct Near {
    /// The number of preceding places that share a window with the next one.
    window: usize,
    /// Category, brand and channel of each place, at the place modulo the array's length.
    kinds: [[u16; 3]; MOST_WINDOW],
    /// Counts of each category, brand and channel in the window.
    counts: [Counts; 3],
    /// The decaying sum of their vectors.
    around: Trail,
}

/// The values for no category, no brand and no channel.
const NONE: [u16; 3] = [u16::MAX, 0, u16::MAX];

impl Near {
    fn new(mix: &Mix) -> Self {
        let window = usize::from(mix.window).clamp(1, MOST_WINDOW) - 1;
        Self { window, kinds: [NONE; MOST_WINDOW], counts: [Counts::default(); 3], around: Trail::default() }
    }

    fn take(&mut self, place: usize, own: &Traits<'_>) {
        let kinds = own.kinds();
        let gone = place.checked_sub(self.window).and_then(|at| self.kinds.get(at % MOST_WINDOW)).copied();
        if let Some(kept) = self.kinds.get_mut(place % MOST_WINDOW) {
            *kept = kinds;
        }
        for (at, (counts, none)) in self.counts.iter_mut().zip(NONE).enumerate() {
            let kind = |kinds: [u16; 3]| kinds.get(at).copied().filter(|kind| *kind != none && self.window > 0);
            if let Some(kind) = kind(kinds) {
                counts.add(kind);
            }
            if let Some(kind) = gone.and_then(kind) {
                counts.remove(kind);
            }
        }
        self.around.take(own.vector);
    }

    /// The number of the `count` places before `place` that belong to `channels`.
    fn of_channels(&self, channels: u64, place: usize, count: usize) -> usize {
        let last = (place.saturating_sub(count)..place).filter_map(|at| self.kinds.get(at % MOST_WINDOW));
        last.filter(|[.., channel]| bit(channels, *channel)).count()
    }
}

/// The count of each kind. An addition comes before its removal, so there may briefly be one more
/// entry than the window has places.
#[derive(Clone, Copy, Default)]
struct Counts {
    kinds: [(u16, u8); MOST_WINDOW],
    length: usize,
}

impl Counts {
    fn there(&self) -> &[(u16, u8)] {
        self.kinds.get(..self.length).unwrap_or_default()
    }

    fn add(&mut self, kind: u16) {
        if let Some((_, count)) = self.kinds.iter_mut().take(self.length).find(|(known, _)| *known == kind) {
            *count += 1;
        } else if let Some(free) = self.kinds.get_mut(self.length) {
            *free = (kind, 1);
            self.length += 1;
        }
    }

    fn remove(&mut self, kind: u16) {
        let Some(at) = self.there().iter().position(|(known, _)| *known == kind) else { return };
        if let Some((_, count)) = self.kinds.get_mut(at) {
            *count -= 1;
            if *count == 0 {
                self.length -= 1;
                self.kinds.swap(at, self.length);
            }
        }
    }
}

/// Arranges the first [`PLACES`] of `list`, which is in score order; `traits` gives an entry's
/// traits. Inserts the pins, and any picks that the list lacks.
#[inline(never)]
pub fn arrange<'a, T: Copy + PartialEq>(list: &mut Vec<T>, plan: &Plan<'_, T>, traits: impl Fn(T) -> Traits<'a>) {
    let mix = plan.mix;
    let mut pins = plan.pins.iter().peekable();
    let mut near = Near::new(&mix);
    let is_plain = mix.is_plain(plan.floors);
    let places = if is_plain && plan.picks.is_empty() { 0 } else { PLACES.min(plan.places) };
    // The traits of the entries that may be looked at, computed once: the head of the list, in its
    // order. Empty if the mix is plain.
    let looked_at = if is_plain { 0 } else { places + REACH };
    let mut known: Vec<Traits<'a>> = list.iter().take(looked_at).map(|entry| traits(*entry)).collect();
    let mut place = 0;
    while place < places && place < list.len() {
        if let Some((_, pinned)) = pins.next_if(|(at, _)| *at <= place) {
            list.insert(place, *pinned);
            insert(&mut known, place, is_plain, || traits(*pinned));
        } else if let Some(pick) = pick(list, plan, place) {
            let rest = list.get_mut(place..).unwrap_or_default();
            let at = rest.iter().position(|entry| *entry == pick);
            match at {
                Some(at) => bring(rest, at),
                None => list.insert(place, pick),
            }
            match (at, known.get_mut(place..)) {
                (Some(at), Some(rest)) if at < rest.len() => bring(rest, at),
                _ => insert(&mut known, place, is_plain, || traits(pick)),
            }
        } else if let Some(rest) = known.get_mut(place..).filter(|rest| !rest.is_empty()) {
            let at = choose(rest, place, plan, &near);
            bring(rest, at);
            bring(list.get_mut(place..).unwrap_or_default(), at);
        }
        if let Some(own) = known.get(place) {
            near.take(place, own);
        }
        place += 1;
    }
    for (at, pinned) in pins {
        list.insert((*at).min(list.len()), *pinned);
    }
}

/// Inserts the traits of `one` at `place`, if `known` is in use and reaches so far.
fn insert<'a>(known: &mut Vec<Traits<'a>>, place: usize, is_plain: bool, one: impl FnOnce() -> Traits<'a>) {
    if !is_plain && place <= known.len() {
        known.insert(place, one());
    }
}

/// Moves the entry at `at` to the front; those before it keep their order.
fn bring<T>(rest: &mut [T], at: usize) {
    if let Some(run) = rest.get_mut(..=at) {
        run.rotate_right(1);
    }
}

/// The pick for `place`, if it is a place of exploration: the first pick that is not placed before.
fn pick<T: Copy + PartialEq>(list: &[T], plan: &Plan<'_, T>, place: usize) -> Option<T> {
    let every = usize::from(plan.mix.explore_every);
    if every == 0 || plan.picks.is_empty() {
        return None;
    }
    // One place in the later half of each run, so that the best matches keep the head of the list.
    let (run, half) = (place / every, every / 2);
    let drawn = scatter(plan.seed, u64::try_from(run).unwrap_or(0)) % u64::try_from(every - half).unwrap_or(1).max(1);
    if u64::try_from(place % every).ok()? != u64::try_from(half).ok()? + drawn {
        return None;
    }
    let before = list.get(..place).unwrap_or_default();
    plan.picks.iter().find(|pick| !before.contains(pick)).copied()
}

/// The index in `rest`, which holds the entries' traits, of the entry for `place`.
fn choose<T>(rest: &[Traits<'_>], place: usize, plan: &Plan<'_, T>, near: &Near) -> usize {
    let mix = plan.mix;
    let caps = [mix.category, mix.brand, mix.channel];
    let mut full = [Full::default(); 3];
    for ((full, counts), cap) in full.iter_mut().zip(&near.counts).zip(caps) {
        full.take(counts, cap);
    }
    let allowed = |own: &Traits<'_>| full.iter().zip(own.kinds()).all(|(full, kind)| !full.has(kind));
    let looked_at = || rest.iter().take(REACH).enumerate();
    let owed = owed(place, plan, near);
    if owed != 0
        && let Some((at, _)) = looked_at().find(|(_, own)| bit(owed, own.channel))
    {
        return at;
    }
    let cost =
        |own: &Traits<'_>| i64::from(mix.similarity) * i64::from(near.around.dot(own.vector) >> 7).clamp(0, UNIT);
    let best = looked_at()
        .filter(|(_, own)| allowed(own))
        .take(if mix.similarity == 0 { 1 } else { COMPARED })
        .map(|(at, own)| (own.total.saturating_sub(cost(own)), at))
        // On a tie, the earlier one.
        .max_by_key(|(total, at)| (*total, std::cmp::Reverse(*at)));
    best.map_or(0, |(_, at)| at)
}

/// The kinds that have reached their cap.
#[derive(Clone, Copy, Default)]
struct Full {
    kinds: [u16; MOST_WINDOW],
    count: usize,
    /// A filter of one bit per kind modulo 64. Most entries miss it and need no search.
    bits: u64,
}

impl Full {
    /// Adds the kinds with at least `cap` entries in `counts`; a `cap` of 0 means no cap.
    fn take(&mut self, counts: &Counts, cap: u8) {
        for (kind, _) in counts.there().iter().filter(|(_, count)| cap > 0 && *count >= cap) {
            if let Some(place) = self.kinds.get_mut(self.count) {
                *place = *kind;
                self.count += 1;
                self.bits |= 1 << (kind % 64);
            }
        }
    }

    fn has(&self, kind: u16) -> bool {
        self.bits >> (kind % 64) & 1 == 1 && self.kinds.iter().take(self.count).any(|known| *known == kind)
    }
}

/// The channels, as bits, one of which must stand at `place` so that the floors can still be met
/// within this run of places; 0 if none must.
fn owed<T>(place: usize, plan: &Plan<'_, T>, near: &Near) -> u64 {
    let window = usize::from(plan.mix.window).min(MOST_WINDOW);
    if window == 0 || plan.floors.is_empty() {
        return 0;
    }
    let begun = place % window;
    let (mut missing, mut channels) = (0, 0);
    for floor in plan.floors.iter().take(MOST_FLOORS) {
        let there = near.of_channels(floor.channels, place, begun);
        let lacks = usize::from(floor.least).saturating_sub(there);
        if lacks > 0 {
            missing += lacks;
            channels |= floor.channels;
        }
    }
    if missing >= window - begun { channels } else { 0 }
}

fn bit(channels: u64, channel: u16) -> bool {
    u32::from(channel) < u64::BITS && channels >> channel & 1 == 1
}

/// The picks of a viewer's day: the little-seen products with the lowest draws. They are collected
/// in a single pass over the candidates.
#[derive(Clone, Copy, Debug)]
pub struct Draw<T> {
    drawn: [Option<(u64, T)>; MOST_PICKS],
    count: usize,
}

impl<T: Copy> Draw<T> {
    /// An empty draw with room for as many picks as the arranged places need.
    pub fn new(mix: &Mix) -> Self {
        let count = PLACES.checked_div(usize::from(mix.explore_every)).unwrap_or(0).min(MOST_PICKS);
        Self { drawn: [None; MOST_PICKS], count }
    }

    /// Considers `entry`, whose draw is `number`.
    pub fn offer(&mut self, number: u64, entry: T) {
        let mut held = Some((number, entry));
        for place in self.drawn.iter_mut().take(self.count) {
            if let Some((own, _)) = held
                && place.is_none_or(|(other, _)| own < other)
            {
                std::mem::swap(place, &mut held);
            }
        }
    }

    /// The drawn entries, lowest number first.
    pub fn picks(&self) -> impl Iterator<Item = T> + '_ {
        self.drawn.iter().flatten().map(|(_, entry)| *entry)
    }
}

#[cfg(test)]
mod tests;
