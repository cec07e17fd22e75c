//! Parsers of argument values, with their error texts.

use sinsang_core::pack::Format;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::UnixMillis;
use sinsang_experiment::Size;
use sinsang_publish::{BadShare, ViewerShare};

pub(super) fn time(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(text).ok_or_else(|| "expected RFC 3339, such as 2026-11-22T09:00:00+09:00".to_owned())
}

pub(super) fn pack_format(text: &str) -> Result<Format, String> {
    let versions = || Format::ALL.iter().map(|format| format.version().to_string());
    let known = Format::ALL.iter().copied().find(|format| format.version().to_string() == text);
    known.ok_or_else(|| format!("expected {}", versions().collect::<Vec<_>>().join(" or ")))
}

pub(super) fn snapshot_id(text: &str) -> Result<SnapshotId, String> {
    SnapshotId::parse(text).ok_or_else(|| "expected 16 hex digits, as `sinsang status` shows them".to_owned())
}

/// A share of viewers to show a snapshot to, neither none nor all of them.
pub(super) fn trial_share(text: &str) -> Result<ViewerShare, String> {
    let share: ViewerShare = text.parse().map_err(|bad: BadShare| bad.to_string())?;
    match share {
        ViewerShare::NONE => Err("a trial needs viewers; `sinsang share 0%` withdraws a snapshot".to_owned()),
        ViewerShare::ALL => Err("leave out --share to show a snapshot to everybody".to_owned()),
        share => Ok(share),
    }
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
    if level > 0.0 && level <= 0.5 { Ok(level) } else { Err("expected a number above 0, at most 0.5".to_owned()) }
}

/// A share of experiments that find an effect: no number of viewers finds it in all.
pub(super) fn power(text: &str) -> Result<f64, String> {
    let power: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.5..=0.999).contains(&power) { Ok(power) } else { Err("expected a number from 0.5 to 0.999".to_owned()) }
}

/// A share of viewers above none.
pub(super) fn traffic(text: &str) -> Result<f64, String> {
    share(text).and_then(|share| if share > 0.0 { Ok(share) } else { Err("expected a number above 0".to_owned()) })
}

/// An effect to be found, in either direction.
pub(super) fn effect(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if size.number() > 0.0 { Ok(size) } else { Err("expected an effect above 0, such as 2%".to_owned()) }
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
    if name.is_empty() { Err("expected a name that is not empty".to_owned()) } else { Ok(name.to_owned()) }
}
