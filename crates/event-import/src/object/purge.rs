//! Removal of events from stored objects.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use object_store::ObjectStoreExt as _;
use sinsang_tables::purge::rest_of;

use super::{Objects, too_large};
use crate::table::ENDING;
use crate::{Damaged, Error};

/// The outcome of [`purge`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Lines removed.
    pub lines: u64,
    /// Objects changed or removed.
    pub objects: u64,
    /// Objects that can't be searched, from which nothing was removed.
    pub damaged: Vec<Damaged>,
}

/// Removes the lines of objects for which `is_wanted` is false, and objects without any other line,
/// including those that the consumer rejected. A dry run changes none. A damaged object is
/// reported, and the others are still searched.
///
/// # Errors
/// An [`Error`] if a store does not answer. Earlier objects have been changed.
pub async fn purge(objects: &Objects, is_dry_run: bool, is_wanted: &dyn Fn(&[u8]) -> bool) -> Result<Purged, Error> {
    let (all, damaged) = objects.all(None).await?;
    let mut purged = Purged { damaged, ..Purged::default() };
    for meta in all.into_iter().filter(|meta| meta.location.as_ref().ends_with(ENDING)) {
        let packed = match objects.get(&meta).await {
            // In a folder, other files may be readable even if this one is not.
            Err(error) if objects.folder.is_some() => Err(error.to_string()),
            packed => packed?,
        };
        let left = match packed.and_then(|packed| filter(&packed, objects.most_bytes, is_wanted)) {
            Ok(left) if left.removed == 0 => continue,
            Ok(left) => left,
            Err(reason) => {
                purged.damaged.push(Damaged { object: meta.location.to_string(), reason });
                continue;
            }
        };
        let failed = objects.failed(&meta.location);
        match left.lines {
            _ if is_dry_run => {}
            0 => objects.store.delete(&meta.location).await.map_err(failed)?,
            _ => drop(objects.store.put(&meta.location, left.packed.into()).await.map_err(failed)?),
        }
        purged.lines += left.removed;
        purged.objects += 1;
    }
    Ok(purged)
}

/// The rest of an object after filtering.
pub(super) struct Left {
    /// The kept lines, compressed.
    pub(super) packed: Vec<u8>,
    /// Number of kept lines.
    pub(super) lines: u64,
    /// Number of removed lines.
    pub(super) removed: u64,
}

/// Removes the unwanted lines from `packed`.
pub(super) fn filter(packed: &[u8], most: u64, is_wanted: &dyn Fn(&[u8]) -> bool) -> Result<Left, String> {
    let mut kept = GzEncoder::new(Vec::new(), Compression::default());
    let mut lines = BufReader::new(MultiGzDecoder::new(packed).take(most.saturating_add(1)));
    let (mut text, mut left, mut removed) = (Vec::new(), 0_u64, 0_u64);
    while lines.read_until(b'\n', &mut text).map_err(|error| error.to_string())? > 0 {
        let (rest, gone) = rest_of(&text, &mut |row| is_wanted(row));
        kept.write_all(&rest).map_err(|error| error.to_string())?;
        left += u64::from(!rest.is_empty());
        removed += gone;
        text.clear();
    }
    if lines.into_inner().limit() == 0 {
        return Err(too_large(most));
    }
    let packed = kept.finish().map_err(|error| error.to_string())?;
    Ok(Left { packed, lines: left, removed })
}
