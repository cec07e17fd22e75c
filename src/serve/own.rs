//! Reads for one viewer alone: tastes, and the pulse of a continued list.

use std::rc::Rc;

use super::{Serve, Step};
use crate::memory::{Memory, NamedShard, Snapshot, may_have_pulse};
use crate::request::Request;
use crate::snapshot_load::{Place, Read};
use sinsang_core::key::Key;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, PackId};
use sinsang_core::time::UnixMillis;

/// The state of reading a continued list's pulse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PulseRead {
    /// Not read yet.
    #[default]
    Unasked,
    /// The read is under way.
    Asked,
    /// The store does not have it, and never will again.
    Gone,
    /// It could not be read.
    Lost,
}

/// The state of reading the viewer's taste shard.
#[derive(Debug, Default)]
pub(super) struct TasteRead {
    pub(super) id: Option<PackId>,
    pub(super) next: Option<Place>,
    pub(super) shard: Option<Rc<NamedShard>>,
}

impl TasteRead {
    pub(super) fn begin(id: PackId) -> Self {
        Self { id: Some(id), next: Some(Place::Store), shard: None }
    }

    /// Takes the shard from memory, if this or another request has left it there.
    pub(super) fn recall(&mut self, memory: &mut Memory) {
        self.shard = self.shard.take().or_else(|| memory.taste_shard(self.id?));
    }

    /// The next place to read from, while the shard is missing.
    pub(super) fn wants(&self) -> Option<(Place, PackId)> {
        if self.shard.is_some() { None } else { self.next.zip(self.id) }
    }

    pub(super) fn fall(&mut self) {
        self.next = if self.next == Some(Place::Store) { Some(Place::Cache) } else { None };
    }

    pub(super) fn absorb(&mut self, id: PackId, value: Option<Vec<u8>>, memory: &mut Memory) -> Result<(), Damage> {
        match value.map(|bytes| TasteShard::parse(bytes, id)).transpose() {
            Ok(Some(shard)) => {
                let shard = Rc::new((id, shard));
                memory.keep_taste_shard(Rc::clone(&shard));
                self.shard = Some(shard);
                Ok(())
            }
            outcome => {
                self.fall();
                outcome.map(|_| ())
            }
        }
    }
}

impl Serve<'_> {
    /// The read of a continued list's pulse, if it isn't remembered and may still exist.
    pub(super) fn read_pulse(&mut self, request: &Request, memory: &mut Memory, now: UnixMillis) -> Option<Step> {
        let number = pulse_of(request).filter(|number| memory.find_pulse(*number).is_none())?;
        match self.pulse {
            PulseRead::Unasked if !may_have_pulse(number, self.real(now)) => self.pulse = PulseRead::Gone,
            PulseRead::Unasked => {
                self.pulse = PulseRead::Lost;
                let limit_ms = self.time_left_ms(Place::Store, now)?;
                if memory.take_pulse_read(now) && memory.store.admit(now) {
                    self.pulse = PulseRead::Asked;
                    let read = Read { place: Place::Store, key: Key::PulseOf(number), limit_ms };
                    return Some(self.read(vec![read]));
                }
            }
            PulseRead::Asked => self.pulse = PulseRead::Lost,
            PulseRead::Gone | PulseRead::Lost => {}
        }
        None
    }

    pub(super) fn absorb_pulse(
        &mut self,
        number: u32,
        value: Option<Vec<u8>>,
        memory: &mut Memory,
    ) -> Result<(), Damage> {
        self.pulse = PulseRead::Gone;
        if let Some(bytes) = value {
            let pulse = Pulse::parse(bytes)?;
            if pulse.number() != number {
                return Err(Damage::WrongId);
            }
            memory.keep_pulse(Rc::new(pulse));
        }
        Ok(())
    }
}

/// The number of a continued list's pulse.
pub(super) fn pulse_of(request: &Request) -> Option<u32> {
    request.route.cursor().map(|cursor| cursor.pulse).filter(|number| *number > 0)
}

/// The viewer's taste shard in `snapshot`, if they have one.
pub(super) fn shard_of(request: &Request, snapshot: &Snapshot) -> Option<PackId> {
    // A list that began in the shared order continues in it, even if tastes have become readable.
    let is_shared = request.route.cursor().is_some_and(|cursor| !cursor.is_personal);
    let key = request.taster().filter(|_| !is_shared)?;
    snapshot.manifest.shard_of(key.0)
}
