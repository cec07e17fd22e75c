//! A product's page, several products at once, and calendars.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sinsang_core::code::id_of_first;
use sinsang_core::key::Key;
use sinsang_core::overlay::{Change, Entry, Subject};
use sinsang_core::pack::background::{Lowest, Past};
use sinsang_core::pack::board_write::{BoardParts, ProductPart, SlotPart};
use sinsang_core::pack::overlay::write;
use sinsang_core::time::{DAY_MS, HOUR_MS, SECOND_MS, UnixMillis};

use crate::overlay::{always, key, replace};
use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, publish, users, widths};
use crate::support::edge::{Ask, Edge, json as body, ok};

fn now() -> UnixMillis {
    at(BUILT_AT).plus(6 * HOUR_MS)
}

fn slots_of(parts: &BoardParts, id: u64) -> impl Iterator<Item = &SlotPart> {
    parts.slots.iter().filter(move |slot| slot.product == id)
}

/// The product with most broadcasts to come.
fn busiest(parts: &BoardParts) -> &ProductPart {
    let coming = |product: &&ProductPart| slots_of(parts, product.id).filter(|slot| slot.starts_at > now()).count();
    parts.products.iter().max_by_key(coming).unwrap()
}

/// A board on which the busiest product has a record, products like it, and another id.
fn with_background() -> BoardParts {
    let mut parts = parts(&Shape::DAY);
    let id = busiest(&parts).id;
    let others: Vec<u64> = parts.products.iter().map(|other| other.id).filter(|other| *other != id).collect();
    let opens = at(BUILT_AT).plus(-2 * HOUR_MS);
    let past = |days: i64, channel, price| {
        let starts_at = opens.plus(-days * DAY_MS);
        Past { starts_at, ends_at: starts_at.plus(HOUR_MS), channel, price }
    };
    let over = others.iter().find(|other| slots_of(&parts, **other).all(|slot| slot.ends_at <= now())).copied();
    let coming = others.iter().filter(|other| slots_of(&parts, **other).any(|slot| slot.ends_at > now()));
    let near = over.into_iter().chain(coming.take(2).copied()).collect();
    let product = parts.products.iter_mut().find(|product| product.id == id).unwrap();
    product.background.past = vec![past(1, 2, 29_900), past(9, 0, 0)];
    product.background.past_count = 7;
    product.background.lowest = Some(Lowest { price: 19_900, at: opens.plus(-40 * DAY_MS), channel: 1 });
    product.background.near = near;
    product.background.aliases = vec![id_of_first("GS샵", "A 1/2"), others[0], id];
    parts
}

fn edge(parts: &BoardParts) -> Edge {
    Edge::with(&publish(parts, &Shape::DAY, &widths(parts), Vec::new()), now())
}

fn say(edge: &mut Edge, changes: Vec<Change<'_>>, revision: u32) {
    let entries: Vec<Entry<'_>> = changes.into_iter().zip(1..).map(|(change, id)| always(id, change)).collect();
    let bytes = write(&entries, revision, edge.now).unwrap();
    edge.store.values.insert(Key::Overlay.to_string(), bytes);
    edge.pass(41 * SECOND_MS);
}

fn path(id: u64) -> String {
    format!("/v1/products/{id:016x}")
}

