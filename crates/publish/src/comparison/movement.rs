//! The products that come to the tab `new` and those that leave it, with what both boards say of
//! their verdicts.
//!
//! Each board counts as of its own build, so equal boards have no movements whatever the time.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinsang_core::pack::board::{Board, Product};
use sinsang_core::time::UnixMillis;

use crate::summary::{Head, rfc3339};

/// Why a product comes or leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its verdict changed.
    Verdict,
    /// Its verdict is the same, but the rules on unknown products differ.
    Rule,
    /// It was not on the board before.
    Arrived,
    /// It is on the schedule no more, and its first broadcast is not over.
    OffSchedule,
    /// Its first broadcast is over.
    Over,
}

/// A product that comes to the tab or leaves it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Movement {
    /// The product: 16 hex digits.
    pub product: String,
    /// Its title.
    pub title: String,
    /// The shop of its first listing.
    pub shop: String,
    /// The name of its next channel.
    pub channel: String,
    /// The start of its first broadcast.
    #[serde(serialize_with = "rfc3339")]
    pub first_starts_at: UnixMillis,
    /// Why it comes or leaves.
    pub cause: Cause,
    /// The verdict on the board before, with its evidence, as answers showed it when that was
    /// built; `None` if it is not on that board.
    pub before: Option<Value>,
    /// The verdict on the next board.
    pub next: Option<Value>,
}

impl Movement {
    fn of(product: &Product<'_>, board: &Board, cause: Cause, [before, next]: [Option<Value>; 2]) -> Self {
        let head = Head::of(product);
        Self {
            product: format!("{:016x}", product.id()),
            title: head.title,
            shop: head.listings.into_iter().next().map(|listing| listing.shop).unwrap_or_default(),
            channel: channel(product, board),
            first_starts_at: product.first_starts_at(),
            cause,
            before,
            next,
        }
    }
}

/// The name of the channel of a product's first slot on the board.
fn channel(product: &Product<'_>, board: &Board) -> String {
    #[derive(Deserialize)]
    struct Slot {
        channel: Channel,
    }
    #[derive(Deserialize)]
    struct Channel {
        name: String,
    }
    let slot = product.slots().next().map(|index| [board.slot(index).head_json(), b"}"].concat());
    let slot = slot.and_then(|json| serde_json::from_slice::<Slot>(&json).ok());
    slot.map(|slot| slot.channel.name).unwrap_or_default()
}

/// The verdict with its evidence, as of the board's build.
fn verdict(product: &Product<'_>, board: &Board) -> Value {
    let is_before_first_end = !is_over(product, board);
    serde_json::from_slice(product.verdict_json(is_before_first_end)).unwrap_or(Value::Null)
}

/// Whether its first broadcast is over when `board` is built.
fn is_over(product: &Product<'_>, board: &Board) -> bool {
    product.first_ends_at() <= board.built_at()
}

/// Whether the tab shows it when `board` is built.
fn is_shown(product: &Product<'_>, board: &Board) -> bool {
    product.is_listed() && !is_over(product, board)
}

fn twin<'a>(board: &'a Board, product: &Product<'_>) -> Option<Product<'a>> {
    board.find_product(product.id()).map(|index| board.product(index))
}

fn shown(board: &Board) -> impl Iterator<Item = Product<'_>> {
    board.candidates().map(|index| board.product(index)).filter(|product| is_shown(product, board))
}

/// Products that `next` shows and `before` does not.
pub(super) fn newcomers(next: &Board, before: &Board) -> Vec<Movement> {
    let found = shown(next).filter_map(|product| {
        let earlier = twin(before, &product);
        let cause = match &earlier {
            Some(earlier) if is_shown(earlier, before) => return None,
            Some(earlier) if earlier.verdict() != product.verdict() => Cause::Verdict,
            Some(earlier) if earlier.is_listed() => Cause::Over,
            Some(_) => Cause::Rule,
            None => Cause::Arrived,
        };
        let verdicts = [earlier.map(|earlier| verdict(&earlier, before)), Some(verdict(&product, next))];
        Some(Movement::of(&product, next, cause, verdicts))
    });
    sorted(found)
}

/// Products that `before` shows and `next` does not.
pub(super) fn leavers(next: &Board, before: &Board) -> Vec<Movement> {
    let found = shown(before).filter_map(|product| {
        let later = twin(next, &product);
        let cause = match &later {
            Some(later) if is_shown(later, next) => return None,
            Some(later) if later.is_listed() => Cause::Over,
            // Its first broadcast on the next board may be an older product's, whose repeat it is.
            _ if is_over(&product, next) => Cause::Over,
            Some(later) if later.verdict() != product.verdict() => Cause::Verdict,
            Some(_) => Cause::Rule,
            None => Cause::OffSchedule,
        };
        let verdicts = [Some(verdict(&product, before)), later.map(|later| verdict(&later, next))];
        Some(Movement::of(&product, before, cause, verdicts))
    });
    sorted(found)
}

fn sorted(movements: impl Iterator<Item = Movement>) -> Vec<Movement> {
    let mut movements: Vec<Movement> = movements.collect();
    movements.sort_by_key(|movement| (movement.cause, movement.first_starts_at));
    movements
}
