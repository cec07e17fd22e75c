//! The manifest: which packs make up a snapshot, and which snapshots came before it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Damage, Format, Kind, Pack, PackId, Table, TooLarge, Writer, array_at, i64_at, u16_at, u32_at, u64_at};
use crate::time::UnixMillis;

const META: [u8; 4] = *b"META";
const META_BYTES: usize = 48;
const SHARDS: [u8; 4] = *b"SHRD";
const SHARD_BYTES: usize = 16;
const PREVIOUS: [u8; 4] = *b"PREV";
const PREVIOUS_BYTES: usize = 32;
/// 2^24 shards of one user each would be a mistake; bounds the shard table.
const MAX_SHARD_BITS: u32 = 20;

/// Names a snapshot by its content: 64 bits of the SHA-256 over the names of its packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub u64);

impl SnapshotId {
    /// Parses 16 hex digits in lower case, as [`fmt::Display`] writes them.
    pub fn parse(hex: &str) -> Option<Self> {
        let is_spelled = hex.len() == 16 && hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(hex, 16).ok().filter(|_| is_spelled).map(Self)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A snapshot that was live before, as the manifest remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its manifest, kept as a pack.
    pub manifest: PackId,
    /// When it was built.
    pub built_at: UnixMillis,
}

/// What a manifest says, for writing one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestParts {
    /// When the snapshot was built.
    pub built_at: UnixMillis,
    /// The board.
    pub board: PackId,
    /// The format that the board is written in. It is told here for those who look after a store, and edges do without it.
    pub format: Format,
    /// Users whose tastes are in the shards.
    pub users: u32,
    /// The taste shards, a power of two of them, in the order of the users' keys. A shard without users names no pack.
    pub shards: Vec<PackId>,
    /// Snapshots before this one that are kept, newest first.
    pub previous: Vec<Previous>,
}

impl ManifestParts {
    /// The snapshot's name, which does not depend on what came before it.
    pub fn snapshot(&self) -> SnapshotId {
        let mut hash = Sha256::new();
        hash.update(self.built_at.0.to_le_bytes());
        hash.update(self.board.0);
        self.shards.iter().for_each(|shard| hash.update(shard.0));
        SnapshotId(hash.finalize().first_chunk().map_or(0, |first| u64::from_le_bytes(*first)))
    }

    /// The manifest's bytes and their name.
    ///
    /// # Errors
    /// [`TooLarge`] where they would not fit a KV value.
    pub fn write(&self) -> Result<(Vec<u8>, PackId), TooLarge> {
        let mut meta = Vec::with_capacity(META_BYTES);
        meta.extend_from_slice(&self.snapshot().0.to_le_bytes());
        meta.extend_from_slice(&self.built_at.0.to_le_bytes());
        meta.extend_from_slice(&self.board.0);
        meta.extend_from_slice(&self.users.to_le_bytes());
        meta.extend_from_slice(&self.shards.len().trailing_zeros().to_le_bytes());
        let version = if self.format == Format::One { 0 } else { self.format.version() };
        meta.extend_from_slice(&version.to_le_bytes());
        meta.extend_from_slice(&[0; 6]);
        let mut previous = Vec::new();
        for one in &self.previous {
            previous.extend_from_slice(&one.snapshot.0.to_le_bytes());
            previous.extend_from_slice(&one.manifest.0);
            previous.extend_from_slice(&one.built_at.0.to_le_bytes());
        }
        let mut writer = Writer::new(Kind::Manifest);
        writer.section(META, META_BYTES, meta);
        writer.section(SHARDS, SHARD_BYTES, self.shards.iter().flat_map(|shard| shard.0).collect());
        writer.section(PREVIOUS, PREVIOUS_BYTES, previous);
        writer.finish()
    }
}

