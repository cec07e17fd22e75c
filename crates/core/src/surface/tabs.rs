//! `tabs`: the top tab bar, with pinned tabs in their places and the others in the viewer's order.

use super::{View, explain, write_array, write_number};
use crate::directive::Directives;
use crate::rank::score_tab;
use crate::signal::Score;

/// The indexes of the tabs, in display order. A tab passes one before it in the shared order only
/// if its score is higher by more than the board's margin, so that small changes of tastes move
/// nothing.
pub fn order(view: &View<'_>) -> Vec<usize> {
    let board = view.board;
    let count = board.tab_count();
    let margin = i64::from(view.mix().tab_margin);
    let mut free: Vec<(i64, usize)> = Vec::with_capacity(count);
    for index in (0..count).filter(|index| !board.tab(*index).is_pinned()) {
        let total = score_of(view, index).total();
        let passed = free.iter().rev().take_while(|(before, _)| total > before.saturating_add(margin)).count();
        free.insert(free.len().saturating_sub(passed), (total, index));
    }
    let mut free = free.into_iter().map(|(_, index)| index);
    (0..count).filter_map(|place| if board.tab(place).is_pinned() { Some(place) } else { free.next() }).collect()
}

/// The score of the tab at `index` of the shared order.
pub fn score_of(view: &View<'_>, index: usize) -> Score {
    let board = view.board;
    score_tab(index, index, board.tab_count(), view.taste.as_ref(), &view.weights().tabs)
}

/// Appends the surface's items as a JSON array.
pub fn write_items(view: &View<'_>, out: &mut Vec<u8>) {
    write_array(order(view).into_iter().enumerate(), out, |(position, index), out| {
        out.extend_from_slice(view.board.tab(index).head_json());
        out.extend_from_slice(b",\"position\":");
        write_number(position, out);
        if view.is_explained {
            explain::write(
                view,
                &score_of(view, index),
                &view.weights().tabs,
                None,
                &Directives::default(),
                (false, false),
                out,
            );
        }
        out.push(b'}');
    });
}
