//! Pages of a frozen list: no item repeats or is skipped, whatever ends or is published in between.

use proptest::prelude::*;
use serde_json::Value;
use sinsang::breaker::PROBE_MAX_MS;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::time::{MINUTE_MS, SECOND_MS, UnixMillis};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, parts, publish, published, published_after, widths};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, json, ok};

fn ask(target: &str, user: Option<&str>) -> Ask {
    user.map_or_else(|| Ask::get(target), |user| Ask::get(target).user(user))
}

fn with_cursor(target: &str, body: &Value) -> Option<String> {
    body["next_cursor"].as_str().map(|cursor| {
        let joint = if target.contains('?') { '&' } else { '?' };
        format!("{target}{joint}cursor={cursor}")
    })
}

fn has_ended(parts: &BoardParts, id: &str, now: UnixMillis) -> bool {
    parts.products.iter().any(|product| format!("{:016x}", product.id) == id && product.first.1 <= now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn all_pages_together_are_the_unpaged_list(
        limits in proptest::collection::vec(1_usize..9, 1..6),
        minutes in proptest::collection::vec(0_i64..45, 1..6),
        filter in 0_usize..4,
        is_soonest in any::<bool>(),
        user in 0_usize..3,
        opens in 0_i64..600,
    ) {
        let parts = parts(&Shape::DAY);
        let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT).plus(opens * MINUTE_MS));
        let user = [None, Some("u000001"), Some("stranger")][user];
        let filter = ["", "&channel=ch-03", "&category=%EC%8B%9D%ED%92%88", "&category=%EB%B7%B0%ED%8B%B0&channel=ch-00"][filter];
        let sort = if is_soonest { "sort=soonest" } else { "sort=recommended" };
        edge.ask(&ask("/v1/tabs", user));
        let whole = ids(&ok(&edge.ask(&ask(&format!("/v1/new?{sort}{filter}&limit=100"), user))));

        let mut seen: Vec<String> = Vec::new();
        let mut place = 0;
        let mut target = format!("/v1/new?{sort}{filter}&limit={}", limits[0]);
        for round in 0.. {
            let body = ok(&edge.ask(&ask(&target, user)));
            prop_assert_eq!(body["total"].as_u64(), u64::try_from(whole.len()).ok());
            let limit = limits[round % limits.len()];
            let page = ids(&body);
            prop_assert!(page.len() <= limit);
            // The page is the next part of the list, without items that had ended by the time of
            // the request.
            let mut expected = Vec::new();
            while place < whole.len() && expected.len() < limit {
                if !has_ended(&parts, &whole[place], edge.now) {
                    expected.push(whole[place].clone());
                }
                place += 1;
            }
            prop_assert_eq!(&page, &expected);
            seen.extend(page);
            let is_more = whole[place..].iter().any(|id| !has_ended(&parts, id, edge.now));
            prop_assert_eq!(body["next_cursor"].is_string(), is_more);
            edge.pass(minutes[round % minutes.len()] * MINUTE_MS);
            let next_limit = limits[(round + 1) % limits.len()];
            match with_cursor(&format!("/v1/new?{sort}{filter}&limit={next_limit}"), &body) {
                Some(next) => target = next,
                None => break,
            }
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), seen.len(), "none repeats");
    }
}

#[test]
fn the_cursor_of_home_goes_on_in_the_new_product_tab() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    for user in [None, Some("u000002")] {
        let whole = ids(&ok(&edge.ask(&ask("/v1/new?limit=100", user))));
        let home = ok(&edge.ask(&ask("/v1/home?limit=4", user)));
        let rest = with_cursor("/v1/new?limit=100", &home["new"]).unwrap();
        let rest = ids(&ok(&edge.ask(&ask(&rest, user))));
        assert_eq!([ids(&home["new"]), rest].concat(), whole);
    }
}

/// The whole list, its first page from `first`, and the request for the next page.
fn first_page(edge: &mut Edge, user: Option<&str>) -> (Vec<String>, Vec<String>, String) {
    let whole = ids(&ok(&edge.ask(&ask("/v1/new?limit=100", user))));
    let first = ok(&edge.ask(&ask("/v1/new?limit=5", user)));
    (whole, ids(&first), with_cursor("/v1/new?limit=100", &first).unwrap())
}

fn two_snapshots() -> (Published, Published) {
    let first = published(&Shape::DAY);
    let second = published_after(&Shape::DAY, &first);
    (first, second)
}

