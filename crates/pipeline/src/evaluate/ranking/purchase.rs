//! The purchases of the data set, and their division into windows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use sinsang_core::time::{DAY_MS, UnixMillis};

use super::Error;
use crate::engine::sql;
use crate::learn::taste::Sparse;

/// Length of a window in days.
pub const WINDOW_DAYS: i64 = 30;
/// Half-life of a purchase in days, here and in the learning path.
pub(super) const HALF_LIFE_DAYS: f64 = 180.0;
/// The shop of all listings.
const SHOP: &str = "Online Retail";
/// Won for a pound, as in `sinsang import online-retail`.
const WON_A_POUND: f64 = sinsang_demo::import::retail::WON_A_POUND;

/// An item, as of its first sale.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) title: String,
    pub(super) price: u32,
    first_at: i64,
}

/// A product on an invoice.
#[derive(Clone, Copy, Debug)]
struct Purchase {
    user: usize,
    item: usize,
    at: i64,
}

/// All purchases, by time.
#[derive(Debug, Default)]
pub(super) struct Purchases {
    pub(super) users: Vec<String>,
    pub(super) items: Vec<Item>,
    list: Vec<Purchase>,
    /// Item ids, in the order of `items`.
    codes: Vec<String>,
    /// Rows read.
    pub(super) rows: usize,
}

/// The product id of an item: its index plus one.
pub(super) fn product_id(item: usize) -> u64 {
    item as u64 + 1
}

impl Purchases {
    /// Reads `file` and registers the tables that tastes are learned from.
    pub(super) async fn read(context: &SessionContext, file: &Path) -> Result<Self, Error> {
        let failed = |source: DataFusionError| Error::Read { path: file.to_owned(), source: Box::new(source) };
        let path = file.to_string_lossy();
        context.register_parquet("retail", &*path, ParquetReadOptions::default()).await.map_err(failed)?;
        let answer = context.sql(sql!("ranking_purchase")).await.map_err(failed)?;
        let schema = Arc::clone(answer.schema().inner());
        let batches = answer.collect().await.map_err(failed)?;
        let mut purchases = Self::default();
        purchases.take(&batches).map_err(failed)?;
        let table = MemTable::try_new(schema, vec![batches]).map_err(failed)?;
        context.register_table("ranking_purchase", Arc::new(table)).map_err(failed)?;
        let events = context.sql(sql!("ranking_event")).await.map_err(failed)?;
        context.register_table("events", events.into_view()).map_err(failed)?;
        Ok(purchases)
    }

