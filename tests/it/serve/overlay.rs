//! The overlay at the edge: what operators say is there with the next look, costs a warm request no
//! read, makes no list repeat or skip, and is no worse than older where it can't be read.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;
use sinsang::memory::{Memory, OVERLAY_STALE_MS, OverlayTurn};
use sinsang::serve::Refresh;
use sinsang_core::directive::Deed;
use sinsang_core::key::Key;
use sinsang_core::overlay::{Change, Entry, Subject};
use sinsang_core::pack::board_write::{BoardParts, ProductPart};
use sinsang_core::pack::overlay::write;
use sinsang_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;

use crate::overlay::{always, key, replace};
use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, published};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, ok};

const NEW: &str = "/v1/new?limit=100";

fn say(edge: &mut Edge, entries: &[Entry<'_>], revision: u32) {
    let bytes = write(entries, revision, edge.now).unwrap();
    edge.store.values.insert(Key::Overlay.to_string(), bytes);
}

fn hide(id: u32, product: &str) -> Entry<'static> {
    Entry { since: id, ..always(id, Change::Hide(Subject::Product(number(product)))) }
}

fn number(product: &str) -> u64 {
    u64::from_str_radix(product, 16).unwrap()
}

fn warm() -> Edge {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT).plus(6 * HOUR_MS));
    edge.get("/v1/home");
    edge
}

/// A background look, as in a busy isolate.
fn look(edge: &mut Edge) {
    edge.pass(32 * SECOND_MS);
    edge.get("/v1/tabs");
    assert!(edge.cost.background > 0);
}

fn list(edge: &mut Edge, target: &str) -> Vec<String> {
    ids(&ok(&edge.get(target)))
}

#[test]
fn what_is_hidden_is_gone_with_the_next_look_and_a_warm_request_reads_nothing() {
    let mut edge = warm();
    let (before, live) = (edge.get(NEW), list(&mut edge, "/v1/live"));
    let shown = ids(&ok(&before));
    say(&mut edge, &[hide(1, &shown[0]), hide(2, &live[0])], 2);
    assert_eq!(list(&mut edge, NEW), shown, "nobody has looked yet");
    look(&mut edge);
    edge.store.reads.clear();
    let after = edge.get(NEW);
    let gone = [&shown[0], &live[0]];
    assert!(ids(&ok(&after)).iter().chain(&list(&mut edge, "/v1/live")).all(|id| !gone.contains(&id)));
    assert_eq!(ok(&after)["total"], shown.iter().filter(|id| !gone.contains(id)).count());
    assert_ne!(before.header("ETag"), after.header("ETag"));
    assert!(edge.store.reads.is_empty(), "{:?}", edge.store.reads);
    let status = &ok(&edge.get("/v1/status"))["overlay"];
    assert_eq!((&status["revision"], &status["standing"], &status["refused"]), (&2.into(), &2.into(), &Value::Null));
    let preview = edge.ask(&Ask::get(NEW).preview(PREVIEW));
    assert_eq!(preview.header("Sinsang-Overlay"), Some("2"), "the page takes the same one");

    // Taken back: all is as it was, and validators too.
    let removed = [1, 2].map(|id| Entry { removed: Some(3), ..hide(id, gone[usize::try_from(id).unwrap() - 1]) });
    say(&mut edge, &removed, 3);
    look(&mut edge);
    assert_eq!(list(&mut edge, NEW), shown);
}

#[test]
fn an_isolate_that_nobody_asked_for_a_while_looks_before_it_answers() {
    let mut edge = warm();
    let shown = list(&mut edge, NEW);
    say(&mut edge, &[hide(1, &shown[0])], 1);
    edge.pass(OVERLAY_STALE_MS + SECOND_MS);
    assert!(!list(&mut edge, NEW).contains(&shown[0]));
    assert_eq!(edge.cost.reads, 1);
    // Not once a request if the store fails, and what is known goes on.
    edge.store.outage = Some(Fault::Error);
    edge.pass(OVERLAY_STALE_MS + SECOND_MS);
    let mut reads = 0;
    for _ in 0..20 {
        assert!(!list(&mut edge, NEW).contains(&shown[0]));
        reads += edge.cost.reads;
    }
    assert!(reads <= 2, "{reads}");
}

