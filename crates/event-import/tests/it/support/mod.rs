//! Support for the tests: sample events, and the contents of a table.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Click number `id`, at a minute of 2026-11-22T13 UTC; from 60 on, in the following hours.
pub(crate) fn event(id: u32, minute: u32) -> String {
    let (hour, minute) = (13 + minute / 60, minute % 60);
    format!(
        "{{\"event_id\":\"event-{id:06}\",\"viewer\":\"{id:016x}\",\"kind\":\"click\",\"at\":\"2026-11-22T{hour:02}:{minute:02}:00.000Z\",\
         \"product_id\":\"00000000000000aa\"}}"
    )
}

/// An object with these lines.
pub(crate) fn packed(lines: &[String]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        writeln!(packed, "{line}").unwrap();
    }
    packed.finish().unwrap()
}

/// The lines of the table in `folder`, in the order of its files; a duplicate line fails the test.
pub(crate) fn table(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    files.sort();
    let mut lines = Vec::new();
    for path in files {
        let mut text = String::new();
        MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "an event is there twice");
    lines
}

/// The names of the table's files.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = all.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}
