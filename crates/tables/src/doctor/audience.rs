//! The doctor's counts over the table `events`, and what looks wrong with it as a whole.

#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::json;
use sinsang_core::event::EventKind;
use sinsang_core::printable::grouped;
use sinsang_core::time::{CLOCK_LEEWAY_MS, HOUR_MS, UnixMillis};

use super::bar::Bar;
use super::cap::Cap;
use super::clock::{self, Hours};
use super::day::{Days, day_text};
use super::finding::{Finding, Rule, Severity};
use super::schedule::{Known, Schedule, copied, lost_days, thin_day};
use super::sketch::{Commonest, Copies, hash};
use super::tally::{Example, Spelled, Tally};
use crate::check::{Events, Repair, Table as _};
use crate::column::place_of;
use crate::intake::Observer;
use crate::reject::{Reason, share};
use crate::table::Event;
use crate::value::Value;
use crate::{Fault, Place};

/// Users whose events are counted at the same time.
const USERS_COUNTED: usize = 1_024;
/// Users, and events, tracked individually; beyond that, a sample is.
const USERS_MAX: usize = 1 << 14;
const COPIES_MAX: usize = 1 << 16;
/// Fewest events, and fewest users, from which one user's share is judged; and the share that is
/// too large.
const OUTSIZED_ROWS: u64 = 500;
const OUTSIZED_USERS: u64 = 20;
const OUTSIZED_SHARE: f64 = 0.1;
/// Fewest events from which a share of them is meaningful.
const ROWS_MIN: u64 = 20;
/// Shares of events that match nothing: a table with only the last days lacks earlier broadcasts.
const UNJOINED_NOTE: f64 = 0.1;
const UNJOINED_WRONG: f64 = 0.5;
/// The share of events that are copies. Two taps within a second on one thing are copies by chance.
const COPIES_SHARE: f64 = 0.05;
/// Days without events up to the present that are too many for a weekend.
const ENDED_DAYS: i64 = 3;
/// Hours around which Koreans appear to sleep if UTC was read as Korean time (4 o'clock minus
/// nine), or Korean time as UTC.
const NIGHT_EARLY: std::ops::RangeInclusive<usize> = 17..=22;
const NIGHT_LATE: std::ops::RangeInclusive<usize> = 10..=15;

const TABLE: &str = Events::NAME;

/// Events that name one kind of thing, and how they matched.
#[derive(Debug, Default)]
struct Joins {
    named: u64,
    unknown: u64,
    by_another_shop: u64,
    by_spelling: u64,
    first: Option<Example>,
}

/// An observer of the rows of `events`.
#[derive(Debug)]
pub struct Audience<'t> {
    now: UnixMillis,
    schedule: Option<&'t Schedule>,
    bar: Option<&'t Bar>,
    pub(super) tally: Tally,
    columns: Columns,
    rows: u64,
    pub(super) days: Days,
    hours: Hours,
    users: Commonest<Example>,
    distinct: Copies,
    nobody: Option<(u64, Example)>,
    copies: Copies,
    first_copy: Option<Example>,
    kinds: [u64; EventKind::ALL.len()],
    listings: Joins,
    channels: Joins,
    tabs: Joins,
    /// Events less than nine hours after the present, and later ones.
    ahead: (u64, u64),
}

/// Positions of the columns.
#[derive(Debug)]
struct Columns {
    user_id: usize,
    at: usize,
    listing_id: usize,
    channel: usize,
    tab_id: usize,
    viewer: usize,
}

impl<'t> Audience<'t> {
    /// A new observer without counts. Events are compared with the tables read before, if any.
    pub fn new(now: UnixMillis, schedule: Option<&'t Schedule>, bar: Option<&'t Bar>) -> Self {
        let column = |name: &str| place_of(Events::COLUMNS, name);
        Self {
            now,
            schedule,
            bar,
            tally: Tally::new(Events::COLUMNS, &["user_id", "viewer"]),
            columns: Columns {
                user_id: column("user_id"),
                at: column("at"),
                listing_id: column("listing_id"),
                channel: column("channel"),
                tab_id: column("tab_id"),
                viewer: column("viewer"),
            },
            rows: 0,
            days: Days::default(),
            hours: [0; 24],
            users: Commonest::new(USERS_COUNTED),
            distinct: Copies::new(USERS_MAX),
            nobody: None,
            copies: Copies::new(COPIES_MAX),
            first_copy: None,
            kinds: [0; EventKind::ALL.len()],
            listings: Joins::default(),
            channels: Joins::default(),
            tabs: Joins::default(),
            ahead: (0, 0),
        }
    }

