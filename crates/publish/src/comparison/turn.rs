//! How verdicts on products that are on both boards turn.

use std::collections::BTreeMap;

use serde::Serialize;
use sinsang_core::pack::board::Board;
use sinsang_core::verdict::VerdictKind;

/// Products whose verdict turns from one kind to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// The verdict on the board before.
    pub from: VerdictKind,
    /// The verdict on the next board.
    pub to: VerdictKind,
    /// How many products turn this way.
    pub products: u64,
}

/// Verdicts of the products that are on both boards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turns {
    /// Products on both boards.
    pub products: u64,
    /// Those whose verdict turns, by kind.
    pub turned: Vec<Turn>,
}

impl Turns {
    pub(super) fn of(next: &Board, before: &Board) -> Self {
        let mut turns = Self::default();
        let mut turned: BTreeMap<(VerdictKind, VerdictKind), u64> = BTreeMap::new();
        for product in (0..next.product_count()).map(|index| next.product(index)) {
            let Some(index) = before.find_product(product.id()) else { continue };
            turns.products += 1;
            let (from, to) = (before.product(index).verdict(), product.verdict());
            if from != to {
                *turned.entry((from, to)).or_default() += 1;
            }
        }
        turns.turned = turned.into_iter().map(|((from, to), products)| Turn { from, to, products }).collect();
        turns
    }

    /// Products whose verdict turns from `from` to `to`.
    pub fn count(&self, from: VerdictKind, to: VerdictKind) -> u64 {
        self.turned.iter().filter(|turn| (turn.from, turn.to) == (from, to)).map(|turn| turn.products).sum()
    }
}
