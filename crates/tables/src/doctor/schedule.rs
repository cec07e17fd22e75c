//! The doctor's counts over the table `broadcasts`: by shop, channel, day, code and collection,
//! each within a cap.

mod rule;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use sinsang_core::time::{CLOCK_LEEWAY_MS, DAY_MS, KST_OFFSET_MS, MINUTE_MS, UnixMillis};

use super::cap::Cap;
use super::day::Days;
use super::group::{Groups, NAMES_MAX};
use super::offset::Offsets;
use super::sketch::{Copies, hash};
use super::tally::{Example, Spelled, Tally};
use crate::check::{Broadcasts, Repair, Table as _};
use crate::column::place_of;
use crate::intake::Observer;
use crate::table::Broadcast;
use crate::value::Value;
use crate::{Fault, MAX_COLUMNS, Place};
pub(super) use rule::{copied, lost_days, thin_day};

/// Codes whose titles are compared, and with which events are matched.
const CODES_MAX: usize = 1_000_000;
/// Distinct titles tracked per code.
const TITLES_MAX: usize = 64;
/// Rows checked individually for copies; beyond that, a sample is.
const COPIES_MAX: usize = 1 << 18;
/// Days before the present that count as recent.
const LATELY_DAYS: i64 = 7;
/// Distinct listings tracked per shop, to see whether several products share one price.
const PRICED_LISTINGS: usize = 10;
const MINUTES_OF_DAY: usize = 24 * 60;

/// The counts of a shop.
#[derive(Debug, Default)]
struct Shop {
    days: Days,
    rows: u64,
    /// Rows with a value in the column at each position.
    filled: [u64; MAX_COLUMNS],
    /// The same for rows whose broadcast begins recently or later.
    late_rows: u64,
    late_filled: [u64; MAX_COLUMNS],
    prices: Prices,
}

#[derive(Debug, Default)]
struct Prices {
    count: u64,
    first: Option<u32>,
    differ: bool,
    listings: HashSet<u64>,
    /// Prices by number of binary digits.
    sizes: [u64; 32],
}

/// The counts of a channel.
#[derive(Debug, Default)]
struct Channel {
    days: Days,
    /// The place of its shop; the first, if it has several.
    shop: Option<usize>,
}

/// The counts of a shop's code.
#[derive(Debug, Default)]
struct Code {
    rows: u64,
    titles: Vec<u32>,
    /// Shop and code, once it has enough titles to report.
    name: Option<(String, String)>,
}

/// An observer of the rows of `broadcasts`.
#[derive(Debug)]
pub struct Schedule {
    now: UnixMillis,
    /// The time range that a board built at `now` shows.
    window: (UnixMillis, UnixMillis),
    pub(super) tally: Tally,
    starts_column: usize,
    collected_column: usize,
    rows: u64,
    on_board: u64,
    pub(super) days: Days,
    last_start: Option<UnixMillis>,
    minutes: Vec<u64>,
    shops: Groups<Shop>,
    channels: Groups<Channel>,
    offsets: Offsets,
    codes: HashMap<u64, Code>,
    /// Codes of all shops, as written and without spreadsheets' changes.
    ids: HashSet<u64>,
    bare_ids: HashSet<u64>,
    codes_beyond: u64,
    copies: Copies,
    first_copy: Option<Example>,
    /// Rows collected after the present: their number, the latest time, and an example.
    ahead: Option<(u64, UnixMillis, Example)>,
}

/// How an event's listing matches the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is in the schedule.
    Yes,
    /// Another shop has the code.
    ByAnotherShop,
    /// The code matches without leading zeros and spreadsheets' marks.
    BySpelling,
    /// It is not in the schedule.
    No,
}

impl Schedule {
    /// A new observer without counts. `now` is the present, `window` the time range that its board
    /// shows.
    pub fn new(now: UnixMillis, window: (UnixMillis, UnixMillis)) -> Self {
        let column = |name: &str| place_of(Broadcasts::COLUMNS, name);
        Self {
            now,
            window,
            tally: Tally::new(Broadcasts::COLUMNS, &[]),
            starts_column: column("starts_at"),
            collected_column: column("collected_at"),
            rows: 0,
            on_board: 0,
            days: Days::default(),
            last_start: None,
            minutes: vec![0; MINUTES_OF_DAY],
            shops: Groups::new(NAMES_MAX),
            channels: Groups::new(NAMES_MAX),
            offsets: Offsets::default(),
            codes: HashMap::new(),
            ids: HashSet::new(),
            bare_ids: HashSet::new(),
            codes_beyond: 0,
            copies: Copies::new(COPIES_MAX),
            first_copy: None,
            ahead: None,
        }
    }

    /// Counts a usable row.
    fn add(&mut self, row: &Broadcast, spelled: &Spelled, example: &dyn Fn(&Tally, usize) -> Example) {
        self.rows += 1;
        self.days.add(row.starts_at);
        self.last_start = self.last_start.max(Some(row.starts_at));
        let (from, to) = self.window;
        self.on_board += u64::from(row.starts_at > from && row.starts_at < to);
        let minute = row.starts_at.0.saturating_add(KST_OFFSET_MS).rem_euclid(DAY_MS).div_euclid(MINUTE_MS);
        if let Some(count) = usize::try_from(minute).ok().and_then(|minute| self.minutes.get_mut(minute)) {
            *count += 1;
        }
        let is_late = row.starts_at > self.now.plus(-LATELY_DAYS * DAY_MS);
        self.offsets.add(row, spelled.form(self.starts_column), spelled.form(self.collected_column));
        let shop = self.shops.named(&row.shop).map(|(place, shop)| {
            shop.add(row, spelled, is_late);
            place
        });
        if let Some((_, channel)) = self.channels.named(&row.channel) {
            channel.days.add(row.starts_at);
            channel.shop = channel.shop.or(shop);
        }
        self.add_code(row);
        let whole =
            (&row.channel, row.starts_at.0, &row.shop, &row.listing_id, &row.title, row.collected_at.map(|at| at.0));
        if self.copies.add(hash(whole)) && self.first_copy.is_none() {
            self.first_copy = Some(example(&self.tally, self.starts_column));
        }
        if let Some(collected_at) = row.collected_at.filter(|at| *at > self.now.plus(CLOCK_LEEWAY_MS)) {
            let (rows, latest, _) =
                self.ahead.get_or_insert_with(|| (0, collected_at, example(&self.tally, self.collected_column)));
            *rows += 1;
            *latest = collected_at.max(*latest);
        }
    }

