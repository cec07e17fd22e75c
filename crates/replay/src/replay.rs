//! The choice of values, and the answer from them.

use std::rc::Rc;

use serde_json::Value;
use sinsang::memory::MAX_PULSE_AGE_MS;
use sinsang::reply::{Reply, Rung};
use sinsang_core::audience::AudienceSet;
use sinsang_core::key::REPLAYABLE_MS;
use sinsang_core::pack::PackId;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{CLOCK_LEEWAY_MS, MINUTE_MS, UnixMillis};
use sinsang_publish::overlay::Said;
use sinsang_publish::{Store, ViewerShare, is_forgotten};

use crate::candidate::{MANIFEST_LAG_MS, OVERLAY_LAG_MS, in_use, pulses};
use crate::error::Error;
use crate::isolate::{Values, answer};
use crate::past::Past;
use crate::place::places;
use crate::question::Question;
use crate::report::{Choice, Possible, Report, Standing};

/// Gives the answer to `question` again, with the reasons for each place.
///
/// # Errors
/// An [`Error`] that says what is missing, or that no answer has the ETag.
pub fn replay<S: Store>(store: &mut S, question: &Question) -> Result<Report, Error<S::Error>> {
    let (at, now) = (question.at, store.now());
    let since = now.plus(-REPLAYABLE_MS);
    if at > now {
        return Err(Error::Ahead { at, now });
    }
    if at < since {
        return Err(Error::TooOld { at, since });
    }
    if let Some(viewer) = question.viewer
        && is_forgotten(store, viewer)?
    {
        return Err(Error::Forgotten);
    }
    let mut past = Past::new(store)?;
    let possible = Candidates::new(&mut past, question)?;
    let (values, reply) = match &question.etag {
        None => {
            let first = possible.values().into_iter().next().ok_or(Error::NothingLive { at, first: None })?;
            let reply = answer(&mut past, question, &first, false)?;
            (first, reply)
        }
        Some(etag) => possible.find(&mut past, question, etag)?,
    };
    if let (Some(snapshot), Some(given)) = (question.snapshot, reply.header("Sinsang-Snapshot"))
        && given != snapshot.to_string()
    {
        return Err(Error::OtherSnapshot { snapshot, given: given.to_owned() });
    }
    let also = if question.etag.is_some() { possible.also(&mut past, question, &values, &reply)? } else { Vec::new() };
    report(&mut past, question, (&values, reply), &possible, also)
}

/// What an isolate may have used.
struct Candidates {
    /// Live manifests.
    manifests: Vec<Rc<Manifest>>,
    pulses: Vec<Option<u32>>,
    overlays: Vec<u32>,
    /// Whether the isolate had most likely just begun, and had read neither pulse nor trial.
    is_cold: bool,
}

impl Candidates {
    fn new<S: Store>(past: &mut Past<'_, S>, question: &Question) -> Result<Self, Error<S::Error>> {
        let at = question.at;
        let request = question.request(&question.config()).ok();
        let cursor = request.as_ref().and_then(|request| request.route.cursor());
        let takes_pulse = cursor.is_none() && request.is_some_and(|request| request.route.takes_pulse());
        let is_cold = question.rung == Rung::Kv && question.viewer.is_none() && cursor.is_none();
        let manifests = match question.snapshot.filter(|_| cursor.is_none()) {
            Some(_) => named(past, question)?,
            None => live(past, question)?,
        };
        let pulses = match question.pulse {
            Some(named) => vec![named],
            None if takes_pulse => {
                let numbers = past.pulse_numbers(at, MAX_PULSE_AGE_MS + MINUTE_MS)?;
                let mut pulses = pulses(&numbers, at);
                pulses.rotate_right(usize::from(is_cold));
                pulses
            }
            None => vec![None],
        };
        let overlays = if let Some(revision) = question.overlay {
            vec![revision]
        } else {
            let beginning = (0, UnixMillis(i64::MIN));
            let revisions: Vec<_> = past.log.revisions().into_iter().chain([beginning]).collect();
            in_use(&revisions, at, OVERLAY_LAG_MS)
        };
        Ok(Self { manifests, pulses, overlays, is_cold })
    }

