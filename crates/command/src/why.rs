//! `sinsang why`: tells a listing's story in Korean.

mod place;
pub(crate) mod word;

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;
use sinsang_core::printable::grouped;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::{Reason, VerdictKind};
use sinsang_identity::identity::{Joined, ProductId};
use sinsang_identity::verdict::{self, Verdict};
use sinsang_pipeline::read::catalogue::EntryId;
use sinsang_pipeline::read::history::History;

use crate::resolve::{Decided, Neighbour};

pub use place::{Error as PlaceError, Places, Question, places};

/// The most listings that an error suggests.
const SUGGESTED: usize = 5;
/// The most titles, listings and broadcasts that a story names; of more broadcasts, the first and
/// last.
const NAMED: usize = 12;

/// Why no story can be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No listing or product has that name.
    #[error("no listing or product {wanted}{}", suggestions(near))]
    Unknown {
        /// The name asked for.
        wanted: String,
        /// Listings with a similar name, or with it in their title, as `shop:code title`.
        near: Vec<String>,
    },
    /// Several shops use the code.
    #[error("{} shops have a listing {code}: give one of {}", shops.len(), shops.join(", "))]
    Ambiguous {
        /// The code.
        code: String,
        /// The listings, as `shop:code`.
        shops: Vec<String>,
    },
}

fn suggestions(near: &[String]) -> String {
    if near.is_empty() {
        return ": give a listing's code, shop:code, or the 16 hex digits of its product".to_owned();
    }
    format!("; similar ones:\n  {}", near.join("\n  "))
}

/// The stories of the listings asked for; a code used for several products has a story for each.
#[derive(Debug, Serialize)]
pub struct Stories<'a> {
    /// The stories, in the order asked for.
    pub stories: Vec<Story<'a>>,
}

/// One listing's story.
#[derive(Debug, Serialize)]
pub struct Story<'a> {
    /// Its shop.
    pub shop: &'a str,
    /// The shop's code for it.
    pub listing_id: &'a str,
    /// Products that its code was used for over time.
    pub code_products: usize,
    /// The product asked for, if it was merged into an older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_from: Option<ProductId>,
    /// All its titles, the latest first.
    pub titles: &'a [String],
    /// Its brand field.
    pub brand: Option<&'a str>,
    /// The schedule's category.
    pub category: Option<&'a str>,
    /// Price in won.
    pub price: Option<u32>,
    /// Its product.
    pub product_id: ProductId,
    /// The verdict as of the broadcast that it is judged by.
    pub verdict: Verdict,
    /// The start of that broadcast, RFC 3339 in +09:00.
    pub as_of: String,
    /// The channel of that broadcast.
    pub channel: &'a str,
    /// Whether that broadcast has not ended.
    pub upcoming: bool,
    /// How the listing joined its product: `first`, `same_code`, `corrected` or `similar`.
    pub joined: &'static str,
    /// People's decisions on it.
    #[serde(skip_serializing_if = "Decided::is_empty")]
    pub decided: Decided<'a>,
    /// The earlier listing through which it joined its product.
    pub nearest: Option<Neighbour<'a>>,
    /// The nearest earlier listing of another product.
    pub nearest_other: Option<Neighbour<'a>>,
    /// The product's listings, by shop and code.
    pub listings: Vec<Member<'a>>,
    /// The product's broadcasts, by start.
    pub broadcasts: Vec<Broadcast<'a>>,
    /// The probability from which two listings are one product.
    pub same_at: f64,
    #[serde(skip)]
    as_of_time: UnixMillis,
    #[serde(skip)]
    now: UnixMillis,
}

/// A listing of the product.
#[derive(Debug, Serialize)]
pub struct Member<'a> {
    /// Its shop.
    pub shop: &'a str,
    /// The shop's code for it.
    pub listing_id: &'a str,
    /// Its latest title.
    pub title: &'a str,
}

/// A broadcast of the product.
#[derive(Debug, Serialize)]
pub struct Broadcast<'a> {
    /// Its start, RFC 3339 in +09:00.
    pub starts_at: String,
    /// Its channel.
    pub channel: &'a str,
    /// The shop of its listing.
    pub shop: &'a str,
    /// The shop's code for the listing.
    pub listing_id: &'a str,
    /// The title at that time.
    pub title: &'a str,
    /// Price in won.
    pub price: Option<u32>,
    #[serde(skip)]
    starts: UnixMillis,
    #[serde(skip)]
    ends: UnixMillis,
}

