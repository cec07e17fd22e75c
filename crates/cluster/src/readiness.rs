//! Checks that a scheduler answers and has executors. Ballista's client would wait for the first
//! executor for ever.

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

/// Timeout of an answer of the scheduler.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Checks, a second apart, for which a run waits for the first executor.
const FIRST_LOOKS: u32 = 20;
/// Checks, two seconds apart, after which a query without any executor is given up: longer than a
/// scheduler takes to give up a lost executor.
const LOST_LOOKS: u32 = 60;

/// Why a query would get no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing listens at the address, or it is unreachable.
    #[error(
        "no scheduler answers at {address}: {source}; start one with `sinsang-cluster scheduler`, or check host and port"
    )]
    Unreachable { address: Address, source: io::Error },
    /// The listener is not a scheduler.
    #[error("the server at {address} is not a scheduler: {detail}; check host and port")]
    NotAScheduler { address: Address, detail: String },
    /// The scheduler has no executor.
    #[error(
        "the scheduler at {address} has had no executor for {seconds} seconds; start some with `sinsang-cluster executor --scheduler {address}`"
    )]
    NoExecutor { address: Address, seconds: u32 },
}

/// Waits for the scheduler's first executor, for a bounded time. An unreachable scheduler is an
/// error at once.
pub(crate) async fn executor(address: &Address) -> Result<(), Error> {
    for _ in 0..FIRST_LOOKS {
        if has_executors(address).await? {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Err(Error::NoExecutor { address: address.clone(), seconds: FIRST_LOOKS })
}

/// Returns once the scheduler or its executors have been away so long that no answer will come.
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
        // The connection ends with its sender, which reports the connection's errors.
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
            status => Err(not_a_scheduler(format!("it answered {status}"))),
        },
        Ok(Err(error)) => Err(not_a_scheduler(error.to_string())),
        Err(elapsed) => Err(not_a_scheduler(elapsed.to_string())),
    }
}
