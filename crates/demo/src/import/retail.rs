//! UCI Online Retail II as input tables: an item's first sale on a day becomes its broadcast, a
//! purchase an event.
//!
//! `docs/demo-data.md` says how sales become channels, slots and prices, and which rows are left
//! out.

mod layout;
mod sale;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use indicatif::ProgressBar;
use layout::Layout;
use sale::{Sale, Sales};
use serde::Serialize;
use sinsang_core::event::EventKind;
use sinsang_core::printable::grouped;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_tables::table::{BroadcastText, Event, Tab};

use crate::table_write::{self, Compression, Encoding, TableFormat};

/// The shop's name in the tables.
pub const SHOP: &str = "Online Retail";
/// Won for a pound: fixed, so that prices don't depend on a market.
pub const WON_A_POUND: f64 = 1_800.0;
/// Days after `as_of` that form the upcoming schedule.
pub const UPCOMING_DAYS: i64 = 7;
/// The data set's source.
pub const SOURCE: &str = "UCI Machine Learning Repository, \"Online Retail II\", https://doi.org/10.24432/C5CG6D";
/// Longest slot in milliseconds.
const LONGEST_MS: i64 = 60 * 60 * 1_000;
/// Shortest slot in milliseconds, if the day has room for all of the channel's items.
const SHORTEST_MS: i64 = 3 * 60 * 1_000;
/// Number of viewers that the page offers, and the minimum purchases of each.
const VIEWERS: usize = 10;
const VIEWER_PURCHASES: usize = 150;

const NOTICE: &str = "These tables are made from \"Online Retail II\" by Daqing Chen,
UCI Machine Learning Repository (2012), https://doi.org/10.24432/C5CG6D,
licensed under the Creative Commons Attribution 4.0 International licence,
https://creativecommons.org/licenses/by/4.0/.

Changed: sales were mapped to broadcasts and events, pounds to won at 1 GBP = 1,800 won,
cancellations, free items and rows that are not products were left out.
";

/// Parameters of an import.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data set as one Parquet file.
    pub file: PathBuf,
    /// The folder to write to; created if missing. Tables of an earlier run in it are replaced.
    pub out: PathBuf,
    /// The present of the tables: no event is later, and the sales of the next [`UPCOMING_DAYS`]
    /// form the upcoming schedule.
    pub as_of: UnixMillis,
    /// File format of `broadcasts`.
    pub broadcasts: TableFormat,
    /// File format of `events`.
    pub events: TableFormat,
    /// Advances with each row read; may be hidden.
    pub progress: ProgressBar,
}

impl Options {
    /// As of 2011-09-01T00:00:00Z, both tables as Parquet.
    pub fn new(file: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            out: out.into(),
            as_of: UnixMillis(1_314_835_200_000),
            broadcasts: TableFormat::PARQUET,
            events: TableFormat::PARQUET,
            progress: ProgressBar::hidden(),
        }
    }
}

/// Why the import made no tables, or not all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file does not exist.
    #[error("no file {}: get the data set from the {SOURCE}, as one Parquet file", path.display())]
    Missing {
        /// The file's path.
        path: PathBuf,
    },
    /// The file cannot be read as Parquet.
    #[error("cannot read {} as Parquet: {detail}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reader's error.
        detail: String,
    },
    /// A column is missing or has another type.
    #[error("{}: column {column}: {detail}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// What is wrong with the column.
        detail: String,
    },
    /// The embedded layout is invalid; only a change to `crates/demo/data/retail.toml` fixes that.
    #[error("invalid word list retail.toml: {detail}")]
    Layout {
        /// What is wrong with the layout.
        detail: String,
    },
    /// A folder or file can't be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A table can't be written.
    #[error(transparent)]
    Write(#[from] table_write::Error),
}

/// Rows left out, each counted under the first matching reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// No invoice, item, title or time, or a time before 1970.
    pub unreadable: usize,
    /// Cancellations: the invoice begins with C, or the quantity is not above 0.
    pub cancelled: usize,
    /// The item's code does not begin with five digits: postage, fees, vouchers, tests.
    pub not_a_product: usize,
    /// The price is not above 0.
    pub free: usize,
    /// After the end of the upcoming schedule.
    pub too_late: usize,
    /// Kept for broadcasts, but without an event: the row names no customer.
    pub event_without_user: usize,
    /// Kept for broadcasts, but without an event: later than `as_of`.
    pub event_after_as_of: usize,
    /// Kept for broadcasts, but without an event: the item is already on the invoice.
    pub event_repeated: usize,
}