/// Tells the stories of the listings `wanted`: each a code, `shop:code`, or a product's 16 hex
/// digits. `now` decides which broadcasts are upcoming.
///
/// # Errors
/// [`Error::Unknown`] if nothing has that name, [`Error::Ambiguous`] if several shops have the
/// code.
pub fn why<'a>(
    history: &'a History,
    policy: &verdict::Policy,
    wanted: &[String],
    now: UnixMillis,
) -> Result<Stories<'a>, Error> {
    let mut stories = Vec::new();
    for wanted in wanted {
        let (entries, merged_from) = find(history, wanted.trim(), now)?;
        let code_products = entries.len();
        let told = entries.into_iter().filter_map(|entry| story(history, *policy, entry, now));
        stories.extend(told.map(|story| Story { code_products, merged_from, ..story }));
    }
    Ok(Stories { stories })
}

fn find(history: &History, wanted: &str, now: UnixMillis) -> Result<(Vec<EntryId>, Option<ProductId>), Error> {
    let order = history.in_order();
    let listing = |index: &EntryId| &history.entry(*index).listing;
    let named: Vec<EntryId> = order
        .iter()
        .copied()
        .filter(|index| {
            let listing = listing(index);
            let full = wanted.strip_prefix(listing.shop.as_str()).and_then(|rest| rest.strip_prefix(':'));
            listing.listing_id == wanted || full == Some(&listing.listing_id)
        })
        .collect();
    let mut shops: Vec<&str> = named.iter().map(listing).map(|listing| listing.shop.as_str()).collect();
    shops.dedup();
    if shops.len() > 1 {
        let shops = shops.iter().map(|shop| format!("{shop}:{wanted}")).collect();
        return Err(Error::Ambiguous { code: wanted.to_owned(), shops });
    }
    if !named.is_empty() {
        return Ok((named, None));
    }
    if let Ok(id) = wanted.parse::<ProductId>()
        && wanted.len() == 16
    {
        let merge = history.resolution.merges.iter().find(|merge| merge.from == id);
        let kept = merge.map_or(id, |merge| merge.into);
        if let Ok(product) = history.products.binary_search_by_key(&kept, |product| product.id) {
            return Ok((
                spokesman(history, &history.products[product].entries, now).into_iter().collect(),
                merge.map(|_| id),
            ));
        }
    }
    Err(Error::Unknown { wanted: wanted.to_owned(), near: near(history, &order, wanted) })
}

/// The listing that represents a product: the one with the next broadcast, else the product's
/// first.
fn spokesman(history: &History, entries: &[EntryId], now: UnixMillis) -> Option<EntryId> {
    entries.iter().copied().min_by_key(|entry| {
        history.judged_by(*entry, now).map(|(airing, upcoming)| (!upcoming, airing.starts_at, *entry))
    })
}

/// Listings with a similar code, or with `wanted` in their title.
fn near(history: &History, order: &[EntryId], wanted: &str) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let code = wanted.rsplit(':').next().unwrap_or(&wanted);
    let mut found: Vec<(Reverse<u32>, usize)> = Vec::new();
    for (place, index) in order.iter().enumerate() {
        let listing = &history.entry(*index).listing;
        let alike = strsim::normalized_damerau_levenshtein(code, &listing.listing_id.to_lowercase());
        let titled = wanted.chars().count() >= 2
            && listing.titles.iter().any(|title| title.to_lowercase().contains(wanted.as_str()));
        let alike = if titled { 1.0 } else { alike };
        if alike >= 0.6 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share from 0 to 1, in thousandths"
            )]
            found.push((Reverse((alike * 1_000.0) as u32), place));
        }
    }
    found.sort_unstable();
    let told = found.into_iter().take(SUGGESTED).filter_map(|(_, place)| {
        let listing = &history.entry(order[place]).listing;
        Some(format!("{}:{} {}", listing.shop, listing.listing_id, listing.titles.first()?))
    });
    told.collect()
}

