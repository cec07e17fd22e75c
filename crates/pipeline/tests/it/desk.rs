//! A desk for reading tables: a folder of input files, a source, and short ways to write and query.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use sinsang_core::time::UnixMillis;
use sinsang_pipeline::engine;
use sinsang_pipeline::read::source::{DEFAULT_PAGE_BYTES, Error, Options, Repair, Source, TableReport};
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::{Limit, Reason};
use sinsang_tables::table::Tab;
use tempfile::TempDir;

/// File name, row, line, field and reason of a reject.
pub(crate) type Place = (String, u64, Option<u64>, Option<String>, String);

pub(crate) const NOW: &str = "2026-11-22T12:00:00+09:00";

/// A folder of input files, and a source that reads them.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) source: Source,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with_limit(1.0)
    }

    pub(crate) fn with_limit(max_share: f64) -> Self {
        let folder = tempfile::Builder::new().prefix("자료 [1] 100%#?*").tempdir().unwrap();
        let options = Options {
            work_dir: folder.path().to_path_buf(),
            rejects: Some(folder.path().join("rejects.ndjson")),
            limit: Limit { max_share },
            zones: Zones::default(),
            page_bytes: DEFAULT_PAGE_BYTES,
            progress: Progress::hidden(),
        };
        let source = Source::new(engine::open(&engine::Options::default()).unwrap(), options).unwrap();
        Self { folder, source }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) async fn broadcasts(&mut self, path: &Path) -> Result<TableReport, Error> {
        self.source.open_broadcasts(path, now()).await
    }

    pub(crate) async fn events(&mut self, path: &Path) -> Result<TableReport, Error> {
        self.source.open_events(path, now(), None).await
    }

    pub(crate) fn tabs(&mut self, path: &Path) -> Result<(Vec<Tab>, TableReport), Error> {
        self.source.open_tabs(path, now())
    }

    /// The rows of a query as JSON arrays.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Value> {
        let batches = self.source.context().sql(sql).await.unwrap().collect().await.unwrap();
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                rows.push(batch.columns().iter().map(|column| cell(column, row)).collect());
            }
        }
        rows
    }

    /// The lines of the rejects file.
    pub(crate) fn rejects(&self) -> Vec<Place> {
        let text = fs::read_to_string(self.path("rejects.ndjson")).unwrap_or_default();
        let text_of = |value: &Value| value.as_str().map(str::to_owned);
        text.lines()
            .map(|line| {
                let reject: Value = serde_json::from_str(line).unwrap();
                let file = Path::new(reject["file"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into();
                let (row, line) = (reject["row"].as_u64().unwrap(), reject["line"].as_u64());
                (file, row, line, text_of(&reject["field"]), text_of(&reject["reason"]).unwrap())
            })
            .collect()
    }
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339(NOW).unwrap()
}

pub(crate) fn ms(text: &str) -> i64 {
    UnixMillis::parse_rfc3339(text).unwrap().0
}

pub(crate) fn cell(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        other => panic!("unexpected type {other}"),
    }
}

pub(crate) fn reject(file: &str, row: u64, line: u64, field: &str, reason: Reason) -> Place {
    let line = (line > 0).then_some(line);
    let field = (!field.is_empty()).then(|| field.to_owned());
    (file.to_owned(), row, line, field, reason.as_str().to_owned())
}

pub(crate) fn repairs(report: &TableReport) -> Vec<(&'static str, Repair, u64)> {
    report.repaired.iter().map(|count| (count.field, count.repair, count.rows)).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub(crate) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// An NDJSON row of `broadcasts` with `changes`; `null` fields are omitted.
pub(crate) fn broadcast(changes: &Value) -> String {
    let mut row = json!({"shop": "GS샵", "listing_id": "1", "channel": "GS샵 LIVE", "title": "크림",
        "starts_at": "2026-11-22T20:00:00+09:00", "ends_at": "2026-11-22T21:00:00+09:00", "price": 49900});
    for (key, value) in changes.as_object().unwrap() {
        row[key] = value.clone();
    }
    row.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    format!("{row}\n")
}

pub(crate) fn event(changes: &Value) -> String {
    let mut row = json!({"user_id": "u1", "at": "2026-11-20T20:00:00+09:00", "kind": "click", "listing_id": "1"});
    for (key, value) in changes.as_object().unwrap() {
        row[key] = value.clone();
    }
    format!("{row}\n")
}
