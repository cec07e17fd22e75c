//! The hindsight on two snapshots: the same actions of the last 24 hours in the lists of both.
//!
//! It takes the events of a build's tables. Which product an event is about, the boards say: an
//! action on a listing counts for the product that has the listing on the next board or, if none
//! has, on the one before. So no history is resolved again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Deserialize;
use sinsang_core::pack::board::Board;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::viewer::UserHasher;
use sinsang_publish::Hindsight;
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;

use super::{FIRST_LIVE, FIRST_NEW, Judged, Period, judge};
use crate::engine::{self, register_rows, sql};
use crate::read::forgotten::{self, Forgotten};
use crate::read::rekey::{self, Renamed};
use crate::read::source::{self, Source, find_table};

/// The tables, and how to read them.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The folder of a build's tables, of which `events` is read.
    pub tables: PathBuf,
    /// The secret that both snapshots were built with.
    pub user_key: String,
    /// The end of the period.
    pub until: UnixMillis,
    /// The progress display.
    pub progress: Progress,
}

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
    /// The folder has no events.
    #[error("{} has no table of events, so there is no hindsight: name the folder of a build's tables", tables.display())]
    NoEvents {
        /// The folder.
        tables: PathBuf,
    },
    /// No key to hash users with.
    #[error("no key to hash users with: set SINSANG_USER_KEY to the key that both snapshots were built with")]
    NoUserKey,
    /// The engine can't start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The events can't be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The list of forgotten users can't be read.
    #[error(transparent)]
    Forgotten(#[from] forgotten::Error),
    /// The file of users under two keys can't be read.
    #[error(transparent)]
    Renamed(#[from] rekey::Error),
    /// A query failed.
    #[error("actions can't be looked up: {0}")]
    Query(#[from] DataFusionError),
}

/// Looks the actions of the 24 hours before `asked.until` up in both snapshots.
///
/// # Errors
/// An [`Error`] if the events can't be read.
pub async fn of_two(sides: Sides<'_>, asked: &Asked) -> Result<Hindsight, Error> {
    let hasher = UserHasher::new(asked.user_key.as_bytes()).ok_or(Error::NoUserKey)?;
    let renamed = Renamed::read(&asked.tables)?;
    let forgotten = Forgotten::read(&asked.tables)?.by_all_names(&renamed);
    let no_events = || Error::NoEvents { tables: asked.tables.clone() };
    let events = find_table(&asked.tables, "events").map_err(source::Error::from)?.ok_or_else(no_events)?;
    let engine = engine::Options::default();
    let options = source::Options {
        work_dir: engine.work_dir(),
        rejects: None,
        limit: Limit::default(),
        zones: Zones::default(),
        page_bytes: engine.memory_bytes as u64 / 4,
        progress: asked.progress,
    };
    let work = options.work_folder()?;
    let spill_dir = Some(work.path().join("spill"));
    let mut source = Source::within(work, engine::open(&engine::Options { spill_dir, ..engine })?, options)?;
    source.rename(renamed);
    source.open_events(&events, asked.until, Some(hasher)).await?;
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
