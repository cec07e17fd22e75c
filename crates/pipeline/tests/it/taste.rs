//! Tests of tastes learned from tables, against users with known tastes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_core::pack::context::Factor;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use sinsang_core::viewer::UserHasher;
use sinsang_pipeline::learn::taste::{ContextLeaning, DIMS, Error, FloatVector, Options, UserTaste, Weights};
use sinsang_pipeline::read::forgotten::{self, Forgotten, Subject};

mod audience;

use audience::{Event, Reading, World, event, of_product, product_id, user_name};

const CATEGORIES: usize = 8;
const BRANDS: usize = 32;
const KNOWN: usize = 480;
const PRODUCTS: usize = 600;

const CATEGORY_NAMES: [&str; CATEGORIES] = ["뷰티", "패션", "식품", "주방", "침구", "가전", "여행", "건강"];

const PLAIN: Reading = Reading { partitions: 2 };

fn dot(user: &[i8], product: &[i8; DIMS]) -> i32 {
    user.iter().zip(product).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Indexes of `scores`, highest first.
fn order(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order
}

fn ndcg_at_20(scores: &[f64], gains: &[f64]) -> f64 {
    let discounted = |order: Vec<usize>| -> f64 {
        order.into_iter().take(20).enumerate().map(|(rank, at)| gains[at] / (rank as f64 + 2.0).log2()).sum()
    };
    discounted(order(scores)) / discounted(order(gains))
}

#[tokio::test]
async fn tastes_order_known_and_new_products_far_better_than_the_shared_order() {
    let world = World::new();
    let (tastes, floats, learned) = world.learn_all(&world.events(), PLAIN, &Options::default()).await;
    let report = &learned.report;
    assert_eq!((report.users, report.events_used, report.events), (120, 4_800, 4_800));
    assert_eq!((report.events_of_unknown_products, report.events_weightless, report.buckets), (0, 0, 1));

    let vectors: Vec<[i8; DIMS]> = (0..PRODUCTS).map(|at| learned.product_vector(product_id(at))).collect();
    let exact: Vec<FloatVector> = (0..PRODUCTS).map(|at| learned.product_float(product_id(at))).collect();
    let mut means = [0.0; 6];
    let (mut own_category_first, mut own_brand_first) = (0, 0);
    for (user, taste) in tastes.iter().enumerate() {
        assert_eq!(taste.user_id, user_name(user));
        let gains: Vec<f64> = world.products.iter().map(|product| world.gain(user, product)).collect();
        // Users take known products in proportion to liking times popularity.
        let taken: Vec<f64> =
            world.products.iter().zip(&gains).map(|(product, gain)| product.popularity * gain).collect();
        let personal: Vec<f64> = vectors.iter().map(|vector| f64::from(dot(&taste.vector, vector))).collect();
        let popular: Vec<f64> = (0..PRODUCTS)
            .map(|at| f64::from(report.population.popularity.get(&product_id(at)).copied().unwrap_or(0)))
            .collect();
        let shared: Vec<f64> = vectors.iter().map(|vector| f64::from(dot(&report.population.vector, vector))).collect();
        let unrounded: Vec<f64> =
            exact.iter().map(|vector| vector.iter().zip(&floats[user]).map(|(a, b)| a * b).sum()).collect();
        means[4] += ndcg_at_20(&unrounded[..KNOWN], &taken[..KNOWN]);
        means[5] += ndcg_at_20(&unrounded[KNOWN..], &gains[KNOWN..]);
        means[0] += ndcg_at_20(&personal[..KNOWN], &taken[..KNOWN]);
        means[1] += ndcg_at_20(&popular[..KNOWN], &taken[..KNOWN]);
        means[2] += ndcg_at_20(&personal[KNOWN..], &gains[KNOWN..]);
        means[3] += ndcg_at_20(&shared[KNOWN..], &gains[KNOWN..]);
        let best = &world.products[KNOWN + order(&personal[KNOWN..])[0]];
        own_category_first += usize::from(best.category == world.likes[user].0);
        own_brand_first += usize::from(best.brand == world.likes[user].2);
    }
    let [known, known_shared, new, new_shared, known_float, new_float] = means.map(|sum| sum / tastes.len() as f64);
    println!("before rounding: known {known_float:.4}, new {new_float:.4}");
    println!("NDCG@20: known {known:.3} (popularity {known_shared:.3}), new {new:.3} (shared {new_shared:.3})");
    println!("own category first for {own_category_first}, brand for {own_brand_first} of {}", tastes.len());
    assert!(known > 0.70 && known > 1.9 * known_shared, "known {known}, popularity {known_shared}");
    assert!(new > 0.88 && new > 4.0 * new_shared, "new {new}, shared {new_shared}");
    assert!(known > 0.975 * known_float && new > 0.99 * new_float, "rounding costs too much");
    assert!(own_category_first >= 116 && own_brand_first >= 70, "{own_category_first} and {own_brand_first}");
}

#[tokio::test]
async fn channels_hours_and_tabs_follow_the_user() {
    let world = World::new();
    let (tastes, _) = world.learn(&world.events(), PLAIN, &Options::default()).await;
    let highest = |lifts: &[i8]| order(&lifts.iter().map(|&lift| f64::from(lift)).collect::<Vec<_>>())[0];
    let right = |is: &dyn Fn(usize, &UserTaste) -> bool| {
        tastes.iter().enumerate().filter(|(user, taste)| is(*user, taste)).count()
    };
    let hours = right(&|user, taste| highest(&taste.hours) == user % 8);
    let tabs = right(&|user, taste| highest(&taste.tabs) == user % 3);
    let channels = right(&|user, taste| highest(&taste.channels) == world.likes[user].0 % 4);
    println!("hours {hours}, tabs {tabs}, channels {channels} of {}", tastes.len());
    assert_eq!((hours, tabs), (120, 120));
    assert!(channels >= 100, "the channel of the liked category is first for {channels}");
}

#[tokio::test]
async fn contexts_lean_to_what_is_liked_there_and_those_that_mean_nothing_lean_to_nothing() {
    let world = World::new();
    let events = |region: &dyn Fn(usize) -> String, device: &dyn Fn(usize) -> &'static str| -> Vec<Event> {
        let place = |event: Event| {
            let user: usize = event.user.trim_start_matches('u').parse().unwrap();
            Event { region: Some(region(user)), device: Some(device(user)), ..event }
        };
        world.events().into_iter().map(place).collect()
    };
    // Users of two categories share a device class; provinces are unrelated to tastes.
    let told = events(&|user| (11 + user * 7 % 5).to_string(), &|user| ["phone", "tv"][usize::from(user % 4 == 3)]);
    let learned = world.learn_all(&told, PLAIN, &Options::default()).await.2;
    let of = |factor| learned.contexts.iter().filter(move |one| one.factor == factor).collect::<Vec<_>>();
    assert_eq!(of(Factor::Region), Vec::<&ContextLeaning>::new(), "provinces mean nothing here");
    let tv = of(Factor::Device).into_iter().find(|one| one.value == 4).unwrap();
    let products = || world.products.iter().enumerate();
    let scores: Vec<f64> =
        products().map(|(at, _)| dot(&tv.vector, &learned.product_vector(product_id(at))).into()).collect();
    let first = order(&scores).into_iter().take(20).filter(|at| world.products[*at].category % 4 == 3).count();
    println!("on the television, {first} of the first 20 are of its categories");
    assert!(first >= 18, "{first}");
    assert!(tv.channels[3] > 10 && tv.channels[0] < 0, "the channel of both: {:?}", tv.channels);
    assert!(tv.tabs.iter().all(|tab| *tab == 0), "tabs do not go with categories: {:?}", tv.tabs);
    // Users have their own hours, so parts of the week differ by who comes, never by hours or tabs.
    let parts = of(Factor::WeekPart);
    assert!(!parts.is_empty());
    assert!(parts.iter().all(|one| one.hours == [0; 8] && one.tabs.iter().all(|tab| *tab == 0)));
    // Contexts drawn at random mean nothing, whatever the draw.
    let size = |vector: &[i8]| vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let mut by_chance = Vec::new();
    for lot in 1..=5 {
        let mut rng = ChaCha8Rng::seed_from_u64(lot);
        let drawn: Vec<usize> = (0..world.likes.len()).map(|_| rng.random_range(0..51)).collect();
        let told =
            events(&|user| (11 + drawn[user] % 4).to_string(), &|user| ["phone", "tablet", "desktop"][drawn[user] % 3]);
        let learned = world.learn_all(&told, PLAIN, &Options::default()).await.2;
        let of_lot = learned.contexts.iter().filter(|one| one.factor != Factor::WeekPart);
        by_chance.extend(of_lot.map(|one| size(&one.vector)));
    }
    println!(
        "of 35 contexts drawn by lot these seem to lean to something: {by_chance:.1?}, the television {:.1}",
        size(&tv.vector)
    );
    assert!(by_chance.len() <= 3, "{by_chance:?}");
    assert!(by_chance.iter().all(|chance| *chance < size(&tv.vector) / 3.0), "{by_chance:?}");
    let off = Options { by_context: false, ..Options::default() };
    assert_eq!(world.learn_all(&told, PLAIN, &off).await.2.contexts, []);
}

