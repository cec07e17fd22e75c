//! The history of runs on a store: a list beside the snapshots, for `sinsang status`, and for
//! replays, which ask what was live when.

use serde::{Deserialize, Serialize};
use sinsang_core::key::{REPLAYABLE_MS, RUNS};
use sinsang_core::pack::PackId;
use sinsang_core::time::{DAY_MS, UnixMillis};

use crate::store::{Error, Store, read};
use crate::viewer_share::ViewerShare;

/// Runs that the list keeps whatever their age.
const MIN_RUNS: usize = 50;
/// The most runs of the list: a week with one every three minutes, 1 MB.
const MAX_RUNS: usize = 4_000;
/// How long the list keeps a run, in milliseconds: a day longer than answers can be replayed, since
/// a run's time is that of its begin.
const RUN_KEPT_MS: i64 = REPLAYABLE_MS + DAY_MS;
/// Attempts to add a run whose list another run overwrites.
const ATTEMPTS: u32 = 3;

/// One publish, change of a trial, rollback, collection or refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Time of the run, in Korean time.
    pub at: String,
    /// `publish`, `share` or `withdraw` for a trial, `rollback`, `collect`, or `refused` for a
    /// rejected publish.
    pub action: String,
    /// The snapshot that was live afterwards; for a trial the one that was tried, for a refusal the
    /// refused one.
    pub snapshot: String,
    /// The share of viewers who get a snapshot on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ViewerShare>,
    /// The manifest that was live after a publish or a rollback. It is the fallback if the live
    /// manifest becomes unreadable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// When the store was told to make that manifest live, RFC 3339 in UTC: a publish writes for
    /// minutes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<String>,
    /// Packs written, or removed by a collection.
    pub packs: usize,
    /// Bytes of those packs.
    pub bytes: u64,
    /// The operator who ran it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Whether a publish was forced although it differed too much from the live snapshot.
    #[serde(default, rename = "forced", skip_serializing_if = "std::ops::Not::not")]
    pub is_forced: bool,
    /// Reasons for the refusal, or those that a forced publish overrode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Run {
    /// A run that has written nothing yet.
    pub(crate) fn new((at, by): (UnixMillis, &str), action: &str, snapshot: String, reasons: Vec<String>) -> Self {
        let (at, by) = (at.to_string(), by.to_owned());
        Self { at, action: action.to_owned(), snapshot, by, reasons, ..Self::default() }
    }
}

/// A manifest that became the live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its name as a pack.
    pub manifest: PackId,
    /// When the store was told so.
    pub at: UnixMillis,
}

impl Move {
    /// The run with this move.
    pub(crate) fn of(self, run: Run) -> Run {
        Run { manifest: Some(self.manifest.to_string()), moved_at: Some(self.at.to_utc_rfc3339()), ..run }
    }
}

/// The moves that `runs` name, the latest first.
pub fn moves(runs: &[Run]) -> Vec<Move> {
    let time = |run: &Run| UnixMillis::parse_rfc3339(run.moved_at.as_deref().unwrap_or(&run.at));
    let of = |run: &Run| Some(Move { manifest: PackId::parse(run.manifest.as_deref()?)?, at: time(run)? });
    let mut moves: Vec<Move> = runs.iter().filter_map(of).collect();
    moves.sort_by_key(|one| std::cmp::Reverse(one.at));
    moves
}

/// Those of `moves`, the latest first, whose manifests were live at some time since `since`.
pub fn live_since(moves: &[Move], since: UnixMillis) -> &[Move] {
    let later = moves.iter().take_while(|one| one.at > since).count();
    moves.get(..=later).unwrap_or(moves)
}

