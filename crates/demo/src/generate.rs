//! Demo tables with known truth: schedules, events and tabs shaped like real ones, deterministic in
//! their seed.
//!
//! The truth comes first (products, the channels that air them, users' tastes); the tables then
//! state it as shops would. `truth/` holds the truth itself.

mod audience;
mod chance;
mod context;
mod measure;
mod product;
mod rows;
mod schedule;
mod title;
mod words;

use std::path::{Path, PathBuf};
use std::{fs, io};

use indicatif::ProgressBar;
use serde::Serialize;
use sinsang_core::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};

pub use measure::{Report, Shares};
pub use title::Difference;

use crate::table_write::{self, Compression, Encoding, TableFormat};
use audience::Taste;
use schedule::{Schedule, Span};
use sinsang_tables::table::Tab;
use words::Words;

/// Days of schedule after `now`.
pub const UPCOMING_DAYS: i64 = 7;
/// Share of really new products among new codes at which a code-only detector is as wrong as on
/// real schedules.
pub const REALLY_NEW: f64 = 0.235;
/// Days of history of a quick run.
pub const QUICK_DAYS: u32 = 45;
/// Users of a quick run.
pub const QUICK_USERS: usize = 300;
/// Longest history, in days.
pub const MOST_DAYS: u32 = 1_000;

/// Parameters of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder to write to; created if missing. Tables of an earlier run in it are replaced.
    pub out: PathBuf,
    /// Days of history before `now`, 1 to [`MOST_DAYS`].
    pub days: u32,
    /// The seed of every draw.
    pub seed: u64,
    /// Number of users, personas included.
    pub users: usize,
    /// The end of the history and the beginning of the upcoming schedule.
    pub now: UnixMillis,
    /// Share of really new products, 0 to 1, among the codes that are neither in the records nor in
    /// the time before them. The rest are known products under other codes.
    pub really_new: f64,
    /// File format of `broadcasts`.
    pub broadcasts: TableFormat,
    /// File format of `events`.
    pub events: TableFormat,
    /// Advances with each finished day; may be hidden.
    pub progress: ProgressBar,
}

impl Options {
    /// 180 days, 2,000 users, `broadcasts` as NDJSON with zstd and `events` as Parquet.
    pub fn new(out: impl Into<PathBuf>, now: UnixMillis) -> Self {
        Self {
            out: out.into(),
            days: 180,
            seed: 1,
            users: 2_000,
            now,
            really_new: REALLY_NEW,
            broadcasts: TableFormat::NDJSON_ZST,
            events: TableFormat::PARQUET,
            progress: ProgressBar::hidden(),
        }
    }

    /// The same with [`QUICK_DAYS`] and [`QUICK_USERS`].
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.days = QUICK_DAYS;
        self.users = QUICK_USERS;
        self
    }
}

/// Why the run made no tables, or not all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option is out of its range.
    #[error("{option} is {value}, but must be {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// The given value.
        value: i64,
        /// The allowed range.
        allowed: &'static str,
    },
    /// A share is not between 0 and 1.
    #[error("{option} is {value}, but must be between 0 and 1")]
    Share {
        /// The option's name.
        option: &'static str,
        /// The given value.
        value: f64,
    },
    /// An embedded word list is invalid; only a change to `crates/demo/data` fixes that.
    #[error("invalid word list {list}: {detail}")]
    Words {
        /// The list's name.
        list: &'static str,
        /// What is wrong with the list.
        detail: String,
    },
    /// The folder can't be created.
    #[error("cannot create the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A table can't be written.
    #[error(transparent)]
    Write(#[from] table_write::Error),
}

