//! The overlay on an in-memory store: what lines become, what is refused, and who else writes.

use sinsang_core::overlay::{Change, Subject};
use sinsang_core::time::{DAY_MS, HOUR_MS};

use super::*;
use crate::publication::publish as publish_snapshot;
use crate::shelf::{Shelf, options, snapshot};

const BUILT_AT: i64 = 1_800_000_000_000;

/// A store with a live snapshot of `products` products, all of which are sold on one channel 23
/// hours after the build.
fn store(products: u64) -> Shelf {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Shelf::new();
    let snapshot = snapshot(folder.path(), BUILT_AT, products, 1);
    publish_snapshot(&snapshot, &mut store, &options(BUILT_AT, false)).unwrap();
    store.now = BUILT_AT + HOUR_MS;
    store
}

fn say_lines(store: &mut Shelf, lines: &[&str]) -> PutReport {
    say_with(store, lines, |_| {})
}

fn say_with(store: &mut Shelf, lines: &[&str], edit: impl FnOnce(&mut PutOptions<'_>)) -> PutReport {
    let input = lines.iter().zip(1..).map(|(line, at)| Input { place: format!("line {at}"), text: (*line).to_owned() });
    let mut options = PutOptions {
        by: "kim",
        holder: "a test",
        defaults: Defaults { why: Some("a test".to_owned()), ..Defaults::default() },
        is_dry: false,
        is_all_or_nothing: false,
        nonce: u64::try_from(store.values.get(OVERLAY_LOG).map_or(0, Vec::len)).unwrap(),
    };
    edit(&mut options);
    put(store, &input.collect::<Vec<_>>(), &options).unwrap()
}

fn id(product: u64) -> String {
    format!("{product:016x}")
}

fn overlay(store: &Shelf) -> Overlay {
    Overlay::parse(store.values[&Key::Overlay.to_string()].clone()).unwrap()
}

/// What stands at the store's time.
fn standing(store: &Shelf) -> Vec<Change<'static>> {
    let overlay = Box::leak(Box::new(overlay(store)));
    let standing = overlay.standing(store.now(), overlay.revision());
    standing.entries.into_iter().map(|entry| entry.change).collect()
}

fn starts_at() -> UnixMillis {
    UnixMillis(BUILT_AT + 23 * HOUR_MS)
}

#[test]
fn lines_of_either_form_become_what_edges_read() {
    let mut store = store(4);
    let json = r#"{"do":"sold_out","shop":"GS샵","listing_id":"2","until":"2d","why":"재고 소진"}"#;
    let starts_at = starts_at();
    let report = say_lines(
        &mut store,
        &[
            &format!("hide product={} until=6h why=\"리콜 안내\"", id(1)),
            json,
            &format!("price product={} price=12,900 until=1d", id(2)),
            &format!("note product={} text=\"오늘만 무이자\" until=1d", id(2)),
            &format!(
                "move channel=gs starts_at={starts_at} product={} to_starts_at={}",
                id(3),
                starts_at.plus(HOUR_MS)
            ),
            &format!("pin product={} place=1 on=new until=1d", id(3)),
            &format!("cancel channel=gs starts_at={starts_at} product={}", id(4)),
        ],
    );
    assert_eq!((report.refused, report.said.len(), report.revision), (Vec::new(), 7, 1));
    assert_eq!(report.surfaces, [[4, 0], [2, 0]]);
    assert!(report.said[0].touches.contains("'무쇠솥 1': 1 broadcasts to come"), "{}", report.said[0].touches);
    let standing = standing(&store);
    assert_eq!(standing[0], Change::Hide(Subject::Product(1)));
    assert_eq!(standing[1], Change::SoldOut(Subject::Listing(sinsang_core::overlay::listing_key("GS샵", "2"))));
    assert_eq!(standing[2], Change::Price(Subject::Product(2), 12_900));
    let Change::Replace(key, with) = &standing[4] else { panic!("{:?}", standing[4]) };
    assert_eq!((key.product, with.product, with.ends_at.since(with.starts_at)), (Some(3), 3, HOUR_MS));
    let head: serde_json::Value = serde_json::from_str(&format!("{}}}", with.head)).unwrap();
    assert_eq!((&head["shop"], &head["channel"]["name"]), (&"GS샵".into(), &"GS샵".into()));
    assert_eq!(head["starts_at"], starts_at.plus(HOUR_MS).to_string());
    // The changes of a broadcast outlast it.
    let until = overlay(&store).entries().nth(6).unwrap().until;
    assert!(until > starts_at.plus(DAY_MS));
    let log = log_of(&mut store).unwrap();
    assert_eq!((log.entries().len(), log.entries()[0].by.as_str()), (7, "kim"));
    assert_eq!(log.entries()[0].statement.why, "리콜 안내");
}

