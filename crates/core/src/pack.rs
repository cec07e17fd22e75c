//! The published bytes: a checked container of named sections, and the kinds of pack built on it.
//!
//! `pack/FORMAT.md` documents the layout. The container is here, the kinds in [`manifest`],
//! [`board`], [`taste`], [`pulse`] and [`overlay`], with the write side beside each reader. Bytes
//! are never trusted: a damaged pack is a [`Damage`], never a panic.

pub mod audience;
#[allow(clippy::arithmetic_side_effects, reason = "sums only where the pipeline writes")]
pub mod background;
pub mod board;
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs in the pipeline, on parts whose references are its own to keep"
)]
pub mod board_write;
pub mod bundle;
pub mod context;
#[allow(clippy::arithmetic_side_effects, reason = "sums only where the pipeline writes")]
pub mod experiment;
pub mod manifest;
#[allow(clippy::arithmetic_side_effects, reason = "sums only where the pipeline writes")]
pub mod mix;
pub mod overlay;
pub mod pulse;
mod record;
pub mod taste;

use std::fmt;
use std::sync::Arc;
use strum::VariantArray as _;

use sha2::{Digest, Sha256};

/// The first four bytes of every pack.
pub const MAGIC: [u8; 4] = *b"SNSP";
/// The newest version that this code reads, along with all earlier ones.
pub const VERSION: u16 = 2;
/// The largest pack that is read, in bytes: the limit for a value in Workers KV.
pub const MAX_PACK_BYTES: usize = 25 * 1024 * 1024;

const HEADER_BYTES: usize = 32;
const CHECKSUM_AT: usize = 16;
const ENTRY_BYTES: usize = 16;
/// Far above what any kind uses; bounds the directory before it is read.
const MAX_SECTIONS: usize = 64;
const ALIGN: usize = 8;

/// A pack's name: the first 16 bytes of the SHA-256 of its content, so packs are content-addressed
/// like git objects. All zeros stands for no pack.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(pub [u8; 16]);

impl PackId {
    /// Whether this stands for no pack.
    pub fn is_none(&self) -> bool {
        self.0 == [0; 16]
    }

    /// Parses 32 lower-case hex digits, the form that [`fmt::Display`] writes.
    pub fn parse(hex: &str) -> Option<Self> {
        let digits: &[u8; 32] = hex.as_bytes().try_into().ok()?;
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Some(Self(id))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a' - 10),
        _ => None,
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A version of the format, for writing packs. If a version changes nothing about a kind, packs of
/// that kind keep stating the version before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum Format {
    /// The version that every edge reads.
    #[default]
    One,
    /// Boards store the pulse's weight.
    Two,
}

impl Format {
    /// Every format, the oldest first.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The version number, for packs that use its additions.
    pub fn version(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// The kind of a pack's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The names of a snapshot's packs.
    Manifest,
    /// The schedule window with its products, tabs and rules.
    Board,
    /// The tastes of one shard's users.
    Tastes,
    /// Recent viewers per product.
    Pulse,
    /// What operators say between builds.
    Overlay,
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::Manifest => 1,
            Self::Board => 2,
            Self::Tastes => 3,
            Self::Pulse => 4,
            Self::Overlay => 5,
        }
    }
}

/// The reason why bytes were rejected as a pack. The reader keeps what it had; an operator
/// publishes the snapshot again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Shorter than a header, or not as long as the header states.
    Truncated,
    /// The first bytes are not [`MAGIC`].
    NotAPack,
    /// A version newer than this code reads.
    UnknownVersion(u16),
    /// Another kind of pack than requested.
    WrongKind(u16),
    /// The content does not match the checksum in the header.
    Checksum,
    /// Intact, but not the requested pack.
    WrongId,
    /// A section that this kind requires is missing.
    Missing([u8; 4]),
    /// A section's records or references are inconsistent.
    Inconsistent([u8; 4]),
    /// Intact, but built further ahead of this clock than clocks may differ: its age, and
    /// everything that depends on it, can't be trusted.
    Ahead,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = |tag: &[u8; 4]| String::from_utf8_lossy(tag).into_owned();
        match self {
            Self::Truncated => f.write_str("the bytes are cut short"),
            Self::NotAPack => f.write_str("the bytes are no Sinsang pack"),
            Self::UnknownVersion(version) => {
                write!(f, "format version {version} is newer than this reader's {VERSION}")
            }
            Self::WrongKind(code) => write!(f, "the pack is of another kind ({code})"),
            Self::Checksum => f.write_str("the content does not match its checksum"),
            Self::WrongId => f.write_str("the pack is not the one that its key names"),
            Self::Missing(name) => write!(f, "section {} is missing", tag(name)),
            Self::Inconsistent(name) => write!(f, "section {} does not fit the others", tag(name)),
            Self::Ahead => f.write_str("the snapshot was built ahead of this clock"),
        }
    }
}

impl std::error::Error for Damage {}

/// A directory entry: where a section lies, and the length of its records.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: [u8; 4],
    start: usize,
    end: usize,
    stride: usize,
}

