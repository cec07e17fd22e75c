//! Freshness of an answer: its ETag, its `Cache-Control`, and until when it is the same for
//! everybody.

use std::borrow::Cow;

use xxhash_rust::xxh64::Xxh64;

use super::Facts;
use crate::request::{CalendarOf, Route};
use sinsang_core::surface::MAX_VERDICT_AGE_MS;
use sinsang_core::surface::new::RANK_STEP_MS;
use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Longest `max-age` of a shared answer, in seconds: a client may show what the overlay has hidden
/// for so long ([`crate::memory::OVERLAY_STALE_MS`]).
const MAX_AGE_S: i64 = 20;
/// Longest `max-age` of an answer from a fallback rung, in seconds.
const MAKESHIFT_MAX_AGE_S: i64 = 10;
/// How long the data centre's cache may keep a manifest or a pack, for times when the store does
/// not answer: seven days, in seconds.
const KEPT_MAX_AGE_S: u32 = 7 * 86_400;
/// Longest accepted `If-None-Match`, in bytes.
const MAX_IF_NONE_MATCH_BYTES: usize = 1024;

/// A hash of the body's inputs except ages: the snapshot, the question, the viewer's tastes, the
/// ranking's time and the slots on air.
///
/// XXH64 takes a tenth of the time of SHA-256. Collisions can be constructed but do no harm: an
/// ETag is only compared with that of the same viewer's answer, so a forger deceives only
/// themselves.
pub(super) fn etag(facts: &Facts<'_>) -> String {
    let mut hash = Xxh64::new(0);
    hash.update(&facts.manifest.snapshot().0.to_le_bytes());
    hash.update(facts.raw.path.as_bytes());
    hash.update(&[0]);
    if let Some(question) = facts.request.route.list() {
        hash.update(&question.binding.to_le_bytes());
        // As 64 bits, since a `usize` has another width in Wasm.
        hash.update(&u64::try_from(question.limit).unwrap_or(u64::MAX).to_le_bytes());
        if let Some(cursor) = question.cursor {
            hash.update(&cursor.frozen_at.0.to_le_bytes());
            hash.update(&cursor.offset.to_le_bytes());
        }
        hash.update(&facts.view.now.floor(RANK_STEP_MS).0.to_le_bytes());
    }
    if let Route::Products(ids) = &facts.request.route {
        for id in ids {
            hash.update(&id.to_le_bytes());
        }
    }
    if facts.request.is_card {
        hash.update(b"card");
    }
    if let Route::Calendar(CalendarOf::Channel(channel)) = &facts.request.route {
        hash.update(channel.as_bytes());
    }
    let (last, _) = facts.view.board.boundaries(facts.view.now);
    hash.update(&last.unwrap_or_default().0.to_le_bytes());
    hash.update(&[u8::from(facts.is_personal()), u8::from(facts.is_cut), u8::from(facts.view.trusts_verdicts)]);
    hash.update(facts.taste_record.or(facts.leaning).unwrap_or_default());
    if let Some(assignment) = facts.view.assignment {
        hash.update(&assignment.print.to_le_bytes());
    }
    if let Some(pulse) = facts.view.pulse {
        hash.update(&pulse.number().to_le_bytes());
    }
    for print in [facts.overlay.print, facts.overlay.frozen].into_iter().filter(|print| *print != 0) {
        hash.update(&print.to_le_bytes());
    }
    if facts.view.audiences.0 != 0 {
        hash.update(&facts.view.audiences.0.to_le_bytes());
    }
    if facts.view.mix().explore_every > 0 || facts.view.board.draws() {
        hash.update(&facts.view.viewer.to_le_bytes());
    }
    facts.request.recent.iter().for_each(|id| hash.update(&id.to_le_bytes()));
    let mut rest = hash.digest();
    let mut etag = String::with_capacity(20);
    etag.push_str("W/\"");
    for _ in 0..16 {
        rest = rest.rotate_left(4);
        let digit = u32::try_from(rest & 15).unwrap_or(0);
        etag.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
    etag.push('"');
    etag
}

/// Weak comparison (RFC 9110 section 8.8.3.2).
pub(super) fn is_match(header: &str, etag: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag)
    }
    header.len() <= MAX_IF_NONE_MATCH_BYTES
        && header.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

pub(super) fn cache_control(facts: &Facts<'_>) -> Cow<'static, str> {
    let is_of_the_moment = matches!(facts.request.route, Route::Status) || facts.is_cut;
    if is_of_the_moment || facts.request.as_of.is_some() || facts.request.is_preview {
        return "no-store".into();
    }
    if facts.is_alone() {
        return "private, no-cache".into();
    }
    let now = facts.view.now;
    let (_, boundary) = facts.view.board.boundaries(now);
    let step = now.floor(RANK_STEP_MS).plus(RANK_STEP_MS);
    let until = boundary.map_or(step, |boundary| boundary.min(step)).min(facts.overlay.until);
    let seconds = until.since(now).div_euclid(SECOND_MS).clamp(0, MAX_AGE_S);
    let seconds = if facts.rung.is_makeshift() { seconds.min(MAKESHIFT_MAX_AGE_S) } else { seconds };
    // Shared caches don't know the context, and would give the answer to viewers in another.
    let is_of_context = facts.view.board.tells_contexts_apart() && !facts.request.route.is_for_all();
    let scope = if is_of_context { "private" } else { "public" };
    format!("{scope}, max-age={seconds}").into()
}

/// Until when a shared answer stays the same to the byte. Slots, ranking steps and remaining times
/// change at whole seconds; ages change at the build time's fraction of a second.
pub(super) fn stands_until(facts: &Facts<'_>) -> Option<UnixMillis> {
    let is_of_the_moment = matches!(facts.request.route, Route::Status | Route::Pack(..)) || facts.is_cut;
    // No other device sends this id, so keeping the answer would be useless.
    if is_of_the_moment
        || facts.is_alone()
        || facts.raw.device.is_some()
        || facts.request.as_of.is_some()
        || facts.request.is_preview
        || facts.timing.reads > 0
    {
        return None;
    }
    let now = facts.now;
    let second = now.floor(SECOND_MS);
    // Exactly on a second, remaining times are one second longer than just after it.
    let turns = if now == second { now.plus(1) } else { second.plus(SECOND_MS) };
    let built_at = facts.manifest.built_at();
    let ages = built_at.plus(facts.age_s().saturating_add(1).saturating_mul(SECOND_MS));
    let outdated = built_at.plus(MAX_VERDICT_AGE_MS.saturating_add(1));
    [turns, ages, outdated, facts.overlay.until].into_iter().filter(|at| *at > now).min()
}

/// The header with which the data centre's cache keeps a manifest or a pack.
pub fn kept_header() -> (&'static str, String) {
    ("Cache-Control", format!("public, max-age={KEPT_MAX_AGE_S}"))
}