#[test]
fn paging_goes_on_over_a_publish_from_memory_and_from_the_kept_manifest() {
    for user in [None, Some("u000001")] {
        for is_cold in [false, true] {
            let (before, after) = two_snapshots();
            let mut edge = Edge::with(&before, at(BUILT_AT));
            let (whole, first, next) = first_page(&mut edge, user);
            edge.store.publish(&after);
            if is_cold {
                edge.restart();
            } else {
                edge.pass(MINUTE_MS);
                edge.get("/v1/tabs");
            }
            let fresh = edge.ask(&ask("/v1/new?limit=100", user));
            assert_eq!(fresh.header("Sinsang-Snapshot"), Some(after.snapshot.to_string().as_str()));
            assert_ne!(ids(&ok(&fresh)), whole, "the new snapshot has another order");
            let rest = edge.ask(&ask(&next, user));
            assert_eq!(rest.header("Sinsang-Snapshot"), Some(before.snapshot.to_string().as_str()));
            assert_eq!(edge.cost.reads > 0, is_cold, "{user:?}");
            let expected: Vec<String> = whole.iter().skip(5).cloned().collect();
            let rest = ids(&ok(&rest));
            let gone: Vec<&String> = expected.iter().filter(|id| !rest.contains(id)).collect();
            assert!(gone.iter().all(|id| has_ended(&parts(&Shape::DAY), id, edge.now)), "{gone:?}");
            assert_eq!(rest, expected.iter().filter(|id| !gone.contains(id)).cloned().collect::<Vec<_>>());
            assert_eq!(first, whole[..5]);
            assert_eq!(edge.memory.current().unwrap().id(), after.snapshot, "the kept one is beside the current one");
        }
    }
}

#[test]
fn a_cursor_of_a_newer_snapshot_than_the_isolate_has_makes_it_look() {
    let (before, after) = two_snapshots();
    let mut other = Edge::with(&after, at(BUILT_AT));
    let (whole, _, next) = first_page(&mut other, Some("u000003"));
    let mut edge = Edge::with(&before, at(BUILT_AT));
    edge.ask(&Ask::get("/v1/tabs").user("u000003"));
    edge.store.publish(&after);
    let early = edge.ask(&Ask::get(&next).user("u000003"));
    assert_eq!(ok(&early)["interrupted"], true, "not twice in a second, whoever makes cursors up");
    edge.pass(2 * SECOND_MS);
    let rest = edge.ask(&Ask::get(next).user("u000003"));
    assert_eq!(ids(&ok(&rest)), whole[5..]);
    assert_eq!(edge.memory.current().unwrap().id(), after.snapshot);
}

#[test]
fn a_cursor_whose_snapshot_is_no_longer_kept_is_gone() {
    let (before, _) = two_snapshots();
    let mut edge = Edge::with(&before, at(BUILT_AT));
    let (_, _, next) = first_page(&mut edge, None);
    let unlinked = {
        let mut parts = parts(&Shape::DAY);
        parts.built_at = parts.built_at.plus(1);
        publish(&parts, &Shape::DAY, &widths(&parts), Vec::new())
    };
    edge.restart();
    edge.store.publish(&unlinked);
    edge.get("/v1/tabs");
    edge.pass(2 * SECOND_MS);
    let gone = edge.get(&next);
    assert_eq!((gone.status, json(&gone)["type"].as_str()), (410, Some("/problems/cursor-gone")));
    assert_eq!(json(&gone)["parameter"], "cursor");
    assert_eq!(gone.header("Cache-Control"), Some("no-store"));
    assert_eq!(edge.cost.reads, 1, "one look at the live manifest");
}

#[test]
fn a_list_of_a_kept_snapshot_that_cannot_be_read_stops_and_harms_nobody_else() {
    for fault in [Fault::Error, Fault::Timeout, Fault::Missing, Fault::Flipped] {
        for kind in [Kind::Manifest, Kind::Board] {
            let (before, after) = two_snapshots();
            let mut edge = Edge::with(&before, at(BUILT_AT));
            let (_, _, next) = first_page(&mut edge, None);
            edge.restart();
            edge.store.publish(&after);
            let id = if kind == Kind::Manifest { before.manifest_id } else { before.board };
            edge.store.faults.insert(Key::Pack(kind, id).to_string(), fault);
            edge.store.cached.clear();
            assert_eq!(ok(&edge.get(&next))["interrupted"], true, "{fault:?} {kind:?}");
            assert_eq!(ok(&edge.get("/v1/new"))["snapshot"]["id"], after.snapshot.to_string());
        }
    }
}