#[test]
fn wrong_lines_are_set_aside_with_their_reasons_and_the_rest_is_put() {
    let starts_at = starts_at();
    let hide = format!("hide product={}", id(1));
    let cases: &[(String, &str)] = &[
        ("{".to_owned(), "no JSON object"),
        ("product=1".to_owned(), "`do` is missing"),
        ("burn product=1".to_owned(), "'burn' is nothing to do: expected one of hide, sold_out"),
        ("hide until=6h".to_owned(), "hide needs `product`, or `shop` and `listing_id`,"),
        ("hide shop=GS샵 until=6h".to_owned(), "`shop` and `listing_id` belong together"),
        (format!("{hide} until=6h place=3"), "hide has no field `place`: it takes product"),
        (hide.clone(), "`until` is missing"),
        (format!("{hide} until=yesterday"), "until 'yesterday' is no time"),
        (format!("{hide} until=91d"), "more than 90 days ahead"),
        (format!("{hide} from=2h until=1h"), "not after its begin"),
        (format!("{hide} from=2020-01-01T00:00:00Z until=2020-01-02T00:00:00Z"), "before now"),
        (format!("{hide} until=6h why=\"{}\"", "가".repeat(201)), "longer than 200 characters"),
        (format!("{hide} until=\"6h"), "a quote is not closed"),
        (format!("{hide} until=6h until=7h"), "`until` is there twice"),
        (format!("{hide} until"), "'until' is no field"),
        ("hide product=12 until=6h".to_owned(), "product '12' is no id"),
        (format!("hide product={} until=6h", id(99)), "product 0000000000000063 is not on the live board"),
        ("sold_out shop=GS샵 listing_id=99 until=6h".to_owned(), "sells listing 99 of GS샵"),
        (format!("price product={} price=cheap until=6h", id(1)), "price is a whole number, not 'cheap'"),
        (format!("price product={} price=0 until=6h", id(1)), "price is 0"),
        (format!("price product={} price=-5 until=6h", id(1)), "invalid value"),
        (format!("note product={} text={} until=6h", id(1), "가".repeat(41)), "and this is 41"),
        (format!("pin product={} place=0 until=6h", id(1)), "place 0 is not from 1 to 40"),
        (format!("pin product={} place=1 on=tabs until=6h", id(1)), "'tabs' is none of new and live"),
        (format!("boost product={} points=-3 until=6h", id(1)), "points are above 0"),
        (format!("cancel channel=xx starts_at={starts_at}"), "channel 'xx' is none of gs"),
        (format!("cancel channel=gs starts_at={}", starts_at.plus(60_000)), "starts then"),
        (format!("cancel channel=gs starts_at={starts_at} product={}", id(99)), "sells product 0000000000000063 then"),
        (format!("move channel=gs starts_at={starts_at} to_starts_at=1d"), "3 products are sold then: name one of"),
        (format!("prolong channel=gs starts_at={starts_at} product={} to_ends_at={starts_at}", id(1)), "at most a day"),
        (
            format!("hand_over channel=gs starts_at={starts_at} product={} to_product={}", id(1), id(99)),
            "is not on the live board",
        ),
        (
            format!("move channel=gs starts_at={starts_at} product={} to_starts_at=1d to_channel=yy", id(1)),
            "to_channel 'yy' is no channel",
        ),
    ];
    let mut store = store(3);
    for (line, expected) in cases {
        let good = format!("sold_out product={} until=1d", id(2));
        let report = say_lines(&mut store, &[line, &good]);
        let reason = &report.refused[0].reason;
        assert!(reason.contains(expected), "{line}: {reason}");
        assert_eq!((report.refused[0].place.as_str(), report.said.len() + report.known), ("line 1", 1), "{line}");
    }
    assert_eq!(standing(&store).len(), 1);
    let mut nothing = |line: &str| say_with(&mut store, &[line, &hide], |options| options.is_all_or_nothing = true);
    let report = nothing(&format!("hide product={} until=6h", id(3)));
    assert_eq!((report.is_put, report.refused.len()), (false, 1), "all or nothing");
    let mut unsaid = self::store(1);
    let report = say_with(&mut unsaid, &[&format!("{hide} until=6h")], |options| options.defaults.why = None);
    assert!(report.refused[0].reason.contains("`why` is missing"));
}

