//! An isolate of the past: the edge's own code, handed what one had in memory.

use std::rc::Rc;

use sinsang::memory::{Memory, Origin, STALE_MS};
use sinsang::reply::{Reply, Rung};
use sinsang::request::{Config, Halt, Request};
use sinsang::serve::{Serve, Step};
use sinsang::snapshot_load::{Fetched, Place, Read};
use sinsang_core::key::Key;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::SECOND_MS;
use sinsang_publish::Store;

use crate::error::Error;
use crate::past::Past;
use crate::question::Question;

/// Steps after which a request would never end.
const MOST_STEPS: usize = 64;

/// What an isolate answered from, besides what the request names itself.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// The live manifest that it knew.
    pub(crate) manifest: Rc<Manifest>,
    /// Whether it had read the snapshot on trial, if there was one.
    pub(crate) has_trial: bool,
    /// The number of its latest pulse.
    pub(crate) pulse: Option<u32>,
    /// The revision of its overlay; 0 for none.
    pub(crate) overlay: u32,
}

/// The answer to `question` by an isolate with `values`; if `is_explained`, with reasons for each
/// place and the headers of previews, which tell the audiences.
///
/// # Errors
/// If the store fails or no longer has a value that the answer needs.
pub(crate) fn answer<S: Store>(
    past: &mut Past<'_, S>,
    question: &Question,
    values: &Values,
    is_explained: bool,
) -> Result<Reply, Error<S::Error>> {
    let config = question.config();
    let mut request = question.request(&config);
    if let Ok(request) = &mut request {
        (request.is_explained, request.is_preview) = (is_explained, is_explained);
    }
    let mut memory = remembered(past, question, values)?;
    if question.rung == Rung::Isolate {
        // Reads what the request needs: tastes, and what a list goes on in.
        run(past, question, &config, request.clone(), values, &mut memory)?;
    }
    run(past, question, &config, request, values, &mut memory)
}

/// The memory of an isolate with `values` that answers on the question's rung.
fn remembered<S: Store>(
    past: &mut Past<'_, S>,
    question: &Question,
    values: &Values,
) -> Result<Memory, Error<S::Error>> {
    let now = question.edge_now();
    let mut memory = Memory::seeded(0);
    memory.adopt_overlay(past.overlay(values.overlay)?, Some(now));
    if let Some(number) = values.pulse {
        memory.adopt_pulse(past.pulse(number)?);
    }
    let live = past.snapshot(&values.manifest)?;
    match question.rung {
        Rung::Isolate => memory.adopt(live, Origin::Live, now),
        // The request reads the live snapshot itself.
        Rung::Kv => {}
        Rung::Stale => memory.adopt(live, Origin::Live, now.plus(-STALE_MS - SECOND_MS)),
        Rung::Cache => memory.adopt(live, Origin::Cache, now),
        Rung::Bundle => memory.adopt(live, Origin::Bundle, now),
    }
    if matches!(question.rung, Rung::Stale | Rung::Cache | Rung::Bundle) {
        // Another request is looking.
        memory.take_look(now);
    }
    if let Some(trial) = values.manifest.trial().filter(|_| values.has_trial) {
        let manifest = past.manifest(trial.manifest)?;
        memory.keep(past.snapshot(&manifest)?);
    }
    Ok(memory)
}

/// Runs the edge's state machine to its reply. The clock stands still: reads take no time.
fn run<S: Store>(
    past: &mut Past<'_, S>,
    question: &Question,
    config: &Config,
    request: Result<Request, Halt>,
    values: &Values,
    memory: &mut Memory,
) -> Result<Reply, Error<S::Error>> {
    let now = question.edge_now();
    let mut serve = Serve::of(question.raw(), config, request, now);
    for _ in 0..MOST_STEPS {
        match serve.next(memory, now) {
            Step::Reply(reply) => return Ok(reply),
            Step::Read(reads) => {
                let fetched: Result<Vec<Fetched>, _> =
                    reads.into_iter().map(|read| fetch(past, values, read)).collect();
                serve.absorb(fetched?, memory, now);
            }
            Step::Bundle => serve.absorb_bundle(None, memory, now),
            Step::Verify(_) => return Err(Error::Unexpected { what: "a token's signature" }),
            Step::Wait(_) => return Err(Error::Unexpected { what: "another request's reads" }),
        }
    }
    Err(Error::Unexpected { what: "more and more" })
}

fn fetch<S: Store>(past: &mut Past<'_, S>, values: &Values, read: Read) -> Result<Fetched, Error<S::Error>> {
    let Read { place, key, .. } = read;
    let value = match (place, key) {
        (Place::Cache, _) => None,
        (Place::Store, Key::Live) => Some(values.manifest.bytes().to_vec()),
        (Place::Store, Key::Overlay) => past.overlay(values.overlay)?.map(|overlay| overlay.bytes().to_vec()),
        // Without it the edge would give another answer than it gave.
        (Place::Store, Key::Pulse | Key::PulseOf(_) | Key::Pack(..)) => Some(past.needed(key)?),
    };
    Ok(Fetched { place, key, value: Ok(value), is_second: false })
}
