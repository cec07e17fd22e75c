//! KV keys, spelled only here. A key knows the kind of pack that it leads to.

use std::fmt;

use crate::pack::{Kind, PackId};
use crate::time::DAY_MS;

const LIVE: &str = "manifest";
const PULSE: &str = "pulse";
const OVERLAY: &str = "overlay";
/// The key of the last action on the store, a JSON document for operators. The edge never reads it.
pub const RUNS: &str = "runs";
/// The key of the latest builds' results, one line of JSON each, for the preview page. The core
/// never reads it.
pub const BUILDS: &str = "builds";
/// The key of all that operators said of late, one line of JSON each: the overlay is made of it.
/// The edge never reads it; the preview page shows it.
pub const OVERLAY_LOG: &str = "overlay/log";
/// The key of the users who asked to be forgotten, one per line, so that a snapshot containing them
/// is never served again. The edge never reads it.
pub const FORGOTTEN: &str = "forgotten";
/// The key of the lease: who may move the manifest or remove packs, and until when. The edge never
/// reads it.
pub const LEASE: &str = "lease";
/// The key of the overlay's own lease, so that a recall does not wait for a publish. The edge never
/// reads it.
pub const OVERLAY_LEASE: &str = "overlay/lease";
/// The key of the progress in removing unreferenced packs. The edge never reads it.
pub const COLLECTION: &str = "collection";
/// The prefix of all packs' keys.
pub const PACK_PREFIX: &str = "pack/";
/// The prefix of all pulses' keys, before the Unix second of each.
pub const PULSE_PREFIX: &str = "pulse/";
/// How long a store keeps what answers were given from, so that they can be replayed: pulses under
/// their numbers, snapshots that were live or on trial, and the history of runs. In milliseconds.
pub const REPLAYABLE_MS: i64 = 7 * DAY_MS;

/// A key of the snapshot store, which determines the kind of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The manifest of the live snapshot; each publish changes it.
    Live,
    /// The latest pulse, replaced every minute.
    Pulse,
    /// A pulse by the Unix second of its creation, for later pages of lists ordered by it, and for
    /// replays. Immutable; it expires after [`REPLAYABLE_MS`].
    PulseOf(u32),
    /// The overlay, replaced whenever operators say something.
    Overlay,
    /// An immutable pack, named by its content.
    Pack(Kind, PackId),
}

impl Key {
    /// The kind of its value.
    pub fn kind(self) -> Kind {
        match self {
            Self::Live => Kind::Manifest,
            Self::Pulse | Self::PulseOf(_) => Kind::Pulse,
            Self::Overlay => Kind::Overlay,
            Self::Pack(kind, _) => kind,
        }
    }

    /// The id of the pack under the key `text`; `None` if it is not a pack's key. The key's text
    /// does not contain the kind.
    pub fn pack_of(text: &str) -> Option<PackId> {
        PackId::parse(text.strip_prefix(PACK_PREFIX)?)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str(LIVE),
            Self::Pulse => f.write_str(PULSE),
            Self::Overlay => f.write_str(OVERLAY),
            Self::PulseOf(second) => write!(f, "{PULSE_PREFIX}{second}"),
            Self::Pack(_, id) => write!(f, "{PACK_PREFIX}{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shell reads values for the preview page without the core, so it spells their keys again.
    #[test]
    fn the_shell_spells_keys_as_here() {
        let shell = include_str!("../../../src/edge/preview.mjs");
        let line = |name: &str| shell.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
        let pulse = Key::PulseOf(77).to_string().replace("77", "${number}");
        assert_eq!(line("const key = "), format!("path === \"/preview/pulse\" ? `{pulse}` : KEYS[path];"));
        let overlay = Key::Overlay;
        let keys = [("builds", BUILDS), ("overlay", &overlay.to_string()), ("overlay-log", OVERLAY_LOG)];
        let keys = keys.map(|(path, key)| format!("\"/preview/{path}\": \"{key}\"")).join(", ");
        assert_eq!(line("const KEYS = "), format!("{{ {keys} }};"));
        assert_eq!(shell.matches("env.SNAPSHOTS").count(), 1, "all that is read is read by that key");
        assert_eq!(shell.matches("await read(env, ").count(), 1);
    }
}
