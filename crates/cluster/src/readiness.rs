//! Whether a scheduler answers and has executors. Ballista's client would wait for the first executor without an end.

use std::io;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::address::Address;

/// The longest wait for one answer of a scheduler.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a run waits for the first executor, in looks a second apart.
const FIRST_LOOKS: u32 = 20;
/// How long a question goes on without any executor, in looks two seconds apart: longer than a scheduler takes to give up one that was lost.
const LOST_LOOKS: u32 = 60;

/// Why nobody would answer a question.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing listens there, or it can't be reached.
    #[error(
        "no scheduler answers at {address}: {source}; start one with `sinsang-cluster scheduler`, or check host and port"
    )]
    Unreachable { address: Address, source: io::Error },
    /// Something else listens there.
    #[error("what answers at {address} is no scheduler: {detail}; check host and port")]
    NotAScheduler { address: Address, detail: String },
    /// The scheduler runs, and nobody works for it.
    #[error(
        "the scheduler at {address} has no executor, and none came within {seconds} seconds; start some with `sinsang-cluster executor --scheduler {address}`"
    )]
    NoExecutor { address: Address, seconds: u32 },
}

/// Waits until the scheduler has an executor, a bounded time. A scheduler that can't be reached is not waited for.
pub(crate) async fn executor(address: &Address) -> Result<(), Error> {
    for _ in 0..FIRST_LOOKS {
        if has_executors(address).await? {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Err(Error::NoExecutor { address: address.clone(), seconds: FIRST_LOOKS })
}

/// Comes back once scheduler or executors have been away for so long that nobody will answer any more.
pub(crate) async fn lost(address: &Address) -> Error {
    let mut looks_without = 0;
    loop {
        sleep(Duration::from_secs(2)).await;
        let looked = has_executors(address).await;
        looks_without = if matches!(looked, Ok(true)) { 0 } else { looks_without + 1 };
        if looks_without >= LOST_LOOKS {
            let none = Error::NoExecutor { address: address.clone(), seconds: 2 * LOST_LOOKS };
            return looked.err().unwrap_or(none);
        }
    }
}

async fn has_executors(address: &Address) -> Result<bool, Error> {
    let not_a_scheduler = |detail: String| Error::NotAScheduler { address: address.clone(), detail };
    let host = format!("{}:{}", address.host, address.port);
    let connected = timeout(ANSWER_WITHIN, TcpStream::connect(&host)).await;
    let stream = connected
        .unwrap_or_else(|elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)))
        .map_err(|source| Error::Unreachable { address: address.clone(), source })?;
    let look = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what goes wrong in it, the sender says too.
        tokio::spawn(connection);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = hyper::Uri::from_static("/readyz");
        if let Ok(host) = host.parse() {
            request.headers_mut().insert(HOST, host);
        }
        sender.send_request(request).await
    };
    match timeout(ANSWER_WITHIN, look).await {
        Ok(Ok(answer)) => match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::SERVICE_UNAVAILABLE => Ok(false),
            status => Err(not_a_scheduler(format!("it says {status}"))),
        },
        Ok(Err(error)) => Err(not_a_scheduler(error.to_string())),
        Err(elapsed) => Err(not_a_scheduler(elapsed.to_string())),
    }
}
