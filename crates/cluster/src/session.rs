//! The way from an embedded context to one whose questions a cluster answers.

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

/// The longest wait for the answer to the trial question.
const TRIAL_WITHIN: Duration = Duration::from_mins(1);

/// A question that reads a staged table by each of our functions, asked before anything else is.
const TRIAL: &str =
    "SELECT taste_hash(user_id) AS hash, count(*) AS rows FROM cluster_trial GROUP BY taste_hash(user_id)";

/// Why the cluster can't answer the pipeline's questions.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "a trial question failed: {source}; scheduler and executors must be of this version and see the work folder (--work-dir) under the same path"
    )]
    Trial { source: DataFusionError },
    #[error("a trial question was not answered within {} seconds; the executors may be busy or out of reach", TRIAL_WITHIN.as_secs())]
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
        // Only now: making a state for Ballista drops the functions that it had.
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

/// What is set for a cluster and not for an embedded engine, besides what Ballista itself sets: no views of text, no dynamic filters, joins that
/// sort and can spill.
fn config(embedded: SessionConfig) -> SessionConfig {
    embedded
        .upgrade_for_ballista()
        // The adaptive planner of Ballista 55.0.0 takes the rows of a shuffle for sorted where those who wrote it had them sorted, and leaves
        // out the sort after it. They come from several writers, so the second window of sql/slots.sql would see them out of order.
        .with_ballista_adaptive_query_planner(false)
        // What could not be fetched is asked for again as a whole.
        .set_usize(BALLISTA_CLIENT_IO_RETRIES_TIMES, 1)
        .with_ballista_override_create_grpc_client_endpoint(watched())
}

/// Asks a question over a table of one row, so that what is wrong with a cluster is said before hours of work.
async fn trial(context: &SessionContext) -> Result<(), DataFusionError> {
    let user: ArrayRef = Arc::new(StringArray::from(vec!["신상"]));
    let row = RecordBatch::try_from_iter([("user_id", user)])?;
    engine::register_rows(context, "cluster_trial", row.schema(), vec![row])?;
    let answer = context.sql(TRIAL).await?.collect().await?;
    context.deregister_table("cluster_trial")?;
    let rows: usize = answer.iter().map(RecordBatch::num_rows).sum();
    if rows == 1 {
        Ok(())
    } else {
        Err(DataFusionError::Execution(format!("the answer has {rows} rows instead of one")))
    }
}