fn story<'a>(history: &'a History, policy: verdict::Policy, index: EntryId, now: UnixMillis) -> Option<Story<'a>> {
    let listing = &history.entry(index).listing;
    let resolved = history.resolved(index);
    let product = history.product_of(index);
    let (airing, upcoming) = history.judged_by(index, now)?;
    let at = airing.starts_at;
    let past = product.history(&history.catalogue, &history.likely);
    let (joined, nearest) = match &resolved.joined {
        Joined::First => ("first", None),
        Joined::SameCode { with } => ("same_code", Neighbour::new(history, EntryId::new(*with), at, None)),
        Joined::Corrected { with, .. } => ("corrected", Neighbour::new(history, EntryId::new(*with), at, None)),
        Joined::Similar { with, score } => ("similar", Neighbour::new(history, EntryId::new(*with), at, Some(score))),
    };
    let other = resolved.nearest_other.as_ref();
    let mut listings: Vec<Member<'a>> = product
        .entries
        .iter()
        .map(|entry| history.entry(*entry))
        .map(|entry| Member {
            shop: &entry.listing.shop,
            listing_id: &entry.listing.listing_id,
            title: entry.listing.titles.first().map_or("", String::as_str),
        })
        .collect();
    listings.sort_by_key(|member| (member.shop, member.listing_id));
    let broadcasts = product.airings.iter().map(|airing| {
        let airing = &history.catalogue.airings[*airing];
        let listing = &history.entry(airing.entry).listing;
        Broadcast {
            starts_at: airing.starts_at.to_kst_rfc3339(),
            channel: &airing.channel,
            shop: &listing.shop,
            listing_id: &listing.listing_id,
            title: &listing.titles[airing.title],
            price: airing.price,
            starts: airing.starts_at,
            ends: airing.ends_at,
        }
    });
    Some(Story {
        shop: &listing.shop,
        listing_id: &listing.listing_id,
        code_products: 1,
        merged_from: None,
        titles: &listing.titles,
        brand: listing.brand.as_deref(),
        category: listing.category.as_deref(),
        price: listing.price,
        product_id: product.id,
        verdict: verdict::judge(&past, &history.reach, &policy, at),
        as_of: at.to_kst_rfc3339(),
        channel: &airing.channel,
        upcoming,
        joined,
        decided: Decided::of(&resolved.joined, product),
        nearest,
        nearest_other: other
            .and_then(|other| Neighbour::new(history, EntryId::new(other.with), at, Some(&other.score))),
        listings,
        broadcasts: broadcasts.collect(),
        same_at: history.policy.same_at,
        as_of_time: at,
        now,
    })
}

impl fmt::Display for Stories<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, story) in self.stories.iter().enumerate() {
            if place > 0 {
                writeln!(f, "\n———\n")?;
            }
            write!(f, "{story}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.titles.first().map_or("", String::as_str))?;
        if let Some(id) = self.merged_from {
            writeln!(f, "  (물어본 상품 {id}은(는) 뒤에 이 상품과 같은 것으로 밝혀져 합쳐졌습니다)")?;
        }
        if self.code_products > 1 {
            writeln!(f, "  (이 판매 코드는 서로 다른 상품 {}개에 쓰였습니다)", self.code_products)?;
        }
        let price = self.price.map(word::won);
        let facts = [Some(self.shop), Some(self.listing_id), self.brand, self.category, price.as_deref()];
        writeln!(f, "  {}", facts.into_iter().flatten().collect::<Vec<_>>().join(" · "))?;
        for title in self.titles.iter().skip(1).take(NAMED) {
            writeln!(f, "  다른 제목: {title}")?;
        }
        if self.titles.len() > NAMED + 1 {
            writeln!(f, "  … 제목 {}개 더", self.titles.len() - NAMED - 1)?;
        }
        self.write_verdict(f)?;
        self.write_product(f)?;
        self.write_broadcasts(f)
    }
}

