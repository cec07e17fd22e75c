//! The schedule: every broadcast of a range by channel and time, the same for all unless a viewer
//! asks for their own channels first.

use std::collections::BTreeSet;

use serde_json::Value;
use sinsang_core::key::Key;
use sinsang_core::overlay::{Change, Entry, Subject};
use sinsang_core::pack::board_write::{BoardParts, SlotPart};
use sinsang_core::pack::overlay::write;
use sinsang_core::time::{DAY_MS, HOUR_MS, SECOND_MS, UnixMillis};

use crate::overlay::{always, key, replace};
use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, publish, published, users, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, json, ok};

/// A broadcast as the schedule shows it.
type Shown = (String, String, String);

fn now() -> UnixMillis {
    at(BUILT_AT).plus(6 * HOUR_MS)
}

fn edge() -> Edge {
    Edge::with(&published(&Shape::DAY), now())
}

fn shown(parts: &BoardParts, slot: &SlotPart) -> Shown {
    let channel = &parts.channels[usize::from(slot.channel)].id;
    (channel.clone(), slot.starts_at.to_kst_rfc3339(), format!("{:016x}", slot.product))
}

/// The broadcasts of `parts` that `chosen` takes, by channel and start.
fn wanted(parts: &BoardParts, chosen: impl Fn(&SlotPart) -> bool) -> Vec<Shown> {
    let mut slots: Vec<&SlotPart> = parts.slots.iter().filter(|slot| chosen(slot)).collect();
    slots.sort_by_key(|slot| (slot.channel, slot.starts_at));
    slots.into_iter().map(|slot| shown(parts, slot)).collect()
}

fn items(answer: &Value) -> Vec<Shown> {
    let item = |item: &Value| {
        let broadcast = &item["broadcast"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&broadcast["channel"]["id"]), text(&broadcast["starts_at"]), text(&item["product_id"]))
    };
    answer["items"].as_array().unwrap().iter().map(item).collect()
}

fn is_on(slot: &SlotPart, from: &str, to: &str) -> bool {
    slot.ends_at > at(from) && slot.starts_at < at(to)
}

const DAY: (&str, &str) = ("2026-11-22T00:00:00+09:00", "2026-11-23T00:00:00+09:00");

#[test]
fn a_day_has_every_broadcast_by_channel_and_start() {
    let (mut edge, parts) = (edge(), parts(&Shape::DAY));
    let today = ok(&edge.get("/v1/schedule"));
    assert_eq!(items(&today), wanted(&parts, |slot| is_on(slot, DAY.0, DAY.1)));
    assert_eq!((&today["from"], &today["to"]), (&DAY.0.into(), &DAY.1.into()));
    assert_eq!(today["total"], items(&today).len());
    assert_eq!(today["next_cursor"], Value::Null);
    assert_eq!(ok(&edge.get("/v1/schedule?date=2026-11-22"))["items"], today["items"]);
    // What is on air is as the live surface has it.
    let live = ok(&edge.get("/v1/live"));
    let on_air: Vec<&Value> =
        today["items"].as_array().unwrap().iter().filter(|item| item["broadcast"]["on_air"] == true).collect();
    assert_eq!(on_air.len(), live["items"].as_array().unwrap().len());
    assert!(live["items"].as_array().unwrap().iter().all(|item| on_air.contains(&item)));
}

#[test]
fn each_channel_tells_what_is_on_and_what_is_next() {
    let (mut edge, parts) = (edge(), parts(&Shape::DAY));
    let today = ok(&edge.get("/v1/schedule"));
    let channels = today["channels"].as_array().unwrap();
    assert_eq!(channels.len(), parts.channels.len());
    for (index, (told, channel)) in channels.iter().zip(&parts.channels).enumerate() {
        assert_eq!(told["channel"], serde_json::json!({ "id": channel.id, "name": channel.name }));
        let own = || parts.slots.iter().filter(|slot| usize::from(slot.channel) == index);
        let on = own().find(|slot| slot.starts_at <= now() && now() < slot.ends_at);
        let next = own().filter(|slot| slot.starts_at > now()).min_by_key(|slot| slot.starts_at);
        for (member, slot) in [("now", on), ("next", next)] {
            let Some(slot) = slot else {
                assert_eq!(told[member], Value::Null, "{told}");
                continue;
            };
            let broadcast = &told[member]["broadcast"];
            assert_eq!(broadcast["starts_at"], slot.starts_at.to_kst_rfc3339(), "{told}");
            assert_eq!(told[member]["product_id"], format!("{:016x}", slot.product));
            assert!(told[member].get("listings").is_none(), "a card: {told}");
        }
    }
}

