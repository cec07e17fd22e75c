//! The overlay in an isolate's memory, and boards as it leaves them.

use std::rc::Rc;

use super::is_over;
use sinsang_core::overlay::Standing;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::{Damage, PackId};
use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Age of the last look at the overlay after which a request looks before it answers. Busy isolates
/// look in the background before that. With the 30 seconds that KV's cache may hold an old value,
/// and the 20 that a client may hold a shared answer, a change is everywhere in 90 seconds.
pub const OVERLAY_STALE_MS: i64 = 40 * SECOND_MS;
/// How long the other requests of an isolate wait for the one that looks, in milliseconds.
const LOOK_MS: i64 = 3 * SECOND_MS;
/// Boards as overlays leave them that are remembered beside the snapshots: the present one, and
/// those of lists that began before a change.
const AMENDED: usize = 4;
/// Boards that continued lists may have amended each second; it bounds the cost of made-up cursors.
const FROZEN_BOARDS: u8 = 8;

/// Who reads the overlay that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayTurn {
    /// The asking request.
    Mine,
    /// Another request is reading it.
    Others,
    /// Nobody: it is known, or the store could not give it a moment ago.
    Nobody,
}

/// A board as the overlay leaves it.
#[derive(Clone, Debug)]
pub struct Amended {
    /// The board. If nothing stands, it is the snapshot's own.
    pub board: Rc<Board>,
    /// A hash of what stands; 0 if nothing does.
    pub print: u64,
    /// Until when the same stands.
    pub until: UnixMillis,
}

#[derive(Debug)]
struct Remembered {
    base: PackId,
    revision: u32,
    from: UnixMillis,
    amended: Amended,
}

/// The overlay, and when it was last looked up.
#[derive(Debug, Default)]
pub struct Overlays {
    latest: Option<Rc<Overlay>>,
    /// When the store last said what the overlay is, or that there is none.
    seen_at: Option<UnixMillis>,
    /// Earliest next look of a request: a lease while another one looks, a pause after a failure.
    look_at: Option<UnixMillis>,
    is_looking: bool,
    refused: Option<Damage>,
    boards: Vec<Remembered>,
    /// The second in which continued lists last had boards amended, and the number in it.
    frozen: (UnixMillis, u8),
}

impl Overlays {
    /// The latest overlay, if there is one.
    pub fn latest(&self) -> Option<&Rc<Overlay>> {
        self.latest.as_ref()
    }

    /// The latest overlay's revision; 0 without one.
    pub fn revision(&self) -> u32 {
        self.latest.as_ref().map_or(0, |overlay| overlay.revision())
    }

    /// When the store last said what the overlay is, or that there is none.
    pub fn seen_at(&self) -> Option<UnixMillis> {
        self.seen_at
    }

    /// Why the store's overlay was last refused, unless an intact one came since.
    pub fn refused(&self) -> Option<Damage> {
        self.refused
    }

    /// Whether a request at `now` has to look first, or to wait for another one that does.
    pub fn must_look(&self, now: UnixMillis) -> bool {
        let is_old = self.seen_at.is_none_or(|at| !(0..=OVERLAY_STALE_MS).contains(&now.since(at)));
        is_old && (self.is_looking || self.may_look(now))
    }

    fn may_look(&self, now: UnixMillis) -> bool {
        self.look_at.is_none_or(|at| is_over(at, now, super::RETRY_MS.1.max(LOOK_MS)))
    }

    /// Decides who looks at `now`, and takes the lease if it is the asking request.
    pub fn take_look(&mut self, now: UnixMillis) -> OverlayTurn {
        if self.may_look(now) {
            self.look_at = Some(now.plus(LOOK_MS));
            self.is_looking = true;
            return OverlayTurn::Mine;
        }
        if self.is_looking { OverlayTurn::Others } else { OverlayTurn::Nobody }
    }

