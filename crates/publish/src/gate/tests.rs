//! Tests of the gate: refusals beside a live snapshot, and a normal day.

use std::collections::BTreeMap;

use super::*;
use crate::comparison::{Churn, Distribution, Turn, Turns};
use crate::summary::ShopCount;

const BUILT: UnixMillis = UnixMillis(1_795_305_600_000);

fn count(products: u64, new: u64) -> ShopCount {
    ShopCount { products, new, ..ShopCount::default() }
}

/// A snapshot of a normal day: three shops and a small one.
fn normal() -> Summary {
    let shops = [("현대홈쇼핑", 800, 240), ("GS샵", 700, 200), ("CJ온스타일", 500, 150), ("작은샵", 22, 9)];
    let shops = shops.map(|(shop, products, new)| (shop.to_owned(), count(products, new)));
    Summary {
        snapshot: "0011223344556677".to_owned(),
        built_at: BUILT,
        from: BUILT,
        until: BUILT.plus(180 * HOUR_MS),
        products: 2_022,
        slots: 2_600,
        verdicts: [599, 1_300, 123],
        shops: BTreeMap::from(shops),
        tabs: 12,
        users: 100_000,
        taste_shards: 512,
        board_bytes: 3_300_000,
    }
}

/// The reasons beside `live`, with no turned verdicts and no churn.
fn of(next: &Summary, live: Option<&Summary>, limits: &Limits, at: UnixMillis) -> Refusal {
    match live {
        None => Refusal::alone(next, limits, at),
        Some(before) => {
            let (next, before) = (next.clone(), before.clone());
            Refusal::of(&Comparison { next, before, ..Comparison::default() }, limits, at)
        }
    }
}

fn refused(next: &Summary, live: Option<&Summary>) -> Vec<&'static str> {
    let refusal = of(next, live, &Limits::default(), next.built_at.min(BUILT.plus(HOUR_MS)));
    refusal.reasons.into_iter().map(|reason| reason.rule).collect()
}

/// The normal day, an hour later, with `change` applied.
fn changed(change: impl FnOnce(&mut Summary)) -> Summary {
    let mut next = Summary { built_at: BUILT.plus(HOUR_MS), ..normal() };
    change(&mut next);
    next
}

#[test]
fn a_normal_day_passes() {
    let live = normal();
    assert_eq!(refused(&live, Some(&live)), Vec::<&str>::new());
    assert_eq!(refused(&live, None), Vec::<&str>::new());
    let weekend = changed(|next| {
        next.products = 1_500;
        next.slots = 1_900;
        next.verdicts = [400, 1_000, 100];
        next.users = 140_000;
        next.shops.values_mut().for_each(|shop| shop.new = shop.new * 2 / 3);
    });
    assert_eq!(refused(&weekend, Some(&live)), Vec::<&str>::new());
    // One shop joins, and one with few products leaves.
    let joined = changed(|next| {
        next.shops.insert("새샵".to_owned(), count(90, 60));
        next.shops.remove("작은샵");
    });
    assert_eq!(refused(&joined, Some(&live)), Vec::<&str>::new());
}

#[test]
fn each_rule_refuses_what_it_is_for_and_names_both_numbers() {
    let live = normal();
    let cases: [(&str, Summary); 15] = [
        ("least_products", changed(|next| next.products = 1_010)),
        ("least_products", changed(|next| next.slots = 1_299)),
        ("most_products", changed(|next| next.products = 4_045)),
        ("least_shop", changed(|next| next.shops.retain(|shop, _| shop != "GS샵"))),
        ("least_new", changed(|next| next.shops.get_mut("GS샵").unwrap().new = 49)),
        ("most_new", changed(|next| next.shops.get_mut("GS샵").unwrap().new = 801)),
        // A shop that nobody knew and that calls everything new.
        ("most_new", changed(|next| next.shops.extend([("새샵".to_owned(), count(900, 121))]))),
        ("verdict_shift", changed(|next| next.verdicts = [1_110, 800, 112])),
        ("least_users", changed(|next| next.users = 49_999)),
        ("most_users", changed(|next| next.users = 400_001)),
        ("least_bytes", changed(|next| next.board_bytes = 1_319_999)),
        ("most_bytes", changed(|next| next.board_bytes = 8_250_001)),
        ("least_tabs", changed(|next| next.tabs = 2)),
        ("least_ahead_hours", changed(|next| next.until = next.built_at.plus(11 * HOUR_MS))),
        ("older", changed(|next| next.built_at = BUILT.plus(-1))),
    ];
    for (rule, next) in cases {
        assert!(refused(&next, Some(&live)).contains(&rule), "{rule}: {:?}", refused(&next, Some(&live)));
        // Each rule refuses alone: no other reason is given.
        let others = refused(&next, Some(&live)).into_iter().filter(|other| *other != rule).count();
        assert!(others == 0 || rule == "verdict_shift", "{rule}: {:?}", refused(&next, Some(&live)));
    }
    let next = changed(|next| next.users = 7);
    let refusal = of(&next, Some(&live), &Limits::default(), next.built_at);
    assert_eq!(refusal.to_string(), "  7 users, the live one has 100000; publish.least_users = 0.5");
    let loose = Limits { least_users: 0.0, ..Limits::default() };
    assert!(of(&next, Some(&live), &loose, next.built_at).is_empty());
}

