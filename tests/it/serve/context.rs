//! Contexts: viewers without tastes get the leanings of viewers at the same time, from the same
//! province and on the same device class. Shared caches never give an answer to another context,
//! and a list continues in its first page's context.

use std::collections::BTreeSet;

use sinsang_core::context::{Context, week_part};
use sinsang_core::experiment::WHOLE;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::context::{ContextPart, Factor};
use sinsang_core::rank::HOUR_BUCKETS;
use sinsang_core::surface::cursor::Cursor;
use sinsang_core::time::{MINUTE_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, on_trial, parts, publish, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, ids, json, ok};

const SURFACES: [&str; 4] = ["/v1/new?limit=100", "/v1/live", "/v1/tabs", "/v1/home?limit=100"];
const SEOUL: Context = Context { region: 11, device: 1 };
const JEJU: Context = Context { region: 49, device: 4 };
const NOWHERE: Context = Context { region: 0, device: 0 };

/// A leaning to products like the one at `index`, with the tab at `index` first.
fn part(parts: &BoardParts, factor: Factor, value: u8, index: usize) -> ContextPart {
    let product = &parts.products[index];
    let mut leaning: Vec<u8> = product.vector.iter().map(|value| (value / 2).cast_unsigned()).collect();
    leaning.resize(leaning.len() + parts.channels.len() + HOUR_BUCKETS, 0);
    leaning.extend((0..parts.tabs.len()).map(|tab| if tab == index % parts.tabs.len() { 60 } else { 0 }));
    ContextPart { factor, value, leaning }
}

/// A board with leanings by time only, or with `differ` by province and device class too.
fn board(differ: bool) -> BoardParts {
    let mut parts = parts(&Shape::DAY);
    let mut contexts: Vec<ContextPart> =
        (0..16).map(|value| part(&parts, Factor::WeekPart, value, 3 * usize::from(value) + 1)).collect();
    if differ {
        let told =
            [(Factor::Region, 11, 5), (Factor::Region, 49, 20), (Factor::Device, 1, 33), (Factor::Device, 4, 50)];
        contexts.extend(told.map(|(factor, value, index)| part(&parts, factor, value, index)));
    }
    parts.mix.contexts = contexts;
    parts
}

fn published(parts: &BoardParts) -> Published {
    publish(parts, &Shape::DAY, &widths(parts), Vec::new())
}

/// A warm isolate on a Sunday morning, five minutes before a part of the week ends.
fn edge(parts: &BoardParts) -> Edge {
    let mut edge = Edge::with(&published(parts), at(BUILT_AT));
    edge.get("/v1/tabs");
    wait_until(&mut edge, "2026-11-22T08:55:00+09:00");
    edge
}

fn wait_until(edge: &mut Edge, time: &str) {
    edge.now = at(time);
    edge.saw_all();
}

fn from(target: &str, context: Context) -> Ask {
    Ask { context: Some(context), ..Ask::get(target) }
}

