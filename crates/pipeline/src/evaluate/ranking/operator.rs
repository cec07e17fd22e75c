//! An operator's own tables: products as the build resolves them, and what viewers did with them.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use sinsang_core::event::EventKind;
use sinsang_core::pack::board::product_id;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::device_of;
use sinsang_tables::file::find_table;
use sinsang_taste::judge::{Act, Log, Offered};

use super::shop::{Item, Shop, says_something};
use super::{Error, SetAside};
use crate::engine::sql;
use crate::read::catalogue;
use crate::read::history::{self, History};
use crate::read::source;

/// Reads the tables of `options.input` as of `now`, and registers what tastes are learned from.
pub(super) async fn shop(options: &history::Options, now: UnixMillis) -> Result<(History, Shop), Error> {
    let Some(path) = find_table(&options.input, "events").map_err(source::Error::from)? else {
        return Err(Error::NoEvents { path: options.input.clone() });
    };
    let mut history = history::read(options, now).await?;
    history.source.open_events(&path, now, None).await?;
    let failed = |source: DataFusionError| Error::Read { path: path.clone(), source: Box::new(source) };
    let context = history.context().clone();
    let placed = history.products.iter().flat_map(|product| product.entries.iter().map(|entry| (entry, product.id)));
    let placed = placed.map(|(entry, id)| (&history.catalogue.entries[*entry], id));
    catalogue::register_products(&context, placed).map_err(failed)?;
    let mut items = Vec::new();
    let mut products = Vec::new();
    for product in &history.products {
        let features = product.features(&history.catalogue);
        items.push(Item {
            id: features.product,
            title: features.title.to_owned(),
            brand: features.brand.map(str::to_owned),
            category: features.category.map(str::to_owned),
            price: features.price,
        });
        let airings: Vec<i64> = product.airings.iter().map(|at| history.catalogue.airings[*at].starts_at.0).collect();
        products.push(Offered { first_at: airings.first().copied().unwrap_or(i64::MAX), airings: Some(airings) });
    }
    let place: HashMap<u64, usize> = items.iter().zip(0..).map(|(item, at)| (item.id, at)).collect();
    let listing = context.sql(sql!("taste_listing")).await.map_err(failed)?.into_view();
    context.register_table("event_listing", listing).map_err(failed)?;
    let mut users: Vec<String> = Vec::new();
    let mut number: BTreeMap<String, usize> = BTreeMap::new();
    let mut acts = Vec::new();
    let mut set_aside = SetAside::default();
    let rows = context.sql(sql!("ranking_deed")).await.map_err(failed)?.collect().await.map_err(failed)?;
    for batch in &rows {
        let text = |at: usize| cast(batch.column(at), &DataType::Utf8).map(|column| column.as_string::<i32>().clone());
        let columns = [text(0), text(2), text(3)].into_iter().collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|error| failed(error.into()))?;
        let at = cast(batch.column(1), &DataType::Int64).map_err(|error| failed(error.into()))?;
        let at = at.as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let product =
                Some(row).filter(|row| columns[2].is_valid(*row)).and_then(|row| product_id(columns[2].value(row)));
            let product = product.and_then(|id| place.get(&id).copied());
            let user = columns[0].value(row);
            let kind = EventKind::parse(columns[1].value(row));
            let passed_over = [
                (!at.is_valid(row) || user.is_empty(), &mut set_aside.incomplete),
                (kind.is_none(), &mut set_aside.of_unknown_kind),
                (!kind.is_some_and(says_something), &mut set_aside.of_no_wish),
                (device_of(user).is_some(), &mut set_aside.of_devices),
                (product.is_none(), &mut set_aside.of_unknown_products),
            ];
            if let Some((_, count)) = passed_over.into_iter().find(|(holds, _)| *holds) {
                *count += 1;
                continue;
            }
            let Some(product) = product else { continue };
            let user = *number.entry(user.to_owned()).or_insert_with(|| {
                users.push(user.to_owned());
                users.len() - 1
            });
            acts.push(Act { at: at.value(row), user, product });
        }
    }
    let source = format!("the tables in {}", options.input.display());
    Ok((history, Shop { source, users, items, log: Log { products, acts }, set_aside }))
}
