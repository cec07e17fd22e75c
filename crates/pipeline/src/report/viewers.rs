//! The recent events of listed viewers, for the preview page behind its secret. They are never part
//! of a snapshot.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};
use sinsang_core::time::UnixMillis;
use sinsang_run::file::read_text;
use sinsang_run::replace::{Access, replace};

use crate::engine::{register_rows, sql};
use crate::learn::taste::ProductFeatures;
use crate::read::forgotten::Whose;

/// The most users listed.
pub const MAX_VIEWERS: usize = 50;
/// Byte limit of the list.
const LIST_BYTES: u64 = 1 << 20;
/// The most events of one user.
pub const MAX_EVENTS: usize = 20;

/// Why the file of viewers' events can't be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The list of users is invalid.
    #[error("{}: {source}; expected {{\"viewers\":[{{\"user_id\":\"…\",\"label\":\"…\"}}]}}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Too many users.
    #[error("{}: {count} users, more than the limit of {MAX_VIEWERS}", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// Number of users in the file.
        count: usize,
    },
    /// A query failed.
    #[error("the last events of viewers can't be read: {0}")]
    Engine(#[from] DataFusionError),
}

/// Listed users, as `sinsang generate` and `sinsang import` write them.
#[derive(Debug, Deserialize)]
pub struct Viewers {
    viewers: Vec<Viewer>,
}

#[derive(Debug, Deserialize)]
struct Viewer {
    user_id: String,
    label: String,
}

/// One event of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Event {
    /// RFC 3339 in +09:00.
    at: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tab_id: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    user_id: &'a str,
    label: &'a str,
    events: &'a [Event],
}

impl Viewers {
    /// Reads the list of users at `path`.
    ///
    /// # Errors
    /// An [`Error`] that names the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = read_text(path, LIST_BYTES).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let read: Self = serde_json::from_str(&text).map_err(|source| Error::List { path: path.to_owned(), source })?;
        match read.viewers.len() {
            ..=MAX_VIEWERS => Ok(read),
            count => Err(Error::TooMany { path: path.to_owned(), count }),
        }
    }

    /// Writes the users to `path`, each with their recent events until `now`, latest first;
    /// forgotten users are left out. The tables `events`, with users named as in `whose`, and
    /// `event_listing` must be registered.
    ///
    /// # Errors
    /// An [`Error`] that names the file, or the engine's error.
    pub async fn tell(
        &self,
        path: &Path,
        context: &SessionContext,
        products: &[ProductFeatures<'_>],
        whose: Whose<'_>,
        now: UnixMillis,
    ) -> Result<(), Error> {
        let titles: HashMap<u64, &str> = products.iter().map(|product| (product.product, product.title)).collect();
        let told = self.viewers.iter().filter(|viewer| !whose.is_forgotten(&viewer.user_id));
        let told: Vec<(&Viewer, String)> = told.map(|viewer| (viewer, whose.name(&viewer.user_id))).collect();
        let wanted: Vec<&str> = told.iter().map(|(_, name)| name.as_str()).collect();
        let events = events(context, wanted, &titles, now).await?;
        let viewers: Vec<Told<'_>> = told
            .iter()
            .map(|(viewer, name)| Told {
                user_id: &viewer.user_id,
                label: &viewer.label,
                events: events.get(name).map(Vec::as_slice).unwrap_or_default(),
            })
            .collect();
        let failed = |source| Error::File { path: path.to_owned(), source };
        let bytes = serde_json::to_vec(&serde_json::json!({ "viewers": viewers }));
        // Users' events are private: only the owner can read the file.
        bytes.map_err(io::Error::from).and_then(|bytes| replace(path, &bytes, Access::Owner)).map_err(failed)
    }
}

async fn events(
    context: &SessionContext,
    wanted: Vec<&str>,
    titles: &HashMap<u64, &str>,
    now: UnixMillis,
) -> Result<BTreeMap<String, Vec<Event>>, DataFusionError> {
    let schema = Arc::new(Schema::new(vec![Field::new("user_id", DataType::Utf8, false)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringArray::from(wanted))])?;
    register_rows(context, "wanted_viewer", schema, vec![batch])?;
    let number = |name: &str, value| (name.to_owned(), ScalarValue::Int64(Some(value)));
    let most = i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX);
    let asked =
        context.sql(sql!("viewer_event")).await?.with_param_values(vec![number("now", now.0), number("most", most)])?;
    let mut events: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for batch in asked.collect().await? {
        let text = |name: &str| {
            let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            column.ok_or_else(|| DataFusionError::Internal(format!("column {name} of viewer_event is no text")))
        };
        let [users, kinds, products, listings, tabs, channels] =
            ["user_id", "kind", "product", "listing_id", "tab_id", "channel"].map(text);
        let (users, kinds, products, listings, tabs, channels) =
            (users?, kinds?, products?, listings?, tabs?, channels?);
        let times = batch.column_by_name("at").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let times = times.ok_or_else(|| DataFusionError::Internal("at of viewer_event is no time".to_owned()))?;
        for at in 0..batch.num_rows() {
            let of = |column: &StringArray| (!column.is_null(at)).then(|| column.value(at).to_owned());
            let product_id = of(products);
            let known = product_id.as_deref().and_then(|id| u64::from_str_radix(id, 16).ok());
            let title = known.and_then(|id| titles.get(&id)).map(|title| (*title).to_owned());
            events.entry(users.value(at).to_owned()).or_default().push(Event {
                at: UnixMillis(times.value(at)).to_kst_rfc3339(),
                kind: kinds.value(at).to_owned(),
                // A listing unknown to all tables is shown by its code.
                title: title.or_else(|| of(listings)),
                product_id,
                channel: of(channels),
                tab_id: of(tabs),
            });
        }
    }
    Ok(events)
}
