//! Objects that the Worker's queue consumer left: `…/date=2026-11-22/hour=13/<name>.ndjson.gz`, by the hour of receipt, in a folder or in a
//! store that speaks S3, such as R2.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Deserializer, Serialize};
use sinsang_core::time::UnixMillis;
use sinsang_run::file::read_bytes;
use sinsang_run::replace::{Access, Replacement};
use sinsang_tables::line::{Portion, Portions};
use sinsang_tables::purge::rest_of;
use sinsang_tables::reject::RejectsFile;
use url::Url;

use crate::line::Hour;
use crate::table::{ENDING, Table};
use crate::{Damaged, Error, Intake, Report};

/// The note of what was read, in the folder of the table.
const NOTE: &str = ".read.json";
/// Bytes of the note: of over a million objects.
const NOTE_BYTES: u64 = 256 << 20;
/// Bytes of an object as it is stored. One of the consumer's has 13 MB before it is packed, and its packing makes it smaller.
const MAX_PACKED_BYTES: u64 = 64 << 20;
/// Bytes that an object may unpack to, where nothing else is said. The consumer's have at most 100 messages of 128,000.
pub const DEFAULT_OBJECT_BYTES: u64 = 256 << 20;
/// What a line counts for at the least: no event is shorter, and lines cost time by themselves.
const LEAST_LINE_BYTES: u64 = 64;
/// Variables that say how to come to a store, by the names that S3's own tools use.
const VARIABLES: [(&str, AmazonS3ConfigKey); 6] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_REGION", AmazonS3ConfigKey::Region),
    ("AWS_ENDPOINT_URL", AmazonS3ConfigKey::Endpoint),
    ("AWS_ALLOW_HTTP", AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp)),
];

/// Where objects are, and how far back to look for late ones.
#[derive(Debug)]
pub struct Objects {
    name: String,
    store: Box<dyn ObjectStore>,
    prefix: ObjectPath,
    /// The folder, where it is none of a store.
    folder: Option<PathBuf>,
    lookback_hours: i64,
    most_bytes: u64,
}