    /// A look failed at `now`; the next one may be made at `again_at`.
    pub fn failed(&mut self, again_at: UnixMillis) {
        self.is_looking = false;
        self.look_at = Some(again_at);
    }

    /// Takes an overlay, or its absence; returns whether it is new. `seen_at` is when the store
    /// said so. A store may give an old value again, which is older by its time and its revision.
    pub(super) fn adopt(&mut self, overlay: Option<Overlay>, seen_at: Option<UnixMillis>) -> bool {
        if seen_at.is_some() {
            self.seen_at = seen_at;
            self.look_at = None;
            self.is_looking = false;
            self.refused = None;
        }
        let is_newer = |overlay: &Overlay| {
            let known = self.latest.as_ref();
            known.is_none_or(|known| overlay.revision() > known.revision() || overlay.made_at() > known.made_at())
        };
        match overlay.filter(is_newer) {
            Some(overlay) => {
                // Numbers of a store that began anew mean something else.
                if overlay.revision() <= self.revision() {
                    self.boards.clear();
                }
                self.latest = Some(Rc::new(overlay));
                true
            }
            None => false,
        }
    }

    /// The store's overlay is damaged: the last good one stays.
    pub fn refuse(&mut self, damage: Damage, now: UnixMillis) {
        self.seen_at = Some(now);
        self.look_at = None;
        self.is_looking = false;
        self.refused = Some(damage);
    }

    /// `base` as the latest overlay leaves it at `at`.
    pub fn amend(&mut self, base: &Rc<Board>, at: UnixMillis) -> Amended {
        let revision = self.revision();
        self.find(base, at, revision).unwrap_or_else(|| self.make(base, at, revision))
    }

    /// `base` as `revision` of the overlay leaves it at `at`, for a list that was frozen then;
    /// `None` if that would be too many boards this second, or the revision is not known.
    pub fn amend_frozen(
        &mut self,
        base: &Rc<Board>,
        at: UnixMillis,
        revision: u32,
        now: UnixMillis,
    ) -> Option<Amended> {
        if revision > self.revision() {
            return None;
        }
        if let Some(found) = self.find(base, at, revision) {
            return Some(found);
        }
        let second = now.floor(SECOND_MS);
        let made = if self.frozen.0 == second { self.frozen.1 } else { 0 };
        self.frozen = (second, made.saturating_add(1));
        (made < FROZEN_BOARDS).then(|| self.make(base, at, revision))
    }

    fn find(&self, base: &Rc<Board>, at: UnixMillis, revision: u32) -> Option<Amended> {
        if self.latest.is_none() || revision == 0 {
            return Some(Amended { board: Rc::clone(base), print: 0, until: UnixMillis(i64::MAX) });
        }
        let is_it = |one: &&Remembered| {
            one.revision == revision && one.base == base.id() && one.from <= at && at < one.amended.until
        };
        self.boards.iter().find(is_it).map(|one| one.amended.clone())
    }

    #[inline(never)]
    fn make(&mut self, base: &Rc<Board>, at: UnixMillis, revision: u32) -> Amended {
        let standing = self.latest.as_ref().map(|overlay| overlay.standing(at, revision));
        let Some(Standing { entries, print, from, until }) = standing else {
            return Amended { board: Rc::clone(base), print: 0, until: UnixMillis(i64::MAX) };
        };
        let known = self.boards.iter().find(|one| one.base == base.id() && one.amended.print == print);
        let board = match known {
            Some(known) => Rc::clone(&known.amended.board),
            None if entries.is_empty() => Rc::clone(base),
            // Sections that don't fit are ruled out; a board without the overlay is merely older.
            None => base.amended(&entries).map_or_else(|_| Rc::clone(base), Rc::new),
        };
        let amended = Amended { board, print, until };
        self.boards.truncate(AMENDED.saturating_sub(1));
        self.boards.insert(0, Remembered { base: base.id(), revision, from, amended: amended.clone() });
        amended
    }
}
