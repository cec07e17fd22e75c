//! Tests of each rule on a made-up schedule that triggers it, and on one that nearly does.

use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};

use super::super::finding::{Finding, Rule, Severity};
use super::super::tally::{Example, Spelled};
use super::{Known, Schedule};
use crate::TableReport;
use crate::check::{Broadcasts, Table as _};
use crate::form::Form;
use crate::table::Broadcast;

const SHOPS: [&str; 4] = ["가", "나", "다", "라"];
const DAYS: i64 = 60;

fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339("2026-11-22T12:00:00+09:00").unwrap()
}

/// A row of a shop's channel, `day` days from today.
fn row(shop: &str, day: i64, hour: i64, minute: i64) -> Broadcast {
    let midnight = UnixMillis(now().0 - 12 * HOUR_MS);
    let starts_at = midnight.plus(day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS);
    let code = day.rem_euclid(11) * 100 + hour * 3 + minute / 20;
    Broadcast {
        listing_id: format!("00{code}"),
        shop: shop.to_owned(),
        channel: format!("{shop} 채널"),
        title: format!("{shop} 상품 {code}"),
        brand: Some("솥".to_owned()),
        price: Some(10_000 + u32::try_from(code).unwrap() * 37),
        starts_at,
        ends_at: Some(starts_at.plus(HOUR_MS)),
        collected_at: Some(midnight.plus((day - 1) * DAY_MS + 100 * MINUTE_MS)),
        ..Broadcast::default()
    }
}

/// Four shops with a channel each, full hours by day and short repeats at night, from 60 days ago
/// to tomorrow.
fn usual() -> Vec<Broadcast> {
    let mut rows = Vec::new();
    for day in -DAYS..=1 {
        for shop in SHOPS {
            for hour in 0..24 {
                rows.push(row(shop, day, hour, 0));
                if (2..5).contains(&hour) {
                    rows.extend([row(shop, day, hour, 20), row(shop, day, hour, 40)]);
                }
            }
        }
    }
    rows
}

fn day_of(row: &Broadcast) -> i64 {
    row.starts_at.kst_day() - now().kst_day()
}

fn spelled(row: &Broadcast, collected: Form) -> Spelled {
    let mut spelled = Spelled::default();
    let has = [
        ("listing_id", true),
        ("brand", row.brand.is_some()),
        ("price", row.price.is_some()),
        ("ends_at", row.ends_at.is_some()),
        ("collected_at", row.collected_at.is_some()),
    ];
    for (place, column) in Broadcasts::COLUMNS.iter().enumerate() {
        spelled.filled |= u32::from(has.contains(&(column.name, true))) << place;
        spelled.forms[place] = if column.name == "collected_at" { collected } else { Form::TimeWithOffset };
    }
    spelled
}

fn listened(rows: &[Broadcast], collected: impl Fn(&Broadcast) -> Form) -> Schedule {
    let mut schedule = Schedule::new(now(), (now().plus(-DAY_MS), now().plus(8 * DAY_MS)));
    for (place, row) in (1..).zip(rows) {
        let example = Example { value: None, file: "broadcasts.csv".to_owned(), row: place, line: None };
        schedule.add(row, &spelled(row, collected(row)), &|_, _| example.clone());
    }
    schedule
}

fn report(bad: &[(&str, u64)]) -> TableReport {
    TableReport {
        table: Broadcasts::NAME,
        files: 1,
        rows: 0,
        kept: 0,
        renamed: Vec::new(),
        set_aside: Vec::new(),
        public_faults: 0,
        set_aside_by_shop: bad.iter().map(|(shop, rows)| ((*shop).to_owned(), *rows)).collect(),
        repaired: Vec::new(),
        rejects: None,
        warnings: Vec::new(),
    }
}

fn found(rows: &[Broadcast]) -> Vec<Finding> {
    listened(rows, |_| Form::TimeWithOffset).findings(&report(&[]))
}