#[test]
fn a_page_has_the_item_the_record_and_what_is_like_it() {
    let parts = with_background();
    let (mut edge, product) = (edge(&parts), busiest(&parts));
    let reply = edge.get(&path(product.id));
    assert_eq!(reply.header("Cache-Control"), Some("public, max-age=20"));
    let page = &ok(&reply)["product"];
    let item = &ok(&edge.get(&format!("/v1/products?ids={:016x}", product.id)))["items"][0];
    for (name, value) in item.as_object().unwrap() {
        assert_eq!(page[name], *value, "{name}");
    }
    let starts = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["starts_at"].as_str().unwrap().to_owned()).collect()
    };
    let coming = slots_of(&parts, product.id).filter(|slot| slot.ends_at > now());
    let mut coming: Vec<String> = coming.map(|slot| slot.starts_at.to_kst_rfc3339()).collect();
    coming.sort();
    assert_eq!(starts(&page["broadcasts"]), coming);
    let over = slots_of(&parts, product.id).filter(|slot| slot.ends_at <= now());
    let mut over: Vec<String> = over.map(|slot| slot.starts_at.to_kst_rfc3339()).collect();
    over.sort();
    over.reverse();
    let count = over.len();
    over.extend(product.background.past.iter().map(|past| past.starts_at.to_kst_rfc3339()));
    assert_eq!(starts(&page["past"]), over, "the latest first");
    assert_eq!(page["past_count"], count + 7);
    let channel = |index: usize| json!({ "id": parts.channels[index].id, "name": parts.channels[index].name });
    let earliest = page["past"].as_array().unwrap().last().unwrap();
    assert_eq!((&earliest["channel"], &earliest["price"]), (&channel(0), &Value::Null));
    let lowest = product.background.lowest.unwrap();
    assert_eq!(
        page["lowest_price"],
        json!({ "price": 19_900, "at": lowest.at.to_kst_rfc3339(), "channel": channel(1) })
    );
    let near: Vec<&str> =
        page["near"].as_array().unwrap().iter().map(|one| one["product_id"].as_str().unwrap()).collect();
    let coming = |id: &&u64| slots_of(&parts, **id).any(|slot| slot.ends_at > now());
    let wanted: Vec<String> = product.background.near.iter().filter(coming).map(|id| format!("{id:016x}")).collect();
    assert_eq!(near, wanted, "only what is still to come");
    assert!(page["near"][0].get("listings").is_none(), "as cards");
}

#[test]
fn a_board_of_an_earlier_pipeline_has_pages_without_a_record() {
    let parts = parts(&Shape::DAY);
    let mut edge = edge(&parts);
    let page = &ok(&edge.get(&path(parts.products[0].id)))["product"];
    assert_eq!((&page["lowest_price"], &page["near"]), (&Value::Null, &json!([])));
}

#[test]
fn ids_and_listings_that_have_become_one_product_lead_to_it() {
    let parts = with_background();
    let (mut edge, id) = (edge(&parts), busiest(&parts).id);
    let alias = id_of_first("GS샵", "A 1/2");
    for (suffix, query) in [("", ""), (".ics", ""), ("", "?as_of=2026-11-22T13:00:00Z")] {
        let ask = Ask::get(format!("{}{suffix}{query}", path(alias))).preview(crate::support::edge::PREVIEW);
        let reply = edge.ask(&ask);
        assert_eq!((reply.status, reply.header("Location")), (301, Some(&*format!("{}{suffix}{query}", path(id)))));
    }
    let listing = edge.get("/v1/listings/GS%EC%83%B5/A%201%2F2");
    assert_eq!(ok(&listing)["product"]["product_id"], format!("{id:016x}"));
    // Hangul as macOS writes it.
    let decomposed = edge.get("/v1/listings/GS%E1%84%89%E1%85%A3%E1%86%B8/A%201%2F2");
    assert_eq!(ok(&decomposed)["product"]["product_id"], format!("{id:016x}"));
    // An alias that is a product's own id leads to that product.
    let own = parts.products.iter().map(|other| other.id).find(|other| *other != id).unwrap();
    assert_eq!(ok(&edge.get(&path(own)))["product"]["product_id"], format!("{own:016x}"));
}

#[test]
fn what_is_not_there_is_not_found_by_name() {
    let parts = with_background();
    let (mut edge, id) = (edge(&parts), busiest(&parts).id);
    for (target, status, kind) in [
        (path(1), 404, "no-product"),
        (format!("{}.ics", path(1)), 404, "no-product"),
        ("/v1/listings/GS%EC%83%B5/1".to_owned(), 404, "no-product"),
        ("/v1/schedule.ics?channel=nowhere".to_owned(), 404, "no-channel"),
        ("/v1/products/".to_owned(), 404, "not-found"),
        ("/v1/products/12".to_owned(), 404, "not-found"),
        (path(id).to_uppercase().replace("/V1/PRODUCTS", "/v1/products"), 404, "not-found"),
        ("/v1/listings/GS".to_owned(), 404, "not-found"),
        ("/v1/listings//1".to_owned(), 404, "not-found"),
        ("/v1/listings/GS/".to_owned(), 404, "not-found"),
        ("/v1/listings/%FF/1".to_owned(), 404, "not-found"),
        ("/v1/products".to_owned(), 400, "invalid-parameter"),
        ("/v1/products?ids=".to_owned(), 400, "invalid-parameter"),
        ("/v1/products?ids=1,2".to_owned(), 400, "invalid-parameter"),
        (format!("/v1/products?ids={}", vec!["0123456789abcdef"; 51].join(",")), 400, "invalid-parameter"),
        ("/v1/schedule.ics".to_owned(), 400, "invalid-parameter"),
        (format!("{}?viewer=u1", path(id)), 400, "invalid-parameter"),
    ] {
        let reply = edge.get(&target);
        assert_eq!((reply.status, &body(&reply)["type"]), (status, &format!("/problems/{kind}").into()), "{target}");
    }
    let most: Vec<String> = (0..50_u64).map(|id| format!("{id:016x}")).collect();
    assert_eq!(ok(&edge.get(&format!("/v1/products?ids={}", most.join(","))))["unknown"].as_array().unwrap().len(), 50);
}