#[test]
fn a_kept_snapshot_is_read_once_for_all_its_lists_and_left_alone_for_a_while_where_it_is_not_to_be_had() {
    let (before, after) = two_snapshots();
    let mut edge = Edge::with(&before, at(BUILT_AT));
    let (_, _, next) = first_page(&mut edge, None);
    edge.restart();
    edge.store.publish(&after);
    edge.get("/v1/new");
    edge.store.reads.clear();
    let (replies, _) = edge.ask_together(&vec![Ask::get(next.as_str()); 50]);
    assert!(replies.iter().all(|reply| ok(reply)["snapshot"]["id"] == before.snapshot.to_string()));
    assert_eq!(edge.store.reads.len(), 2, "{:?}", edge.store.reads);

    for fault in [Fault::Missing, Fault::Flipped, Fault::Cut(40)] {
        for id in [before.manifest_id, before.board] {
            edge.restart();
            edge.store.cached.clear();
            edge.store.faults.clear();
            edge.get("/v1/new");
            edge.store.faults.insert(Key::Pack(Kind::Board, id).to_string(), fault);
            // Nor is the live manifest looked up for each of them, even though it is unavailable
            // too.
            edge.store.faults.insert(Key::Live.to_string(), fault);
            edge.store.reads.clear();
            for _ in 0..100 {
                assert_eq!(ok(&edge.get(&next))["interrupted"], true, "{fault:?}");
            }
            assert!(edge.store.reads.len() <= 3, "{fault:?}: {:?}", edge.store.reads);
            edge.store.faults.clear();
            edge.pass(PROBE_MAX_MS);
            assert_eq!(ok(&edge.get(&next))["snapshot"]["id"], before.snapshot.to_string(), "{fault:?}");
        }
    }
}

#[test]
fn a_list_that_began_in_the_shared_order_goes_on_in_it() {
    let snapshot = published(&Shape::DAY);
    let shard = Key::Pack(Kind::Tastes, snapshot.shard_of("u000001").unwrap()).to_string();
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    edge.store.faults.insert(shard, Fault::Error);
    let (whole, first, next) = first_page(&mut edge, Some("u000001"));
    edge.store.faults.clear();
    let rest = ok(&edge.ask(&Ask::get(next).user("u000001")));
    assert_eq!(rest["personalized"], false);
    assert_eq!([first, ids(&rest)].concat(), whole);
    assert_eq!(ok(&edge.ask(&Ask::get("/v1/new").user("u000001")))["personalized"], true, "the next list is theirs");
}

#[test]
fn a_personal_list_whose_tastes_cannot_be_read_stops_rather_than_going_on_in_another_order() {
    let snapshot = published(&Shape::DAY);
    let shard = Key::Pack(Kind::Tastes, snapshot.shard_of("u000001").unwrap()).to_string();
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let (_, _, next) = first_page(&mut edge, Some("u000001"));
    edge.restart();
    edge.store.cached.remove(&shard);
    edge.store.faults.insert(shard, Fault::Timeout);
    let stopped = ok(&edge.ask(&Ask::get(next).user("u000001")));
    assert_eq!((&stopped["interrupted"], &stopped["items"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(ok(&edge.ask(&Ask::get("/v1/new").user("u000001")))["personalized"], false);
}

#[test]
fn a_cursor_belongs_to_its_question_and_its_viewer() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    let body = ok(&edge.ask(&Ask::get("/v1/new?limit=2").user("u000001")));
    let cursor = body["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(edge.ask(&Ask::get(format!("/v1/new?limit=9&cursor={cursor}")).user("u000001")).status, 200);
    let foreign = [
        Ask::get(format!("/v1/new?cursor={cursor}")),
        Ask::get(format!("/v1/new?cursor={cursor}")).user("u000002"),
        Ask::get(format!("/v1/new?sort=soonest&cursor={cursor}")).user("u000001"),
        Ask::get(format!("/v1/new?channel=ch-01&cursor={cursor}")).user("u000001"),
        Ask::get(format!("/v1/new?category=a&cursor={cursor}")).user("u000001"),
    ];
    for ask in foreign {
        let reply = edge.ask(&ask);
        assert_eq!((reply.status, json(&reply)["parameter"].as_str()), (400, Some("cursor")), "{ask:?}");
    }
}

#[test]
fn a_preview_of_any_year_pages_without_repeats() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    for year in ["0001", "1899", "1969", "1970", "2026", "2199", "9999"] {
        let target = format!("/v1/new?as_of={year}-07-01T12:00:00.5Z&viewer=u000001");
        let whole = ids(&ok(&edge.ask(&Ask::get(format!("{target}&limit=100")).preview(PREVIEW))));
        let mut seen = Vec::new();
        let mut next = Some(format!("{target}&limit=7"));
        while let Some(target_now) = next {
            let body = ok(&edge.ask(&Ask::get(target_now).preview(PREVIEW)));
            seen.extend(ids(&body));
            next = with_cursor(&format!("{target}&limit=7"), &body);
        }
        assert_eq!(seen, whole, "{year}");
    }
}
