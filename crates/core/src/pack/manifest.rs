//! The manifest: the names of a snapshot's packs, and of the snapshots kept beside it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Damage, Format, Kind, Pack, PackId, Table, TooLarge, Writer, array_at, i64_at, u16_at, u32_at, u64_at};
use crate::experiment::{Purpose, WHOLE, place, salt};
use crate::time::UnixMillis;
use crate::viewer::UserKey;

const META: [u8; 4] = *b"META";
const META_BYTES: usize = 48;
const SHARDS: [u8; 4] = *b"SHRD";
const SHARD_BYTES: usize = 16;
const BESIDE: [u8; 4] = *b"PREV";
const BESIDE_BYTES: usize = 32;
const SHARES: [u8; 4] = *b"SHAR";
const SHARE_BYTES: usize = 16;
/// Bounds the shard table; 2^24 shards of one user each would be a mistake.
const MAX_SHARD_BITS: u32 = 20;

/// A snapshot's id: 64 bits of the SHA-256 over its build time and the names of its packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub u64);

impl SnapshotId {
    /// Parses 16 lower-case hex digits, the form that [`fmt::Display`] writes.
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

/// A snapshot that the manifest keeps beside its own: an earlier one, or one that has not been
/// live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The snapshot's id.
    pub snapshot: SnapshotId,
    /// Its manifest, stored as a pack.
    pub manifest: PackId,
    /// When it was built.
    pub built_at: UnixMillis,
    /// `None` if it was live. Otherwise the share of viewers who get it in place of the live one,
    /// in millionths ([`WHOLE`]); 0 if it was withdrawn and is kept only for lists that began in
    /// it.
    pub share: Option<u32>,
}

/// A snapshot on trial: a share of viewers gets it in place of the live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The snapshot's id.
    pub snapshot: SnapshotId,
    /// Its manifest, stored as a pack.
    pub manifest: PackId,
    /// The share of viewers, in millionths.
    pub share: u32,
    /// Draws the viewers. It derives from the snapshot's id: a wider share only adds viewers, and
    /// each trial draws anew.
    salt: u64,
}

impl Trial {
    /// Whether `viewer` gets this snapshot.
    pub fn shows(&self, viewer: UserKey) -> bool {
        place(self.salt, viewer.0) < self.share
    }
}

/// The content of a manifest to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestParts {
    /// When the snapshot was built.
    pub built_at: UnixMillis,
    /// The name of the board.
    pub board: PackId,
    /// The format of the board, for tools that maintain a store; edges don't read it.
    pub format: Format,
    /// The number of users whose tastes are in the shards.
    pub users: u32,
    /// The taste shards, a power of two of them, in the order of user keys. A shard without users
    /// names no pack.
    pub shards: Vec<PackId>,
    /// The snapshots kept beside it, the latest first.
    pub beside: Vec<Beside>,
}

impl ManifestParts {
    /// The snapshot's id, which does not depend on the snapshots beside it.
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
    /// [`TooLarge`] if the manifest exceeds a KV value.
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
        let (mut beside, mut shares) = (Vec::new(), Vec::new());
        for one in &self.beside {
            beside.extend_from_slice(&one.snapshot.0.to_le_bytes());
            beside.extend_from_slice(&one.manifest.0);
            beside.extend_from_slice(&one.built_at.0.to_le_bytes());
            if let Some(share) = one.share {
                shares.extend_from_slice(&one.snapshot.0.to_le_bytes());
                shares.extend_from_slice(&share.to_le_bytes());
                shares.extend_from_slice(&[0; 4]);
            }
        }
        let mut writer = Writer::new(Kind::Manifest);
        writer.section(META, META_BYTES, meta);
        writer.section(SHARDS, SHARD_BYTES, self.shards.iter().flat_map(|shard| shard.0).collect());
        writer.section(BESIDE, BESIDE_BYTES, beside);
        if !shares.is_empty() {
            writer.section(SHARES, SHARE_BYTES, shares);
        }
        writer.finish()
    }
}

/// A manifest that has been parsed and checked.
#[derive(Debug)]
pub struct Manifest {
    pack: Pack,
    meta: Table,
    shards: Table,
    shard_bits: u32,
    beside: Vec<Beside>,
    trial: Option<Trial>,
    /// The snapshot's id as text.
    name: String,
    head_json: String,
}

