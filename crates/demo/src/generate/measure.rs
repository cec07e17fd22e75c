//! Statistics of the generated tables, measured as on the real schedules.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use regex::Regex;
use serde::Serialize;
use sinsang_core::event::EventKind;
use sinsang_core::time::{DAY_MS, MINUTE_MS, UnixMillis};
use sinsang_tables::table::{BroadcastText, Event};

use super::schedule::{Airing, Origin, Schedule};
use super::title::Difference;
use super::words::Words;

/// Days before `now` over which first airings are counted.
const RECENT_DAYS: i64 = 28;

/// Statistics of the history: shares from 0 to 1 unless stated otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// Rows without a brand, or with a placeholder for it.
    pub missing_brand: f64,
    /// Rows without a price.
    pub missing_price: f64,
    /// Rows without an item code.
    pub missing_code: f64,
    /// Rows without an end.
    pub missing_end: f64,
    /// Titles with brackets or marks.
    pub decorated_titles: f64,
    /// Titles that claim to be new.
    pub claiming_titles: f64,
    /// Mean number of airings of an item code.
    pub airings_a_code: f64,
    /// Codes that aired on only one day.
    pub one_day_codes: f64,
    /// Codes with several titles.
    pub codes_with_titles: f64,
    /// Titles with several codes.
    pub titles_with_codes: f64,
    /// Titles on several channels.
    pub titles_on_channels: f64,
    /// Airings of the last 28 days whose code had not aired before.
    pub new_by_code: f64,
    /// Airings of the last 28 days whose title had not aired before.
    pub new_by_title: f64,
    /// Airings of the last 28 days whose code and title had not aired before.
    pub new_by_both: f64,
    /// New codes of the last 28 days whose title had aired before.
    pub new_codes_with_seen_title: f64,
    /// New codes of the last 28 days whose product had never aired, in the records or before them.
    pub really_new_of_new_codes: f64,
    /// Airings new by code and title with 10 reviews or more.
    pub new_with_10_reviews: f64,
    /// Airings new by code and title with 100 reviews or more.
    pub new_with_100_reviews: f64,
}

/// A run's results.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Rows of `broadcasts`, including those collected twice.
    pub broadcast_rows: usize,
    /// Item codes of all shops.
    pub listings: usize,
    /// Real products.
    pub products: usize,
    /// Products whose first broadcast ever is after `now`.
    pub really_new_upcoming: usize,
    /// Codes with a broadcast after `now` whose code and titles had not aired before it.
    pub unseen_upcoming: usize,
    /// Rows of `events`.
    pub events: usize,
    /// Number of events of each kind.
    pub event_kinds: BTreeMap<&'static str, usize>,
    /// Number of users.
    pub users: usize,
    /// Slots of a complete Korean day of history: minimum, median, maximum.
    pub slots_a_day: [usize; 3],
    /// Slot length in minutes: minimum, median, 95th percentile, maximum.
    pub slot_minutes: [i64; 4],
    /// Maximum number of channels on air at once.
    pub on_air_most: usize,
    /// Maximum number of airings of one code.
    pub airings_most: usize,
    /// Airings each day of the last 28 days that were new by code and title.
    pub unseen_a_day: f64,
    /// Really new products each day of the last 28 days.
    pub really_new_a_day: f64,
    /// Statistics of the history.
    pub shares: Shares,
    /// Number of relisted products by the difference in their wording.
    pub differences: BTreeMap<Difference, u32>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.shares;
        let [least, median, most] = self.slots_a_day;
        let per_cent = |share: f64| format!("{:.1} %", share * 100.0);
        writeln!(
            f,
            "{} broadcast rows, {} listings of {} products",
            self.broadcast_rows, self.listings, self.products
        )?;
        writeln!(f, "{} events of {} users", self.events, self.users)?;
        writeln!(f, "slots a day         median {median}, {least} to {most}; at most {} on air", self.on_air_most)?;
        let [short, middle, p95, long] = self.slot_minutes;
        writeln!(f, "slot minutes        median {middle}, 95 % to {p95}, {short} to {long}")?;
        writeln!(
            f,
            "missing             brand {}, price {}, code {}, end {}",
            per_cent(s.missing_brand),
            per_cent(s.missing_price),
            per_cent(s.missing_code),
            per_cent(s.missing_end)
        )?;
        writeln!(
            f,
            "titles              {} decorated, {} claim to be new, {} with several codes, {} on several channels",
            per_cent(s.decorated_titles),
            per_cent(s.claiming_titles),
            per_cent(s.titles_with_codes),
            per_cent(s.titles_on_channels)
        )?;
        writeln!(
            f,
            "codes               {:.2} airings each, at most {}; {} on one day, {} with several titles",
            s.airings_a_code,
            self.airings_most,
            per_cent(s.one_day_codes),
            per_cent(s.codes_with_titles)
        )?;
        writeln!(
            f,
            "unseen, 28 days     by code {}, by title {}, by both {} ({:.0} a day); {} of new codes have a seen title",
            per_cent(s.new_by_code),
            per_cent(s.new_by_title),
            per_cent(s.new_by_both),
            self.unseen_a_day,
            per_cent(s.new_codes_with_seen_title)
        )?;
        writeln!(
            f,
            "                    {} of the new codes are really new products ({:.0} a day); reviews 10+ {}, 100+ {}",
            per_cent(s.really_new_of_new_codes),
            self.really_new_a_day,
            per_cent(s.new_with_10_reviews),
            per_cent(s.new_with_100_reviews)
        )?;
        write!(
            f,
            "to come             {} codes unseen by code and title, {} products really new",
            self.unseen_upcoming, self.really_new_upcoming
        )
    }
}

