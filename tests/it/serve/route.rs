//! The form of every route's answer, and the effects of time on it.

use serde_json::Value;
use sinsang_core::time::{HOUR_MS, MINUTE_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, publish, published, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, fields, ids, json, ok};

const PRODUCT: [&str; 11] = [
    "product_id",
    "title",
    "brand",
    "category",
    "price",
    "list_price",
    "image",
    "url",
    "listings",
    "verdict",
    "on_air",
];
const BROADCAST: [&str; 7] = ["shop", "listing_id", "channel", "starts_at", "ends_at", "price", "on_air"];

/// Checks that `value` has these members in this order, and no others.
#[track_caller]
fn has(value: &Value, members: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("{value} is no object"));
    let mut known: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut wanted = members.to_vec();
    known.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(known, wanted, "{value}");
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn check_product(item: &Value, beside: &str) {
    has(item, &[&PRODUCT[..], &[beside]].concat());
    assert_eq!(item["product_id"].as_str().unwrap().len(), 16);
    assert!(item["title"].is_string() && item["on_air"].is_boolean());
    assert!(["brand", "category", "image", "url"].iter().all(|field| is_text_or_null(&item[field])), "{item}");
    assert!(["price", "list_price"].iter().all(|field| item[field].is_null() || item[field].is_u64()), "{item}");
    has(&item["verdict"], &["kind", "evidence"]);
    assert!(["reason", "text"].iter().all(|field| item["verdict"]["evidence"][field].is_string()));
    for listing in item["listings"].as_array().unwrap() {
        has(listing, &["shop", "listing_id"]);
    }
}

fn check_broadcast(broadcast: &Value, now: UnixMillis) {
    has(broadcast, &BROADCAST);
    has(&broadcast["channel"], &["id", "name"]);
    let time = |field: &str| at(broadcast[field].as_str().unwrap());
    assert!(broadcast["starts_at"].as_str().unwrap().ends_with("+09:00"));
    let on_air = time("starts_at") <= now && now < time("ends_at");
    assert_eq!(broadcast["on_air"].as_bool(), Some(on_air));
}

fn check_new_item(item: &Value, now: UnixMillis) {
    check_product(item, "broadcasts");
    assert_eq!(item["verdict"]["kind"], "new");
    let broadcasts = item["broadcasts"].as_array().unwrap();
    assert!(!broadcasts.is_empty());
    for broadcast in broadcasts {
        check_broadcast(broadcast, now);
    }
    assert_eq!(item["on_air"], broadcasts.iter().any(|broadcast| broadcast["on_air"] == true));
}

fn check_live_item(item: &Value, now: UnixMillis) {
    check_product(item, "broadcast");
    check_broadcast(&item["broadcast"], now);
    assert_eq!((&item["on_air"], &item["broadcast"]["on_air"]), (&Value::Bool(true), &Value::Bool(true)));
    assert!(["new", "repeat", "unknown"].contains(&item["verdict"]["kind"].as_str().unwrap()));
}

fn check_tabs(items: &Value) {
    for (position, item) in items.as_array().unwrap().iter().enumerate() {
        has(item, &["tab_id", "label", "position", "pinned", "target"]);
        assert_eq!(item["position"], position);
    }
}

const STATUS: [&str; 15] = [
    "overlay",
    "trial",
    "pulse",
    "now",
    "clock",
    "rung",
    "snapshot",
    "window",
    "counts",
    "channels",
    "categories",
    "store",
    "cache",
    "refused",
    "memory",
];

fn check_stand(body: &Value) {
    assert!(body["personalized"].is_boolean());
    has(&body["snapshot"], &["id", "built_at", "age_s", "rung"]);
    assert_eq!(body["snapshot"]["id"].as_str().unwrap().len(), 16);
    assert!(body["snapshot"]["age_s"].is_u64());
}

