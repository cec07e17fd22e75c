//! How many of a viewer's first places change.
//!
//! Two shares for each viewer: of the first places as they are seen, and of the first places among
//! the products that both snapshots show the viewer at that moment. The second leaves out what the
//! schedule and the verdicts changed, so it tells of tastes and the ranking alone.

use std::collections::BTreeSet;

use serde::Serialize;
use sinsang_core::scatter::scatter;
use sinsang_core::surface::View;
use sinsang_core::surface::new::{self, Selection};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserKey;

use super::{Draw, Side};

/// The places compared, from the first: about two screens of a phone.
pub const FIRST: usize = 20;
/// The resamples of an interval.
const RESAMPLES: u64 = 1_000;

/// Shares from 0 to 1 over viewers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// The mean.
    pub mean: f64,
    /// The ends of the mean's 95 % interval, by bootstrap over viewers.
    pub interval: [f64; 2],
    /// The median.
    pub median: f64,
    /// The 90th percentile.
    pub ninetieth: f64,
    /// The largest.
    pub most: f64,
}

/// How the first places of the tab `new` change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Churn {
    /// Viewers drawn of those with tastes in one of the snapshots.
    pub viewers: usize,
    /// Products listed at that moment in the shared order, before and next.
    pub listed: [usize; 2],
    /// The share of the shared order's first places that are other products.
    pub shared_changed: f64,
    /// The same among the products that both show.
    pub shared_reordered: f64,
    /// Over viewers, the share of first places that are other products.
    pub changed: Distribution,
    /// The same among the products that both show.
    pub reordered: Distribution,
    /// Viewers by the places that are other products, from none to all of [`FIRST`].
    pub by_places: Vec<u64>,
}

/// One viewer's shares.
struct Shares {
    changed: f64,
    reordered: f64,
    listed: [usize; 2],
}

impl Churn {
    pub(super) fn of(next: &Side<'_>, before: &Side<'_>, draw: &Draw, at: UnixMillis) -> Self {
        let keys = draw.viewers(next.shards);
        let shared = shares(next, before, None, at);
        let all: Vec<Shares> = keys.iter().map(|key| shares(next, before, Some(*key), at)).collect();
        let mut by_places = vec![0; FIRST + 1];
        for one in &all {
            if let Some(count) = by_places.get_mut(places(one.changed)) {
                *count += 1;
            }
        }
        Self {
            viewers: all.len(),
            listed: shared.listed,
            shared_changed: shared.changed,
            shared_reordered: shared.reordered,
            changed: Distribution::of(all.iter().map(|one| one.changed).collect(), draw.seed),
            reordered: Distribution::of(all.iter().map(|one| one.reordered).collect(), draw.seed),
            by_places,
        }
    }

    /// The mean share that changes among the products that both show: over drawn viewers, or of the
    /// shared order if there are none.
    pub fn mean_reordered(&self) -> f64 {
        if self.viewers == 0 { self.shared_reordered } else { self.reordered.mean }
    }
}

fn shares(next: &Side<'_>, before: &Side<'_>, viewer: Option<u64>, at: UnixMillis) -> Shares {
    let [was, is] = [before, next].map(|side| order(side, viewer, at));
    let [listed_before, listed_next] = [&was, &is].map(|order| order.iter().copied().collect::<BTreeSet<u64>>());
    let in_both = |order: &[u64]| -> Vec<u64> {
        order.iter().copied().filter(|id| listed_before.contains(id) && listed_next.contains(id)).collect()
    };
    Shares {
        changed: changed(&was, &is),
        reordered: changed(&in_both(&was), &in_both(&is)),
        listed: [was.len(), is.len()],
    }
}

/// The products that `side` shows the viewer at `at`, in order.
fn order(side: &Side<'_>, viewer: Option<u64>, at: UnixMillis) -> Vec<u64> {
    let shared = View::shared(side.board, at);
    let own = viewer.and_then(|key| Some(View::of_user(side.board, at, side.taste(key)?, UserKey(key))));
    let page = new::page(&own.unwrap_or(shared), &Selection::recommended(at, usize::MAX));
    page.products.into_iter().map(|index| side.board.product(index).id()).collect()
}

/// The share of the first places that are other products, of the longer list's places.
fn changed(before: &[u64], next: &[u64]) -> f64 {
    let [before, next] = [before, next].map(|order| order.iter().take(FIRST).collect::<BTreeSet<_>>());
    let most = before.len().max(next.len());
    share(most - before.intersection(&next).count(), most)
}

impl Distribution {
    fn of(mut shares: Vec<f64>, seed: u64) -> Self {
        shares.sort_by(f64::total_cmp);
        let mut means: Vec<f64> = (0..RESAMPLES).map(|round| resampled(&shares, scatter(seed, round))).collect();
        means.sort_by(f64::total_cmp);
        Self {
            mean: mean(shares.iter().copied(), shares.len()),
            interval: [quantile(&means, 25, 1_000), quantile(&means, 975, 1_000)],
            median: quantile(&shares, 1, 2),
            ninetieth: quantile(&shares, 9, 10),
            most: shares.last().copied().unwrap_or(0.0),
        }
    }
}

/// The mean of as many draws with replacement.
fn resampled(shares: &[f64], seed: u64) -> f64 {
    let count = shares.len() as u64;
    let at = |draw: u64| usize::try_from(scatter(seed, draw) % count.max(1)).unwrap_or(0);
    mean((0..count).filter_map(|draw| shares.get(at(draw)).copied()), shares.len())
}

fn mean(shares: impl Iterator<Item = f64>, count: usize) -> f64 {
    let sum = shares.fold(0.0, |sum, share| sum + share);
    rounded(sum / float(count.max(1)))
}

/// The smallest value that at least `part` of `of` of the sorted values do not exceed.
fn quantile(sorted: &[f64], part: usize, of: usize) -> f64 {
    let rank = (sorted.len() * part).div_ceil(of);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn share(part: usize, of: usize) -> f64 {
    rounded(float(part) / float(of.max(1)))
}

fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[expect(clippy::cast_precision_loss, reason = "places and viewers are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share from 0 to 1 of few places")]
fn places(share: f64) -> usize {
    (share * float(FIRST)).round() as usize
}