#[test]
fn each_context_has_an_order_of_its_own_that_nobody_else_is_handed() {
    let mut edge = edge(&board(true));
    for target in SURFACES {
        let mut seen = BTreeSet::new();
        for context in [SEOUL, JEJU, NOWHERE, Context { region: 11, device: 4 }, Context { region: 11, device: 0 }] {
            let reply = edge.ask(&from(target, context));
            let body = ok(&reply);
            assert_eq!(body["personalized"], false);
            let control = reply.header("Cache-Control").unwrap();
            assert!(control.starts_with("private, max-age="), "{target}: {control}");
            let etag = reply.header("ETag").unwrap();
            assert_eq!(edge.ask(&from(target, context).if_none_match(etag)).status, 304);
            seen.insert((reply.body.clone(), etag.to_owned()));
        }
        assert!(seen.len() == 5, "{target}: {} orders", seen.len());
    }
    // A province without leanings and an unknown device class equal no context.
    let unknown = Context { region: 26, device: 0 };
    let [one, other] = [unknown, NOWHERE].map(|context| ids(&ok(&edge.ask(&from("/v1/new?limit=100", context)))));
    assert_eq!(one, other);
    // A preview chooses its context, wherever it comes from.
    let chosen = from("/v1/new?limit=100&region=49&device_class=tv", SEOUL).preview(PREVIEW);
    let there = edge.ask(&from("/v1/new?limit=100", JEJU));
    assert_eq!(ids(&ok(&edge.ask(&chosen))), ids(&ok(&there)));
    let plain = edge.ask(&from("/v1/new?limit=100", SEOUL).preview(PREVIEW));
    assert_eq!(ids(&ok(&plain)), other);
    for wrong in ["region=4", "region=KR-49", "device_class=watch", "device_class="] {
        let refused = edge.ask(&Ask::get(format!("/v1/new?{wrong}")).preview(PREVIEW));
        assert_eq!(refused.status, 400, "{wrong}");
        assert!(wrong.starts_with(json(&refused)["parameter"].as_str().unwrap()), "{wrong}");
    }
    assert_eq!(edge.get("/v1/new?region=49").status, 403);
}

#[test]
fn where_the_time_alone_counts_one_answer_is_for_all_and_changes_with_the_part_of_the_week() {
    let mut edge = edge(&board(false));
    for target in SURFACES {
        let [one, other] = [SEOUL, JEJU].map(|context| edge.ask(&from(target, context)));
        assert!(one.header("Cache-Control").unwrap().starts_with("public, max-age="));
        assert_eq!(ok(&one)["personalized"], false);
        assert_eq!((one.header("ETag"), &one.body), (other.header("ETag"), &other.body), "{target}");
    }
    let live = |edge: &mut Edge| edge.get("/v1/live").header("ETag").map(str::to_owned);
    // No answer may be cached past the end of its part of the week.
    wait_until(&mut edge, "2026-11-22T08:59:45+09:00");
    let before = edge.get("/v1/new?limit=100");
    assert_eq!(before.header("Cache-Control"), Some("public, max-age=15"));
    let live_before = live(&mut edge);
    wait_until(&mut edge, "2026-11-22T09:00:00+09:00");
    let after = edge.get("/v1/new?limit=100");
    assert_ne!(week_part(edge.now), week_part(edge.now.plus(-1)));
    assert_ne!(ids(&ok(&before)), ids(&ok(&after)));
    assert_ne!(live_before, live(&mut edge));
}