/// The rules that trigger in the usual schedule after `change`, with their subjects.
fn rules(change: impl FnOnce(&mut Vec<Broadcast>)) -> Vec<(Rule, String)> {
    let mut rows = usual();
    change(&mut rows);
    found(&rows).into_iter().map(|finding| (finding.rule, finding.subject.unwrap_or_default())).collect()
}

type Change = Box<dyn Fn(&mut Vec<Broadcast>)>;

/// Changes the rows of the first shop.
fn of_first(change: impl Fn(&mut Broadcast) + 'static) -> Change {
    Box::new(move |rows| rows.iter_mut().filter(|row| row.shop == "가").for_each(&change))
}

/// Keeps only those rows of the first shop that `keeps` accepts.
fn keep_of_first(keeps: impl Fn(&Broadcast) -> bool + 'static) -> Change {
    Box::new(move |rows| rows.retain(|row| row.shop != "가" || keeps(row)))
}

fn twice(also: impl Fn(&Broadcast) -> Option<Broadcast> + 'static) -> Change {
    Box::new(move |rows| {
        let more: Vec<Broadcast> = rows.iter().filter_map(&also).collect();
        rows.extend(more);
    })
}

fn moved(row: &mut Broadcast, hours: i64) {
    row.starts_at = row.starts_at.plus(hours * HOUR_MS);
}

