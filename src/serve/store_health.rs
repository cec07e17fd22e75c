//! The breakers of the stores.

use sinsang_core::time::UnixMillis;

use crate::memory::Memory;
use crate::snapshot_load::Place;

pub(super) fn breaker(place: Place, memory: &mut Memory) -> &mut crate::breaker::Breaker {
    match place {
        Place::Store => &mut memory.store,
        Place::Cache => &mut memory.cache,
    }
}

pub(super) fn report(place: Place, is_ok: bool, memory: &mut Memory, now: UnixMillis) {
    let breaker = breaker(place, memory);
    if is_ok { breaker.succeeded(now) } else { breaker.failed(now) }
}