    fn add_code(&mut self, row: &Broadcast) {
        let key = hash((&row.shop, &row.listing_id));
        if self.codes.len() >= CODES_MAX && !self.codes.contains_key(&key) {
            self.codes_beyond += 1;
            return;
        }
        let code = self.codes.entry(key).or_default();
        if code.rows == 0 {
            self.ids.insert(hash(&row.listing_id));
            self.bare_ids.insert(hash(bare(&row.listing_id)));
        }
        code.rows += 1;
        let title = u32::try_from(hash(&row.title) >> 32).unwrap_or_default();
        if code.titles.len() < TITLES_MAX && !code.titles.contains(&title) {
            code.titles.push(title);
            if code.titles.len() == rule::TITLES_MIN {
                code.name = Some((row.shop.clone(), row.listing_id.clone()));
            }
        }
    }

    /// How a listing matches the schedule; by its code alone if `shop` is `None`.
    pub(super) fn knows(&self, shop: Option<&str>, listing_id: &str) -> Known {
        let is_known = match shop {
            Some(shop) => self.codes.contains_key(&hash((shop, listing_id))),
            None => self.ids.contains(&hash(listing_id)),
        };
        if is_known {
            Known::Yes
        } else if self.ids.contains(&hash(listing_id)) {
            Known::ByAnotherShop
        } else if self.bare_ids.contains(&hash(bare(listing_id))) {
            Known::BySpelling
        } else {
            Known::No
        }
    }

    /// Whether the schedule has the channel `name`.
    pub(super) fn knows_channel(&self, name: &str) -> bool {
        self.channels.has(name)
    }

    /// Whether the schedule has rows and no cap was reached.
    pub(super) fn knows_all(&self) -> bool {
        self.rows > 0 && self.codes_beyond == 0 && self.channels.beyond == 0
    }

    /// Whether the schedule reaches the present.
    pub(super) fn is_alive(&self) -> bool {
        self.on_board > 0
    }

    /// The numbers of shops and channels, for the report.
    pub(super) fn names(&self) -> (usize, usize) {
        (self.shops.len(), self.channels.len())
    }

    /// The caps that were reached.
    pub(super) fn caps(&self) -> Vec<Cap> {
        let caps = [
            ("shops", NAMES_MAX, self.shops.beyond),
            ("channels", NAMES_MAX, self.channels.beyond),
            ("codes", CODES_MAX, self.codes_beyond),
        ];
        let reached = caps.into_iter().filter(|(_, _, beyond)| *beyond > 0);
        let mut caps: Vec<Cap> =
            reached.map(|(of, most, rows)| Cap { of, most, rows_beyond: rows, is_sampled: false }).collect();
        if self.copies.is_sampled() {
            caps.push(Cap { of: "rows, to find copies", most: COPIES_MAX, rows_beyond: self.rows, is_sampled: true });
        }
        caps
    }
}

/// A code without what spreadsheets add or remove: quotes, an equals sign, leading zeros, `.0`.
fn bare(id: &str) -> &str {
    let id = id.trim_matches(['=', '"', '\'']);
    let id = id.strip_suffix(".0").unwrap_or(id);
    id.trim_start_matches('0')
}

impl Shop {
    fn add(&mut self, row: &Broadcast, spelled: &Spelled, is_late: bool) {
        self.days.add(row.starts_at);
        self.rows += 1;
        self.late_rows += u64::from(is_late);
        for (column, (count, late)) in self.filled.iter_mut().zip(&mut self.late_filled).enumerate() {
            let filled = u64::from(spelled.filled >> column & 1);
            *count += filled;
            *late += if is_late { filled } else { 0 };
        }
        let Some(price) = row.price else { return };
        let prices = &mut self.prices;
        prices.count += 1;
        prices.differ |= *prices.first.get_or_insert(price) != price;
        if let Some(count) =
            usize::try_from(u32::BITS - price.leading_zeros()).ok().and_then(|n| prices.sizes.get_mut(n))
        {
            *count += 1;
        }
        if !prices.differ && prices.listings.len() < PRICED_LISTINGS {
            prices.listings.insert(hash(&row.listing_id));
        }
    }
}

impl Observer<Broadcast> for Schedule {
    fn begin_file(&mut self, path: &Path) {
        self.tally.begin_file(path);
    }

    fn kept(&mut self, place: Place, values: &[Value<'_>], row: &Broadcast, repairs: &[(usize, Repair)]) {
        let spelled = self.tally.kept(place, values, repairs);
        self.add(row, &spelled, &|tally, column| tally.example(place, column, values.get(column)));
    }

    fn set_aside(&mut self, place: Place, values: &[Value<'_>], fault: &Fault) {
        self.tally.set_aside(place, values, fault);
    }
}
