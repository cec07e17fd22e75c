//! The memory that reading a Parquet file would take, from the headers of its pages, before any
//! page is unpacked: a page of a few KB may claim to unpack to gigabytes, and readers believe it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use parquet::arrow::ProjectionMask;
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// Default limit on the memory of pages.
pub const DEFAULT_PAGE_BYTES: u64 = 512 << 20;
/// Largest header of a page: its statistics quote two values.
const HEADER_MAX_BYTES: u64 = 16 << 20;
/// Deepest nesting of structures in a header; the format has three levels.
const MAX_DEPTH: u32 = 8;

/// The memory that a file's pages take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of the pages in memory at one time, for the largest row group: one dictionary page and
    /// one data page per column.
    pub(crate) bytes: u64,
    /// Upper bound on the bytes of one value in a column with prefix-sharing encoding: no value is
    /// longer than its page, but each may be as long.
    pub(crate) shared_bytes: u64,
}

/// Reads the headers of all pages of the columns in `mask`. Stops once they exceed `most` bytes.
///
/// # Errors
/// If the file ends too early, or a header is malformed.
pub(crate) fn extent(file: &File, metadata: &ParquetMetaData, mask: &ProjectionMask, most: u64) -> io::Result<Extent> {
    let mut input = BufReader::new(file.try_clone()?);
    let mut extent = Extent::default();
    for group in metadata.row_groups() {
        let mut bytes = 0_u64;
        for (_, chunk) in (0..).zip(group.columns()).filter(|(place, _)| mask.leaf_included(*place)) {
            let (dictionary, data) = pages(&mut input, chunk)?;
            bytes = bytes.saturating_add(dictionary).saturating_add(data);
            if chunk.encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY) {
                extent.shared_bytes = extent.shared_bytes.max(data);
            }
        }
        extent.bytes = extent.bytes.max(bytes);
        if extent.bytes > most {
            break;
        }
    }
    Ok(extent)
}

/// Unpacked bytes of the largest dictionary page and of the largest other page of a chunk.
fn pages(input: &mut BufReader<File>, chunk: &ColumnChunkMetaData) -> io::Result<(u64, u64)> {
    let begin = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let length = number(chunk.compressed_size())?;
    let mut at = number(begin)?;
    let end = at.checked_add(length).ok_or_else(|| damaged("a column chunk ends beyond the largest offset"))?;
    input.seek(SeekFrom::Start(at))?;
    let (mut dictionary, mut data) = (0, 0);
    while at < end {
        let mut header = Header { input: input.by_ref().take(HEADER_MAX_BYTES) };
        let page = header.page()?;
        let taken = HEADER_MAX_BYTES - header.input.limit();
        let largest = if page.is_dictionary { &mut dictionary } else { &mut data };
        // An uncompressed page takes its stored size.
        *largest = page.unpacked.max(page.packed).max(*largest);
        at = at.saturating_add(taken).saturating_add(page.packed);
        input.seek_relative(i64::try_from(page.packed).unwrap_or(i64::MAX))?;
    }
    Ok((dictionary, data))
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn number(number: i64) -> io::Result<u64> {
    u64::try_from(number).map_err(|_| damaged("a negative offset or size"))
}

/// The fields of a page's header that the bound needs.
#[derive(Debug, Default)]
struct Page {
    is_dictionary: bool,
    unpacked: u64,
    packed: u64,
}

/// A page header in Thrift's compact protocol (github.com/apache/thrift,
/// doc/specs/thrift-compact-protocol.md; the structure is `PageHeader` of
/// github.com/apache/parquet-format, parquet.thrift). The crate that reads Parquet exposes headers
/// only with their unpacked pages.
struct Header<R> {
    input: R,
}

impl<R: Read> Header<R> {
    fn page(&mut self) -> io::Result<Page> {
        const DICTIONARY: i64 = 2;
        let (mut page, mut field) = (Page::default(), 0);
        loop {
            let Some((id, kind)) = self.field(field)? else { return Ok(page) };
            field = id;
            match id {
                1 => page.is_dictionary = self.zigzag()? == DICTIONARY,
                2 => page.unpacked = number(self.zigzag()?)?,
                3 => page.packed = number(self.zigzag()?)?,
                _ => self.skip(kind, MAX_DEPTH)?,
            }
        }
    }

    /// The id and the type of the field after `before`; `None` at the structure's end.
    fn field(&mut self, before: i64) -> io::Result<Option<(i64, u8)>> {
        let byte = self.byte()?;
        let (step, kind) = (byte >> 4, byte & 0x0f);
        match (step, kind) {
            (_, 0) => Ok(None),
            (0, _) => Ok(Some((self.zigzag()?, kind))),
            _ => Ok(Some((before.saturating_add(step.into()), kind))),
        }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("a page header nested too deeply"))?;
        match kind {
            // A Boolean's value is in its type.
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let bytes = self.varint()?;
                self.pass(bytes)
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 { self.varint()? } else { (byte >> 4).into() };
                (0..count).try_for_each(|_| match byte & 0x0f {
                    1 | 2 => self.byte().map(drop),
                    kind => self.skip(kind, depth),
                })
            }
            12 => {
                let mut field = 0;
                while let Some((id, kind)) = self.field(field)? {
                    field = id;
                    self.skip(kind, depth)?;
                }
                Ok(())
            }
            _ => Err(damaged("a page header with a field of unknown type")),
        }
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        if passed == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        let [byte] = byte;
        Ok(byte)
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged("an unterminated number in a page header"))
    }

    fn zigzag(&mut self) -> io::Result<i64> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}
