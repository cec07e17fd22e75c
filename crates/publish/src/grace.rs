//! Grace periods of packs that no manifest names.

use sinsang_core::time::HOUR_MS;

/// The shortest grace period, in milliseconds: longer than any publish takes.
pub const MIN_GRACE_MS: i64 = 6 * HOUR_MS;
/// How long after an unfinished publish began the next one relies on the packs it wrote, in
/// milliseconds.
pub(crate) const FRESH_MS: i64 = MIN_GRACE_MS / 2;
