//! `new`: a paged list of products whose first broadcast ever is upcoming or on air; if the
//! operator allows it, also products with the verdict `unknown`.
//!
//! A list is frozen when its first page is requested. Later pages rank the same candidates at that
//! same time, so no product repeats and none is skipped; those that have ended since are left out
//! of their places.

use std::cmp::Reverse;

use super::{View, append, changes_at, explain, write_array, write_broadcast, write_product};
use crate::crowd::{Asked, Member};
use crate::directive::Directives;
use crate::mix::{self, Draw, Half, Mix, Plan, Traits, arrange};
use crate::pack::board::Product;
use crate::pack::taste::Taste;
use crate::rank::{self, Candidate, First, Keyed, ascending, pulse_points, score, sort};
use crate::scatter::scatter;
use crate::signal::{Score, SurfaceWeights};
use crate::surface_name::Surface;
use crate::time::{DAY_MS, KST_OFFSET_MS, MINUTE_MS, UnixMillis};

/// Scores are computed for the start of an interval of this length, in milliseconds, so that an
/// order and its ETag hold for a while.
pub const RANK_STEP_MS: i64 = 10 * MINUTE_MS;

/// The points per step of a note above 0, in place of the mix's weight of the memory: more than
/// tastes can reach.
const LIST_WEIGHT: i64 = 1 << 20;

/// The order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// By score.
    Recommended,
    /// By the start of the first broadcast.
    Soonest,
}

/// A request for a part of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only products of this category; `Some(None)` stands for a category unknown to the board.
    pub category: Option<Option<usize>>,
    /// Only products with an upcoming or current broadcast on this channel; `Some(None)` stands for
    /// a channel unknown to the board.
    pub channel: Option<Option<usize>>,
    /// The order.
    pub sort: Sort,
    /// When the list was frozen.
    pub frozen_at: UnixMillis,
    /// The number of places in the frozen list to skip.
    pub offset: usize,
    /// The most items on the page.
    pub limit: usize,
}

impl Selection {
    /// The best `limit` of all candidates, in the list frozen at `frozen_at`.
    pub fn recommended(frozen_at: UnixMillis, limit: usize) -> Self {
        Self { category: None, channel: None, sort: Sort::Recommended, frozen_at, offset: 0, limit }
    }
}

/// A page of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The number of products in the frozen list.
    pub total: usize,
    /// The board indexes of the products to show.
    pub products: Vec<usize>,
    /// The offset of the next page, if there is one.
    pub next_offset: Option<usize>,
    /// The board indexes of the products placed for exploration. One whose score earns a better
    /// place stands there instead.
    pub explored: Vec<usize>,
}

/// A candidate's sort key: its score, and its place in the [`crate::crowd::Crowd`], which breaks
/// ties.
type Entry = Keyed;

/// The page for `selection`.
pub fn page(now: &View<'_>, selection: &Selection) -> Page {
    let view = &now.frozen();
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
    let (mix, floors) = (mix_of(view, selection), now.floors());
    let seed = seed(view, frozen);
    let rater = Rater::new(view, frozen);
    let is_by_score = selection.sort == Sort::Recommended;
    let leaning = rater.taste.filter(|_| is_by_score);
    let leaning = leaning.map(|taste| rank::leaning(&taste, &rater.weights, board.channel_count()));
    let has_notes = is_by_score && rater.taste.is_some_and(|taste| !taste.notes.is_empty());
    let scores = if is_by_score { crowd.scores(leaning.as_ref(), rater.half) } else { vec![0; crowd.len()] };
    let mut draw = Draw::new(&mix);
    let mut pins: Vec<(usize, Entry)> = Vec::new();
    // Products that ended since the list was frozen don't count towards the page, so that many more
    // places are looked at.
    let has_ended = ended(now);
    let wanted = selection.offset.saturating_add(selection.limit);
    let reach = if mix.is_plain(&floors) { 0 } else { mix::PLACES.saturating_add(mix::REACH) };
    let looked_at = |ended: usize| wanted.saturating_add(ended).saturating_add(mix::MOST_PICKS).max(reach);
    let gone = match now.frozen_board {
        None => crowd.ended_between(frozen, now.now),
        Some(_) => crowd.iter().filter(|one| has_ended(one)).count(),
    };
    let mut first = First::new(looked_at(gone), crowd.len());
    let (mut counted, mut ended, mut behind) = (0_usize, 0_usize, Vec::new());
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
        if one.is_last && is_by_score {
            behind.push((Reverse(total), place));
            continue;
        }
        if one.shown < mix.explore_below {
            draw.offer(scatter(seed, one.id), (Reverse(total), place));
        }
        counted = counted.saturating_add(1);
        ended = ended.saturating_add(usize::from(now.frozen_board.map_or(one.ends_at <= now.now, |_| has_ended(one))));
        first.offer((Reverse(total), place));
    }
    let index = |entry: &Entry| crowd.get(entry.1).map_or(0, |one| one.index);
    let before = counted.saturating_add(pins.len());
    let total = before.saturating_add(behind.len());
    let needed = wanted.saturating_add(ended);
    let mut list = first.into_sorted(looked_at(ended));
    if is_by_score {
        let places = pins.iter().map(|(place, _)| i64::try_from(*place).unwrap_or(i64::MAX));
        let pins: Vec<(usize, Entry)> = ascending(places).filter_map(|at| pins.get(at).copied()).collect();
        let picks: Vec<Entry> = draw.picks().collect();
        let plan = Plan { mix, floors: &floors, places: needed, seed, picks: &picks, pins: &pins };
        arrange(&mut list, &plan, |entry| traits(view, entry.0.0, index(&entry)));
    }
    if list.len() >= before {
        sort(&mut behind);
        list.append(&mut behind);
    }
    let mut products = Vec::with_capacity(selection.limit.min(total));
    let mut next_offset = None;
    for (place, entry) in list.iter().enumerate().skip(selection.offset) {
        if crowd.get(entry.1).is_none_or(&has_ended) {
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

/// Whether a product of a frozen list is not shown any more: its first broadcast is over, or the
/// overlay has taken all of its broadcasts away since. [`page`] compares times itself where no
/// overlay did: a call for each candidate costs a microsecond.
fn ended<'a>(now: &View<'a>) -> impl Fn(&Member) -> bool + use<'a> {
    let (at, board, is_amended) = (now.now, now.board, now.frozen_board.is_some());
    move |one| {
        if !is_amended {
            return one.ends_at <= at;
        }
        let product = board.product(one.index);
        product.first_ends_at() <= at || product.slots().next().is_none()
    }
}

