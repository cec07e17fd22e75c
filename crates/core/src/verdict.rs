//! Verdicts, by their kind.

use serde::{Deserialize, Serialize};

/// What was decided about a product, in the field's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// It has a broadcast to come, or on air, and none that ended before.
    New,
    /// A broadcast of it has ended.
    Repeat,
    /// The history can't tell.
    Unknown,
}

impl VerdictKind {
    /// As it is written: `new`, `repeat`, `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Repeat => "repeat",
            Self::Unknown => "unknown",
        }
    }

    /// As packs have it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Repeat => 0,
            Self::New => 1,
            Self::Unknown => 2,
        }
    }

    /// The kind of a pack's code.
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::New,
            2 => Self::Unknown,
            _ => Self::Repeat,
        }
    }
}