#[test]
fn several_products_come_in_their_order_each_once() {
    let parts = with_background();
    let (mut edge, id) = (edge(&parts), busiest(&parts).id);
    let (a, b, alias) = (parts.products[3].id, parts.products[5].id, id_of_first("GS샵", "A 1/2"));
    let ids = [b, a, 1, alias, b, id, alias, 1].map(|id| format!("{id:016x}")).join(",");
    let answer = ok(&edge.get(&format!("/v1/products?ids={ids}")));
    let shown: Vec<&Value> = answer["items"].as_array().unwrap().iter().map(|item| &item["product_id"]).collect();
    let wanted = [b, a, id].map(|id| format!("{id:016x}"));
    assert_eq!(shown, wanted.iter().collect::<Vec<_>>());
    assert_eq!(answer["moved"], json!({ format!("{alias:016x}"): format!("{id:016x}") }));
    assert_eq!(answer["unknown"], json!([format!("{:016x}", 1)]));
    let card = ok(&edge.get(&format!("/v1/products?view=card&ids={a:016x}")));
    assert!(card["items"][0].get("listings").is_none());
    let etags = [&ids, &format!("{a:016x}")]
        .map(|ids| edge.get(&format!("/v1/products?ids={ids}")).header("ETag").unwrap().to_owned());
    assert_ne!(etags[0], etags[1]);
}

#[test]
fn operators_changes_show_on_the_page_and_a_hidden_product_has_none() {
    let parts = with_background();
    let (mut edge, product) = (edge(&parts), busiest(&parts));
    let first =
        slots_of(&parts, product.id).filter(|slot| slot.starts_at > now()).min_by_key(|slot| slot.starts_at).unwrap();
    let subject = Subject::Product(product.id);
    let before = ok(&edge.get(&path(product.id)));
    let changes = vec![
        Change::Price(subject, 5_000),
        Change::Note(product.id, "오늘만"),
        Change::SoldOut(subject),
        Change::Cancel(key(&parts, first)),
    ];
    say(&mut edge, changes, 1);
    let page = ok(&edge.get(&path(product.id)))["product"].clone();
    assert_eq!((&page["price"], &page["note"], &page["sold_out"]), (&5_000.into(), &"오늘만".into(), &true.into()));
    let count = |answer: &Value| answer["broadcasts"].as_array().unwrap().len();
    assert_eq!(count(&page) + 1, count(&before["product"]));
    say(&mut edge, vec![Change::Hide(subject)], 2);
    assert_eq!(edge.get(&path(product.id)).status, 404);
    let listing = &product.listings[0];
    let hidden = format!("/v1/products?ids={:016x}", product.id);
    assert_eq!(ok(&edge.get(&hidden))["unknown"].as_array().unwrap().len(), 1);
    say(
        &mut edge,
        vec![Change::Hide(Subject::Listing(sinsang_core::overlay::listing_key(&listing.shop, &listing.listing_id)))],
        3,
    );
    assert_eq!(edge.get(&path(product.id)).status, 404, "its only listing is hidden");
    say(&mut edge, Vec::new(), 4);
    assert_eq!(edge.get(&path(product.id)).status, 200);
}

