//! What a scheduler does with questions that a lost executor had a part in: it calls them off, and the client asks them again.
//!
//! The scheduler of Ballista 55.0.0 would work the lost stages over again. But a stage that is begun anew keeps handing on what its first
//! attempt had finished elsewhere, so rows come twice, silently: of 15,434 slots a build once found 20,421. Only a question that is begun
//! anew as a whole has a right answer. Failed fetches are met by `stage_max_failures` of 1, lost executors here.

use ballista_core::JobId;
use ballista_core::serde::protobuf::task_status::Status;
use ballista_scheduler::cluster::{ClusterStateEvent, ClusterStateEventStream};
use ballista_scheduler::scheduler_server::SchedulerServer;
use ballista_scheduler::state::execution_stage::{ExecutionStage, TaskInfo};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use futures::StreamExt as _;

/// Ballista's scheduler, as it talks to Ballista's client.
pub(crate) type Server = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// Calls off what lost executors had a part in, for as long as there are events.
///
/// The scheduler takes events in turn, and posts the loss after it has announced the removal; the calling-off is in its queue before any
/// executor can have come for a task of a second attempt, done it and said so.
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
    log::warn!("question {job_id} is called off: executor {executor_id} had a part in it and is lost");
    if let Err(error) = server.cancel_job(job_id.clone()).await {
        log::error!("question {job_id} can't be called off: {error}");
    }
}

/// Whether the executor worked on the stage, or something of the stage was begun anew already: the scheduler may have dealt with the loss before.
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