#[tokio::test]
async fn order_partitions_and_buckets_of_the_events_do_not_show() {
    let world = World::new();
    let mut events = world.events();
    let (tastes, report) = world.learn(&events, Reading { partitions: 1 }, &Options::default()).await;
    events.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let (again, again_report) = world.learn(&events, Reading { partitions: 4 }, &Options::default()).await;
    assert_eq!((&tastes, &report), (&again, &again_report));

    let bucketed = Options { events_per_bucket: 700, ..Options::default() };
    let (mut spread, spread_report) = world.learn(&events, Reading { partitions: 4 }, &bucketed).await;
    assert_eq!(spread_report.buckets, 7);
    assert_ne!(spread, tastes, "buckets come one after the other");
    spread.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    assert_eq!((spread, spread_report.population), (tastes, report.population));
}

#[tokio::test]
async fn what_cannot_be_used_is_set_aside_and_counted_and_changes_nothing() {
    let world = World::new();
    let good = world.events();
    let (tastes, report) = world.learn(&good, PLAIN, &Options::default()).await;

    let mut events = good.clone();
    events.extend((0..10_001).map(|at| of_product(event("bot", at * MINUTE_MS, "click"), 7)));
    events.extend((0..5).map(|at| of_product(event("u000001", -1 - at * DAY_MS, "purchase"), 7)));
    events.extend((0..4).map(|_| of_product(event("u000001", 310 * DAY_MS, "purchase"), 7)));
    events.extend((0..3).map(|_| of_product(event("", DAY_MS, "purchase"), 7)));
    events.push(Event { at: i64::MAX, ..event("u000001", 0, "click") });
    events.push(Event { at: i64::MIN, ..event("u000001", 0, "click") });
    events.push(event("u000001", DAY_MS, "hover"));
    events.extend((0..60).map(|_| of_product(event("onlooker", DAY_MS, "impression"), 7)));
    let (with_bad, bad) = world.learn(&events, PLAIN, &Options::default()).await;
    assert_eq!(with_bad, tastes);
    assert_eq!(bad.population, report.population);
    assert_eq!((bad.bots, bad.events_of_bots), (1, 10_001));
    assert_eq!((bad.events_in_future, bad.events_expired), (6, 5));
    assert_eq!((bad.events_without_user, bad.events_of_unknown_kind, bad.events_weightless), (3, 1, 60));
    assert_eq!((bad.events, bad.events_used), (events.len() as u64, 4_800));
    assert!(bad.to_string().contains("users set aside as bots: 1\n"), "{bad}");
}

