//! Detection of times shifted by nine hours, Korea's offset from UTC: a channel's starts are
//! compared with the hours of the others, and collection times with the schedule. A build observes
//! only this, the doctor the rest too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sinsang_core::printable::grouped;
use sinsang_core::time::{HOUR_MS, KST_OFFSET_MS, MINUTE_MS};

use super::clock::{self, Hours};
use super::day::{median, ratio};
use super::finding::{Finding, Rule};
use super::group::{Groups, NAMES_MAX};
use crate::check::{Broadcasts, Repair, Table as _};
use crate::column::place_of;
use crate::form::Form;
use crate::intake::Observer;
use crate::table::Broadcast;
use crate::value::Value;
use crate::{Place, Shape};

/// Resolution and range of the lead time from collection to broadcast; longer ones are clamped.
const LEAD_STEP_MS: i64 = 30 * MINUTE_MS;
const LEAD_STEPS: i64 = 45 * 48;
/// Days of collection tracked individually.
const COLLECTED_DAYS: usize = 3;
/// Fewest rows from which lead times are judged. The shortest fiftieth are ignored as strays. The
/// shortest leads count, rather than the median, because shops publish their schedules for
/// different numbers of days.
const LEADS_MIN: u64 = 50;
const STRAY_LEADS: u64 = 50;
/// Tolerance around nine hours, in milliseconds.
const NEAR_MS: i64 = 45 * 60_000;
/// Another explanation for collections nine hours apart.
const OTHER_HOUR: &str = "if its collector just runs at another hour, nothing is wrong";

const TABLE: &str = Broadcasts::NAME;

/// Lead times from collection to broadcast.
#[derive(Debug, Default)]
struct Leads {
    /// Rows by half-hour steps.
    rows: BTreeMap<i64, u64>,
    days: BTreeSet<i64>,
}

impl Leads {
    /// The shortest lead time in milliseconds, ignoring the shortest fiftieth of the rows; `None`
    /// if there are few rows, or few days of collection.
    fn least(&self) -> Option<i64> {
        let all: u64 = self.rows.values().sum();
        if all < LEADS_MIN || self.days.len() < COLLECTED_DAYS {
            return None;
        }
        let mut passed = 0;
        let least = self.rows.iter().find(|(_, rows)| {
            passed += **rows;
            passed > all / STRAY_LEADS
        });
        least.map(|(steps, _)| steps * LEAD_STEP_MS)
    }
}

/// A channel's starts.
#[derive(Debug, Default)]
struct Channel {
    hours: Hours,
    rows: u64,
    /// Rows whose start has no offset.
    without_offset: u64,
    /// The place of its shop; the first, if it has several.
    shop: Option<usize>,
}

/// An observer of the times of `broadcasts`.
#[derive(Debug)]
pub struct Offsets {
    channels: Groups<Channel>,
    /// Lead times, separately for `collected_at` with an offset and without.
    shops: Groups<[Leads; 2]>,
    starts_column: usize,
    collected_column: usize,
}

impl Default for Offsets {
    fn default() -> Self {
        let column = |name: &str| place_of(Broadcasts::COLUMNS, name);
        Self {
            channels: Groups::new(NAMES_MAX),
            shops: Groups::new(NAMES_MAX),
            starts_column: column("starts_at"),
            collected_column: column("collected_at"),
        }
    }
}

impl Offsets {
    /// Counts a usable row, whose times had the forms `starts` and `collected`.
    pub(super) fn add(&mut self, row: &Broadcast, starts: Form, collected: Form) {
        let shop = self.shops.named(&row.shop).map(|(place, leads)| {
            let [with_offset, without_offset] = leads;
            if let Some(collected_at) = row.collected_at {
                let leads = if collected == Form::TimeWithoutOffset { without_offset } else { with_offset };
                let steps = row.starts_at.since(collected_at).div_euclid(LEAD_STEP_MS).clamp(-LEAD_STEPS, LEAD_STEPS);
                *leads.rows.entry(steps).or_default() += 1;
                if leads.days.len() < COLLECTED_DAYS {
                    leads.days.insert(collected_at.kst_day());
                }
            }
            place
        });
        if let Some((_, channel)) = self.channels.named(&row.channel) {
            if let Some(count) = channel.hours.get_mut(usize::from(row.starts_at.kst_hour())) {
                *count += 1;
            }
            channel.rows += 1;
            channel.without_offset += u64::from(starts == Form::TimeWithoutOffset);
            channel.shop = channel.shop.or(shop);
        }
    }

