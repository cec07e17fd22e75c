//! The pulse: present demand moves the new-product tab and the live order, costs a warm request no
//! read, and makes no list repeat or skip.

use proptest::prelude::*;
use serde_json::Value;
use sinsang::memory::MAX_PULSE_AGE_MS;
use sinsang_core::key::Key;
use sinsang_core::pack::pulse;
use sinsang_core::pulse::{Counts, VIEWER};
use sinsang_core::rank;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, published};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, ok};

fn bought(buyers: u16) -> Counts {
    let count = buyers * u16::try_from(VIEWER).unwrap();
    Counts { viewers: count, purchases: count, ..Counts::default() }
}

/// Writes a pulse of these products as the counter does: under its number, and as the latest.
fn write(edge: &mut Edge, products: &[(&String, u16)], made_at: UnixMillis) {
    let mut counts: Vec<(u64, Counts)> =
        products.iter().map(|(id, buyers)| (u64::from_str_radix(id, 16).unwrap(), bought(*buyers))).collect();
    counts.sort_by_key(|(id, _)| *id);
    let bytes = pulse::write(&counts, made_at).unwrap();
    edge.store.values.insert(Key::PulseOf(made_at.to_seconds()).to_string(), bytes.clone());
    edge.store.values.insert(Key::Pulse.to_string(), bytes);
}

/// Lets time pass and the background looks happen, as in a busy isolate.
fn look(edge: &mut Edge) {
    for _ in 0..2 {
        edge.pass(32 * SECOND_MS);
        edge.get("/v1/tabs");
    }
}

fn warm() -> Edge {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT).plus(6 * HOUR_MS));
    edge.get("/v1/home");
    edge
}

fn list(edge: &mut Edge, target: &str) -> Vec<String> {
    ids(&ok(&edge.get(target)))
}

const NEW: &str = "/v1/new?limit=100";

#[test]
fn what_is_wanted_comes_first_with_its_reason_and_no_warm_request_reads() {
    let mut edge = warm();
    let before = edge.get(NEW);
    let shared = ids(&ok(&before));
    let (wanted, liked) = (shared.last().unwrap(), &shared[shared.len() - 2]);
    let now = edge.now;
    write(&mut edge, &[(wanted, 900), (liked, 3)], now);
    assert_eq!(list(&mut edge, NEW), shared, "nobody has looked yet");
    look(&mut edge);
    edge.store.reads.clear();
    let after = edge.get(NEW);
    assert_eq!(&ids(&ok(&after))[..1], std::slice::from_ref(wanted));
    assert!(list(&mut edge, NEW).iter().position(|id| id == liked).unwrap() < 10);
    assert!(edge.store.reads.is_empty(), "{:?}", edge.store.reads);
    assert_ne!(before.header("ETag"), after.header("ETag"));
    assert_eq!(edge.ask(&Ask::get(NEW).if_none_match(after.header("ETag").unwrap())).status, 304);
    assert_eq!(ok(&edge.get("/v1/home?limit=1"))["new"]["items"][0]["product_id"], wanted.as_str());

    let explained = ok(&edge.ask(&Ask::get("/v1/new?explain=1&limit=2").preview(PREVIEW)));
    let why = &explained["items"][0]["why"];
    assert_eq!(why["parts"]["pulse"], 300 * rank::pulse(900 * VIEWER), "{why}");
    assert!(why["text"].as_str().unwrap().contains("지금 찾는 사람이"), "{why}");
    let total = |item: &Value| item["why"]["total"].as_i64().unwrap();
    assert!(total(&explained["items"][0]) > total(&explained["items"][1]));
    let status = ok(&edge.get("/v1/status"));
    assert_eq!(status["pulse"]["products"], 2);
    assert!((60..70).contains(&status["pulse"]["age_s"].as_i64().unwrap()), "{}", status["pulse"]);

    // A preview of another time, or another sort, ignores present demand.
    let as_of = edge.now.to_string().replace('+', "%2B");
    let preview = edge.ask(&Ask::get(format!("{NEW}&as_of={as_of}")).preview(PREVIEW));
    assert_eq!(ids(&ok(&preview)), shared);
    let soonest = list(&mut edge, "/v1/new?limit=100&sort=soonest");
    edge.restart();
    assert_eq!(list(&mut edge, "/v1/new?limit=100&sort=soonest"), soonest);
}

