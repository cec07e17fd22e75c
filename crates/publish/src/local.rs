//! The local KV namespace that `wrangler dev` serves from, reached through wrangler's own API by
//! `scripts/local-kv.mjs`.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sinsang_core::key::{Key, PACK_PREFIX};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::time::UnixMillis;
use sinsang_run::clock::Clock;

use crate::store::{Page, Stamp, Store};

/// Attempts at what the local KV refuses, and the shortest pause between them in milliseconds.
const ATTEMPTS: u32 = 10;
const REFUSED_MS: u32 = 150;

/// Why the local KV failed.
#[derive(Debug, thiserror::Error)]
pub enum LocalKvError {
    /// Node or the script can't be started.
    #[error("can't start node {}: {source}; install Node 20 or later and run `npm ci`", script.display())]
    Start {
        /// The script.
        script: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The script exited early, or its pipe broke.
    #[error("the local KV helper exited: {0}")]
    Gone(io::Error),
    /// The script answered with something unexpected.
    #[error("the local KV helper answered {0:?}, which this version does not understand")]
    Answer(String),
    /// Wrangler's KV refused.
    #[error("the local KV: {0}")]
    Refused(String),
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Ask<'a> {
    Keys { prefix: &'a str },
    Get { key: &'a str },
    Put { key: &'a str, value: String, metadata: Stamp },
    Remove { keys: Vec<String> },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    keys: Vec<Name>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
    #[serde(default)]
    metadata: Option<Stamp>,
}

/// A running helper process; it exits when this is dropped.
#[derive(Debug)]
pub struct LocalKv {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    clock: Clock,
}

impl LocalKv {
    /// Starts the helper for the Worker whose `wrangler.toml` is in `project`, with its state in
    /// `persist`. The namespace is always local, whatever the file says about remote bindings.
    ///
    /// # Errors
    /// [`LocalKvError::Start`] if Node or the script can't be started.
    pub fn open(project: &Path, persist: &Path, clock: Clock) -> Result<Self, LocalKvError> {
        let script = project.join("scripts/local-kv.mjs");
        let start = |source| LocalKvError::Start { script: script.clone(), source };
        let mut child = Command::new("node")
            .arg(&script)
            .args(["--config".as_ref(), project.join("wrangler.toml").as_os_str()])
            .args(["--persist".as_ref(), persist.as_os_str()])
            .env("WRANGLER_SEND_METRICS", "false")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let (asks, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.ok_or_else(|| start(io::Error::other("no output")))?;
        Ok(Self { child, asks, answers: BufReader::new(answers), clock })
    }

    /// Asks again where the local KV refuses: its database takes one process at a time, and tells
    /// the others so.
    fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer, LocalKvError> {
        for _ in 1..ATTEMPTS {
            match self.ask_once(ask) {
                Err(LocalKvError::Refused(_)) => self.wait(REFUSED_MS + std::process::id() % REFUSED_MS),
                outcome => return outcome,
            }
        }
        self.ask_once(ask)
    }

    fn ask_once(&mut self, ask: &Ask<'_>) -> Result<Answer, LocalKvError> {
        let mut line = serde_json::to_string(ask).map_err(|error| LocalKvError::Gone(error.into()))?;
        line.push('\n');
        let asks = self.asks.as_mut().ok_or_else(|| LocalKvError::Gone(io::Error::other("closed")))?;
        asks.write_all(line.as_bytes()).and_then(|()| asks.flush()).map_err(LocalKvError::Gone)?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer).map_err(LocalKvError::Gone)? == 0 {
            return Err(LocalKvError::Gone(io::Error::other("see its messages above")));
        }
        let parsed: Answer =
            serde_json::from_str(&answer).map_err(|_| LocalKvError::Answer(answer.chars().take(200).collect()))?;
        match parsed.error {
            Some(error) => Err(LocalKvError::Refused(error)),
            None => Ok(parsed),
        }
    }
}

impl Store for LocalKv {
    type Error = LocalKvError;

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    fn page(&mut self, _cursor: &str) -> Result<Page, LocalKvError> {
        let keys = self.ask(&Ask::Keys { prefix: PACK_PREFIX })?.keys;
        let pack = |key: &Name| Some((Key::pack_of(&key.name)?, key.metadata.unwrap_or_default()));
        Ok(Page { packs: keys.iter().filter_map(pack).collect(), next: None })
    }

    fn keys(&mut self, prefix: &str) -> Result<Vec<String>, LocalKvError> {
        Ok(self.ask(&Ask::Keys { prefix })?.keys.into_iter().map(|key| key.name).collect())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, LocalKvError> {
        let Some(value) = self.ask(&Ask::Get { key })?.value else { return Ok(None) };
        STANDARD.decode(&value).map(Some).map_err(|error| LocalKvError::Answer(error.to_string()))
    }

    fn put(&mut self, key: &str, value: &[u8], at: UnixMillis) -> Result<(), LocalKvError> {
        let metadata = Stamp::of(at, value.len());
        self.ask(&Ask::Put { key, value: STANDARD.encode(value), metadata }).map(|_| ())
    }

    fn remove(&mut self, packs: &[PackId]) -> Result<(), LocalKvError> {
        let keys = packs.iter().map(|id| Key::Pack(Kind::Board, *id).to_string()).collect();
        self.ask(&Ask::Remove { keys }).map(|_| ())
    }

    fn settle(&mut self, _attempt: u32) -> bool {
        false
    }

    fn wait(&mut self, ms: u32) {
        self.clock.sleep(Duration::from_millis(ms.into()));
    }
}

impl Drop for LocalKv {
    fn drop(&mut self) {
        // The helper exits at the end of its input, and closes its files in order.
        drop(self.asks.take());
        let _ = self.child.wait();
    }
}