#[tokio::test]
async fn unknown_products_channels_and_tabs_are_counted_and_the_rest_of_the_event_counts() {
    let world = World::new();
    let mut events = world.events();
    let stray = |user: &str| of_product(event(user, HOUR_MS, "purchase"), 9_999);
    events.extend((0..20).map(|_| Event { channel: Some("채널2".to_owned()), ..stray("stray") }));
    events.push(Event { product: Some("not an id".to_owned()), ..event("odd", HOUR_MS, "view") });
    events.push(Event { channel: Some("없는 채널".to_owned()), ..event("odd", HOUR_MS, "live_enter") });
    events.push(Event { tab: Some("없는 탭".to_owned()), ..event("odd", DAY_MS + HOUR_MS, "tab_open") });
    let (tastes, report) = world.learn(&events, PLAIN, &Options::default()).await;
    assert_eq!(report.events_of_unknown_products, 21);
    assert_eq!((report.events_of_unknown_channels, report.events_of_unknown_tabs), (1, 1));
    let stray = tastes.iter().find(|taste| taste.user_id == "stray").unwrap();
    assert_eq!(stray.vector, [0; DIMS]);
    assert!(stray.channels[2] > 32 && stray.hours[3] > 32, "{stray:?}");
}

#[tokio::test]
async fn a_product_is_found_by_its_id_and_by_a_listing_without_a_shop() {
    let world = World::new();
    let mut events = world.events();
    for (user, made) in [
        ("by listing", of_product(event("by listing", HOUR_MS, "click"), 5)),
        ("by listing only", Event { listing: Some("L5".to_owned()), ..event("by listing only", HOUR_MS, "click") }),
        (
            "by product",
            Event {
                product: Some(format!("{:016x}", product_id(5))),
                channel: Some(format!("채널{}", 5 % 4)),
                ..event("by product", HOUR_MS, "click")
            },
        ),
    ] {
        assert_eq!(made.user, user);
        events.push(made);
    }
    events
        .push(Event { shop: Some("CJ온스타일".to_owned()), ..of_product(event("elsewhere", HOUR_MS, "click"), 5) });
    events.last_mut().unwrap().shop = Some("CJ온스타일".to_owned());
    let (tastes, report) = world.learn(&events, PLAIN, &Options::default()).await;
    let found: BTreeMap<&str, &UserTaste> = tastes.iter().map(|taste| (taste.user_id.as_str(), taste)).collect();
    assert_ne!(found["by listing"].vector, [0; DIMS]);
    for user in ["by listing only", "by product"] {
        assert_eq!(
            (found[user].vector, &found[user].channels),
            (found["by listing"].vector, &found["by listing"].channels)
        );
    }
    assert_eq!(found["elsewhere"].vector, [0; DIMS]);
    assert_eq!(report.events_of_unknown_products, 1);
}