#[test]
fn a_signed_in_viewer_reads_no_tastes_for_a_product() {
    let parts = with_background();
    let mut edge = edge(&parts);
    let target = path(busiest(&parts).id);
    let plain = edge.get(&target);
    let reply = edge.ask(&Ask::get(&target).user(&users(&Shape::DAY)[0]));
    assert_eq!(ok(&reply)["product"], ok(&plain)["product"]);
    assert_eq!(reply.header("ETag"), plain.header("ETag"));
    assert!(edge.store.reads.iter().all(|key| !key.contains("taste")), "{:?}", edge.store.reads);
}

/// The events of a calendar, each as its properties by name.
#[track_caller]
fn events(text: &[u8]) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.ends_with("\r\n") && text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])));
    let unfolded = text.replace("\r\n ", "");
    let mut events = BTreeMap::new();
    for event in unfolded.split("BEGIN:VEVENT\r\n").skip(1) {
        let lines = event.split("END:VEVENT").next().unwrap().lines();
        let of: BTreeMap<String, String> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert!(events.insert(of["UID"].clone(), of).is_none(), "each UID once");
    }
    events
}

fn utc(at: UnixMillis) -> String {
    let text: String = at.to_utc_rfc3339().chars().filter(|one| !matches!(one, '-' | ':')).collect();
    format!("{}Z", text.split('.').next().unwrap())
}

#[test]
fn a_calendar_has_each_broadcast_and_follows_what_becomes_of_it() {
    let mut parts = with_background();
    let id = busiest(&parts).id;
    let title = "[방송에서만] 세트, 하나; \"둘\" \\ 셋".repeat(4);
    parts.products.iter_mut().find(|product| product.id == id).unwrap().title.clone_from(&title);
    let mut edge = edge(&parts);
    let target = format!("{}.ics", path(id));
    let reply = edge.get(&target);
    assert_eq!(reply.header("Content-Type"), Some("text/calendar; charset=utf-8"));
    let before = events(&reply.body);
    let starts: BTreeSet<&str> = before.values().map(|event| event["DTSTART"].as_str()).collect();
    let wanted: BTreeSet<String> = slots_of(&parts, id).map(|slot| utc(slot.starts_at)).collect();
    assert_eq!(starts, wanted.iter().map(String::as_str).collect());
    let event = before.values().next().unwrap();
    assert_eq!(event["SUMMARY"], title.replace('\\', "\\\\").replace(',', "\\,").replace(';', "\\;"));
    assert!(before.values().all(|event| event["STATUS"] == "CONFIRMED"));

    let mut coming = slots_of(&parts, id).filter(|slot| slot.starts_at > now()).collect::<Vec<_>>();
    coming.sort_by_key(|slot| slot.starts_at);
    let (moved, cancelled) = (coming[0], coming[coming.len() - 1]);
    let later = SlotPart {
        starts_at: moved.starts_at.plus(5 * 60 * SECOND_MS),
        ends_at: moved.ends_at.plus(5 * 60 * SECOND_MS),
        ..moved.clone()
    };
    say(&mut edge, vec![replace(&parts, moved, &later), Change::Cancel(key(&parts, cancelled))], 1);
    let after = events(&edge.get(&target).body);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "UIDs stay");
    for (uid, event) in &after {
        let old = &before[uid];
        let sequence = |event: &BTreeMap<String, String>| event["SEQUENCE"].parse::<i64>().unwrap();
        let (start, status) = if old["DTSTART"] == utc(moved.starts_at) {
            (utc(later.starts_at), "CONFIRMED")
        } else if old["DTSTART"] == utc(cancelled.starts_at) {
            (old["DTSTART"].clone(), "CANCELLED")
        } else {
            assert_eq!(event, old, "what is as it was");
            continue;
        };
        assert_eq!((&event["DTSTART"], event["STATUS"].as_str()), (&start, status));
        assert!(sequence(event) > sequence(old));
    }
    say(&mut edge, vec![Change::Hide(Subject::Product(id))], 2);
    assert!(events(&edge.get(&target).body).values().all(|event| event["STATUS"] == "CANCELLED"), "a recalled product");

    let channel = events(&edge.get("/v1/schedule.ics?channel=ch-04").body);
    let of_channel = parts.slots.iter().filter(|slot| slot.channel == 4);
    assert_eq!(channel.len(), of_channel.count());
    assert!(channel.values().all(|event| event["LOCATION"] == parts.channels[4].name));
}
