//! How a list is put together beyond its scores: how many of a kind stand together, what stands too close to the places before it, what
//! contracts ask for, places for what few have seen yet, and places that operators fill.
//!
//! Whole numbers alone, and no allocation for an item: a list is arranged where it stands. A place depends on the places before it and on a
//! bounded stretch of what follows, so every page of a list finds the same places.

use serde::{Deserialize, Serialize};

use crate::rank::{Trail, UNIT};
use crate::scatter::scatter;
use crate::surface_name::Surface;

/// Places at the head of a list that are arranged; what follows stands by score.
pub const PLACES: usize = 40;
/// How far below a place what may stand there is looked for.
pub const REACH: usize = 128;
/// Of what the caps allow, how many are compared for their likeness to what stands before.
const COMPARED: usize = 16;
/// The most products that are picked for exploration in a list.
pub const MOST_PICKS: usize = 8;
/// The longest [`Mix::window`].
pub const MOST_WINDOW: usize = 32;
/// The most floors.
pub const MOST_FLOORS: usize = 16;

/// How lists are mixed. All 0 leaves the order to scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Places in a row that caps and floors hold for.
    pub window: u8,
    /// Most products of a category among them; 0 for any number.
    pub category: u8,
    /// Most products of a brand among them; 0 for any number.
    pub brand: u8,
    /// Most products of a channel among them; 0 for any number.
    pub channel: u8,
    /// What full likeness to the places before costs, in weights of a signal.
    pub similarity: i32,
    /// One place of so many goes to a product that few have seen; 0 for none.
    pub explore_every: u8,
    /// A product that was shown less often than this is one that few have seen.
    pub explore_below: u8,
    /// The weight of the viewer's short memory on the new-product tab.
    pub memory: i32,
    /// Points for each second that a broadcast has been on air, on the live order.
    pub stay: i32,
    /// Points by which a tab has to be better to pass one that stands before it in the shared order.
    pub tab_margin: i32,
    /// Bits of the surfaces on which the second half of vectors counts in place of the first, for viewers who have one.
    pub second: u8,
    /// What notes above 0 are. 0: places on a list that was handed in, which count on the new-product tab. Otherwise nearness to what the viewer
    /// did, which counts on the live order by a weight of one less.
    pub near: u8,
}

/// Where the second half of vectors begins: another space, in which somebody else's vectors lie.
pub const SECOND_AT: usize = 64;

/// Which half of vectors counts for a viewer on a surface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half(bool);

impl Half {
    /// The half of the viewer's `vector` that counts where `second` has the surfaces of the second half.
    pub fn of(vector: &[u8], second: u8, surface: Surface) -> Self {
        let has_second = vector.get(SECOND_AT..).is_some_and(|half| half.iter().any(|value| *value != 0));
        Self(second & surface.bit() != 0 && has_second)
    }

    /// That half of a vector.
    pub fn cut(self, vector: &[u8]) -> &[u8] {
        if self.0 { vector.get(SECOND_AT..).unwrap_or_default() } else { vector.get(..SECOND_AT).unwrap_or(vector) }
    }
}

impl Mix {
    /// Takes what `own` has otherwise than `base`.
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

    /// Whether no entry decides about its neighbours: there are neither caps nor `floors`, and likeness costs nothing.
    pub fn is_plain(&self, floors: &[Floor]) -> bool {
        self.category == 0 && self.brand == 0 && self.channel == 0 && self.similarity == 0 && floors.is_empty()
    }
}

/// What a contract asks for: in every [`Mix::window`] places, at least `least` of these channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Channels by their indexes, a bit each; channels from the 64th on can't have a floor.
    pub channels: u64,
    /// Places of the window.
    pub least: u8,
}

/// What of an entry of a list decides about its neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// Its score.
    pub total: i64,
    /// Its category, `u16::MAX` for none.
    pub category: u16,
    /// Its brand, 0 for none.
    pub brand: u16,
    /// Its channel, `u16::MAX` for none.
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

/// How one list is arranged.
#[derive(Clone, Debug)]
pub struct Plan<'a, T> {
    /// The caps.
    pub mix: Mix,
    /// The floors; [`MOST_FLOORS`] count.
    pub floors: &'a [Floor],
    /// Places at the head that are asked for; none after them has to be arranged.
    pub places: usize,
    /// Draws the places for exploration.
    pub seed: u64,
    /// What is to be seen by somebody, in the order in which places are given out.
    pub picks: &'a [T],
    /// What operators hold in a place, by ascending place. None of it stands in the list.
    pub pins: &'a [(usize, T)],
}