#[test]
fn what_is_said_again_stands_once_and_what_is_said_otherwise_replaces_it() {
    let mut store = store(3);
    let price = |won: u32, until: &str| format!("price product={} price={won} until={until}", id(1));
    assert!(say_lines(&mut store, &[&price(5_000, "2d")]).is_put);
    let again = say_lines(&mut store, &[&price(5_000, "1d")]);
    assert_eq!((again.known, again.is_put, again.revision), (1, false, 1));
    let longer = say_lines(&mut store, &[&price(5_000, "3d"), &price(6_000, "3d")]);
    assert_eq!(
        (longer.said.len(), longer.refused[0].reason.as_str()),
        (1, "it contradicts line 1, which is about the same")
    );
    say_lines(&mut store, &[&price(7_000, "1h")]);
    assert_eq!(standing(&store), [Change::Price(Subject::Product(1), 7_000)]);
    let removed: Vec<Option<u32>> = overlay(&store).entries().map(|entry| entry.removed).collect();
    assert_eq!(removed, [Some(2), Some(3), None]);
    // A broadcast has one change at a time.
    let slot = format!("channel=gs starts_at={} product={}", starts_at(), id(2));
    say_lines(&mut store, &[&format!("cancel {slot}")]);
    let other = say_lines(&mut store, &[&format!("prolong {slot} to_ends_at={}", starts_at().plus(2 * HOUR_MS))]);
    assert!(other.refused[0].reason.contains("changes that broadcast already (cancel): remove it first"));
    let entries = list(&mut store, false).unwrap().entries;
    let cancel = entries.iter().find(|shown| shown.said.statement.deed == Deed::Cancel).unwrap().said.id.clone();
    let report = remove(&mut store, &[cancel, "0000abcd".to_owned()], "a mistake", ("lee", "a test")).unwrap();
    assert_eq!((report.removed.len(), report.unknown, report.revision), (1, vec!["0000abcd".to_owned()], 5));
    assert!(say_lines(&mut store, &[&format!("prolong {slot} to_ends_at={}", starts_at().plus(2 * HOUR_MS))]).is_put);
    let all = list(&mut store, true).unwrap();
    assert_eq!((all.entries.len(), all.damage), (5, None));
    assert_eq!(all.entries.iter().filter(|shown| shown.state == "removed").count(), 3);
    let now = store.now();
    let status = crate::status(&mut store, now, crate::Depth::Sample).unwrap();
    let told = status.overlay.as_ref().unwrap();
    assert_eq!((told.revision, told.standing, told.coming), (6, 2, 0));
    assert!(status.to_string().contains("said   2 entries of the overlay stand"), "{status}");
}

