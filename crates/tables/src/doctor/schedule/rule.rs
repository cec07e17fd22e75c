//! The rules on a schedule as a whole. Each threshold says what it tolerates.

use std::collections::BTreeMap;

use serde_json::json;
use sinsang_core::printable::grouped;
use sinsang_core::time::HOUR_MS;

use super::{Schedule, Shop};
use crate::TableReport;
use crate::check::{Broadcasts, Table as _};
use crate::doctor::day::{Days, day_text, days_text, median, ratio};
use crate::doctor::finding::{Finding, Rule, Severity};
use crate::reject::share;
use crate::value::clean;

/// Days of regular activity before an absence is meaningful.
const REGULAR_DAYS: i64 = 7;
/// The share of days that counts as regular: a channel that airs on weekdays has 5 of 7.
const REGULAR_SHARE: f64 = 0.6;
/// Days without anything that are too many for a pause, besides twice the longest pause so far.
const VANISHED_DAYS: i64 = 3;
/// Fewest days, and smallest share of them, from which a channel's single empty day is reported.
const DAILY_DAYS: i64 = 14;
const DAILY_SHARE: f64 = 0.9;
/// Fewest rows from which a shop's columns and prices are judged.
const ROWS_MIN: u64 = 20;
/// Binary orders of magnitude between prices in won and in another unit: a factor of 64.
const UNIT_STEPS: usize = 6;
/// Fewest titles of a code that are reported: its shop rewords one product every other week.
pub(super) const TITLES_MIN: usize = 12;
/// Days per additional title that a code may have.
const DAYS_A_TITLE: i64 = 6;
/// Codes named in a finding.
const CODES_NAMED: usize = 3;
/// The share of copied rows from which they are reported.
const COPIES_SHARE: f64 = 0.05;
/// The share of starts at one time of day that is not a real schedule.
const ONE_TIME_SHARE: f64 = 0.8;

/// The share of a shop's rows rejected that is too large.
const SHOP_SET_ASIDE_SHARE: f64 = 0.2;

const TABLE: &str = Broadcasts::NAME;

impl Schedule {
    /// What looks wrong, in the order of the rules. `report` is the outcome of all rows.
    pub(in crate::doctor) fn findings(&self, report: &TableReport) -> Vec<Finding> {
        let mut found = Vec::new();
        self.set_aside(report, &mut found);
        if self.rows == 0 {
            return found;
        }
        self.to_come(&mut found);
        self.vanished(&mut found);
        self.lost_days(&mut found);
        self.prices(&mut found);
        found.extend(self.offsets.findings());
        self.ahead(&mut found);
        self.many_titles(&mut found);
        self.repeated(&mut found);
        self.filled(&mut found);
        self.named_alike(&mut found);
        self.one_time(&mut found);
        found
    }

    /// The present day.
    fn until(&self) -> i64 {
        self.now.kst_day()
    }

    fn set_aside(&self, report: &TableReport, found: &mut Vec<Finding>) {
        let named = report.set_aside_by_shop.iter().filter(|(name, _)| !name.is_empty());
        for (name, &bad) in named {
            let (name, _) = clean(name);
            let kept = self.shops.all().find(|(shop, _)| *shop == name).map_or(0, |(_, shop)| shop.rows);
            let all = bad + kept;
            if bad >= ROWS_MIN && share(bad, all) >= SHOP_SET_ASIDE_SHARE {
                let seen = format!("{} of its {} rows are unusable", grouped(bad), grouped(all));
                found.push(
                    Finding::new(TABLE, Rule::ShopSetAside, seen, json!({ "rows": bad, "of": all }))
                        .of(name.into_owned()),
                );
            }
        }
    }

    fn to_come(&self, found: &mut Vec<Finding>) {
        let Some(last) = self.last_start.filter(|_| self.on_board == 0) else { return };
        let (from, to) = self.window;
        let seen = format!(
            "no broadcast begins between {from} and {to}, the time that a board shows; the last begins at {last}"
        );
        found.push(Finding::new(TABLE, Rule::NothingToCome, seen, json!({ "last_start": last.to_kst_rfc3339() })));
    }