#[test]
fn the_tab_of_new_products_does_not_empty_step_by_step() {
    let of = |new: u64| changed(|next| (next.shops, next.verdicts) = (BTreeMap::new(), [new, 1_900, 122]));
    let cases = [
        // Publishes of 128, 17 and 1 did this, and the nearest counts that pass.
        (128, 17, true),
        (128, 31, true),
        (128, 32, false),
        (17, 1, true),
        (17, 4, true),
        (17, 5, false),
        (8, 1, true),
        (8, 2, false),
        // Smaller counts are left to chance.
        (7, 0, false),
        // Many new products over all shops, with few per shop.
        (30, 121, true),
        (30, 120, false),
        (0, 120, false),
    ];
    for (before, now, is_refused) in cases {
        let told = refused(&of(now), Some(&of(before)));
        let expected = if is_refused { vec![if now < before { "least_new" } else { "most_new" }] } else { vec![] };
        assert_eq!(told, expected, "{before} new products, then {now}");
    }
}

#[test]
fn what_is_over_when_it_is_published_is_refused_however_far_ahead_it_was_built() {
    let built = normal();
    let at = |hours: i64| of(&built, None, &Limits::default(), BUILT.plus(hours * HOUR_MS)).texts();
    assert_eq!(at(168), Vec::<String>::new());
    assert_eq!(at(169), ["its last broadcast ends in 11 hours, publish.least_ahead_hours = 12"]);
    assert_eq!(at(204), ["its last broadcast ended 24 hours ago, publish.least_ahead_hours = 12"]);
}

#[test]
fn what_no_snapshot_may_be_is_refused_with_nothing_live_too() {
    let empty = Summary { products: 0, slots: 0, until: UnixMillis(0), ..normal() };
    assert_eq!(refused(&empty, None), ["empty"]);
    let mut ahead = normal();
    let at = BUILT.plus(-CLOCK_LEEWAY_MS);
    assert!(of(&ahead, None, &Limits::default(), at).is_empty());
    ahead.built_at = BUILT.plus(1);
    let refusal = of(&ahead, None, &Limits::default(), at);
    assert_eq!(refusal.reasons.iter().map(|reason| reason.rule).collect::<Vec<_>>(), ["ahead"]);
    // Eight products after 2,022, and an empty build from next year.
    let eight = changed(|next| (next.products, next.slots, next.verdicts) = (8, 9, [3, 3, 2]));
    assert!(refused(&eight, Some(&normal())).contains(&"least_products"));
    let next_year = Summary { built_at: BUILT.plus(365 * 24 * HOUR_MS), ..empty };
    assert_eq!(refused(&next_year, Some(&normal()))[..2], ["empty", "ahead"]);
}

#[test]
fn small_counts_are_left_to_chance() {
    let small = |products: u64, users: u64| Summary {
        products,
        slots: products,
        verdicts: [0, 0, products],
        users,
        tabs: 2,
        shops: BTreeMap::new(),
        ..normal()
    };
    assert_eq!(refused(&small(3, 1), Some(&small(30, 30))), Vec::<&str>::new());
    assert_eq!(refused(&small(60, 119), Some(&small(3, 0))), Vec::<&str>::new());
    assert_eq!(refused(&small(61, 121), Some(&small(3, 0))), ["most_products", "most_products", "most_users"]);
}

#[test]
fn turned_verdicts_and_churn_are_refused_and_a_normal_day_of_both_passes() {
    let limits = Limits::default();
    let told = |products: u64, turned: u64, viewers: usize, mean: f64, shared: f64| {
        let turned = vec![
            Turn { from: VerdictKind::Repeat, to: VerdictKind::New, products: turned },
            // The normal course of a product, of which any number passes.
            Turn { from: VerdictKind::New, to: VerdictKind::Repeat, products },
        ];
        let reordered = Distribution { mean, ..Distribution::default() };
        let churn = Churn { viewers, reordered, shared_reordered: shared, ..Churn::default() };
        let (next, before, turns) = (changed(|_| ()), normal(), Turns { products, turned });
        let comparison = Comparison { next, before, turns, churn, ..Comparison::default() };
        Refusal::of(&comparison, &limits, BUILT.plus(HOUR_MS)).texts()
    };
    let (churn, turned) = (limits.most_churn, limits.most_turned);
    assert_eq!(told(2_000, 0, 200, 0.15, 0.0), Vec::<String>::new());
    assert_eq!(told(10_000, 50, 200, churn, 1.0), Vec::<String>::new());
    let expected =
        format!("51 of 10000 products on both boards turn from repeat to new (0.5 %); publish.most_turned = {turned}");
    assert_eq!(told(10_000, 51, 200, 0.15, 0.0), [expected]);
    let expected = |what: &str| {
        format!(
            "99 % of the first 20 places of {what} change, among products that both boards show; publish.most_churn = {churn}"
        )
    };
    assert_eq!(told(1_000, 0, 200, 0.99, 0.1), [expected("200 drawn viewers")]);
    // Where nobody has tastes, all see the shared order.
    assert_eq!(told(1_000, 0, 0, 0.0, 0.99), [expected("the shared order")]);
    // Few products are left to chance.
    assert_eq!(told(40, 7, 200, 0.2, 0.1), Vec::<String>::new());
    assert_eq!(told(40, 8, 200, 0.2, 0.1).len(), 1);
}