/// An intact pack: owned bytes whose header, checksum and directory have been checked.
pub struct Pack {
    version: u16,
    bytes: Arc<Vec<u8>>,
    /// What follows `bytes` in an amended pack: sections in place of its own, and further text.
    extra: Vec<u8>,
    entries: Vec<Entry>,
    id: PackId,
}

impl Pack {
    /// Checks that `bytes` are a pack of `kind`.
    ///
    /// # Errors
    /// [`Damage`] if the bytes are not an intact pack of that kind.
    pub fn parse(bytes: Vec<u8>, kind: Kind) -> Result<Self, Damage> {
        if bytes.len() < HEADER_BYTES {
            return Err(Damage::Truncated);
        }
        if bytes.get(..4) != Some(&MAGIC) {
            return Err(Damage::NotAPack);
        }
        let version = u16_at(&bytes, 4);
        if version == 0 || version > VERSION {
            return Err(Damage::UnknownVersion(version));
        }
        let code = u16_at(&bytes, 6);
        if code != kind.code() {
            return Err(Damage::WrongKind(code));
        }
        if bytes.len() > MAX_PACK_BYTES || to_usize(u32_at(&bytes, 8)) != bytes.len() {
            return Err(Damage::Truncated);
        }
        let id = PackId(array_at(&bytes, CHECKSUM_AT));
        if checksum(&bytes) != Some(id) {
            return Err(Damage::Checksum);
        }
        let count = to_usize(u32_at(&bytes, 12));
        if count > MAX_SECTIONS {
            return Err(Damage::Inconsistent(*b"head"));
        }
        let mut entries = Vec::with_capacity(count);
        for at in (HEADER_BYTES..).step_by(ENTRY_BYTES).take(count) {
            let tag: [u8; 4] = array_at(&bytes, at);
            let start = to_usize(u32_at(&bytes, at.saturating_add(4)));
            let length = to_usize(u32_at(&bytes, at.saturating_add(8)));
            let stride = to_usize(u32_at(&bytes, at.saturating_add(12)));
            let end = start.checked_add(length).filter(|end| *end <= bytes.len());
            match end {
                Some(end) if stride > 0 && length.is_multiple_of(stride) => {
                    entries.push(Entry { tag, start, end, stride });
                }
                _ => return Err(Damage::Inconsistent(tag)),
            }
        }
        Ok(Self { version, bytes: Arc::new(bytes), extra: Vec::new(), entries, id })
    }

    /// The same pack with other sections, each with its stride, in place of its own or beside them.
    /// It shares this pack's bytes. Spans of a table from [`Self::text_end`] on lead to `text`.
    fn amended(&self, text: Vec<u8>, sections: Vec<([u8; 4], usize, Vec<u8>)>) -> Self {
        let (mut extra, mut entries) = (text, self.entries.clone());
        for (tag, stride, mut bytes) in sections {
            let start = self.bytes.len().saturating_add(extra.len());
            let entry = Entry { tag, start, end: start.saturating_add(bytes.len()), stride };
            match entries.iter_mut().find(|entry| entry.tag == tag) {
                Some(known) => *known = entry,
                None => entries.push(entry),
            }
            extra.append(&mut bytes);
        }
        Self { version: self.version, bytes: Arc::clone(&self.bytes), extra, entries, id: self.id }
    }

    /// Where a span of `table` starts that leads to the text of [`Self::amended`].
    fn text_end(&self, table: &Table) -> u32 {
        u32::try_from(self.bytes.len().saturating_sub(table.start)).unwrap_or(u32::MAX)
    }

    /// `length` bytes at `start`, counted on from the end of the published bytes in an amended
    /// pack; `None` if they reach past the end of either.
    fn slice(&self, start: usize, length: usize) -> Option<&[u8]> {
        match start.checked_sub(self.bytes.len()) {
            None => self.bytes.get(start..start.checked_add(length)?),
            Some(start) => self.extra.get(start..start.checked_add(length)?),
        }
    }

    /// The pack's name, derived from its content.
    pub fn id(&self) -> PackId {
        self.id
    }

    /// The version that the pack states.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The pack's bytes, as published.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The tag, record count and record length of every section, including unknown ones.
    pub fn sections(&self) -> impl Iterator<Item = (String, usize, usize)> {
        self.entries.iter().map(|entry| (String::from_utf8_lossy(&entry.tag).into_owned(), entry.count(), entry.stride))
    }

