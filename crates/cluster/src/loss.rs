//! Cancels a scheduler's queries that a lost executor took part in; the client asks them again.
//!
//! The scheduler of Ballista 55.0.0 would instead repeat the lost stages. But a repeated stage
//! still hands on the finished parts of its first attempt elsewhere, so rows arrive twice,
//! silently: a build with 15,434 slots once found 20,421. Only a query that is repeated as a whole
//! has a right answer. Failed fetches are handled by `stage_max_failures` of 1, lost executors
//! here.

use ballista_core::JobId;
use ballista_core::serde::protobuf::task_status::Status;
use ballista_scheduler::cluster::{ClusterStateEvent, ClusterStateEventStream};
use ballista_scheduler::scheduler_server::SchedulerServer;
use ballista_scheduler::state::execution_stage::{ExecutionStage, TaskInfo};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use futures::StreamExt as _;

/// Ballista's scheduler, in the protocol of Ballista's client.
pub(crate) type Server = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// Cancels the queries that lost executors took part in, until the events end.
///
/// The scheduler handles events in turn, and posts the loss after it has announced the removal. The
/// cancellation is therefore queued before any executor can have fetched, finished and reported a
/// task of a second attempt.
pub(crate) async fn call_off(server: Server, mut events: ClusterStateEventStream) {
    while let Some(event) = events.next().await {
        let ClusterStateEvent::RemovedExecutor { executor_id } = event else { continue };
        for (job_id, job) in server.state.task_manager.get_running_job_cache().iter() {
            let is_touched =
                job.execution_graph.read().await.stages().values().any(|stage| is_touched(stage, &executor_id));
            if is_touched {
                cancel(&server, job_id, &executor_id).await;
            }
        }
    }
}

async fn cancel(server: &Server, job_id: &JobId, executor_id: &str) {
    log::warn!("cancelling query {job_id}: its executor {executor_id} is lost");
    if let Err(error) = server.cancel_job(job_id.clone()).await {
        log::error!("can't cancel query {job_id}: {error}");
    }
}

/// Whether the executor worked on the stage, or a part of the stage was already started again: the
/// scheduler may have handled the loss first.
fn is_touched(stage: &ExecutionStage, executor_id: &str) -> bool {
    let worked = |tasks: &[TaskInfo]| {
        tasks.iter().any(|task| match &task.task_status {
            Status::Running(task) => task.executor_id == executor_id,
            Status::Successful(task) => task.executor_id == executor_id,
            Status::Failed(_) => true,
        })
    };
    match stage {
        ExecutionStage::UnResolved(stage) => stage.stage_attempt_num > 0,
        ExecutionStage::Resolved(stage) => stage.stage_attempt_num > 0,
        ExecutionStage::Running(stage) => stage.stage_attempt_num > 0 || worked(&stage.task_infos),
        ExecutionStage::Successful(stage) => stage.stage_attempt_num > 0 || worked(&stage.task_infos),
        ExecutionStage::Failed(_) => false,
    }
}
