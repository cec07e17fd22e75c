//! The hindsight on two snapshots: the same actions of the last 24 hours in the lists of both.
//!
//! It takes the events of a build's tables. Which product an event is about, the boards say: an
//! action on a listing counts for the product that has the listing on the next board or, if none
//! has, on the one before. So no history is resolved again.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Deserialize;
use sinsang_core::pack::board::Board;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_publish::Hindsight;

use super::{FIRST_LIVE, FIRST_NEW, Judged, Period, judge};
use crate::engine::{register_rows, sql};
use crate::read::past_events;

/// The snapshots, each to be judged.
pub struct Sides<'a> {
    /// The one that would go live.
    pub next: Judged<'a>,
    /// The one before.
    pub before: Judged<'a>,
}

/// Why actions can't be looked up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The events can't be read.
    #[error("{0}")]
    Events(#[from] past_events::Error),
    /// A query failed.
    #[error("actions can't be looked up: {0}")]
    Query(#[from] DataFusionError),
}

/// Looks the actions of the 24 hours before `asked.until` up in both snapshots.
///
/// # Errors
/// An [`Error`] if the events can't be read.
pub async fn of_two(sides: Sides<'_>, asked: &past_events::Asked) -> Result<Hindsight, Error> {
    let (source, forgotten) = past_events::open(asked).await?;
    let context = source.context();
    register_listings(context, [sides.before.board, sides.next.board])?;
    let listing = context.sql(sql!("taste_listing")).await?.into_view();
    context.register_table("event_listing", listing)?;
    let period = Period { since: asked.until.plus(-DAY_MS), until: asked.until };
    let [next, before] = judge(context, [sides.next, sides.before], &forgotten, period).await?;
    let [since, until] = [period.since, period.until].map(UnixMillis::to_kst_rfc3339);
    Ok(Hindsight { since, until, first_new: FIRST_NEW, first_live: FIRST_LIVE, before, next })
}

/// Registers the table `listing_products` of the listings on `boards`; a later board decides.
fn register_listings(context: &SessionContext, boards: [&Board; 2]) -> Result<(), DataFusionError> {
    #[derive(Deserialize)]
    struct Head {
        listings: Vec<Listing>,
    }
    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Listing {
        shop: String,
        listing_id: String,
    }
    let mut products: BTreeMap<Listing, u64> = BTreeMap::new();
    for board in boards {
        for product in (0..board.product_count()).map(|index| board.product(index)) {
            let head = serde_json::from_slice::<Head>(&[product.head_json(), b"}"].concat());
            let listings = head.map(|head| head.listings).unwrap_or_default();
            products.extend(listings.into_iter().map(|listing| (listing, product.id())));
        }
    }
    let texts = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
    let columns = vec![
        texts(products.keys().map(|listing| listing.shop.clone()).collect()),
        texts(products.keys().map(|listing| listing.listing_id.clone()).collect()),
        texts(products.values().map(|product| format!("{product:016x}")).collect()),
        texts(products.values().map(|_| String::new()).collect()),
    ];
    let names = ["shop", "listing_id", "product", "channel"];
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    register_rows(context, "listing_products", schema, vec![batch])
}
