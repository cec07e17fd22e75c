//! Tests of each rule on made-up events that trigger it, and on some that nearly do.

use std::borrow::Cow;

use sinsang_core::event::EventKind;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};

use super::super::finding::{Finding, Rule};
use super::super::tally::{Example, Spelled};
use super::Audience;
use crate::intake::Observer as _;
use crate::reject::Reason;
use crate::table::Event;
use crate::value::Value;
use crate::{Fault, Place};

fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339("2026-11-22T23:00:00+09:00").unwrap()
}

fn event(user: i64, day: i64, hour: i64) -> Event {
    let midnight = UnixMillis(now().0 - 23 * HOUR_MS);
    Event {
        user_id: format!("u{user:04}"),
        at: midnight.plus(day * DAY_MS + hour * HOUR_MS + user * MINUTE_MS / 2),
        kind: if user % 3 == 0 { EventKind::Click } else { EventKind::Impression },
        shop: None,
        listing_id: Some(format!("{}", user * 31 + hour)),
        product_id: None,
        tab_id: None,
        channel: None,
        region: None,
        device_class: None,
        amount: None,
    }
}

/// Forty users awake from 7 to 23 o'clock, for three weeks.
fn usual() -> Vec<Event> {
    let days = (-20..=0).flat_map(|day| (7..23).map(move |hour| (day, hour)));
    days.flat_map(|(day, hour)| (0..40).map(move |user| event(user, day, hour))).collect()
}

fn listened(rows: &[Event]) -> Vec<Finding> {
    let mut audience = Audience::new(now(), None, None);
    for (place, row) in (1..).zip(rows) {
        let example = Example { value: None, file: "events.ndjson".to_owned(), row: place, line: None };
        audience.add(row, &Spelled::default(), &|_, _| example.clone());
    }
    audience.findings()
}

#[test]
fn each_rule_finds_what_it_looks_for_and_leaves_alone_what_nearly_is() {
    type Change = Box<dyn Fn(&mut Vec<Event>)>;
    let each = |change: fn(&mut Event)| -> Change { Box::new(move |rows| rows.iter_mut().for_each(change)) };
    let named = |name: &'static str, every: usize| -> Change {
        Box::new(move |rows| rows.iter_mut().step_by(every).for_each(|row| row.user_id = name.to_owned()))
    };
    let day = |row: &Event| row.at.kst_day() - now().kst_day();
    let table: Vec<(&str, Change, &[Rule])> = vec![
        ("as it should be", Box::new(|_| ()), &[]),
        ("one of forty has a quarter", named("u0007", 4), &[Rule::OutsizedUser]),
        ("one of forty has a twentieth", named("u0007", 30), &[]),
        ("five users share all", Box::new(|rows| rows.retain(|row| row.user_id.as_str() < "u0005")), &[]),
        ("a lost day", Box::new(move |rows| rows.retain(|row| day(row) != -9)), &[Rule::LostDay]),
        (
            "a day cut short",
            Box::new(move |rows| rows.retain(|row| day(row) != -9 || row.at.kst_hour() < 9)),
            &[Rule::ThinDay],
        ),
        ("they ended", Box::new(move |rows| rows.retain(|row| day(row) < -4)), &[Rule::EventsEnded]),
        ("none of today yet", Box::new(move |rows| rows.retain(|row| day(row) < 0)), &[]),
        ("UTC taken as Korean time", each(|row| row.at = row.at.plus(-9 * HOUR_MS)), &[Rule::NightByDay]),
        ("people who stay up late", each(|row| row.at = row.at.plus(-4 * HOUR_MS)), &[]),
        (
            "nobody sleeps",
            Box::new(|rows| {
                let by_night: Vec<Event> =
                    rows.iter().map(|row| Event { at: row.at.plus(8 * HOUR_MS), ..row.clone() }).collect();
                rows.extend(by_night.into_iter().filter(|row| row.at < now()));
            }),
            &[],
        ),
        ("impressions alone", each(|row| row.kind = EventKind::Impression), &[Rule::OneKind]),
        ("all twice", Box::new(|rows| rows.extend(rows.clone())), &[Rule::Copies]),
    ];
    for (what, change, expected) in table {
        let mut rows = usual();
        change(&mut rows);
        let found: Vec<Rule> = listened(&rows).into_iter().map(|finding| finding.rule).collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn events_of_the_next_nine_hours_are_korean_time_that_says_utc_and_a_past_present_is_none() {
    let future = |hours: i64| {
        let mut audience = Audience::new(now(), None, None);
        for row in 0..40 {
            let at = now().plus(hours * HOUR_MS - row * MINUTE_MS).to_utc_rfc3339();
            let values = [Value::Text(Cow::Borrowed("u1")), Value::Text(Cow::Borrowed(&at))];
            let fault = Fault { field: Some("at"), reason: Reason::InTheFuture, detail: None, value: Some(at.clone()) };
            audience.set_aside(Place { row: 1, line: None }, &values, &fault);
        }
        audience.findings().into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(future(9), [Rule::EventsInFuture]);
    assert_eq!(future(48), []);
}

#[test]
fn strangers_under_one_word_are_told_of_and_are_no_user() {
    let mut audience = Audience::new(now(), None, None);
    for row in usual() {
        let example = Example { value: None, file: "events.ndjson".to_owned(), row: 1, line: None };
        audience.add(&row, &Spelled::default(), &|_, _| example.clone());
    }
    let values = [Value::Text(Cow::Borrowed("undefined"))];
    for _ in 0..5_000 {
        let fault = Fault { field: Some("user_id"), reason: Reason::Nobody, detail: None, value: None };
        audience.set_aside(Place { row: 7, line: Some(8) }, &values, &fault);
    }
    let found = audience.findings();
    assert_eq!(found.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::Nobody]);
    assert!(found[0].seen.starts_with("5,000 of 18,440 events"), "{}", found[0].seen);
}
