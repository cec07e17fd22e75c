//! Demo tables with known truth: schedules, events and tabs shaped like the real ones, deterministic in their seed.
//!
//! What is true is settled first (products, who airs them, what users like), then written down the way shops write it.
//! The tables hold the writing, `truth/` holds what it was written from.

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
/// Share of really new products among new codes that makes a code-only detector as wrong as it is on real schedules.
pub const REALLY_NEW: f64 = 0.235;
/// Days of history of a quick run.
pub const QUICK_DAYS: u32 = 45;
/// Users of a quick run.
pub const QUICK_USERS: usize = 300;
/// The longest history that is made.
pub const MOST_DAYS: u32 = 1_000;

/// What to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder to write to; made where it is missing. Tables of an earlier run in it are replaced.
    pub out: PathBuf,
    /// Days of history before `now`, 1 to [`MOST_DAYS`].
    pub days: u32,
    /// What every draw follows from.
    pub seed: u64,
    /// Users, the personas among them.
    pub users: usize,
    /// The moment that history ends at and the schedule to come begins at.
    pub now: UnixMillis,
    /// Of the codes that neither the records nor the time before them know, the share that are really new products, 0 to
    /// 1. The rest is known products under other codes.
    pub really_new: f64,
    /// How `broadcasts` is written.
    pub broadcasts: TableFormat,
    /// How `events` is written.
    pub events: TableFormat,
    /// Told of every day that is made; hidden where nobody looks.
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

/// Why nothing, or not all, was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option is out of its range.
    #[error("{option} is {value}, but must be {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// What it was.
        value: i64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A share is not between 0 and 1.
    #[error("{option} is {value}, but must be between 0 and 1")]
    Share {
        /// The option.
        option: &'static str,
        /// What it was.
        value: f64,
    },
    /// A list in the command does not fit; only a change to `crates/demo/data` can do that.
    #[error("word list {list}: {detail}")]
    Words {
        /// The list.
        list: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A folder could not be made.
    #[error("cannot make the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table could not be written.
    #[error(transparent)]
    Write(#[from] table_write::Error),
}

/// Makes the demo's tables, its truth and `viewers.json` in `options.out`. Equal options give equal bytes.
///
/// # Errors
/// Where an option is out of range or a file cannot be written.
pub fn generate(options: &Options) -> Result<Report, Error> {
    if options.days == 0 || options.days > MOST_DAYS {
        return Err(Error::Option { option: "days", value: i64::from(options.days), allowed: "1 to 1000" });
    }
    if !(0.0..=1.0).contains(&options.really_new) {
        return Err(Error::Share { option: "really_new", value: options.really_new });
    }
    // Far beyond both ends, dates have no four-digit year.
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
    table_write::write_broadcasts(&options.broadcasts.path(out, "broadcasts"), options.broadcasts, &rows)?;
    table_write::write_events(&options.events.path(out, "events"), options.events, &events)?;
    table_write::write_tabs(&TableFormat::CSV.path(out, "tabs"), TableFormat::CSV, &tabs(&words))?;
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