    /// All choices, the most likely first: each step to a less likely value counts the same.
    fn values(&self) -> Vec<Values> {
        let mut all = Vec::new();
        for (first, manifest) in (0..).zip(&self.manifests) {
            let trials: &[bool] = match manifest.trial() {
                None => &[false],
                Some(_) if self.is_cold => &[false, true],
                Some(_) => &[true, false],
            };
            for (second, has_trial) in (0..).zip(trials) {
                for (third, pulse) in (0..).zip(&self.pulses) {
                    for (fourth, overlay) in (0..).zip(&self.overlays) {
                        let (manifest, has_trial) = (Rc::clone(manifest), *has_trial);
                        let steps: usize = first + second + third + fourth;
                        all.push((steps, Values { manifest, has_trial, pulse: *pulse, overlay: *overlay }));
                    }
                }
            }
        }
        all.sort_by_key(|(steps, _)| *steps);
        all.into_iter().map(|(_, values)| values).collect()
    }

    /// The first choice whose answer has `etag`.
    fn find<S: Store>(
        &self,
        past: &mut Past<'_, S>,
        question: &Question,
        etag: &str,
    ) -> Result<(Values, Reply), Error<S::Error>> {
        let (mut gone, mut tried) = (None, 0);
        for values in self.values() {
            match answer(past, question, &values, false) {
                Ok(reply) if reply.header("ETag").is_some_and(|own| opaque(own) == opaque(etag)) => {
                    return Ok((values, reply));
                }
                Ok(_) => tried += 1,
                Err(error @ Error::Gone { .. }) => gone = gone.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let no_match =
            || Error::NoMatch { etag: etag.to_owned(), at: question.at, tried, choices: self.possible().to_string() };
        Err(gone.unwrap_or_else(no_match))
    }

    /// The other revisions of the overlay whose answer has the ETag of `reply`, and another body.
    fn also<S: Store>(
        &self,
        past: &mut Past<'_, S>,
        question: &Question,
        values: &Values,
        reply: &Reply,
    ) -> Result<Vec<u32>, Error<S::Error>> {
        let mut also = Vec::new();
        for overlay in self.overlays.iter().copied().filter(|overlay| *overlay != values.overlay) {
            let other = answer(past, question, &Values { overlay, ..values.clone() }, false)?;
            if other.header("ETag") == reply.header("ETag") && other.body != reply.body {
                also.push(overlay);
            }
        }
        Ok(also)
    }

    fn possible(&self) -> Possible {
        let mut snapshots = Vec::new();
        for manifest in &self.manifests {
            let name = manifest.name().to_owned();
            if !snapshots.contains(&name) {
                snapshots.push(name);
            }
        }
        Possible { snapshots, pulses: self.pulses.clone(), overlays: self.overlays.clone() }
    }
}

/// The manifests that an isolate may have known as the live one.
fn live<S: Store>(past: &mut Past<'_, S>, question: &Question) -> Result<Vec<Rc<Manifest>>, Error<S::Error>> {
    let at = question.at;
    let moves: Vec<(PackId, UnixMillis)> = past.moves.iter().map(|one| (one.manifest, one.at)).collect();
    let mut manifests = Vec::new();
    let ids = in_use(&moves, at, MANIFEST_LAG_MS);
    for (place, id) in ids.iter().enumerate() {
        match past.manifest(*id) {
            // The edge refuses a manifest from a clock that is ahead, and goes on with its own.
            Ok(manifest) if manifest.built_at().since(question.edge_now()) > CLOCK_LEEWAY_MS && ids.len() > 1 => {}
            Ok(manifest) => manifests.push(manifest),
            // Of what was possible, but not likely, some may be gone.
            Err(Error::Gone { .. }) if place > 0 => {}
            Err(error) => return Err(error),
        }
    }
    if manifests.is_empty() || moves.iter().all(|(_, since)| *since > at) {
        return Err(Error::NothingLive { at, first: moves.last().map(|(_, since)| *since) });
    }
    Ok(manifests)
}

/// The latest manifest by then with the named snapshot, as the live one or on trial.
fn named<S: Store>(past: &mut Past<'_, S>, question: &Question) -> Result<Vec<Rc<Manifest>>, Error<S::Error>> {
    let at = question.at;
    let Some(snapshot) = question.snapshot else { return Ok(Vec::new()) };
    let known: Vec<PackId> = past.moves.iter().filter(|one| one.at <= at).map(|one| one.manifest).collect();
    let mut gone = None;
    for id in known {
        match past.manifest(id) {
            Ok(manifest) if manifest.snapshot() == snapshot => return Ok(vec![manifest]),
            Ok(manifest) if manifest.trial().is_some_and(|trial| trial.snapshot == snapshot) => {
                return Ok(vec![manifest]);
            }
            Ok(_) => {}
            Err(error @ Error::Gone { .. }) => gone = gone.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(gone.unwrap_or(Error::UnknownSnapshot { snapshot, at }))
}

/// An ETag without its marks.
fn opaque(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// The names of the audiences that a preview's `reply` tells by number.
fn audiences<S: Store>(past: &mut Past<'_, S>, values: &Values, reply: &Reply) -> Result<String, Error<S::Error>> {
    let told = reply.header("Sinsang-Audiences").and_then(|number| number.parse().ok());
    let (Some(set), Some(snapshot)) = (told.map(AudienceSet), reply.header("Sinsang-Snapshot")) else {
        return Ok(String::new());
    };
    let beside = values.manifest.beside().find(|beside| beside.snapshot.to_string() == snapshot);
    let manifest = match beside {
        Some(beside) => past.manifest(beside.manifest)?,
        None => Rc::clone(&values.manifest),
    };
    Ok(past.snapshot(&manifest)?.board.audience_names(set))
}

fn report<S: Store>(
    past: &mut Past<'_, S>,
    question: &Question,
    (values, reply): (&Values, Reply),
    possible: &Candidates,
    also: Vec<u32>,
) -> Result<Report, Error<S::Error>> {
    let explained = answer(past, question, values, true)?;
    let audiences = audiences(past, values, &explained)?;
    let explained: Value = serde_json::from_slice(&explained.body).unwrap_or_default();
    let now = question.edge_now();
    let known = past.log.as_of(values.overlay);
    let said: Vec<Said> = known.entries().iter().filter(|said| said.stands(now)).cloned().collect();
    let places = places(&explained, &said);
    let count = |said: &Said| places.iter().filter(|place| place.overlay.contains(&said.id)).count();
    let standing = said.into_iter().map(|said| Standing { places: count(&said), said }).collect();
    let live_since = past.moves.iter().find(|one| one.manifest == values.manifest.id() && one.at <= question.at);
    let trial = values.manifest.trial().map(|trial| (trial.snapshot.to_string(), ViewerShare::of(trial.share)));
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let request = question.request(&question.config()).ok();
    let cursor = request.and_then(|request| request.route.cursor());
    let from = Choice {
        snapshot: reply.header("Sinsang-Snapshot").map(str::to_owned),
        live: values.manifest.name().to_owned(),
        live_since: live_since.map_or_else(|| "an unknown time".to_owned(), |one| one.at.to_utc_rfc3339()),
        has_trial: values.has_trial && trial.is_some(),
        trial,
        pulse: cursor.map_or(values.pulse, |cursor| Some(cursor.pulse).filter(|number| *number > 0)),
        overlay: values.overlay,
        audiences,
        experiments: body.get("experiments").cloned(),
        rung: question.rung.as_str(),
    };
    let query = if question.query.is_empty() { String::new() } else { format!("?{}", question.query) };
    Ok(Report {
        at: question.at.to_utc_rfc3339(),
        asked: format!("{}{query}", question.path.as_str()),
        status: reply.status,
        headers: reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect(),
        body: reply.body,
        from,
        possible: possible.possible(),
        has_etag: question.etag.as_ref().map(|_| true),
        also,
        places,
        standing,
    })
}