impl Objects {
    /// Objects under `source`: a folder, or `s3://bucket/folder` by the `AWS_…` variables that `variable` knows. Each run looks again at the
    /// hours from `lookback_hours` before the last one that was read.
    ///
    /// # Errors
    /// [`Error::NoSource`], [`Error::Store`].
    pub fn new(source: &str, lookback_hours: u32, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let wrong = |reason: String| Error::NoSource { source_name: source.to_owned(), reason };
        let lookback_hours = i64::from(lookback_hours);
        if source.starts_with("s3://") {
            let url = Url::parse(source).map_err(|error| wrong(error.to_string()))?;
            let mut builder =
                AmazonS3Builder::new().with_url(source).with_region("auto").with_virtual_hosted_style_request(false);
            for (name, key) in VARIABLES {
                if let Some(value) = variable(name) {
                    builder = builder.with_config(key, value);
                }
            }
            let prefix = ObjectPath::from_url_path(url.path()).map_err(|error| wrong(error.to_string()))?;
            let store = builder.build().map_err(|error| Error::Store { place: source.to_owned(), source: error })?;
            let (name, store, folder) = (source.to_owned(), Box::new(store), None);
            return Ok(Self { name, store, prefix, folder, lookback_hours, most_bytes: DEFAULT_OBJECT_BYTES });
        }
        let folder = fs::canonicalize(source).map_err(|error| wrong(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|source| Error::Store { place: folder.display().to_string(), source })?;
        let (name, store, prefix) = (folder.display().to_string(), Box::new(store), ObjectPath::default());
        let folder = Some(folder);
        Ok(Self { name, store, prefix, folder, lookback_hours, most_bytes: DEFAULT_OBJECT_BYTES })
    }

    /// Reads objects up to `most_bytes`, unpacked. One that goes on is damaged: what it has until there counts.
    #[must_use]
    pub fn bounded(self, most_bytes: u64) -> Self {
        Self { most_bytes, ..self }
    }

    fn failed(&self, path: &ObjectPath) -> impl FnOnce(object_store::Error) -> Error {
        let place = format!("{}: {path}", self.name);
        |source| Error::Store { place, source }
    }

    /// All that is named as objects are, from `first` on where that is told; and what of a folder can't be named so, or leads back to where it is.
    async fn all(&self, first: Option<Hour>) -> Result<(Vec<ObjectMeta>, Vec<Damaged>), Error> {
        if let Some(folder) = &self.folder {
            return walk(folder);
        }
        let listed = match first {
            // Names begin with the hour, so a store lists from there on.
            Some(first) => {
                let offset = first.partition().split('/').fold(self.prefix.clone(), ObjectPath::join);
                self.store.list_with_offset(Some(&self.prefix), &offset)
            }
            None => self.store.list(Some(&self.prefix)),
        };
        Ok((listed.try_collect().await.map_err(self.failed(&self.prefix))?, Vec::new()))
    }

    /// The objects of hours from `first` on, by name; and what is set aside as [`Self::all`] does.
    async fn list(&self, first: Option<Hour>) -> Result<(Vec<(Hour, ObjectMeta)>, Vec<Damaged>), Error> {
        let (all, aside) = self.all(first).await?;
        let mut objects: Vec<(Hour, ObjectMeta)> =
            all.into_iter().filter_map(|meta| Some((hour_of(&meta.location)?, meta))).collect();
        objects.retain(|(hour, _)| first.is_none_or(|first| *hour >= first));
        objects.sort_by(|a, b| a.1.location.cmp(&b.1.location));
        Ok((objects, aside))
    }

    /// The objects of `mark` that were damaged and lie before the hours that are listed, `first` the first of them. One that is gone is no longer
    /// looked for.
    async fn damaged_before(&self, mark: &mut Mark, first: Option<Hour>) -> Result<Vec<(Hour, ObjectMeta)>, Error> {
        let mut damaged = Vec::new();
        let names: Vec<String> =
            mark.objects.iter().filter(|(_, seen)| seen.is_damaged).map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some((path, hour)) = named(&name).filter(|(_, hour)| Some(*hour) < first) else { continue };
            match self.store.head(&path).await {
                Ok(meta) => damaged.push((hour, meta)),
                Err(object_store::Error::NotFound { .. }) => drop(mark.objects.remove(&name)),
                Err(error) => return Err(self.failed(&path)(error)),
            }
        }
        Ok(damaged)
    }

    /// The bytes of an object, or what keeps it from being read.
    async fn get(&self, meta: &ObjectMeta) -> Result<Result<Vec<u8>, String>, Error> {
        let too_large = || format!("it has more than {} MiB", MAX_PACKED_BYTES >> 20);
        if meta.size > MAX_PACKED_BYTES {
            return Ok(Err(too_large()));
        }
        // A pipe in a folder of objects would be waited for.
        let file = self.folder.as_ref().map(|folder| folder.join(meta.location.as_ref()));
        if file.is_some_and(|file| !file.is_file()) {
            return Ok(Err("it is not a regular file".to_owned()));
        }
        let got = self.store.get(&meta.location).await.map_err(self.failed(&meta.location))?;
        let (mut parts, mut packed) = (got.into_stream(), Vec::new());
        while let Some(part) = parts.try_next().await.map_err(self.failed(&meta.location))? {
            if packed.len() as u64 + part.len() as u64 > MAX_PACKED_BYTES {
                return Ok(Err(too_large()));
            }
            packed.extend_from_slice(&part);
        }
        Ok(Ok(packed))
    }
}

/// The object of a note, and the hour that its name tells. The name is taken as it is: to make a name of it anew would encode `%` once more.
fn named(name: &str) -> Option<(ObjectPath, Hour)> {
    let path = ObjectPath::parse(name).ok()?;
    let hour = hour_of(&path)?;
    Some((path, hour))
}

