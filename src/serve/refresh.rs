//! Background reads that no request waits for: the overlay, the live snapshot, one on trial beside
//! it, and the latest pulse.

use std::rc::Rc;

use super::{absorb_overlay, breaker, report};
use crate::memory::{Memory, OverlayTurn, ShardTurn};
use crate::snapshot_load::{Fetched, Keep, Load, Place, Read};
use sinsang_core::key::Key;
use sinsang_core::pack::PackId;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::time::UnixMillis;

/// Looks up the overlay and the live manifest, reads a snapshot on trial that is missing, and looks
/// up the pulse if that is due.
#[derive(Debug)]
pub struct Refresh {
    /// Of the live snapshot, then of one on trial.
    load: Load,
    /// The manifest of the snapshot on trial, whose lease is held while it is read.
    trial: Option<PackId>,
    limit_ms: u32,
    /// Whether the live snapshot was found; `None` until that is known.
    is_found: Option<bool>,
    has_overlay: bool,
    has_pulse: bool,
    keeps: Vec<Keep>,
}

impl Refresh {
    /// A refresh that holds the lease of [`Memory::take_look`]; each of its reads may take
    /// `limit_ms`.
    pub fn begin(limit_ms: u32) -> Self {
        Self {
            load: Load::live(),
            trial: None,
            limit_ms,
            is_found: None,
            has_overlay: false,
            has_pulse: false,
            keeps: Vec::new(),
        }
    }

    /// The next read, or `None` at the end.
    pub fn next(&mut self, memory: &mut Memory, now: UnixMillis) -> Option<Read> {
        if !std::mem::replace(&mut self.has_overlay, true) && memory.overlays.take_look(now) == OverlayTurn::Mine {
            if memory.store.admit(now) {
                return Some(Read { place: Place::Store, key: Key::Overlay, limit_ms: self.limit_ms });
            }
            // No request waits for a look that is not made.
            memory.lose_overlay(now);
        }
        while let Some((place, key)) = self.load.wants() {
            if breaker(place, memory).admit(now) {
                return Some(Read { place, key, limit_ms: self.limit_ms });
            }
            self.load.fall(memory);
        }
        if self.is_found.is_none() {
            self.is_found = Some(self.load.is_found());
            if !self.load.is_found() {
                memory.look_failed(now);
            } else if self.begin_trial(memory, now) {
                return self.next(memory, now);
            }
        } else if let Some(id) = self.trial.take()
            && !self.load.is_found()
        {
            memory.lose_shard(id, now);
        }
        if !std::mem::replace(&mut self.has_pulse, true)
            // A store that gave no manifest isn't asked for more.
            && self.is_found == Some(true)
            && memory.take_pulse_look(now)
            && memory.store.admit(now)
        {
            return Some(Read { place: Place::Store, key: Key::Pulse, limit_ms: self.limit_ms });
        }
        None
    }

    /// Begins to read the snapshot on trial, if it is missing and nobody else reads it.
    fn begin_trial(&mut self, memory: &mut Memory, now: UnixMillis) -> bool {
        // Its manifest and its board are read one after the other.
        let until = now.plus(i64::from(self.limit_ms).saturating_mul(2));
        self.trial = memory.missing_trial().filter(|id| memory.take_kept_lease(*id, now, until) == ShardTurn::Mine);
        let Some(id) = self.trial else { return false };
        self.keeps.append(&mut self.load.take_keeps());
        self.load = Load::kept(id);
        true
    }

    /// Takes the result of a read; returns a line worth logging.
    pub fn absorb(&mut self, fetched: Fetched, memory: &mut Memory, now: UnixMillis) -> Option<String> {
        let late = fetched.note_second(memory);
        let Fetched { place, key, value, .. } = fetched;
        report(place, value.is_ok(), memory, now);
        match value {
            value if key == Key::Overlay => absorb_overlay(place, value, memory, &mut self.keeps, now),
            // Without a pulse, the board alone orders lists.
            Ok(value) if key == Key::Pulse => match value.map(Pulse::parse).transpose() {
                Ok(pulse) => {
                    if let Some(pulse) = pulse {
                        memory.adopt_pulse(Rc::new(pulse));
                    }
                    None
                }
                Err(damage) => Some(format!("{key} from {place:?}: {damage}")),
            },
            Err(failure) if key == Key::Pulse => Some(format!("refreshing {key} from {place:?}: {failure:?}")),
            Ok(value) => {
                let damage = self.load.absorb(value, memory, now).err();
                damage.map(|damage| format!("{key} from {place:?}: {damage}")).or(late)
            }
            Err(failure) => {
                self.load.fall(memory);
                Some(format!("refreshing {key} from {place:?}: {failure:?}"))
            }
        }
    }

    /// Takes the intact values that the store gave, for the data centre's cache.
    pub fn take_keeps(&mut self) -> Vec<Keep> {
        let mut keeps = self.load.take_keeps();
        keeps.append(&mut self.keeps);
        keeps
    }
}
