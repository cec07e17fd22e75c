//! Objects written by the Worker's queue consumer as a source of events:
//! `…/date=2026-11-22/hour=13/<name>.ndjson.gz`, by hour of receipt, in a folder or an
//! S3-compatible store such as R2.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
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
use sinsang_tables::reject::RejectsFile;
use url::Url;

use crate::line::Hour;
use crate::table::{ENDING, Table};
use crate::{Damaged, Error, Intake, Report};

mod purge;

pub use purge::{Purged, purge};

/// File name of the record of earlier imports, in the table's folder.
const NOTE: &str = ".read.json";
/// Most bytes of the record: enough for over a million objects.
const NOTE_BYTES: u64 = 256 << 20;
/// Most bytes of an object as stored. The consumer's have at most 13 MB before compression, which
/// makes them smaller.
const MAX_PACKED_BYTES: u64 = 64 << 20;
/// Default limit on the unpacked bytes of an object. The consumer's have at most 100 messages of
/// 128,000.
pub const DEFAULT_OBJECT_BYTES: u64 = 256 << 20;
/// The least that a line counts towards the limit: no event is shorter, and each line costs time.
const LEAST_LINE_BYTES: u64 = 64;
/// Environment variables with a store's credentials and address, as S3's own tools name them.
const VARIABLES: [(&str, AmazonS3ConfigKey); 6] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_REGION", AmazonS3ConfigKey::Region),
    ("AWS_ENDPOINT_URL", AmazonS3ConfigKey::Endpoint),
    ("AWS_ALLOW_HTTP", AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp)),
];

/// The location of objects, and how far back to look for late ones.
#[derive(Debug)]
pub struct Objects {
    name: String,
    store: Box<dyn ObjectStore>,
    prefix: ObjectPath,
    /// The folder, if the objects are not in a store.
    folder: Option<PathBuf>,
    lookback_hours: i64,
    most_bytes: u64,
}

impl Objects {
    /// Objects under `source`: a folder, or `s3://bucket/folder` with the `AWS_…` variables that
    /// `variable` returns. Each run checks again the hours from `lookback_hours` before the last
    /// hour read.
    ///
    /// # Errors
    /// [`Error::NoSource`] if `source` is neither; [`Error::Store`] if it can't be opened.
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

    /// Limits objects to `most_bytes`, unpacked. A larger one is damaged: its lines up to the limit
    /// count.
    #[must_use]
    pub fn bounded(self, most_bytes: u64) -> Self {
        Self { most_bytes, ..self }
    }

    fn failed(&self, path: &ObjectPath) -> impl FnOnce(object_store::Error) -> Error {
        let place = format!("{}: {path}", self.name);
        |source| Error::Store { place, source }
    }

    /// All objects, from the hour `first` on if it is given; and those files of a folder whose
    /// names no object can have, or that link back to a folder above.
    async fn all(&self, first: Option<Hour>) -> Result<(Vec<ObjectMeta>, Vec<Damaged>), Error> {
        if let Some(folder) = &self.folder {
            return walk(folder);
        }
        let listed = match first {
            // Names begin with the hour, so a store can list from there on.
            Some(first) => {
                let offset = first.partition().split('/').fold(self.prefix.clone(), ObjectPath::join);
                self.store.list_with_offset(Some(&self.prefix), &offset)
            }
            None => self.store.list(Some(&self.prefix)),
        };
        Ok((listed.try_collect().await.map_err(self.failed(&self.prefix))?, Vec::new()))
    }

    /// The objects of hours from `first` on, by name; and the files that [`Self::all`] sets aside.
    async fn list(&self, first: Option<Hour>) -> Result<(Vec<(Hour, ObjectMeta)>, Vec<Damaged>), Error> {
        let (all, aside) = self.all(first).await?;
        let mut objects: Vec<(Hour, ObjectMeta)> =
            all.into_iter().filter_map(|meta| Some((hour_of(&meta.location)?, meta))).collect();
        objects.retain(|(hour, _)| first.is_none_or(|first| *hour >= first));
        objects.sort_by(|a, b| a.1.location.cmp(&b.1.location));
        Ok((objects, aside))
    }

    /// The damaged objects of `mark` from before `first`, the first listed hour. Missing ones are
    /// removed from `mark`.
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