/// The hour that an object's name tells; `None` of what is no object of events, such as those of what the consumer set aside.
fn hour_of(path: &ObjectPath) -> Option<Hour> {
    let mut parts = path.as_ref().rsplit('/');
    let name = parts.next()?;
    let (hour, date) = (parts.next()?.strip_prefix("hour=")?, parts.next()?.strip_prefix("date=")?);
    let is_event = name.ends_with(ENDING) && parts.next() != Some("rejected");
    if is_event { Hour::parse(date, hour) } else { None }
}

/// What was read of each source.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Note {
    #[serde(default)]
    sources: BTreeMap<String, Mark>,
}

/// How far a source was read.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Mark {
    /// The latest hour of which an object was read, but for objects that were dated after the present.
    hour: Option<Hour>,
    /// The objects that were read, of the hours that are looked at again, and damaged ones of any hour.
    #[serde(default, deserialize_with = "objects")]
    objects: BTreeMap<String, Seen>,
}

/// An object as it was when it was read.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Seen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_damaged: bool,
}

impl Seen {
    fn of(meta: &ObjectMeta, is_damaged: bool) -> Self {
        Self { etag: meta.e_tag.clone(), size: Some(meta.size), is_damaged }
    }

    /// Whether the object is as it was. Of one that an earlier release read, only the name is known.
    fn is(&self, meta: &ObjectMeta) -> bool {
        let is_size = self.size.is_none_or(|size| size == meta.size);
        is_size && self.etag.as_ref().zip(meta.e_tag.as_ref()).is_none_or(|(was, is)| was == is)
    }
}

/// Notes of earlier releases have the names of objects alone.
fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Seen>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Objects {
        Seen(BTreeMap<String, Seen>),
        Names(BTreeSet<String>),
    }
    Ok(match Objects::deserialize(deserializer)? {
        Objects::Seen(objects) => objects,
        Objects::Names(names) => names.into_iter().map(|name| (name, Seen::default())).collect(),
    })
}

impl Mark {
    /// The first hour that is looked at, `lookback` hours before the mark.
    fn first(&self, lookback: i64) -> Option<Hour> {
        self.hour.map(|hour| hour.back(lookback))
    }

    /// Leaves a mark that lies ahead of the present, as earlier releases set it: it would hide all that comes until then. The source is read from its
    /// start, which adds no event twice.
    fn return_to(&mut self, present: Hour) {
        self.hour = self.hour.filter(|hour| *hour <= present);
    }

    /// Forgets objects of the hours that are not looked at again, but for damaged ones, which may yet be put right.
    fn forget(&mut self, lookback: i64) {
        let first = self.first(lookback);
        self.objects.retain(|name, seen| seen.is_damaged || named(name).map(|(_, hour)| hour) >= first);
    }
}

impl Note {
    fn read(path: &Path) -> Result<Self, Error> {
        match read_bytes(path, NOTE_BYTES) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| Error::Note { path: path.to_path_buf(), source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::File { path: path.to_path_buf(), source }),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let whole = || -> std::io::Result<()> {
            let mut file = BufWriter::new(Replacement::of(path)?);
            serde_json::to_writer(&mut file, self)?;
            file.into_inner()?.put(Access::Owner)
        };
        whole().map_err(Error::file(path))
    }
}

