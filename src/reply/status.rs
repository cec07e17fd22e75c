//! What an isolate stands on: `/v1/status`.

use super::{Facts, JSON, Reply, Rung, Timing, common, decimal, write_snapshot};
use crate::memory::{Memory, Overlays, SecondReads};
use crate::request::{Config, Raw, Request};
use sinsang_core::time::{SECOND_MS, UnixMillis};

#[inline(never)]
pub(super) fn write_status(facts: &Facts<'_>, out: &mut Vec<u8>) {
    let board = facts.view.board;
    let clock = if facts.config.clock_offset_ms == 0 { "real" } else { "shifted" };
    let (from, to) = board.window();
    out.extend_from_slice(
        format!("{{\"now\":\"{}\",\"clock\":\"{clock}\",\"rung\":\"{}\",", facts.now, facts.rung.as_str()).as_bytes(),
    );
    out.extend_from_slice(b"\"snapshot\":");
    write_snapshot(facts, out);
    out.extend_from_slice(format!(",\"window\":{{\"from\":\"{from}\",\"to\":\"{to}\"}},\"counts\":").as_bytes());
    out.extend_from_slice(board.counts_json());
    out.extend_from_slice(
        format!(",\"users\":{},\"taste_shards\":{}}},", facts.manifest.users(), facts.manifest.shard_count())
            .as_bytes(),
    );
    out.extend_from_slice(board.lists_json());
    out.push(b',');
    write_dependencies(facts.memory, (facts.now, facts.real_now), out);
}

/// Appends the state of the overlay, as a member of an object.
fn write_overlay(overlays: &Overlays, now: UnixMillis, out: &mut Vec<u8>) {
    let age_s = overlays.seen_at().map(|at| now.since(at).div_euclid(SECOND_MS).max(0).to_string());
    let standing = overlays.latest().map_or(0, |latest| latest.standing(now, latest.revision()).entries.len());
    let refused = overlays.refused().map(|damage| quoted(&damage.to_string()));
    let null = || "null".to_owned();
    let json = format!(
        "\"overlay\":{{\"revision\":{},\"standing\":{standing},\"age_s\":{},\"refused\":{}}},",
        overlays.revision(),
        age_s.unwrap_or_else(null),
        refused.unwrap_or_else(null)
    );
    out.extend_from_slice(json.as_bytes());
}

/// `text` as JSON, without the characters that would need escaping: a section's name may hold any
/// bytes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace(|one: char| one.is_control() || one == '"' || one == '\\', ""))
}

/// Appends the state of the dependencies and the isolate's use of memory, as members of an object.
fn write_dependencies(memory: &Memory, (now, real_now): (UnixMillis, UnixMillis), out: &mut Vec<u8>) {
    write_overlay(&memory.overlays, now, out);
    if let Some(trial) = memory.trial() {
        let (share, is_read) = (decimal(trial.share), memory.missing_trial().is_none());
        let json = format!("\"trial\":{{\"snapshot\":\"{}\",\"share\":{share},\"read\":{is_read}}},", trial.snapshot);
        out.extend_from_slice(json.as_bytes());
    } else {
        out.extend_from_slice(b"\"trial\":null,");
    }
    match memory.pulse(real_now) {
        Some(pulse) => {
            let age_s = real_now.since(pulse.made_at()).div_euclid(SECOND_MS).max(0);
            let json = format!("\"pulse\":{{\"age_s\":{age_s},\"products\":{}}},", pulse.len());
            out.extend_from_slice(json.as_bytes());
        }
        None => out.extend_from_slice(b"\"pulse\":null,"),
    }
    let SecondReads { count, found } = memory.second_reads;
    let second = format!(",\"second_reads\":{count},\"late_packs\":{found}");
    for (name, breaker, more) in [("store", &memory.store, second.as_str()), ("cache", &memory.cache, "")] {
        let state = if breaker.is_open() { "open" } else { "closed" };
        let json = format!("\"{name}\":{{\"breaker\":\"{state}\",\"failures\":{}{more}}},", breaker.failures());
        out.extend_from_slice(json.as_bytes());
    }
    let refused = memory.refused().map(|(key, damage)| quoted(&format!("{key}: {damage}")));
    out.extend_from_slice(format!("\"refused\":{},", refused.as_deref().unwrap_or("null")).as_bytes());
    let (snapshots, tastes, wasm_bytes) = (memory.snapshot_bytes(), memory.taste_bytes(), memory.wasm_bytes);
    let json =
        format!("\"memory\":{{\"snapshot_bytes\":{snapshots},\"taste_bytes\":{tastes},\"wasm_bytes\":{wasm_bytes}}}");
    out.extend_from_slice(json.as_bytes());
}

/// The answer to `/v1/status` without a snapshot: the store's state matters most then.
pub fn status_without_data(
    request: &Request,
    raw: &Raw<'_>,
    config: &Config,
    memory: &Memory,
    timing: Timing,
    (now, real_now): (UnixMillis, UnixMillis),
) -> Reply {
    let mut headers = common(raw, config, timing);
    headers.push(("Sinsang-Rung", Rung::Kv.as_str().into()));
    headers.push(("Cache-Control", "no-store".into()));
    headers.push(("Content-Type", JSON.into()));
    let clock = if config.clock_offset_ms == 0 { "real" } else { "shifted" };
    let mut body = format!(
        "{{\"now\":\"{now}\",\"clock\":\"{clock}\",\"rung\":\"{}\",\"snapshot\":null,\"window\":null,\"counts\":null,\
         \"channels\":[],\"categories\":[],",
        Rung::Kv.as_str()
    )
    .into_bytes();
    write_dependencies(memory, (now, real_now), &mut body);
    body.push(b'}');
    let body = if request.is_head { Vec::new() } else { body };
    Reply { status: 200, headers, body, ..Reply::default() }
}
