//! `new`: products whose first broadcast ever lies ahead or is on air, a page at a time; where the operator says so, also those of which the
//! history can't tell, whose verdict says that.
//!
//! A list is frozen when its first page is asked for: later pages rank the same candidates at that same time, so that none repeats and none
//! is skipped; what has ended since is left out where it would have stood.

use std::cmp::Reverse;

use super::{View, explain, write_array, write_broadcast, write_product};
use crate::crowd::{Asked, Member};
use crate::directive::Directives;
use crate::mix::{self, Draw, Half, Mix, Plan, Traits, arrange};
use crate::pack::board::Product;
use crate::pack::taste::Taste;
use crate::rank::{Candidate, Keyed, Leaning, ascending, pulse_points, score, sort};
use crate::scatter::scatter;
use crate::signal::{Score, SurfaceWeights};
use crate::surface_name::Surface;
use crate::time::{DAY_MS, KST_OFFSET_MS, MINUTE_MS, UnixMillis};

/// Scores are taken at the start of an interval of this length, so that an order holds for a while and its ETag with it.
pub const RANK_STEP_MS: i64 = 10 * MINUTE_MS;

/// What a step of a note above 0 weighs, in place of the mix's weight of the memory: more than tastes at their most.
const LIST_WEIGHT: i64 = 1 << 20;

/// How the list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// By score.
    Recommended,
    /// By the start of the first broadcast.
    Soonest,
}

/// What is asked of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only products of this category; `Some(None)` is a category that the board does not have.
    pub category: Option<Option<usize>>,
    /// Only products with a broadcast to come on this channel; `Some(None)` is a channel that the board does not have.
    pub channel: Option<Option<usize>>,
    /// How to order.
    pub sort: Sort,
    /// When the list was frozen.
    pub frozen_at: UnixMillis,
    /// Places of the frozen list to pass over.
    pub offset: usize,
    /// Most items on the page.
    pub limit: usize,
}

impl Selection {
    /// The first `limit` of all candidates, the best first, in the list that is frozen at `frozen_at`.
    pub fn recommended(frozen_at: UnixMillis, limit: usize) -> Self {
        Self { category: None, channel: None, sort: Sort::Recommended, frozen_at, offset: 0, limit }
    }
}

/// A page of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Products in the frozen list.
    pub total: usize,
    /// Indexes of the products to show.
    pub products: Vec<usize>,
    /// The offset of the next page, if there is more.
    pub next_offset: Option<usize>,
    /// Indexes of the products that have a place because few have seen them; where their score is enough for a better one, they stand there.
    pub explored: Vec<usize>,
}

/// A candidate with what orders it: score, and place in the [`crate::crowd::Crowd`], which is in the order of ties.
type Entry = Keyed;

/// The first of many entries that are offered one after the other, by ascending place.
struct First {
    most: usize,
    /// As many are kept at a time. Cutting them down to the first ones is cheap where it is seldom.
    room: usize,
    entries: Vec<Entry>,
    /// The least that is enough so far: as many as are wanted have more than this, or as much and an earlier place.
    enough: Option<i64>,
}

impl First {
    /// The first `most` of at most `offered` entries.
    fn new(most: usize, offered: usize) -> Self {
        let room = most.saturating_mul(4).min(offered);
        Self { most, room, entries: Vec::with_capacity(room), enough: None }
    }

    #[inline]
    fn offer(&mut self, entry: Entry) {
        if self.enough.is_some_and(|enough| entry.0.0 <= enough) {
            return;
        }
        if self.entries.len() >= self.room && self.room > self.most {
            self.cut(self.most);
            self.enough = self.entries.last().map(|last| last.0.0);
        }
        self.entries.push(entry);
    }

    /// Keeps the first `most`, of which the last one stands last.
    #[inline(never)]
    fn cut(&mut self, most: usize) {
        if most > 0 && most < self.entries.len() {
            self.entries.select_nth_unstable(most.saturating_sub(1));
        }
        self.entries.truncate(most);
    }

