//! Answers that survive the loss of an executor: each is fetched completely before it is passed on,
//! and the query is repeated if that fails.
//!
//! The parts of an answer stay with the executors that made them until they are fetched. An
//! executor that dies takes its parts along, and the scheduler cancels queries that a lost executor
//! took part in (`loss.rs`). Ballista's client would fail there. It would also wait for ever for
//! executors that never come.

use std::fmt;
use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::execution_plans::DistributedQueryExec;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::{StreamExt as _, TryStreamExt as _};
use tempfile::{SpooledTempFile, spooled_tempfile};

use crate::address::Address;
use crate::readiness;

/// Attempts of a query before its error is believed: an error of the query itself recurs each time.
const ATTEMPTS: u32 = 3;
/// Bytes of an answer kept in memory; a longer one goes to a temporary file.
const MEMORY_BYTES: usize = 16 << 20;

/// Ballista's planner, with answers that survive the loss of an executor.
#[derive(Debug)]
pub(crate) struct PersistentPlanner {
    ballista: Arc<dyn QueryPlanner + Send + Sync>,
    address: Address,
}

impl PersistentPlanner {
    pub(crate) fn new(ballista: Arc<dyn QueryPlanner + Send + Sync>, address: Address) -> Self {
        Self { ballista, address }
    }
}

#[async_trait]
impl QueryPlanner for PersistentPlanner {
    async fn create_physical_plan(
        &self,
        logical_plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let plan = self.ballista.create_physical_plan(logical_plan, session).await?;
        // Queries about the catalogue are answered locally and need no cluster.
        let is_distributed = plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>().is_some();
        Ok(if is_distributed {
            Arc::new(PersistentExec { question: plan, address: self.address.clone() })
        } else {
            plan
        })
    }
}

/// A query to the cluster. It has one partition, as a cluster's answer has.
#[derive(Clone, Debug)]
struct PersistentExec {
    question: Arc<dyn ExecutionPlan>,
    address: Address,
}

impl DisplayAs for PersistentExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersistentExec: cluster={}", self.address)
    }
}

impl ExecutionPlan for PersistentExec {
    fn name(&self) -> &'static str {
        "PersistentExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.question.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let exec = self.clone();
        let answer = async move {
            let batches = exec.answer(partition, &context).await?;
            Ok::<_, DataFusionError>(futures::stream::iter(batches).map_err(DataFusionError::from))
        };
        let stream = futures::stream::once(answer).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}

impl PersistentExec {
    async fn answer(
        &self,
        partition: usize,
        context: &Arc<TaskContext>,
    ) -> Result<StreamReader<SpooledTempFile>, DataFusionError> {
        let mut attempt = 1;
        loop {
            let answer = self.question.execute(partition, Arc::clone(context))?;
            let error = tokio::select! {
                taken = take(answer) => match taken {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                },
                lost = readiness::lost(&self.address) => return Err(DataFusionError::External(Box::new(lost))),
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
            // Without any executor left, repeating the query is useless.
            readiness::executor(&self.address).await.map_err(|gone| error.context(gone.to_string()))?;
        }
    }
}

/// Fetches an answer completely. Every batch must have the planned types, as those of an embedded
/// engine do.
async fn take(mut answer: SendableRecordBatchStream) -> Result<StreamReader<SpooledTempFile>, DataFusionError> {
    let schema = answer.schema();
    let mut writer = StreamWriter::try_new(spooled_tempfile(MEMORY_BYTES), &schema)?;
    while let Some(batch) = answer.next().await {
        let batch = RecordBatch::try_new(Arc::clone(&schema), batch?.columns().to_vec())?;
        writer.write(&batch)?;
    }
    let mut file = writer.into_inner()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(StreamReader::try_new(file, None)?)
}
