//! The log of what operators said: the overlay is made of it, and it tells who said what and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sinsang_core::directive::{DEFAULT_POINTS, Deed as Effect};
use sinsang_core::key::REPLAYABLE_MS;
use sinsang_core::overlay::{Change, Entry, KEPT_MS, Replacement, SlotKey, Subject, listing_key};
use sinsang_core::pack::TooLarge;
use sinsang_core::pack::board::product_id;
use sinsang_core::pack::overlay::write;
use sinsang_core::time::{DAY_MS, UnixMillis};

use super::statement::{Deed, Statement};

/// Days for which the log keeps an entry that has ended, and those for which it keeps one about a
/// broadcast: builds read the schedules of years.
const KEPT_DAYS: (i64, i64) = (90, 800);
/// The most entries of a log, apart from those that a replay may ask for, of which there are no
/// more than some four thousand a day: 8 to 20 MB, of the 25 MiB that a KV value holds.
const MOST_LINES: usize = 20_000;

/// Who removed an entry, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The revision that removed it.
    pub revision: u32,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A broadcast as the table of broadcasts names it, but for its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The channel's name.
    pub channel: String,
    /// The listing's shop.
    pub shop: String,
    /// The listing's code in its shop.
    pub listing_id: String,
}

/// An entry of the log: a statement, with all that it left open filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its number as 8 hex digits.
    pub id: String,
    /// The revision that brought it.
    pub revision: u32,
    /// When it was said, RFC 3339.
    pub at: String,
    /// Who said it.
    pub by: String,
    /// What was said, with the times that it stands.
    #[serde(flatten)]
    pub statement: Statement,
    /// The title of what it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The opened JSON of the broadcast in place of the one that is moved or handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The rows of the schedule that it is about, for builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Row>,
    /// What stands in the place of those rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Row>,
    /// Who took it back, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
}

fn at(text: &str) -> Option<UnixMillis> {
    UnixMillis::parse_rfc3339(text)
}

impl Said {
    /// When it begins and ends.
    pub fn span(&self) -> (UnixMillis, UnixMillis) {
        (at(&self.statement.from).unwrap_or_default(), at(&self.statement.until).unwrap_or_default())
    }

    /// Whether it stands at `now`, or will.
    pub fn is_open(&self, now: UnixMillis) -> bool {
        self.removed.is_none() && self.span().1 > now
    }

    /// Whether it stands at `now`.
    pub fn stands(&self, now: UnixMillis) -> bool {
        self.is_open(now) && self.span().0 <= now
    }

    /// The product or listing that it is about, unless that is a broadcast.
    pub(super) fn subject(&self) -> Option<Subject> {
        subject(&self.statement)
    }

    /// The broadcast that it is about.
    pub(super) fn slot(&self) -> Option<SlotKey<'_>> {
        slot(&self.statement)
    }

    /// The entry for the edge; `None` if the line says less than it should, which no run of this
    /// command writes.
    pub fn entry(&self) -> Option<Entry<'_>> {
        let said = &self.statement;
        let product = || product_id(said.product.as_deref()?);
        let direct = |effect: Effect| Some(Change::Direct(product()?, effect, said.surfaces().ok()?, &self.id));
        let points = said.points.unwrap_or(DEFAULT_POINTS);
        let change = match said.deed {
            Deed::Hide => Change::Hide(self.subject()?),
            Deed::SoldOut => Change::SoldOut(self.subject()?),
            Deed::Price => Change::Price(self.subject()?, said.price?),
            Deed::Note => Change::Note(product()?, said.text.as_deref()?),
            Deed::Cancel => Change::Cancel(self.slot()?),
            Deed::Move | Deed::Prolong | Deed::HandOver => {
                let with = Replacement {
                    channel: said.to_channel.as_deref()?,
                    product: product_id(said.to_product.as_deref()?)?,
                    starts_at: at(said.to_starts_at.as_deref()?)?,
                    ends_at: at(said.to_ends_at.as_deref()?)?,
                    head: self.head.as_deref()?,
                };
                Change::Replace(self.slot()?, with)
            }
            Deed::Pin => return self.with(direct(Effect::Pin(said.place?.checked_sub(1)?))?),
            Deed::Boost => return self.with(direct(Effect::Weigh(points))?),
            Deed::Bury => return self.with(direct(Effect::Weigh(points.saturating_neg()))?),
        };
        self.with(change)
    }

    fn with<'a>(&self, change: Change<'a>) -> Option<Entry<'a>> {
        let (from, until) = self.span();
        let id = u32::from_str_radix(&self.id, 16).ok()?;
        let removed = self.removed.as_ref().map(|removed| removed.revision);
        Some(Entry { id, from, until, since: self.revision, removed, change })
    }
}