/// An import's results.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Number of rows in the file.
    pub rows: usize,
    /// Rows left out, by reason.
    pub left_out: LeftOut,
    /// Number of rows of `broadcasts`.
    pub broadcasts: usize,
    /// Number of broadcasts that begin after `as_of`.
    pub upcoming: usize,
    /// Number of items with a broadcast.
    pub items: usize,
    /// Number of items whose first sale ever is after `as_of`.
    pub new_items_upcoming: usize,
    /// Number of rows of `events`.
    pub events: usize,
    /// Number of users with an event.
    pub users: usize,
    /// Number of broadcasts of each channel.
    pub channels: BTreeMap<String, usize>,
    /// Number of items of each category; `-` for items without one.
    pub categories: BTreeMap<String, usize>,
    /// Minutes from an item's first sale of a day to its slot: median and 95th percentile.
    pub wait_minutes: [i64; 2],
    /// Maximum number of broadcasts at once.
    pub on_air_most: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = &self.left_out;
        writeln!(f, "{} rows read from Online Retail II (Daqing Chen, CC BY 4.0)", self.rows)?;
        writeln!(
            f,
            "skipped             {} cancelled, {} not products, {} free, {} too late, {} unreadable",
            out.cancelled, out.not_a_product, out.free, out.too_late, out.unreadable
        )?;
        writeln!(
            f,
            "no events           {} without a user, {} after as-of, {} already on their invoice",
            out.event_without_user, out.event_after_as_of, out.event_repeated
        )?;
        writeln!(
            f,
            "{} broadcasts of {} items on {} channels, at most {} at once; {} to come, with {} items for the first time",
            self.broadcasts,
            self.items,
            self.channels.len(),
            self.on_air_most,
            self.upcoming,
            self.new_items_upcoming
        )?;
        let [median, p95] = self.wait_minutes;
        writeln!(
            f,
            "                    slots start {median} min after the first sale (median; 95 % within {p95} min)"
        )?;
        write!(f, "{} events of {} users", self.events, self.users)
    }
}

/// One slot. Times are milliseconds since the Unix epoch.
struct Slot {
    sale: usize,
    channel: usize,
    start: i64,
    end: i64,
}

/// Reads the data set and writes `broadcasts`, `events`, `tabs`, `viewers.json` and `NOTICE` to
/// `options.out`. Equal input gives equal bytes.
///
/// # Errors
/// [`Error::Missing`] if the file does not exist; [`Error::Read`] or [`Error::Column`] if it isn't
/// a Parquet file of the data set; [`Error::Layout`] if the embedded layout is invalid;
/// [`Error::Io`] or [`Error::Write`] if the output can't be written.
pub fn online_retail(options: &Options) -> Result<Report, Error> {
    if !options.file.exists() {
        return Err(Error::Missing { path: options.file.clone() });
    }
    let layout = Layout::parse().map_err(|detail| Error::Layout { detail })?;
    let end = options.as_of.plus(UPCOMING_DAYS * DAY_MS);
    let (sales, rows, mut left_out) = sale::read(&options.file, end, &options.progress)?;
    options.progress.set_message("tables");
    let items = Items::new(&layout, &sales);
    let (slots, mut waits) = slots(&layout, &sales, &items);
    let events = events(&layout, &sales, &items, options.as_of, &mut left_out);

    let out = options.out.as_path();
    fs::create_dir_all(out).map_err(|source| Error::Io { path: out.to_owned(), source })?;
    table_write::remove_tables(out)?;
    let rows_out: Vec<BroadcastText> = slots.iter().map(|slot| row(&layout, &sales, &items, slot)).collect();
    table_write::write_table(&options.broadcasts.path(out, "broadcasts"), options.broadcasts, &rows_out)?;
    table_write::write_table(&options.events.path(out, "events"), options.events, &events)?;
    table_write::write_table(&TableFormat::CSV.path(out, "tabs"), TableFormat::CSV, &tabs(&items))?;
    write_viewers(out, &sales, &items, &events)?;
    let notice = out.join("NOTICE");
    fs::write(&notice, NOTICE).map_err(|source| Error::Io { path: notice, source })?;

    options.progress.finish_and_clear();

    waits.sort_unstable();
    let at = |part: usize| waits.get(waits.len().saturating_sub(1) * part / 100).map_or(0, |ms| ms / 60_000);
    let mut channels: BTreeMap<String, usize> = BTreeMap::new();
    for slot in &slots {
        *channels.entry(layout.channel(slot.channel).to_owned()).or_default() += 1;
    }
    let mut categories: BTreeMap<String, usize> = BTreeMap::new();
    for category in &items.category {
        let name = category.and_then(|c| items.categories.get(c)).map_or("-", String::as_str);
        *categories.entry(name.to_owned()).or_default() += 1;
    }
    let as_of = options.as_of.0;
    Ok(Report {
        rows,
        left_out,
        broadcasts: slots.len(),
        upcoming: slots.iter().filter(|slot| slot.start > as_of).count(),
        items: sales.items.len(),
        new_items_upcoming: items.first_at.iter().filter(|at| **at > as_of).count(),
        users: events.iter().map(|event| event.user_id.as_str()).collect::<HashSet<_>>().len(),
        events: events.len(),
        channels,
        categories,
        wait_minutes: [at(50), at(95)],
        on_air_most: on_air_most(&slots),
    })
}