    fn vanished(&self, found: &mut Vec<Finding>) {
        let until = self.until();
        let shops: Vec<(&str, &Days)> = self.shops.all().map(|(name, shop)| (name, &shop.days)).collect();
        let gone = vanished(&shops, until);
        let is_gone = |shop: Option<usize>| {
            let name = shop.and_then(|place| self.shops.name(place));
            gone.iter().any(|gone| Some(gone.name) == name)
        };
        let channels: Vec<(&str, &Days)> = self.channels.all().map(|(name, channel)| (name, &channel.days)).collect();
        let shop_of: BTreeMap<&str, Option<usize>> =
            self.channels.all().map(|(name, channel)| (name, channel.shop)).collect();
        let mut channels = vanished(&channels, until);
        // If a whole shop is gone, it is reported once, without its channels.
        channels.retain(|channel| !is_gone(shop_of.get(channel.name).copied().flatten()));
        found.extend(gone.iter().map(|gone| gone.finding(Rule::ShopVanished)));
        found.extend(channels.iter().map(|gone| gone.finding(Rule::ChannelVanished)));
    }

    fn lost_days(&self, found: &mut Vec<Finding>) {
        let until = self.until();
        let lost = self.days.lost(until);
        if !lost.is_empty() && self.days.active(until) >= REGULAR_DAYS && self.days.regularity(until) >= REGULAR_SHARE {
            found.push(lost_days(TABLE, Rule::LostDay, &lost));
        }
        let thin = self.days.thin(until);
        found.extend(thin.iter().map(|(day, rows, usual)| thin_day(TABLE, *day, *rows, *usual)));
        // A day that most channels lost is reported once.
        let is_thin = |lost: i64| thin.iter().any(|(day, ..)| *day == lost);
        for (name, channel) in self.channels.all() {
            let days = &channel.days;
            if days.active(until) < DAILY_DAYS || days.regularity(until) < DAILY_SHARE {
                continue;
            }
            let lost: Vec<i64> =
                days.lost(until).into_iter().filter(|day| self.days.has(*day) && !is_thin(*day)).collect();
            if !lost.is_empty() {
                found.push(lost_days(TABLE, Rule::ChannelLostDay, &lost).of(name));
            }
        }
    }

    fn prices(&self, found: &mut Vec<Finding>) {
        let size = |shop: &Shop| (shop.prices.count >= ROWS_MIN).then(|| middle(&shop.prices.sizes));
        let sizes: Vec<(&str, usize)> = self.shops.all().filter_map(|(name, shop)| Some((name, size(shop)?))).collect();
        for (name, shop) in self.shops.all() {
            let prices = &shop.prices;
            if let Some(price) = prices.first
                && !prices.differ
                && prices.count >= ROWS_MIN
                && prices.listings.len() >= super::PRICED_LISTINGS
            {
                let rows = prices.count;
                let seen = format!(
                    "every price is {} won, in {} rows of at least {} listings",
                    grouped(price.into()),
                    grouped(rows),
                    prices.listings.len()
                );
                found.push(
                    Finding::new(TABLE, Rule::EqualPrices, seen, json!({ "price": price, "rows": rows })).of(name),
                );
                continue;
            }
            let Some(own) = size(shop) else { continue };
            let mut others: Vec<usize> =
                sizes.iter().filter(|(other, _)| *other != name).map(|(_, size)| *size).collect();
            if others.len() < 2 {
                continue;
            }
            let Some(usual) = median(&mut others).filter(|usual| own.abs_diff(*usual) >= UNIT_STEPS) else { continue };
            let won = |size: usize| 1_u64.checked_shl(u32::try_from(size).unwrap_or(0)).unwrap_or(u64::MAX);
            let seen = format!(
                "half of its prices are below {} won, those of other shops below {}",
                grouped(won(own)),
                grouped(won(usual))
            );
            let numbers = json!({ "half_below": won(own), "others_half_below": won(usual) });
            found.push(Finding::new(TABLE, Rule::PriceUnit, seen, numbers).of(name));
        }
    }

    fn ahead(&self, found: &mut Vec<Finding>) {
        if let Some((rows, latest, example)) = &self.ahead {
            let hours = latest.since(self.now).div_euclid(HOUR_MS);
            let seen = format!(
                "{} rows were collected after {}, the latest at {latest}; the first is {example}",
                grouped(*rows),
                self.now
            );
            let finding = Finding::new(
                TABLE,
                Rule::CollectedInFuture,
                seen,
                json!({ "rows": rows, "latest": latest.to_kst_rfc3339() }),
            );
            let is_mislabelled = hours <= 9;
            found.push(if is_mislabelled {
                finding.advising("if the times are Korean but labelled as UTC, write +09:00; otherwise check the collector's clock and --now")
            } else {
                finding
            });
        }
    }

