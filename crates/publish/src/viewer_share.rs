//! A share of viewers, as operators write it and manifests hold it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sinsang_core::experiment::WHOLE;

/// A share of viewers, in millionths ([`WHOLE`]). Written and read as a percentage, `5%`; in JSON a
/// number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "f64", from = "f64")]
pub struct ViewerShare(u32);

impl ViewerShare {
    /// All viewers.
    pub const ALL: Self = Self(WHOLE);
    /// No viewers.
    pub const NONE: Self = Self(0);

    /// The share in millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// The share that a manifest names.
    pub fn of(millionths: u32) -> Self {
        Self(millionths.min(WHOLE))
    }
}

impl From<ViewerShare> for f64 {
    fn from(share: ViewerShare) -> Self {
        Self::from(share.0) / Self::from(WHOLE)
    }
}

impl From<f64> for ViewerShare {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=WHOLE")]
    fn from(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32)
    }
}

/// Why a text is no share of viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a share of viewers such as 5% or 0.5%: from 0% to 100%, with at most four decimals")]
pub struct BadShare;

impl FromStr for ViewerShare {
    type Err = BadShare;

    fn from_str(text: &str) -> Result<Self, BadShare> {
        let number = text.strip_suffix('%').ok_or(BadShare)?.trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || part.len() > 4 || !is_number(whole) || !is_number(part) {
            return Err(BadShare);
        }
        // A percent is ten thousand millionths.
        let millionths = format!("{whole}{part:0<4}").parse().map_err(|_| BadShare)?;
        Some(millionths).filter(|share| *share <= WHOLE).map(Self).ok_or(BadShare)
    }
}

impl fmt::Display for ViewerShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_from_none_to_all() {
        for (text, millionths, shown) in [
            ("5%", 50_000, "5%"),
            ("0%", 0, "0%"),
            ("100%", WHOLE, "100%"),
            ("100.0000%", WHOLE, "100%"),
            ("0.5%", 5_000, "0.5%"),
            ("12.3456 %", 123_456, "12.3456%"),
            ("007%", 70_000, "7%"),
            ("1.%", 10_000, "1%"),
        ] {
            let share: ViewerShare = text.parse().unwrap();
            assert_eq!((share.millionths(), share.to_string().as_str()), (millionths, shown), "{text}");
            let json = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<ViewerShare>(&json).unwrap(), share, "{json}");
        }
        for text in [
            "",
            "%",
            "5",
            "0.05",
            "-1%",
            "+1%",
            "101%",
            "100.0001%",
            "1.00001%",
            "1e1%",
            ".5%",
            "5%%",
            "1,5%",
            "5 percent",
            "٥%",
        ] {
            assert_eq!(text.parse::<ViewerShare>(), Err(BadShare), "{text}");
        }
    }
}