#[tokio::test]
async fn a_user_with_one_event_stays_near_the_shared_order_and_twins_are_alike() {
    let world = World::new();
    let mut events = world.events();
    events.push(of_product(event("once", HOUR_MS, "view"), 0));
    for twin in ["twin a", "twin b"] {
        events.extend(
            (0..40).map(|at| of_product(event(twin, HOUR_MS + at * DAY_MS / 4, "click"), 8 * (at as usize % 5))),
        );
    }
    let (tastes, _) = world.learn(&events, PLAIN, &Options::default()).await;
    let of = |user: &str| tastes.iter().find(|taste| taste.user_id == user).unwrap().clone();
    let most = |taste: &UserTaste| taste.vector.iter().map(|value| value.unsigned_abs()).max().unwrap();
    assert!((1..=16).contains(&most(&of("once"))), "{:?}", of("once"));
    assert!(of("once").channels.iter().chain(&of("once").hours).all(|lift| lift.abs() <= 16), "{:?}", of("once"));
    assert!(most(&of("twin a")) > 40, "{:?}", of("twin a"));
    assert_eq!(of("twin a"), UserTaste { user_id: "twin a".to_owned(), ..of("twin b") });

    let strict = Options { min_events_per_user: 2, ..Options::default() };
    let (tastes, report) = world.learn(&events, PLAIN, &strict).await;
    assert!(tastes.iter().all(|taste| taste.user_id != "once"));
    assert_eq!((report.users_too_thin, report.users), (1, 122));
}

#[tokio::test]
async fn who_was_not_trained_on_is_folded_in_as_well_as_everyone_else() {
    let world = World::new();
    let half = Options { max_training_users: 60, ..Options::default() };
    let (tastes, _, learned) = world.learn_all(&world.events(), PLAIN, &half).await;
    assert_eq!((learned.report.users_trained_on, learned.report.users, tastes.len()), (60, 120, 120));
    let quality = |taste: &UserTaste| {
        let user: usize = taste.user_id[1..].parse().unwrap();
        let of = |at| f64::from(dot(&taste.vector, &learned.product_vector(product_id(at))));
        let scores: Vec<f64> = (KNOWN..PRODUCTS).map(of).collect();
        let gains: Vec<f64> = world.products[KNOWN..].iter().map(|product| world.gain(user, product)).collect();
        ndcg_at_20(&scores, &gains)
    };
    let mean = tastes.iter().map(quality).sum::<f64>() / tastes.len() as f64;
    println!("NDCG@20 on new products, half of the users trained on: {mean:.3}");
    assert!(mean > 0.75, "{mean}");
}

