//! The query engine: a context that runs embedded or on a cluster, and the named queries of `sql/`.
//!
//! Both run the same queries and functions. They differ in one thing: a cluster's machines read
//! tables from files in a shared folder, so in-memory rows are registered with [`register_rows`],
//! which writes them there.

pub(crate) mod function;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::BoxFuture;

use crate::read::source::{Stage, WorkFolder, file_url};

/// The text of `sql/<name>.sql`, included at compile time: a missing file does not compile.
///
/// `sql!("slots")` is a `&'static str`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql"))
    };
}
pub(crate) use sql;

/// Consumers named in an out-of-memory error.
const NAMED_CONSUMERS: NonZeroUsize = match NonZeroUsize::new(5) {
    Some(n) => n,
    None => NonZeroUsize::MIN,
};

/// The least memory for operators: below it a sort can't hold the batches that it merges.
pub const MEMORY_MIN_BYTES: usize = 32 << 20;
/// The most memory that each sort reserves for merging spilled data; the engine's own default.
const MERGE_MAX_BYTES: usize = 10 << 20;
/// Partitions of a query on a cluster, whose cores the client can't count.
const CLUSTER_PARTITIONS: NonZeroUsize = match NonZeroUsize::new(16) {
    Some(n) => n,
    None => NonZeroUsize::MIN,
};

/// How memory is divided among the operators of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pool {
    /// Each operator that can spill gets an equal share: slower, but safe for sorts larger than
    /// memory.
    #[default]
    Fair,
    /// First come, first served: faster while everything fits.
    Greedy,
}

/// Connects the state of an embedded context to the cluster at an address.
pub type Connect = fn(String, SessionState) -> BoxFuture<'static, Result<SessionContext, ClusterError>>;

/// Why a cluster can't be used: its client's error.
pub type ClusterError = Box<dyn std::error::Error + Send + Sync>;

/// A cluster and its client. The pipeline has no client: a command that is built with one passes it
/// in.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The scheduler's address.
    pub url: String,
    /// Connects to the cluster.
    pub connect: Connect,
}

/// The resources of the engine, and optionally its cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory of all operators together, in bytes, at least [`MEMORY_MIN_BYTES`]. Batches in flight
    /// are not included.
    pub memory_bytes: usize,
    /// How the memory is divided.
    pub pool: Pool,
    /// Partitions of a query; `None` takes one for each core, or 16 on a cluster.
    pub partitions: Option<NonZeroUsize>,
    /// The cluster that runs queries, with its own memory and spill space; `None` runs them in this
    /// process.
    pub cluster: Option<Cluster>,
    /// Folder for staged tables; it must exist, and all machines of a cluster must see it under
    /// this path. `None` takes the system's temporary folder.
    pub work_dir: Option<PathBuf>,
    /// Folder for spilled data, created if missing; `None` takes the run's own in the work folder,
    /// or else the system's.
    pub spill_dir: Option<PathBuf>,
    /// The most bytes spilled at once.
    pub spill_bytes: u64,
}

impl Default for Options {
    /// 2 GiB of memory, 100 GiB of spill, a partition for each core.
    fn default() -> Self {
        Self {
            memory_bytes: 2 << 30,
            pool: Pool::Fair,
            partitions: None,
            cluster: None,
            work_dir: None,
            spill_dir: None,
            spill_bytes: 100 << 30,
        }
    }
}

