//! Replays against an edge that answered before: its state machine over a store that changes.

mod support;

use sinsang::reply::{Reply, Rung};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{DAY_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use sinsang_core::viewer::UserKey;
use sinsang_publish::note_forgotten;
use sinsang_replay::{Error, Path, Question, replay};

use support::{Edge, Kv, NOW, USERS, hasher};

/// A request with what the edge answered.
struct Record {
    question: Question,
    reply: Reply,
}

fn record(edge: &mut Edge, kv: &Kv, question: Question) -> Record {
    let reply = edge.ask(kv, &question);
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let rung = reply.header("Sinsang-Rung").map(str::to_owned);
    let rung = if rung.as_deref() == Some("kv") { Rung::Kv } else { Rung::Isolate };
    Record { question: Question { rung, ..question }, reply }
}

#[track_caller]
fn assert_replayed(kv: &mut Kv, record: &Record) {
    let report = replay(kv, &record.question).unwrap();
    let [was, is] = [&record.reply.body, &report.body].map(|body| String::from_utf8_lossy(body).into_owned());
    assert_eq!(is, was);
    // What reading took is the replay's own.
    let own = |name: &str| name != "Server-Timing";
    let was: Vec<(String, String)> =
        record.reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    let filtered = |headers: &[(String, String)]| headers.iter().filter(|one| own(&one.0)).cloned().collect::<Vec<_>>();
    assert_eq!(filtered(&report.headers), filtered(&was));
}

fn etag_of(record: &Record) -> Question {
    Question { etag: record.reply.header("ETag").map(str::to_owned), ..record.question.clone() }
}

/// A store with a live snapshot, one on trial for half of the viewers, a pulse, and two revisions
/// of the overlay; and a warm isolate.
fn begun() -> (Kv, Edge) {
    let mut kv = Kv::new(NOW);
    kv.publish(1, None);
    kv.now = NOW.plus(10 * MINUTE_MS);
    kv.publish(2, Some("50%"));
    kv.say("pin product=0000000000000009 place=2 until=1d");
    kv.now = NOW.plus(11 * MINUTE_MS);
    kv.say("hide product=0000000000000003 until=1d");
    kv.now = NOW.plus(20 * MINUTE_MS);
    kv.beat(kv.now.plus(-70 * SECOND_MS), 5);
    let mut edge = Edge::default();
    edge.refresh(&kv);
    (kv, edge)
}

/// Requests of several viewers to all surfaces, and second pages.
fn asked(edge: &mut Edge, kv: &Kv) -> Vec<Record> {
    let mut records = Vec::new();
    let viewers = USERS.map(|user| Some(hasher().key(user))).into_iter().chain([None]);
    for (turn, viewer) in (0..).zip(viewers) {
        let at = kv.now.plus(turn * 137);
        let device = viewer.is_none().then(|| "a-device-of-the-tests".to_owned());
        for path in Path::ALL {
            let question =
                Question { viewer, device: device.clone(), devices: Some(hasher()), ..Question::new(path, at) };
            // The first answer to a viewer reads their tastes.
            records.push(record(edge, kv, question.clone()));
            records.push(record(edge, kv, question));
        }
        let first =
            Question { viewer, devices: Some(hasher()), query: "limit=4".to_owned(), ..Question::new(Path::New, at) };
        let page = record(edge, kv, first.clone());
        let body: serde_json::Value = serde_json::from_slice(&page.reply.body).unwrap();
        let query = format!("limit=4&cursor={}", body["next_cursor"].as_str().unwrap());
        records.push(page);
        records.push(record(edge, kv, Question { query, at: at.plus(2_345), ..first }));
    }
    records
}

/// Puts another snapshot, pulse and overlay in place, before an isolate looks again.
fn moved_on(kv: &mut Kv) {
    kv.now = kv.now.plus(10 * SECOND_MS);
    kv.publish(3, None);
    kv.beat(kv.now.plus(-SECOND_MS), 7);
    kv.say("hide product=0000000000000005 until=1d");
    kv.now = kv.now.plus(15 * SECOND_MS);
    kv.beat(kv.now, 8);
    kv.say("pin product=0000000000000001 place=1 until=1d");
}

#[test]
fn answers_are_given_again_a_snapshot_a_pulse_and_an_overlay_later() {
    let (mut kv, mut edge) = begun();
    let records = asked(&mut edge, &kv);
    let snapshots = |records: &[Record]| {
        let mut names: Vec<_> = records.iter().filter_map(|one| one.reply.header("Sinsang-Snapshot")).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    assert_eq!(snapshots(&records), 2, "some are in the share of the trial");
    let rungs = [Rung::Kv, Rung::Isolate].map(|rung| records.iter().filter(|one| one.question.rung == rung).count());
    assert!(rungs.iter().all(|count| *count > 1), "{rungs:?}");
    moved_on(&mut kv);
    let later = asked(
        &mut {
            let mut edge = Edge::default();
            edge.refresh(&kv);
            edge
        },
        &kv,
    );
    for (record, later) in records.iter().zip(&later) {
        assert_replayed(&mut kv, record);
        assert_replayed(&mut kv, &Record { question: etag_of(record), reply: record.reply.clone() });
        assert!(record.question.path == Path::Tabs || record.reply.body != later.reply.body, "nothing differs since");
    }
}

#[test]
fn an_isolate_that_was_behind_is_told_by_the_etag() {
    let (mut kv, mut edge) = begun();
    moved_on(&mut kv);
    // It has seen none of that.
    let question = Question::new(Path::Home, kv.now);
    let behind = record(&mut edge, &kv, question.clone());
    let newest = replay(&mut kv, &question).unwrap();
    assert_ne!(newest.body, behind.reply.body);
    assert!(newest.possible.is_uncertain(), "{}", newest.possible);
    assert_eq!(newest.possible.overlays, [4, 3, 2]);
    assert!(newest.to_string().contains("--etag decides"), "{newest}");
    let found = replay(&mut kv, &etag_of(&behind)).unwrap();
    assert_eq!(found.body, behind.reply.body);
    assert_eq!((found.from.overlay, found.has_etag), (2, Some(true)));
    // Named outright, the same values give the same.
    let named = Question {
        snapshot: behind.reply.header("Sinsang-Snapshot").and_then(sinsang_core::pack::manifest::SnapshotId::parse),
        pulse: Some(found.from.pulse),
        overlay: Some(2),
        ..question.clone()
    };
    assert_eq!(replay(&mut kv, &named).unwrap().body, behind.reply.body);
    let other = replay(&mut kv, &Question { overlay: Some(1), ..named }).unwrap();
    assert_ne!(other.body, behind.reply.body, "each of the values counts");
    let error = replay(&mut kv, &Question { etag: Some("W/\"0123456789abcdef\"".to_owned()), ..question }).unwrap_err();
    assert!(matches!(error, Error::NoMatch { tried, .. } if tried > 20), "{error}");
    assert!(error.to_string().contains("overlay revisions 4, 3, 2"), "{error}");
}

#[test]
fn an_isolate_that_just_began_answers_without_trial_and_pulse() {
    let (mut kv, _) = begun();
    for viewer in [None, Some(hasher().key(USERS[0])), Some(hasher().key(USERS[1]))] {
        let question = Question { viewer, devices: Some(hasher()), ..Question::new(Path::Home, kv.now) };
        let record = record(&mut Edge::default(), &kv, question);
        assert_eq!(record.question.rung, Rung::Kv);
        let report = replay(&mut kv, &etag_of(&record)).unwrap();
        assert_eq!(report.body, record.reply.body);
        assert_eq!((report.from.pulse, report.from.snapshot), (None, Some(report.from.live)));
    }
}

#[test]
fn other_rungs_are_named_in_bodies() {
    let (mut kv, mut edge) = begun();
    let record = record(&mut edge, &kv, Question::new(Path::New, kv.now));
    for rung in [Rung::Kv, Rung::Stale, Rung::Cache, Rung::Bundle] {
        // The pulse of a cold isolate has to be named, and a bundle has no overlay of its own.
        let pulse = replay(&mut kv, &record.question).unwrap().from.pulse;
        let question = Question { rung, pulse: Some(pulse), ..record.question.clone() };
        let report = replay(&mut kv, &question).unwrap();
        let text = String::from_utf8(report.body.clone()).unwrap();
        let was = String::from_utf8(record.reply.body.clone()).unwrap();
        assert_eq!(text, was.replace("\"rung\":\"isolate\"", &format!("\"rung\":\"{}\"", rung.as_str())));
    }
}

#[test]
fn each_place_is_explained_in_the_order_of_the_answer_with_what_was_said_about_it() {
    let (mut kv, mut edge) = begun();
    let viewer = Some(hasher().key(USERS[0]));
    let question = Question { viewer, ..Question::new(Path::New, kv.now) };
    let record = record(&mut edge, &kv, question);
    let report = replay(&mut kv, &record.question).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&report.body).unwrap();
    let ids: Vec<&str> =
        body["items"].as_array().unwrap().iter().map(|item| item["product_id"].as_str().unwrap()).collect();
    assert_eq!(report.places.iter().map(|place| place.id.as_str()).collect::<Vec<_>>(), ids);
    let pinned = &report.places[1];
    assert_eq!((pinned.id.as_str(), pinned.place, pinned.overlay.len()), ("0000000000000009", 2, 1));
    assert!(pinned.why["text"].as_str().is_some_and(|text| !text.is_empty()), "{}", pinned.why);
    assert!(!body["items"][0].as_object().unwrap().contains_key("why"), "the body is the app's");
    let text = report.to_string();
    for part in [
        "said: ",
        "pin 1",
        "said of what is not in the answer",
        "hide",
        "was on trial for 50%",
        "points: ",
        "audiences known\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn what_can_not_be_replayed_says_why() {
    let (mut kv, mut edge) = begun();
    let question = Question { viewer: Some(hasher().key(USERS[0])), ..Question::new(Path::New, kv.now) };
    let record = record(&mut edge, &kv, question.clone());
    let fails = |kv: &mut Kv, question: Question, said: &str| {
        let error = replay(kv, &question).unwrap_err().to_string();
        assert!(error.contains(said), "{said} is not in: {error}");
    };
    let asked = |at: UnixMillis| Question { at, ..question.clone() };
    let now = kv.now;
    fails(&mut kv, asked(now.plus(SECOND_MS)), "is ahead of this machine's clock");
    fails(&mut kv, asked(now.plus(-8 * DAY_MS)), "is too long ago: the store keeps a week");
    fails(&mut kv, asked(NOW.plus(-MINUTE_MS)), "begins with the one that went live at");
    fails(&mut Kv::new(now), asked(now.plus(-MINUTE_MS)), "history of runs names none");
    let unknown = sinsang_core::pack::manifest::SnapshotId(7);
    fails(&mut kv, Question { snapshot: Some(unknown), ..question.clone() }, "was neither live nor on trial");
    fails(&mut kv, Question { overlay: Some(9), ..question.clone() }, "no revision 9");
    fails(&mut kv, Question { pulse: Some(Some(77)), ..question.clone() }, "pulse/77 (the pulse that");
    let trial = Manifest::parse(kv.live()).unwrap().trial().copied().unwrap();
    let outside = USERS.map(|user| hasher().key(user)).into_iter().find(|key| !trial.shows(*key)).unwrap();
    let other = Question { snapshot: Some(trial.snapshot), viewer: Some(outside), ..question.clone() };
    fails(&mut kv, other, "was not answered from snapshot");

    // A list's pulse, a shard and a board that are gone.
    let first: serde_json::Value = serde_json::from_slice(
        &replay(&mut kv, &Question { query: "limit=2".to_owned(), ..question.clone() }).unwrap().body,
    )
    .unwrap();
    let query = format!("limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let page = Question { query, ..question.clone() };
    assert_eq!(replay(&mut kv, &page).unwrap().status, 200);
    let mut without = kv.clone();
    without.values.retain(|key, _| !key.starts_with("pulse/"));
    fails(&mut without, page, "is gone from the store");
    for what in ["a shard of users' tastes", "a snapshot's board"] {
        let mut without = kv.clone();
        let gone = without.packs_of(what);
        without.values.retain(|key, _| !gone.contains(key));
        fails(&mut without, record.question.clone(), what);
    }

    let forgotten: UserKey = hasher().key(USERS[0]);
    note_forgotten(&mut kv, [forgotten], now, (now, "a test")).unwrap();
    fails(&mut kv, question, "asked to be forgotten");
}

#[test]
fn a_refusal_is_given_again_too() {
    let (mut kv, mut edge) = begun();
    let question = Question { query: "limit=0".to_owned(), ..Question::new(Path::New, kv.now) };
    let reply = edge.ask(&kv, &question);
    let report = replay(&mut kv, &question).unwrap();
    assert_eq!((reply.status, report.status), (400, 400));
    assert_eq!(report.body, reply.body);
    assert_eq!(report.from.snapshot, None);
}