#[tokio::test]
async fn users_are_folded_in_with_the_half_life_of_the_model_whatever_half_life_events_are_read_with() {
    let world = World::new();
    let quick = Options { half_life_days: 10.0, ..Options::default() };
    let (expected, _, learned) = world.learn_all(&world.events(), PLAIN, &quick).await;
    let kept = Some(learned.model.trained().clone());
    let (slow, _, other) = world.learn_all(&world.events(), PLAIN, &Options::default()).await;
    assert!(other.report.trained && !slow.iter().zip(&expected).all(|(a, b)| a.vector == b.vector));
    let (found, _, learned) = world.learn_all(&world.events(), PLAIN, &Options { kept, ..Options::default() }).await;
    assert!(!learned.report.trained);
    let apart = |(own, expected): (&UserTaste, &UserTaste)| {
        own.vector.iter().zip(expected.vector).map(|(a, b)| (i32::from(*a) - i32::from(b)).abs()).max().unwrap()
    };
    let most = found.iter().zip(&expected).map(apart).max();
    assert!(most <= Some(1), "rounding alone: {most:?}");
    assert!(found.iter().zip(&expected).all(|(own, expected)| own.user_id == expected.user_id));
}

#[tokio::test]
async fn no_events_give_no_tastes_and_an_even_population() {
    let world = World::new();
    let (tastes, report) = world.learn(&[], PLAIN, &Options::default()).await;
    assert!(tastes.is_empty());
    assert_eq!((report.users, report.events, report.buckets), (0, 0, 1));
    assert_eq!((report.population.vector, report.population.hours), ([0; DIMS], [0; 8]));
    assert!(report.population.popularity.is_empty());

    // Two weeks without an event: only the age differs from yesterday's events.
    let old: Vec<Event> = (0..30).map(|at| of_product(event("u", 14 * DAY_MS + at * MINUTE_MS, "click"), 3)).collect();
    let (tastes, report) = world.learn(&old, PLAIN, &Options::default()).await;
    assert_eq!((tastes.len(), report.events_used), (1, 30));
}

#[tokio::test]
async fn recent_events_outweigh_old_ones_and_an_event_halves_with_its_half_life() {
    let world = World::new();
    let events: Vec<Event> = (0..10)
        .map(|user| format!("u{user}"))
        .flat_map(|user| {
            [of_product(event(&user, 60 * DAY_MS, "click"), 0), of_product(event(&user, HOUR_MS, "click"), 1)]
        })
        .collect();
    let (_, report) = world.learn(&events, PLAIN, &Options::default()).await;
    let popularity = |at| report.population.popularity[&product_id(at)];
    assert_eq!((popularity(1), popularity(0)), (10 * 2 * 16, 10 * 2 * 16 / 4));
}

#[tokio::test]
async fn options_out_of_range_and_missing_tables_are_refused_and_leave_nothing_behind() {
    let world = World::new();
    let ctx = world.context(&[], PLAIN);
    for options in [
        Options { half_life_days: 0.0, ..Options::default() },
        Options { pseudo_weight: f64::NAN, ..Options::default() },
        Options { weights: Weights { click: f64::INFINITY, ..Weights::default() }, ..Options::default() },
    ] {
        let refused = world.learn_from(&ctx, &options, |_, _| ()).await.map(|learned| learned.report);
        assert!(matches!(&refused, Err(error) if error.to_string().contains("give a number")), "{refused:?}");
    }
    ctx.deregister_table("listing_products").unwrap();
    let missing = world.learn_from(&ctx, &Options::default(), |_, _| ()).await.map(|learned| learned.report);
    assert!(matches!(&missing, Err(Error::Query { query: "taste_listing", .. })), "{missing:?}");
    assert!(missing.unwrap_err().to_string().contains("listing_products"));
    for table in ["taste_fate", "taste_listing", "taste_weight"] {
        assert!(!ctx.table_exist(table).unwrap(), "{table} is left behind");
    }
}

