//! Connections that notice a peer that hangs: Ballista's own to an executor would wait for it without an end.

use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::EndpointOverrideFn;

/// The longest wait for a connection, and for the answer to a look whether the peer is still there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The time between two such looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Watches every connection that is made, also while an answer is being waited for.
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