    /// The bytes of an object, or why it can't be read.
    async fn get(&self, meta: &ObjectMeta) -> Result<Result<Vec<u8>, String>, Error> {
        let too_large = || format!("larger than {} MiB", MAX_PACKED_BYTES >> 20);
        if meta.size > MAX_PACKED_BYTES {
            return Ok(Err(too_large()));
        }
        // Opening a pipe in a folder of objects would block.
        let file = self.folder.as_ref().map(|folder| folder.join(meta.location.as_ref()));
        if file.is_some_and(|file| !file.is_file()) {
            return Ok(Err("not a regular file".to_owned()));
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

/// The object with a recorded name, and the hour in the name. The name is parsed as it is: building
/// a path from its parts would encode `%` again.
fn named(name: &str) -> Option<(ObjectPath, Hour)> {
    let path = ObjectPath::parse(name).ok()?;
    let hour = hour_of(&path)?;
    Some((path, hour))
}

/// The hour in an object's name; `None` if it is not an object of events, for instance one that the
/// consumer rejected.
fn hour_of(path: &ObjectPath) -> Option<Hour> {
    let mut parts = path.as_ref().rsplit('/');
    let name = parts.next()?;
    let (hour, date) = (parts.next()?.strip_prefix("hour=")?, parts.next()?.strip_prefix("date=")?);
    let is_event = name.ends_with(ENDING) && parts.next() != Some("rejected");
    if is_event { Hour::parse(date, hour) } else { None }
}

/// The record of earlier imports, by source.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Note {
    #[serde(default)]
    sources: BTreeMap<String, Mark>,
}

/// The progress of a source.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Mark {
    /// The latest hour of a read object, not counting objects dated in the future.
    hour: Option<Hour>,
    /// The objects read from the hours that are checked again, and damaged ones of any hour.
    #[serde(default, deserialize_with = "objects")]
    objects: BTreeMap<String, Seen>,
}

/// The state of an object when it was read.
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

    /// Whether the object is unchanged. For objects read by an earlier release, only the name is
    /// known.
    fn is(&self, meta: &ObjectMeta) -> bool {
        let is_size = self.size.is_none_or(|size| size == meta.size);
        is_size && self.etag.as_ref().zip(meta.e_tag.as_ref()).is_none_or(|(was, is)| was == is)
    }
}

/// Reads the object lists of earlier releases too, which have only names.
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
    /// The first hour to check, `lookback` hours before the mark.
    fn first(&self, lookback: i64) -> Option<Hour> {
        self.hour.map(|hour| hour.back(lookback))
    }

    /// Drops a mark in the future, which earlier releases could set: it would hide all objects
    /// until then. The source is then read from its start, which adds no event twice.
    fn return_to(&mut self, present: Hour) {
        self.hour = self.hour.filter(|hour| *hour <= present);
    }

    /// Forgets objects of hours that are not checked again, except damaged ones, which may yet be
    /// repaired.
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

/// Imports the events of unread objects into `table`; invalid lines go to `rejects`. `now` is the
/// time of the run: an object dated later is read, but does not advance the source's mark.
///
/// # Errors
/// An [`Error`] that names the file or the object. Events imported before it stay, and the next run
/// does not add them again.
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

/// Takes the lines of an object, and writes held lines to disk if there are too many. Returns why
/// the object can't be read to its end, if so.
async fn read(objects: &Objects, meta: &ObjectMeta, intake: &mut Intake<'_>) -> Result<Option<String>, Error> {
    let packed = match objects.get(meta).await? {
        Ok(packed) => packed,
        Err(reason) => return Ok(Some(reason)),
    };
    let most = objects.most_bytes;
    // One byte more shows that the object exceeds the limit.
    let unpacked = MultiGzDecoder::new(packed.as_slice()).take(most.saturating_add(1));
    let mut portions = Portions::new(BufReader::new(unpacked));
    let mut bytes = 0_u64;
    let damage = loop {
        match portions.read() {
            Ok(None) => break None,
            // A line that is too long is not an event: its truncated text can't be parsed.
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
    format!("unpacks to more than {} MiB; raise the limit with --object-mib", most >> 20)
}

/// The files below `root`, including those behind links to folders, as a store of that folder lists
/// them; and the files that look like objects but have names no object can have, and links that
/// form a cycle. The library's own list stops at the first of these.
fn walk(root: &Path) -> Result<(Vec<ObjectMeta>, Vec<Damaged>), Error> {
    let (mut all, mut aside) = (Vec::new(), Vec::new());
    let real = fs::canonicalize(root).map_err(Error::file(root))?;
    // Folders to visit: name below the root, then the real paths of itself and its ancestors.
    let mut folders = vec![(PathBuf::new(), vec![real])];
    while let Some((below, above)) = folders.pop() {
        let folder = root.join(&below);
        for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
            let name = below.join(entry.map_err(Error::file(&folder))?.file_name());
            let mut set_aside = |reason: String| aside.push(Damaged { object: name.display().to_string(), reason });
            let path = root.join(&name);
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                // A broken link, or a file removed meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    set_aside(error.to_string());
                    continue;
                }
            };
            if metadata.is_dir() {
                match fs::canonicalize(&path) {
                    Ok(real) if above.contains(&real) => {
                        set_aside("a link to a folder that contains it".to_owned());
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
                None => set_aside("the name is not UTF-8".to_owned()),
            }
        }
    }
    Ok((all, aside))
}

/// A file's metadata as a store of folders returns it, with the tag in the form that earlier
/// releases recorded.
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

#[cfg(test)]
mod tests;