#[test]
fn a_dry_run_writes_nothing_and_what_ends_goes_by_itself() {
    let mut store = store(2);
    let before = store.values.clone();
    let line = format!("hide product={} until=2h", id(1));
    let report = say_with(&mut store, &[&line], |options| options.is_dry = true);
    assert_eq!((report.is_put, report.surfaces), (true, [[2, 0], [1, 0]]));
    assert_eq!(store.values, before);
    say_lines(&mut store, &[&line]);
    assert_eq!(standing(&store).len(), 1);
    store.now += 3 * HOUR_MS;
    assert!(standing(&store).is_empty());
    assert_eq!(list(&mut store, true).unwrap().entries[0].state, "ended");
    // It leaves the pack after a day, and the log after 90.
    store.now += 2 * DAY_MS;
    say_lines(&mut store, &[&format!("hide product={} until=1h", id(2))]);
    assert_eq!((overlay(&store).entries().count(), log_of(&mut store).unwrap().entries().len()), (1, 2));
    store.now += 91 * DAY_MS;
    assert_eq!(say_lines(&mut store, &[&format!("hide product={} until=1h", id(2))]).dropped, 2);
}

#[test]
fn limits_clocks_and_a_log_that_can_not_be_read_are_told() {
    let mut store = store(2);
    say_lines(&mut store, &[&format!("hide product={} until=2d", id(1))]);
    store.now -= DAY_MS;
    let options = PutOptions {
        by: "kim",
        holder: "a test",
        defaults: Defaults { why: Some("x".to_owned()), until: Some("1d".to_owned()), from: None },
        is_dry: false,
        is_all_or_nothing: false,
        nonce: 1,
    };
    let line = |text: String| vec![Input { place: "line 1".to_owned(), text }];
    let error = put(&mut store, &line(format!("hide product={}", id(2))), &options).unwrap_err();
    assert!(matches!(error, Error::ClockBehind { .. }), "{error}");
    store.now += DAY_MS;
    store.values.insert(OVERLAY_LOG.to_owned(), b"{}\nno\n".to_vec());
    let before = store.values.clone();
    let error = put(&mut store, &line(format!("hide product={}", id(2))), &options).unwrap_err();
    assert!(error.to_string().starts_with("line 1 of the overlay's log can't be read"), "{error}");
    let changed: Vec<&String> =
        store.values.iter().filter(|(key, value)| before.get(*key) != Some(value)).map(|(key, _)| key).collect();
    assert_eq!(changed, [sinsang_core::key::OVERLAY_LEASE], "the last good overlay stays");
    let mut empty = Shelf::new();
    assert!(matches!(put(&mut empty, &[], &options).unwrap_err(), Error::NothingLive));
}