type Case = (&'static str, Change, &'static [(Rule, &'static str)]);

#[track_caller]
fn hold(table: Vec<Case>) {
    for (what, change, expected) in table {
        let expected: Vec<(Rule, String)> = expected.iter().map(|(rule, of)| (*rule, (*of).to_owned())).collect();
        assert_eq!(rules(change), expected, "{what}");
    }
}

#[test]
fn rules_of_days_and_hours_find_what_they_look_for_and_leave_alone_what_nearly_is() {
    let second = |row: &Broadcast| Broadcast {
        channel: "가 플러스".to_owned(),
        starts_at: row.starts_at.plus(MINUTE_MS),
        ..row.clone()
    };
    hold(vec![
        ("as it should be", Box::new(|_| ()), &[]),
        ("a shop stops", keep_of_first(|row| day_of(row) < -5), &[(Rule::ShopVanished, "가")]),
        ("a shop lags by two days", keep_of_first(|row| day_of(row) < -1), &[]),
        ("a weekly shop in its pause", keep_of_first(|row| day_of(row) % 7 == 0 && day_of(row) < -8), &[]),
        ("a new shop", keep_of_first(|row| day_of(row) > -3), &[]),
        ("a shop of five days long ago", keep_of_first(|row| day_of(row) < -DAYS + 5), &[]),
        (
            "one of a shop's channels stops",
            twice(move |row| (row.shop == "가" && day_of(row) < -6).then(|| second(row))),
            &[(Rule::ChannelVanished, "가 플러스")],
        ),
        ("a lost day", Box::new(|rows| rows.retain(|row| day_of(row) != -20)), &[(Rule::LostDay, "")]),
        ("a channel's lost day", keep_of_first(|row| day_of(row) != -20), &[(Rule::ChannelLostDay, "가 채널")]),
        ("a channel of weekdays", keep_of_first(|row| (day_of(row) + 700) % 7 < 5), &[]),
        (
            "a day cut short",
            Box::new(|rows| rows.retain(|row| day_of(row) != -20 || row.starts_at.kst_hour() < 2)),
            &[(Rule::ThinDay, "")],
        ),
        (
            "Sundays with little",
            Box::new(|rows| rows.retain(|row| day_of(row) % 7 != 0 || row.starts_at.kst_hour() < 2)),
            &[],
        ),
        ("no Sundays", Box::new(|rows| rows.retain(|row| day_of(row) % 7 != 0)), &[]),
        ("one day alone", Box::new(|rows| rows.retain(|row| day_of(row) == 0)), &[]),
        ("one channel alone", Box::new(|rows| rows.retain(|row| row.shop == "가")), &[]),
        (
            "one channel alone, in UTC: nothing to tell it by",
            Box::new(|rows| {
                rows.retain(|row| row.shop == "가");
                for row in rows.iter_mut() {
                    moved(row, -9);
                }
            }),
            &[],
        ),
    ]);
}

#[test]
fn rules_of_prices_and_clocks_find_what_they_look_for_and_leave_alone_what_nearly_is() {
    let hour = |row: &Broadcast| i64::from(row.starts_at.kst_hour());
    hold(vec![
        ("one price", of_first(|row| row.price = Some(9_900)), &[(Rule::EqualPrices, "가")]),
        (
            "one price of a shop with one listing",
            of_first(|row| {
                row.price = Some(9_900);
                row.listing_id = "1".to_owned();
                row.title = "가마솥".to_owned();
            }),
            &[],
        ),
        (
            "prices in thousands",
            of_first(|row| row.price = row.price.map(|won| won / 1_000)),
            &[(Rule::PriceUnit, "가")],
        ),
        ("a cheap shop", of_first(|row| row.price = row.price.map(|won| won / 5)), &[]),
        ("nine hours early", of_first(|row| moved(row, -9)), &[(Rule::HoursOff, "가 채널")]),
        ("nine hours late", of_first(|row| moved(row, 9)), &[(Rule::HoursOff, "가 채널")]),
        ("six hours off is no zone", of_first(|row| moved(row, -6)), &[]),
        ("a channel of the night", keep_of_first(move |row| !(6..22).contains(&hour(row))), &[]),
        ("a channel of the day", keep_of_first(move |row| (7..22).contains(&hour(row))), &[]),
        (
            "collected by a clock in UTC",
            of_first(|row| row.collected_at = row.collected_at.map(|at| at.plus(-9 * HOUR_MS))),
            &[(Rule::CollectedOff, "가")],
        ),
        (
            "collected four hours earlier",
            of_first(|row| row.collected_at = row.collected_at.map(|at| at.plus(-4 * HOUR_MS))),
            &[],
        ),
        ("collected all at once", Box::new(|rows| rows.iter_mut().for_each(|row| row.collected_at = Some(now()))), &[]),
        (
            "collected tomorrow",
            Box::new(|rows| {
                let last = rows.last_mut().unwrap();
                last.collected_at = Some(now().plus(DAY_MS));
            }),
            &[(Rule::CollectedInFuture, "")],
        ),
        (
            "a clock that runs three minutes ahead",
            Box::new(|rows| rows.last_mut().unwrap().collected_at = Some(now().plus(3 * MINUTE_MS))),
            &[],
        ),
    ]);
}

#[test]
fn rules_of_codes_and_names_find_what_they_look_for_and_leave_alone_what_nearly_is() {
    hold(vec![
        (
            "one code for forty products",
            of_first(|row| {
                if row.starts_at.kst_hour() == 20 {
                    row.listing_id = "99999".to_owned();
                    row.title = format!("상품 {}", day_of(row).rem_euclid(40));
                }
            }),
            &[(Rule::ManyTitles, "")],
        ),
        (
            "one code worded in ten ways",
            of_first(|row| {
                if row.starts_at.kst_hour() == 20 {
                    row.listing_id = "99999".to_owned();
                    row.title = format!("상품 {}", day_of(row).rem_euclid(10));
                }
            }),
            &[],
        ),
        ("rows twice", twice(|row| Some(row.clone())), &[(Rule::Copies, "")]),
        ("one day's rows twice", twice(|row| (day_of(row) == -3).then(|| row.clone())), &[]),
        (
            "a shop's prices end",
            of_first(|row| row.price = row.price.filter(|_| day_of(row) < -8)),
            &[(Rule::StoppedFilling, "가, price")],
        ),
        ("a shop without brands", of_first(|row| row.brand = None), &[(Rule::ShopNeverFills, "가, brand")]),
        ("no shop has brands", Box::new(|rows| rows.iter_mut().for_each(|row| row.brand = None)), &[]),
        (
            "two spellings of a shop",
            twice(|row| {
                (row.shop == "가").then(|| Broadcast {
                    shop: "(가)".to_owned(),
                    listing_id: format!("9{}", row.listing_id),
                    ..row.clone()
                })
            }),
            &[(Rule::NamesAlike, "shop")],
        ),
        (
            "dates without times",
            Box::new(|rows| {
                for row in rows.iter_mut() {
                    let hours = i64::from(row.starts_at.kst_hour());
                    row.starts_at = UnixMillis(row.starts_at.0 - hours * HOUR_MS).floor(HOUR_MS);
                }
            }),
            &[(Rule::OneTimeOfDay, "starts_at")],
        ),
        ("one show a day at one time", Box::new(|rows| rows.retain(|row| row.starts_at.kst_hour() == 20)), &[]),
        ("nothing to come", Box::new(|rows| rows.retain(|row| day_of(row) < -10)), &[(Rule::NothingToCome, "")]),
    ]);
}

#[test]
fn advice_names_the_option_where_it_helps_and_only_there() {
    let advice = |form: Form| {
        let mut rows = usual();
        of_first(|row| row.collected_at = row.collected_at.map(|at| at.plus(-9 * HOUR_MS)))(&mut rows);
        let spelled_as = |row: &Broadcast| if row.shop == "가" { form } else { Form::TimeWithOffset };
        listened(&rows, spelled_as).findings(&report(&[])).remove(0).advice
    };
    let without = advice(Form::TimeWithoutOffset);
    assert!(without.contains("--timezone broadcasts.collected_at=UTC"), "{without}");
    let labelled = advice(Form::TimeWithOffset);
    assert!(!labelled.contains("--timezone") && labelled.contains("write Z"), "{labelled}");
}

#[test]
fn one_shop_with_two_collectors_in_two_zones_is_told_by_its_own_rows() {
    // Alone: there is no other shop to compare with.
    let mut rows = usual();
    rows.retain(|row| row.shop == "가");
    let other: Vec<Broadcast> = rows
        .iter()
        .map(|row| Broadcast { collected_at: row.collected_at.map(|at| at.plus(-9 * HOUR_MS)), ..row.clone() })
        .collect();
    let is_other = |row: &Broadcast| row.collected_at.is_some_and(|at| at.kst_hour() == 16);
    rows.extend(other);
    let form = |row: &Broadcast| if is_other(row) { Form::TimeWithoutOffset } else { Form::TimeWithOffset };
    let found = listened(&rows, form).findings(&report(&[]));
    let found: Vec<Rule> = found.into_iter().map(|finding| finding.rule).collect();
    assert_eq!(found, [Rule::CollectedOff]);
}

#[test]
fn a_shop_that_loses_much_is_told_whatever_the_whole_table_loses() {
    let schedule = listened(&usual(), |_| Form::TimeWithOffset);
    let found = schedule.findings(&report(&[("가", 700), ("나", 30), ("마", 40), ("바", 3), ("", 900)]));
    let found: Vec<(Rule, &str)> = found.iter().map(|found| (found.rule, found.subject.as_deref().unwrap())).collect();
    assert_eq!(found, [(Rule::ShopSetAside, "가"), (Rule::ShopSetAside, "마")]);
}

#[test]
fn copies_of_broadcasts_are_a_note_for_a_build_merges_them() {
    let mut rows = usual();
    rows.extend(rows.clone());
    let found = found(&rows);
    assert_eq!(found[0].severity, Severity::Note);
    assert!(found[0].seen.starts_with("7,440 of 14,880 rows"), "{}", found[0].seen);
}

#[test]
fn events_find_their_listing_or_why_they_do_not() {
    let schedule = listened(&usual(), |_| Form::TimeWithOffset);
    for (shop, id, known) in [
        (Some("가"), "00160", Known::Yes),
        (None, "00160", Known::Yes),
        (Some("GS샵"), "00160", Known::ByAnotherShop),
        (Some("가"), "160", Known::BySpelling),
        (Some("가"), "160.0", Known::BySpelling),
        (None, "='00160'", Known::BySpelling),
        (Some("가"), "777777", Known::No),
    ] {
        assert_eq!(schedule.knows(shop, id), known, "{shop:?} {id}");
    }
}
