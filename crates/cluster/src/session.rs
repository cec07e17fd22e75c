//! Turns an embedded context into one whose queries a cluster answers.

use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::BALLISTA_CLIENT_IO_RETRIES_TIMES;
use ballista_core::extension::{SessionConfigExt as _, SessionStateExt as _};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sinsang_pipeline::engine::{self, ClusterError};
use tokio::time::timeout;

use crate::address::Address;
use crate::connection::watched;
use crate::persistence::PersistentPlanner;
use crate::readiness;

/// Timeout of the trial query.
const TRIAL_WITHIN: Duration = Duration::from_mins(1);

/// A query that applies our functions to a staged table; it precedes all others.
const TRIAL: &str =
    "SELECT taste_hash(user_id) AS hash, count(*) AS rows FROM cluster_trial GROUP BY taste_hash(user_id)";

/// Why the cluster can't answer the pipeline's queries.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "the trial query failed: {source}; scheduler and executors must have this version and see the work folder (--work-dir) at the same path"
    )]
    Trial { source: DataFusionError },
    #[error("the trial query timed out after {} seconds; the executors may be busy or unreachable", TRIAL_WITHIN.as_secs())]
    TrialTimeout,
}

/// The context of the cluster at `url`; see [`engine::Connect`].
pub(crate) fn connect(url: String, state: SessionState) -> BoxFuture<'static, Result<SessionContext, ClusterError>> {
    async move {
        let address: Address = url.parse()?;
        readiness::executor(&address).await?;
        let config = config(state.config().clone());
        let state = SessionStateBuilder::new_from_existing(state).with_config(config).build();
        let state = state.upgrade_for_ballista(address.http())?;
        let planner = PersistentPlanner::new(Arc::clone(state.query_planner()), address);
        let state = SessionStateBuilder::new_from_existing(state).with_query_planner(Arc::new(planner)).build();
        let context = SessionContext::new_with_state(state);
        // Registered only at this point: making a state for Ballista drops its functions.
        for function in engine::functions() {
            context.register_udf(function);
        }
        match timeout(TRIAL_WITHIN, trial(&context)).await {
            Ok(Ok(())) => Ok(context),
            Ok(Err(source)) => Err(Error::Trial { source }.into()),
            Err(_) => Err(Error::TrialTimeout.into()),
        }
    }
    .boxed()
}

/// The settings of a cluster that differ from an embedded engine's, besides Ballista's own: no
/// string views, no dynamic filters, sort joins that can spill.
fn config(embedded: SessionConfig) -> SessionConfig {
    embedded
        .upgrade_for_ballista()
        // The adaptive planner of Ballista 55.0.0 takes a shuffle's rows for sorted if its writers
        // had them sorted, and omits the sort after it. They come from several writers, so the
        // second window of sql/slots.sql would see them out of order.
        .with_ballista_adaptive_query_planner(false)
        // A failed fetch repeats the whole query.
        .set_usize(BALLISTA_CLIENT_IO_RETRIES_TIMES, 1)
        .with_ballista_override_create_grpc_client_endpoint(watched())
}

/// Runs a query over a table of one row, so that a cluster's faults show before hours of work.
async fn trial(context: &SessionContext) -> Result<(), DataFusionError> {
    let user: ArrayRef = Arc::new(StringArray::from(vec!["신상"]));
    let row = RecordBatch::try_from_iter([("user_id", user)])?;
    engine::register_rows(context, "cluster_trial", row.schema(), vec![row])?;
    let answer = context.sql(TRIAL).await?.collect().await?;
    context.deregister_table("cluster_trial")?;
    let rows: usize = answer.iter().map(RecordBatch::num_rows).sum();
    if rows == 1 { Ok(()) } else { Err(DataFusionError::Execution(format!("expected one row, got {rows}"))) }
}