#[test]
fn an_overlay_holds_so_many_entries_and_says_what_it_left_out() {
    let mut store = store(4_200);
    let lines: Vec<String> = (1..=4_200).map(|product| format!("sold_out product={} until=1d", id(product))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let report = say_lines(&mut store, &lines);
    assert_eq!((report.said.len(), report.refused.len()), (MOST_ENTRIES, 4_200 - MOST_ENTRIES));
    assert!(report.refused[0].reason.starts_with("the overlay is full: 4096 entries"), "{}", report.refused[0].reason);
    assert_eq!(overlay(&store).entries().count(), MOST_ENTRIES);
    let mut store = self::store(70);
    let lines: Vec<String> = (1..=70).map(|product| format!("boost product={} until=1d", id(product))).collect();
    let report = say_lines(&mut store, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((report.said.len(), report.refused.len()), (MOST_DIRECTIVES, 70 - MOST_DIRECTIVES));
    assert!(report.refused[0].reason.starts_with("64 of pin, boost and bury"), "{}", report.refused[0].reason);
}

#[test]
fn another_writer_between_reading_and_writing_is_noticed() {
    let mut store = store(3);
    say_lines(&mut store, &[&format!("hide product={} until=1d", id(1))]);
    let theirs = {
        let mut other = store.cut(1_000);
        other.now = store.now;
        say_lines(&mut other, &[&format!("hide product={} until=1d", id(2))]);
        other.values[OVERLAY_LOG].clone()
    };
    store.meanwhile = Some((Key::Overlay.to_string(), vec![(OVERLAY_LOG.to_owned(), theirs)]));
    let options = PutOptions {
        by: "lee",
        holder: "a test",
        defaults: Defaults { why: Some("x".to_owned()), until: Some("1d".to_owned()), from: None },
        is_dry: false,
        is_all_or_nothing: false,
        nonce: 7,
    };
    let input = [Input { place: "line 1".to_owned(), text: format!("hide product={}", id(3)) }];
    let error = put(&mut store, &input, &options).unwrap_err();
    assert!(matches!(&error, Error::ReadBack { key, .. } if key == OVERLAY_LOG), "{error}");
    // What the other one said is there, and saying it again adds to it.
    put(&mut store, &input, &options).unwrap();
    let hidden = |store: &Shelf| standing(store).len();
    assert_eq!(hidden(&store), 3);
}

#[test]
fn a_publish_that_runs_holds_nobody_up_and_keeps_its_lease() {
    let mut store = store(2);
    let held = Held::take(&mut store, "a publisher", "publish").unwrap();
    let theirs = store.values[sinsang_core::key::LEASE].clone();
    let began = store.now;
    assert!(say_lines(&mut store, &[&format!("hide product={} until=1d", id(1))]).is_put);
    assert_eq!((store.now, &store.values[sinsang_core::key::LEASE]), (began, &theirs));
    held.give_back(&mut store, true);
    // One that was killed while it changed the overlay blocks the next one for a minute.
    let killed = Held::take(&mut store, "a writer", OVERLAY).unwrap();
    assert!(say_lines(&mut store, &[&format!("hide product={} until=1d", id(2))]).is_put);
    assert!((50_000..70_000).contains(&(store.now - began)), "{} ms", store.now - began);
    drop(killed);
    assert_eq!(standing(&store).len(), 2);
}

#[test]
fn the_overlay_of_every_revision_is_made_of_the_log_again() {
    let mut store = store(40);
    let mut given = Vec::new();
    for turn in 0_u64..60 {
        store.now += 7 * 60_000 + 13;
        let product = id(turn % 7);
        let line = match turn % 5 {
            0 => format!("hide product={product} until={}h", 1 + turn % 4),
            1 => format!("note product={product} text=n{turn} until=1d"),
            2 => format!("pin product={product} place={} until=6h from=30m", 1 + turn % 9),
            3 => format!("price product={product} price={} until=2d", 1_000 + turn),
            _ => {
                let open = list(&mut store, false).unwrap().entries;
                let ids = [open[usize::try_from(turn).unwrap() % open.len()].said.id.clone()];
                let removed = remove(&mut store, &ids, "a test", ("kim", "a test")).unwrap();
                assert_eq!(removed.removed.len(), 1);
                given.push((store.now(), store.values[&Key::Overlay.to_string()].clone()));
                continue;
            }
        };
        if say_lines(&mut store, &[&line]).is_put {
            given.push((store.now(), store.values[&Key::Overlay.to_string()].clone()));
        }
    }
    assert!(given.len() > 40, "{}", given.len());
    let log = log_of(&mut store).unwrap();
    let revisions = log.revisions();
    assert_eq!(
        revisions.iter().map(|(_, at)| *at).rev().collect::<Vec<_>>(),
        given.iter().map(|(at, _)| *at).collect::<Vec<_>>()
    );
    for ((revision, _), (_, pack)) in revisions.iter().rev().zip(&given) {
        assert_eq!(log.pack_of(*revision).unwrap().as_ref(), Some(pack), "revision {revision}");
    }
    assert_eq!(log.pack_of(u32::MAX).unwrap(), None);
    assert_eq!((log.as_of(0).0.len(), Log::default().pack_of(0).unwrap()), (0, None));
}
