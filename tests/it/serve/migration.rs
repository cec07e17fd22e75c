//! Formats 1 and 2 side by side: an edge reads both, whichever is live and whichever continued
//! lists need, and an edge that knows only the first is not harmed.

use serde_json::Value;
use sinsang::memory::REFRESH_MS;
use sinsang_core::key::Key;
use sinsang_core::pack::Format;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::rank;
use sinsang_core::time::{HOUR_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, publish, users, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, ids, ok};
use crate::support::experiment::{in_the_second_format, published_of, tried};
use crate::support::golden::pulse_of;

const SHAPE: Shape = Shape { seed: 29, channels: 6, products: 40, hours: 20, tabs: 5, users: 12, shard_bits: 1 };

fn board(published: &Published) -> &[u8] {
    published.pack(Key::Pack(sinsang_core::pack::Kind::Board, published.board))
}

/// `parts` built `minutes` after `before`, which its manifest keeps.
fn after(before: &Published, mut parts: BoardParts, minutes: i64) -> Published {
    parts.built_at = before.built_at.plus(minutes * 60 * SECOND_MS);
    let kept = Manifest::parse(before.manifest.clone()).unwrap();
    let previous = std::iter::once(before.as_beside()).chain(kept.previous()).take(4).collect();
    publish(&parts, &SHAPE, &widths(&parts), previous)
}

/// An isolate that has seen the snapshot and a pulse of its products.
fn warm(published: &Published) -> Edge {
    let mut edge = Edge::with(published, at(BUILT_AT));
    edge.store.values.extend(pulse_of(board(published), at(BUILT_AT)).1);
    edge.get("/v1/tabs");
    look(&mut edge);
    edge
}

/// Lets time pass and the background looks happen, as in a busy isolate.
fn look(edge: &mut Edge) {
    for _ in 0..2 {
        edge.pass(REFRESH_MS + 2 * SECOND_MS);
        edge.get("/v1/tabs");
    }
}

/// Viewers: anonymous, users with and without tastes, devices.
fn viewers() -> Vec<Ask> {
    let known = users(&SHAPE).into_iter().take(3).chain(["stranger".to_owned()]);
    let devices = (0..8).map(|number| Ask::get("").device(&format!("device-number-{number:04}")));
    std::iter::once(Ask::get("")).chain(known.map(|user| Ask::get("").user(&user))).chain(devices).collect()
}

fn asked(viewer: &Ask, target: &str) -> Ask {
    let ask = Ask { target: target.to_owned(), ..viewer.clone() };
    if target.contains("explain") { ask.preview(PREVIEW) } else { ask }
}

