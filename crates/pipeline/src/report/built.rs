//! The report of a build.

use std::fmt;

use serde::Serialize;

use crate::learn::{model_file, taste};
use crate::ledger;
use crate::read::source::TableReport;
use crate::read::{correction, external_vectors, rules, schedule};
use crate::report::census::VerdictCounts;

/// Counts of what a build read, decided and wrote.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The snapshot's name.
    pub snapshot: String,
    /// The input tables.
    pub tables: Vec<TableReport>,
    /// Counts of the schedule's repair.
    pub schedule: schedule::Report,
    /// Listings of the schedule and the history.
    pub listings: usize,
    /// Item codes reused for different products over time.
    pub split_codes: usize,
    /// Products of those listings.
    pub products: usize,
    /// Counts of corrections.
    #[serde(skip_serializing_if = "correction::Report::is_empty")]
    pub corrections: correction::Report,
    /// Verdicts on the products of the window.
    pub verdicts: VerdictCounts,
    /// Counts of learning tastes.
    pub tastes: taste::Report,
    /// The model of tastes, if it is kept between builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<model_file::Report>,
    /// The pack format.
    pub pack_format: u16,
    /// Packs of the snapshot, without the manifest.
    pub packs: usize,
    /// Total bytes of the packs.
    pub bytes: usize,
    /// Bytes of the board.
    pub board_bytes: usize,
    /// Taste shards, empty ones included.
    pub taste_shards: usize,
    /// Bytes of one user in a shard.
    pub bytes_per_user: usize,
    /// The effects of operators' directives.
    pub directives: Vec<rules::Outcome>,
    /// What was made of the audiences that rules name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<rules::Found>,
    /// Counts of the AI lab's files.
    pub lab: Option<external_vectors::Report>,
    /// Problems that leave the snapshot unaffected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Counts of rows appended to the ledger, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<ledger::Report>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        writeln!(f, "{}", self.schedule)?;
        let VerdictCounts { new, repeat, unknown } = self.verdicts;
        writeln!(
            f,
            "products: {} from {} listings, {} codes used for several products",
            self.products, self.listings, self.split_codes
        )?;
        writeln!(f, "  in the window: {new} new, {repeat} repeats, {unknown} unknown")?;
        if !self.corrections.is_empty() {
            writeln!(f, "{}", self.corrections)?;
        }
        write!(f, "{}", self.tastes)?;
        self.model.iter().try_for_each(|model| writeln!(f, "{model}"))?;
        if let Some(lab) = &self.lab {
            write!(f, "{lab}")?;
        }
        for audience in self.audiences.iter().filter(|audience| audience.is_notable()) {
            writeln!(f, "{audience}")?;
        }
        for outcome in &self.directives {
            writeln!(f, "{outcome}")?;
        }
        write!(
            f,
            "snapshot {}: {} packs of format {}, {} bytes, {} of them the board; {} taste shards, {} bytes a user",
            self.snapshot,
            self.packs,
            self.pack_format,
            self.bytes,
            self.board_bytes,
            self.taste_shards,
            self.bytes_per_user
        )?;
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))?;
        self.ledger.iter().try_for_each(|report| write!(f, "\nledger: {report}"))
    }
}