    /// The section `tag`, whose records must have at least `min_stride` bytes. Longer records come
    /// from a newer writer, and their additional bytes are ignored.
    #[inline(never)]
    fn table(&self, tag: [u8; 4], min_stride: usize) -> Result<Table, Damage> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag).ok_or(Damage::Missing(tag))?;
        if entry.stride < min_stride {
            return Err(Damage::Inconsistent(tag));
        }
        Ok(Table { start: entry.start, stride: entry.stride, count: entry.count() })
    }

    /// Record `index` of `table`, or an empty slice past its end.
    fn record(&self, table: &Table, index: usize) -> &[u8] {
        if index >= table.count {
            return &[];
        }
        let start = table.start.saturating_add(index.saturating_mul(table.stride));
        self.slice(start, table.stride).unwrap_or_default()
    }

    /// The first `N` bytes of record `index` of `table`, or zeros past its end, so that fields at
    /// fixed offsets need no check.
    fn head<const N: usize>(&self, table: &Table, index: usize) -> &[u8; N] {
        self.record(table, index).first_chunk().unwrap_or(const { &[0; N] })
    }

    /// All bytes of `table`.
    fn all(&self, table: &Table) -> &[u8] {
        let length = table.count.saturating_mul(table.stride);
        self.slice(table.start, length).unwrap_or_default()
    }

    /// The bytes at `span` in `table`, or in an amended pack's further text; `None` if it reaches
    /// past the end.
    fn span(&self, table: &Table, span: Span) -> Option<&[u8]> {
        let (start, length) = (to_usize(span.start), to_usize(span.length));
        let end = start.checked_add(length)?;
        if end <= table.count || span.start >= self.text_end(table) {
            return self.slice(table.start.checked_add(start)?, length);
        }
        None
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("id", &self.id).field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// A section that has been found in a [`Pack`] and measured.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    start: usize,
    stride: usize,
    count: usize,
}

/// A range of bytes in a text section: its start and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    fn at(record: &[u8], at: usize) -> Self {
        Self { start: u32_at(record, at), length: u32_at(record, at.saturating_add(4)) }
    }
}

impl Entry {
    fn count(&self) -> usize {
        self.end.saturating_sub(self.start).checked_div(self.stride).unwrap_or(0)
    }
}

fn checksum(bytes: &[u8]) -> Option<PackId> {
    let mut hash = Sha256::new();
    hash.update(bytes.get(..CHECKSUM_AT)?);
    hash.update(bytes.get(HEADER_BYTES..)?);
    hash.finalize().first_chunk().map(|first| PackId(*first))
}

/// `N` bytes at `at`; zeros if the record is too short, which the checks in `parse` rule out before
/// any accessor runs.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array_at(bytes, at))
}

/// Widens an offset; `usize` has at least 32 bits on all targets.
fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A pack in progress: sections in the order of addition, each a sequence of records of one length.
#[derive(Debug)]
pub struct Writer {
    kind: Kind,
    version: u16,
    sections: Vec<([u8; 4], usize, Vec<u8>)>,
}

/// The error for a pack that exceeds the largest value of Workers KV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The size that it would have, in bytes.
    pub bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a pack of {} bytes is larger than the {MAX_PACK_BYTES} that a KV value holds", self.bytes)
    }
}

impl std::error::Error for TooLarge {}

impl Writer {
    /// A writer for a pack of `kind` that states version 1.
    pub fn new(kind: Kind) -> Self {
        Self::of(kind, Format::One)
    }

    /// A writer for a pack of `kind` that uses the additions of `format`.
    pub fn of(kind: Kind, format: Format) -> Self {
        Self { kind, version: format.version(), sections: Vec::new() }
    }

    /// Adds the section `tag`, with records of `stride` bytes.
    pub fn section(&mut self, tag: [u8; 4], stride: usize, bytes: Vec<u8>) {
        debug_assert!(
            stride > 0 && bytes.len().is_multiple_of(stride),
            "section {tag:?} is no run of {stride}-byte records"
        );
        self.sections.push((tag, stride, bytes));
    }

    /// The finished bytes and their name.
    ///
    /// # Errors
    /// [`TooLarge`] if the pack exceeds a KV value.
    pub fn finish(self) -> Result<(Vec<u8>, PackId), TooLarge> {
        let mut at = self.sections.len().saturating_mul(ENTRY_BYTES).saturating_add(HEADER_BYTES);
        let mut directory = Vec::new();
        for (tag, stride, bytes) in &self.sections {
            at = at.next_multiple_of(ALIGN);
            directory.extend_from_slice(tag);
            for value in [at, bytes.len(), *stride] {
                directory.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
            }
            at = at.saturating_add(bytes.len());
        }
        let Some(total) = u32::try_from(at).ok().filter(|_| at <= MAX_PACK_BYTES) else {
            return Err(TooLarge { bytes: at });
        };
        let mut pack = Vec::with_capacity(at);
        pack.extend_from_slice(&MAGIC);
        pack.extend_from_slice(&self.version.to_le_bytes());
        pack.extend_from_slice(&self.kind.code().to_le_bytes());
        pack.extend_from_slice(&total.to_le_bytes());
        pack.extend_from_slice(&u32::try_from(self.sections.len()).unwrap_or(u32::MAX).to_le_bytes());
        pack.extend_from_slice(&[0; 16]);
        pack.extend_from_slice(&directory);
        for (_, _, bytes) in &self.sections {
            pack.resize(pack.len().next_multiple_of(ALIGN), 0);
            pack.extend_from_slice(bytes);
        }
        let id = checksum(&pack).unwrap_or_default();
        if let Some(field) = pack.get_mut(CHECKSUM_AT..HEADER_BYTES) {
            field.copy_from_slice(&id.0);
        }
        Ok((pack, id))
    }
}
