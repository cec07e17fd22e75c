//! Builds the answer once all reads have succeeded or been given up.

use super::overlay::overlay_of;
use super::own::PulseRead;
use super::{Serve, Step, pulse_of};
use crate::memory::{Memory, NamedShard, Origin, Snapshot};
use crate::reply::{Overlaid, Rung};
use crate::request::{Refusal, Request};
use crate::snapshot_load::Place;
use sinsang_core::audience::{AudienceSet, Traits};
use sinsang_core::context::Context;
use sinsang_core::experiment::{Assignment, Experiments};
use sinsang_core::pack::board::Board;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::Taste;
use sinsang_core::session;
use sinsang_core::surface::View;
use sinsang_core::time::UnixMillis;

/// The viewer's own inputs of an answer, besides the snapshot.
#[derive(Default)]
pub(super) struct Own<'a> {
    /// The viewer's tastes, and the record that holds them.
    pub(super) taste: Option<(Taste<'a>, &'a [u8])>,
    /// The audiences that the viewer is in.
    pub(super) audiences: AudienceSet,
    pub(super) assignment: Option<&'a Assignment>,
    pub(super) pulse: Option<&'a Pulse>,
    /// Whether the requested page is unavailable now.
    pub(super) is_cut: bool,
}

impl Serve<'_> {
    /// The answer from `snapshot` and the viewer's taste shard.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        snapshot: &Snapshot,
        shard: Option<&NamedShard>,
        has_shard: bool,
        memory: &mut Memory,
        now: UnixMillis,
    ) -> Step {
        let record = request.taster().zip(shard).and_then(|(key, (_, shard))| {
            let fits = shard.widths().vocabulary == snapshot.board.vocabulary();
            let record = shard.find(key.0).filter(|_| fits)?;
            Some((Taste::cut(record, shard.widths()), record))
        });
        let is_newcomer = record.is_none() && (!has_shard || shard.is_some());
        let vector = record.map(|(taste, _)| taste.vector);
        let audiences = self.audiences_of(request, &snapshot.board, vector, is_newcomer);
        let assignment = match self.assign(request, &snapshot.board, audiences, now) {
            Ok(assignment) => assignment,
            Err(refusal) => return self.refuse(&refusal, now),
        };
        let is_cut = record.is_none() && request.route.cursor().is_some_and(|cursor| cursor.is_personal);
        if is_cut && (!has_shard || shard.is_some()) {
            // The tastes that order the list are gone. Another order would repeat and skip items.
            return self.refuse(&Refusal::CursorGone, now);
        }
        let pulse = match pulse_of(request) {
            Some(number) => memory.find_pulse(number).cloned(),
            // A list that began without a pulse continues without one, and a pulse only tells about
            // the present.
            None if request.route.cursor().is_some() || request.as_of.is_some() || !request.route.takes_pulse() => None,
            None => memory.pulse(self.real(now)).cloned(),
        };
        let is_without_pulse = pulse.is_none() && pulse_of(request).is_some();
        if is_without_pulse && self.pulse == PulseRead::Gone {
            return self.refuse(&Refusal::CursorGone, now);
        }
        let is_cut = is_cut || is_without_pulse;
        let own = Own { taste: record, audiences, assignment: assignment.as_ref(), pulse: pulse.as_deref(), is_cut };
        self.reply(request, snapshot, &own, memory, now)
    }

    /// The audiences that the viewer is in. Later pages of a list keep those of the first: the
    /// viewer may be somewhere else by then.
    fn audiences_of(&self, request: &Request, board: &Board, vector: Option<&[u8]>, is_newcomer: bool) -> AudienceSet {
        if let Some(cursor) = request.route.cursor() {
            return cursor.audiences;
        }
        if request.route.is_for_all() {
            return AudienceSet::default();
        }
        let key = if board.lists_viewers() { self.drawn_as(request) } else { None };
        board.audiences(&Traits { context: request.context, key, vector, is_newcomer })
    }

    /// The viewer's variants. They depend on the viewer, the board and the time at which the list
    /// was frozen, so that its later pages get the same ones.
    fn assign(
        &self,
        request: &Request,
        board: &Board,
        audiences: AudienceSet,
        now: UnixMillis,
    ) -> Result<Option<Assignment>, Refusal> {
        let cursor = request.route.cursor();
        let mut assignment = None;
        if !request.route.is_for_all() && (!board.experiments().is_empty() || !request.variants.is_empty()) {
            let at = cursor.map_or(request.as_of.unwrap_or(now), |cursor| cursor.frozen_at);
            let viewer = self.drawn_as(request);
            let forced = forced(request, board.experiments())?;
            let chosen = board.experiments().chosen((viewer, audiences), &forced, at);
            assignment = board.experiments().assign(&chosen, board.weights(), board.mix());
        }
        let print = assignment.as_ref().map_or(0, |assignment| assignment.print);
        if cursor.is_some_and(|cursor| request.route.binding() != Some(cursor.binding ^ print)) {
            let expected = "expected a next_cursor of this same question and viewer".to_owned();
            return Err(Refusal::Parameter("cursor".to_owned(), expected));
        }
        Ok(assignment)
    }

    /// The answer with the viewer's own inputs `found`.
    pub(super) fn reply(
        &mut self,
        request: &Request,
        snapshot: &Snapshot,
        found: &Own<'_>,
        memory: &mut Memory,
        now: UnixMillis,
    ) -> Step {
        let shown_at = request.as_of.unwrap_or(now);
        let amended = memory.overlays.amend(&snapshot.board, shown_at);
        let frozen = request
            .route
            .cursor()
            .map(|cursor| memory.overlays.amend_frozen(&snapshot.board, cursor.frozen_at, cursor.overlay, now));
        let is_cut = found.is_cut || frozen.as_ref().is_some_and(Option::is_none);
        let frozen = frozen.flatten();
        let board = &*amended.board;
        if let Some(refusal) = crate::reply::missing(request, self.raw.query, board) {
            return self.refuse(&refusal, now);
        }
        let own = found.taste.map(|(taste, _)| taste);
        let (context, at) = context_of(request, now);
        let context = context.filter(|_| own.is_none() && board.has_contexts() && !request.route.is_for_all());
        let leaning = context.and_then(|context| board.leaning(context, at));
        let taste = own.or_else(|| leaning.as_deref().map(|leaning| board.context_taste(leaning)));
        let shifted = session::shifted(board, taste.as_ref(), own.is_some(), &request.recent);
        let view = View {
            board,
            frozen_board: frozen.as_ref().map(|one| &*one.board).filter(|one| !std::ptr::eq(*one, board)),
            taste: match &shifted {
                Some(vector) => Some(Taste { vector, ..taste.unwrap_or_default() }),
                None => taste,
            },
            is_of_context: own.is_none() && shifted.is_none(),
            now: shown_at,
            // The clock, not a preview's time: the schedule's age does not depend on the time
            // shown. With a chosen snapshot it is the preview's time, which gives that snapshot's
            // answer of then.
            trusts_verdicts: sinsang_core::surface::trusts_verdicts(
                snapshot.manifest.built_at(),
                request.as_of.filter(|_| request.chosen_snapshot.is_some()).unwrap_or(now),
            ),
            viewer: request.viewer.key().filter(|_| own.is_some()).map_or(0, |key| key.0),
            audiences: found.audiences,
            is_explained: request.is_explained,
            is_card: request.is_card,
            pulse: found.pulse,
            assignment: found.assignment,
        };
        let facts = crate::reply::Facts {
            request,
            raw: &self.raw,
            config: self.config,
            manifest: &snapshot.manifest,
            view,
            published: &snapshot.board,
            taste_record: found.taste.map(|(_, record)| record),
            leaning: leaning.as_deref(),
            context,
            rung: self.rung(memory, now),
            is_cut,
            overlay: Overlaid {
                revision: request.route.cursor().map_or(memory.overlays.revision(), |_| overlay_of(request)),
                print: amended.print,
                frozen: frozen.as_ref().map_or(0, |frozen| frozen.print),
                until: amended.until,
            },
            memory,
            timing: self.timing(now),
            real_now: self.real(now),
            now,
        };
        let mut reply = crate::reply::answer(&facts);
        reply.log = std::mem::take(&mut self.log);
        reply.wants_refresh = memory.take_look(now);
        Step::Reply(reply)
    }

    fn rung(&self, memory: &Memory, now: UnixMillis) -> Rung {
        match memory.origin() {
            Origin::Bundle => Rung::Bundle,
            Origin::Cache => Rung::Cache,
            Origin::Live if memory.is_stale(now) => Rung::Stale,
            Origin::Live => match self.lowest {
                Some(Place::Cache) => Rung::Cache,
                Some(Place::Store) => Rung::Kv,
                None => Rung::Isolate,
            },
        }
    }
}

/// The indices of the variants that a preview chose.
fn forced(request: &Request, experiments: &Experiments) -> Result<Vec<(usize, usize)>, Refusal> {
    let refuse = |expected: String| Refusal::Parameter("variant".to_owned(), expected);
    let mut found = Vec::new();
    for name in &request.variants {
        found.push(experiments.find(name).map_err(|known| refuse(format!("expected one of these: {known}")))?);
    }
    if experiments.meet(&found) {
        return Err(refuse("expected one variant of a layer".to_owned()));
    }
    Ok(found)
}

/// The context that orders the answer for a viewer without tastes, and its time. A continued list
/// keeps that of its first page.
fn context_of(request: &Request, now: UnixMillis) -> (Option<Context>, UnixMillis) {
    match request.route.cursor() {
        Some(cursor) => (cursor.context, cursor.frozen_at),
        None => (Some(request.context), request.as_of.unwrap_or(now)),
    }
}