#[tokio::test]
async fn what_was_shown_and_passed_over_is_noted_and_exposures_are_counted() {
    let world = World::new();
    let mut events = world.events();
    let shown = |user: &str, at: usize, days: i64| of_product(event(user, days * DAY_MS, "impression"), at);
    // Five impressions without a tap, two of a tapped product, a single one, and old ones.
    events.extend((0..5).map(|_| shown("u000001", 500, 1)));
    events.extend([shown("u000001", 501, 1), shown("u000001", 501, 2)]);
    events.push(of_product(event("u000001", DAY_MS, "click"), 501));
    events.push(shown("u000001", 502, 1));
    events.extend((0..9).map(|_| shown("u000001", 503, 8)));
    let (tastes, _, learned) = world.learn_all(&events, PLAIN, &Options::default()).await;
    let notes = |user: &str| tastes.iter().find(|taste| taste.user_id == user).unwrap().notes.clone();
    assert_eq!(notes("u000001"), [(product_id(500), -20)]);
    assert_eq!(notes("u000002"), []);
    assert_eq!(
        [500, 501, 502, 503, 7].map(|at| learned.shown.get(&product_id(at)).copied()),
        // One viewer counts at most four impressions of a product.
        [Some(4), Some(2), Some(1), Some(4), None]
    );
}

#[tokio::test]
async fn who_was_shown_much_is_a_person_and_who_did_much_is_a_bot() {
    let world = World::new();
    let good = world.events();
    let most = Options::default().max_events_per_user;
    let mut events = good.clone();
    // Two users clicked the same 200 times. One of them also saw 40 impressions a day for 300 days:
    // of one product today, and of clicked ones before.
    let clicks = |user| (1..=200).map(move |at| of_product(event(user, at * DAY_MS, "click"), 100 + at as usize % 20));
    events.extend(clicks("blind").chain(clicks("shown")));
    let ads = |day: i64| (0..40).map(move |at| (day * DAY_MS + HOUR_MS, if day == 0 { 500 } else { 100 + at % 20 }));
    events.extend((0..300).flat_map(ads).map(|(age, at)| of_product(event("shown", age, "impression"), at)));
    // A user with more actions than a person is a bot, with or without impressions; a user with as
    // many impressions but no action has no taste.
    events.extend((0..=most).map(|at| of_product(event("bot", at as i64 * MINUTE_MS, "view"), 7)));
    events.extend((0..2_000).map(|_| of_product(event("bot", HOUR_MS, "impression"), 501)));
    events.extend((0..=most).map(|_| of_product(event("onlooker", HOUR_MS, "impression"), 502)));
    let (tastes, _, learned) = world.learn_all(&events, Reading { partitions: 1 }, &Options::default()).await;
    let [blind, shown] = ["blind", "shown"].map(|user| tastes.iter().find(|taste| taste.user_id == user).unwrap());
    assert_eq!((&shown.vector, &shown.channels, &shown.near), (&blind.vector, &blind.channels, &blind.near));
    assert_eq!((blind.notes.as_slice(), shown.notes.as_slice()), (&[][..], &[(product_id(500), -32)][..]));
    assert!(tastes.iter().all(|taste| !["bot", "onlooker"].contains(&taste.user_id.as_str())));
    let seen = [500, 501, 502].map(|at| learned.shown.get(&product_id(at)).copied());
    assert_eq!(seen, [Some(4), None, Some(4)], "of bots nothing counts");
    let report = &learned.report;
    assert_eq!((report.bots, report.events_of_bots), (1, most + 1 + 2_000));
    assert_eq!((report.impressions_beyond, report.events_weightless), (12_000 - most + 1, 2 * most));
    let told = report.events_of_bots + report.impressions_beyond + report.events_weightless + report.events_used;
    assert_eq!((told, report.events), (events.len() as u64, events.len() as u64));
    assert_eq!(report.events_used, good.len() as u64 + 400);
    assert!(report.to_string().contains("impressions beyond a user's limit: 2001\n"), "{report}");
    events.shuffle(&mut ChaCha8Rng::seed_from_u64(2));
    let again = world.learn_all(&events, Reading { partitions: 4 }, &Options::default()).await;
    assert_eq!((&again.0, &again.2.report, &again.2.shown), (&tastes, &learned.report, &learned.shown));
}

