//! KV keys: the only place where one is spelled. A key knows which pack it leads to.

use std::fmt;

use crate::pack::{Kind, PackId};

const LIVE: &str = "manifest";
const PULSE: &str = "pulse";
/// The key of what was last done to the store, a JSON document for operators. The edge never reads it.
pub const RUNS: &str = "runs";
/// The key of what the last builds came to, a line of JSON each, for the preview page. The core never reads it.
pub const BUILDS: &str = "builds";
/// The key of the users who asked to be forgotten, a line each, so that no snapshot that knows them is served again. The edge never reads it.
pub const FORGOTTEN: &str = "forgotten";
/// The key of who may move the manifest or remove packs at the moment, and until when. The edge never reads it.
pub const LEASE: &str = "lease";
/// The key of how far the removal of packs that nothing names has come. The edge never reads it.
pub const COLLECTION: &str = "collection";
/// What the keys of all packs begin with.
pub const PACK_PREFIX: &str = "pack/";

/// A key of the snapshot store, with what its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The manifest of the snapshot that is live, which changes with each publish.
    Live,
    /// The latest pulse, which changes every minute.
    Pulse,
    /// A pulse by the second in which it was made, for lists that go on in its order. It never changes, and is gone after a day.
    PulseOf(u32),
    /// An immutable pack, named by its content.
    Pack(Kind, PackId),
}

impl Key {
    /// What the value is.
    pub fn kind(self) -> Kind {
        match self {
            Self::Live => Kind::Manifest,
            Self::Pulse | Self::PulseOf(_) => Kind::Pulse,
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
            Self::Pulse => f.write_str(PULSE),
            Self::PulseOf(second) => write!(f, "{PULSE}/{second}"),
            Self::Pack(_, id) => write!(f, "{PACK_PREFIX}{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the shell reads for the preview page alone it reads without the core, and spells the keys of once more.
    #[test]
    fn the_shell_spells_keys_as_here() {
        let shell = include_str!("../../../src/edge/preview.mjs");
        let line = shell.lines().find_map(|line| line.trim().strip_prefix("const key = ")).unwrap();
        let pulse = Key::PulseOf(77).to_string().replace("77", "${number}");
        assert_eq!(line, format!("path === \"/preview/pulse\" ? `{pulse}` : \"{BUILDS}\";"));
        assert_eq!(shell.matches("env.SNAPSHOTS").count(), 1, "all that is read is read by that key");
        assert_eq!(shell.matches("await read(env, ").count(), 1);
    }
}
