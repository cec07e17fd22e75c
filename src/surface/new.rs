//! `new`: products whose first broadcast ever lies ahead or is on air, a page at a time; where the operator says so, also those of which the
//! history can't tell, whose verdict says that.
//!
//! A list is frozen when its first page is asked for: later pages rank the same candidates at that same time, so that none repeats and none
//! is skipped; what has ended since is left out where it would have stood.

use std::cmp::Reverse;

use super::{View, write_array, write_broadcast, write_product};
use crate::pack::board::Product;
use crate::rank::{Candidate, Score, SurfaceWeights, score};
use crate::time::{MINUTE_MS, UnixMillis};

/// Scores are taken at the start of an interval of this length, so that an order holds for a while and its ETag with it.
pub const RANK_STEP_MS: i64 = 10 * MINUTE_MS;

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

/// A page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Products in the frozen list.
    pub total: usize,
    /// Indexes of the products to show.
    pub products: Vec<usize>,
    /// The offset of the next page, if there is more.
    pub next_offset: Option<usize>,
}

/// The page that `selection` asks for.
pub fn page(view: &View<'_>, selection: &Selection) -> Page {
    let board = view.board;
    let frozen = selection.frozen_at;
    let chosen = |product: &Product<'_>| {
        product.is_listed()
            && product.first_ends_at() > frozen
            && selection.category.is_none_or(|category| category.is_some() && category == product.category())
            && selection.channel.is_none_or(|channel| {
                product
                    .slots()
                    .map(|slot| board.slot(slot))
                    .any(|slot| Some(slot.channel()) == channel && slot.ends_at() > frozen)
            })
    };
    let candidates =
        board.candidates().map(|index| (index, board.product(index))).filter(|(_, product)| chosen(product));
    let weights = board.weights().new;
    let ranked_at = frozen.floor(RANK_STEP_MS);
    let mut list: Vec<(Reverse<i64>, UnixMillis, u64, usize)> = candidates
        .map(|(index, product)| {
            let total = match selection.sort {
                Sort::Soonest => 0,
                Sort::Recommended => score_at(view, &product, &weights, ranked_at).total(),
            };
            (Reverse(total), product.first_starts_at(), product.id(), index)
        })
        .collect();
    let total = list.len();
    // What has ended since the list was frozen does not count towards the page, so look at most that much further.
    let wanted = selection.offset.saturating_add(selection.limit);
    let ended = list.iter().filter(|entry| board.product(entry.3).first_ends_at() <= view.now).count();
    let needed = wanted.saturating_add(ended);
    if needed > 0 && needed < total {
        list.select_nth_unstable(needed.saturating_sub(1));
        list.truncate(needed);
    }
    list.sort_unstable();
    let mut products = Vec::with_capacity(selection.limit.min(total));
    let mut next_offset = None;
    for (place, entry) in list.iter().enumerate().skip(selection.offset) {
        if board.product(entry.3).first_ends_at() <= view.now {
            continue;
        }
        if products.len() == selection.limit {
            next_offset = Some(place);
            break;
        }
        products.push(entry.3);
    }
    if next_offset.is_none() && products.len() == selection.limit && list.len() < total {
        next_offset = Some(list.len());
    }
    Page { total, products, next_offset }
}

/// The score of `product` in a list that was frozen at `frozen_at`.
pub fn score_of(view: &View<'_>, product: &Product<'_>, frozen_at: UnixMillis) -> Score {
    score_at(view, product, &view.board.weights().new, frozen_at.floor(RANK_STEP_MS))
}

fn score_at(view: &View<'_>, product: &Product<'_>, weights: &SurfaceWeights, ranked_at: UnixMillis) -> Score {
    score(&candidate(view, product), view.taste.as_ref(), weights, ranked_at)
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

/// Appends the items of `page` as a JSON array.
pub fn write_items(view: &View<'_>, page: &Page, out: &mut Vec<u8>) {
    write_array(&page.products, out, |index, out| {
        let product = view.board.product(*index);
        let coming = || product.slots().map(|slot| view.board.slot(slot)).filter(|slot| slot.ends_at() > view.now);
        write_product(view, &product, coming().any(|slot| slot.is_on_air(view.now)), out);
        out.extend_from_slice(b",\"broadcasts\":");
        write_array(coming(), out, |slot, out| write_broadcast(&slot, view.now, out));
        out.push(b'}');
    });
}