/// For each listing, whether the records hold a broadcast of it that began at or before `now`.
pub(super) fn aired_before(schedule: &Schedule, now: UnixMillis) -> Vec<bool> {
    let mut aired = vec![false; schedule.listings.len()];
    for airing in schedule.airings.iter().filter(|airing| airing.start <= now.0) {
        aired[airing.listing as usize] = true;
    }
    aired
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

pub(super) fn measure(
    words: &Words,
    schedule: &Schedule,
    rows: &[BroadcastText],
    events: &[Event],
    users: usize,
    now: UnixMillis,
) -> Report {
    let history: Vec<&Airing> = schedule.airings.iter().filter(|airing| airing.start <= now.0).collect();
    let mut shares = Shares::default();
    missing(words, rows, &mut shares);
    let airings_most = repeats(schedule, &history, &mut shares);
    let (unseen_a_day, really_new_a_day) = firsts(schedule, &history, now, &mut shares);
    let mut event_kinds: BTreeMap<&'static str, usize> = EventKind::ALL.iter().map(|kind| (kind.as_str(), 0)).collect();
    for event in events {
        *event_kinds.entry(event.kind.as_str()).or_default() += 1;
    }
    let (unseen_upcoming, really_new_upcoming) = upcoming(schedule, &history, now);
    Report {
        broadcast_rows: rows.len(),
        listings: schedule.listings.len(),
        products: schedule.products.len(),
        really_new_upcoming,
        unseen_upcoming,
        events: events.len(),
        event_kinds,
        users,
        slots_a_day: slots_a_day(&history, now),
        slot_minutes: slot_minutes(&schedule.airings),
        on_air_most: on_air_most(&schedule.airings),
        airings_most,
        unseen_a_day,
        really_new_a_day,
        shares,
        differences: schedule.differences.clone(),
    }
}

fn missing(words: &Words, rows: &[BroadcastText], shares: &mut Shares) {
    let count = |test: &dyn Fn(&BroadcastText) -> bool| share(rows.iter().filter(|row| test(row)).count(), rows.len());
    let placeholders = &words.phrases.no_brand;
    shares.missing_brand = count(&|row| row.brand.as_ref().is_none_or(|brand| placeholders.contains(brand)));
    shares.missing_price = count(&|row| row.price.is_none());
    shares.missing_code = count(&|row| row.listing_id.is_none());
    shares.missing_end = count(&|row| row.ends_at.is_none());
    let titles: HashSet<&str> = rows.iter().map(|row| row.title.as_str()).collect();
    let matching = |pattern: &str| {
        Regex::new(pattern).map_or(0, |regex| titles.iter().filter(|title| regex.is_match(title)).count())
    };
    shares.decorated_titles = share(matching(r"[\[\]()★○◆☆□●▶④※]"), titles.len());
    shares.claiming_titles = share(matching("(?i)신상|최초|new|런칭"), titles.len());
}

fn title<'a>(schedule: &'a Schedule, airing: &Airing) -> &'a str {
    &schedule.listings[airing.listing as usize].titles[airing.title]
}

/// Fills the statistics of codes and titles; returns the maximum number of airings of one code.
fn repeats(schedule: &Schedule, history: &[&Airing], shares: &mut Shares) -> usize {
    #[derive(Default)]
    struct Code<'a> {
        airings: usize,
        days: HashSet<i64>,
        titles: HashSet<&'a str>,
    }
    let mut codes: HashMap<u32, Code> = HashMap::new();
    let mut titles: HashMap<&str, (HashSet<u32>, HashSet<usize>)> = HashMap::new();
    for airing in history {
        let title = title(schedule, airing);
        let code = codes.entry(airing.listing).or_default();
        code.airings += 1;
        code.days.insert(UnixMillis(airing.start).kst_day());
        code.titles.insert(title);
        let (of, on) = titles.entry(title).or_default();
        of.insert(airing.listing);
        on.insert(airing.channel);
    }
    let count = |test: &dyn Fn(&Code) -> bool| share(codes.values().filter(|code| test(code)).count(), codes.len());
    shares.airings_a_code = share(history.len(), codes.len());
    shares.one_day_codes = count(&|code| code.days.len() == 1);
    shares.codes_with_titles = count(&|code| code.titles.len() > 1);
    shares.titles_with_codes = share(titles.values().filter(|(of, _)| of.len() > 1).count(), titles.len());
    shares.titles_on_channels = share(titles.values().filter(|(_, on)| on.len() > 1).count(), titles.len());
    codes.values().map(|code| code.airings).max().unwrap_or(0)
}