    fn many_titles(&self, found: &mut Vec<Finding>) {
        let until = self.last_start.map_or(0, sinsang_core::time::UnixMillis::kst_day);
        let span = self.days.first().map_or(0, |first| until - first + 1);
        let most = usize::try_from(span / DAYS_A_TITLE).unwrap_or(0).clamp(TITLES_MIN, super::TITLES_MAX - 4);
        let codes = self.codes.values().filter(|code| code.titles.len() > most);
        let mut codes: Vec<(usize, u64, &str, &str)> = codes
            .filter_map(|code| {
                let (shop, id) = code.name.as_ref()?;
                Some((code.titles.len(), code.rows, shop.as_str(), id.as_str()))
            })
            .collect();
        if codes.is_empty() {
            return;
        }
        codes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| (a.2, a.3).cmp(&(b.2, b.3))));
        let named = codes.iter().take(CODES_NAMED).map(|(titles, rows, shop, id)| {
            let more = if *titles >= super::TITLES_MAX { " or more" } else { "" };
            format!("{id} of {shop} ({titles}{more} titles in {} rows)", grouped(*rows))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        let rows: u64 = codes.iter().map(|(_, rows, ..)| rows).sum();
        let seen = format!("{} with more than {most} titles each: {named}", plural(codes.len(), "code"));
        found.push(Finding::new(
            TABLE,
            Rule::ManyTitles,
            seen,
            json!({ "codes": codes.len(), "rows": rows, "most_titles": most }),
        ));
    }

    fn repeated(&self, found: &mut Vec<Finding>) {
        let copies = self.copies.repeats();
        if copies < ROWS_MIN || share(copies, self.rows) < COPIES_SHARE {
            return;
        }
        found.push(copied(TABLE, copies, self.rows, self.first_copy.as_ref().map(ToString::to_string)));
    }

    fn filled(&self, found: &mut Vec<Finding>) {
        let all: u64 = self.shops.all().map(|(_, shop)| shop.rows).sum();
        for (place, column) in Broadcasts::COLUMNS.iter().enumerate().filter(|(_, column)| !column.required) {
            let of = |filled: &[u64]| filled.get(place).copied().unwrap_or_default();
            let filled: u64 = self.shops.all().map(|(_, shop)| of(&shop.filled)).sum();
            for (name, shop) in self.shops.all() {
                let subject = format!("{name}, {}", column.name);
                let (own, late) = (of(&shop.filled), of(&shop.late_filled));
                let (before, before_rows) = (own - late, shop.rows - shop.late_rows);
                if late == 0
                    && shop.late_rows >= ROWS_MIN
                    && before_rows >= ROWS_MIN
                    && share(before, before_rows) >= 0.5
                {
                    let seen = format!(
                        "empty in all {} rows of the last {} days, but filled in {} of {} before",
                        grouped(shop.late_rows),
                        super::LATELY_DAYS,
                        grouped(before),
                        grouped(before_rows)
                    );
                    let numbers = json!({ "late_rows": shop.late_rows, "before": before, "before_rows": before_rows });
                    found.push(Finding::new(TABLE, Rule::StoppedFilling, seen, numbers).of(subject));
                    continue;
                }
                let others = all - shop.rows;
                if own == 0 && shop.rows >= ROWS_MIN && others >= ROWS_MIN && share(filled, others) >= 0.5 {
                    let seen = format!(
                        "empty in all of its {} rows, but filled in {} of {} of other shops",
                        grouped(shop.rows),
                        grouped(filled),
                        grouped(others)
                    );
                    let numbers = json!({ "rows": shop.rows, "others": filled, "others_rows": others });
                    found.push(Finding::new(TABLE, Rule::ShopNeverFills, seen, numbers).of(subject));
                }
            }
        }
    }

    fn named_alike(&self, found: &mut Vec<Finding>) {
        for (what, alike) in [("shop", self.shops.alike()), ("channel", self.channels.alike())] {
            for names in alike {
                let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                let seen = format!("{} differ only in case, spaces and marks", names.join(" and "));
                found.push(Finding::new(TABLE, Rule::NamesAlike, seen, json!({ "names": names })).of(what));
            }
        }
    }

    fn one_time(&self, found: &mut Vec<Finding>) {
        let days: i64 = self.channels.all().map(|(_, channel)| channel.days.active(i64::MAX)).sum();
        let rows = i64::try_from(self.rows).unwrap_or(i64::MAX);
        let Some((minute, &count)) = self.minutes.iter().enumerate().max_by_key(|(_, count)| **count) else { return };
        // One show a day at one time is a schedule; several on one channel are not.
        if rows < 50 || ratio(rows, days) < 3.0 || share(count, self.rows) < ONE_TIME_SHARE {
            return;
        }
        let seen = format!(
            "{} of {} broadcasts begin at {:02}:{:02}",
            grouped(count),
            grouped(self.rows),
            minute / 60,
            minute % 60
        );
        found.push(Finding::new(TABLE, Rule::OneTimeOfDay, seen, json!({ "rows": count })).of("starts_at"));
    }
}

