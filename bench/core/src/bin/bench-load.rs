//! `bench-load PORT FILE CONNECTIONS COUNT`: sends COUNT requests to 127.0.0.1:PORT and prints the
//! results as JSON.
//!
//! FILE holds the requests as sent over the wire, with a zero byte after each; connection c cycles
//! through c, c + CONNECTIONS, … of them. Connections are kept alive without pipelining: each sends
//! its next request when the last answer is complete.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::json;

/// Timeout of an answer.
const TIMEOUT: Duration = Duration::from_secs(20);
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Results of one connection.
#[derive(Default)]
struct Seen {
    /// Microseconds, from the first byte written to the last byte read.
    latencies_us: Vec<f64>,
    body_bytes: usize,
    statuses: [usize; 6],
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Connection {
    fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, buffer: Vec::with_capacity(256 * 1024) })
    }

    fn fill(&mut self) -> io::Result<()> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + 64 * 1024, 0);
        let read = self.stream.read(self.buffer.get_mut(filled..).unwrap_or_default())?;
        self.buffer.truncate(filled + read);
        if read == 0 { Err(bad("the server closed the connection")) } else { Ok(()) }
    }

    /// Sends `request`; returns the status and the length of the body.
    fn ask(&mut self, request: &[u8]) -> io::Result<(usize, usize)> {
        self.buffer.clear();
        self.stream.write_all(request)?;
        let body_at = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(bad("the head never ends"));
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(self.buffer.get(..body_at).unwrap_or_default()).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(|| bad("no status"))?;
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("transfer-encoding:").is_some() {
            return Ok((status, self.chunks(body_at)?));
        }
        let length: usize = field("content-length:").and_then(|text| text.parse().ok()).unwrap_or(0);
        while self.buffer.len() < body_at + length {
            self.fill()?;
        }
        Ok((status, length))
    }

    /// Reads a chunked body that begins at `at`; returns its length.
    fn chunks(&mut self, mut at: usize) -> io::Result<usize> {
        let mut length = 0;
        loop {
            let rest = self.buffer.get(at..).unwrap_or_default();
            let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
                self.fill()?;
                continue;
            };
            let digits = String::from_utf8_lossy(rest.get(..line).unwrap_or_default()).into_owned();
            let size = usize::from_str_radix(digits.trim(), 16).map_err(|_| bad("a chunk without a size"))?;
            at += line + 2 + size + 2;
            while self.buffer.len() < at {
                self.fill()?;
            }
            length += size;
            if size == 0 {
                return Ok(length);
            }
        }
    }
}

fn converse(port: u16, requests: &[&[u8]], first: usize, step: usize, count: usize) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let mut connection = Connection::open(port)?;
    let mut place = first;
    for _ in 0..count {
        let request = requests.get(place % requests.len()).copied().unwrap_or_default();
        place += step;
        let began = Instant::now();
        let (status, bytes) = connection.ask(request)?;
        seen.latencies_us.push(began.elapsed().as_secs_f64() * 1e6);
        seen.body_bytes += bytes;
        if let Some(of_class) = seen.statuses.get_mut(status / 100) {
            *of_class += 1;
        }
    }
    Ok(seen)
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, file, connections, count] = arguments.as_slice() else {
        return Err("expected PORT FILE CONNECTIONS COUNT".to_owned());
    };
    let port: u16 = port.parse().map_err(|_| "PORT is no number")?;
    let connections: usize = connections.parse().ok().filter(|n| *n > 0).ok_or("CONNECTIONS is no number")?;
    let count: usize = count.parse().map_err(|_| "COUNT is no number")?;
    let text = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let requests: Vec<&[u8]> = text.split(|byte| *byte == 0).filter(|request| !request.is_empty()).collect();
    if requests.is_empty() {
        return Err(format!("{file} has no request"));
    }
    let began = Instant::now();
    let seen: Vec<Seen> = thread::scope(|scope| {
        let requests = requests.as_slice();
        let threads: Vec<_> = (0..connections)
            .map(|first| {
                let share = count / connections + usize::from(first < count % connections);
                scope.spawn(move || converse(port, requests, first, connections, share))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| bad("a connection's thread ended"))?)
            .collect::<io::Result<_>>()
    })
    .map_err(|error| error.to_string())?;
    let seconds = began.elapsed().as_secs_f64();
    let mut latencies: Vec<f64> = seen.iter().flat_map(|one| one.latencies_us.iter().copied()).collect();
    latencies.sort_by(f64::total_cmp);
    let quantile = |share: usize| latencies.get(latencies.len().saturating_sub(1) * share / 1_000).copied();
    let class = |class: usize| seen.iter().filter_map(|one| one.statuses.get(class)).sum::<usize>();
    println!(
        "{}",
        json!({
            "count": latencies.len(),
            "seconds": seconds,
            "body_bytes": seen.iter().map(|one| one.body_bytes).sum::<usize>(),
            "statuses": { "2xx": class(2), "3xx": class(3), "4xx": class(4), "5xx": class(5) },
            "latency_us": { "p50": quantile(500), "p90": quantile(900), "p99": quantile(990) },
        })
    );
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}