#[test]
fn nobody_waits_for_a_look_that_an_open_breaker_keeps_from_being_made() {
    let (mut memory, now) = (Memory::seeded(1), at(BUILT_AT));
    (0..3).for_each(|_| memory.store.failed(now));
    assert!(memory.store.is_open());
    let read = Refresh::begin(400).next(&mut memory, now);
    assert!(read.is_none_or(|read| read.key != Key::Overlay), "{read:?}");
    assert_eq!(memory.overlays.take_look(now), OverlayTurn::Nobody);
}

#[test]
fn entries_begin_and_end_by_the_clock_and_no_answer_is_shared_past_that() {
    let mut edge = warm();
    let shown = list(&mut edge, NEW);
    let from = edge.now.plus(5 * MINUTE_MS).floor(SECOND_MS);
    let until = from.plus(MINUTE_MS);
    say(&mut edge, &[Entry { from, until, ..hide(1, &shown[0]) }], 1);
    look(&mut edge);
    for (second, is_there) in [(-8, true), (-1, true), (0, false), (52, false), (59, false), (60, true)] {
        edge.now = from.plus(second * SECOND_MS);
        edge.saw_all();
        let reply = edge.get(NEW);
        assert_eq!(ids(&ok(&reply)).contains(&shown[0]), is_there, "{second}");
        let most = if second < 0 {
            -second
        } else if second < 60 {
            60 - second
        } else {
            20
        };
        let max_age: i64 = reply.header("Cache-Control").unwrap().rsplit_once('=').unwrap().1.parse().unwrap();
        assert!(max_age <= most.min(20), "{second}: {max_age}");
        assert!(reply.stands_until.unwrap().since(edge.now) <= most * SECOND_MS);
    }
    // A preview shows what stands at its time.
    let preview = |edge: &mut Edge, time: UnixMillis| {
        let as_of = time.to_string().replace('+', "%2B");
        ids(&ok(&edge.ask(&Ask::get(format!("{NEW}&as_of={as_of}")).preview(PREVIEW)))).contains(&shown[0])
    };
    assert_eq!([preview(&mut edge, from), preview(&mut edge, until)], [false, true]);
}

#[test]
fn a_damaged_overlay_leaves_the_last_good_one_and_a_missing_one_is_none() {
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing, Fault::Flipped, Fault::Cut(10)] {
        let mut edge = warm();
        let shown = list(&mut edge, NEW);
        say(&mut edge, &[hide(1, &shown[0])], 1);
        edge.store.faults.insert(Key::Overlay.to_string(), fault);
        look(&mut edge);
        let reply = edge.get(NEW);
        assert_eq!((ids(&ok(&reply)), reply.header("Sinsang-Rung")), (shown.clone(), Some("isolate")), "{fault:?}");
        let refused = |edge: &mut Edge| ok(&edge.get("/v1/status"))["overlay"]["refused"].clone();
        assert_eq!(refused(&mut edge).is_string(), matches!(fault, Fault::Flipped | Fault::Cut(_)), "{fault:?}");
        edge.store.faults.clear();
        edge.pass(6 * SECOND_MS);
        look(&mut edge);
        let known = list(&mut edge, NEW);
        assert!(!known.contains(&shown[0]), "{fault:?}");
        assert_eq!(refused(&mut edge), Value::Null);
        edge.store.faults.insert(Key::Overlay.to_string(), fault);
        edge.pass(6 * SECOND_MS);
        look(&mut edge);
        assert_eq!(list(&mut edge, NEW), known, "{fault:?}: the last good one stays");
        // An older one that the store gives again is not the latest.
        edge.store.faults.clear();
        edge.now = edge.now.plus(-HOUR_MS);
        let late = write(&[], 0, edge.now).unwrap();
        edge.now = edge.now.plus(HOUR_MS);
        edge.store.values.insert(Key::Overlay.to_string(), late);
        look(&mut edge);
        assert_eq!(list(&mut edge, NEW), known);
    }
}

