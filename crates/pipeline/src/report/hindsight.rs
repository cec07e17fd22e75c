//! Hindsight: how well a snapshot ranks users' actions. A build looks at the previous snapshot,
//! whose order was made without knowledge of them.
//!
//! Each action of a user with tastes is looked up in the list that the edge makes of the snapshot
//! for that moment, in the user's order and in the shared order, without the pulse and experiments.
//! Products in front are met more often, whoever likes them, so these numbers compare builds and
//! the two orders, and prove nothing about shoppers.

mod two;

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::surface::new::{self, Selection};
use sinsang_core::surface::{View, live};
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_core::viewer::UserKey;
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{Judgement, Ranks};

use crate::engine::sql;
use crate::read::forgotten::Forgotten;
pub use two::{Error, Sides, of_two};

/// The most actions looked up.
pub const MAX_DEEDS: i64 = 5_000;
/// The age limit of an action.
const MAX_AGE_MS: i64 = 48 * HOUR_MS;
/// The first places of the new-product tab: about those visible without much scrolling.
pub const FIRST_NEW: usize = 10;
/// The first places of the live order: those in its strip.
pub const FIRST_LIVE: usize = 3;

/// The ranks found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The snapshot judged.
    pub snapshot: String,
    /// The start of the period, RFC 3339 in +09:00.
    pub since: String,
    /// The new-product tab; `first` covers [`FIRST_NEW`] places.
    pub new: Ranks,
    /// The live order; `first` covers [`FIRST_LIVE`] places.
    pub live: Ranks,
}

/// Sums, before division.
#[derive(Default)]
struct Sums {
    deeds: usize,
    own: (f64, usize),
    shared: (f64, usize),
}

#[expect(clippy::cast_precision_loss, reason = "places and counts are far below 2^52")]
impl Sums {
    fn add(&mut self, place: Place, first: usize) {
        let (Some(own), Some(shared)) = (place.own, place.shared) else { return };
        self.deeds += 1;
        for (sum, place) in [(&mut self.own, own), (&mut self.shared, shared)] {
            sum.0 += 1.0 / (place + 1) as f64;
            sum.1 += usize::from(place < first);
        }
    }

    fn ranks(&self) -> Ranks {
        let mean = |sum: f64| rounded_mean(sum, self.deeds);
        Ranks {
            deeds: self.deeds,
            reciprocal: mean(self.own.0),
            shared_reciprocal: mean(self.shared.0),
            first: mean(self.own.1 as f64),
            shared_first: mean(self.shared.1 as f64),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn rounded_mean(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { (sum / count as f64 * 1e4).round() / 1e4 }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(part: usize, of: usize) -> f64 {
    rounded_mean(part as f64, of)
}

/// A period of actions: after `since`, up to `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its start.
    pub since: UnixMillis,
    /// Its end.
    pub until: UnixMillis,
}

/// Compares users' actions until `now` with the snapshot `before`; `None` if that is unreadable or
/// not older than `now`. The tables `events` and `event_listing` must be registered.
///
/// # Errors
/// The engine's error.
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
    let mut read = |id| before.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id)).ok();
    let side = Judged::new(&manifest, &board, &mut read);
    let [Judgement { new, live, .. }] = judge(context, [side], forgotten, Period { since, until: now }).await?;
    Ok(Some(Report { snapshot: manifest.snapshot().to_string(), since: since.to_kst_rfc3339(), new, live }))
}

