//! `tabs`: the top tab bar, pinned tabs in their places and the others in the viewer's order.

use super::{View, write_array};
use crate::rank::{Score, score_tab};

/// Indexes of the tabs, in the order to show.
pub fn order(view: &View<'_>) -> Vec<usize> {
    let board = view.board;
    let count = board.tab_count();
    let mut free: Vec<usize> = (0..count).filter(|index| !board.tab(*index).is_pinned()).collect();
    free.sort_by_cached_key(|index| (std::cmp::Reverse(score_of(view, *index).total()), *index));
    let mut free = free.into_iter();
    (0..count).filter_map(|place| if board.tab(place).is_pinned() { Some(place) } else { free.next() }).collect()
}

/// The score of the tab at `index` of the shared order.
pub fn score_of(view: &View<'_>, index: usize) -> Score {
    let board = view.board;
    score_tab(index, index, board.tab_count(), view.taste.as_ref(), &board.weights().tabs)
}

/// Appends the surface's items as a JSON array.
pub fn write_items(view: &View<'_>, out: &mut Vec<u8>) {
    write_array(order(view).into_iter().enumerate(), out, |(position, index), out| {
        out.extend_from_slice(view.board.tab(index).head_json());
        out.extend_from_slice(format!(",\"position\":{position}}}").as_bytes());
    });
}