#[test]
fn filters_and_ranges_choose_broadcasts() {
    let (mut edge, parts) = (edge(), parts(&Shape::DAY));
    let category = |slot: &SlotPart| {
        let product = parts.products.iter().find(|product| product.id == slot.product).unwrap();
        product.category.map(|category| parts.categories[usize::from(category)].as_str())
    };
    let hour = ("2026-11-22T11:00:00+09:00", "2026-11-22T12:00:00+09:00");
    let table: [(&str, Vec<Shown>); 6] = [
        ("channel=ch-03", wanted(&parts, |slot| slot.channel == 3 && is_on(slot, DAY.0, DAY.1))),
        (
            "category=%EC%8B%9D%ED%92%88",
            wanted(&parts, |slot| category(slot) == Some("식품") && is_on(slot, DAY.0, DAY.1)),
        ),
        (
            "from=2026-11-22T11:00:00%2B09:00&to=2026-11-22T12:00:00%2B09:00",
            wanted(&parts, |slot| is_on(slot, hour.0, hour.1)),
        ),
        (
            "from=2026-11-22T02:00:00Z&to=2026-11-22T03:00:00Z&channel=ch-00",
            wanted(&parts, |slot| slot.channel == 0 && is_on(slot, hour.0, hour.1)),
        ),
        ("date=2026-11-23", wanted(&parts, |slot| is_on(slot, DAY.1, "2026-11-24T00:00:00+09:00"))),
        ("date=2027-01-01", Vec::new()),
    ];
    for (query, wanted) in table {
        let answer = ok(&edge.get(&format!("/v1/schedule?{query}")));
        assert_eq!(items(&answer), wanted, "{query}");
        assert!(answer.get("unknown").is_none(), "{query}");
    }
    let strange = ok(&edge.get("/v1/schedule?channel=ch-99&category=%EC%9A%B0%EC%A3%BC"));
    assert_eq!(items(&strange), []);
    assert_eq!(strange["unknown"]["channel"]["known_count"], 18);
    assert_eq!(strange["unknown"]["category"]["known"][0], parts.categories[0]);
}

#[test]
fn bad_questions_are_refused_by_name() {
    let mut edge = edge();
    for (query, parameter) in [
        ("date=2026-13-01", "date"),
        ("date=2026-11-22T00:00:00", "date"),
        ("date=", "date"),
        ("date=2026-11-22&from=2026-11-22T00:00:00Z", "date"),
        ("from=2026-11-22T00:00:00Z", "from"),
        ("to=2026-11-22T00:00:00Z", "from"),
        ("from=2026-11-22T00:00:00Z&to=2026-11-22T00:00:00Z", "from"),
        ("from=yesterday&to=2026-11-22T00:00:00Z", "from"),
        ("limit=1001", "limit"),
        ("limit=0", "limit"),
        ("mine=yes", "mine"),
        ("view=list", "view"),
        ("sort=soonest", "sort"),
        ("channel=", "channel"),
        ("cursor=AAAA", "cursor"),
        ("recent=0123456789abcdef", "recent"),
    ] {
        let reply = edge.get(&format!("/v1/schedule?{query}"));
        assert_eq!((reply.status, &json(&reply)["parameter"]), (400, &parameter.into()), "{query}");
    }
    let next = ok(&edge.get("/v1/schedule?limit=5"))["next_cursor"].as_str().unwrap().to_owned();
    let other = edge.get(&format!("/v1/schedule?limit=5&channel=ch-00&cursor={next}"));
    assert_eq!((other.status, &json(&other)["parameter"]), (400, &"cursor".into()), "another question's");
}

fn pages(edge: &mut Edge, ask: &Ask, mut between: impl FnMut(&mut Edge, usize)) -> Vec<Shown> {
    let (mut all, mut cursor, mut page) = (Vec::new(), None, 0);
    loop {
        let mut ask = ask.clone();
        if let Some(cursor) = &cursor {
            ask.target = format!("{}&cursor={cursor}", ask.target);
        }
        let answer = ok(&edge.ask(&ask));
        assert_eq!(answer.get("channels").is_some(), page == 0, "channels come with the first page");
        all.extend(items(&answer));
        let Some(next) = answer["next_cursor"].as_str() else { return all };
        cursor = Some(next.to_owned());
        page += 1;
        between(edge, page);
    }
}