#[test]
fn every_route_answers_in_its_documented_shape_at_every_hour() {
    let snapshot = published(&Shape::DAY);
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    let mut shown = 0;
    for _ in 0..60 {
        let now = edge.now;
        for who in [None, Some("u000001"), Some("stranger")] {
            let ask = |target: &str| match who {
                Some(user) => Ask::get(target).user(user),
                None => Ask::get(target),
            };
            let new = ok(&edge.ask(&ask("/v1/new?limit=100")));
            has(&new, &["surface", "personalized", "snapshot", "total", "items", "next_cursor"]);
            assert_eq!((new["surface"].as_str(), new["next_cursor"].is_null()), (Some("new"), true));
            check_stand(&new);
            new["items"].as_array().unwrap().iter().for_each(|item| check_new_item(item, edge.now));
            assert_eq!(new["total"], ids(&new).len());

            let live = ok(&edge.ask(&ask("/v1/live")));
            has(&live, &["surface", "personalized", "snapshot", "items"]);
            assert_eq!(live["surface"], "live");
            check_stand(&live);
            live["items"].as_array().unwrap().iter().for_each(|item| check_live_item(item, edge.now));
            shown += ids(&live).len();

            let tabs = ok(&edge.ask(&ask("/v1/tabs")));
            has(&tabs, &["surface", "personalized", "snapshot", "items"]);
            assert_eq!(tabs["surface"], "tabs");
            check_stand(&tabs);
            check_tabs(&tabs["items"]);

            let home = ok(&edge.ask(&ask("/v1/home?limit=100")));
            has(&home, &["personalized", "snapshot", "tabs", "live", "new"]);
            has(&home["new"], &["total", "items", "next_cursor"]);
            check_stand(&home);
            // The same surfaces in one answer: once parsed, their items equal those of their own
            // routes.
            assert_eq!((&home["new"]["items"], &home["new"]["total"]), (&new["items"], &new["total"]));
            assert_eq!((&home["live"]["items"], &home["tabs"]["items"]), (&live["items"], &tabs["items"]));
        }
        edge.now = now.plus(49 * MINUTE_MS);
    }
    assert!(shown > 1_000, "the live surface was all but empty: {shown}");
}

#[test]
fn status_says_what_the_edge_stands_on() {
    let parts = parts(&Shape::DAY);
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT).plus(HOUR_MS));
    let status = ok(&edge.get("/v1/status"));
    has(&status, &STATUS);
    has(&status["window"], &["from", "to"]);
    has(&status["store"], &["breaker", "failures", "second_reads", "late_packs"]);
    has(&status["memory"], &["snapshot_bytes", "taste_bytes", "wasm_bytes"]);
    assert_eq!((&status["rung"], &status["clock"]), (&Value::from("kv"), &Value::from("real")));
    assert_eq!((&status["snapshot"]["age_s"], &status["refused"]), (&3_600.into(), &Value::Null));
    let kinds = |kind| parts.products.iter().filter(|product| product.verdict == kind).count();
    let counts = serde_json::json!({
        "products": parts.products.len(), "new": kinds(VerdictKind::New), "unknown": kinds(VerdictKind::Unknown),
        "repeat": kinds(VerdictKind::Repeat), "broadcasts": parts.slots.len(), "channels": 18, "tabs": 9,
        "users": 40, "taste_shards": 4,
    });
    assert_eq!(status["counts"], counts);
    assert_eq!(status["channels"].as_array().unwrap().len(), 18);
    has(&status["channels"][0], &["id", "name", "shop"]);
    assert_eq!(status["categories"], serde_json::json!(parts.categories));
    let store = serde_json::json!({ "breaker": "closed", "failures": 0, "second_reads": 0, "late_packs": 0 });
    assert_eq!(status["store"], store);
    edge.config.clock_offset_ms = -HOUR_MS;
    assert_eq!(ok(&edge.get("/v1/status"))["clock"], "shifted");
}