    fn add(&mut self, row: &Event, spelled: &Spelled, example: &dyn Fn(&Tally, usize) -> Example) {
        self.rows += 1;
        self.days.add(row.at);
        if let Some(count) = self.hours.get_mut(usize::from(row.at.kst_hour())) {
            *count += 1;
        }
        if let Some(count) =
            EventKind::ALL.iter().position(|kind| *kind == row.kind).and_then(|n| self.kinds.get_mut(n))
        {
            *count += 1;
        }
        let Self { tally, columns, .. } = self;
        let named_by = if spelled.form(columns.viewer).is_value() { columns.viewer } else { columns.user_id };
        let user = hash(&row.user_id);
        self.users.add(user, || example(tally, named_by));
        self.distinct.add(user);
        let whole = (user, row.at.0, row.kind, &row.shop, &row.listing_id, &row.product_id, &row.tab_id, &row.channel);
        if self.copies.add(hash(whole)) && self.first_copy.is_none() {
            self.first_copy = Some(example(tally, columns.at));
        }
        if let (Some(id), Some(schedule)) = (&row.listing_id, self.schedule) {
            let known = schedule.knows(row.shop.as_deref(), id);
            self.listings.add(known, || example(tally, columns.listing_id));
        }
        if let (Some(channel), Some(schedule)) = (&row.channel, self.schedule) {
            let known = if schedule.knows_channel(channel) { Known::Yes } else { Known::No };
            self.channels.add(known, || example(tally, columns.channel));
        }
        if let (Some(tab), Some(bar)) = (&row.tab_id, self.bar) {
            let known = if bar.knows(tab) { Known::Yes } else { Known::No };
            self.tabs.add(known, || example(tally, columns.tab_id));
        }
    }

    /// An estimate of the number of distinct users.
    pub(super) fn users(&self) -> u64 {
        self.distinct.distinct()
    }

    /// Why the matches of events were not judged, if they were not.
    pub(super) fn not_joined(&self) -> Option<&'static str> {
        match (self.schedule, self.bar) {
            (None, _) => Some("matches with broadcasts, because broadcasts was not read"),
            (Some(schedule), _) if !schedule.knows_all() => {
                Some("matches with broadcasts, because broadcasts has no rows or too many codes")
            }
            _ => None,
        }
    }

    /// The caps that were reached.
    pub(super) fn caps(&self) -> Vec<Cap> {
        let caps = [("users", USERS_MAX, &self.distinct), ("rows, to find copies", COPIES_MAX, &self.copies)];
        let reached = caps.into_iter().filter(|(.., sample)| sample.is_sampled());
        reached.map(|(of, most, _)| Cap { of, most, rows_beyond: self.rows, is_sampled: true }).collect()
    }

    /// What looks wrong, in the order of the rules.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        self.future(&mut found);
        if self.rows == 0 {
            return found;
        }
        let until = self.now.kst_day();
        let lost = self.days.lost(until);
        if !lost.is_empty() && self.days.active(until) >= 7 && self.days.regularity(until) >= 0.6 {
            found.push(lost_days(TABLE, Rule::LostDay, &lost));
        }
        found.extend(self.days.thin(until).into_iter().map(|(day, rows, usual)| thin_day(TABLE, day, rows, usual)));
        let copies = self.copies.repeats();
        if copies >= ROWS_MIN && share(copies, self.rows) >= COPIES_SHARE {
            found.push(copied(TABLE, copies, self.rows, self.first_copy.as_ref().map(ToString::to_string)));
        }
        self.users_found(&mut found);
        self.joins(&mut found);
        self.night(&mut found);
        let latest = self.days.last(until).unwrap_or(until);
        let is_schedule_alive = self.schedule.is_none_or(Schedule::is_alive);
        if is_schedule_alive && self.days.active(until) >= 7 && until - latest >= ENDED_DAYS {
            let seen = format!("the last event is from {}, {} days ago", day_text(latest), until - latest);
            found.push(Finding::new(
                TABLE,
                Rule::EventsEnded,
                seen,
                json!({ "last_day": day_text(latest), "days_without": until - latest }),
            ));
        }
        let telling =
            [EventKind::Click, EventKind::Alarm, EventKind::Purchase, EventKind::TabOpen, EventKind::LiveEnter];
        let told =
            EventKind::ALL.iter().zip(&self.kinds).filter(|(kind, _)| telling.contains(kind)).map(|(_, rows)| rows);
        if self.rows >= 100 && told.sum::<u64>() == 0 {
            let seen = format!("all {} events are impressions or views", grouped(self.rows));
            found.push(Finding::new(TABLE, Rule::OneKind, seen, json!({ "rows": self.rows })).of("kind"));
        }
        found
    }

    fn future(&self, found: &mut Vec<Finding>) {
        let (near, far) = self.ahead;
        // If some are later still, the given present is in the past.
        if near >= ROWS_MIN && far == 0 {
            let seen =
                format!("{} events are up to nine hours ahead of {}, and none is later", grouped(near), self.now);
            found.push(Finding::new(TABLE, Rule::EventsInFuture, seen, json!({ "rows": near })).of("at"));
        }
    }

    fn users_found(&self, found: &mut Vec<Finding>) {
        let all = self.rows;
        if let Some((rows, example)) = &self.nobody {
            let all = self.rows + rows;
            let seen =
                format!("{} of {} events have a placeholder as user, such as {example}", grouped(*rows), grouped(all));
            found.push(Finding::new(TABLE, Rule::Nobody, seen, json!({ "rows": rows })).of("user_id"));
        }
        let Some((rows, example)) = self.users.first() else { return };
        let users = self.users();
        if all >= OUTSIZED_ROWS && users >= OUTSIZED_USERS && share(rows, all) >= OUTSIZED_SHARE {
            let percent = share(rows, all) * 100.0;
            let seen = format!(
                "one of {} users has {percent:.0} % of all events (at least {} of {}); see {example}",
                grouped(users),
                grouped(rows),
                grouped(all)
            );
            found.push(Finding::new(TABLE, Rule::OutsizedUser, seen, json!({ "rows": rows, "users": users })));
        }
    }

    fn joins(&self, found: &mut Vec<Finding>) {
        let joins = [
            (&self.listings, Rule::JoinsNoListing, "listing_id", self.schedule.is_some_and(Schedule::knows_all)),
            (&self.channels, Rule::JoinsNoChannel, "channel", self.schedule.is_some_and(Schedule::knows_all)),
            (&self.tabs, Rule::JoinsNoTab, "tab_id", self.bar.is_some_and(Bar::knows_any)),
        ];
        for (joins, rule, column, is_judged) in joins {
            let part = share(joins.unknown, joins.named);
            if !is_judged || joins.unknown < ROWS_MIN || part < UNJOINED_NOTE {
                continue;
            }
            let first = joins.first.as_ref().map(|first| format!("; the first is {first}")).unwrap_or_default();
            let seen = format!(
                "{} of {} events with a value ({:.0} %) have an unknown one{first}",
                grouped(joins.unknown),
                grouped(joins.named),
                part * 100.0
            );
            let numbers = json!({ "unknown": joins.unknown, "named": joins.named, "known_by_another_shop": joins.by_another_shop, "known_by_spelling": joins.by_spelling });
            let weight = if part >= UNJOINED_WRONG { Severity::Wrong } else { Severity::Note };
            let finding = Finding::new(TABLE, rule, seen, numbers).of(column).weighing(weight);
            let half = joins.unknown / 2;
            found.push(if joins.by_another_shop > half {
                finding.advising("the codes exist under another shop: write shops in events as in broadcasts")
            } else if joins.by_spelling > half {
                finding.advising("the codes match without leading zeros and a spreadsheet's marks: write them the same in both tables, as text")
            } else {
                finding
            });
        }
    }

    fn night(&self, found: &mut Vec<Finding>) {
        let Some((hour, part)) = clock::night(&self.hours) else { return };
        let (is, advice) = if NIGHT_EARLY.contains(&hour) {
            (
                "nine hours early",
                format!(
                    "if `at` is UTC without an offset, set --timezone {TABLE}.at=UTC, or better write a Z into the column"
                ),
            )
        } else if NIGHT_LATE.contains(&hour) {
            ("nine hours late", "if `at` is Korean time labelled as UTC, write +09:00".to_owned())
        } else {
            return;
        };
        let seen = format!(
            "users are quietest around {hour}:00 ({:.1} % of events in five hours), as if times were {is}",
            part * 100.0
        );
        found.push(
            Finding::new(TABLE, Rule::NightByDay, seen, json!({ "quietest_hour": hour, "share": part }))
                .of("at")
                .advising(advice),
        );
    }
}

