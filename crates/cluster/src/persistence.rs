//! Answers that outlive an executor: each is taken whole before it is passed on, and asked for again where it could not be.
//!
//! The parts of an answer lie with the executors that made them until they are fetched; an executor that dies takes its parts along, and the
//! scheduler calls off questions that a lost executor had a part in (`loss.rs`). Ballista's client would end with an error there. It would
//! also wait without an end for executors that never come.

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

/// How often a question is asked before its error is believed: an error of the question itself comes each time.
const ATTEMPTS: u32 = 3;
/// Bytes of an answer that are kept in memory; what is longer goes to a temporary file.
const MEMORY_BYTES: usize = 16 << 20;

/// Ballista's planner, with answers that outlive an executor.
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
        // Questions about the catalogue are answered here, and need no cluster.
        let is_distributed = plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>().is_some();
        Ok(if is_distributed {
            Arc::new(PersistentExec { question: plan, address: self.address.clone() })
        } else {
            plan
        })
    }
}

/// A question to the cluster. One partition, as the answer of a cluster is.
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
            // Where nobody is left, there is nobody to ask again.
            readiness::executor(&self.address).await.map_err(|gone| error.context(gone.to_string()))?;
        }
    }
}

/// Takes an answer to its end. Every batch must have the types that were planned, as an embedded engine's have.
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