/// A manifest that has been read and checked.
#[derive(Debug)]
pub struct Manifest {
    pack: Pack,
    meta: Table,
    shards: Table,
    shard_bits: u32,
    previous: Table,
    /// The snapshot's id as text.
    name: String,
    head_json: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A [`Damage`] that says what is wrong with the bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Damage> {
        let pack = Pack::parse(bytes, Kind::Manifest)?;
        let meta = pack.table(META, META_BYTES)?;
        let shards = pack.table(SHARDS, SHARD_BYTES)?;
        let previous = pack.table(PREVIOUS, PREVIOUS_BYTES)?;
        if meta.count != 1 {
            return Err(Damage::Inconsistent(META));
        }
        let shard_bits = u32_at(pack.record(&meta, 0), 36);
        if shard_bits > MAX_SHARD_BITS || shards.count != 1 << shard_bits {
            return Err(Damage::Inconsistent(SHARDS));
        }
        let (name, head_json) = (String::new(), String::new());
        let mut manifest = Self { pack, meta, shards, shard_bits, previous, name, head_json };
        if manifest.parts().snapshot() != manifest.snapshot() {
            return Err(Damage::Inconsistent(META));
        }
        manifest.name = manifest.snapshot().to_string();
        manifest.head_json = format!("{{\"id\":\"{}\",\"built_at\":\"{}\"", manifest.name, manifest.built_at());
        Ok(manifest)
    }

    /// The name of these very bytes, under which the manifest is kept as a pack.
    pub fn id(&self) -> PackId {
        self.pack.id()
    }

    /// The manifest's bytes, as published.
    pub fn bytes(&self) -> &[u8] {
        self.pack.bytes()
    }

    /// The snapshot it describes.
    pub fn snapshot(&self) -> SnapshotId {
        SnapshotId(u64_at(self.pack.record(&self.meta, 0), 0))
    }

    /// Its id as answers show it, written once.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The opened JSON of what answers say of it, up to its age.
    pub fn head_json(&self) -> &[u8] {
        self.head_json.as_bytes()
    }

    /// When the snapshot was built.
    pub fn built_at(&self) -> UnixMillis {
        UnixMillis(i64_at(self.pack.record(&self.meta, 0), 8))
    }

    /// The board of the snapshot.
    pub fn board(&self) -> PackId {
        PackId(array_at(self.pack.record(&self.meta, 0), 16))
    }

    /// The format that the board is written in, as far as this code knows it.
    pub fn format(&self) -> Format {
        if u16_at(self.pack.record(&self.meta, 0), 40) < 2 { Format::One } else { Format::Two }
    }

    /// Users whose tastes are in the shards.
    pub fn users(&self) -> u32 {
        u32_at(self.pack.record(&self.meta, 0), 32)
    }

    /// The number of taste shards, a power of two.
    pub fn shard_count(&self) -> usize {
        self.shards.count
    }

    /// The shard that holds the user of `key`, or `None` where no user of that shard has tastes.
    pub fn shard_of(&self, key: u64) -> Option<PackId> {
        let id = PackId(array_at(self.pack.record(&self.shards, shard_index(key, self.shard_bits)), 0));
        (!id.is_none()).then_some(id)
    }

    /// Snapshots before this one that are kept, newest first.
    pub fn previous(&self) -> impl Iterator<Item = Previous> {
        (0..self.previous.count).map(|index| {
            let record = self.pack.record(&self.previous, index);
            Previous {
                snapshot: SnapshotId(u64_at(record, 0)),
                manifest: PackId(array_at(record, 8)),
                built_at: UnixMillis(i64_at(record, 24)),
            }
        })
    }

    /// All of it, for writing another like it.
    pub fn parts(&self) -> ManifestParts {
        ManifestParts {
            built_at: self.built_at(),
            board: self.board(),
            format: self.format(),
            users: self.users(),
            shards: (0..self.shards.count)
                .map(|index| PackId(array_at(self.pack.record(&self.shards, index), 0)))
                .collect(),
            previous: self.previous().collect(),
        }
    }
}

/// The shard of a user's key: its highest `bits` bits.
pub fn shard_index(key: u64, bits: u32) -> usize {
    let high = key.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0);
    usize::try_from(high).unwrap_or(0)
}
