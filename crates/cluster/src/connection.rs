//! Connections that detect a hanging peer: Ballista's own connection to an executor would wait for
//! ever.

use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::EndpointOverrideFn;

/// Timeout of a connection attempt, and of the answer to a keep-alive ping.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Time between two keep-alive pings.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Watches every connection, also while it waits for an answer.
pub(crate) fn watched() -> EndpointOverrideFn {
    Arc::new(|endpoint| {
        Ok(endpoint
            .connect_timeout(ANSWER_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(LOOK_EVERY)
            .keep_alive_timeout(ANSWER_WITHIN)
            .keep_alive_while_idle(true))
    })
}