#[test]
fn pages_neither_repeat_nor_skip_over_a_publish_and_leave_out_what_is_taken_away() {
    let (mut edge, parts) = (edge(), parts(&Shape::DAY));
    let ask = Ask::get("/v1/schedule?limit=7");
    let whole = wanted(&parts, |slot| is_on(slot, DAY.0, DAY.1));
    assert_eq!(pages(&mut edge, &ask, |_, _| {}), whole);

    // A snapshot without the first channel's broadcasts is published in the middle.
    let mut next = parts.clone();
    next.built_at = next.built_at.plus(HOUR_MS);
    next.slots.retain(|slot| slot.channel != 0);
    let before = published(&Shape::DAY);
    let next = publish(&next, &Shape::DAY, &widths(&next), vec![before.as_beside()]);
    let publishing = |edge: &mut Edge, page: usize| {
        if page == 2 {
            edge.store.publish(&next);
            edge.pass(31 * SECOND_MS);
            edge.get("/v1/tabs");
        }
    };
    assert_eq!(pages(&mut edge, &ask, publishing), whole);

    // What is on a later page is hidden and cancelled while the first is read.
    let mut edge = self::edge();
    let late: Vec<&SlotPart> =
        parts.slots.iter().filter(|slot| slot.channel == 17 && is_on(slot, DAY.0, DAY.1)).collect();
    let (hidden, cancelled) = (late[0].product, late.iter().find(|slot| slot.product != late[0].product).unwrap());
    let saying = |edge: &mut Edge, page: usize| {
        if page == 1 {
            let changes = [Change::Hide(Subject::Product(hidden)), Change::Cancel(key(&parts, cancelled))];
            let entries: Vec<Entry<'_>> = changes.into_iter().zip(1..).map(|(change, id)| always(id, change)).collect();
            edge.store.values.insert(Key::Overlay.to_string(), write(&entries, 1, edge.now).unwrap());
            edge.pass(41 * SECOND_MS);
        }
    };
    let read = pages(&mut edge, &ask, saying);
    let first = whole.iter().take(7).cloned();
    let is_there = |slot: &&Shown| slot.2 != format!("{hidden:016x}") && **slot != shown(&parts, cancelled);
    let rest = whole.iter().skip(7).filter(is_there).cloned();
    assert_eq!(read, first.chain(rest).collect::<Vec<_>>());
}

#[test]
fn two_listings_of_a_product_at_once_stay_two_on_a_continued_page() {
    let mut parts = parts(&Shape::DAY);
    let slot = parts.slots.iter().find(|slot| slot.channel == 17 && slot.starts_at > now()).unwrap().clone();
    let mut twin = slot.clone();
    twin.listing.listing_id = "99999".to_owned();
    parts.slots.push(twin);
    let other = parts.slots.iter().find(|other| other.product != slot.product).unwrap().product;
    let mut edge = Edge::with(&publish(&parts, &Shape::DAY, &widths(&parts), Vec::new()), now());
    let mut listings = Vec::new();
    let mut target = "/v1/schedule?limit=100".to_owned();
    loop {
        let answer = ok(&edge.get(&target));
        let own = answer["items"].as_array().unwrap().iter().filter(|item| {
            let broadcast = &item["broadcast"];
            broadcast["channel"]["id"] == "ch-17" && broadcast["starts_at"] == slot.starts_at.to_kst_rfc3339()
        });
        listings.extend(own.map(|item| item["broadcast"]["listing_id"].as_str().unwrap().to_owned()));
        let Some(next) = answer["next_cursor"].as_str() else { break };
        target = format!("/v1/schedule?limit=100&cursor={next}");
        let entries = [always(1, Change::Hide(Subject::Product(other)))];
        edge.store.values.insert(Key::Overlay.to_string(), write(&entries, 1, edge.now).unwrap());
        edge.pass(41 * SECOND_MS);
    }
    listings.sort();
    let mut wanted = [slot.listing.listing_id, "99999".to_owned()];
    wanted.sort();
    assert_eq!(listings, wanted);
}

#[test]
fn operators_changes_move_broadcasts_at_once() {
    let parts = parts(&Shape::DAY);
    let mut edge = edge();
    let slot = parts.slots.iter().find(|slot| slot.channel == 2 && slot.starts_at > now()).unwrap();
    let moved =
        SlotPart { starts_at: slot.starts_at.plus(HOUR_MS), ends_at: slot.ends_at.plus(HOUR_MS), ..slot.clone() };
    let entries = [always(1, replace(&parts, slot, &moved))];
    edge.store.values.insert(Key::Overlay.to_string(), write(&entries, 1, edge.now).unwrap());
    let mut instead = parts.clone();
    *instead.slots.iter_mut().find(|other| (other.channel, other.starts_at) == (2, slot.starts_at)).unwrap() = moved;
    let on_day = |slot: &SlotPart| is_on(slot, DAY.0, DAY.1);
    assert_eq!(items(&ok(&edge.get("/v1/schedule"))), wanted(&instead, on_day));
}

