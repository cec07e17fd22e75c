//! The overlay of a store: what operators say between builds, put under a lease of its own, so that
//! two writers at once lose nothing and none waits for a publish.
//!
//! The log comes first and holds who said what and why; the pack that edges read is made of it, and
//! is read back with the edge's own reader. An edge takes it up within 90 seconds.

mod log;
mod report;
mod resolve;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::directive::MOST_DIRECTIVES;
use sinsang_core::key::{Key, OVERLAY_LOG};
use sinsang_core::overlay::{Entry, MOST_ENTRIES, Subject};
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::overlay::{Overlay, write};
use sinsang_core::scatter::scatter;
use sinsang_core::surface::View;
use sinsang_core::surface::live;
use sinsang_core::surface::new::{Selection, page};
use sinsang_core::time::{CLOCK_LEEWAY_MS, SECOND_MS, UnixMillis};

use crate::found::Found;
use crate::lease::{Held, OVERLAY, after_others};
use crate::store::{Error, Store, confirm, read};

use resolve::Live;

pub use log::{Log, Removed, Row, Said};
pub use report::{Line, ListReport, PutReport, Refused, RemoveReport, Shown};
pub use statement::{Deed, Defaults, Statement, line_of};

/// A line of input with its place, for error texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where the line comes from: `line 3` or `the command line`.
    pub place: String,
    /// The line.
    pub text: String,
}

/// Who says it, and how.
#[derive(Clone, Debug)]
pub struct PutOptions<'a> {
    /// The operator, as the log names them.
    pub by: &'a str,
    /// The run, as the store's lease names it.
    pub holder: &'a str,
    /// What holds for lines that don't say it themselves.
    pub defaults: Defaults,
    /// Whether to write nothing.
    pub is_dry: bool,
    /// Whether one wrong line keeps all others out.
    pub is_all_or_nothing: bool,
    /// A number that no other run has, for the entries' ids.
    pub nonce: u64,
}

/// Says `lines`: what stands for the same product, listing or place is replaced, and what says the
/// same already is left as it is. Wrong lines are set aside with their reasons.
///
/// # Errors
/// An [`Error`] if the store fails, has no live snapshot to compare the lines with, or holds a log
/// that can't be read. The overlay is then unchanged, or complete if only its confirmation failed.
pub fn put<S: Store>(store: &mut S, lines: &[Input], options: &PutOptions<'_>) -> Result<PutReport, Error<S::Error>> {
    if options.is_dry {
        return say(store, lines, options, None);
    }
    after_others(store, options.holder, OVERLAY, |store, held| say(store, lines, options, Some(held)))
}

/// Takes entries back.
///
/// # Errors
/// As [`put`].
pub fn remove<S: Store>(
    store: &mut S,
    ids: &[String],
    why: &str,
    (by, holder): (&str, &str),
) -> Result<RemoveReport, Error<S::Error>> {
    after_others(store, holder, OVERLAY, |store, held| {
        let now = store.now();
        let mut log = log_of(store)?;
        let revision = next_revision(&log);
        let (mut removed, mut unknown) = (Vec::new(), Vec::new());
        for id in ids {
            match log.0.iter_mut().find(|said| &said.id == id && said.is_open(now)) {
                Some(said) => {
                    said.removed = Some(note(revision, now, by, why));
                    removed.push(Shown::of(said, now));
                }
                None => unknown.push(id.clone()),
            }
        }
        if !removed.is_empty() {
            publish(store, &mut log, revision, now, held)?;
        }
        Ok(RemoveReport { revision: log.revision(), removed, unknown })
    })
}

/// What stands and what will, or with `all` also what ended, the latest first.
///
/// # Errors
/// An [`Error`] if the store fails, or holds a log that can't be read.
pub fn list<S: Store>(store: &mut S, all: bool) -> Result<ListReport, Error<S::Error>> {
    let (now, log) = (store.now(), log_of(store)?);
    let published = read(store, &Key::Overlay.to_string())?.map(Overlay::parse);
    let damage = match &published {
        Some(Err(damage)) => Some(damage.to_string()),
        Some(Ok(overlay)) if overlay.revision() != log.revision() => {
            Some(format!("it is revision {}, and the log is at {}", overlay.revision(), log.revision()))
        }
        None if log.revision() > 0 => Some("it is missing".to_owned()),
        _ => None,
    };
    let entries = log.0.iter().rev().filter(|said| all || said.is_open(now)).map(|said| Shown::of(said, now));
    Ok(ListReport { revision: log.revision(), damage, entries: entries.collect() })
}

