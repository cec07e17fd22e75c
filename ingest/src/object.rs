//! Objects that the Worker's queue consumer left: `…/date=2026-11-22/hour=13/<name>.ndjson.gz`, by the hour of receipt, in a folder or in a
//! store that speaks S3, such as R2.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use sinsang_input::file::{Line as Read, Lines};
use sinsang_input::reject::RejectsFile;
use url::Url;

use crate::line::Hour;
use crate::table::Table;
use crate::{Error, Intake, Report};

/// The note of what was read, in the folder of the table.
const NOTE: &str = ".read.json";
/// No object of ours comes near; a larger one is set aside unread.
const MAX_OBJECT_BYTES: u64 = 256 << 20;
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
    lookback_hours: i64,
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
            return Ok(Self { name: source.to_owned(), store: Box::new(store), prefix, lookback_hours });
        }
        let folder = fs::canonicalize(source).map_err(|error| wrong(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|source| Error::Store { place: folder.display().to_string(), source })?;
        let name = folder.display().to_string();
        Ok(Self { name, store: Box::new(store), prefix: ObjectPath::default(), lookback_hours })
    }

    fn failed(&self, path: &ObjectPath) -> impl FnOnce(object_store::Error) -> Error {
        let place = format!("{}: {path}", self.name);
        |source| Error::Store { place, source }
    }

    /// The objects of hours from `first` on, by name.
    async fn list(&self, first: Option<Hour>) -> Result<Vec<(Hour, ObjectMeta)>, Error> {
        let listed = match first {
            // Names begin with the hour, so a store lists from there on.
            Some(first) => self.store.list_with_offset(
                Some(&self.prefix),
                &ObjectPath::from(format!("{}/{}", self.prefix, first.partition())),
            ),
            None => self.store.list(Some(&self.prefix)),
        };
        let all: Vec<ObjectMeta> = listed.try_collect().await.map_err(self.failed(&self.prefix))?;
        let mut objects: Vec<(Hour, ObjectMeta)> =
            all.into_iter().filter_map(|meta| Some((hour_of(&meta.location)?, meta))).collect();
        objects.retain(|(hour, _)| first.is_none_or(|first| *hour >= first));
        objects.sort_by(|a, b| a.1.location.cmp(&b.1.location));
        Ok(objects)
    }
}

/// The hour that an object's name tells; `None` of what is no object of events, such as those of what the consumer set aside.
fn hour_of(path: &ObjectPath) -> Option<Hour> {
    let mut parts = path.as_ref().rsplit('/');
    let name = parts.next()?;
    let (hour, date) = (parts.next()?.strip_prefix("hour=")?, parts.next()?.strip_prefix("date=")?);
    let is_event = name.ends_with(".ndjson.gz") && parts.next() != Some("rejected");
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
    /// The latest hour of which an object was read.
    hour: Option<Hour>,
    /// The objects that were read, of the hours that are looked at again.
    objects: BTreeSet<String>,
}

impl Note {
    fn read(path: &Path) -> Result<Self, Error> {
        match fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| Error::Note { path: path.to_path_buf(), source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::File { path: path.to_path_buf(), source }),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let whole = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        whole().map_err(Error::file(path))
    }
}

/// Takes the events of objects that were not read before into `table`; what is no event goes to `rejects`.
///
/// # Errors
/// An [`Error`] that names the file or the object. What was taken in before it stays, and is not taken in again by the next run.
pub async fn ingest(objects: &Objects, table: &mut Table, rejects: &mut RejectsFile) -> Result<Report, Error> {
    let path: PathBuf = table.folder().join(NOTE);
    let mut note = Note::read(&path)?;
    let mut mark = note.sources.get(&objects.name).cloned().unwrap_or_default();
    let listed = objects.list(mark.hour.map(|hour| hour.back(objects.lookback_hours))).await?;
    let mut intake = Intake::new(table, rejects);
    let mut settle = |mark: &mut Mark, intake: &mut Intake<'_>| -> Result<(), Error> {
        intake.write()?;
        let first = mark.hour.map(|hour| hour.back(objects.lookback_hours));
        mark.objects.retain(|name| hour_of(&ObjectPath::from(name.as_str())) >= first);
        note.sources.insert(objects.name.clone(), mark.clone());
        note.write(&path)
    };
    for (hour, meta) in listed {
        let name = meta.location.to_string();
        if mark.objects.contains(&name) {
            intake.report.read_before += 1;
            continue;
        }
        intake.report.read += 1;
        if meta.size > MAX_OBJECT_BYTES || !read(objects, &meta, &mut intake).await? {
            intake.report.damaged.push(name.clone());
        }
        mark.objects.insert(name);
        mark.hour = mark.hour.max(Some(hour));
        if intake.is_full() {
            settle(&mut mark, &mut intake)?;
        }
    }
    settle(&mut mark, &mut intake)?;
    intake.report.mark = mark.hour;
    intake.finish()
}

/// Hands on the lines of an object; `false` where it can't be unpacked to its end.
async fn read(objects: &Objects, meta: &ObjectMeta, intake: &mut Intake<'_>) -> Result<bool, Error> {
    let got = objects.store.get(&meta.location).await.map_err(objects.failed(&meta.location))?;
    let packed = got.bytes().await.map_err(objects.failed(&meta.location))?;
    let mut lines = Lines::new(BufReader::new(MultiGzDecoder::new(packed.as_ref())));
    let mut text = Vec::new();
    loop {
        text.clear();
        match lines.read(&mut text) {
            Ok(Read::End) => return Ok(true),
            // A line that is too long is no event: what is left of it can't be read as one.
            Ok(Read::Whole | Read::TooLong) => intake.take(meta.location.as_ref(), lines.begun, &text)?,
            Err(_) => return Ok(false),
        }
    }
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