/// A name that had rows on most days and then none.
struct Gone<'n> {
    name: &'n str,
    last: i64,
    end: i64,
    active: i64,
    span: i64,
}

impl Gone<'_> {
    fn finding(&self, rule: Rule) -> Finding {
        let Self { name, last, end, active, span } = *self;
        let seen = format!(
            "no rows since {}, {} days before the table's end; before, rows on {active} of {span} days",
            day_text(last),
            end - last
        );
        let numbers =
            json!({ "last_day": day_text(last), "days_without": end - last, "days_with": active, "of_days": span });
        Finding::new(TABLE, rule, seen, numbers).of(name)
    }
}

/// The names in `all` that were regular and have nothing up to the end, while others continue.
fn vanished<'n>(all: &[(&'n str, &Days)], until: i64) -> Vec<Gone<'n>> {
    let Some(end) = all.iter().filter_map(|(_, days)| days.last(until)).max() else { return Vec::new() };
    let gone = all.iter().filter_map(|&(name, days)| {
        let (first, last, active) = (days.first()?, days.last(until)?, days.active(until));
        let is_regular = active >= REGULAR_DAYS && days.regularity(until) >= REGULAR_SHARE;
        let pause = VANISHED_DAYS.max(2 * days.largest_step(until));
        (is_regular && end - last >= pause).then_some(Gone { name, last, end, active, span: last - first + 1 })
    });
    gone.collect()
}

/// A finding about days without rows.
pub(in crate::doctor) fn lost_days(table: &'static str, rule: Rule, lost: &[i64]) -> Finding {
    let seen = format!("no rows on {}, but on days around them", days_text(lost));
    let names: Vec<String> = lost.iter().map(|day| day_text(*day)).collect();
    Finding::new(table, rule, seen, json!({ "days": names }))
}

/// A finding about a day with few rows.
pub(in crate::doctor) fn thin_day(table: &'static str, day: i64, rows: u64, usual: u64) -> Finding {
    let seen =
        format!("{} rows on {}, but usually {} on the days around it", grouped(rows), day_text(day), grouped(usual));
    Finding::new(table, Rule::ThinDay, seen, json!({ "day": day_text(day), "rows": rows, "usual": usual }))
}

/// A finding about rows that are copies of earlier ones.
pub(in crate::doctor) fn copied(table: &'static str, copies: u64, rows: u64, first: Option<String>) -> Finding {
    let first = first.map(|first| format!("; the first is {first}")).unwrap_or_default();
    let seen = format!("{} of {} rows are duplicates of earlier rows{first}", grouped(copies), grouped(rows));
    let finding = Finding::new(table, Rule::Copies, seen, json!({ "copies": copies, "rows": rows }));
    // A build merges copies of broadcasts.
    if table == TABLE { finding.weighing(Severity::Note) } else { finding }
}

/// The place of the median in counts by size.
fn middle(sizes: &[u64]) -> usize {
    let half = sizes.iter().sum::<u64>() / 2;
    let mut passed = 0;
    let found = sizes.iter().position(|count| {
        passed += count;
        passed > half
    });
    found.unwrap_or_default()
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
