//! Reads of the overlay: by the first request of an isolate, and by one that comes after a long
//! silence. Between them the overlay is looked up in the background.

use std::rc::Rc;

use super::{Serve, Step, breaker};
use crate::memory::{Memory, OverlayTurn};
use crate::request::{Request, Route};
use crate::snapshot_load::{Keep, Place, Read, ReadFailure};
use sinsang_core::key::Key;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::time::UnixMillis;

impl Serve<'_> {
    /// Where this request has to read the overlay from before it answers, if it has to.
    pub(super) fn wants_overlay(&self, request: &Request, memory: &Memory, now: UnixMillis) -> Option<Place> {
        // A list may have begun in an isolate that knew a later overlay.
        let is_behind = || overlay_of(request) > memory.overlays.revision();
        self.overlay.filter(|place| match place {
            Place::Store => memory.overlays.must_look(now) || is_behind(),
            // Another isolate's overlay is better than none, and no better than a known one.
            Place::Cache => memory.overlays.revision() == 0 && memory.overlays.seen_at().is_none(),
        })
    }

    /// The next read of the overlay, or a wait for the request that reads it.
    pub(super) fn read_overlay(&mut self, request: &Request, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        if matches!(request.route, Route::Pack(_)) {
            return None;
        }
        while let Some(place) = self.wants_overlay(request, memory, now) {
            let turn = if place == Place::Store && memory.overlays.must_look(now) {
                memory.overlays.take_look(now)
            } else if place == Place::Cache || memory.take_pulse_read(now) {
                OverlayTurn::Mine
            } else {
                OverlayTurn::Nobody
            };
            if turn == OverlayTurn::Others
                && let Some(wait) = self.wait()
            {
                return Some(wait);
            }
            self.overlay = if place == Place::Store { Some(Place::Cache) } else { None };
            if turn != OverlayTurn::Mine {
                continue;
            }
            match self.time_left_ms(place, now).filter(|_| breaker(place, memory).admit(now)) {
                Some(limit_ms) => return Some(self.read(vec![Read { place, key: Key::Overlay, limit_ms }])),
                None => memory.lose_overlay(now),
            }
        }
        None
    }
}

/// The revision of the overlay in which a continued list began; 0 without one.
pub(super) fn overlay_of(request: &Request) -> u32 {
    request.route.cursor().map_or(0, |cursor| cursor.overlay)
}

/// Takes the result of a read of the overlay; returns a line worth logging.
pub(super) fn absorb_overlay(
    place: Place,
    value: Result<Option<Vec<u8>>, ReadFailure>,
    memory: &mut Memory,
    keeps: &mut Vec<Keep>,
    now: UnixMillis,
) -> Option<String> {
    match value.map(|bytes| bytes.map(Overlay::parse).transpose()) {
        // What other isolates left may be old: only the store says that there is none, or that it
        // has not changed.
        Ok(Ok(overlay)) if place == Place::Cache => {
            memory.adopt_overlay(overlay, None);
            None
        }
        Ok(Ok(overlay)) => {
            if memory.adopt_overlay(overlay, Some(now)) {
                keeps.extend(memory.overlays.latest().map(Rc::clone).map(Keep::Overlay));
            }
            None
        }
        Ok(Err(damage)) => {
            memory.overlays.refuse(damage, now);
            Some(format!("{} from {place:?}: {damage}", Key::Overlay))
        }
        Err(failure) => {
            memory.lose_overlay(now);
            Some(format!("reading {} from {place:?}: {failure:?}", Key::Overlay))
        }
    }
}
