//! Rows of the schedule as shops publish it, with the gaps, spellings and repeats of real ones.

use chrono::{DateTime, FixedOffset, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};
use sinsang_tables::table::BroadcastText;

use super::chance::pick;
use super::schedule::Schedule;
use super::words::{Channel, Words};

/// Hour of the Korean night up to which a channel that counts past midnight writes 24, 25 ….
const LATE_UNTIL: u8 = 4;

/// One row for every airing, followed by the rows that were collected twice.
pub(super) fn rows(words: &Words, schedule: &Schedule, now: UnixMillis, seed: u64) -> Vec<BroadcastText> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(2);
    let rng = &mut rng;
    let mut rows = Vec::with_capacity(schedule.airings.len() + schedule.airings.len() / 40);
    let mut again = Vec::new();
    // A day's crawl finds item codes, or finds none.
    let mut crawl = vec![(i64::MIN, false); words.channels.len()];
    for airing in &schedule.airings {
        let listing = &schedule.listings[airing.listing as usize];
        let product = &schedule.products[listing.product as usize];
        let channel = &words.channels[airing.channel];
        let shop = &words.shops[listing.shop];
        let day = UnixMillis(airing.start).kst_day();
        if crawl[airing.channel].0 != day {
            crawl[airing.channel] = (day, rng.random_bool(channel.no_codes));
        }
        let without_code = crawl[airing.channel].1;
        let overlap = if rng.random_bool(0.008) { rng.random_range(1..5) * 5 * MINUTE_MS } else { 0 };
        let without_end = channel.no_ends || rng.random_bool(0.006);
        let collected = (airing.start - rng.random_range(6 * HOUR_MS..4 * DAY_MS))
            .min(now.0 - rng.random_range(MINUTE_MS..20 * HOUR_MS));
        let row = BroadcastText {
            listing_id: (!without_code).then(|| listing.code.clone()),
            shop: shop.name.clone(),
            channel: channel.name.clone(),
            title: listing.titles[airing.title].clone(),
            category: rng.random_bool(0.97).then(|| product.attributes.category(words).name.clone()),
            price: airing.price,
            list_price: listing.list_price.filter(|list| airing.price.is_some_and(|price| *list >= price)),
            url: (!without_code).then(|| format!("https://shop.example/{}/{}", shop.slug, listing.code)),
            starts_at: clock(channel, airing.start, airing.start),
            ends_at: (!without_end).then(|| clock(channel, airing.start, airing.end + overlap)),
            review_count: airing.reviews,
            collected_at: Some(UnixMillis(collected).to_kst_rfc3339()),
            ..listing.text()
        };
        if rng.random_bool(0.02) {
            let mut earlier = row.clone();
            earlier.collected_at = Some(UnixMillis(collected - rng.random_range(1..72) * HOUR_MS).to_kst_rfc3339());
            if rng.random_bool(0.3) {
                earlier.price = earlier.price.map(|price| price + pick(rng, &[1_000, 10_000, 20_000]));
            }
            if rng.random_bool(0.2) {
                earlier.review_count = None;
            }
            again.push(earlier);
        }
        rows.push(row);
    }
    rows.append(&mut again);
    rows
}

/// `at` in the channel's notation. A channel that counts past midnight uses the date of `start`'s
/// broadcasting day.
fn clock(channel: &Channel, start: i64, at: i64) -> String {
    let Some(utc) = DateTime::<Utc>::from_timestamp_millis(at) else { return UnixMillis(at).to_kst_rfc3339() };
    if channel.utc {
        return utc.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    }
    let start = UnixMillis(start);
    let broadcasting_day = start.kst_day() - i64::from(start.kst_hour() < LATE_UNTIL);
    let late = UnixMillis(at).kst_day() - broadcasting_day;
    if !channel.late_hours || late != 1 {
        return UnixMillis(at).to_kst_rfc3339();
    }
    let Some(korea) = FixedOffset::east_opt(9 * 3_600) else { return UnixMillis(at).to_kst_rfc3339() };
    let local = utc.with_timezone(&korea);
    let day_before = local - chrono::Duration::days(1);
    let hour = 24 + u32::from(UnixMillis(at).kst_hour());
    format!("{}T{hour}:{}+09:00", day_before.format("%Y-%m-%d"), local.format("%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_counts_past_midnight_writes_the_evening_s_date() {
        let words = Words::parse().unwrap();
        let at = |text: &str| UnixMillis::parse_rfc3339(text).unwrap().0;
        let late = words.channels.iter().find(|c| c.late_hours).unwrap();
        let plain = words.channels.iter().find(|c| !c.late_hours && !c.utc).unwrap();
        let start = at("2026-11-23T01:10:00+09:00");
        assert_eq!(clock(late, start, start), "2026-11-22T25:10:00+09:00");
        assert_eq!(clock(late, start, at("2026-11-23T02:10:00+09:00")), "2026-11-22T26:10:00+09:00");
        assert_eq!(
            clock(late, at("2026-11-22T23:40:00+09:00"), at("2026-11-23T00:40:00+09:00")),
            "2026-11-22T24:40:00+09:00"
        );
        assert_eq!(
            clock(late, at("2026-11-22T05:00:00+09:00"), at("2026-11-22T06:00:00+09:00")),
            "2026-11-22T06:00:00+09:00"
        );
        assert_eq!(clock(plain, start, start), "2026-11-23T01:10:00+09:00");
    }
}