#[tokio::test]
async fn tabs_of_today_count_from_tomorrow_on() {
    let world = World::new();
    let events = world.events();
    let mut today = events.clone();
    today.extend(
        (0..50).map(|at| Event { tab: Some("best".to_owned()), ..event("u000001", at * MINUTE_MS, "tab_open") }),
    );
    let (before, _) = world.learn(&events, PLAIN, &Options::default()).await;
    let (after, _) = world.learn(&today, PLAIN, &Options::default()).await;
    let tabs = |tastes: &[UserTaste]| tastes.iter().map(|taste| taste.tabs.clone()).collect::<Vec<_>>();
    assert_eq!(tabs(&after), tabs(&before));
}

#[tokio::test]
async fn who_asked_to_be_forgotten_might_never_have_been() {
    let world = World::new();
    let key = "a key of the tests";
    let hasher = UserHasher::new(key.as_bytes()).unwrap();
    let name = |user: &str| hasher.key(user).to_string();
    let events: Vec<Event> =
        world.events().into_iter().map(|event| Event { user: name(&event.user), ..event }).collect();
    let folder = tempfile::tempdir().unwrap();
    let users = ["u000003", "u000077"];
    let asked = users.map(|user| Subject::user(user, std::slice::from_ref(&hasher)).unwrap());
    assert_eq!(forgotten::add(folder.path(), &asked, true).unwrap().added, 2);
    assert!(Forgotten::read(folder.path()).unwrap().is_empty(), "a dry run");
    assert_eq!(forgotten::add(folder.path(), &asked, false).unwrap().added, 2);
    assert_eq!(forgotten::add(folder.path(), &asked[1..], false).unwrap().known, 1);
    let list = std::fs::read_to_string(folder.path().join("forgotten.txt")).unwrap();
    assert!(list.lines().count() == 2 && !list.contains("u0000"), "{list}");
    let forgotten = Some(Forgotten::read(folder.path()).unwrap());
    let without = |event: &&Event| !users.iter().any(|user| name(user) == event.user);
    let rest: Vec<Event> = events.iter().filter(without).cloned().collect();
    let (expected, _, other) = world.learn_all(&rest, PLAIN, &Options::default()).await;
    let (tastes, _, learned) = world.learn_all(&events, PLAIN, &Options { forgotten, ..Options::default() }).await;
    assert_eq!(tastes, expected);
    assert_eq!((learned.report.users_forgotten, &learned.report.population), (2, &other.report.population));
    std::fs::write(folder.path().join("forgotten.txt"), "0123456789abcdef\nu000003\n").unwrap();
    let error = Forgotten::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("line 2: 'u000003'"), "{error}");
}

#[tokio::test]
async fn crowds_of_one_taste_and_one_user_who_never_stops_do_not_upset_the_rest() {
    let world = World::new();
    let mut events = world.events();
    for user in 0..2_000 {
        events.extend((0..3).map(|at| of_product(event(&format!("same{user}"), HOUR_MS + at * DAY_MS, "click"), 8)));
    }
    events.extend((0..50_000).map(|at| of_product(event("u000001", at * 1_000, "click"), at as usize % KNOWN)));
    let unbounded = Options { max_events_per_user: u64::MAX, ..Options::default() };
    let (tastes, floats, learned) = world.learn_all(&events, PLAIN, &unbounded).await;
    assert!(floats.iter().flatten().all(|value| value.is_finite() && value.abs() <= 127.5));
    let same: BTreeSet<_> =
        tastes.iter().filter(|taste| taste.user_id.starts_with("same")).map(|taste| taste.vector).collect();
    assert_eq!(same.len(), 1);
    let quality = |taste: &UserTaste| {
        let user: usize = taste.user_id[1..].parse().unwrap();
        let of = |at| f64::from(dot(&taste.vector, &learned.product_vector(product_id(at))));
        let scores: Vec<f64> = (KNOWN..PRODUCTS).map(of).collect();
        let gains: Vec<f64> = world.products[KNOWN..].iter().map(|product| world.gain(user, product)).collect();
        ndcg_at_20(&scores, &gains)
    };
    let others: Vec<f64> = tastes
        .iter()
        .filter(|taste| taste.user_id.starts_with('u') && taste.user_id != "u000001")
        .map(quality)
        .collect();
    let mean = others.iter().sum::<f64>() / others.len() as f64;
    println!("NDCG@20 on new products beside 2,000 users of one taste and one of 50,000 clicks: {mean:.3}");
    assert!(mean > 0.7, "{mean}");
}