/// Takes the events of objects that were not read before into `table`; what is no event goes to `rejects`. `now` is the time of the run: an object
/// that is dated after it is read, and does not change how far the source was read.
///
/// # Errors
/// An [`Error`] that names the file or the object. What was taken in before it stays, and is not taken in again by the next run.
pub async fn ingest(
    objects: &Objects,
    table: &mut Table,
    rejects: &mut RejectsFile,
    now: UnixMillis,
) -> Result<Report, Error> {
    let (path, present, lookback) = (table.folder().join(NOTE), Hour::of(now), objects.lookback_hours);
    let mut note = Note::read(&path)?;
    let mut mark = note.sources.get(&objects.name).cloned().unwrap_or_default();
    mark.return_to(present);
    let first = mark.first(lookback);
    let mut listed = objects.damaged_before(&mut mark, first).await?;
    let (fresh, aside) = objects.list(first).await?;
    listed.extend(fresh);
    let mut intake = Intake::new(table, rejects);
    intake.report.aside = aside;
    let mut settle = |mark: &mut Mark, intake: &mut Intake<'_>| -> Result<(), Error> {
        intake.write()?;
        mark.forget(lookback);
        note.sources.insert(objects.name.clone(), mark.clone());
        note.write(&path)
    };
    for (hour, meta) in listed {
        let name = meta.location.to_string();
        if hour <= present {
            mark.hour = mark.hour.max(Some(hour));
        }
        match mark.objects.get(&name) {
            Some(seen) if seen.is(&meta) => {
                *(if seen.is_damaged { &mut intake.report.damaged_before } else { &mut intake.report.read_before }) +=
                    1;
                continue;
            }
            _ => intake.report.read += 1,
        }
        intake.report.ahead += u64::from(hour > present);
        let damage = read(objects, &meta, &mut intake).await?;
        mark.objects.insert(name.clone(), Seen::of(&meta, damage.is_some()));
        intake.report.damaged.extend(damage.map(|reason| Damaged { object: name, reason }));
        if intake.is_full() {
            settle(&mut mark, &mut intake)?;
        }
    }
    settle(&mut mark, &mut intake)?;
    intake.report.mark = mark.hour;
    intake.finish()
}

/// Hands on the lines of an object, and brings what is held onto the disk where it is too much. Answers with what keeps the object from being read
/// to its end.
async fn read(objects: &Objects, meta: &ObjectMeta, intake: &mut Intake<'_>) -> Result<Option<String>, Error> {
    let packed = match objects.get(meta).await? {
        Ok(packed) => packed,
        Err(reason) => return Ok(Some(reason)),
    };
    let most = objects.most_bytes;
    // One byte more tells that it goes on.
    let unpacked = MultiGzDecoder::new(packed.as_slice()).take(most.saturating_add(1));
    let mut portions = Portions::new(BufReader::new(unpacked));
    let mut bytes = 0_u64;
    let damage = loop {
        match portions.read() {
            Ok(None) => break None,
            // A line that is too long is no event: what is left of it can't be read as one.
            Ok(Some(Portion { line, text, .. })) => {
                let before = intake.report.lines;
                intake.take(meta.location.as_ref(), line, text)?;
                let taken = intake.report.lines - before;
                bytes = bytes.saturating_add((text.len() as u64).max(taken.max(1) * LEAST_LINE_BYTES));
                if bytes > most {
                    break Some(too_large(most));
                }
                if intake.is_full() {
                    intake.write()?;
                }
            }
            Err(error) => break Some(error.to_string()),
        }
    };
    let rest = portions.into_inner().into_inner();
    intake.report.unpacked_bytes += most.saturating_add(1) - rest.limit();
    Ok(damage.or_else(|| (rest.limit() == 0).then(|| too_large(most))))
}

fn too_large(most: u64) -> String {
    format!("it unpacks to more than {} MiB; --object-mib raises that", most >> 20)
}

/// What came of [`purge`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Lines that were removed.
    pub lines: u64,
    /// Objects that had them.
    pub objects: u64,
    /// Objects that can't be searched. Nothing of them was removed.
    pub damaged: Vec<Damaged>,
}

