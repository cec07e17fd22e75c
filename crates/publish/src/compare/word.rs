//! The words that the text and the page of a comparison share.

use serde_json::Value;
use sinsang_core::printable::grouped;
use sinsang_core::time::{DAY_MS, UnixMillis};

use crate::comparison::{Cause, Comparison, Distribution, Movement};
use crate::hindsight::Ranks;
use crate::summary::{ShopCount, Summary};

/// What to do for the section on hindsight.
pub(super) const NO_HINDSIGHT: &str = "name the tables of a build with --tables FOLDER to see how well each snapshot \
    would have ranked users' actions of the last 24 hours";
/// Why hindsight may have nothing to judge.
pub(super) const NO_ACTIONS: &str = "no action of these hours is of a user with tastes in both snapshots, on a product that \
    both list: look at --at, at the events, and whether SINSANG_USER_KEY is the one they were built with";
/// What flatters a judged snapshot.
pub(super) const LEARNED: &str = "a snapshot that was built after an action has learned from it";

/// A share from 0 to 1 in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Both numbers, or one if they are equal.
pub(super) fn change(before: u64, next: u64) -> String {
    if before == next { grouped(next) } else { format!("{} → {}", grouped(before), grouped(next)) }
}

/// A time to the minute, without its year.
pub(super) fn minute(at: UnixMillis) -> String {
    at.to_kst_rfc3339().get(5..16).unwrap_or_default().replace('T', " ")
}

/// The names of sizes, each with its value before and next.
pub(super) fn sizes(comparison: &Comparison) -> Vec<(&'static str, [String; 2])> {
    let Comparison { before, next, .. } = comparison;
    let both = |of: fn(&Summary) -> String| [before, next].map(of);
    vec![
        ("built", both(|one| one.built_at.to_string())),
        ("first broadcast", both(|one| one.from.to_string())),
        ("last broadcast ends", both(|one| one.until.to_string())),
        ("days of schedule", both(|one| (one.until.since(one.from) / DAY_MS).to_string())),
        ("products", both(|one| grouped(one.products))),
        ("broadcasts", both(|one| grouped(one.slots))),
        ("tabs", both(|one| grouped(one.tabs))),
        ("users with tastes", both(|one| grouped(one.users))),
        ("taste shards", both(|one| grouped(one.taste_shards))),
        ("bytes of the board", both(|one| grouped(one.board_bytes))),
    ]
}

/// A row of counts by verdict: products, new, repeat, unknown.
pub(super) fn counts(before: ShopCount, next: ShopCount) -> [String; 4] {
    [
        change(before.products, next.products),
        change(before.new, next.new),
        change(before.repeat, next.repeat),
        change(before.unknown, next.unknown),
    ]
}

/// The counts of a whole board.
pub(super) fn total(summary: &Summary) -> ShopCount {
    let [new, repeat, unknown] = summary.verdicts;
    ShopCount { products: summary.products, new, repeat, unknown }
}

/// The shops of both boards with their counts before and next, the largest first.
pub(super) fn shops(comparison: &Comparison) -> Vec<(&str, [ShopCount; 2])> {
    let Comparison { before, next, .. } = comparison;
    let names: std::collections::BTreeSet<&String> = before.shops.keys().chain(next.shops.keys()).collect();
    let of = |summary: &Summary, name: &str| summary.shops.get(name).copied().unwrap_or_default();
    let mut rows: Vec<_> =
        names.into_iter().map(|name| (name.as_str(), [before, next].map(|one| of(one, name)))).collect();
    rows.sort_by_key(|(_, [before, next])| std::cmp::Reverse(before.products.max(next.products)));
    rows
}

/// The sentence on verdicts of products that are on both boards.
pub(super) fn turns(comparison: &Comparison) -> String {
    let turns = &comparison.turns;
    let products = grouped(turns.products);
    let total: u64 = turns.turned.iter().map(|turn| turn.products).sum();
    let each = turns
        .turned
        .iter()
        .map(|turn| format!("{} → {} {}", turn.from.as_str(), turn.to.as_str(), grouped(turn.products)));
    let each: Vec<String> = each.collect();
    let colon = if each.is_empty() { "" } else { ": " };
    format!("{products} products are on both boards, the verdicts of {} turn{colon}{}", grouped(total), each.join(", "))
}

/// Why products come or leave, each with how many do.
pub(super) fn causes(movements: &[Movement]) -> String {
    let all = [Cause::Verdict, Cause::Rule, Cause::Arrived, Cause::OffSchedule, Cause::Over];
    let counted = all.map(|cause| (cause, movements.iter().filter(|movement| movement.cause == cause).count()));
    let told = counted.iter().filter(|(_, count)| *count > 0).map(|(one, count)| format!("{count} {}", cause(*one)));
    told.collect::<Vec<_>>().join(", ")
}

/// Why a product comes or leaves, in words.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Verdict => "by another verdict",
        Cause::Rule => "by the rules on unknown products",
        Cause::Arrived => "not on the board before",
        Cause::OffSchedule => "off the schedule",
        Cause::Over => "whose first broadcast is over",
    }
}

/// What a board says of a product's verdict: its kind, reason and evidence.
pub(super) fn verdict(verdict: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text(verdict, "kind").unwrap_or_else(|| "no verdict".to_owned());
    let Some(evidence) = verdict.get("evidence") else { return kind };
    let mut told: Vec<String> = [text(evidence, "reason"), text(evidence, "text")].into_iter().flatten().collect();
    let probability = evidence.get("aired_probability").and_then(Value::as_f64);
    told.extend(probability.map(|aired| format!("chance that it aired {}", percent(aired))));
    for (name, what) in [("earlier", "earlier"), ("nearest", "nearest other")] {
        let title = evidence.get(name).and_then(|earlier| text(earlier, "title"));
        told.extend(title.map(|title| format!("{what} “{title}”")));
    }
    format!("{kind} ({})", told.join("; "))
}

/// The line of a distribution of shares over viewers.
pub(super) fn distribution(one: &Distribution) -> String {
    let Distribution { mean, interval: [low, high], median, ninetieth, most } = *one;
    format!(
        "mean {} (95 % interval {:.1} to {:.1}), median {}, 90th percentile {}, most {}",
        percent(mean),
        low * 100.0,
        high * 100.0,
        percent(median),
        percent(ninetieth),
        percent(most)
    )
}

/// The ranks of a list in words.
pub(super) fn ranks(ranks: &Ranks, first: usize) -> String {
    let Ranks { reciprocal, shared_reciprocal, first: in_first, shared_first, .. } = *ranks;
    format!(
        "mean 1/place {reciprocal:.3} (shared order {shared_reciprocal:.3}), in the first {first} {} ({})",
        percent(in_first),
        percent(shared_first)
    )
}