impl Options {
    /// The folder for staged tables.
    pub fn work_dir(&self) -> PathBuf {
        self.work_dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// Why the engine can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for spilled data can't be created: choose another, or make room.
    #[error("the folder for spilled data {} can't be created: {source}; choose another", path.display())]
    SpillDir {
        /// The folder asked for.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The engine rejects its settings.
    #[error("the query engine can't start: {0}")]
    Start(#[from] DataFusionError),
    /// The folder for staged tables can't be created: choose another, or make room.
    #[error("can't create a folder for tables in {}: {source}; choose another work folder", path.display())]
    WorkDir {
        /// The work folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The cluster can't be used.
    #[error("the cluster {url}: {source}")]
    Cluster {
        /// The address given.
        url: String,
        /// The client's error.
        source: ClusterError,
    },
}

/// The project's scalar functions in `sql/`. A cluster's scheduler and executors must know them
/// all.
pub fn functions() -> Vec<ScalarUDF> {
    vec![function::taste_hash()]
}

/// Creates the context of a run: embedded, or the cluster's if the options name one.
///
/// # Errors
/// As [`open`]; [`Error::WorkDir`] if nothing can be staged, [`Error::Cluster`] if the cluster
/// can't be used.
pub async fn connect(options: &Options) -> Result<SessionContext, Error> {
    let Some(Cluster { url, connect }) = &options.cluster else { return open(options) };
    let context = open(&Options { partitions: options.partitions.or(Some(CLUSTER_PARTITIONS)), ..options.clone() })?;
    let path = options.work_dir();
    let folder = WorkFolder::new(&path).map_err(|source| Error::WorkDir { path, source })?;
    let mut state = context.state();
    state.config_mut().set_extension(Arc::new(Staging { folder, tables: AtomicU32::new(0) }));
    connect(url.clone(), state).await.map_err(|source| Error::Cluster { url: url.clone(), source })
}

/// Writes in-memory rows to files that other machines can read. The folder is removed with the last
/// context that uses it.
struct Staging {
    folder: WorkFolder,
    tables: AtomicU32,
}

impl Staging {
    /// Writes rows to a file of their own. It is never rewritten, because a cluster caches metadata
    /// of a file.
    fn stage(&self, name: &str, schema: SchemaRef, rows: &[RecordBatch]) -> Result<ListingTable, DataFusionError> {
        let number = self.tables.fetch_add(1, Ordering::Relaxed);
        let failed = |source| DataFusionError::External(Box::new(source));
        let path = self.folder.path().join(format!("{name}-{number}.parquet"));
        let mut stage = Stage::create(&path, Arc::clone(&schema)).map_err(failed)?;
        for batch in rows {
            stage.write(batch).map_err(failed)?;
        }
        let url = ListingTableUrl::parse(file_url(&stage.close().map_err(failed)?)?)?;
        let format = ParquetFormat::default().with_force_view_types(false);
        let options = ListingOptions::new(Arc::new(format)).with_file_extension(".parquet");
        ListingTable::try_new(ListingTableConfig::new(url).with_listing_options(options).with_schema(schema))
    }
}

/// Registers in-memory rows as the table `name`, readable by the machines that run the context's
/// queries.
///
/// # Errors
/// The engine's error if the name is taken, the rows do not match the schema, or they can't be
/// written.
pub fn register_rows(
    context: &SessionContext,
    name: &str,
    schema: SchemaRef,
    rows: Vec<RecordBatch>,
) -> Result<(), DataFusionError> {
    let table: Arc<dyn TableProvider> = match context.copied_config().get_extension::<Staging>() {
        Some(staging) => Arc::new(staging.stage(name, schema, &rows)?),
        None => Arc::new(MemTable::try_new(schema, vec![rows])?),
    };
    context.register_table(name, table)?;
    Ok(())
}

/// Creates an embedded context, even if the options name a cluster.
///
/// Text columns are returned as `Utf8`, the type that `docs/input.md` specifies.
///
/// # Errors
/// [`Error::SpillDir`] if the folder can't be created, [`Error::Start`] if the engine rejects its
/// settings.
pub fn open(options: &Options) -> Result<SessionContext, Error> {
    let memory_bytes = options.memory_bytes.max(MEMORY_MIN_BYTES);
    let pool: Arc<dyn MemoryPool> = match options.pool {
        Pool::Fair => Arc::new(TrackConsumersPool::new(FairSpillPool::new(memory_bytes), NAMED_CONSUMERS)),
        Pool::Greedy => Arc::new(TrackConsumersPool::new(GreedyMemoryPool::new(memory_bytes), NAMED_CONSUMERS)),
    };
    let mut runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_max_temp_directory_size(options.spill_bytes);
    if let Some(path) = &options.spill_dir {
        fs::create_dir_all(path).map_err(|source| Error::SpillDir { path: path.clone(), source })?;
        runtime = runtime.with_temp_file_path(path);
    }
    let merge_bytes = (memory_bytes / 32).min(MERGE_MAX_BYTES);
    let mut config = SessionConfig::new()
        .with_sort_spill_reservation_bytes(merge_bytes)
        .with_information_schema(true)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    if let Some(partitions) = options.partitions {
        config = config.with_target_partitions(partitions.get());
    }
    Ok(SessionContext::new_with_config_rt(config, runtime.build_arc()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{AsArray as _, RecordBatch};
    use datafusion::arrow::datatypes::Int64Type;

    #[tokio::test]
    async fn a_sort_larger_than_memory_spills_and_answers() {
        let folder = tempfile::tempdir().unwrap();
        let question = "SELECT value, concat(value % 100, repeat('가', 40)) AS text
            FROM generate_series(1, 300000) ORDER BY text, value";
        let options = Options {
            memory_bytes: MEMORY_MIN_BYTES,
            partitions: NonZeroUsize::new(1),
            spill_dir: Some(folder.path().join("spill")),
            ..Options::default()
        };
        let answer = open(&options).unwrap().sql(question).await.unwrap().collect().await.unwrap();
        assert_eq!(answer.iter().map(RecordBatch::num_rows).sum::<usize>(), 300_000);
        assert_eq!(
            answer[0].column(0).as_primitive::<Int64Type>().value(1),
            200,
            "the second of those that begin with 0"
        );

        let without_room = Options { spill_bytes: 1 << 20, ..options };
        let error = open(&without_room).unwrap().sql(question).await.unwrap().collect().await.unwrap_err().to_string();
        assert!(error.contains("disk"), "{error}");
    }

    #[test]
    fn a_spill_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = Options { spill_dir: Some(file.path().join("spill")), ..Options::default() };
        let error = open(&options).err().unwrap().to_string();
        assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
    }
}