/// The log of a store, for builds and replays.
///
/// # Errors
/// An [`Error`] if the store fails, or holds a log that can't be read.
pub fn log_of<S: Store>(store: &mut S) -> Result<Log, Error<S::Error>> {
    let text = read(store, OVERLAY_LOG)?.unwrap_or_default();
    Log::parse(&String::from_utf8_lossy(&text)).map_err(|(line, why)| Error::OverlayLog { line, why })
}

fn next_revision(log: &Log) -> u32 {
    log.revision().saturating_add(1)
}

fn note(revision: u32, now: UnixMillis, by: &str, why: &str) -> Removed {
    Removed { revision, at: now.to_utc_rfc3339(), by: by.to_owned(), why: why.to_owned() }
}

fn say<S: Store>(
    store: &mut S,
    lines: &[Input],
    options: &PutOptions<'_>,
    held: Option<&mut Held>,
) -> Result<PutReport, Error<S::Error>> {
    let now = store.now();
    let live = Live::of(live_board(store)?);
    let mut log = log_of(store)?;
    if let Some(last_at) = log.last_at().filter(|last_at| last_at.since(now) > CLOCK_LEEWAY_MS) {
        return Err(Error::ClockBehind { now, last_at });
    }
    let before = log.clone();
    let revision = next_revision(&log);
    let mut report = PutReport { is_dry: options.is_dry, ..PutReport::default() };
    let mut open = Open::of(&log, now);
    let mut of_this_run = BTreeMap::new();
    for (line, number) in lines.iter().zip(0_u64..) {
        let refuse = |reason: String| Refused { place: line.place.clone(), reason };
        let resolved = Statement::parse(&line.text, &options.defaults)
            .and_then(|statement| resolve::resolve(statement, &live, now));
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(reason) => {
                report.refused.push(refuse(reason));
                continue;
            }
        };
        let id = open.free_id(options.nonce.wrapping_add(number));
        let said = Said {
            id: id.clone(),
            revision,
            at: now.to_utc_rfc3339(),
            by: options.by.to_owned(),
            statement: resolved.statement,
            title: resolved.title,
            head: resolved.head,
            of: resolved.of,
            to: resolved.to,
            removed: None,
        };
        match open.meet(&mut log, &said, &of_this_run, now) {
            Meeting::Same => report.known += 1,
            Meeting::Contradicts(reason) => report.refused.push(refuse(reason)),
            Meeting::Free if said.statement.deed.is_of_places() && open.places >= MOST_DIRECTIVES => {
                report.refused.push(refuse(format!(
                    "{MOST_DIRECTIVES} of pin, boost and bury stand at a time: put more into rules"
                )));
            }
            Meeting::Free if open.effective >= MOST_ENTRIES => {
                report.refused.push(refuse(format!(
                    "the overlay is full: {MOST_ENTRIES} entries, with those that ended within a day; remove some, or put what lasts into rules and tables"
                )));
            }
            Meeting::Free => {
                of_this_run.insert(id, line.place.clone());
                report.said.push(Line { shown: Shown::of(&said, now), touches: resolved.touches });
                open.add(&mut log, said);
            }
        }
    }
    report.is_put = !report.said.is_empty() && (!options.is_all_or_nothing || report.refused.is_empty());
    report.surfaces = [&before, &log].map(|log| surfaces(&live.board, log, now));
    report.revision = if report.is_put { revision } else { before.revision() };
    if let Some(held) = held.filter(|_| report.is_put) {
        report.dropped = publish(store, &mut log, revision, now, held)?;
    }
    Ok(report)
}

/// The board of the live snapshot.
fn live_board<S: Store>(store: &mut S) -> Result<Board, Error<S::Error>> {
    let found = Found::new(store)?;
    let manifest = found.manifest.ok_or(Error::NothingLive)?;
    let id = manifest.board();
    let missing = || Error::Incomplete { snapshot: manifest.snapshot().to_string(), missing: 1 };
    let bytes = read(store, &Key::Pack(Kind::Board, id).to_string())?.ok_or_else(missing)?;
    Board::parse(bytes, id).map_err(|_| missing())
}

/// How a statement stands to those that are there.
enum Meeting {
    /// It may be added; what it replaces is marked as removed.
    Free,
    /// It stands already.
    Same,
    /// It can't stand beside one that does.
    Contradicts(String),
}

/// The subject and the kind of an entry: of two with the same, one stands. For a broadcast, that is
/// its channel and its start in seconds; products are compared apart.
type About = (String, Option<Subject>, u32);

fn about(said: &Said) -> Option<About> {
    let kind = match said.statement.deed {
        deed if deed.is_of_places() => "place",
        deed => deed.as_str(),
    };
    let of_subject = said.subject().map(|subject| (kind.to_owned(), Some(subject), 0));
    of_subject.or_else(|| said.slot().map(|slot| (slot.channel.to_owned(), None, slot.starts_at.to_seconds())))
}

