//! `sinsang review`: asks a person about the least certain decisions of the days to come.
//!
//! A question pairs a listing that has a broadcast to come with the earlier listing it was judged
//! by. The answers go to the corrections file (`desk.rs`), which overrules computed decisions.

mod desk;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::verdict::{Reason, VerdictKind};
use sinsang_identity::identity::{Joined, ProductId, Score, same};
use sinsang_identity::listing::Lexicon;
use sinsang_identity::verdict;
use sinsang_pipeline::read::catalogue::{Airing, EntryId};
use sinsang_pipeline::read::history::History;
use sinsang_pipeline::read::product::{LikelyAiring, Product};

use crate::why::word;

pub use desk::{Desk, Error, Outcome};

/// The cost of keeping a new product off the tab, where calling a repeat new costs 1: the product
/// appears later, and no promise is broken.
const LATER: f64 = 0.5;
/// The lowest probability of a mistake that is worth a question.
const LEAST_DOUBT: f64 = 0.02;
/// The most listings of a product that one is compared with to find why it is there.
const COMPARED: usize = 50;

/// The questions, the most harmful first.
#[derive(Debug, Serialize)]
pub struct Questions<'a> {
    /// The questions to ask.
    pub questions: Vec<Question<'a>>,
    /// The number of questions before the limit.
    pub found: usize,
}

/// A question: is a listing with a broadcast to come the same product as an earlier one?
#[derive(Debug, Serialize)]
pub struct Question<'a> {
    /// The listing with a broadcast to come.
    pub listing: Side<'a>,
    /// The earlier listing.
    pub earlier: Side<'a>,
    /// The first listing's verdict, as of its next broadcast.
    pub verdict: VerdictKind,
    /// Whether the two are one product at present.
    pub same: bool,
    /// The probability, from 0 to 1, that the listing has aired as the earlier one.
    pub probability: f64,
    /// Minutes on air to come: of the listing if the two are one product at present, else of its
    /// product.
    pub minutes: i64,
    /// The probability of a wrong verdict × minutes × the cost of the mistake: 1 for calling a
    /// repeat new, 0.5 for keeping a new product off the tab.
    pub harm: f64,
    /// The rules' score of the two titles.
    pub score: Score,
}

/// A listing of a question.
#[derive(Clone, Debug, Serialize)]
pub struct Side<'a> {
    /// Its shop.
    pub shop: &'a str,
    /// The shop's code.
    pub listing_id: &'a str,
    /// Its latest title.
    pub title: &'a str,
    /// Its brand field.
    pub brand: Option<&'a str>,
    /// Price in won.
    pub price: Option<u32>,
    /// The channel of its next broadcast, or of the earlier listing's latest ended broadcast.
    pub channel: &'a str,
    /// The start of that broadcast, RFC 3339 in +09:00.
    pub starts_at: String,
    #[serde(skip)]
    starts: UnixMillis,
    /// Its product.
    pub product_id: ProductId,
}

impl Side<'_> {
    /// The name that corrections use.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.shop, self.listing_id)
    }
}

/// The scope of a review.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The present.
    pub now: UnixMillis,
    /// The number of days to come.
    pub days: u32,
    /// The most questions to ask.
    pub most: usize,
}

impl Range {
    /// The end of the days to come.
    fn until(self) -> UnixMillis {
        self.now.plus(i64::from(self.days) * DAY_MS)
    }
}