/// The history, most recent first. An unreadable list counts as empty: no answer depends on it.
///
/// # Errors
/// [`Error::Store`] if the store does not answer.
pub fn runs<S: Store>(store: &mut S) -> Result<Vec<Run>, Error<S::Error>> {
    Ok(read(store, RUNS)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Drops runs that are old at `now`, and those above [`MAX_RUNS`]. The most recent one among them
/// that names a manifest stays: its manifest was live when the list begins.
fn shorten(runs: &mut Vec<Run>, now: UnixMillis) {
    let is_kept = |(place, run): (usize, &Run)| {
        let is_late = || UnixMillis::parse_rfc3339(&run.at).is_some_and(|at| now.since(at) <= RUN_KEPT_MS);
        place < MIN_RUNS || (place < MAX_RUNS && is_late())
    };
    let kept = (0..).zip(runs.iter()).take_while(|one| is_kept(*one)).count();
    let before = runs.split_off(kept).into_iter().find(|run| run.manifest.is_some());
    runs.extend(before);
}

/// Adds a run, and retries if a concurrent run overwrote the list. The run's work is done either
/// way, so the result only says whether the record was written.
pub(crate) fn record<S: Store>(store: &mut S, run: &Run, at: UnixMillis) -> bool {
    for _ in 0..ATTEMPTS {
        let Ok(mut runs) = runs(store) else { return false };
        if runs.contains(run) {
            return true;
        }
        runs.insert(0, run.clone());
        shorten(&mut runs, at);
        if !serde_json::to_vec(&runs).is_ok_and(|bytes| store.put(RUNS, &bytes, at).is_ok()) {
            return false;
        }
    }
    runs(store).is_ok_and(|runs| runs.contains(run))
}

#[cfg(test)]
mod tests {
    use sinsang_core::time::{HOUR_MS, MINUTE_MS};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_305_600_000);

    fn run(at: UnixMillis, is_named: bool) -> Run {
        let move_ = Move { manifest: PackId([7; 16]), at: at.plus(2 * MINUTE_MS) };
        let run = Run::new((at, "a test"), "publish", "0123456789abcdef".to_owned(), Vec::new());
        if is_named { move_.of(run) } else { run }
    }

    #[test]
    fn a_week_of_hourly_runs_is_kept_with_what_was_live_when_it_began() {
        // A publish each hour, with a collection and two changes of a trial beside it.
        let mut list = Vec::new();
        for hour in 0..24 * 30 {
            let at = NOW.plus(hour * HOUR_MS);
            for minutes in [0, 10, 20, 30] {
                list.insert(0, run(at.plus(minutes * MINUTE_MS), minutes != 10));
                shorten(&mut list, at);
            }
        }
        let ended = NOW.plus((24 * 30 - 1) * HOUR_MS);
        let moves = moves(&list);
        let since = ended.plus(-REPLAYABLE_MS);
        assert!((4 * 24 * 7..4 * 24 * 9).contains(&list.len()), "{}", list.len());
        let live = live_since(&moves, since);
        assert!(live.last().unwrap().at <= since && live[live.len() - 2].at > since);
        assert_eq!(live.len(), 3 * (24 * 7 + 1) + 1, "all that were live within the week, and the one at its begin");
    }

    #[test]
    fn a_busy_store_keeps_so_many_and_a_quiet_one_some_of_any_age() {
        let mut busy: Vec<Run> = (0..5_000).map(|second| run(NOW.plus(-second * 1_000), false)).collect();
        busy.push(run(NOW.plus(-6_000_000), true));
        shorten(&mut busy, NOW);
        assert_eq!((busy.len(), busy.last().unwrap().manifest.is_some()), (MAX_RUNS + 1, true));
        let mut quiet: Vec<Run> = (0..60).map(|month| run(NOW.plus(-month * 30 * DAY_MS), true)).collect();
        shorten(&mut quiet, NOW);
        assert_eq!(quiet.len(), MIN_RUNS + 1);
        assert!(live_since(&[], NOW).is_empty());
        assert_eq!(live_since(&moves(&quiet), NOW.plus(-DAY_MS)).len(), 2);
        assert_eq!(live_since(&moves(&quiet), UnixMillis(0)).len(), MIN_RUNS + 1, "no further than the list");
    }

    #[test]
    fn a_run_from_before_moves_had_times_counts_from_its_begin() {
        let old = Run { moved_at: None, ..run(NOW, true) };
        assert_eq!(moves(&[run(NOW.plus(HOUR_MS), false), old])[0].at, NOW);
        assert_eq!(moves(&[run(NOW, true)])[0].at, NOW.plus(2 * MINUTE_MS));
    }
}