#[test]
fn status_answers_where_there_is_no_data() {
    let mut edge = Edge::cold(at(BUILT_AT));
    let status = ok(&edge.get("/v1/status"));
    has(&status, &STATUS);
    assert!(["snapshot", "window", "counts"].iter().all(|member| status[member].is_null()), "{status}");
    assert_eq!((&status["channels"], &status["categories"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(edge.get("/v1/status").header("Cache-Control"), Some("no-store"));
    assert_eq!(edge.ask(&Ask::get("/v1/status").method("HEAD")).body, b"");
}

#[test]
fn health_reads_nothing() {
    let mut edge = Edge::cold(at(BUILT_AT));
    let reply = edge.get("/healthz");
    assert_eq!((json(&reply), edge.cost.reads), (serde_json::json!({ "status": "ok" }), 0));
    assert_eq!(reply.header("Cache-Control"), Some("no-store"));
}

#[test]
fn without_data_a_surface_is_a_503_that_says_when_to_come_again() {
    for target in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"] {
        let mut edge = Edge::cold(at(BUILT_AT));
        let reply = edge.get(target);
        assert_eq!((reply.status, reply.header("Retry-After").is_some()), (503, true), "{target}");
        assert_eq!(json(&reply)["type"], "/problems/no-data");
        assert_eq!(reply.header("Content-Type"), Some("application/problem+json; charset=utf-8"));
    }
}

#[test]
fn new_products_are_on_air_from_their_first_start_and_stay_until_it_ends() {
    let parts = parts(&Shape::DAY);
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    let fresh: Vec<_> = parts.products.iter().filter(|product| product.verdict == VerdictKind::New).collect();
    assert!(fresh.len() >= 12, "{}", fresh.len());
    edge.get("/v1/tabs");
    for product in fresh {
        let id = format!("{:016x}", product.id);
        let (starts_at, ends_at) = product.first;
        let mut seen = |now: UnixMillis| {
            edge.now = now;
            edge.saw_all();
            let new = ok(&edge.get("/v1/new?limit=100"));
            assert_eq!(edge.cost.rounds, 0, "the clock must not have moved during the request");
            let item = new["items"].as_array().unwrap().iter().find(|item| item["product_id"] == id.as_str()).cloned();
            let live = ok(&edge.get("/v1/live"));
            let on_live =
                live["items"].as_array().unwrap().iter().find(|item| item["product_id"] == id.as_str()).cloned();
            let kind = on_live.map(|item| item["verdict"]["kind"].as_str().unwrap().to_owned());
            (item.map(|item| item["on_air"] == true), kind)
        };
        let opens = parts.built_at;
        if starts_at > opens {
            assert_eq!(seen(starts_at.plus(-1)), (Some(false), None), "{id}");
        }
        assert_eq!(seen(starts_at.max(opens)), (Some(true), Some("new".to_owned())), "{id}");
        assert_eq!(seen(ends_at.plus(-1)), (Some(true), Some("new".to_owned())), "{id}");
        let (item, kind) = seen(ends_at);
        assert_eq!(item, None, "{id}");
        assert!(kind.is_none_or(|kind| kind == "repeat"), "{id}: a further broadcast is a repeat");
    }
}

#[test]
fn what_the_history_cannot_tell_is_on_the_tab_where_the_operator_says_so_and_marked() {
    let mut parts = parts(&Shape::DAY);
    let unknown = parts.products.iter().filter(|product| product.verdict == VerdictKind::Unknown).count();
    let listed = |parts: &_| {
        let widths = widths(parts);
        let published = publish(parts, &Shape::DAY, &widths, Vec::new());
        let new = ok(&Edge::with(&published, at(BUILT_AT)).get("/v1/new?limit=100"));
        let items = new["items"].as_array().unwrap().clone();
        let marked = items.iter().filter(|item| item["verdict"]["kind"] == "unknown").count();
        (items.len(), marked, new["total"].as_u64().unwrap())
    };
    let (new, marked, total) = listed(&parts);
    assert_eq!((marked, total), (0, new as u64));
    for product in &mut parts.products {
        // The flag says nothing about new products or repeats.
        product.unknown_listed = true;
    }
    assert!(unknown > 0);
    assert_eq!(listed(&parts), (new + unknown, unknown, total + unknown as u64));
}

#[test]
fn a_further_broadcast_of_a_once_new_product_is_shown_live_as_a_repeat() {
    let parts = parts(&Shape::DAY);
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    let mut repeats = 0;
    for product in parts.products.iter().filter(|product| product.verdict == VerdictKind::New) {
        let later = parts.slots.iter().find(|slot| slot.product == product.id && slot.starts_at >= product.first.1);
        let Some(later) = later else { continue };
        edge.now = later.starts_at;
        edge.restart();
        let live = ok(&edge.get("/v1/live"));
        let id = format!("{:016x}", product.id);
        let item = live["items"].as_array().unwrap().iter().find(|item| item["product_id"] == id.as_str()).unwrap();
        assert_eq!(item["verdict"]["kind"], "repeat", "{id}");
        repeats += 1;
    }
    assert!(repeats >= 5, "{repeats}");
}

#[test]
fn live_shows_every_broadcast_on_air_and_tabs_keep_pinned_ones_in_place() {
    let parts = parts(&Shape::DAY);
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    for minutes in (0..2_760).step_by(23) {
        edge.now = at(BUILT_AT).plus(minutes * MINUTE_MS);
        edge.restart();
        for ask in [Ask::get("/v1/live"), Ask::get("/v1/live").user("u000005")] {
            let live = ok(&edge.ask(&ask));
            let mut shown: Vec<String> = live["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["broadcast"]["channel"]["id"].as_str().unwrap().to_owned())
                .collect();
            let on_air = |slot: &&sinsang_core::pack::board_write::SlotPart| {
                slot.starts_at <= edge.now && edge.now < slot.ends_at
            };
            let mut expected: Vec<String> = parts
                .slots
                .iter()
                .filter(on_air)
                .map(|slot| parts.channels[usize::from(slot.channel)].id.clone())
                .collect();
            shown.sort_unstable();
            expected.sort_unstable();
            assert_eq!(shown, expected);
        }
    }
    for user in crate::support::board::users(&Shape::DAY) {
        let tabs = ok(&edge.ask(&Ask::get("/v1/tabs").user(&user)));
        let order = fields(&tabs, "tab_id");
        assert_eq!((order[0].as_str(), order[3].as_str(), order.len()), ("tab-0", "tab-3", 9), "{order:?}");
    }
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    edge.get("/v1/tabs");
    for target in ["/v1/new?limit=3", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status", "/healthz"] {
        let get = edge.get(target);
        let head = edge.ask(&Ask::get(target).method("HEAD"));
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        let mut headers = head.headers.clone();
        headers.retain(|(name, _)| *name != "Content-Length");
        assert_eq!(headers, get.headers, "{target}");
        if let Some(length) = head.header("Content-Length") {
            assert_eq!(length, get.body.len().to_string(), "{target}");
        }
    }
    let head = edge.ask(&Ask::get("/v1/new?limit=0").method("HEAD"));
    assert_eq!((head.status, head.body.len()), (400, 0));
}

#[test]
fn category_channel_and_sort_choose_and_order() {
    let parts = parts(&Shape::DAY);
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    let all = ok(&edge.get("/v1/new?limit=100&sort=soonest"));
    let items = all["items"].as_array().unwrap();
    let starts: Vec<&str> = items.iter().map(|item| item["broadcasts"][0]["starts_at"].as_str().unwrap()).collect();
    assert!(starts.is_sorted() && starts.len() > 10, "{starts:?}");
    for category in &parts.categories {
        let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("category", category).finish();
        let of_category = ok(&edge.get(&format!("/v1/new?limit=100&sort=soonest&{query}")));
        let expected: Vec<String> = items
            .iter()
            .filter(|item| item["category"] == category.as_str())
            .map(|item| item["product_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids(&of_category), expected, "{category}");
    }
    for channel in &parts.channels {
        let of_channel = ok(&edge.get(&format!("/v1/new?limit=100&sort=soonest&channel={}", channel.id)));
        let airs = |item: &&Value| {
            item["broadcasts"].as_array().unwrap().iter().any(|one| one["channel"]["id"] == channel.id.as_str())
        };
        let expected: Vec<String> =
            items.iter().filter(airs).map(|item| item["product_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids(&of_channel), expected, "{}", channel.id);
    }
    for nothing in ["category=%EC%97%86%EC%9D%8C", "channel=none"] {
        let empty = ok(&edge.get(&format!("/v1/new?{nothing}")));
        assert_eq!((&empty["total"], ids(&empty).len(), empty["next_cursor"].is_null()), (&Value::from(0), 0, true));
    }
}

#[test]
fn a_preview_sees_any_time_as_any_user_and_is_never_kept() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    let then = at(BUILT_AT).plus(7 * HOUR_MS);
    let ask = Ask::get("/v1/home?as_of=2026-11-22T13:00:00%2B09:00&viewer=u000003").preview(PREVIEW);
    let preview = edge.ask(&ask);
    assert_eq!(preview.header("Cache-Control"), Some("no-store"));
    let preview = ok(&preview);
    edge.now = then;
    edge.restart();
    edge.get("/v1/tabs");
    edge.now = then;
    let real = ok(&edge.ask(&Ask::get("/v1/home").user("u000003")));
    assert_eq!(real["personalized"], true);
    assert_eq!((&preview["live"], &preview["tabs"]), (&real["live"], &real["tabs"]));
    assert_eq!((&preview["new"]["items"], &preview["new"]["total"]), (&real["new"]["items"], &real["new"]["total"]));
}
