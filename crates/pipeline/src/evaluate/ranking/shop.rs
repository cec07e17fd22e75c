//! What an evaluation works on: products, when they are on offer, and what users did with them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use sinsang_core::event::EventKind;
use sinsang_core::time::UnixMillis;
use sinsang_taste::judge::{Act, Log, Offered, Window};

use super::{SetAside, WINDOW_DAYS};
use crate::learn::taste::{ProductFeatures, Weights};

/// A product as it is described to shoppers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Item {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) brand: Option<String>,
    pub(super) category: Option<String>,
    pub(super) price: Option<u32>,
}

impl Item {
    fn feature(&self) -> ProductFeatures<'_> {
        let [brand, category] = [&self.brand, &self.category].map(Option::as_deref);
        ProductFeatures { product: self.id, title: &self.title, brand, category, price: self.price }
    }
}

/// One event of a log: a user's act on an item, by its code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deed {
    pub(super) user: String,
    pub(super) code: String,
    pub(super) at: i64,
    pub(super) kind: EventKind,
}

/// The products of a shop, its users, and their acts.
#[derive(Clone, Debug, Default)]
pub(super) struct Shop {
    /// What the figures are of.
    pub(super) source: String,
    pub(super) users: Vec<String>,
    pub(super) items: Vec<Item>,
    pub(super) log: Log,
    pub(super) set_aside: SetAside,
}

impl Shop {
    /// The products in the form that tastes are learned from.
    pub(super) fn features(&self) -> Vec<ProductFeatures<'_>> {
        self.items.iter().map(Item::feature).collect()
    }

    /// What was known before `cut`, and what was done in the [`WINDOW_DAYS`] after it.
    pub(super) fn window(&self, cut: UnixMillis, half_life_days: f64) -> Window {
        self.log.window(cut.0, WINDOW_DAYS, half_life_days)
    }

    /// A shop whose products are on offer from their first sale on; registers the tables that
    /// tastes are learned from. `items` are by code, ascending; deeds on other codes are left out.
    pub(super) fn of_log(
        context: &SessionContext,
        source: String,
        items: Vec<(String, Item)>,
        deeds: &[Deed],
        set_aside: SetAside,
    ) -> Result<Self, DataFusionError> {
        let place: HashMap<&str, usize> = items.iter().enumerate().map(|(at, (code, _))| (code.as_str(), at)).collect();
        let names: BTreeSet<&str> = deeds.iter().map(|deed| deed.user.as_str()).collect();
        let users: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let number: HashMap<&str, usize> = names.into_iter().zip(0..).collect();
        let mut first = vec![i64::MAX; items.len()];
        let mut acts = Vec::with_capacity(deeds.len());
        for deed in deeds {
            let Some((&product, &user)) = place.get(deed.code.as_str()).zip(number.get(deed.user.as_str())) else {
                continue;
            };
            first[product] = first[product].min(deed.at);
            acts.push(Act { at: deed.at, user, product });
        }
        let products = first.into_iter().map(|first_at| Offered { first_at, airings: None }).collect();
        register_events(context, deeds)?;
        register_products(context, &items)?;
        let items = items.into_iter().map(|(_, item)| item).collect();
        Ok(Self { source, users, items, log: Log { products, acts }, set_aside })
    }
}

/// Whether an act of this kind says that a user wants the product, rather than that it was shown.
pub(super) fn says_something(kind: EventKind) -> bool {
    Weights::default().of(kind) > 0.0 && !matches!(kind, EventKind::TabOpen)
}

/// The shop of all listings.
pub(super) const SHOP: &str = "log";

fn table(columns: Vec<(&str, DataType, ArrayRef)>) -> Result<RecordBatch, DataFusionError> {
    let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, _, column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// The deeds as `events`, with the columns of `docs/taste.md`.
fn register_events(context: &SessionContext, deeds: &[Deed]) -> Result<(), DataFusionError> {
    let nothing = || texts(deeds.iter().map(|_| None));
    let at: ArrayRef = Arc::new(deeds.iter().map(|deed| Some(deed.at)).collect::<Int64Array>());
    let batch = table(vec![
        ("user_id", DataType::Utf8, texts(deeds.iter().map(|deed| Some(deed.user.as_str())))),
        ("at", DataType::Int64, at),
        ("kind", DataType::Utf8, texts(deeds.iter().map(|deed| Some(deed.kind.as_str())))),
        ("shop", DataType::Utf8, texts(deeds.iter().map(|_| Some(SHOP)))),
        ("listing_id", DataType::Utf8, texts(deeds.iter().map(|deed| Some(deed.code.as_str())))),
        ("product_id", DataType::Utf8, nothing()),
        ("tab_id", DataType::Utf8, nothing()),
        ("channel", DataType::Utf8, nothing()),
        ("region", DataType::Utf8, nothing()),
        ("device_class", DataType::Utf8, nothing()),
    ])?;
    let events = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    context.register_table("events", Arc::new(events))?;
    Ok(())
}

/// The product of each code, as `listing_products`.
fn register_products(context: &SessionContext, items: &[(String, Item)]) -> Result<(), DataFusionError> {
    let ids: StringArray = items.iter().map(|(_, item)| Some(format!("{:016x}", item.id))).collect();
    let batch = table(vec![
        ("shop", DataType::Utf8, texts(items.iter().map(|_| Some(SHOP)))),
        ("listing_id", DataType::Utf8, texts(items.iter().map(|(code, _)| Some(code.as_str())))),
        ("product", DataType::Utf8, Arc::new(ids)),
        ("channel", DataType::Utf8, texts(items.iter().map(|_| None))),
    ])?;
    context.register_batch("listing_products", batch)?;
    Ok(())
}
