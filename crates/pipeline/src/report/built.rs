//! What a build came to.

use std::fmt;

use serde::Serialize;

use crate::compose::VerdictCounts;
use crate::learn::{model_file, taste};
use crate::ledger;
use crate::read::source::TableReport;
use crate::read::{correction, external_vectors, rules, schedule};

/// What was read, decided and written.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The snapshot's name.
    pub snapshot: String,
    /// The input tables.
    pub tables: Vec<TableReport>,
    /// The schedule.
    pub schedule: schedule::Report,
    /// Listings of schedule and history.
    pub listings: usize,
    /// Item codes that were used for different products over time.
    pub split_codes: usize,
    /// Products that they are.
    pub products: usize,
    /// What corrections came to.
    #[serde(skip_serializing_if = "correction::Report::is_empty")]
    pub corrections: correction::Report,
    /// Verdicts on the products of the window.
    pub verdicts: VerdictCounts,
    /// Tastes.
    pub tastes: taste::Report,
    /// The model of them, where one is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<model_file::Report>,
    /// The format that the packs are written in.
    pub pack_format: u16,
    /// Packs of the snapshot, without the manifest.
    pub packs: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Bytes of the board.
    pub board_bytes: usize,
    /// Taste shards, empty ones included.
    pub taste_shards: usize,
    /// Bytes of one user in a shard.
    pub bytes_per_user: usize,
    /// What operators' directives came to.
    pub directives: Vec<rules::Outcome>,
    /// What the lab handed in.
    pub lab: Option<external_vectors::Report>,
    /// What could not be told of the build. The snapshot is none the worse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was appended to the ledger, where one keeps the past.
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
            "products: {} from {} listings, {} codes used for several",
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
        for outcome in &self.directives {
            writeln!(f, "{outcome}")?;
        }
        write!(
            f,
            "snapshot {}: {} packs of format {}, {} bytes, of which the board {}; {} taste shards of {} bytes a user",
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
