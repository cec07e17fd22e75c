//! What is refused beside what is live, and what a normal day is.

use super::*;

const BUILT: UnixMillis = UnixMillis(1_795_305_600_000);

/// A snapshot of a normal day: three shops and a small one.
fn normal() -> Summary {
    let shops = [("현대홈쇼핑", 800, 240), ("GS샵", 700, 200), ("CJ온스타일", 500, 150), ("작은샵", 22, 9)];
    let shops = shops.map(|(shop, products, new)| (shop.to_owned(), ShopCount { products, new }));
    Summary {
        snapshot: "0011223344556677".to_owned(),
        built_at: BUILT,
        until: BUILT.plus(180 * HOUR_MS),
        products: 2_022,
        slots: 2_600,
        verdicts: [599, 1_300, 123],
        shops: BTreeMap::from(shops),
        tabs: 12,
        users: 100_000,
        board_bytes: 3_300_000,
    }
}

fn refused(next: &Summary, live: Option<&Summary>) -> Vec<&'static str> {
    let refusal = Refusal::of(next, live, &Limits::default(), next.built_at.min(BUILT.plus(HOUR_MS)));
    refusal.reasons.into_iter().map(|reason| reason.rule).collect()
}

/// The normal day, an hour later and changed.
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
    // A shop that joins, and one of a few products that leaves.
    let joined = changed(|next| {
        next.shops.insert("새샵".to_owned(), ShopCount { products: 90, new: 60 });
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
        // A shop that was unknown to all and calls everything new.
        ("most_new", changed(|next| next.shops.extend([("새샵".to_owned(), ShopCount { products: 900, new: 121 })]))),
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
        // Each by itself: nothing else is said of it.
        let others = refused(&next, Some(&live)).into_iter().filter(|other| *other != rule).count();
        assert!(others == 0 || rule == "verdict_shift", "{rule}: {:?}", refused(&next, Some(&live)));
    }
    let next = changed(|next| next.users = 7);
    let refusal = Refusal::of(&next, Some(&live), &Limits::default(), next.built_at);
    assert_eq!(refusal.to_string(), "  7 users, the live one has 100000; publish.least_users = 0.5");
    let loose = Limits { least_users: 0.0, ..Limits::default() };
    assert!(Refusal::of(&next, Some(&live), &loose, next.built_at).is_empty());
}

#[test]
fn the_tab_of_new_products_does_not_empty_step_by_step() {
    let of = |new: u64| changed(|next| (next.shops, next.verdicts) = (BTreeMap::new(), [new, 1_900, 122]));
    let cases = [
        // What a publish of 128, 17 and 1 did, and the nearest that pass.
        (128, 17, true),
        (128, 31, true),
        (128, 32, false),
        (17, 1, true),
        (17, 4, true),
        (17, 5, false),
        (8, 1, true),
        (8, 2, false),
        // Fewer are left to chance.
        (7, 0, false),
        // All shops' many at once, each of few.
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
    let at = |hours: i64| Refusal::of(&built, None, &Limits::default(), BUILT.plus(hours * HOUR_MS)).texts();
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
    assert!(Refusal::of(&ahead, None, &Limits::default(), at).is_empty());
    ahead.built_at = BUILT.plus(1);
    let refusal = Refusal::of(&ahead, None, &Limits::default(), at);
    assert_eq!(refusal.reasons.iter().map(|reason| reason.rule).collect::<Vec<_>>(), ["ahead"]);
    // Eight products over 2,022, and a build of next year that has none.
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
