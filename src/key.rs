//! KV keys: the only place where one is spelled. A key knows which pack it leads to.

use std::fmt;

use crate::pack::{Kind, PackId};

const LIVE: &str = "manifest";
/// The key of what was last done to the store, a JSON document for operators. The edge never reads it.
pub const RUNS: &str = "runs";
/// What the keys of all packs begin with.
pub const PACK_PREFIX: &str = "pack/";

/// A key of the snapshot store, with what its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The one mutable value: the manifest of the snapshot that is live.
    Live,
    /// An immutable pack, named by its content.
    Pack(Kind, PackId),
}

impl Key {
    /// What the value is.
    pub fn kind(self) -> Kind {
        match self {
            Self::Live => Kind::Manifest,
            Self::Pack(kind, _) => kind,
        }
    }

    /// The pack that a key spelled `text` leads to; `None` where it leads to no pack. Its kind does not show in the spelling.
    pub fn pack_of(text: &str) -> Option<PackId> {
        PackId::parse(text.strip_prefix(PACK_PREFIX)?)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str(LIVE),
            Self::Pack(_, id) => write!(f, "{PACK_PREFIX}{id}"),
        }
    }
}