/// Finds the decisions that would do the most harm if wrong, on products with a broadcast that has
/// not ended and begins within the days to come. People's decisions are not questioned again.
pub fn questions<'a>(history: &'a History, policy: &verdict::Policy, range: Range) -> Questions<'a> {
    let finder = Finder { history, policy, range, lexicon: Lexicon::new(&history.policy.words) };
    let mut questions: Vec<Question<'a>> = history.of_tables().flat_map(|entry| finder.of_listing(entry)).collect();
    questions.sort_by(|a, b| {
        let key = |it: &Question<'a>| (it.listing.starts, it.listing.shop, it.listing.listing_id, it.earlier.name());
        b.harm.total_cmp(&a.harm).then_with(|| key(a).cmp(&key(b)))
    });
    // If not the same, one question stays for each product: on the likeliest match, which carries
    // the verdict.
    let mut asked: BTreeMap<ProductId, f64> = BTreeMap::new();
    for it in questions.iter().filter(|it| !it.same) {
        let likeliest = asked.entry(it.listing.product_id).or_insert(it.probability);
        *likeliest = likeliest.max(it.probability);
    }
    questions.retain(|it| {
        let carries = asked.get(&it.listing.product_id) == Some(&it.probability);
        it.same || (carries && asked.remove(&it.listing.product_id).is_some())
    });
    let found = questions.len();
    questions.truncate(range.most);
    Questions { questions, found }
}

struct Finder<'a, 'p> {
    history: &'a History,
    policy: &'p verdict::Policy,
    range: Range,
    lexicon: Lexicon<'a>,
}

impl<'a> Finder<'a, '_> {
    /// The questions about a listing of the tables.
    fn of_listing(&self, entry: EntryId) -> Vec<Question<'a>> {
        let (now, until) = (self.range.now, self.range.until());
        let Some((airing, true)) = self.history.judged_by(entry, now) else { return Vec::new() };
        let product = self.history.product_of(entry);
        // Airings under its own code and people's decisions are certain.
        if airing.starts_at >= until || self.has_aired(entry) || product.given.is_some() {
            return Vec::new();
        }
        let past = product.history(&self.history.catalogue, &self.history.likely);
        let verdict = verdict::judge(&past, &self.history.reach, self.policy, airing.starts_at);
        match (verdict.kind, verdict.evidence.reason) {
            // Its title alone put it with an aired product.
            (VerdictKind::Repeat, Reason::AiredBefore) => {
                let minutes = self.minutes(self.history.airings_of(entry));
                let joined = self.joined(entry, product);
                let ask = |(with, score): (EntryId, Score)| {
                    let probability = self.history.policy.matcher.aired(score.probability);
                    self.question((entry, airing), with, verdict.kind, (true, probability), minutes, Some(score))
                };
                joined.and_then(ask).into_iter().collect()
            }
            (VerdictKind::New, _) | (_, Reason::NearMiss | Reason::LikelyAired) => {
                let airings = product.airings.iter().map(|airing| &self.history.catalogue.airings[*airing]);
                let minutes = self.minutes(airings);
                let likely = self.history.likely.of(entry).iter();
                let others = likely.filter(|it| !product.entries.contains(&it.with) && self.has_aired(it.with));
                let ask = |it: &LikelyAiring| {
                    self.question((entry, airing), it.with, verdict.kind, (false, it.probability), minutes, None)
                };
                others.filter_map(ask).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Asks whether a listing is the same product as `with`; `same` says whether they are one at
    /// present, `probability` how likely that is.
    fn question(
        &self,
        (entry, airing): (EntryId, &'a Airing),
        with: EntryId,
        verdict: VerdictKind,
        (same, probability): (bool, f64),
        minutes: i64,
        score: Option<Score>,
    ) -> Option<Question<'a>> {
        // Corrections can't name a shop with a colon in its name.
        let can_be_named = |entry: EntryId| !self.history.entry(entry).listing.shop.contains(':');
        if !can_be_named(entry) || !can_be_named(with) {
            return None;
        }
        let (doubt, cost) = match verdict {
            VerdictKind::New => (probability, 1.0),
            VerdictKind::Repeat | VerdictKind::Unknown => (1.0 - probability, LATER),
        };
        if doubt < LEAST_DOUBT {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "minutes of a few days")]
        let harm = doubt * cost * minutes as f64;
        Some(Question {
            listing: self.side(entry, airing)?,
            earlier: self.side(with, self.aired(with)?)?,
            verdict,
            same,
            probability,
            minutes,
            harm,
            score: score.or_else(|| self.score(entry, with))?,
        })
    }

    /// The aired listing through which this one is in its product: the one that it joined, else the
    /// most similar one.
    fn joined(&self, entry: EntryId, product: &Product) -> Option<(EntryId, Score)> {
        match &self.history.resolved(entry).joined {
            Joined::Corrected { .. } => return None,
            Joined::Similar { with, score } if self.has_aired(EntryId::new(*with)) => {
                return Some((EntryId::new(*with), score.clone()));
            }
            _ => {}
        }
        let others = product.entries.iter().filter(|&&other| other != entry && self.has_aired(other)).take(COMPARED);
        let scored = others.filter_map(|&other| Some((other, self.score(entry, other)?)));
        scored.max_by(|a, b| a.1.probability.total_cmp(&b.1.probability).then(b.0.cmp(&a.0)))
    }

    fn has_aired(&self, entry: EntryId) -> bool {
        self.history.airings_of(entry).any(|airing| airing.ends_at <= self.range.now)
    }

    /// Minutes of broadcasts within the days to come.
    fn minutes<'h>(&self, airings: impl Iterator<Item = &'h Airing>) -> i64 {
        let (now, until) = (self.range.now, self.range.until());
        let to_come = airings.filter(|airing| airing.ends_at > now && airing.starts_at < until);
        to_come.map(|airing| airing.ends_at.since(airing.starts_at.max(now)) / 60_000).sum()
    }

    /// A listing's latest ended broadcast, else its first.
    fn aired(&self, entry: EntryId) -> Option<&'a Airing> {
        let ended = self.history.airings_of(entry).rfind(|airing| airing.ends_at <= self.range.now);
        ended.or_else(|| self.history.airings_of(entry).next())
    }

    fn side(&self, index: EntryId, airing: &'a Airing) -> Option<Side<'a>> {
        let listing = &self.history.entry(index).listing;
        Some(Side {
            shop: &listing.shop,
            listing_id: &listing.listing_id,
            title: listing.titles.first()?,
            brand: listing.brand.as_deref(),
            price: listing.price,
            channel: &airing.channel,
            starts_at: airing.starts_at.to_kst_rfc3339(),
            starts: airing.starts_at,
            product_id: self.history.product_of(index).id,
        })
    }

    /// The rules' score of the latest titles of two listings.
    fn score(&self, a: EntryId, b: EntryId) -> Option<Score> {
        let (a, b) = (&self.history.entry(a).listing, &self.history.entry(b).listing);
        let policy = &self.history.policy;
        let read =
            |listing: &sinsang_identity::identity::Listing| listing.features(policy, &self.lexicon).into_iter().next();
        Some(same(&read(a)?, a.offer(), &read(b)?, b.offer(), policy))
    }
}

