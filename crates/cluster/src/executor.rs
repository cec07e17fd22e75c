//! An executor: runs tasks, and keeps their output for other executors and the client to fetch.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use ballista_core::error::BallistaError;
use ballista_core::extension::SessionConfigExt as _;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use clap::Args;
use datafusion::prelude::SessionConfig;
use sinsang_pipeline::engine;
use sinsang_pipeline::read::source::WorkFolder;

use crate::address::Address;
use crate::connection::watched;

/// Seconds for which an executor tries to reach its scheduler.
const CONNECT_WITHIN_S: u16 = 30;
/// Seconds between two searches for leftovers of finished queries.
const CLEAN_EVERY_S: u64 = 600;
/// Seconds after which leftovers are removed, unless the scheduler has had them removed before.
const KEEP_S: u64 = 6 * 3_600;

/// Run an executor of a cluster until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Executor {
    /// The address of the scheduler to work for.
    #[arg(long, value_name = "URL", default_value = "df://127.0.0.1:50050")]
    scheduler: Address,
    /// The address to listen on, for other executors and clients.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The host name or address at which they reach this machine [default: HOST].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The port that serves intermediate results and answers.
    #[arg(long, default_value_t = 50051)]
    port: u16,
    /// The number of parallel tasks [default: the cores].
    #[arg(long, value_name = "N")]
    cores: Option<NonZeroUsize>,
    /// Memory of all tasks together, in MiB; each task has an equal share and spills the rest to
    /// disk.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u64,
    /// A local folder for intermediate results and for data that does not fit in memory [default:
    /// one in the system's temporary folder].
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: crate::Log,
}

/// Why an executor can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("can't create a folder in {}: {source}; choose another --work-dir", path.display())]
    WorkDir { path: PathBuf, source: io::Error },
    #[error("the executor for {scheduler} stopped: {source}")]
    Ended { scheduler: Address, source: BallistaError },
}

impl Executor {
    /// Works until it is stopped, or an error ends it.
    pub(crate) async fn work(&self) -> Result<(), Error> {
        // Each executor has its own folder in there, which is removed with it: two executors on one
        // machine must not remove each other's files.
        let path = self.work_dir.clone().unwrap_or_else(std::env::temp_dir);
        let folder = WorkFolder::new(&path).map_err(|source| Error::WorkDir { path, source })?;
        // Ballista clears its own folder, so the lock lies outside it.
        let jobs = folder.path().join("jobs");
        std::fs::create_dir(&jobs).map_err(|source| Error::WorkDir { path: jobs.clone(), source })?;
        let mut registry = BallistaFunctionRegistry::default();
        for function in engine::functions() {
            registry.scalar_functions.insert(function.name().to_owned(), Arc::new(function));
        }
        let cores = self.cores.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let config = ExecutorProcessConfig {
            bind_host: crate::url_host(self.host),
            external_host: Some(self.name.clone().unwrap_or_else(|| crate::url_host(self.host))),
            port: self.port,
            scheduler_host: self.scheduler.host.clone(),
            scheduler_port: self.scheduler.port,
            scheduler_connect_timeout_seconds: CONNECT_WITHIN_S,
            vcores: cores,
            memory_pool_size: Some(self.memory.saturating_mul(1 << 20)),
            work_dir: Some(jobs.to_string_lossy().into_owned()),
            job_data_clean_up_interval_seconds: CLEAN_EVERY_S,
            job_data_ttl_seconds: KEEP_S,
            task_scheduling_policy: crate::SCHEDULING,
            override_create_grpc_client_endpoint: Some(watched()),
            override_config_producer: Some(Arc::new(|| {
                SessionConfig::new_with_ballista().with_ballista_override_create_grpc_client_endpoint(watched())
            })),
            override_function_registry: Some(Arc::new(registry)),
            ..ExecutorProcessConfig::default()
        };
        let ended = |source| Error::Ended { scheduler: self.scheduler.clone(), source };
        start_executor_process(Arc::new(config)).await.map_err(ended)
    }
}
