//! The embedded query engine: one function that makes its context, and the way to the named questions in `sql/`.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

/// The text of `sql/<name>.sql`, read when the crate is built: a question that is not there does not compile.
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

/// The least memory that operators get: below it a sort can't hold the batches that it merges.
pub const MEMORY_MIN_BYTES: usize = 32 << 20;
/// The most memory that each sort keeps free for merging what it spilled; the engine's own default.
const MERGE_MAX_BYTES: usize = 10 << 20;

/// How memory is divided among the operators of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pool {
    /// Each operator that can spill gets an equal share: slower, and safe for sorts larger than memory.
    #[default]
    Fair,
    /// First come, first served: faster while everything fits.
    Greedy,
}

/// What the engine may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for all operators together, in bytes, at least [`MEMORY_MIN_BYTES`]. Batches in flight come on top of it.
    pub memory_bytes: usize,
    /// How that memory is divided.
    pub pool: Pool,
    /// Parts a question is worked on in at once; `None` takes one for each core.
    pub partitions: Option<NonZeroUsize>,
    /// Folder for what does not fit in memory, made if it is missing; `None` takes the system's.
    pub spill_dir: Option<PathBuf>,
    /// Most that may be spilled at once, in bytes.
    pub spill_bytes: u64,
}

impl Default for Options {
    /// 2 GiB of memory, 100 GiB of spill, a partition for each core.
    fn default() -> Self {
        Self { memory_bytes: 2 << 30, pool: Pool::Fair, partitions: None, spill_dir: None, spill_bytes: 100 << 30 }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for spilled data can't be made: choose another, or make room.
    #[error("the folder for spilled data {} can't be made: {source}; choose another", path.display())]
    SpillDir {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine refused its settings.
    #[error("the query engine does not start: {0}")]
    Start(#[from] DataFusionError),
}

/// Makes the context that every question of a run is put to. The one place that knows the engine to be embedded.
///
/// Text columns come back as `Utf8`, so that a reader meets the types that `docs/input.md` names.
///
/// # Errors
/// [`Error::SpillDir`] where the folder can't be made, [`Error::Start`] where the engine refuses its settings.
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
