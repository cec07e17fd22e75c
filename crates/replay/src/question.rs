//! What is replayed: a request as the app sent it, and when.

use sinsang::auth::Verifier;
use sinsang::reply::Rung;
use sinsang::request::{Config, Halt, Raw, Request};
use sinsang_core::context::Context;
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{UserHasher, UserKey};

/// An address that surfaces are asked for at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// `/v1/home`: all surfaces.
    #[default]
    Home,
    /// `/v1/new`: a page of the new-product tab.
    New,
    /// `/v1/live`: the live order.
    Live,
    /// `/v1/tabs`: the top tabs.
    Tabs,
}

impl Path {
    /// All addresses.
    pub const ALL: [Self; 4] = [Self::Home, Self::New, Self::Live, Self::Tabs];

    /// Its last part, as commands name it.
    pub fn name(self) -> &'static str {
        self.as_str().trim_start_matches("/v1/")
    }

    /// The address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Home => "/v1/home",
            Self::New => "/v1/new",
            Self::Live => "/v1/live",
            Self::Tabs => "/v1/tabs",
        }
    }
}

/// A request of the past, and what is known of its answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// When the edge answered, by real clocks. Remaining times and ages in answers are of its
    /// second, so a time to the millisecond gives the very bytes.
    pub at: UnixMillis,
    /// How far the edge's clock was ahead of real ones (`CLOCK_OFFSET_MS`), in milliseconds.
    pub clock_offset_ms: i64,
    /// What was asked for.
    pub path: Path,
    /// The query without its question mark, percent-encoded as it was sent.
    pub query: String,
    /// The user of the token, if there was one.
    pub viewer: Option<UserKey>,
    /// The header `Sinsang-Device`.
    pub device: Option<String>,
    /// The province and device class that the platform told.
    pub context: Context,
    /// The edge's `USER_KEY`, by which devices are drawn; `None` if it had none.
    pub devices: Option<UserHasher>,
    /// The rung that the answer stood on (`Sinsang-Rung`), which bodies name.
    pub rung: Rung,
    /// The answer's ETag, which decides among the values that an isolate may have used.
    pub etag: Option<String>,
    /// The snapshot that answered, if that is known (`Sinsang-Snapshot`).
    pub snapshot: Option<SnapshotId>,
    /// The number of the pulse, or `Some(None)` for none, if that is known.
    pub pulse: Option<Option<u32>>,
    /// The revision of the overlay, 0 for none, if that is known.
    pub overlay: Option<u32>,
}

impl Question {
    /// A question for `path` at `at` by nobody in particular.
    pub fn new(path: Path, at: UnixMillis) -> Self {
        Self {
            at,
            clock_offset_ms: 0,
            path,
            query: String::new(),
            viewer: None,
            device: None,
            context: Context::default(),
            devices: None,
            rung: Rung::Isolate,
            etag: None,
            snapshot: None,
            pulse: None,
            overlay: None,
        }
    }

    /// The edge's clock at that time.
    pub(crate) fn edge_now(&self) -> UnixMillis {
        self.at.plus(self.clock_offset_ms)
    }

    /// The edge's configuration, as far as it decides what an answer says.
    pub(crate) fn config(&self) -> Config {
        // The token has been checked; the verifier only stands for there being one.
        let users = self.devices.clone().or_else(|| UserHasher::new(b"replay"));
        let verifier = users.and_then(|users| Verifier::new(&[], &[], "replay".to_owned(), users).ok());
        let (devices, clock_offset_ms) = (self.devices.clone(), self.clock_offset_ms);
        Config { verifier, devices, clock_offset_ms, ..Config::default() }
    }

    /// The request as the platform passed it on.
    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw {
            method: "GET",
            path: self.path.as_str(),
            query: &self.query,
            authorization: self.viewer.map(|_| "Bearer"),
            device: self.device.as_deref(),
            context: Some(self.context),
            ..Raw::default()
        }
    }

    /// The request, or the edge's refusal.
    pub(crate) fn request(&self, config: &Config) -> Result<Request, Halt> {
        Request::parse(&self.raw(), config, self.at, self.viewer)
    }
}
