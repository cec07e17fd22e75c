//! Is a product new? `new`, `repeat` or `unknown`, as of a time, with the evidence.
//!
//! A product is `new` until its first broadcast ever has ended. That a broadcast is the first ever is only known as far back as the
//! records of its shop reach: where they are short, or where reviews say that the product aired before them, the verdict is `unknown`.

use std::collections::BTreeMap;

use serde::Serialize;
use sinsang::time::{DAY_MS, UnixMillis};

use crate::catalogue::{Airing, Catalogue, Entry};
use crate::compose::Product;
use crate::rules::VerdictRules;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its first broadcast ever lies ahead or is on air.
    New,
    /// It was broadcast before.
    Repeat,
    /// The history can't tell.
    Unknown,
}

/// Why it was decided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing earlier is on record, and the records reach back far enough.
    FirstBroadcast,
    /// An earlier broadcast is on record.
    AiredBefore,
    /// The shop's records are too short.
    ShortHistory,
    /// Reviews say that it aired before the records.
    ReviewsBeforeRecords,
}

/// An earlier broadcast of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Earlier {
    /// The shop that sold it.
    pub shop: String,
    /// That shop's item code.
    pub listing_id: String,
    /// The channel.
    pub channel: String,
    /// The start, as RFC 3339 in Korean time.
    pub starts_at: String,
    /// The title then.
    pub title: String,
}

/// What the verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The reason in a word.
    pub reason: Reason,
    /// The reason in a Korean sentence, for product people.
    pub text: String,
    /// Days on record, of all shops.
    pub history_days: i64,
    /// Days on record of the shop that broadcast it first.
    pub shop_history_days: i64,
    /// The most reviews that a listing of it showed when it was first seen.
    pub review_count: Option<u32>,
    /// The latest earlier broadcast.
    pub earlier: Option<Earlier>,
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was decided.
    pub kind: Kind,
    /// What it rests on.
    pub evidence: Evidence,
}

impl Verdict {
    /// The verdict as the JSON object that answers carry.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// How far back the records reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    starts_at: UnixMillis,
    by_shop: BTreeMap<String, UnixMillis>,
}

impl History {
    /// The records of `catalogue`.
    pub fn of(catalogue: &Catalogue) -> Self {
        let mut by_shop: BTreeMap<String, UnixMillis> = BTreeMap::new();
        for entry in &catalogue.entries {
            let first = by_shop.entry(entry.listing.shop.clone()).or_insert(entry.listing.first_at);
            *first = (*first).min(entry.listing.first_at);
        }
        Self { starts_at: by_shop.values().copied().min().unwrap_or_default(), by_shop }
    }

    /// The first broadcast on record.
    pub fn starts_at(&self) -> UnixMillis {
        self.starts_at
    }

    fn days(&self, at: UnixMillis) -> i64 {
        at.since(self.starts_at).div_euclid(DAY_MS).max(0)
    }

    fn shop_days(&self, shop: &str, at: UnixMillis) -> i64 {
        self.by_shop.get(shop).map_or(0, |first| at.since(*first).div_euclid(DAY_MS).max(0))
    }
}

/// The verdict on `product` as of `at`.
pub fn judge(catalogue: &Catalogue, product: &Product, history: &History, rules: &VerdictRules, at: UnixMillis) -> Verdict {
    let airings = || product.airings.iter().filter_map(|index| catalogue.airings.get(*index));
    let entries = || product.entries.iter().filter_map(|entry| catalogue.entries.get(*entry));
    let entry_of = |airing: &Airing| catalogue.entries.get(airing.entry);
    let first = airings().next();
    let shop = first.and_then(entry_of).map_or("", |entry| entry.listing.shop.as_str());
    let first_at = first.map_or(at, |airing| airing.starts_at);
    let (history_days, shop_history_days) = (history.days(first_at), history.shop_days(shop, first_at));
    let review_count = entries().filter_map(|entry| entry.listing.review_count).max();
    // Not only the first broadcast must be over: where it still runs, a second one beside it is no earlier one.
    let is_repeat = first.is_some_and(|first| first.ends_at <= at);
    let earlier = is_repeat.then(|| airings().filter(|airing| airing.ends_at <= at).max_by_key(|airing| airing.starts_at)).flatten();
    let evidence = |reason, text| Evidence {
        reason,
        text,
        history_days,
        shop_history_days,
        review_count,
        earlier: earlier.and_then(|airing| Some(earlier_of(airing, entry_of(airing)?))),
    };
    if let Some(earlier) = earlier {
        let text = format!("{} {}에서 방송됨", minute(earlier.starts_at), earlier.channel);
        return Verdict { kind: Kind::Repeat, evidence: evidence(Reason::AiredBefore, text) };
    }
    if shop_history_days < i64::from(rules.min_history_days) {
        let text = format!("{shop} 기록이 {shop_history_days}일뿐이라 판정할 수 없음");
        return Verdict { kind: Kind::Unknown, evidence: evidence(Reason::ShortHistory, text) };
    }
    match review_count.filter(|reviews| *reviews >= rules.censored_reviews) {
        Some(reviews) => {
            let text = format!("첫 기록인데 상품평이 이미 {reviews}개: 기록 이전에 방송된 듯함");
            Verdict { kind: Kind::Unknown, evidence: evidence(Reason::ReviewsBeforeRecords, text) }
        }
        None => {
            let text = format!("{history_days}일 기록에서 첫 방송");
            Verdict { kind: Kind::New, evidence: evidence(Reason::FirstBroadcast, text) }
        }
    }
}

fn earlier_of(airing: &Airing, entry: &Entry) -> Earlier {
    Earlier {
        shop: entry.listing.shop.clone(),
        listing_id: entry.listing.listing_id.clone(),
        channel: airing.channel.clone(),
        starts_at: airing.starts_at.to_kst_rfc3339(),
        title: entry.listing.titles.first().cloned().unwrap_or_default(),
    }
}

/// `2026-11-03 20:40`, in Korean time.
fn minute(at: UnixMillis) -> String {
    at.to_kst_rfc3339().chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).collect()
}