#[test]
fn a_snapshot_in_either_format_is_answered_from_alike_where_the_weights_agree() {
    let parts = tried(&SHAPE);
    let first = published_of(&parts, &SHAPE);
    let second = published_of(&BoardParts { format: Format::Two, ..parts }, &SHAPE);
    assert_ne!((first.board, first.snapshot), (second.board, second.snapshot));
    let names = |published: &Published| published.packs.keys().cloned().collect::<Vec<_>>();
    let other: Vec<_> = names(&second).into_iter().filter(|name| !names(&first).contains(name)).collect();
    assert_eq!(other.len(), 2, "board and manifest have other names, tastes the same: {other:?}");
    let mut edges = [warm(&first), warm(&second)];
    let (mut answers, mut differing) = (0, 0);
    for hours in [0, 2] {
        for viewer in viewers() {
            for target in
                ["/v1/new?limit=7", "/v1/new?explain=1", "/v1/live?explain=1", "/v1/tabs", "/v1/home", "/v1/status"]
            {
                let mut target = target.to_owned();
                // ... and then through the pages.
                loop {
                    let replies = [0, 1].map(|place: usize| {
                        let edge = &mut edges[place];
                        edge.now = at(BUILT_AT).plus(hours * HOUR_MS + 70 * SECOND_MS);
                        let cursor = target.split_once(" then ");
                        let asks = cursor.map_or(target.clone(), |(target, cursors)| {
                            format!("{target}&cursor={}", cursors.split(' ').nth(place).unwrap())
                        });
                        edge.ask(&asked(&viewer, &asks))
                    });
                    let [one, two] = replies.each_ref().map(ok);
                    let [mut is, mut was] = [one.clone(), two.clone()];
                    for (body, own) in [(&mut is, &first), (&mut was, &second)] {
                        assert_eq!(body["snapshot"]["id"].take(), own.snapshot.to_string());
                        let cursor = body.get_mut("next_cursor").map(Value::take);
                        body["goes on"] = cursor.is_some_and(|cursor| cursor.is_string()).into();
                        // The isolate's memory includes the boards' bytes, which differ.
                        body["memory"].take();
                    }
                    assert_eq!(is, was, "{target}");
                    for header in ["Sinsang-Experiments", "Sinsang-Rung", "Cache-Control", "Vary"] {
                        assert_eq!(replies[0].header(header), replies[1].header(header), "{target}");
                    }
                    differing += usize::from(replies[0].header("ETag") != replies[1].header("ETag"));
                    answers += 1;
                    let next = [&one, &two].map(|body| body["next_cursor"].as_str().map(str::to_owned));
                    let [Some(one), Some(two)] = next else { break };
                    let plain = target.split_once(" then ").map_or(target.as_str(), |(plain, _)| plain);
                    target = format!("{plain} then {one} {two}");
                }
            }
        }
    }
    assert!(answers > 150 && differing > 100, "{answers} answers, {differing} ETags");
}

