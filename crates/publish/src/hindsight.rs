//! How well two snapshots would have ranked the same actions of users; the pipeline looks the
//! actions up.

use serde::Serialize;

/// Places of the products that users with tastes acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ranks {
    /// Actions on products that were in the list at that moment.
    pub deeds: usize,
    /// The mean of 1 / place, from 0 to 1, in the user's order.
    pub reciprocal: f64,
    /// The same in the shared order.
    pub shared_reciprocal: f64,
    /// The share in the first places, from 0 to 1, in the user's order.
    pub first: f64,
    /// The same in the shared order.
    pub shared_first: f64,
}

/// How well a snapshot would have ranked the actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Judgement {
    /// The tab `new`.
    pub new: Ranks,
    /// The live order.
    pub live: Ranks,
    /// The share of the actions that happened before the snapshot was built, from 0 to 1: it may
    /// have learned from them.
    pub learned: f64,
}

/// The same actions in the lists of two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hindsight {
    /// The start of the period, RFC 3339 in +09:00.
    pub since: String,
    /// Its end.
    pub until: String,
    /// The first places of the tab `new` that are counted.
    pub first_new: usize,
    /// The first places of the live order that are counted.
    pub first_live: usize,
    /// The snapshot before.
    pub before: Judgement,
    /// The next snapshot.
    pub next: Judgement,
}