#[test]
fn everybody_gets_the_same_bytes_without_a_read_of_tastes() {
    let mut edge = edge();
    let mut plain = edge.get("/v1/schedule");
    assert_eq!(plain.header("Cache-Control"), Some("public, max-age=20"));
    for user in users(&Shape::DAY).iter().take(3) {
        let reply = edge.ask(&Ask::get("/v1/schedule").user(user).device("a-device-of-somebody"));
        plain = edge.get("/v1/schedule");
        assert_eq!(
            (reply.header("ETag"), reply.header("Cache-Control")),
            (plain.header("ETag"), plain.header("Cache-Control"))
        );
        assert_eq!(reply.body, plain.body);
    }
    assert!(edge.store.reads.iter().all(|key| !key.contains("taste")), "{:?}", edge.store.reads);
    let etag = plain.header("ETag").unwrap().to_owned();
    assert_eq!(edge.ask(&Ask::get("/v1/schedule").if_none_match(&etag)).status, 304);
    edge.pass(2 * HOUR_MS);
    assert_eq!(edge.ask(&Ask::get("/v1/schedule").if_none_match(&etag)).status, 200, "other broadcasts are on air");
}

#[test]
fn a_viewer_may_have_the_channels_that_suit_them_first() {
    let (mut edge, parts) = (edge(), parts(&Shape::DAY));
    let mut orders = BTreeSet::new();
    for user in users(&Shape::DAY).iter().take(6) {
        let ask = Ask::get("/v1/schedule?mine=1&limit=9").user(user);
        let reply = edge.ask(&ask);
        assert_eq!(
            (&ok(&reply)["personalized"], reply.header("Cache-Control")),
            (&Value::Bool(true), Some("private, no-cache"))
        );
        let own = pages(&mut edge, &ask, |_, _| {});
        let mut sorted = own.clone();
        sorted.sort();
        let mut all = wanted(&parts, |slot| is_on(slot, DAY.0, DAY.1));
        all.sort();
        assert_eq!(sorted, all, "the same broadcasts");
        let mut channels: Vec<&str> = own.iter().map(|slot| slot.0.as_str()).collect();
        channels.dedup();
        assert_eq!(channels.len(), parts.channels.len(), "each channel's broadcasts stand together");
        assert!(own.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 <= pair[1].1), "by start");
        let told = ok(&reply)["channels"].as_array().unwrap().clone();
        assert_eq!(told.iter().map(|one| one["channel"]["id"].as_str().unwrap()).collect::<Vec<_>>(), channels);
        orders.insert(channels.join(" "));
    }
    assert!(orders.len() > 3, "viewers differ: {orders:?}");
    let nobody = ok(&edge.get("/v1/schedule?mine=1"));
    assert_eq!(items(&nobody), wanted(&parts, |slot| is_on(slot, DAY.0, DAY.1)));
}

#[test]
fn a_card_leaves_out_what_it_does_not_show() {
    let mut edge = edge();
    for (target, broadcast) in
        [("/v1/schedule", "broadcast"), ("/v1/live", "broadcast"), ("/v1/new?limit=100", "broadcasts")]
    {
        let full = ok(&edge.get(target));
        let join = if target.contains('?') { '&' } else { '?' };
        let card = ok(&edge.get(&format!("{target}{join}view=card")));
        assert_eq!(full["total"], card["total"]);
        let pairs = full["items"].as_array().unwrap().iter().zip(card["items"].as_array().unwrap());
        for (full, card) in pairs {
            let mut left = full.clone();
            for member in ["brand", "category", "url", "listings"] {
                left.as_object_mut().unwrap().remove(member);
            }
            left["verdict"].as_object_mut().unwrap().remove("evidence");
            let cut = |broadcast: &mut Value| {
                broadcast.as_object_mut().unwrap().retain(|name, _| name != "shop" && name != "listing_id");
            };
            match &mut left[broadcast] {
                Value::Array(several) => {
                    several.truncate(1);
                    several.iter_mut().for_each(cut);
                }
                one => cut(one),
            }
            assert_eq!(*card, left);
        }
    }
    let etags = ["/v1/home", "/v1/home?view=card", "/v1/home?view=full"]
        .map(|target| edge.get(target).header("ETag").unwrap().to_owned());
    assert!(etags[0] != etags[1] && etags[0] == etags[2], "{etags:?}");
}

#[test]
fn a_preview_of_the_past_has_the_schedule_of_then() {
    let mut edge = edge();
    let then = Ask::get("/v1/schedule?as_of=2026-11-23T01:00:00%2B09:00").preview(PREVIEW);
    let answer = ok(&edge.ask(&then));
    assert_eq!(answer["from"], DAY.1);
    assert!(at(answer["from"].as_str().unwrap()).plus(DAY_MS) == at(answer["to"].as_str().unwrap()));
}