    fn take(&mut self, batches: &[RecordBatch]) -> Result<(), DataFusionError> {
        let (mut users, mut items, mut on_invoice) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        let mut codes: Vec<String> = Vec::new();
        for batch in batches {
            let column = |at: usize, to: &DataType| cast(batch.column(at), to).map_err(DataFusionError::from);
            let texts = |at: usize| column(at, &DataType::Utf8).map(|column| column.as_string::<i32>().clone());
            let (invoices, names, titles, buyers) = (texts(0)?, texts(1)?, texts(2)?, texts(5)?);
            let times = column(3, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
            let prices = column(4, &DataType::Float64)?.as_primitive::<Float64Type>().clone();
            for row in 0..batch.num_rows() {
                self.rows += 1;
                let user = *users.entry(buyers.value(row).to_owned()).or_insert_with(|| {
                    self.users.push(buyers.value(row).to_owned());
                    self.users.len() - 1
                });
                let item = *items.entry(names.value(row).to_owned()).or_insert_with(|| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
                    let price = (prices.value(row) * WON_A_POUND).round().clamp(1.0, 4e9) as u32;
                    let title = if titles.is_null(row) { "" } else { titles.value(row) };
                    self.items.push(Item { title: title.to_owned(), price, first_at: times.value(row) });
                    codes.push(names.value(row).to_owned());
                    self.items.len() - 1
                });
                if on_invoice.insert((invoices.value(row).to_owned(), user, item)) {
                    self.list.push(Purchase { user, item, at: times.value(row) });
                }
            }
        }
        // Items are ordered by code, so that nothing depends on which was sold first.
        let mut order: Vec<usize> = (0..codes.len()).collect();
        order.sort_by(|a, b| codes[*a].cmp(&codes[*b]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(to, from)| place[*from] = to);
        self.items = order.iter().map(|from| self.items[*from].clone()).collect();
        self.list.iter_mut().for_each(|purchase| purchase.item = place[purchase.item]);
        self.codes = order.iter().map(|from| codes[*from].clone()).collect();
        Ok(())
    }

    /// Registers the product of each item.
    pub(super) fn register_products(&self, context: &SessionContext) -> Result<(), DataFusionError> {
        let texts = |column: StringArray| -> ArrayRef { Arc::new(column) };
        let columns = [
            ("shop", texts(self.codes.iter().map(|_| Some(SHOP)).collect())),
            ("listing_id", texts(self.codes.iter().map(Some).collect())),
            ("product", texts((0..self.codes.len()).map(|item| Some(format!("{:016x}", product_id(item)))).collect())),
            ("channel", texts(self.codes.iter().map(|_| None::<&str>).collect())),
        ];
        let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
        let arrays = columns.into_iter().map(|(_, column)| column).collect();
        context.register_batch("listing_products", RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)?;
        Ok(())
    }

    /// The purchases before `cut`, and those in the [`WINDOW_DAYS`] after it.
    pub(super) fn window(&self, cut: UnixMillis) -> Window {
        let end = cut.0 + WINDOW_DAYS * DAY_MS;
        let before = || self.list.iter().filter(|purchase| purchase.at < cut.0);
        let after = || self.list.iter().filter(|purchase| (cut.0..end).contains(&purchase.at));
        let users: Vec<usize> = before().map(|purchase| purchase.user).collect::<BTreeSet<_>>().into_iter().collect();
        let row_of: HashMap<usize, usize> = users.iter().enumerate().map(|(row, user)| (*user, row)).collect();
        let items_first = |range: std::ops::Range<i64>| -> Vec<usize> {
            (0..self.items.len()).filter(|item| range.contains(&self.items[*item].first_at)).collect()
        };
        let mut decayed: Vec<BTreeMap<usize, (f64, f64)>> = vec![BTreeMap::new(); users.len()];
        let mut bought = vec![0.0; self.items.len()];
        let mut bought_lately = vec![0.0; self.items.len()];
        for purchase in before() {
            let weight = (-((cut.0 - purchase.at) as f64) / (HALF_LIFE_DAYS * DAY_MS as f64)).exp2();
            if let Some(row) = row_of.get(&purchase.user) {
                let (sum, squares) = decayed[*row].entry(purchase.item).or_default();
                *sum += weight;
                *squares += weight * weight;
            }
            bought[purchase.item] += 1.0;
            bought_lately[purchase.item] += if cut.0 - purchase.at < 30 * DAY_MS { 1.0 } else { 0.0 };
        }
        let (mut profiles, mut histories) = (Sparse::new(self.items.len()), Sparse::new(self.items.len()));
        for row in &decayed {
            profiles.push(row.iter().map(|(item, (sum, _))| (*item, *sum)));
            histories.push(row.iter().map(|(item, (_, squares))| (*item, squares.sqrt())));
        }
        let (new, known) = (items_first(cut.0..end), items_first(i64::MIN..cut.0));
        let mut came: BTreeMap<usize, i64> = BTreeMap::new();
        let mut taken: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for purchase in after() {
            if let Some(row) = row_of.get(&purchase.user) {
                came.entry(*row).or_insert(purchase.at);
                taken.entry(*row).or_default().insert(purchase.item);
            }
        }
        let of = |items: &[usize], wanted: &dyn Fn(usize, usize) -> bool| -> Vec<Buyer> {
            let place: HashMap<usize, usize> = items.iter().enumerate().map(|(at, item)| (*item, at)).collect();
            let buyers = taken.iter().map(|(row, taken)| {
                let wanted = taken.iter().filter(|item| wanted(*row, **item));
                let bought: BTreeSet<usize> = wanted.filter_map(|item| place.get(item).copied()).collect();
                Buyer { row: *row, bought, came_at: came.get(row).copied().unwrap_or(cut.0) }
            });
            buyers.filter(|buyer| !buyer.bought.is_empty()).collect()
        };
        // By sold item, its buyers with the time of their first purchase.
        let mut sold: BTreeMap<usize, BTreeMap<usize, i64>> = BTreeMap::new();
        for purchase in after().filter(|purchase| self.items[purchase.item].first_at >= cut.0) {
            sold.entry(purchase.item).or_default().entry(purchase.user).or_insert(purchase.at);
        }
        let sold = new.iter().map(|item| sold.get(item).into_iter().flatten().map(|(_, at)| *at).collect()).collect();
        Window {
            cut,
            new_buyers: of(&new, &|_, _| true),
            known_buyers: of(&known, &|row, item| !decayed[row].contains_key(&item)),
            users: users.iter().map(|user| self.users[*user].clone()).collect(),
            new,
            known,
            profiles,
            histories,
            bought,
            bought_lately,
            sold,
        }
    }
}

/// A user who bought at least one candidate in a window.
#[derive(Clone, Debug)]
pub(super) struct Buyer {
    /// The user's index in [`Window::users`].
    pub(super) row: usize,
    /// The candidates bought.
    pub(super) bought: BTreeSet<usize>,
    /// The time of the first purchase in the window, at which the list would have been shown.
    pub(super) came_at: i64,
}

/// A cut in time, with the knowledge before it and the purchases after it.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) cut: UnixMillis,
    /// Users known before the cut.
    pub(super) users: Vec<String>,
    /// Items first sold within the window, and before it.
    pub(super) new: Vec<usize>,
    pub(super) known: Vec<usize>,
    pub(super) new_buyers: Vec<Buyer>,
    /// Buyers of known items for the first time.
    pub(super) known_buyers: Vec<Buyer>,
    /// By user, decayed purchases of each item: the sum, and the root of the summed squares.
    pub(super) profiles: Sparse,
    pub(super) histories: Sparse,
    /// By item, all purchases, and those of the last 30 days.
    pub(super) bought: Vec<f64>,
    pub(super) bought_lately: Vec<f64>,
    /// By new item, the times of each buyer's first purchase.
    sold: Vec<Vec<i64>>,
}

impl Window {
    /// Each user's first purchase of each new item, as the item and the time, by time.
    pub(super) fn sales(&self) -> Vec<(usize, i64)> {
        let of = |(item, times): (&usize, &Vec<i64>)| times.iter().map(|at| (*item, *at)).collect::<Vec<_>>();
        let mut sales: Vec<(usize, i64)> = self.new.iter().zip(&self.sold).flat_map(of).collect();
        sales.sort_unstable_by_key(|(item, at)| (*at, *item));
        sales
    }
}