#[test]
fn a_cold_isolate_without_a_store_takes_what_another_one_left() {
    let mut edge = warm();
    let shown = list(&mut edge, NEW);
    say(&mut edge, &[hide(1, &shown[0])], 1);
    look(&mut edge);
    edge.store.outage = Some(Fault::Error);
    edge.restart();
    let reply = edge.get(NEW);
    assert_eq!(reply.header("Sinsang-Rung"), Some("cache"));
    assert!(!ids(&ok(&reply)).contains(&shown[0]));
}

/// A change of the overlay that may come while a list is being paged through.
fn change(parts: &BoardParts, shown: &[String], what: usize, pick: usize) -> Change<'static> {
    let product = number(&shown[pick % shown.len()]);
    let slot = parts.slots.iter().find(|slot| slot.product == product).unwrap();
    match what {
        0 => Change::Hide(Subject::Product(product)),
        1 => Change::SoldOut(Subject::Product(product)),
        2 => Change::Direct(product, Deed::Pin(0), 1, "규칙"),
        3 => Change::Cancel(key(parts, slot)),
        _ => {
            let mut later = slot.clone();
            (later.starts_at, later.ends_at) = (slot.starts_at.plus(2 * HOUR_MS), slot.ends_at.plus(2 * HOUR_MS));
            replace(parts, slot, &later)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn lists_go_on_as_they_began_without_what_is_hidden_since(
        before in proptest::collection::vec((0_usize..5, any::<usize>()), 0..3),
        during in proptest::collection::vec((0_usize..5, any::<usize>(), any::<bool>()), 1..6),
        limit in 1_usize..6,
    ) {
        let parts = parts(&Shape::DAY);
        let mut edge = warm();
        let shown = list(&mut edge, NEW);
        let mut entries: Vec<Entry<'static>> = Vec::new();
        for ((what, pick), id) in before.into_iter().zip(1..) {
            entries.push(always(id, change(&parts, &shown, what, pick)));
        }
        let mut revision = 1;
        say(&mut edge, &entries, revision);
        look(&mut edge);
        let whole = list(&mut edge, NEW);
        prop_assume!(whole.len() > 2 * limit);
        let frozen_at = edge.now;
        let mut paged: Vec<String> = Vec::new();
        let mut target = format!("/v1/new?limit={limit}");
        let mut during = during.into_iter();
        loop {
            let reply = edge.get(&target);
            let body = ok(&reply);
            prop_assert!(body.get("interrupted").is_none());
            let page = ids(&body);
            // Nothing that is gone by now is on the page.
            let now: BTreeSet<String> = list(&mut edge, NEW).into_iter().collect();
            prop_assert!(page.iter().all(|id| now.contains(id)), "{:?}", &entries);
            paged.extend(page);
            let Some(cursor) = body["next_cursor"].as_str() else { break };
            target = format!("/v1/new?limit={limit}&cursor={cursor}");
            if let Some((what, pick, is_removal)) = during.next() {
                revision += 1;
                match entries.iter_mut().find(|entry| entry.removed.is_none()) {
                    Some(entry) if is_removal => entry.removed = Some(revision),
                    _ => {
                        let entry = always(100 + revision, change(&parts, &shown, what, pick));
                        entries.push(Entry { since: revision, ..entry });
                    }
                }
                say(&mut edge, &entries, revision);
                // Another isolate goes on with the list, or this one has looked.
                if is_removal { edge.restart() } else { look(&mut edge) }
            }
        }
        let distinct: BTreeSet<&String> = paged.iter().collect();
        prop_assert_eq!(distinct.len(), paged.len(), "nothing repeats");
        let places: Vec<Option<usize>> = paged.iter().map(|id| whole.iter().position(|one| one == id)).collect();
        prop_assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{:?}", places);
        let now: BTreeSet<String> = list(&mut edge, NEW).into_iter().collect();
        let has_ended = |id: &String| {
            let product = parts.products.iter().find(|product| format!("{:016x}", product.id) == **id).unwrap();
            product.first.1 <= edge.now
        };
        // What was there all the time was on a page. (A product may have been hidden and shown
        // again.)
        let touched: BTreeSet<u64> = entries.iter().filter_map(|entry| about(&entry.change)).collect();
        for id in whole.iter().filter(|id| now.contains(*id) && !touched.contains(&number(id)) && !has_ended(id)) {
            prop_assert!(paged.contains(id), "{} of {} is skipped: {:?}", id, frozen_at, &entries);
        }
    }
}

fn about(change: &Change<'_>) -> Option<u64> {
    match change {
        Change::Hide(Subject::Product(id))
        | Change::SoldOut(Subject::Product(id))
        | Change::Price(Subject::Product(id), _)
        | Change::Note(id, _)
        | Change::Direct(id, ..) => Some(*id),
        Change::Cancel(key) | Change::Replace(key, _) => key.product,
        _ => None,
    }
}

#[test]
fn made_up_cursors_cost_a_few_reads_and_boards_a_second() {
    let mut edge = warm();
    let shown = list(&mut edge, NEW);
    let entries: Vec<Entry<'static>> = (1..40)
        .map(|id| Entry { since: id, ..always(id, Change::Note(number(&shown[0]), id.to_string().leak())) })
        .collect();
    say(&mut edge, &entries, 39);
    look(&mut edge);
    let cursor = ok(&edge.get("/v1/new?limit=1"))["next_cursor"].clone();
    let cursor = sinsang_core::surface::cursor::Cursor::decode(cursor.as_str().unwrap()).unwrap();
    let (mut reads, mut cut) = (0, 0);
    for revision in 1..100 {
        let made_up = sinsang_core::surface::cursor::Cursor { overlay: revision, ..cursor }.encode();
        let reply = edge.get(&format!("/v1/new?limit=1&cursor={made_up}"));
        assert_eq!(reply.status, 200);
        reads += edge.cost.reads;
        cut += usize::from(ok(&reply)["interrupted"] == true);
    }
    assert!(reads <= 8 && cut > 80, "{reads} reads, {cut} cut");
}

#[test]
fn a_product_whose_only_broadcast_is_cancelled_has_not_aired_and_one_that_moved_is_still_new() {
    let parts = parts(&Shape::DAY);
    let mut edge = warm();
    let now = edge.now;
    let own = |id: u64| parts.slots.iter().filter(move |slot| slot.product == id);
    let is_alone =
        |one: &ProductPart| own(one.id).all(|slot| slot.starts_at == one.first.0 || slot.starts_at > one.first.1);
    let product = parts
        .products
        .iter()
        .find(|one| {
            one.verdict == VerdictKind::New && one.first.0 < now && one.first.1 > now.plus(MINUTE_MS) && is_alone(one)
        })
        .expect("a first broadcast is on air");
    let first = own(product.id).find(|slot| slot.starts_at == product.first.0).unwrap();
    let id = format!("{:016x}", product.id);
    let item = |edge: &mut Edge| {
        let body = ok(&edge.get(NEW));
        body["items"].as_array().unwrap().iter().find(|item| item["product_id"] == id.as_str()).cloned()
    };
    assert_eq!(item(&mut edge).unwrap()["on_air"], true);
    // It moves by a day: it is still to come then, though its old time is over.
    let mut moved = first.clone();
    (moved.starts_at, moved.ends_at) = (first.starts_at.plus(20 * HOUR_MS), first.ends_at.plus(20 * HOUR_MS));
    say(&mut edge, &[always(1, replace(&parts, first, &moved))], 1);
    look(&mut edge);
    edge.now = product.first.1.plus(MINUTE_MS);
    edge.saw_all();
    let after = item(&mut edge).expect("it has not aired");
    assert_eq!((&after["verdict"]["kind"], &after["on_air"]), (&"new".into(), &false.into()));
    // All of its broadcasts are cancelled: there is nothing to show.
    let cancelled: Vec<Entry<'static>> = own(product.id)
        .zip(1..)
        .map(|(slot, id)| Entry { since: 2, ..always(id, Change::Cancel(key(&parts, slot))) })
        .collect();
    say(&mut edge, &cancelled, 2);
    look(&mut edge);
    assert_eq!(item(&mut edge), None);
}
