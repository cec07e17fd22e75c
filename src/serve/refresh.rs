//! What is looked up in the background, so that no request waits for it: the live snapshot, and the latest pulse.

use std::rc::Rc;

use super::{breaker, report};
use crate::memory::Memory;
use crate::snapshot_load::{Fetched, Keep, Load, Place, Read};
use sinsang_core::key::Key;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::time::UnixMillis;

/// Looks the live manifest up, and the pulse where that is due.
#[derive(Debug)]
pub struct Refresh {
    load: Load,
    limit_ms: u32,
    is_ended: bool,
    has_pulse: bool,
}

impl Refresh {
    /// A refresh whose lease [`Memory::take_look`] gave; each of its reads may take `limit_ms`.
    pub fn begin(limit_ms: u32) -> Self {
        Self { load: Load::live(), limit_ms, is_ended: false, has_pulse: false }
    }

    /// The read to make next, or `None` when it is done.
    pub fn next(&mut self, memory: &mut Memory, now: UnixMillis) -> Option<Read> {
        while let Some((place, key)) = self.load.wants() {
            if breaker(place, memory).admit(now) {
                return Some(Read { place, key, limit_ms: self.limit_ms });
            }
            self.load.fall(memory);
        }
        if !std::mem::replace(&mut self.is_ended, true) && !self.load.is_found() {
            memory.look_failed(now);
        }
        if !std::mem::replace(&mut self.has_pulse, true)
            // A store that gave no manifest is not asked for more.
            && self.load.is_found()
            && memory.take_pulse_look(now)
            && memory.store.admit(now)
        {
            return Some(Read { place: Place::Store, key: Key::Pulse, limit_ms: self.limit_ms });
        }
        None
    }

    /// Takes in what was read, and returns what is worth logging.
    pub fn absorb(&mut self, fetched: Fetched, memory: &mut Memory, now: UnixMillis) -> Option<String> {
        let late = fetched.note_second(memory);
        let Fetched { place, key, value, .. } = fetched;
        report(place, value.is_ok(), memory, now);
        match value {
            // Without one, lists are ordered by what the board says.
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

    /// What the store gave, whole, for the data centre's cache.
    pub fn take_keeps(&mut self) -> Vec<Keep> {
        self.load.take_keeps()
    }
}