#[test]
fn the_live_order_follows_what_is_wanted() {
    let mut edge = warm();
    let live = |edge: &mut Edge| ids(&ok(&edge.get("/v1/live")));
    let shared = live(&mut edge);
    let wanted = shared.last().unwrap();
    let now = edge.now;
    write(&mut edge, &[(wanted, 500)], now);
    look(&mut edge);
    let after = live(&mut edge);
    assert_eq!(after.first(), Some(wanted));
    let mut sorted = [shared, after];
    for ids in &mut sorted {
        ids.sort_unstable();
    }
    assert_eq!(sorted[0], sorted[1], "nothing is hidden");
}

#[test]
fn without_a_pulse_that_is_whole_and_recent_all_is_as_before() {
    let mut edge = warm();
    let shared = list(&mut edge, NEW);
    let wanted = shared.last().unwrap().clone();
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing, Fault::Flipped, Fault::Cut(10)] {
        let mut edge = warm();
        let now = edge.now;
        write(&mut edge, &[(&wanted, 900)], now);
        edge.store.faults.insert(Key::Pulse.to_string(), fault);
        look(&mut edge);
        let reply = edge.get(NEW);
        assert_eq!((ids(&ok(&reply)), reply.header("Sinsang-Rung")), (shared.clone(), Some("isolate")), "{fault:?}");
        assert_eq!(ok(&edge.get("/v1/status"))["pulse"], Value::Null);
    }
    // A pulse expires, and an older one that the store returns again is not the latest.
    let now = edge.now;
    write(&mut edge, &[(&wanted, 900)], now);
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW).first(), Some(&wanted));
    write(&mut edge, &[(&shared[0], 900)], now.plus(-MINUTE_MS));
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW).first(), Some(&wanted));
    edge.store.outage = Some(Fault::Error);
    edge.now = now.plus(MAX_PULSE_AGE_MS + SECOND_MS);
    assert_ne!(list(&mut edge, NEW).first(), Some(&wanted));
    assert_eq!(ok(&edge.get("/v1/status"))["pulse"], Value::Null);
}

#[test]
fn a_pulse_is_made_by_a_clock_that_no_demonstration_moves() {
    let mut edge = warm();
    edge.config.clock_offset_ms = -400 * DAY_MS;
    let wanted = list(&mut edge, NEW).last().unwrap().clone();
    let real = edge.now.plus(400 * DAY_MS);
    write(&mut edge, &[(&wanted, 900)], real);
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW).first(), Some(&wanted));
}

#[test]
fn a_list_whose_pulse_is_gone_ends_with_410_and_one_out_of_reach_is_interrupted() {
    let mut edge = warm();
    let shared = list(&mut edge, NEW);
    let now = edge.now;
    write(&mut edge, &[(shared.last().unwrap(), 900)], now);
    look(&mut edge);
    let body = ok(&edge.get("/v1/new?limit=5"));
    let next = format!("/v1/new?limit=5&cursor={}", body["next_cursor"].as_str().unwrap());
    let numbered = Key::PulseOf(now.to_seconds()).to_string();

    for (fault, status) in [(Fault::Error, 200), (Fault::Timeout, 200), (Fault::Missing, 410), (Fault::Flipped, 410)] {
        edge.restart();
        edge.get("/v1/tabs");
        edge.store.faults.insert(numbered.clone(), fault);
        let reply = edge.get(&next);
        assert_eq!(reply.status, status, "{fault:?}");
        if status == 200 {
            let body = ok(&reply);
            assert_eq!((&body["interrupted"], &body["next_cursor"], ids(&body).len()), (&true.into(), &Value::Null, 0));
        }
        edge.store.faults.clear();
    }
    edge.restart();
    edge.get("/v1/tabs");
    assert_eq!(edge.get(&next).status, 200);
    assert_eq!((edge.cost.reads, edge.cost.rounds), (1, 1), "another isolate reads it once");
    edge.get(&next);
    assert_eq!(edge.cost.reads, 0);
    // After a day the store has deleted it, and isn't even asked.
    edge.restart();
    edge.store.values.remove(&numbered);
    edge.pass(DAY_MS + HOUR_MS);
    edge.get("/v1/tabs");
    let reply = edge.get(&next);
    assert_eq!((reply.status, edge.cost.reads), (410, 0));
}