    /// Findings about shifted times: channels, then collections.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let off = self.hours_off(&mut found);
        self.collected(&off, &mut found);
        found
    }

    /// Finds shifted channels, and returns the places of their shops.
    fn hours_off(&self, found: &mut Vec<Finding>) -> BTreeSet<usize> {
        let mut shops = BTreeSet::new();
        let telling: Vec<(&str, &Channel)> =
            self.channels.all().filter(|(_, channel)| clock::is_telling(&channel.hours)).collect();
        for (name, channel) in &telling {
            let others: Vec<&Hours> =
                telling.iter().filter(|(other, _)| other != name).map(|(_, other)| &other.hours).collect();
            let Some(off) = clock::off(&channel.hours, &others) else { continue };
            let (way, hours) = if off.hours > 0 { ("early", off.hours) } else { ("late", -off.hours) };
            let seen = format!(
                "its hours match the {} other channels' best if its times are taken as {hours} hours {way} (correlation {:.2}, unshifted {:.2}), over {} starts",
                others.len(),
                off.then,
                off.now,
                grouped(channel.rows)
            );
            let numbers = json!({ "hours": off.hours, "correlation_moved": off.then, "correlation": off.now, "starts": channel.rows });
            let advice = if off.hours < 0 {
                "its times are Korean but labelled as UTC: write +09:00".to_owned()
            } else if channel.without_offset * 2 > channel.rows {
                format!(
                    "write its times with their offset (Z for UTC); if its files are a table of their own, set --timezone {TABLE}.starts_at=UTC"
                )
            } else {
                "its times are UTC but labelled as Korean: write Z or +00:00".to_owned()
            };
            shops.extend(channel.shop);
            found.push(Finding::new(TABLE, Rule::HoursOff, seen, numbers).of(*name).advising(advice));
        }
        shops
    }

    /// Finds shifted collections, except in the shops `off`: if starts are shifted, so are their
    /// lead times.
    fn collected(&self, off: &BTreeSet<usize>, found: &mut Vec<Finding>) {
        let usual: Vec<((usize, bool), i64, u64)> = self
            .shops
            .all()
            .enumerate()
            .flat_map(|(place, (_, shop))| {
                let forms = shop.iter().zip([false, true]).filter(move |_| !off.contains(&place));
                forms.filter_map(move |(leads, without_offset)| {
                    Some(((place, without_offset), leads.least()?, leads.rows.values().sum()))
                })
            })
            .collect();
        for &(key, lead, rows) in &usual {
            let (shop, without_offset) = key;
            // A shop's own rows in the other form are the best reference; next, the value that
            // other shops agree on.
            let others: Vec<i64> =
                usual.iter().filter(|(other, ..)| other.0 != shop).map(|(_, lead, _)| *lead).collect();
            let own =
                usual.iter().find(|(other, ..)| other.0 == shop && other.1 != without_offset).map(|(_, lead, _)| *lead);
            let is_agreed = |usual: i64| {
                let near = others.iter().filter(|other| other.abs_diff(usual) <= 2 * HOUR_MS.unsigned_abs()).count();
                others.len() >= 2 && near * 3 >= others.len() * 2
            };
            let all = median(&mut others.clone()).filter(|usual| is_agreed(*usual));
            let Some(usual) = own.filter(|_| without_offset).or(all) else { continue };
            let apart = lead - usual;
            if apart.abs().abs_diff(KST_OFFSET_MS) > NEAR_MS.unsigned_abs() {
                continue;
            }
            let hours = |ms: i64| ratio(ms, HOUR_MS);
            let seen = format!(
                "its rows are collected at least {:.1} hours before they air, those of others {:.1}: nine hours apart, over {} rows",
                hours(lead),
                hours(usual),
                grouped(rows)
            );
            // Too early by the clock of the starts means UTC read as Korean time, or starts in
            // Korean time labelled as UTC.
            let advice = match (apart > 0, without_offset) {
                (true, true) => format!(
                    "if its collector writes UTC, set --timezone {TABLE}.collected_at=UTC, or better write the offset into the column; {OTHER_HOUR}"
                ),
                (true, false) => format!("if collected_at is UTC labelled as Korean time, write Z; {OTHER_HOUR}"),
                (false, _) => format!(
                    "if collected_at is Korean time labelled as UTC, write +09:00; if starts_at is UTC without an offset, write the offset, or set --timezone {TABLE}.starts_at=UTC; {OTHER_HOUR}"
                ),
            };
            let numbers = json!({ "lead_hours": hours(lead), "others_lead_hours": hours(usual), "rows": rows });
            let name = self.shops.name(shop).unwrap_or_default();
            found.push(Finding::new(TABLE, Rule::CollectedOff, seen, numbers).of(name).advising(advice));
        }
    }
}

impl Observer<Broadcast> for Offsets {
    fn kept(&mut self, _place: Place, values: &[Value<'_>], row: &Broadcast, _repairs: &[(usize, Repair)]) {
        let form = |column: usize| values.get(column).map_or(Form::Missing, |value| Form::of(value, Shape::Time));
        self.add(row, form(self.starts_column), form(self.collected_column));
    }
}