    /// The first `most` of all, in order.
    fn into_sorted(mut self, most: usize) -> Vec<Entry> {
        self.cut(most.min(self.most));
        sort(&mut self.entries);
        self.entries
    }
}

/// The page that `selection` asks for.
pub fn page(view: &View<'_>, selection: &Selection) -> Page {
    let board = view.board;
    let frozen = selection.frozen_at;
    let crowd =
        board.crowd(Asked { weights: view.weights().new, ranked_at: frozen.floor(RANK_STEP_MS), pulse: view.pulse });
    let is_filtered = selection.category.is_some() || selection.channel.is_some();
    let chosen = |one: &Member| {
        selection.category.is_none_or(|category| category.is_some() && category == one.category)
            && selection.channel.is_none_or(|channel| {
                board
                    .product(one.index)
                    .slots()
                    .map(|slot| board.slot(slot))
                    .any(|slot| Some(slot.channel()) == channel && slot.ends_at() > frozen)
            })
    };
    let mix = mix_of(view, selection);
    let seed = seed(view, frozen);
    let rater = Rater::new(view, frozen);
    let is_by_score = selection.sort == Sort::Recommended;
    let leaning = rater.taste.filter(|_| is_by_score);
    let leaning = leaning.map(|taste| Leaning::of(&taste, &rater.weights, board.channel_count()));
    let has_notes = is_by_score && rater.taste.is_some_and(|taste| !taste.notes.is_empty());
    let scores = if is_by_score { crowd.scores(leaning.as_ref(), rater.half) } else { vec![0; crowd.len()] };
    let mut draw = Draw::new(&mix);
    let mut pins: Vec<(usize, Entry)> = Vec::new();
    // What has ended since the list was frozen does not count towards the page, so look at most that much further.
    let wanted = selection.offset.saturating_add(selection.limit);
    let reach = if mix.is_plain(board.floors()) { 0 } else { mix::PLACES.saturating_add(mix::REACH) };
    let looked_at = |ended: usize| wanted.saturating_add(ended).saturating_add(mix::MOST_PICKS).max(reach);
    let mut first = First::new(looked_at(crowd.ended_between(frozen, view.now)), crowd.len());
    let (mut counted, mut ended) = (0_usize, 0_usize);
    for (place, (one, mut total)) in crowd.iter().zip(scores).enumerate() {
        if one.ends_at <= frozen || (is_filtered && !chosen(one)) {
            continue;
        }
        if has_notes {
            total = total.wrapping_add(rater.memory(one.id));
        }
        if !rater.directives.is_empty() {
            let effect = rater.directives.effect(one.index);
            if effect.is_hidden {
                continue;
            }
            if is_by_score {
                total = total.wrapping_add(effect.points);
                if let Some(pin) = effect.place {
                    pins.push((pin, (Reverse(total), place)));
                    continue;
                }
            }
        }
        if one.shown < mix.explore_below {
            draw.offer(scatter(seed, one.id), (Reverse(total), place));
        }
        counted = counted.saturating_add(1);
        ended = ended.saturating_add(usize::from(one.ends_at <= view.now));
        first.offer((Reverse(total), place));
    }
    let has_ended = |entry: &Entry| crowd.get(entry.1).is_none_or(|one| one.ends_at <= view.now);
    let index = |entry: &Entry| crowd.get(entry.1).map_or(0, |one| one.index);
    let total = counted.saturating_add(pins.len());
    let needed = wanted.saturating_add(ended);
    let mut list = first.into_sorted(looked_at(ended));
    if is_by_score {
        let places = pins.iter().map(|(place, _)| i64::try_from(*place).unwrap_or(i64::MAX));
        let pins: Vec<(usize, Entry)> = ascending(places).filter_map(|at| pins.get(at).copied()).collect();
        let picks: Vec<Entry> = draw.picks().collect();
        let plan = Plan { mix, floors: board.floors(), places: needed, seed, picks: &picks, pins: &pins };
        arrange(&mut list, &plan, |entry| traits(view, entry.0.0, index(&entry)));
    }
    let mut products = Vec::with_capacity(selection.limit.min(total));
    let mut next_offset = None;
    for (place, entry) in list.iter().enumerate().skip(selection.offset) {
        if has_ended(entry) {
            continue;
        }
        if products.len() == selection.limit {
            next_offset = Some(place);
            break;
        }
        products.push(index(entry));
    }
    if next_offset.is_none() && products.len() == selection.limit && list.len() < total {
        next_offset = Some(list.len());
    }
    let explored = draw.picks().map(|entry| index(&entry)).collect();
    Page { total, products, next_offset, explored }
}