impl Joins {
    fn add(&mut self, known: Known, example: impl FnOnce() -> Example) {
        self.named += 1;
        if known == Known::Yes {
            return;
        }
        self.unknown += 1;
        self.by_another_shop += u64::from(known == Known::ByAnotherShop);
        self.by_spelling += u64::from(known == Known::BySpelling);
        self.first.get_or_insert_with(example);
    }
}

impl Observer<Event> for Audience<'_> {
    fn begin_file(&mut self, path: &Path) {
        self.tally.begin_file(path);
    }

    fn kept(&mut self, place: Place, values: &[Value<'_>], row: &Event, repairs: &[(usize, Repair)]) {
        let spelled = self.tally.kept(place, values, repairs);
        self.add(row, &spelled, &|tally, column| tally.example(place, column, values.get(column)));
    }

    fn set_aside(&mut self, place: Place, values: &[Value<'_>], fault: &Fault) {
        self.tally.set_aside(place, values, fault);
        if fault.reason == Reason::Nobody {
            let (tally, user_id) = (&self.tally, self.columns.user_id);
            let example = || tally.example(place, user_id, values.get(user_id));
            self.nobody.get_or_insert_with(|| (0, example())).0 += 1;
        }
        if fault.reason == Reason::InTheFuture {
            let at = match values.get(self.columns.at) {
                Some(Value::Time(at)) => Some(*at),
                at => at.and_then(Value::as_text).and_then(|text| UnixMillis::parse_rfc3339(text.trim())),
            };
            let is_near = at.is_some_and(|at| at.since(self.now) <= 9 * HOUR_MS + CLOCK_LEEWAY_MS);
            let (near, far) = &mut self.ahead;
            *(if is_near { near } else { far }) += 1;
        }
    }
}
