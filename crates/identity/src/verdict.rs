//! Verdicts: whether a product is new, a repeat, or unknown at an instant, with the evidence.

mod history;

use serde::{Deserialize, Serialize};
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::verdict::{Reason, VerdictKind};

use crate::listing::{Class, Features, Lexicon, Measure, Token, Words};
pub use crate::reach::Reach;
pub use history::{Airing, GivenTo, Likely, ProductHistory};

/// An ended broadcast, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The shop.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
    /// The TV channel's name.
    pub channel: String,
    /// Its start, as RFC 3339 in +09:00.
    pub starts_at: String,
    /// Its title when it aired.
    pub title: String,
}

/// The nearest earlier product, with the difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearestOther {
    /// The shop of the earlier product's listing.
    pub shop: String,
    /// The shop's item code.
    pub listing_id: String,
    /// Its title.
    pub title: String,
    /// The difference in a short Korean phrase; if it compares two values, this product's comes
    /// first.
    pub why: String,
}

/// Evidence of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The reason.
    pub reason: Reason,
    /// The reason in a short Korean sentence.
    pub text: String,
    /// Recorded days before the day of the verdict.
    pub history_days: u32,
    /// Recorded days of the first broadcast's shop before the day of the verdict.
    pub shop_history_days: u32,
    /// The highest review count of its listings; `None` if none was given.
    pub review_count: Option<u32>,
    /// For a repeat, its latest ended broadcast or the first broadcast of the likely same listing.
    pub earlier: Option<Earlier>,
    /// Probability, from 0 to 1, that it aired as one of its similar earlier listings. `None` if
    /// there is no such listing, if a broadcast of its own has ended, or if a person gave the
    /// verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aired_probability: Option<f64>,
    /// For a new product, the nearest earlier product that differs from it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<NearestOther>,
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// New, repeat or unknown.
    pub kind: VerdictKind,
    /// Its evidence.
    pub evidence: Evidence,
}

impl From<&Airing<'_>> for Earlier {
    fn from(airing: &Airing<'_>) -> Self {
        Self {
            shop: airing.shop.to_owned(),
            listing_id: airing.listing_id.to_owned(),
            channel: airing.channel.to_owned(),
            starts_at: airing.starts_at.to_kst_rfc3339(),
            title: airing.title.to_owned(),
        }
    }
}

/// Default number of reviews from which a product must have aired before the records began.
pub const CENSORED_REVIEWS: u32 = 10;

/// Thresholds for verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Minimum days of a shop's history to call its products new.
    pub min_history_days: u32,
    /// Reviews from which a product must have aired before the history began.
    pub censored_reviews: u32,
    /// Probability thresholds of new and repeat; operators set them in `[new_tab]`.
    #[serde(skip)]
    pub thresholds: Thresholds,
}

/// Thresholds on the probability, from 0 to 1, that a product aired as a similar earlier listing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Below this, the product is new.
    pub new_below: f64,
    /// At or above this, it is a repeat; in between, unknown.
    pub repeat_from: f64,
}

impl Default for Thresholds {
    /// Cross-validated on real schedules (docs/identity.md): 9 of 10 products called new are new,
    /// and nearly 9 of 10 new ones are called so.
    fn default() -> Self {
        Self { new_below: 0.45, repeat_from: 0.8 }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { min_history_days: 28, censored_reviews: CENSORED_REVIEWS, thresholds: Thresholds::default() }
    }
}