/// Attributes of each item, by its index in [`Sales::items`].
struct Items {
    /// Time of the first sale ever.
    first_at: Vec<i64>,
    /// Theme of the item's first title.
    theme: Vec<usize>,
    /// Index into `categories`.
    category: Vec<Option<usize>>,
    /// Names of the categories, the commonest first.
    categories: Vec<String>,
}

impl Items {
    fn new(layout: &Layout, sales: &Sales) -> Self {
        let mut first_at = vec![i64::MAX; sales.items.len()];
        let mut titles = vec![""; sales.items.len()];
        for sale in &sales.list {
            if sale.at < first_at[sale.item] {
                first_at[sale.item] = sale.at;
                titles[sale.item] = &sales.titles[sale.title];
            }
        }
        let categories = layout.categories(&titles);
        Self {
            theme: titles.iter().map(|title| layout.theme(title)).collect(),
            category: titles.iter().map(|title| layout.category(title, &categories)).collect(),
            first_at,
            categories,
        }
    }

    fn category(&self, item: usize) -> Option<&str> {
        self.category[item].and_then(|index| self.categories.get(index)).map(String::as_str)
    }

    fn channel(&self, layout: &Layout, sales: &Sales, sale: &Sale) -> usize {
        layout.region(&sales.countries[sale.country]).unwrap_or(self.theme[sale.item])
    }
}

/// A slot for every item's first sale of a day on a channel, and the wait from each sale to its
/// slot in milliseconds. A channel shows one item at a time: sales during a slot queue behind it.
fn slots(layout: &Layout, sales: &Sales, items: &Items) -> (Vec<Slot>, Vec<i64>) {
    let mut seen = HashSet::new();
    let mut queues: BTreeMap<(i64, usize), Vec<usize>> = BTreeMap::new();
    for (index, sale) in sales.list.iter().enumerate() {
        let day = sale.at.div_euclid(DAY_MS);
        let channel = items.channel(layout, sales, sale);
        if seen.insert((sale.item, channel, day)) {
            queues.entry((day, channel)).or_default().push(index);
        }
    }
    let (mut slots, mut waits) = (Vec::new(), Vec::new());
    for ((day, channel), queue) in queues {
        let Some(first) = queue.first().map(|index| sales.list[*index].at) else { continue };
        let room = ((day + 1) * DAY_MS - first) / i64::try_from(queue.len()).unwrap_or(i64::MAX);
        // Whole seconds, so that written times lose nothing.
        let shortest = (room.min(SHORTEST_MS) / 1_000 * 1_000).max(1_000);
        let mut free = i64::MIN;
        let begin = slots.len();
        for index in queue {
            let at = sales.list[index].at;
            let start = at.max(free);
            free = start + shortest;
            waits.push(start - at);
            slots.push(Slot { sale: index, channel, start, end: start + LONGEST_MS });
        }
        for index in begin + 1..slots.len() {
            slots[index - 1].end = slots[index - 1].end.min(slots[index].start);
        }
    }
    slots.sort_by_key(|slot| (slot.start, slot.channel));
    (slots, waits)
}

fn row(layout: &Layout, sales: &Sales, items: &Items, slot: &Slot) -> BroadcastText {
    let sale = &sales.list[slot.sale];
    BroadcastText {
        listing_id: Some(sales.items[sale.item].clone()),
        shop: SHOP.to_owned(),
        channel: layout.channel(slot.channel).to_owned(),
        title: sales.titles[sale.title].clone(),
        category: items.category(sale.item).map(str::to_owned),
        price: Some(sale.price),
        starts_at: UnixMillis(slot.start).to_kst_rfc3339(),
        ends_at: Some(UnixMillis(slot.end).to_kst_rfc3339()),
        ..BroadcastText::default()
    }
}

