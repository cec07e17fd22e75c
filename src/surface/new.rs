//! `new`: products whose first broadcast ever lies ahead or is on air, a page at a time; where the operator says so, also those of which the
//! history can't tell, whose verdict says that.
//!
//! A list is frozen when its first page is asked for: later pages rank the same candidates at that same time, so that none repeats and none
//! is skipped; what has ended since is left out where it would have stood.

use std::cmp::Reverse;

use super::{View, explain, write_array, write_broadcast, write_product};
use crate::directive::{Directives, Surface};
use crate::mix::{self, Draw, Half, Mix, Plan, Traits, arrange, scatter};
use crate::pack::board::Product;
use crate::pack::taste::Taste;
use crate::rank::{Candidate, Keyed, Leaning, Score, SurfaceWeights, ascending, pulse_points, score, sort};
use crate::stage::Member;
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

/// A candidate with what orders it: score, and place in the [`crate::stage::Crowd`], which is in the order of ties.
type Entry = Keyed;

/// The page that `selection` asks for.
pub fn page(view: &View<'_>, selection: &Selection) -> Page {
    let board = view.board;
    let frozen = selection.frozen_at;
    let crowd = board.stage().crowd(board, view.weights().new, frozen.floor(RANK_STEP_MS), view.pulse);
    let chosen = |one: &Member| {
        one.ends_at > frozen
            && selection.category.is_none_or(|category| category.is_some() && category == one.category)
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
    let mut draw = Draw::new(&mix);
    let mut pins: Vec<(usize, Entry)> = Vec::new();
    let leaning = rater.taste.map(|taste| Leaning::of(&taste, &rater.weights, board.channel_count()));
    let mut list: Vec<Entry> = Vec::with_capacity(crowd.len());
    for (place, (one, vector)) in crowd.iter().enumerate() {
        if !chosen(one) {
            continue;
        }
        let effect = rater.directives.effect(one.index);
        if effect.is_hidden {
            continue;
        }
        let total = match selection.sort {
            Sort::Soonest => 0,
            Sort::Recommended => {
                let own = leaning
                    .as_ref()
                    .map_or(0, |leaning| leaning.points(rater.half.cut(vector), one.channel, one.bucket));
                one.shared.wrapping_add(own).wrapping_add(rater.memory(one.id)).wrapping_add(effect.points)
            }
        };
        let entry = (Reverse(total), place);
        if let Some(place) = effect.place.filter(|_| selection.sort == Sort::Recommended) {
            pins.push((place, entry));
            continue;
        }
        if one.shown < mix.explore_below {
            draw.offer(scatter(seed, one.id), entry);
        }
        list.push(entry);
    }
    let has_ended = |entry: &Entry| crowd.get(entry.1).is_none_or(|one| one.ends_at <= view.now);
    let index = |entry: &Entry| crowd.get(entry.1).map_or(0, |one| one.index);
    let total = list.len().saturating_add(pins.len());
    // What has ended since the list was frozen does not count towards the page, so look at most that much further.
    let wanted = selection.offset.saturating_add(selection.limit);
    let ended = list.iter().filter(|entry| has_ended(entry)).count();
    let needed = wanted.saturating_add(ended);
    let reach = if mix.is_plain(board.floors()) { 0 } else { mix::PLACES.saturating_add(mix::REACH) };
    let looked_at = needed.saturating_add(mix::MOST_PICKS).max(reach);
    if needed > 0 && looked_at < list.len() {
        list.select_nth_unstable(looked_at.saturating_sub(1));
        list.truncate(looked_at);
    }
    sort(&mut list);
    if selection.sort == Sort::Recommended {
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
            directives: Directives::holding(view.board, Surface::New, ranked_at, view.viewer),
            weights: view.weights().new,
            memory: mix.memory.into(),
            list: if mix.near == 0 { LIST_WEIGHT } else { 0 },
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
        let memory = self.taste.filter(|taste| !taste.notes.is_empty()).map_or(0, |taste| taste.memory(product));
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
    let mut items = view.board.stage().items().try_lock().ok();
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