impl Manifest {
    /// Parses and checks a manifest.
    ///
    /// # Errors
    /// [`Damage`] if the bytes are not an intact manifest.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Damage> {
        let pack = Pack::parse(bytes, Kind::Manifest)?;
        let meta = pack.table(META, META_BYTES)?;
        let shards = pack.table(SHARDS, SHARD_BYTES)?;
        let beside = pack.table(BESIDE, BESIDE_BYTES)?;
        let beside = read_beside(&pack, &beside)?;
        if meta.count != 1 {
            return Err(Damage::Inconsistent(META));
        }
        let shard_bits = u32_at(pack.record(&meta, 0), 36);
        if shard_bits > MAX_SHARD_BITS || shards.count != 1 << shard_bits {
            return Err(Damage::Inconsistent(SHARDS));
        }
        let (name, head_json) = (String::new(), String::new());
        let mut manifest = Self { pack, meta, shards, shard_bits, beside, trial: None, name, head_json };
        if manifest.parts().snapshot() != manifest.snapshot() {
            return Err(Damage::Inconsistent(META));
        }
        manifest.trial = manifest.beside.iter().find_map(|one| {
            let Beside { snapshot, manifest, share, .. } = *one;
            let share = share.filter(|share| *share > 0)?;
            Some(Trial { snapshot, manifest, share, salt: salt(Purpose::Snapshot, &snapshot.to_string()) })
        });
        manifest.name = manifest.snapshot().to_string();
        manifest.head_json = format!("{{\"id\":\"{}\",\"built_at\":\"{}\"", manifest.name, manifest.built_at());
        Ok(manifest)
    }

    /// The name of its bytes, under which the manifest is stored as a pack.
    pub fn id(&self) -> PackId {
        self.pack.id()
    }

    /// The manifest's bytes, as published.
    pub fn bytes(&self) -> &[u8] {
        self.pack.bytes()
    }

    /// The id of the snapshot.
    pub fn snapshot(&self) -> SnapshotId {
        SnapshotId(u64_at(self.pack.record(&self.meta, 0), 0))
    }

    /// The snapshot's id as text, formatted once.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The manifest's JSON object in answers, left open after the build time.
    pub fn head_json(&self) -> &[u8] {
        self.head_json.as_bytes()
    }

    /// When the snapshot was built.
    pub fn built_at(&self) -> UnixMillis {
        UnixMillis(i64_at(self.pack.record(&self.meta, 0), 8))
    }

    /// The name of the snapshot's board.
    pub fn board(&self) -> PackId {
        PackId(array_at(self.pack.record(&self.meta, 0), 16))
    }

    /// The format of the board; newer ones than this code knows count as the newest known.
    pub fn format(&self) -> Format {
        let stated = u16_at(self.pack.record(&self.meta, 0), 40);
        let known = Format::ALL.iter().rev().find(|format| format.version() <= stated);
        known.copied().unwrap_or_default()
    }

    /// The number of users whose tastes are in the shards.
    pub fn users(&self) -> u32 {
        u32_at(self.pack.record(&self.meta, 0), 32)
    }

    /// The number of taste shards, a power of two.
    pub fn shard_count(&self) -> usize {
        self.shards.count
    }

    /// The shard for the user with this key; `None` if no user of that shard has tastes.
    pub fn shard_of(&self, key: u64) -> Option<PackId> {
        let id = PackId(array_at(self.pack.record(&self.shards, shard_index(key, self.shard_bits)), 0));
        (!id.is_none()).then_some(id)
    }

    /// All snapshots that are kept beside it, the latest first.
    pub fn beside(&self) -> impl Iterator<Item = Beside> {
        self.beside.iter().copied()
    }

    /// The snapshots that were live before, the latest first.
    pub fn previous(&self) -> impl Iterator<Item = Beside> {
        self.beside().filter(|one| one.share.is_none())
    }

    /// The snapshot that a share of viewers gets in place of this one, if there is one.
    pub fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }

    /// Copies everything, for writing a similar manifest.
    pub fn parts(&self) -> ManifestParts {
        ManifestParts {
            built_at: self.built_at(),
            board: self.board(),
            format: self.format(),
            users: self.users(),
            shards: (0..self.shards.count)
                .map(|index| PackId(array_at(self.pack.record(&self.shards, index), 0)))
                .collect(),
            beside: self.beside.clone(),
        }
    }
}

fn read_beside(pack: &Pack, table: &Table) -> Result<Vec<Beside>, Damage> {
    let mut beside = Vec::with_capacity(table.count);
    for index in 0..table.count {
        let record = pack.record(table, index);
        let (snapshot, manifest) = (SnapshotId(u64_at(record, 0)), PackId(array_at(record, 8)));
        beside.push(Beside { snapshot, manifest, built_at: UnixMillis(i64_at(record, 24)), share: None });
    }
    let shares = match pack.table(SHARES, SHARE_BYTES) {
        Err(Damage::Missing(_)) => return Ok(beside),
        shares => shares?,
    };
    for index in 0..shares.count {
        let record = pack.record(&shares, index);
        let (snapshot, share) = (SnapshotId(u64_at(record, 0)), u32_at(record, 8));
        if share > WHOLE {
            return Err(Damage::Inconsistent(SHARES));
        }
        if let Some(one) = beside.iter_mut().find(|one| one.snapshot == snapshot) {
            one.share = Some(share);
        }
    }
    Ok(beside)
}

/// The shard index of a user's key: its highest `bits` bits.
pub fn shard_index(key: u64, bits: u32) -> usize {
    let high = key.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0);
    usize::try_from(high).unwrap_or(0)
}
