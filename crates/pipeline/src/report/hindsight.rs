//! How well the snapshot before had ranked what users did since: what an order is worth where nobody has looked ahead.
//!
//! Each thing that a user with tastes did with a product is looked up in the list that the edge made of that snapshot for the moment, in the
//! user's order and in everybody's. Neither the pulse nor experiments take part. What stands in front is met more often, whoever
//! likes it, so these numbers are for the comparison of builds and of the two orders, and prove nothing about shoppers.

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::surface::new::{self, Selection};
use sinsang_core::surface::{View, live};
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_core::viewer::UserKey;
use sinsang_publish::snapshot::Snapshot;

use crate::engine::sql;
use crate::read::forgotten::Forgotten;

/// Things done that are looked up at most.
pub const MAX_DEEDS: i64 = 5_000;
/// How far back they reach.
const MAX_AGE_MS: i64 = 48 * HOUR_MS;
/// The first places of the new-product tab, about what is seen without scrolling far.
pub const FIRST_NEW: usize = 10;
/// The first places of the live order, what its strip shows.
pub const FIRST_LIVE: usize = 3;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The snapshot that is judged.
    pub snapshot: String,
    /// From when on things done count, RFC 3339 in +09:00.
    pub since: String,
    /// The new-product tab; `first` is of [`FIRST_NEW`] places.
    pub new: Ranks,
    /// The live order; `first` is of [`FIRST_LIVE`] places.
    pub live: Ranks,
}

/// Where products stood that users with tastes did something with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ranks {
    /// Things done with products that were in the list at that moment.
    pub deeds: usize,
    /// The mean of 1 / place, from 0 to 1, in the user's order.
    pub reciprocal: f64,
    /// The same in the order of everybody.
    pub shared_reciprocal: f64,
    /// The share that stood in the first places, from 0 to 1, in the user's order.
    pub first: f64,
    /// The same in the order of everybody.
    pub shared_first: f64,
}

/// Sums, before they are divided.
#[derive(Default)]
struct Sums {
    deeds: usize,
    own: (f64, usize),
    shared: (f64, usize),
}

#[expect(clippy::cast_precision_loss, reason = "places and counts are far below 2^52")]
impl Sums {
    fn add(&mut self, own: Option<usize>, shared: Option<usize>, first: usize) {
        // A rule may hide from one what another sees; only what is in both lists is compared.
        let (Some(own), Some(shared)) = (own, shared) else { return };
        self.deeds += 1;
        for (sum, place) in [(&mut self.own, own), (&mut self.shared, shared)] {
            sum.0 += 1.0 / (place + 1) as f64;
            sum.1 += usize::from(place < first);
        }
    }

    fn ranks(&self) -> Ranks {
        let mean = |sum: f64| if self.deeds == 0 { 0.0 } else { (sum / self.deeds as f64 * 1e4).round() / 1e4 };
        Ranks {
            deeds: self.deeds,
            reciprocal: mean(self.own.0),
            shared_reciprocal: mean(self.shared.0),
            first: mean(self.own.1 as f64),
            shared_first: mean(self.shared.1 as f64),
        }
    }
}

/// Holds what users did until `now` against `before`; `None` where there is no snapshot that can be read, or none from before `now`. The tables
/// `events` and `event_listing` are registered.
///
/// # Errors
/// What the engine says.
pub async fn look(
    context: &SessionContext,
    before: &Snapshot,
    forgotten: &Forgotten,
    now: UnixMillis,
) -> Result<Option<Report>, DataFusionError> {
    let Ok(manifest) = before.manifest() else { return Ok(None) };
    let (id, built_at) = (manifest.board(), manifest.built_at());
    let Ok(board) = before.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id)) else { return Ok(None) };
    if built_at >= now {
        return Ok(None);
    }
    let since = built_at.max(now.plus(-MAX_AGE_MS));
    let mut viewer = Viewer { snapshot: before, board: &board, key: UserKey(0), shard: None };
    let (mut new, mut live) = (Sums::default(), Sums::default());
    for (user, at, product) in deeds(context, since, now).await? {
        let Some(key) = UserKey::parse(&user).filter(|_| !forgotten.holds(&user)) else { continue };
        let Some(product) = u64::from_str_radix(&product, 16).ok().and_then(|id| board.find_product(id)) else {
            continue;
        };
        viewer.sit(key, manifest.shard_of(key.0));
        let Some(taste) = viewer.taste() else { continue };
        let shared = View::shared(&board, at);
        let own = View { taste: Some(taste), viewer: key.0, ..shared };
        new.add(place_in_new(&own, product), place_in_new(&shared, product), FIRST_NEW);
        live.add(place_on_air(&own, product), place_on_air(&shared, product), FIRST_LIVE);
    }
    Ok(Some(Report {
        snapshot: manifest.snapshot().to_string(),
        since: since.to_kst_rfc3339(),
        new: new.ranks(),
        live: live.ranks(),
    }))
}