/// The viewer's mix, without caps on what the viewer has asked to see alone.
fn mix_of(view: &View<'_>, selection: &Selection) -> Mix {
    let mix = view.mix();
    match selection.sort {
        Sort::Soonest => Mix::default(),
        Sort::Recommended => Mix {
            category: if selection.category.is_some() { 0 } else { mix.category },
            channel: if selection.channel.is_some() { 0 } else { mix.channel },
            ..mix
        },
    }
}

/// What a viewer's day is drawn by.
fn seed(view: &View<'_>, frozen: UnixMillis) -> u64 {
    let day = frozen.plus(KST_OFFSET_MS).0.div_euclid(DAY_MS);
    scatter(view.viewer, day.cast_unsigned())
}

fn traits<'a>(view: &View<'a>, total: i64, index: usize) -> Traits<'a> {
    let product = view.board.product(index);
    let narrow = |index: Option<usize>| index.and_then(|index| u16::try_from(index).ok()).unwrap_or(u16::MAX);
    Traits {
        total,
        category: narrow(product.category()),
        brand: product.brand(),
        channel: narrow(product.slots().next().map(|slot| view.board.slot(slot).channel())),
        vector: product.vector(),
    }
}

/// What scores are made with, looked up once for a list.
struct Rater<'a> {
    directives: Directives<'a>,
    weights: SurfaceWeights,
    /// The viewer's tastes with the half of the vector that counts.
    taste: Option<Taste<'a>>,
    half: Half,
    memory: i64,
    /// What a note above 0 weighs.
    list: i64,
    /// A bit for each product that the short memory knows, which others may share.
    noted: u64,
    ranked_at: UnixMillis,
}

impl<'a> Rater<'a> {
    fn new(view: &View<'a>, frozen_at: UnixMillis) -> Self {
        let ranked_at = frozen_at.floor(RANK_STEP_MS);
        let mix = view.mix();
        let half = view.taste.map_or_else(Half::default, |taste| Half::of(taste.vector, mix.second, Surface::New));
        Self {
            half,
            taste: view.taste.map(|taste| Taste { vector: half.cut(taste.vector), ..taste }),
            directives: Directives::holding(view.board.directives(), Surface::New, ranked_at, view.viewer),
            weights: view.weights().new,
            memory: mix.memory.into(),
            list: if mix.near == 0 { LIST_WEIGHT } else { 0 },
            noted: view.taste.map_or(0, |taste| taste.noted()),
            ranked_at,
        }
    }

    fn score(&self, view: &View<'_>, product: &Product<'_>) -> Score {
        let candidate = candidate(view, product);
        let candidate = Candidate { vector: self.half.cut(candidate.vector), ..candidate };
        let own = score(&candidate, self.taste.as_ref(), &self.weights, self.ranked_at);
        Score {
            memory: self.memory(product.id()),
            rules: self.directives.effect(product.index()).points,
            pulse: pulse_points(view.pulse, product.id(), &self.weights),
            ..own
        }
    }

