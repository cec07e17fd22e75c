//! What is read for one viewer alone: tastes, and the pulse of a list that goes on.

use std::rc::Rc;

use crate::memory::{Memory, NamedShard};
use crate::snapshot_load::Place;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, PackId};

/// The pulse that a list goes on by, on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PulseRead {
    /// Nobody has looked for it.
    #[default]
    Unasked,
    /// It is being read.
    Asked,
    /// The store does not have it, and never will again.
    Gone,
    /// It could not be read.
    Lost,
}

/// The viewer's taste shard on its way.
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

    /// Takes the shard from memory, where this or another request has left it.
    pub(super) fn recall(&mut self, memory: &mut Memory) {
        self.shard = self.shard.take().or_else(|| memory.taste_shard(self.id?));
    }

    /// Where to read next, while it is not there.
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