/// The places that stand so near that they count, by their traits: the latest at the end of each part.
struct Near {
    /// Places before one that caps hold for together with it.
    window: usize,
    /// Category, brand and channel, at the place modulo the length.
    kinds: [[u16; 3]; MOST_WINDOW],
    /// How often each category, brand and channel stands in the window.
    counts: [Counts; 3],
    /// Their vectors.
    around: Trail,
}

/// What is no category, brand and channel.
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

    /// How many of the last `count` places before `place` are of `channels`.
    fn of_channels(&self, channels: u64, place: usize, count: usize) -> usize {
        let last = (place.saturating_sub(count)..place).filter_map(|at| self.kinds.get(at % MOST_WINDOW));
        last.filter(|[.., channel]| bit(channels, *channel)).count()
    }
}

/// How often kinds are there. One more than a window has may be there for a moment.
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

/// Arranges the first [`PLACES`] of `list`, which is in the order of scores; `traits` tells what an entry is. Pins are put in, and picks that
/// the list does not hold.
#[inline(never)]
pub fn arrange<'a, T: Copy + PartialEq>(list: &mut Vec<T>, plan: &Plan<'_, T>, traits: impl Fn(T) -> Traits<'a>) {
    let mix = plan.mix;
    let mut pins = plan.pins.iter().peekable();
    let mut near = Near::new(&mix);
    let is_plain = mix.is_plain(plan.floors);
    let places = if is_plain && plan.picks.is_empty() { 0 } else { PLACES.min(plan.places) };
    // What they are of all that may be looked at, asked once: of the head of the list, in its order.
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

/// Puts what `one` is at `place` of what is known, where anything is to be known.
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

/// The pick that `place` goes to, if it is one for exploration: the first that does not stand before it.
fn pick<T: Copy + PartialEq>(list: &[T], plan: &Plan<'_, T>, place: usize) -> Option<T> {
    let every = usize::from(plan.mix.explore_every);
    if every == 0 || plan.picks.is_empty() {
        return None;
    }
    // One in the later half of each run of places, so that what suits best keeps the head of the list.
    let (run, half) = (place / every, every / 2);
    let drawn = scatter(plan.seed, u64::try_from(run).unwrap_or(0)) % u64::try_from(every - half).unwrap_or(1).max(1);
    if u64::try_from(place % every).ok()? != u64::try_from(half).ok()? + drawn {
        return None;
    }
    let before = list.get(..place).unwrap_or_default();
    plan.picks.iter().find(|pick| !before.contains(pick)).copied()
}

/// Which entry of `rest`, which is told by what its entries are, stands at `place`.
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
        // The earlier of two that are equal.
        .max_by_key(|(total, at)| (*total, std::cmp::Reverse(*at)));
    best.map_or(0, |(_, at)| at)
}

/// The kinds of which as many stand near as may.
#[derive(Clone, Copy, Default)]
struct Full {
    kinds: [u16; MOST_WINDOW],
    count: usize,
    /// A bit for each kind, which others may share: most entries are of none, and only the others are looked for.
    bits: u64,
}

impl Full {
    /// Takes in those that are there `cap` times; 0 is no cap.
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

/// The channels, a bit each, of which one has to stand here so that floors can still be kept within this run of places.
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

/// The picks of a viewer's day: of all that few have seen, those that the seed draws first. Kept while candidates are passed by once.
#[derive(Clone, Copy, Debug)]
pub struct Draw<T> {
    drawn: [Option<(u64, T)>; MOST_PICKS],
    count: usize,
}

impl<T: Copy> Draw<T> {
    /// A draw of as many as the arranged places need.
    pub fn new(mix: &Mix) -> Self {
        let count = PLACES.checked_div(usize::from(mix.explore_every)).unwrap_or(0).min(MOST_PICKS);
        Self { drawn: [None; MOST_PICKS], count }
    }

    /// Takes `entry` into account, drawn by `number`.
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

    /// What was drawn.
    pub fn picks(&self) -> impl Iterator<Item = T> + '_ {
        self.drawn.iter().flatten().map(|(_, entry)| *entry)
    }
}

#[cfg(test)]
mod tests;