/// Makes the demo's tables, its truth and `viewers.json` in `options.out`. Equal options give equal
/// bytes.
///
/// # Errors
/// [`Error::Option`] or [`Error::Share`] if an option is out of range; [`Error::Words`] if an
/// embedded list is invalid; [`Error::Folder`] or [`Error::Write`] if a folder or file can't be
/// written.
pub fn generate(options: &Options) -> Result<Report, Error> {
    if options.days == 0 || options.days > MOST_DAYS {
        return Err(Error::Option { option: "days", value: i64::from(options.days), allowed: "1 to 1000" });
    }
    if !(0.0..=1.0).contains(&options.really_new) {
        return Err(Error::Share { option: "really_new", value: options.really_new });
    }
    // Dates far beyond either end have no four-digit year.
    if !(0..=253_000_000_000_000).contains(&options.now.0) {
        return Err(Error::Option { option: "now", value: options.now.0, allowed: "between 1970 and 9987" });
    }
    let words = Words::parse().map_err(|(list, detail)| Error::Words { list, detail })?;
    let today = options.now.kst_day();
    let span = Span {
        begin: (today - i64::from(options.days)) * DAY_MS - KST_OFFSET_MS,
        end: options.now.0 + UPCOMING_DAYS * DAY_MS,
    };
    let progress = &options.progress;
    progress.set_length(u64::from(options.days) + u64::try_from(UPCOMING_DAYS).unwrap_or(0) + 1);
    progress.set_message("schedule");
    let schedule = schedule::schedule(&words, span, options.really_new, options.seed, progress);
    progress.set_message("rows and events");
    let rows = rows::rows(&words, &schedule, options.now, options.seed);
    let users = audience::users(&words, options.users, options.seed);
    let events = audience::events(&words, &schedule, &users, span, options.now, options.seed);

    progress.set_message("files");
    let out = options.out.as_path();
    let truth = out.join("truth");
    fs::create_dir_all(&truth).map_err(|source| Error::Folder { path: truth, source })?;
    table_write::remove_tables(out)?;
    table_write::write_table(&options.broadcasts.path(out, "broadcasts"), options.broadcasts, &rows)?;
    table_write::write_table(&options.events.path(out, "events"), options.events, &events)?;
    table_write::write_table(&TableFormat::CSV.path(out, "tabs"), TableFormat::CSV, &tabs(&words))?;
    write_truth(out, &words, &schedule, &users, options.now)?;
    write_viewers(out, &words, &users)?;
    progress.finish_and_clear();
    Ok(measure::measure(&words, &schedule, &rows, &events, users.len(), options.now))
}

fn tabs(words: &Words) -> Vec<Tab> {
    let tab = |(position, tab): (usize, &words::TabWords)| Tab {
        tab_id: tab.id.clone(),
        label: tab.label.clone(),
        position: u16::try_from(position).unwrap_or(u16::MAX),
        pinned: tab.pinned,
        target: tab.target.clone(),
    };
    words.tabs.iter().enumerate().map(tab).collect()
}

#[derive(Serialize)]
struct ListingTruth<'a> {
    shop: &'a str,
    listing_id: &'a str,
    product: u32,
    first_broadcast_at: String,
    in_history: bool,
    titles: &'a [String],
}

#[derive(Serialize)]
struct ProductTruth {
    product: u32,
    really_new: bool,
    censored: bool,
    first_broadcast_at: String,
    category: String,
    brand: Option<String>,
}

fn write_truth(out: &Path, words: &Words, schedule: &Schedule, users: &[Taste], now: UnixMillis) -> Result<(), Error> {
    let format = TableFormat { encoding: Encoding::Ndjson, compression: Compression::Plain };
    let folder = out.join("truth");
    let in_history = measure::aired_before(schedule, now);
    let listings = schedule.listings.iter().zip(&in_history).map(|(listing, in_history)| ListingTruth {
        shop: &words.shops[listing.shop].name,
        listing_id: &listing.code,
        product: listing.product,
        first_broadcast_at: UnixMillis(listing.first_at).to_kst_rfc3339(),
        in_history: *in_history,
        titles: &listing.titles,
    });
    table_write::write_text(&format.path(&folder, "listings"), format, listings)?;
    let products = (0_u32..).zip(&schedule.products).map(|(product, truth)| ProductTruth {
        product,
        really_new: truth.first_at > now.0,
        censored: truth.censored,
        first_broadcast_at: UnixMillis(truth.first_at).to_kst_rfc3339(),
        category: truth.attributes.category(words).name.clone(),
        brand: truth.attributes.brand(words).map(|(korean, _)| korean.to_owned()),
    });
    table_write::write_text(&format.path(&folder, "products"), format, products)?;
    table_write::write_text(&format.path(&folder, "users"), format, users.iter().map(|user| user.text(words)))?;
    let categories = words.category_names();
    table_write::write_text(&format.path(&folder, "contexts"), format, words.contexts.text(&categories).into_iter())?;
    Ok(())
}

#[derive(Serialize)]
struct Viewer<'a> {
    user_id: &'a str,
    label: &'a str,
}

#[derive(Serialize)]
struct Viewers<'a> {
    viewers: Vec<Viewer<'a>>,
}

fn write_viewers(out: &Path, words: &Words, users: &[Taste]) -> Result<(), Error> {
    let mut viewers: Vec<Viewer> = users
        .iter()
        .take(words.personas.len())
        .filter_map(|user| Some(Viewer { user_id: &user.user_id, label: user.persona.as_deref()? }))
        .collect();
    if let Some(user) = users.iter().find(|user| user.is_single()) {
        viewers.push(Viewer { user_id: &user.user_id, label: "이용 기록이 하나뿐인 회원" });
    }
    let format = TableFormat { encoding: Encoding::Ndjson, compression: Compression::Plain };
    table_write::write_text(&out.join("viewers.json"), format, std::iter::once(Viewers { viewers }))?;
    Ok(())
}