/// The product or listing that a statement is about.
pub(super) fn subject(said: &Statement) -> Option<Subject> {
    if said.deed.is_of_slots() {
        return None;
    }
    match (&said.product, &said.shop, &said.listing_id) {
        (Some(product), ..) => product_id(product).map(Subject::Product),
        (None, Some(shop), Some(listing_id)) => Some(Subject::Listing(listing_key(shop, listing_id))),
        _ => None,
    }
}

/// The broadcast that a statement is about.
pub(super) fn slot(said: &Statement) -> Option<SlotKey<'_>> {
    if !said.deed.is_of_slots() {
        return None;
    }
    let product = match &said.product {
        Some(product) => Some(product_id(product)?),
        None => None,
    };
    Some(SlotKey { channel: said.channel.as_deref()?, starts_at: at(said.starts_at.as_deref()?)?, product })
}

/// The log as it is stored: a line of JSON for each entry, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log(pub(crate) Vec<Said>);

impl Log {
    /// Parses a log.
    ///
    /// # Errors
    /// The number of the first line that is no entry, and why.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        let said = lines.map(|(line, at)| serde_json::from_str(line).map_err(|error| (at, error.to_string())));
        said.collect::<Result<_, _>>().map(Self)
    }

    /// Its lines.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|said| serde_json::to_string(said).unwrap_or_default() + "\n").collect()
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Said] {
        &self.0
    }

    /// The last revision; 0 if nothing was said.
    pub fn revision(&self) -> u32 {
        let revisions = |said: &Said| said.revision.max(said.removed.as_ref().map_or(0, |removed| removed.revision));
        self.0.iter().map(revisions).max().unwrap_or(0)
    }

    /// The time of the last change.
    pub(super) fn last_at(&self) -> Option<UnixMillis> {
        let times = self.0.iter().flat_map(|said| [Some(&said.at), said.removed.as_ref().map(|removed| &removed.at)]);
        times.flatten().filter_map(|text| at(text)).max()
    }

    /// Each revision with the time at which it was said, the latest first.
    pub fn revisions(&self) -> Vec<(u32, UnixMillis)> {
        let mut times = BTreeMap::new();
        for said in &self.0 {
            let removed = said.removed.as_ref().map(|removed| (removed.revision, &removed.at));
            for (revision, text) in std::iter::once((said.revision, &said.at)).chain(removed) {
                times.insert(revision, at(text).unwrap_or_default());
            }
        }
        times.into_iter().rev().collect()
    }

    /// The log as it was when `revision` was the last one.
    #[must_use]
    pub fn as_of(&self, revision: u32) -> Self {
        let known = self.0.iter().filter(|said| said.revision <= revision).cloned();
        let is_later = |removed: &Removed| removed.revision > revision;
        Self(known.map(|said| Said { removed: said.removed.filter(|removed| !is_later(removed)), ..said }).collect())
    }

    /// The overlay that edges were given when `revision` was the last one, as a pack; `None` if the
    /// log does not have that revision.
    ///
    /// # Errors
    /// [`TooLarge`] if the overlay exceeds a KV value, which none does that was put.
    pub fn pack_of(&self, revision: u32) -> Result<Option<Vec<u8>>, TooLarge> {
        let revisions = self.revisions();
        let Some((_, made_at)) = revisions.into_iter().find(|(known, _)| *known == revision) else { return Ok(None) };
        let log = self.as_of(revision);
        let entries: Vec<Entry<'_>> = log.effective(made_at).filter_map(Said::entry).collect();
        write(&entries, revision, made_at).map(Some)
    }

    /// What an overlay made at `now` holds: what stands or will, and what ended lately.
    pub(super) fn effective(&self, now: UnixMillis) -> impl Iterator<Item = &Said> {
        let since = now.plus(-KEPT_MS);
        self.0.iter().filter(move |said| {
            let removed_at = said.removed.as_ref().and_then(|removed| at(&removed.at));
            said.span().1 > since && removed_at.is_none_or(|removed_at| removed_at > since)
        })
    }

    /// Drops entries that ended long ago, and the oldest ended ones above the limit; returns how
    /// many.
    pub(super) fn shorten(&mut self, now: UnixMillis) -> usize {
        let before = self.0.len();
        let (others, slots) = KEPT_DAYS;
        let since = |said: &Said| now.plus(-DAY_MS * if said.statement.deed.is_of_slots() { slots } else { others });
        self.0.retain(|said| said.span().1 > since(said));
        let mut surplus = self.0.len().saturating_sub(MOST_LINES);
        self.0.retain(|said| {
            let is_dropped = surplus > 0 && said.span().1 <= now.plus(-REPLAYABLE_MS - KEPT_MS);
            surplus -= usize::from(is_dropped);
            !is_dropped
        });
        before - self.0.len()
    }
}