#[test]
fn a_board_without_leanings_answers_as_before_wherever_one_comes_from() {
    let mut edge = edge(&parts(&Shape::DAY));
    for target in SURFACES {
        let [one, other] = [SEOUL, JEJU].map(|context| edge.ask(&from(target, context)));
        assert!(one.header("Cache-Control").unwrap().starts_with("public, max-age="));
        assert!(one == other, "{target}");
    }
    let cursor = ok(&edge.ask(&from("/v1/new?limit=2", SEOUL)))["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!((cursor.len(), Cursor::decode(&cursor).unwrap().context), (40, None), "as an older edge reads it");
}

#[test]
fn tastes_of_ones_own_count_alone_and_nobody_is_told_of_them_by_a_context() {
    let (with, without) = (board(true), parts(&Shape::DAY));
    let mut orders = Vec::new();
    for parts in [&with, &without] {
        let mut edge = edge(parts);
        for context in [SEOUL, JEJU] {
            let reply = edge.ask(&Ask { context: Some(context), ..Ask::get("/v1/new?limit=100").user("u000001") });
            assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
            assert_eq!(ok(&reply)["personalized"], true);
            orders.push(ids(&json(&reply)));
        }
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
    // A user without tastes gets the context's leanings, still as a private answer; a session
    // shifts it.
    let mut edge = edge(&with);
    let stranger = |target: &str| Ask { context: Some(SEOUL), ..Ask::get(target).user("a stranger") };
    let reply = edge.ask(&stranger("/v1/new?limit=100"));
    assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
    let shared = ids(&ok(&edge.ask(&from("/v1/new?limit=100", SEOUL))));
    assert_eq!((ids(&ok(&reply)), &ok(&reply)["personalized"]), (shared.clone(), &false.into()));
    let shifted = edge.ask(&from(&format!("/v1/new?limit=100&recent={}", shared.last().unwrap()), SEOUL));
    assert_eq!(shifted.header("Cache-Control"), Some("private, no-cache"));
    assert_eq!(ok(&shifted)["personalized"], true);
    assert_ne!(ids(&json(&shifted)), shared);
}

/// Follows a list to its end: the first page from `first`, all others from `other` and `later_ms`
/// later.
fn follow(edge: &mut Edge, mut target: String, first: Context, other: Context, later_ms: i64) -> Vec<String> {
    let (mut all, mut context) = (Vec::new(), first);
    loop {
        let body = ok(&edge.ask(&from(&target, context)));
        all.extend(ids(&body));
        let Some(cursor) = body["next_cursor"].as_str() else { return all };
        target = format!("/v1/new?limit=7&cursor={cursor}");
        if context == first {
            edge.pass(later_ms);
        }
        context = other;
    }
}

#[test]
fn a_list_goes_on_in_the_context_and_the_hour_that_it_began_in() {
    for differ in [true, false] {
        let mut edge = edge(&board(differ));
        wait_until(&mut edge, "2026-11-22T08:58:00+09:00");
        let whole = ids(&ok(&edge.ask(&from("/v1/new?limit=100", SEOUL))));
        assert!(whole.len() > 14);
        // Two minutes later the next part of the week has begun, and no first broadcast has ended.
        for (other, later_ms) in [(SEOUL, 2 * MINUTE_MS), (JEJU, 0), (JEJU, 2 * MINUTE_MS), (NOWHERE, 3 * MINUTE_MS)] {
            wait_until(&mut edge, "2026-11-22T08:58:00+09:00");
            assert_eq!(follow(&mut edge, "/v1/new?limit=7".to_owned(), SEOUL, other, later_ms), whole);
        }
    }
}

#[test]
fn a_list_that_began_without_a_context_goes_on_without() {
    let mut edge = edge(&board(true));
    let body = ok(&edge.ask(&from("/v1/new?limit=7", SEOUL)));
    let cursor = Cursor::decode(body["next_cursor"].as_str().unwrap()).unwrap();
    assert_eq!(cursor.context, Some(SEOUL));
    // A cursor of an older edge, which knew no contexts.
    let before = Cursor { context: None, offset: 0, ..cursor };
    let list = follow(&mut edge, format!("/v1/new?limit=7&cursor={}", before.encode()), SEOUL, JEJU, 0);
    let mut plain = self::edge(&parts(&Shape::DAY));
    assert_eq!(list, ids(&ok(&plain.ask(&from("/v1/new?limit=100", SEOUL)))));
}

#[test]
fn contexts_are_read_where_a_snapshot_on_trial_tells_them_apart() {
    let (live, next) = (published(&parts(&Shape::DAY)), published(&board(true)));
    for (first, second) in [(&live, &next), (&next, &live)] {
        let mut edge = Edge::with(&on_trial(first, second, WHOLE), at(BUILT_AT));
        edge.get("/v1/tabs");
        edge.pass(SECOND_MS);
        edge.get("/v1/tabs");
        assert!(edge.memory.missing_trial().is_none() && edge.memory.tells_contexts_apart());
        let ask = |context| Ask { context: Some(context), ..Ask::get("/v1/new").device("device-000000000001") };
        let [seoul, jeju] = [SEOUL, JEJU].map(|context| ids(&ok(&edge.ask(&ask(context)))));
        assert_eq!(seoul != jeju, second.snapshot == next.snapshot, "of the snapshot that the viewer gets");
    }
    let mut alone = Edge::with(&live, at(BUILT_AT));
    alone.get("/v1/tabs");
    assert!(!alone.memory.tells_contexts_apart());
}
