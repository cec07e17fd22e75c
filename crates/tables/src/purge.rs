//! Removal of lines from a text file: those of users who asked to be forgotten, or that are too
//! old. The file is replaced atomically, or stays unchanged.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use sinsang_core::json::joined;
use sinsang_run::file::open_regular;
use sinsang_run::replace::Replacement;

use crate::file::Packing;

/// Most bytes of a line. Rows have at most 1 MiB; a longer line is not a row, but is searched too.
const LINE_MAX_BYTES: u64 = 64 << 20;

/// Removes the lines for which `is_wanted` is false from the file at `path`, and returns how many.
/// A line includes its end, unless it is the last and has none.
///
/// # Errors
/// The system's or the decompressor's error; [`io::ErrorKind::InvalidData`] for a line of over 64
/// MiB. The file is then unchanged.
pub fn purge(path: &Path, packing: Packing, is_wanted: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<u64> {
    let from = open_regular(path)?;
    let permissions = from.metadata()?.permissions();
    let mut to = Replacement::of(path)?;
    let removed = rewrite(from, to.file(), packing, is_wanted)?;
    if removed > 0 {
        to.put_with(permissions)?;
    }
    Ok(removed)
}

fn rewrite(from: File, to: &mut File, packing: Packing, is_wanted: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<u64> {
    let mut written = BufWriter::new(to);
    let removed = match packing {
        Packing::Plain => copy(from, &mut written, is_wanted)?,
        Packing::Gzip => {
            let mut packed = GzEncoder::new(&mut written, Compression::default());
            let removed = copy(MultiGzDecoder::new(BufReader::new(from)), &mut packed, is_wanted)?;
            packed.finish()?;
            removed
        }
        Packing::Zstd => {
            let mut packed = zstd::stream::write::Encoder::new(&mut written, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            let removed = copy(zstd::stream::read::Decoder::new(from)?, &mut packed, is_wanted)?;
            packed.finish()?;
            removed
        }
    };
    written.flush()?;
    Ok(removed)
}

/// The rest of a line, including its end, and the number of rows removed. If several objects are
/// joined on it, each is passed to `is_wanted` as readers split them; otherwise the whole line is.
pub fn rest_of<'l>(line: &'l [u8], is_wanted: &mut dyn FnMut(&[u8]) -> bool) -> (Cow<'l, [u8]>, u64) {
    let Some(parts) = str::from_utf8(line).ok().and_then(joined) else {
        return if is_wanted(line) { (Cow::Borrowed(line), 0) } else { (Cow::Borrowed(&[]), 1) };
    };
    let wanted: Vec<&str> = parts.iter().copied().filter(|part| is_wanted(part.as_bytes())).collect();
    let removed = (parts.len() - wanted.len()) as u64;
    if removed == 0 || wanted.is_empty() {
        return (Cow::Borrowed(if removed == 0 { line } else { &[] }), removed);
    }
    let end = if line.ends_with(b"\n") { "\n" } else { "" };
    (Cow::Owned((wanted.concat() + end).into_bytes()), removed)
}

fn copy(from: impl io::Read, to: &mut dyn Write, is_wanted: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<u64> {
    let (mut input, mut line, mut removed) = (BufReader::new(from), Vec::new(), 0);
    while input.by_ref().take(LINE_MAX_BYTES + 1).read_until(b'\n', &mut line)? > 0 {
        if line.len() as u64 > LINE_MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "has a line longer than 64 MiB"));
        }
        let (rest, gone) = rest_of(&line, is_wanted);
        to.write_all(&rest)?;
        removed += gone;
        line.clear();
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn of_objects_on_one_line_those_go_that_are_to_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("joined");
        let is_wanted = |object: &[u8]| !object.windows(6).any(|part| part == b"\"u\":\"2");
        for (text, left, removed) in [
            (r#"{"u":"1"}{"u":"2"}{"u":"3"}"#, r#"{"u":"1"}{"u":"3"}"#, 1),
            ("{\"u\":\"2\"}{\"u\":\"2\"}\n{\"u\":\"1\"}\n", "{\"u\":\"1\"}\n", 2),
            ("{\"u\":\"1\"} {\"u\":\"2\"}\n", "{\"u\":\"1\"}\n", 1),
            ("{\"u\":\"2\"}{\"u\":\"1\"}{\"u\":", "{\"u\":\"1\"}{\"u\":", 1),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(purge(&path, Packing::Plain, &mut { is_wanted }).unwrap(), removed, "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), left, "{text}");
        }
    }

    #[test]
    fn lines_go_and_the_rest_stays_as_it_was_however_it_is_packed() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"one\ntwo\nthree\ntwo".as_slice();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        for (name, packing, bytes) in [
            ("plain", Packing::Plain, text.to_vec()),
            ("gzip", Packing::Gzip, gzip.finish().unwrap()),
            ("zstd", Packing::Zstd, zstd::encode_all(text, 1).unwrap()),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(purge(&path, packing, &mut |_| true).unwrap(), 0);
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: nothing was to go, and nothing was written");
            assert_eq!(purge(&path, packing, &mut |line| line.trim_ascii() != b"two").unwrap(), 2, "{name}");
            let mut left = Vec::new();
            let file = File::open(&path).unwrap();
            match packing {
                Packing::Plain => BufReader::new(file).read_to_end(&mut left),
                Packing::Gzip => MultiGzDecoder::new(file).read_to_end(&mut left),
                Packing::Zstd => zstd::stream::read::Decoder::new(file).unwrap().read_to_end(&mut left),
            }
            .unwrap();
            assert_eq!(left, b"one\nthree\n", "{name}");
        }
        let cut = folder.path().join("cut");
        fs::write(&cut, &fs::read(folder.path().join("gzip")).unwrap()[..12]).unwrap();
        assert!(purge(&cut, Packing::Gzip, &mut |_| false).is_err());
        assert_eq!(fs::metadata(&cut).unwrap().len(), 12, "a damaged file stays as it was");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left beside");
    }
}
