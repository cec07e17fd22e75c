//! Why an answer can't be replayed.

use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::UnixMillis;
use sinsang_publish::Error as StoreError;

/// Why an answer can't be replayed. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + Send + Sync + 'static> {
    /// The store failed, or its history of the overlay or list of the forgotten can't be read.
    #[error(transparent)]
    Store(#[from] StoreError<E>),
    /// The time has not come.
    #[error("{at} is ahead of this machine's clock, which says {now}")]
    Ahead {
        /// The time asked for.
        at: UnixMillis,
        /// The machine's.
        now: UnixMillis,
    },
    /// The time is before those that values are kept for.
    #[error("{at} is too long ago: the store keeps a week, since {since}")]
    TooOld {
        /// The time asked for.
        at: UnixMillis,
        /// The first that can be replayed.
        since: UnixMillis,
    },
    /// The viewer asked to be forgotten.
    #[error("this user asked to be forgotten: nothing that was shown to them is replayed")]
    Forgotten,
    /// No manifest is known for that time.
    #[error("no snapshot was live at {at}{}", first.map_or_else(
        || ": the store's history of runs names none".to_owned(),
        |first| format!(": the history of runs begins with the one that went live at {first}")
    ))]
    NothingLive {
        /// The time asked for.
        at: UnixMillis,
        /// When the first known snapshot went live.
        first: Option<UnixMillis>,
    },
    /// The snapshot named was neither live nor on trial before that time.
    #[error("snapshot {snapshot} was neither live nor on trial by {at}, as far back as the history of runs goes")]
    UnknownSnapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The time asked for.
        at: UnixMillis,
    },
    /// The snapshot named was on trial, and its viewers did not include this one; or a list went on
    /// in another.
    #[error(
        "this request was not answered from snapshot {snapshot} but from {given}: that one is on trial for others, or the list began elsewhere"
    )]
    OtherSnapshot {
        /// The snapshot asked for.
        snapshot: SnapshotId,
        /// The one that the edge answers from.
        given: String,
    },
    /// The store no longer has a value that the answer was given from.
    #[error(
        "{key} ({what}) is gone from the store: `sinsang collect` removed it, by --replay-days and --grace, or it expired"
    )]
    Gone {
        /// The value's key.
        key: String,
        /// What it was.
        what: &'static str,
    },
    /// A value of the store is damaged.
    #[error("{key} ({what}) is damaged: {damage}")]
    Damaged {
        /// The value's key.
        key: String,
        /// What it is.
        what: &'static str,
        /// The damage.
        damage: String,
    },
    /// The overlay's log does not have the revision.
    #[error("the overlay's log has no revision {revision}; `sinsang overlay history` lists them")]
    UnknownRevision {
        /// The revision.
        revision: u32,
    },
    /// No values that an isolate may have used give an answer with this ETag.
    #[error("no answer of {at} has the ETag {etag}. {tried} choices were tried: {choices}. {ADVICE}")]
    NoMatch {
        /// The ETag asked for.
        etag: String,
        /// The time asked for.
        at: UnixMillis,
        /// How many choices were tried.
        tried: usize,
        /// What they were of.
        choices: String,
    },
    /// The edge's state machine asked for something that no surface needs.
    #[error("the edge asked for {what}, which a replay has not")]
    Unexpected {
        /// What it asked for.
        what: &'static str,
    },
}

const ADVICE: &str = "Compare the viewer, the device, the query, --region and --device-class with the \
    request, and the time with the answer's; --snapshot, --pulse and --overlay name values that are older";