/// The viewer's mix, without a cap on the category or channel that the viewer filters by.
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

/// The seed of a viewer's Korean day.
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

/// The inputs of scores, looked up once per list.
struct Rater<'a> {
    directives: Directives<'a>,
    weights: SurfaceWeights,
    /// The viewer's tastes, with the vector cut to the half that counts.
    taste: Option<Taste<'a>>,
    half: Half,
    memory: i64,
    /// The weight of a note above 0.
    list: i64,
    /// A filter of one bit per product id modulo 64, set for products in the short-term memory.
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
            directives: view.directives(Surface::New, ranked_at),
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

    /// The part of a score that comes from the viewer's short-term memory of `product`.
    fn memory(&self, product: u64) -> i64 {
        // Most products are in nobody's memory, and a lookup there takes as long as an inner
        // product.
        if self.noted >> (product % 64) & 1 == 0 {
            return 0;
        }
        let memory = self.taste.map_or(0, |taste| taste.memory(product));
        // A note above 0 is a place on a supplied list, which outweighs everything else; if the mix
        // uses `near`, it concerns a product broadcast before and has no weight here.
        let weight = if memory > 0 { self.list } else { self.memory };
        weight.saturating_mul(memory)
    }
}

/// The score of the product at index `product` in the list frozen at `frozen_at`.
pub fn score_of(view: &View<'_>, product: usize, frozen_at: UnixMillis) -> Score {
    let view = &view.frozen();
    Rater::new(view, frozen_at).score(view, &view.board.product(product))
}

/// The product as a candidate, with its first broadcast on the board.
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

/// Appends the items of `page`, frozen at `frozen_at`, as a JSON array.
pub fn write_items(view: &View<'_>, page: &Page, frozen_at: UnixMillis, out: &mut Vec<u8>) {
    let frozen = view.frozen();
    let rater = view.is_explained.then(|| Rater::new(&frozen, frozen_at));
    let mut items = view.board.shared().items().try_lock().ok();
    write_array(&page.products, out, |index, out| {
        let product = view.board.product(*index);
        match (&rater, &mut items) {
            (None, Some(items)) => {
                return append(view, items, *index, out, |out| write_whole(view, &product, out));
            }
            _ => write_item(view, &product, out),
        }
        if let Some(rater) = &rater {
            let ranked = frozen.board.product(*index);
            let score = rater.score(&frozen, &ranked);
            let is_last = ranked.is_sold_out() && frozen.board.puts_sold_out_last(Surface::New);
            explain::write(
                view,
                &score,
                &rater.weights,
                Some(*index),
                &rater.directives,
                (page.explored.contains(index), is_last),
                out,
            );
        }
        out.push(b'}');
    });
}

/// Appends a product's JSON object, and tells when it changes.
pub(super) fn write_whole(view: &View<'_>, product: &Product<'_>, out: &mut Vec<u8>) -> UnixMillis {
    write_item(view, product, out);
    out.push(b'}');
    changes_at(view, product)
}

/// Appends a product's JSON object without its closing brace, with its broadcasts on air and to
/// come; a card has the first of them.
pub(super) fn write_item(view: &View<'_>, product: &Product<'_>, out: &mut Vec<u8>) {
    let coming = || product.slots().map(|slot| view.board.slot(slot)).filter(|slot| slot.ends_at() > view.now);
    write_product(view, product, coming().any(|slot| slot.is_on_air(view.now)), out);
    out.extend_from_slice(b",\"broadcasts\":");
    let most = if view.is_card { 1 } else { usize::MAX };
    write_array(coming().take(most), out, |slot, out| write_broadcast(view, &slot, out));
}
