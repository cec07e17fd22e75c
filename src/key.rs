//! KV keys: the only place where one is spelled. A key knows which pack it leads to.

use std::fmt;

use crate::pack::{Kind, PackId};

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
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("manifest"),
            Self::Pack(_, id) => write!(f, "pack/{id}"),
        }
    }
}