/// The entries of a log that stand or will, found by what they are about.
struct Open {
    by_subject: BTreeMap<About, Vec<usize>>,
    ids: BTreeSet<String>,
    /// How many entries the overlay holds.
    effective: usize,
    /// How many of those that stand or will move a product to another place.
    places: usize,
}

impl Open {
    fn of(log: &Log, now: UnixMillis) -> Self {
        let ids = log.0.iter().map(|said| said.id.clone()).collect();
        let mut open = Self { by_subject: BTreeMap::new(), ids, effective: log.effective(now).count(), places: 0 };
        for (said, index) in log.0.iter().zip(0..).filter(|(said, _)| said.is_open(now)) {
            open.note(said, index);
        }
        open
    }

    /// Eight hex digits that no entry has.
    fn free_id(&self, nonce: u64) -> String {
        let ids = (0_u64..).map(|more| format!("{:08x}", (scatter(nonce, more) >> 32).max(1)));
        ids.into_iter().find(|id| !self.ids.contains(id)).unwrap_or_default()
    }

    fn note(&mut self, said: &Said, index: usize) {
        self.places += usize::from(said.statement.deed.is_of_places());
        self.by_subject.entry(about(said).unwrap_or_default()).or_default().push(index);
    }

    fn add(&mut self, log: &mut Log, said: Said) {
        self.note(&said, log.0.len());
        self.ids.insert(said.id.clone());
        self.effective += 1;
        log.0.push(said);
    }

    /// Compares `said` with what stands or will while it does.
    fn meet(&self, log: &mut Log, said: &Said, of_this_run: &BTreeMap<String, String>, now: UnixMillis) -> Meeting {
        let (Some(own), (from, until)) = (about(said), said.span()) else {
            return Meeting::Contradicts("it names nothing".to_owned());
        };
        let product = |said: &Said| said.slot().and_then(|slot| slot.product);
        for index in self.by_subject.get(&own).into_iter().flatten() {
            let Some(other) = log.0.get_mut(*index).filter(|other| other.is_open(now)) else { continue };
            let (other_from, other_until) = other.span();
            let is_of_another = product(said).zip(product(other)).is_some_and(|(own, other)| own != other);
            if is_of_another || other_from >= until || from >= other_until {
                continue;
            }
            let values = |said: &Said| {
                let [from, until, why] = [const { String::new() }; 3];
                Statement { from, until, why, ..said.statement.clone() }
            };
            if values(said) == values(other) && other_from <= from && until <= other_until {
                return Meeting::Same;
            }
            if let Some(place) = of_this_run.get(&other.id) {
                return Meeting::Contradicts(format!("it contradicts {place}, which is about the same"));
            }
            if said.slot().is_some() {
                return Meeting::Contradicts(format!(
                    "entry {} changes that broadcast already ({}): remove it first",
                    other.id,
                    other.statement.deed.as_str()
                ));
            }
            other.removed = Some(note(said.revision, now, &said.by, &format!("replaced by {}", said.id)));
        }
        Meeting::Free
    }
}

/// How many products `new` and `live` show to viewers without tastes.
fn surfaces(board: &Board, log: &Log, now: UnixMillis) -> [usize; 2] {
    let entries: Vec<Entry<'_>> = log.0.iter().filter(|said| said.stands(now)).filter_map(Said::entry).collect();
    let amended = board.amended(&entries);
    let board = amended.as_ref().unwrap_or(board);
    let view = View::shared(board, now);
    [page(&view, &Selection::recommended(now.floor(SECOND_MS), usize::MAX)).products.len(), live::order(&view).len()]
}

/// Writes the log and the pack that is made of it; returns how many old entries the log dropped.
fn publish<S: Store>(
    store: &mut S,
    log: &mut Log,
    revision: u32,
    now: UnixMillis,
    held: &mut Held,
) -> Result<usize, Error<S::Error>> {
    let dropped = log.shorten(now);
    let entries: Vec<Entry<'_>> = log.effective(now).filter_map(Said::entry).collect();
    let pack = write(&entries, revision, now)?;
    let text = log.to_text();
    for (key, value) in [(OVERLAY_LOG.to_owned(), text.as_bytes()), (Key::Overlay.to_string(), &pack)] {
        held.secure(store)?;
        store.put(&key, value, now).map_err(|source| Error::Store { action: "writing", key: key.clone(), source })?;
    }
    confirm(store, OVERLAY_LOG, text.as_bytes(), None)?;
    confirm(store, &Key::Overlay.to_string(), &pack, Some(Key::Overlay))?;
    held.secure(store)?;
    Ok(dropped)
}

#[cfg(test)]
mod tests;