/// Judges a product as of `now`.
///
/// Only ended broadcasts count, so a product is still new during its first broadcast. A product
/// without any broadcast is unknown. A person's verdict holds until a broadcast of one of the
/// listings that it names has ended.
pub fn judge(history: &ProductHistory<'_>, reach: &Reach, policy: &Policy, now: UnixMillis) -> Verdict {
    let ended = history.counted().filter(|airing| airing.ends_at <= now).max_by_key(|airing| airing.order());
    let first = history.counted().min_by_key(|airing| airing.order());
    let history_days = reach.days(now);
    let shop_history_days = first.map_or(0, |first| reach.shop_days(first.shop, now));
    let likeliest = history.likeliest(now);
    let evidence = |reason, text, earlier| Evidence {
        reason,
        text,
        history_days,
        shop_history_days,
        review_count: history.review_count,
        earlier,
        aired_probability: likeliest
            .filter(|_| ended.is_none() && history.given.is_none())
            .map(|likely| (likely.probability * 1_000.0).round() / 1_000.0),
        nearest: None,
    };
    if let Some(ended) = ended {
        let earlier = Earlier::from(ended);
        let text = format!("{} {}에서 방송됨", minute(ended.starts_at), ended.channel);
        return Verdict { kind: VerdictKind::Repeat, evidence: evidence(Reason::AiredBefore, text, Some(earlier)) };
    }
    if let Some(GivenTo { kind, .. }) = history.given {
        let text = match kind {
            VerdictKind::New => "담당자 확인: 처음 방송하는 상품",
            VerdictKind::Repeat => "담당자 확인: 전에 방송한 상품",
            VerdictKind::Unknown => "담당자 확인: 판단 보류",
        };
        return Verdict { kind, evidence: evidence(Reason::Corrected, text.to_owned(), None) };
    }
    let unknown = |reason, text| Verdict { kind: VerdictKind::Unknown, evidence: evidence(reason, text, None) };
    let Some(first) = first else {
        return unknown(Reason::ShortHistory, "방송 기록과 편성이 없음".to_owned());
    };
    let likely_from = |least: f64| likeliest.filter(|likely| likely.probability >= least).map(|likely| &likely.airing);
    if let Some(airing) = likely_from(policy.thresholds.repeat_from) {
        let text = format!("{} {}에서 방송된 상품과 같은 것으로 보임", minute(airing.starts_at), airing.channel);
        let evidence = evidence(Reason::LikelyAired, text, Some(Earlier::from(airing)));
        return Verdict { kind: VerdictKind::Repeat, evidence };
    }
    if let Some(reviews) = history.review_count.filter(|&reviews| reviews >= policy.censored_reviews.max(1)) {
        return unknown(Reason::ReviewsBeforeRecords, format!("기록 이전 방송 가능성: 상품평 {reviews}개"));
    }
    if let Some(collection) = old_collection(first.title, reach.since(), now) {
        return unknown(Reason::CollectionBeforeRecords, format!("기록 이전 방송 가능성: {collection} 상품"));
    }
    if history.airings.iter().all(|airing| says_nothing(airing.title)) {
        return unknown(Reason::TitleSaysNothing, "제목에 상품 이름이 없어 판단 보류".to_owned());
    }
    if shop_history_days < policy.min_history_days {
        return unknown(
            Reason::ShortHistory,
            format!("기록이 짧아 판단 보류: {} 기록 {shop_history_days}일", first.shop),
        );
    }
    if let Some(airing) = likely_from(policy.thresholds.new_below) {
        let text = format!("비슷한 상품이 {} {}에서 방송돼 판단 보류", minute(airing.starts_at), airing.channel);
        return unknown(Reason::NearMiss, text);
    }
    let text = if history_days > shop_history_days.saturating_add(7) {
        format!("{history_days}일 기록({} {shop_history_days}일)에서 첫 방송", first.shop)
    } else {
        format!("{history_days}일 기록에서 첫 방송")
    };
    Verdict { kind: VerdictKind::New, evidence: evidence(Reason::FirstBroadcast, text, None) }
}

/// The collection named by `title` (`25SS`), if its half year is over at `now` and began before
/// `since`: its leftovers were most likely shown before the records began. SS runs from February to
/// July, FW from August to January.
fn old_collection(title: &str, since: Option<UnixMillis>, now: UnixMillis) -> Option<String> {
    const HALF_YEAR_MS: i64 = 184 * DAY_MS;
    let features = Features::read(title, None, None, &Lexicon::new(Words::shipped()));
    let season =
        features.attributes.iter().find(|attribute| attribute.measure == Measure::Season && !attribute.addon)?;
    let (year, half) = season.value.split_at_checked(2)?;
    let month = if half == "ss" { "02" } else { "08" };
    let begins = UnixMillis::parse_rfc3339(&format!("20{year}-{month}-01T00:00:00+09:00"))?;
    let old = now.since(begins) > HALF_YEAR_MS && since.is_some_and(|since| begins.0 < since.0);
    old.then(|| season.value.to_uppercase())
}

