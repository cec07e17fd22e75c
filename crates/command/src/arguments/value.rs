//! The values that arguments may have, and what is said of others.

use sinsang_core::pack::Format;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::UnixMillis;

pub(super) fn time(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(text).ok_or_else(|| "expected RFC 3339, such as 2026-11-22T09:00:00+09:00".to_owned())
}

pub(super) fn pack_format(text: &str) -> Result<Format, String> {
    let known = [Format::One, Format::Two].into_iter().find(|format| format.version().to_string() == text);
    known.ok_or_else(|| "expected 1 or 2".to_owned())
}

pub(super) fn snapshot_id(text: &str) -> Result<SnapshotId, String> {
    SnapshotId::parse(text).ok_or_else(|| "expected 16 hex digits, as `sinsang status` shows them".to_owned())
}

/// A day at midnight UTC.
pub(super) fn day(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(&format!("{text}T00:00:00Z"))
        .ok_or_else(|| "expected a day, such as 2011-09-01".to_owned())
}

pub(super) fn variant(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, share)| Some((name.to_owned(), share.parse::<f64>().ok()?)));
    let fits = |(name, share): &(String, f64)| !name.is_empty() && share.is_finite() && *share > 0.0;
    parts.filter(fits).ok_or_else(|| "expected a name and a share above 0, such as control=0.5".to_owned())
}

pub(super) fn level(text: &str) -> Result<f64, String> {
    let level: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if level > 0.0 && level <= 0.5 { Ok(level) } else { Err("expected a number above 0, to 0.5".to_owned()) }
}

pub(super) fn amount(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1e12).contains(&amount) { Ok(amount) } else { Err("expected a number from 0 to 1e12".to_owned()) }
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("expected a number from 0 to 1".to_owned()) }
}

pub(super) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() { Err("a name is not empty".to_owned()) } else { Ok(name.to_owned()) }
}
