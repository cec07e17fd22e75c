//! The HTTP client of the span exporter: `ureq`, which publishing uses too.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;

/// The longest a collector may take for a batch of spans, and a run may wait at exit.
pub(crate) const COLLECTOR_LIMIT: Duration = Duration::from_secs(3);
/// The most bytes of a collector's answer, which says how many spans it refused.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Sends spans; each call blocks the exporter's own thread.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    /// Whether a failure was logged.
    has_told: AtomicBool,
}

impl Client {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(COLLECTOR_LIMIT))
            .user_agent(concat!("sinsang/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), has_told: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(head, body.as_ref()))?;
        let (head, mut body) = answer.into_parts();
        let bytes = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, bytes.into()))
    }

    /// Logs the first failure to deliver spans.
    fn tell(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let trouble = match outcome {
            Ok(response) if response.status().is_success() => return,
            Ok(response) => response.status().to_string(),
            Err(error) => error.to_string(),
        };
        if !self.has_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(trouble, "the trace collector does not accept spans; the run continues without them");
        }
    }
}

impl HttpClient for Client {
    // The trait's macro expands its async function to this signature.
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let outcome = self.send(request);
            self.tell(&outcome);
            outcome
        })
    }
}
