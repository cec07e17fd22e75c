//! What the overlay's commands report.

use std::fmt;

use serde::Serialize;
use sinsang_core::time::UnixMillis;

use super::log::{Removed, Said};
use super::statement::Deed;

/// An entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Whether it stands now: `standing`, `coming`, `ended` or `removed`.
    pub state: &'static str,
    /// The entry.
    #[serde(flatten)]
    pub said: Said,
}

impl Shown {
    /// The entry `said` at `now`.
    pub(super) fn of(said: &Said, now: UnixMillis) -> Self {
        let state = match said {
            Said { removed: Some(_), .. } => "removed",
            said if said.stands(now) => "standing",
            said if said.is_open(now) => "coming",
            _ => "ended",
        };
        Self { state, said: said.clone() }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { id, by, statement, title, removed, .. } = &self.said;
        let name = statement.deed.as_str();
        write!(f, "{id} {:<9} {name:<9} ", self.state)?;
        match (&statement.channel, &statement.starts_at, &statement.product, &statement.shop) {
            (Some(channel), Some(starts_at), ..) => write!(f, "{channel} {starts_at}")?,
            (_, _, Some(product), _) => write!(f, "{product}")?,
            (_, _, _, Some(shop)) => write!(f, "{shop} {}", statement.listing_id.as_deref().unwrap_or_default())?,
            _ => {}
        }
        write!(f, " '{title}'")?;
        match statement.deed {
            Deed::Price => write!(f, ": {} won", statement.price.unwrap_or_default())?,
            Deed::Note => write!(f, ": \"{}\"", statement.text.as_deref().unwrap_or_default())?,
            Deed::Pin => write!(f, ": place {}", statement.place.unwrap_or_default())?,
            Deed::Move | Deed::Prolong | Deed::HandOver => {
                let [channel, product, from, to] =
                    [&statement.to_channel, &statement.to_product, &statement.to_starts_at, &statement.to_ends_at]
                        .map(|text| text.as_deref().unwrap_or_default());
                write!(f, ": now {channel} {from} to {to}, product {product}")?;
            }
            _ => {}
        }
        write!(f, ", from {} until {}, by {by}: {}", statement.from, statement.until, statement.why)?;
        if let Some(Removed { at, by, why, .. }) = removed {
            write!(f, " (removed {at} by {by}: {why})")?;
        }
        Ok(())
    }
}

/// A statement that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The entry.
    #[serde(flatten)]
    pub shown: Shown,
    /// What it touches on the live board.
    pub touches: String,
}

/// A line that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where it is.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The outcome of a put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PutReport {
    /// The overlay's revision now.
    pub revision: u32,
    /// Whether nothing was to be written.
    pub is_dry: bool,
    /// Whether the accepted lines are in the overlay, or would be.
    pub is_put: bool,
    /// The accepted lines.
    pub said: Vec<Line>,
    /// Lines that say what stands already.
    pub known: usize,
    /// The lines that were set aside.
    pub refused: Vec<Refused>,
    /// Products of `new` and `live` for viewers without tastes, before and after.
    pub surfaces: [[usize; 2]; 2],
    /// Entries that the log dropped, as they ended long ago.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl fmt::Display for PutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.said {
            writeln!(f, "{}\n         touches {}", line.shown, line.touches)?;
        }
        for Refused { place, reason } in &self.refused {
            writeln!(f, "refused  {place}: {reason}")?;
        }
        let [[new_before, live_before], [new_after, live_after]] = self.surfaces;
        writeln!(
            f,
            "new      {new_before} products before, {new_after} after; live {live_before} before, {live_after} after"
        )?;
        let (said, known, refused) = (self.said.len(), self.known, self.refused.len());
        let outcome = match (self.is_put, self.is_dry) {
            (true, true) => "would be put".to_owned(),
            (true, false) => format!("put as revision {}: every edge shows them within 90 seconds", self.revision),
            (false, _) => "and nothing was put".to_owned(),
        };
        write!(f, "{said} entries {outcome}; {known} stood already, {refused} refused")
    }
}

/// The outcome of a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoveReport {
    /// The overlay's revision now.
    pub revision: u32,
    /// The entries that were taken back.
    pub removed: Vec<Shown>,
    /// Ids of no entry that stands or will.
    pub unknown: Vec<String>,
}

impl fmt::Display for RemoveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.removed.iter().try_for_each(|shown| writeln!(f, "{shown}"))?;
        for id in &self.unknown {
            writeln!(f, "refused  {id}: no entry that stands or is to come; see `sinsang overlay list`")?;
        }
        write!(f, "{} entries removed, revision {}", self.removed.len(), self.revision)
    }
}

/// The entries of an overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListReport {
    /// The overlay's revision.
    pub revision: u32,
    /// What is wrong with the pack that edges read, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The entries, the latest first.
    pub entries: Vec<Shown>,
}

impl fmt::Display for ListReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|shown| writeln!(f, "{shown}"))?;
        if let Some(damage) = &self.damage {
            writeln!(
                f,
                "the overlay that edges read is not the log's: {damage}; the next put or remove writes it anew"
            )?;
        }
        write!(f, "{} entries, revision {}", self.entries.len(), self.revision)
    }
}