/// Looks users' actions of `period` up in the lists of the snapshots `sides`. An action counts if
/// all of them list its product for the user at that moment, so that they are compared by the same
/// actions. The tables `events` and `event_listing` must be registered.
///
/// # Errors
/// The engine's error.
pub async fn judge<const N: usize>(
    context: &SessionContext,
    mut sides: [Judged<'_>; N],
    forgotten: &Forgotten,
    period: Period,
) -> Result<[Judgement; N], DataFusionError> {
    let mut sums: [(Sums, Sums); N] = std::array::from_fn(|_| Default::default());
    let (mut deeds_judged, mut learned) = (0, [0; N]);
    for (user, at, product) in deeds(context, period).await? {
        let Some(key) = UserKey::parse(&user).filter(|_| !forgotten.holds(&user)) else { continue };
        let Ok(product) = u64::from_str_radix(&product, 16) else { continue };
        let places: Vec<Places> = sides.iter_mut().filter_map(|side| side.places(key, at, product)).collect();
        if places.len() < N {
            continue;
        }
        let is_in_new = places.iter().all(|places| places.new.is_in_both());
        let is_live = places.iter().all(|places| places.live.is_in_both());
        for ((new, live), places) in sums.iter_mut().zip(&places) {
            if is_in_new {
                new.add(places.new, FIRST_NEW);
            }
            if is_live {
                live.add(places.live, FIRST_LIVE);
            }
        }
        if is_in_new || is_live {
            deeds_judged += 1;
            for (learned, side) in learned.iter_mut().zip(&sides) {
                *learned += usize::from(at < side.manifest.built_at());
            }
        }
    }
    let mut learned = learned.into_iter();
    Ok(sums.map(|(new, live)| {
        let (new, live) = (new.ranks(), live.ranks());
        Judgement { new, live, learned: share(learned.next().unwrap_or(0), deeds_judged) }
    }))
}

/// A snapshot that is judged. Users are looked up by key, in order, like shards, so one shard is
/// loaded at a time.
pub struct Judged<'a> {
    manifest: &'a Manifest,
    board: &'a Board,
    read: &'a mut dyn FnMut(PackId) -> Option<TasteShard>,
    shard: Option<(PackId, Option<TasteShard>)>,
}

/// The places of a product, from 0, for a user.
struct Places {
    new: Place,
    live: Place,
}

/// A product's place in the user's order and in the shared order.
#[derive(Clone, Copy)]
struct Place {
    own: Option<usize>,
    shared: Option<usize>,
}

impl Place {
    /// Whether both orders have it: a rule may hide a product from some viewers.
    fn is_in_both(self) -> bool {
        self.own.is_some() && self.shared.is_some()
    }
}

impl<'a> Judged<'a> {
    /// The snapshot with `manifest` and `board`, whose taste shards `read` loads.
    pub fn new(
        manifest: &'a Manifest,
        board: &'a Board,
        read: &'a mut dyn FnMut(PackId) -> Option<TasteShard>,
    ) -> Self {
        Self { manifest, board, read, shard: None }
    }

    /// The tastes of a user, if they have any.
    pub fn seat(&mut self, key: UserKey) -> Option<Taste<'_>> {
        self.sit(self.manifest.shard_of(key.0));
        self.taste(key)
    }

    /// The places of `product` for the user at `at`; `None` if the user has no tastes or the board
    /// lacks the product.
    fn places(&mut self, key: UserKey, at: UnixMillis, product: u64) -> Option<Places> {
        let product = self.board.find_product(product)?;
        self.sit(self.manifest.shard_of(key.0));
        let shared = View::shared(self.board, at);
        let own = View::of_user(self.board, at, self.taste(key)?, key);
        let place =
            |of: fn(&View<'_>, usize) -> Option<usize>| Place { own: of(&own, product), shared: of(&shared, product) };
        Some(Places { new: place(place_in_new), live: place(place_on_air) })
    }

    fn sit(&mut self, shard: Option<PackId>) {
        if self.shard.as_ref().map(|(id, _)| *id) != shard {
            self.shard = shard.map(|id| (id, (self.read)(id)));
        }
    }

    fn taste(&self, key: UserKey) -> Option<Taste<'_>> {
        let shard = self.shard.as_ref()?.1.as_ref()?;
        let fits = shard.widths().vocabulary == self.board.vocabulary();
        shard.find(key.0).filter(|_| fits).map(|record| Taste::cut(record, shard.widths()))
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
    Period { since, until: now }: Period,
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

    /// One in sixteen user keys begins with a `d`.
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
        let found = deeds(&context, Period { since: UnixMillis(0), until: UnixMillis(9) }).await.unwrap();
        let users: Vec<&str> = found.iter().map(|(user, ..)| user.as_str()).collect();
        assert_eq!(users, ["0123456789abcdef", "d123456789abcdef"]);
    }

    #[test]
    fn places_become_means_and_what_only_one_list_has_is_left_out() {
        let mut sums = Sums::default();
        assert_eq!(sums.ranks(), Ranks::default());
        for (own, shared) in [(Some(0), Some(1)), (Some(3), Some(9)), (None, Some(0)), (Some(1), None)] {
            sums.add(Place { own, shared }, 3);
        }
        let ranks = Ranks { deeds: 2, reciprocal: 0.625, shared_reciprocal: 0.3, first: 0.5, shared_first: 0.5 };
        assert_eq!(sums.ranks(), ranks);
    }
}