impl fmt::Display for Questions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, question) in self.questions.iter().enumerate() {
            writeln!(f, "{}. {question}", place + 1)?;
        }
        let kinds = self.questions.iter().fold(BTreeMap::<&str, usize>::new(), |mut kinds, it| {
            *kinds.entry(it.verdict.as_str()).or_default() += 1;
            kinds
        });
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        write!(f, "{} of {} questions{kinds}", self.questions.len(), self.found)
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = word::verdict(self.verdict);
        let stands = if self.same { "같은 상품으로 묶임" } else { "다른 상품으로 둠" };
        writeln!(
            f,
            "{verdict} · {stands} · 같은 상품일 확률 {} · 남은 방송 {}분",
            word::percent(self.probability),
            self.minutes
        )?;
        for (name, side) in [("예정", &self.listing), ("앞선", &self.earlier)] {
            let Side { shop, listing_id, title, brand, price, channel, starts, .. } = side;
            writeln!(f, "  {name}  “{title}”")?;
            let (price, at) = (price.map(word::won), word::minute(*starts));
            let facts = [Some(*shop), Some(*listing_id), *brand, price.as_deref(), Some(*channel), Some(&at)];
            writeln!(f, "        {}", facts.into_iter().flatten().collect::<Vec<_>>().join(" · "))?;
        }
        word::write_parts(f, &self.score)
    }
}