#[test]
fn boards_of_the_second_format_say_what_the_pulse_weighs_on_each_surface_and_in_each_variant() {
    let parts = in_the_second_format(tried(&SHAPE));
    let mut edge = warm(&published_of(&parts, &SHAPE));
    let mut seen = std::collections::BTreeMap::new();
    for viewer in viewers() {
        for (surface, target) in [("new", "/v1/new?explain=1"), ("live", "/v1/live?explain=1")] {
            // The second experiment begins an hour after the build.
            edge.now = at(BUILT_AT).plus(5 * 60 * SECOND_MS);
            let reply = edge.ask(&asked(&viewer, target));
            let header = reply.header("Sinsang-Experiments").unwrap_or_default().to_owned();
            let weight = match surface {
                "new" if header.contains("soon-first=soon") => 2_000,
                "new" => 120,
                _ => -7,
            };
            for item in ok(&reply)["items"].as_array().unwrap() {
                let Some(part) = item["why"]["parts"]["pulse"].as_i64() else { continue };
                let index = parts.products.iter().map(|product| product.id).collect::<std::collections::BTreeSet<_>>();
                let id = u64::from_str_radix(item["product_id"].as_str().unwrap(), 16).unwrap();
                let place = index.iter().position(|own| *own == id).unwrap();
                let buyers = u32::try_from(place + 1).unwrap();
                assert_eq!(part, weight * rank::pulse(16 * buyers), "{surface} {header}");
                *seen.entry((surface, weight)).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [("live", -7), ("new", 120), ("new", 2_000)], "{seen:?}");

    // With weight 0, the order is the one without a pulse.
    let mut parts = in_the_second_format(tried(&SHAPE));
    parts.mix.experiments.clear();
    (parts.weights.new.pulse, parts.weights.live.pulse) = (0, 0);
    let published = published_of(&parts, &SHAPE);
    let (mut with, mut without) = (warm(&published), Edge::with(&published, at(BUILT_AT)));
    for target in ["/v1/new?limit=100", "/v1/live"] {
        without.now = with.now;
        assert_eq!(ids(&ok(&with.get(target))), ids(&ok(&without.get(target))), "{target}");
    }
}

#[test]
fn lists_go_on_while_the_formats_change_beneath_them_and_no_request_fails() {
    let first = published_of(&tried(&SHAPE), &SHAPE);
    let second = after(&first, in_the_second_format(tried(&SHAPE)), 1);
    // A rollback names both, in reverse.
    let mut back = Manifest::parse(first.manifest.clone()).unwrap().parts();
    back.beside = vec![second.as_beside()];
    let (manifest, manifest_id) = back.write().unwrap();
    let rolled_back = Published { manifest, manifest_id, ..first.clone() };
    for is_restarted in [false, true] {
        let mut edge = warm(&first);
        let mut begun: Vec<(Ask, Vec<String>, Option<String>, String)> = Vec::new();
        for live in [&first, &second, &rolled_back, &second] {
            edge.store.publish(live);
            look(&mut edge);
            if is_restarted {
                edge.restart();
            }
            // Lists begun in the earlier snapshot continue there.
            for (viewer, found, cursor, snapshot) in &mut begun {
                let Some(at) = cursor.take() else { continue };
                let page = ok(&edge.ask(&asked(viewer, &format!("/v1/new?limit=4&cursor={at}"))));
                assert_eq!(page["snapshot"]["id"], snapshot.as_str());
                found.extend(ids(&page));
                *cursor = page["next_cursor"].as_str().map(str::to_owned);
            }
            for viewer in viewers() {
                for target in ["/v1/live", "/v1/tabs", "/v1/home"] {
                    ok(&edge.ask(&asked(&viewer, target)));
                }
                let page = ok(&edge.ask(&asked(&viewer, "/v1/new?limit=4")));
                assert_eq!(page["snapshot"]["id"], live.snapshot.to_string());
                let cursor = page["next_cursor"].as_str().map(str::to_owned);
                begun.push((viewer, ids(&page), cursor, live.snapshot.to_string()));
            }
            let status = ok(&edge.get("/v1/status"));
            assert_eq!(status["refused"], Value::Null, "{status}");
        }
        let pages = begun.iter().map(|(_, found, ..)| found.len().div_ceil(4)).max();
        assert!(pages >= Some(3), "{pages:?}");
        for (_, found, ..) in begun {
            let once: std::collections::BTreeSet<&String> = found.iter().collect();
            assert_eq!(once.len(), found.len(), "a list repeats: {found:?}");
        }
    }
}

#[test]
fn an_edge_that_knows_the_first_format_alone_goes_on_with_what_it_has_and_comes_along_with_the_rollback() {
    let first = published_of(&tried(&SHAPE), &SHAPE);
    let second = after(&first, in_the_second_format(tried(&SHAPE)), 1);
    let on = |edge: &mut Edge| {
        for viewer in viewers() {
            for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"] {
                let reply = edge.ask(&asked(&viewer, target));
                ok(&reply);
                assert_eq!(reply.header("Sinsang-Snapshot"), Some(first.snapshot.to_string().as_str()), "{target}");
                let rung = reply.header("Sinsang-Rung").unwrap();
                assert!(["isolate", "kv"].contains(&rung), "{target}: {rung}");
            }
        }
    };
    for is_cold in [false, true] {
        let mut edge = warm(&first);
        edge.store.newest = Some(1);
        edge.store.publish(&second);
        look(&mut edge);
        if is_cold {
            // The manifest is readable, and names the previous snapshot; other isolates' cached
            // values belong to that one, too.
            edge.restart();
            edge.get("/v1/home");
        }
        on(&mut edge);
        // The next look reports the reason, on any rung.
        look(&mut edge);
        let refused = ok(&edge.get("/v1/status"))["refused"].to_string();
        assert!(refused.contains("format version"), "{refused}");
        // A newly deployed edge reads both.
        let mut deployed = warm(&first);
        deployed.store.values.clone_from(&edge.store.values);
        look(&mut deployed);
        assert_eq!(deployed.get("/v1/home").header("Sinsang-Snapshot"), Some(second.snapshot.to_string().as_str()));
        // Alternatively, the pipeline is rolled back.
        edge.store.publish(&first);
        edge.pass(10 * 60 * SECOND_MS);
        edge.get("/v1/home");
        look(&mut edge);
        on(&mut edge);
        assert_eq!(ok(&edge.get("/v1/status"))["refused"], Value::Null);
    }
}
