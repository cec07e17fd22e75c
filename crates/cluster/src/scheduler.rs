//! The scheduler: takes queries, plans them, and hands their tasks to executors.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ballista_core::error::BallistaError;
use ballista_core::utils::default_session_builder;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use clap::Args;
use datafusion::error::DataFusionError;
use datafusion::execution::{FunctionRegistry as _, SessionState};
use datafusion::prelude::SessionConfig;
use sinsang_pipeline::engine;
use tokio::net::TcpListener;

use crate::address::{Address, SCHEDULER_PORT};
use crate::loss;

/// Run a cluster's scheduler until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Scheduler {
    /// The address to listen on. Anybody who can reach it can run queries: keep it inside a trusted
    /// network.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one, which is logged.
    #[arg(long, default_value_t = SCHEDULER_PORT)]
    port: u16,
    /// The host name or address at which executors reach this machine [default: HOST].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Seconds without a heartbeat after which an executor counts as lost, and its tasks are given
    /// to others. A busy executor sends a heartbeat every five seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(10..=3600))]
    executor_timeout: u64,
    #[command(flatten)]
    pub(crate) log: crate::Log,
}

/// Why the scheduler can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("can't listen on {address}: {source}; choose another --host or --port")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the scheduler stopped: {0}")]
    Ended(#[from] BallistaError),
}

/// The state of a session: Ballista's own plus our functions.
fn session(config: SessionConfig) -> Result<SessionState, DataFusionError> {
    let mut state = default_session_builder(config)?;
    for function in engine::functions() {
        state.register_udf(Arc::new(function))?;
    }
    Ok(state)
}

impl Scheduler {
    /// Serves until an error ends it.
    pub(crate) async fn serve(&self) -> Result<(), Error> {
        let address = SocketAddr::new(self.host, self.port);
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let host = self.name.clone().unwrap_or_else(|| crate::url_host(self.host));
        let reached_at = Address { host: host.clone(), port };
        let config = Arc::new(SchedulerConfig {
            external_host: host,
            bind_host: self.host.to_string(),
            bind_port: port,
            scheduling_policy: crate::SCHEDULING,
            executor_timeout_seconds: self.executor_timeout,
            expire_dead_executor_interval_seconds: (self.executor_timeout / 5).max(1),
            no_executors_grace_period_seconds: self.executor_timeout,
            // A stage is never repeated; see the module `loss`.
            stage_max_failures: 1,
            override_session_builder: Some(Arc::new(session)),
            ..SchedulerConfig::default()
        });
        config.validate()?;
        let cluster = BallistaCluster::new_from_config(&config).await?;
        let scheduler: loss::Server = create_scheduler(cluster, config).await?;
        tokio::spawn(loss::call_off(scheduler.clone(), scheduler.cluster_state_events().await?));
        log::info!("scheduler at {reached_at}");
        Ok(start_grpc_service_with_listener(listener, scheduler).await?)
    }
}