/// Whether a title without promotion and decoration has no model and no words other than praise,
/// sizes and colours.
fn says_nothing(title: &str) -> bool {
    let features = Features::read(title, None, None, &Lexicon::new(Words::shipped()));
    let weak = |token: &Token| matches!(token.class, Class::Filler | Class::Size | Class::Colour);
    features.tokens.iter().all(weak) && !features.attributes.iter().any(|it| it.measure == Measure::Model)
}

/// Formats an instant in Korean time: `2026-11-03 20:40`.
fn minute(at: UnixMillis) -> String {
    let text = at.to_kst_rfc3339();
    text.get(..16).map_or_else(|| text.clone(), |head| head.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use sinsang_core::time::HOUR_MS;

    use super::*;

    fn at(text: &str) -> UnixMillis {
        UnixMillis::parse_rfc3339(text).unwrap()
    }

    fn airing(starts_at: &str) -> Airing<'static> {
        let starts_at = at(starts_at);
        Airing {
            starts_at,
            ends_at: starts_at.plus(HOUR_MS),
            shop: "GS샵",
            listing_id: "1",
            channel: "GS샵 LIVE",
            title: "무쇠솥",
        }
    }

    /// Records a broadcast each day up to `NOW`.
    fn note_daily(reach: &mut Reach, shop: &str, since: &str) {
        let days = (0..).map(|day| at(since).plus(day * DAY_MS)).take_while(|day| day.0 <= at(NOW).0);
        days.for_each(|day| reach.note(shop, day));
    }

    fn reach(since: &str) -> Reach {
        let mut reach = Reach::default();
        note_daily(&mut reach, "GS샵", since);
        reach
    }

    const NOW: &str = "2026-11-22T12:00:00+09:00";

    fn kind(airings: &[&str], reviews: Option<u32>, since: &str) -> (VerdictKind, Reason, String) {
        let history = ProductHistory {
            airings: airings.iter().map(|start| airing(start)).collect(),
            review_count: reviews,
            ..ProductHistory::default()
        };
        let verdict = judge(&history, &reach(since), &Policy::default(), at(NOW));
        (verdict.kind, verdict.evidence.reason, verdict.evidence.text)
    }

    #[test]
    fn a_product_is_new_until_its_first_broadcast_ends() {
        let since = "2026-05-26T06:00:00+09:00";
        let new = (VerdictKind::New, Reason::FirstBroadcast, "180일 기록에서 첫 방송".to_owned());
        assert_eq!(kind(&["2026-11-22T20:00:00+09:00"], None, since), new);
        assert_eq!(kind(&["2026-11-22T11:30:00+09:00", "2026-11-23T11:30:00+09:00"], Some(9), since), new);
        let (kind, reason, text) = kind(&["2026-11-22T20:00:00+09:00", "2026-11-22T11:00:00+09:00"], None, since);
        assert_eq!((kind, reason), (VerdictKind::Repeat, Reason::AiredBefore));
        assert_eq!(text, "2026-11-22 11:00 GS샵 LIVE에서 방송됨");
    }

    #[test]
    fn what_is_like_an_aired_listing_is_judged_by_how_likely_it_is_the_same() {
        let likely = |probability: f64, starts_at: &str| Likely { probability, airing: airing(starts_at) };
        let verdict = |likely: Vec<Likely<'static>>| {
            let airings = vec![airing("2026-11-22T20:00:00+09:00")];
            let history = ProductHistory { airings, likely, ..ProductHistory::default() };
            judge(&history, &reach("2026-05-26T06:00:00+09:00"), &Policy::default(), at(NOW))
        };
        let (aired, ahead) = ("2026-11-03T20:40:00+09:00", "2026-11-22T12:40:00+09:00");
        for (probability, kind, reason) in [
            (0.449, VerdictKind::New, Reason::FirstBroadcast),
            (0.45, VerdictKind::Unknown, Reason::NearMiss),
            (0.799, VerdictKind::Unknown, Reason::NearMiss),
            (0.8, VerdictKind::Repeat, Reason::LikelyAired),
        ] {
            let found = verdict(vec![likely(0.1, aired), likely(probability, aired), likely(0.99, ahead)]);
            assert_eq!((found.kind, found.evidence.reason), (kind, reason), "{probability}");
            assert_eq!(found.evidence.aired_probability, Some(probability));
            assert_eq!(found.evidence.earlier.is_some(), kind == VerdictKind::Repeat);
        }
        let text = |probability| verdict(vec![likely(probability, aired)]).evidence.text;
        assert_eq!(text(0.9), "2026-11-03 20:40 GS샵 LIVE에서 방송된 상품과 같은 것으로 보임");
        assert_eq!(text(0.5), "비슷한 상품이 2026-11-03 20:40 GS샵 LIVE에서 방송돼 판단 보류");
        assert_eq!(verdict(vec![likely(0.99, ahead)]).evidence.aired_probability, None, "it has not aired yet");
    }

    #[test]
    fn where_the_history_cannot_tell_it_says_so() {
        let soon = ["2026-11-22T20:00:00+09:00"];
        let (kind_, reason, text) = kind(&soon, Some(132), "2026-05-26T06:00:00+09:00");
        assert_eq!((kind_, reason), (VerdictKind::Unknown, Reason::ReviewsBeforeRecords));
        assert_eq!(text, "기록 이전 방송 가능성: 상품평 132개");
        assert_eq!(kind(&soon, None, "2026-11-01T06:00:00+09:00").1, Reason::ShortHistory);
        assert_eq!(kind(&soon, None, "2026-10-25T06:00:00+09:00").0, VerdictKind::New);
        assert_eq!(kind(&[], None, "2026-05-26T06:00:00+09:00").0, VerdictKind::Unknown);
    }

    #[test]
    fn what_is_left_of_an_old_collection_was_shown_before_the_records_begin() {
        let verdict = |title: &'static str, since: &str| {
            let airings = vec![Airing { title, ..airing("2026-11-22T20:00:00+09:00") }];
            judge(&ProductHistory { airings, ..ProductHistory::default() }, &reach(since), &Policy::default(), at(NOW))
                .evidence
        };
        let late = "2026-05-26T06:00:00+09:00";
        assert_eq!(verdict("가온 26SS 린넨 자켓", late).reason, Reason::CollectionBeforeRecords);
        assert_eq!(verdict("가온 25FW 울 코트", late).text, "기록 이전 방송 가능성: 25FW 상품");
        assert_eq!(verdict("가온 26FW 울 코트", late).reason, Reason::FirstBroadcast);
        assert_eq!(verdict("가온 26SS 린넨 자켓", "2026-01-05T06:00:00+09:00").reason, Reason::FirstBroadcast);
    }

    #[test]
    fn what_no_title_names_is_never_called_new() {
        let reason = |titles: &[&'static str]| {
            let airings = titles.iter().map(|title| Airing { title, ..airing("2026-11-22T20:00:00+09:00") }).collect();
            let history = ProductHistory { airings, ..ProductHistory::default() };
            judge(&history, &reach("2026-05-26T06:00:00+09:00"), &Policy::default(), at(NOW)).evidence.reason
        };
        assert_eq!(reason(&["★[최초공개] 방송에서만 최저가★"]), Reason::TitleSaysNothing);
        assert_eq!(reason(&["(앵콜) 단독구성 5종", ""]), Reason::TitleSaysNothing);
        assert_eq!(reason(&["★[최초공개] 방송에서만 최저가★", "[최초공개] 무쇠솥"]), Reason::FirstBroadcast);
    }

    #[test]
    fn a_shop_that_just_joined_does_not_flood_the_tab() {
        let mut reach = reach("2026-05-26T06:00:00+09:00");
        note_daily(&mut reach, "새샵", "2026-11-20T06:00:00+09:00");
        let airings = vec![Airing { shop: "새샵", ..airing("2026-11-22T20:00:00+09:00") }];
        let history = ProductHistory { airings, ..ProductHistory::default() };
        let verdict = judge(&history, &reach, &Policy::default(), at(NOW));
        assert_eq!((verdict.kind, verdict.evidence.shop_history_days), (VerdictKind::Unknown, 2));
        let later = judge(&history, &reach, &Policy { min_history_days: 1, ..Policy::default() }, at(NOW));
        assert_eq!(later.evidence.text, "180일 기록(새샵 2일)에서 첫 방송");
    }

    #[test]
    fn evidence_is_the_json_that_the_app_reads() {
        let history = ProductHistory {
            airings: vec![airing("2026-11-03T20:40:00+09:00")],
            review_count: Some(3),
            ..ProductHistory::default()
        };
        let verdict = judge(&history, &reach("2026-05-26T06:00:00+09:00"), &Policy::default(), at(NOW));
        let json = serde_json::to_value(&verdict).unwrap();
        assert_eq!(json["kind"], "repeat");
        assert_eq!(json["evidence"]["reason"], "aired_before");
        assert_eq!(json["evidence"]["earlier"]["starts_at"], "2026-11-03T20:40:00+09:00");
        assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict);
    }

    #[test]
    fn what_a_person_said_holds_until_a_broadcast_of_that_listing_has_ended() {
        let own = |starts_at: &str| Airing { listing_id: "2", ..airing(starts_at) };
        let aired = airing("2026-11-03T20:40:00+09:00");
        let (ahead, over) = (own("2026-11-22T20:00:00+09:00"), own("2026-11-22T10:00:00+09:00"));
        for (kind, airings, expected) in [
            (VerdictKind::New, vec![aired, ahead], (VerdictKind::New, Reason::Corrected)),
            (VerdictKind::Unknown, vec![aired, ahead], (VerdictKind::Unknown, Reason::Corrected)),
            (VerdictKind::Repeat, vec![ahead], (VerdictKind::Repeat, Reason::Corrected)),
            (VerdictKind::Repeat, vec![aired, ahead], (VerdictKind::Repeat, Reason::AiredBefore)),
            (VerdictKind::New, vec![aired, ahead, over], (VerdictKind::Repeat, Reason::AiredBefore)),
            (VerdictKind::Unknown, vec![ahead, over], (VerdictKind::Repeat, Reason::AiredBefore)),
            // If none of the verdict's listings have a known broadcast, all of the product's
            // broadcasts count.
            (VerdictKind::New, vec![aired], (VerdictKind::Repeat, Reason::AiredBefore)),
        ] {
            let given = Some(GivenTo { kind, listings: vec![("GS샵", "2")] });
            let history = ProductHistory { airings, review_count: Some(90), given, ..ProductHistory::default() };
            let verdict = judge(&history, &Reach::default(), &Policy::default(), at(NOW));
            assert_eq!((verdict.kind, verdict.evidence.reason), expected, "{kind:?} {history:?}");
        }
    }

    #[test]
    fn the_order_of_broadcasts_does_not_show() {
        let mut history = ProductHistory {
            airings: vec![
                airing("2026-11-03T20:40:00+09:00"),
                Airing { channel: "B", ..airing("2026-11-03T20:40:00+09:00") },
            ],
            ..ProductHistory::default()
        };
        let reach = reach("2026-05-26T06:00:00+09:00");
        let one = judge(&history, &reach, &Policy::default(), at(NOW));
        history.airings.reverse();
        assert_eq!(one, judge(&history, &reach, &Policy::default(), at(NOW)));
    }
}