/// Whose order it is. Users come by their keys, and so do shards: one is read at a time.
struct Viewer<'a> {
    snapshot: &'a Snapshot,
    board: &'a Board,
    key: UserKey,
    shard: Option<(PackId, Option<TasteShard>)>,
}

impl Viewer<'_> {
    fn sit(&mut self, key: UserKey, shard: Option<PackId>) {
        self.key = key;
        if self.shard.as_ref().map(|(id, _)| *id) != shard {
            let read = |id| self.snapshot.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id)).ok();
            self.shard = shard.map(|id| (id, read(id)));
        }
    }

    fn taste(&self) -> Option<Taste<'_>> {
        let shard = self.shard.as_ref()?.1.as_ref()?;
        let fits = shard.widths().vocabulary == self.board.vocabulary();
        shard.find(self.key.0).filter(|_| fits).map(|record| Taste::cut(record, shard.widths()))
    }
}

fn place_in_new(view: &View<'_>, product: usize) -> Option<usize> {
    let selection = Selection::recommended(view.now, usize::MAX);
    new::page(view, &selection).products.iter().position(|index| *index == product)
}

fn place_on_air(view: &View<'_>, product: usize) -> Option<usize> {
    live::order(view).iter().position(|slot| view.board.slot(*slot).product() == product)
}

async fn deeds(
    context: &SessionContext,
    since: UnixMillis,
    now: UnixMillis,
) -> Result<Vec<(String, UnixMillis, String)>, DataFusionError> {
    let number = |name: &str, value| (name.to_owned(), ScalarValue::Int64(Some(value)));
    let numbers = vec![number("since", since.0), number("now", now.0), number("most", MAX_DEEDS)];
    let mut found = Vec::new();
    for batch in context.sql(sql!("event_deed")).await?.with_param_values(numbers)?.collect().await? {
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let times = batch.column_by_name("at").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (Some(users), Some(times), Some(products)) = (text("user_id"), times, text("product")) else {
            return Err(DataFusionError::Internal("the columns of event_deed are of other kinds".to_owned()));
        };
        for at in (0..batch.num_rows()).filter(|at| !products.is_null(*at) && !times.is_null(*at)) {
            found.push((users.value(at).to_owned(), UnixMillis(times.value(at)), products.value(at).to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::*;

    /// One in sixteen keys of users begins with a `d`.
    #[tokio::test]
    async fn a_users_deeds_count_whatever_their_key_begins_with_and_a_devices_do_not() {
        let texts = |values: &[Option<&str>]| Arc::new(values.iter().copied().collect::<StringArray>()) as ArrayRef;
        let context = SessionContext::new();
        let users = ["d123456789abcdef", "0123456789abcdef", "dd123456789abcdef", "d0123456789abcdef"].map(Some);
        let events = RecordBatch::try_from_iter_with_nullable([
            ("user_id", texts(&users), false),
            ("at", Arc::new(Int64Array::from(vec![5; 4])), false),
            ("kind", texts(&[Some("click"); 4]), false),
            ("shop", texts(&[None; 4]), true),
            ("listing_id", texts(&[None; 4]), true),
            ("product_id", texts(&[Some("00000000000000aa"); 4]), true),
        ]);
        context.register_batch("events", events.unwrap()).unwrap();
        let listings = ["shop", "listing_id", "product"].map(|name| (name, texts(&[]), true));
        context.register_batch("event_listing", RecordBatch::try_from_iter_with_nullable(listings).unwrap()).unwrap();
        let found = deeds(&context, UnixMillis(0), UnixMillis(9)).await.unwrap();
        let users: Vec<&str> = found.iter().map(|(user, ..)| user.as_str()).collect();
        assert_eq!(users, ["0123456789abcdef", "d123456789abcdef"]);
    }

    #[test]
    fn places_become_means_and_what_only_one_list_has_is_left_out() {
        let mut sums = Sums::default();
        assert_eq!(sums.ranks(), Ranks::default());
        for (own, shared) in [(Some(0), Some(1)), (Some(3), Some(9)), (None, Some(0)), (Some(1), None)] {
            sums.add(own, shared, 3);
        }
        let ranks = Ranks { deeds: 2, reciprocal: 0.625, shared_reciprocal: 0.3, first: 0.5, shared_first: 0.5 };
        assert_eq!(sums.ranks(), ranks);
    }
}