impl Story<'_> {
    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let evidence = &self.verdict.evidence;
        let kind = word::verdict(self.verdict.kind);
        let meaning = match (evidence.reason, self.verdict.kind) {
            (Reason::Corrected, _) => "담당자가 그렇게 판정한 상품",
            (_, VerdictKind::New) => "기록에서 한 번도 방송이 끝난 적이 없는 상품",
            (_, VerdictKind::Repeat) => "전에 방송한 상품",
            (_, VerdictKind::Unknown) => "기록만으로는 알 수 없는 상품",
        };
        writeln!(f, "\n판정  {kind} — {meaning}")?;
        let which = if self.upcoming { "다음 방송" } else { "다음 방송이 없어 첫 방송" };
        writeln!(f, "  기준: {which}, {} {}", word::minute(self.as_of_time), self.channel)?;
        writeln!(f, "  근거: {}", evidence.text)?;
        if let Some(given) = self.decided.verdict.filter(|_| evidence.reason == Reason::Corrected) {
            writeln!(f, "    {} — {}", given.decision.who, given.decision.why)?;
        }
        if let Some(earlier) = &evidence.earlier {
            let own = earlier.shop == self.shop && earlier.listing_id == self.listing_id;
            let whose = if own { "이 코드로" } else { "다른 코드로" };
            writeln!(f, "    {whose}: {} {} “{}”", earlier.shop, earlier.listing_id, earlier.title)?;
        }
        let told = UnixMillis::parse_rfc3339(evidence.earlier.as_ref().map_or("", |earlier| &earlier.starts_at));
        if told.is_some_and(|at| at > self.now) {
            writeln!(f, "    (그 방송도 아직 남았지만 이 방송보다 먼저 끝납니다)")?;
        }
        let reviews =
            evidence.review_count.map_or("알 수 없음".to_owned(), |count| format!("{}개", grouped(count.into())));
        writeln!(
            f,
            "  기록: 전체 {}일, 첫 방송을 한 쇼핑사 {}일 · 상품평 {reviews}",
            evidence.history_days, evidence.shop_history_days
        )?;
        if let Some(probability) = evidence.aired_probability {
            writeln!(f, "  앞서 방송한 다른 상품과 같을 확률: {}", word::percent(probability))?;
        }
        match (self.verdict.kind, evidence.reason) {
            (VerdictKind::Unknown, Reason::ShortHistory) => {
                writeln!(f, "  이 쇼핑사의 기록이 짧아, 처음 보인다고 해서 처음 방송했다고 할 수 없습니다.")?;
            }
            (VerdictKind::Unknown, Reason::ReviewsBeforeRecords) => {
                writeln!(f, "  처음 보였지만 상품평이 이미 쌓여 있습니다. 기록이 시작되기 전에 팔렸을 것입니다.")?;
            }
            (VerdictKind::Unknown, Reason::NearMiss) => {
                writeln!(f, "  같은 상품인지 다른 상품인지 이 제목만으로는 가릴 수 없습니다.")?;
            }
            (VerdictKind::Unknown, Reason::TitleSaysNothing) => {
                writeln!(f, "  제목에 상품 이름이 없어, 전에 방송한 상품인지 알아볼 수 없습니다.")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn write_product(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n상품  {} · 판매 코드 {}개", self.product_id, self.listings.len())?;
        match (&self.nearest, self.joined) {
            (None, _) => writeln!(f, "  이 상품은 이 코드로 처음 나왔습니다.")?,
            (Some(nearest), "same_code") => {
                writeln!(f, "  쇼핑사와 코드가 같은 앞선 판매와 같은 상품: {}", word::neighbour(nearest))?;
            }
            (Some(nearest), "corrected") => {
                writeln!(f, "  담당자가 이 판매와 같은 상품으로 판정: {}", word::neighbour(nearest))?;
                if let Some(decision) = self.decided.same {
                    writeln!(f, "    {} — {}", decision.who, decision.why)?;
                }
            }
            (Some(nearest), _) => {
                writeln!(f, "  앞서 나온 이 판매와 같은 상품입니다: {}", word::neighbour(nearest))?;
                if let Some(score) = nearest.score {
                    writeln!(
                        f,
                        "    같은 상품일 확률 {} (기준 {})",
                        word::percent(score.probability),
                        word::percent(self.same_at)
                    )?;
                    word::write_parts(f, score)?;
                }
            }
        }
        if let Some(other) = &self.nearest_other {
            writeln!(f, "  가장 비슷했던 다른 상품: {}", word::neighbour(other))?;
            if let Some(score) = other.score {
                writeln!(f, "    {}", word::difference(score, self.same_at))?;
                if score.veto.is_none() {
                    word::write_parts(f, score)?;
                }
            }
        }
        let others: Vec<&Member<'_>> = self
            .listings
            .iter()
            .filter(|member| (member.shop, member.listing_id) != (self.shop, self.listing_id))
            .collect();
        if !others.is_empty() {
            writeln!(f, "  함께 묶인 판매:")?;
        }
        for member in others.iter().take(NAMED) {
            writeln!(f, "    {} {} “{}”", member.shop, member.listing_id, member.title)?;
        }
        if others.len() > NAMED {
            writeln!(f, "    … {}개 더", others.len() - NAMED)?;
        }
        Ok(())
    }

    fn write_broadcasts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let past = self.broadcasts.iter().filter(|broadcast| broadcast.ends <= self.now).count();
        let ahead = self.broadcasts.len() - past;
        write!(f, "\n방송  {}회 (끝남 {past}, 남음 {ahead})", self.broadcasts.len())?;
        let skipped = self.broadcasts.len().saturating_sub(NAMED);
        for (place, broadcast) in self.broadcasts.iter().enumerate() {
            if skipped > 0 && place == NAMED / 2 {
                write!(f, "\n  … {skipped}회 더")?;
            }
            if skipped > 0 && place >= NAMED / 2 && place < NAMED / 2 + skipped {
                continue;
            }
            let mark = if broadcast.ends > self.now { "▸" } else { " " };
            let Broadcast { starts, ends, channel, shop, listing_id, .. } = broadcast;
            write!(f, "\n {mark}{}–{}  {channel}", word::minute(*starts), word::clock(*ends))?;
            write!(f, "  {shop} {listing_id}")?;
            if let Some(price) = broadcast.price {
                write!(f, "  {}", word::won(price))?;
            }
        }
        Ok(())
    }
}