#[test]
fn made_up_cursors_cost_few_reads() {
    use sinsang_core::surface::cursor::Cursor;
    let mut edge = warm();
    let body = ok(&edge.get("/v1/new?limit=5"));
    let cursor = Cursor::decode(body["next_cursor"].as_str().unwrap()).unwrap();
    edge.store.reads.clear();
    let began = edge.now;
    for back in 1..200 {
        let made_up = Cursor { pulse: edge.now.to_seconds() - back, ..cursor };
        edge.get(&format!("/v1/new?limit=5&cursor={}", made_up.encode()));
    }
    let seconds = usize::try_from(edge.now.since(began) / SECOND_MS).unwrap() + 2;
    let read = edge.store.reads.iter().filter(|key| key.starts_with("pulse/")).count();
    assert!(read > 0 && read <= 4 * seconds, "{read} reads in {seconds} s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Each page comes from one of two isolates, and the demand changes between them.
    #[test]
    fn pages_neither_repeat_nor_skip_while_the_pulse_changes(
        limit in 2_usize..9,
        wanted in proptest::collection::vec(proptest::collection::vec((any::<prop::sample::Index>(), 0_u16..900), 0..6), 30),
        isolates in proptest::collection::vec(any::<bool>(), 30),
        begins_without in any::<bool>(),
        is_signed_in in any::<bool>(),
    ) {
        let parts = parts(&Shape::DAY);
        let all: Vec<String> = parts.products.iter().map(|product| format!("{:016x}", product.id)).collect();
        let (mut first, mut second) = (warm(), warm());
        let ask = |target: &str| if is_signed_in { Ask::get(target).user("u000001") } else { Ask::get(target) };
        let change = |edges: [&mut Edge; 2], round: usize| {
            let mut products: Vec<(&String, u16)> = wanted[round].iter().map(|(index, buyers)| (&all[index.index(all.len())], *buyers)).collect();
            products.sort_unstable();
            products.dedup_by_key(|(id, _)| *id);
            let made_at = edges[0].now;
            let mut other = Edge::cold(made_at);
            write(&mut other, &products, made_at);
            for edge in edges {
                edge.now = made_at;
                edge.store.values.extend(other.store.values.clone());
                look(edge);
            }
        };
        if !begins_without {
            change([&mut first, &mut second], 0);
        }
        second.now = first.now;
        let whole = ids(&ok(&first.ask(&ask(NEW))));
        let mut seen = Vec::new();
        let mut target = format!("/v1/new?limit={limit}");
        for (round, is_first) in isolates.iter().enumerate().skip(1) {
            let edge = if *is_first { &mut first } else { &mut second };
            let body = ok(&edge.ask(&ask(&target)));
            prop_assert!(body["interrupted"].is_null());
            seen.extend(ids(&body));
            let Some(cursor) = body["next_cursor"].as_str() else { break };
            target = format!("/v1/new?limit={limit}&cursor={cursor}");
            change([&mut first, &mut second], round);
        }
        // Items that have ended meanwhile are omitted from their places.
        let mut left = seen.iter().peekable();
        for id in &whole {
            if left.peek() == Some(&id) {
                left.next();
            } else {
                let product = parts.products.iter().find(|product| format!("{:016x}", product.id) == *id).unwrap();
                prop_assert!(product.first.1 <= first.now, "{id} was skipped");
            }
        }
        prop_assert_eq!(left.next(), None, "something repeats, or stands elsewhere");
    }
}

#[test]
fn a_pulse_of_a_clock_that_runs_ahead_orders_nothing_and_keeps_no_later_one_out() {
    let mut edge = warm();
    let shared = list(&mut edge, NEW);
    let wanted = shared.last().unwrap();
    let now = edge.now;
    write(&mut edge, &[(wanted, 900)], now.plus(365 * DAY_MS));
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW), shared, "it is of next year");
    let now = edge.now;
    write(&mut edge, &[(wanted, 900)], now);
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW).first(), Some(wanted));

    // A pulse slightly ahead is within clock skew; one of a minute ago does not replace it.
    let now = edge.now.plus(30 * SECOND_MS);
    write(&mut edge, &[(&shared[0], 900)], now);
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW).first(), Some(&shared[0]));
    write(&mut edge, &[(wanted, 900)], now.plus(-MINUTE_MS));
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW).first(), Some(&shared[0]));
}