/// Fills the statistics of first airings; returns the numbers each day of airings new by code and
/// title, and of really new products.
fn firsts(schedule: &Schedule, history: &[&Airing], now: UnixMillis, shares: &mut Shares) -> (f64, f64) {
    let recent = now.0 - RECENT_DAYS * DAY_MS;
    let (mut codes, mut titles) = (HashSet::new(), HashSet::new());
    let (mut all, mut by_code, mut by_title, mut by_both, mut really) = (0, 0, 0, 0, 0);
    let (mut ten, mut hundred, mut products) = (0, 0, HashSet::new());
    for airing in history {
        let listing = &schedule.listings[airing.listing as usize];
        let new_code = codes.insert(airing.listing);
        let new_title = titles.insert(title(schedule, airing));
        if airing.start < recent {
            continue;
        }
        all += 1;
        by_code += usize::from(new_code);
        by_title += usize::from(new_title);
        if new_code && schedule.products[listing.product as usize].first_at == airing.start {
            really += usize::from(listing.origin != Origin::Twin);
            products.insert(listing.product);
        }
        if new_code && new_title {
            by_both += 1;
            let reviews = airing.reviews.unwrap_or(0);
            ten += usize::from(reviews >= 10);
            hundred += usize::from(reviews >= 100);
        }
    }
    shares.new_by_code = share(by_code, all);
    shares.new_by_title = share(by_title, all);
    shares.new_by_both = share(by_both, all);
    shares.new_codes_with_seen_title = share(by_code - by_both, by_code);
    shares.really_new_of_new_codes = share(really, by_code);
    shares.new_with_10_reviews = share(ten, by_both);
    shares.new_with_100_reviews = share(hundred, by_both);
    let days = usize::try_from(RECENT_DAYS).unwrap_or(1);
    (share(by_both, days), share(products.len(), days))
}

/// Counts the upcoming codes that are new by code and title, and the upcoming products that never
/// aired.
fn upcoming(schedule: &Schedule, history: &[&Airing], now: UnixMillis) -> (usize, usize) {
    let codes: HashSet<u32> = history.iter().map(|airing| airing.listing).collect();
    let titles: HashSet<&str> = history.iter().map(|airing| title(schedule, airing)).collect();
    let (mut unseen, mut seen, mut products) = (HashSet::new(), HashSet::new(), HashSet::new());
    for airing in schedule.airings.iter().filter(|airing| airing.start > now.0) {
        let product = schedule.listings[airing.listing as usize].product;
        if schedule.products[product as usize].first_at > now.0 {
            products.insert(product);
        }
        if !codes.contains(&airing.listing) {
            if titles.contains(title(schedule, airing)) {
                seen.insert(airing.listing);
            } else {
                unseen.insert(airing.listing);
            }
        }
    }
    (unseen.difference(&seen).count(), products.len())
}

fn slots_a_day(history: &[&Airing], now: UnixMillis) -> [usize; 3] {
    let mut days: BTreeMap<i64, usize> = BTreeMap::new();
    for airing in history.iter().filter(|airing| UnixMillis(airing.start).kst_day() < now.kst_day()) {
        *days.entry(UnixMillis(airing.start).kst_day()).or_default() += 1;
    }
    let mut counts: Vec<usize> = days.into_values().collect();
    counts.sort_unstable();
    [0, counts.len() / 2, counts.len().saturating_sub(1)].map(|at| counts.get(at).copied().unwrap_or(0))
}

fn slot_minutes(airings: &[Airing]) -> [i64; 4] {
    let mut lengths: Vec<i64> = airings.iter().map(|airing| (airing.end - airing.start) / MINUTE_MS).collect();
    lengths.sort_unstable();
    let last = lengths.len().saturating_sub(1);
    [0, last / 2, last * 95 / 100, last].map(|at| lengths.get(at).copied().unwrap_or(0))
}

/// The maximum number of channels on air at once; two codes of one slot count as one channel.
fn on_air_most(airings: &[Airing]) -> usize {
    let mut ends: HashMap<usize, i64> = HashMap::new();
    let mut most = 0;
    for airing in airings {
        ends.insert(airing.channel, airing.end);
        ends.retain(|_, end| *end > airing.start);
        most = most.max(ends.len());
    }
    most
}