fn events(layout: &Layout, sales: &Sales, items: &Items, as_of: UnixMillis, left_out: &mut LeftOut) -> Vec<Event> {
    let mut seen = HashSet::new();
    let mut events = Vec::new();
    for sale in &sales.list {
        let Some(user) = sale.user else {
            left_out.event_without_user += 1;
            continue;
        };
        if sale.at > as_of.0 {
            left_out.event_after_as_of += 1;
        } else if seen.insert((sale.invoice, sale.item)) {
            events.push(Event {
                user_id: user.to_string(),
                at: UnixMillis(sale.at),
                kind: EventKind::Purchase,
                shop: Some(SHOP.to_owned()),
                listing_id: Some(sales.items[sale.item].clone()),
                product_id: None,
                tab_id: None,
                region: None,
                device_class: None,
                amount: None,
                channel: Some(layout.channel(items.channel(layout, sales, sale)).to_owned()),
            });
        } else {
            left_out.event_repeated += 1;
        }
    }
    events
}

fn tabs(items: &Items) -> Vec<Tab> {
    let fixed = [
        ("new", "신상품", "/new"),
        ("live", "생방송", "/live"),
        ("schedule", "편성표", "/schedule"),
        ("best", "베스트", "/best"),
    ];
    let fixed = fixed.map(|(id, label, target)| (id.to_owned(), label.to_owned(), target.to_owned()));
    let categories = items.categories.iter().take(6).map(|name| {
        let id = name.to_lowercase();
        let target = format!("/new?category={name}");
        (id, name.clone(), target)
    });
    fixed
        .into_iter()
        .chain(categories)
        .zip(0_u16..)
        .map(|((tab_id, label, target), position)| Tab { tab_id, label, position, pinned: position < 2, target })
        .collect()
}

#[derive(Serialize)]
struct Viewer {
    user_id: String,
    label: String,
}

#[derive(Serialize)]
struct Viewers {
    viewers: Vec<Viewer>,
}

/// Writes the users with the strongest leanings to a single category, one user for each category.
fn write_viewers(out: &Path, sales: &Sales, items: &Items, events: &[Event]) -> Result<(), Error> {
    let index: HashMap<&str, usize> = sales.items.iter().enumerate().map(|(index, id)| (id.as_str(), index)).collect();
    let mut users: BTreeMap<&str, (usize, BTreeMap<usize, usize>)> = BTreeMap::new();
    for event in events {
        let (count, categories) = users.entry(&event.user_id).or_default();
        *count += 1;
        let item = event.listing_id.as_deref().and_then(|id| index.get(id));
        if let Some(category) = item.and_then(|item| items.category[*item]) {
            *categories.entry(category).or_default() += 1;
        }
    }
    // Shares of few purchases are extreme. If nobody has enough purchases, those with the most are
    // used.
    let most = users.values().map(|(count, _)| *count).max().unwrap_or(0);
    let enough = VIEWER_PURCHASES.min(most);
    let mut leaning: Vec<(usize, usize, usize, &str)> = Vec::new();
    for (user, (count, categories)) in &users {
        for (category, part) in categories {
            if *count >= enough {
                leaning.push((part * 100 / count, *count, *category, user));
            }
        }
    }
    leaning.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then(a.3.cmp(b.3)).then(a.2.cmp(&b.2)));
    let (mut taken, mut viewers) = (HashSet::new(), Vec::new());
    for (share, count, category, user) in leaning {
        let known = viewers.iter().any(|viewer: &Viewer| viewer.user_id == user);
        if viewers.len() < VIEWERS && !known && taken.insert(category) {
            let name = &items.categories[category];
            let label = format!("고객 {user} · {}건 · {name} {share} %", grouped(count as u64));
            viewers.push(Viewer { user_id: user.to_owned(), label });
        }
    }
    let format = TableFormat { encoding: Encoding::Ndjson, compression: Compression::Plain };
    table_write::write_text(&out.join("viewers.json"), format, std::iter::once(Viewers { viewers }))?;
    Ok(())
}

fn on_air_most(slots: &[Slot]) -> usize {
    let mut ends: Vec<i64> = Vec::new();
    let mut most = 0;
    for slot in slots {
        ends.retain(|end| *end > slot.start);
        ends.push(slot.end);
        most = most.max(ends.len());
    }
    most
}