/// Removes the lines of objects for which `is_wanted` is false, and the objects that have no other; those that the consumer set aside too. A dry
/// run changes none. A damaged object ends nothing: the others are searched, and it is told.
///
/// # Errors
/// An [`Error`] where a store does not answer. Objects before are changed.
pub async fn purge(objects: &Objects, is_dry_run: bool, is_wanted: &dyn Fn(&[u8]) -> bool) -> Result<Purged, Error> {
    let (all, damaged) = objects.all(None).await?;
    let mut purged = Purged { damaged, ..Purged::default() };
    for meta in all.into_iter().filter(|meta| meta.location.as_ref().ends_with(ENDING)) {
        let packed = match objects.get(&meta).await {
            // A folder's other files can be read though this one can't.
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

/// The files below `root`, through links to folders too, as a store of that folder lists them; and of what is named as an object is what no object
/// can be called, with links that lead in a circle. The library's own list ends at the first of these.
fn walk(root: &Path) -> Result<(Vec<ObjectMeta>, Vec<Damaged>), Error> {
    let (mut all, mut aside) = (Vec::new(), Vec::new());
    let real = fs::canonicalize(root).map_err(Error::file(root))?;
    // Folders to look at, by their names below the root and in truth, and the true names of those above each.
    let mut folders = vec![(PathBuf::new(), vec![real])];
    while let Some((below, above)) = folders.pop() {
        let folder = root.join(&below);
        for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
            let name = below.join(entry.map_err(Error::file(&folder))?.file_name());
            let mut set_aside = |reason: String| aside.push(Damaged { object: name.display().to_string(), reason });
            let path = root.join(&name);
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                // A link that leads nowhere, or a file that is gone since.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    set_aside(error.to_string());
                    continue;
                }
            };
            if metadata.is_dir() {
                match fs::canonicalize(&path) {
                    Ok(real) if above.contains(&real) => {
                        set_aside("it is a link to a folder that it is in".to_owned());
                    }
                    Ok(real) => {
                        let above = above.iter().cloned().chain([real]).collect();
                        folders.push((name, above));
                    }
                    Err(error) => set_aside(error.to_string()),
                }
                continue;
            }
            match name.to_str().map(ObjectPath::parse) {
                Some(Ok(location)) => all.push(meta_of(location, &metadata)),
                _ if !name.to_string_lossy().ends_with(ENDING) => {}
                Some(Err(error)) => set_aside(error.to_string()),
                None => set_aside("its name is no UTF-8".to_owned()),
            }
        }
    }
    Ok((all, aside))
}

/// What a store of folders tells of a file, its tag as notes of earlier releases have it.
fn meta_of(location: ObjectPath, metadata: &fs::Metadata) -> ObjectMeta {
    let last_modified: DateTime<Utc> = metadata.modified().map(Into::into).unwrap_or_default();
    let micros = last_modified.timestamp_micros().max(0);
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    let size = metadata.len();
    let e_tag = Some(format!("{inode:x}-{micros:x}-{size:x}"));
    ObjectMeta { location, last_modified, size, e_tag, version: None }
}

/// What is left of an object.
struct Left {
    /// The lines that are wanted, packed.
    packed: Vec<u8>,
    /// How many they are.
    lines: u64,
    /// How many are not wanted.
    removed: u64,
}

/// Takes the lines out of `packed` that are not wanted.
fn filter(packed: &[u8], most: u64, is_wanted: &dyn Fn(&[u8]) -> bool) -> Result<Left, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_consumer_set_aside_is_no_object_of_events() {
        let hour = |path: &str| hour_of(&ObjectPath::from(path)).is_some();
        let name = "date=2026-11-22/hour=13/1795352707250-64cd58e5a9d1840b.ndjson.gz";
        assert!(hour(name) && hour(&format!("events/{name}")));
        assert!(!hour(&format!("events/rejected/{name}")) && !hour(&format!("rejected/{name}")));
        assert!(!hour("events/date=2026-11-22/hour=13/notes.txt") && !hour("date=2026-11-22/hour=25/a.ndjson.gz"));
    }
}