    /// The part of a score that is from the viewer's short memory of `product`.
    fn memory(&self, product: u64) -> i64 {
        // Most products are in nobody's memory, and to look one up there takes as long as an inner product.
        if self.noted >> (product % 64) & 1 == 0 {
            return 0;
        }
        let memory = self.taste.map_or(0, |taste| taste.memory(product));
        // Above 0 is a place on a list that was handed in, and nothing else weighs as much; or it is of a product that was broadcast before.
        let weight = if memory > 0 { self.list } else { self.memory };
        weight.saturating_mul(memory)
    }
}

/// The score of `product` in a list that was frozen at `frozen_at`.
pub fn score_of(view: &View<'_>, product: &Product<'_>, frozen_at: UnixMillis) -> Score {
    Rater::new(view, frozen_at).score(view, product)
}

/// The product with its first broadcast on the board.
fn candidate<'a>(view: &View<'a>, product: &Product<'a>) -> Candidate<'a> {
    let channel = product.slots().next().map_or(usize::MAX, |slot| view.board.slot(slot).channel());
    Candidate {
        vector: product.vector(),
        channel,
        starts_at: product.first_starts_at(),
        ends_at: product.first_ends_at(),
        popularity: product.popularity(),
    }
}

/// Appends the items of `page`, which was frozen at `frozen_at`, as a JSON array.
pub fn write_items(view: &View<'_>, page: &Page, frozen_at: UnixMillis, out: &mut Vec<u8>) {
    let rater = view.is_explained.then(|| Rater::new(view, frozen_at));
    let mut items = view.board.shared().items().try_lock().ok();
    write_array(&page.products, out, |index, out| {
        let product = view.board.product(*index);
        match (&rater, &mut items) {
            (None, Some(items)) => {
                items.append(*index, view.now, view.trusts_verdicts, out, |out| {
                    write_item(view, &product, out);
                    out.push(b'}');
                    changes_at(view, &product)
                });
                return;
            }
            _ => write_item(view, &product, out),
        }
        if let Some(rater) = &rater {
            let score = rater.score(view, &product);
            explain::write(
                view,
                &score,
                &rater.weights,
                Some(*index),
                &rater.directives,
                page.explored.contains(index),
                out,
            );
        }
        out.push(b'}');
    });
}

/// Appends a product's JSON object without its closing brace.
fn write_item(view: &View<'_>, product: &Product<'_>, out: &mut Vec<u8>) {
    let coming = || product.slots().map(|slot| view.board.slot(slot)).filter(|slot| slot.ends_at() > view.now);
    write_product(view, product, coming().any(|slot| slot.is_on_air(view.now)), out);
    out.extend_from_slice(b",\"broadcasts\":");
    write_array(coming(), out, |slot, out| write_broadcast(&slot, view.now, out));
}

/// When what [`write_item`] wrote becomes another: its first broadcast ends, or one of its slots begins or ends.
fn changes_at(view: &View<'_>, product: &Product<'_>) -> UnixMillis {
    let slots = product.slots().map(|slot| view.board.slot(slot));
    slots
        .flat_map(|slot| [slot.starts_at(), slot.ends_at()])
        .chain([product.first_ends_at()])
        .filter(|at| *at > view.now)
        .min()
        .unwrap_or(UnixMillis(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_are_those_of_a_whole_sort(
            // Few different totals, so that many are equal.
            totals in proptest::collection::vec(prop_oneof![-3_i64..3, any::<i64>()], 0..300),
            bound in 0_usize..40,
            fewer in 0_usize..10,
        ) {
            let most = bound.saturating_sub(fewer);
            let mut first = First::new(bound, totals.len());
            let entries: Vec<Entry> = totals.into_iter().map(Reverse).zip(0..).collect();
            for entry in &entries {
                first.offer(*entry);
            }
            let mut sorted = entries;
            sorted.sort();
            sorted.truncate(most);
            prop_assert_eq!(first.into_sorted(most), sorted);
        }
    }
}
