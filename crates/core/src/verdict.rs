//! Verdicts on products: their kinds and reasons.

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// The decision on a product.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum VerdictKind {
    /// It has an upcoming or current broadcast, and none that has ended.
    New,
    /// A broadcast of it has ended.
    Repeat,
    /// The history is insufficient to decide.
    #[default]
    Unknown,
}

impl VerdictKind {
    /// The spelling: `new`, `repeat` or `unknown`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The code in packs.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Repeat => 0,
            Self::New => 1,
            Self::Unknown => 2,
        }
    }

    /// The kind for a code in packs.
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::New,
            2 => Self::Unknown,
            _ => Self::Repeat,
        }
    }
}

/// The reason for a verdict.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// A person gave the verdict.
    Corrected,
    /// The history has no ended broadcast of the product.
    FirstBroadcast,
    /// A broadcast of the product has ended.
    AiredBefore,
    /// A listing that is very likely the same product has aired.
    LikelyAired,
    /// A listing that may be the same product has aired.
    NearMiss,
    /// Its shop's history is too short.
    ShortHistory,
    /// It has so many reviews that it must have been on air before the history begins.
    ReviewsBeforeRecords,
    /// Its title names a collection that began before the history and whose half-year is over.
    CollectionBeforeRecords,
    /// Its titles name no article, so an earlier broadcast could not be recognised.
    TitleSaysNothing,
    /// The snapshot is too old to call anything new; set at the edge, never by a build.
    Outdated,
}

impl Reason {
    /// Every reason, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Whether a build may give the verdict `unknown` for this reason.
    pub fn leaves_unknown(self) -> bool {
        match self {
            Self::Corrected
            | Self::NearMiss
            | Self::ShortHistory
            | Self::ReviewsBeforeRecords
            | Self::CollectionBeforeRecords
            | Self::TitleSaysNothing => true,
            Self::FirstBroadcast | Self::AiredBefore | Self::LikelyAired | Self::Outdated => false,
        }
    }

    /// The spelling, for example `first_broadcast`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
