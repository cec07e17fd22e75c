//! Arguments of `sinsang replay`.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sinsang::request::KEY_PREFIX;
use sinsang_core::context::{Context, DEVICE_CLASSES, is_region};
use sinsang_core::pack::manifest::SnapshotId;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::{DeviceId, UserHasher, UserKey};
use sinsang_replay::{Path, Question, Rung};

use super::Target;
use super::value::{snapshot_id, time};

/// Why no question can be made of the arguments.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadQuestion {
    /// Users and devices are known by a keyed hash.
    #[error("{what} is known by its hash: set SINSANG_USER_KEY to the edge's USER_KEY{}", more)]
    NoUserKey {
        /// What is hashed.
        what: &'static str,
        /// What else to do.
        more: &'static str,
    },
    /// The text after `key:` is no key.
    #[error("expected 16 hex digits after 'key:'")]
    BadKey,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) target: Target,
    /// When the edge answered, as RFC 3339, to the millisecond for the very bytes: ages and
    /// remaining times in answers are of its second.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: UnixMillis,
    /// The user who was signed in, by the app's id, or 'key:' and the 16 hex digits of events
    /// [default: nobody].
    #[arg(long, value_name = "USER")]
    viewer: Option<String>,
    /// The device, as the header Sinsang-Device had it.
    #[arg(long, value_name = "ID", value_parser = device)]
    device: Option<String>,
    /// What was asked for: /v1/home, /v1/new, /v1/live or /v1/tabs.
    #[arg(long, value_parser = path(), default_value = "home")]
    surface: Path,
    /// The query as it was sent, such as 'limit=20&cursor=…'.
    #[arg(long, value_name = "QUERY", default_value = "", hide_default_value = true)]
    query: String,
    /// The Korean province that the platform told, two digits of ISO 3166-2.
    #[arg(long, value_name = "DIGITS", value_parser = region)]
    region: Option<String>,
    /// The class of device that the platform told.
    #[arg(long, value_parser = DEVICE_CLASSES)]
    device_class: Option<String>,
    /// The answer's header ETag. It decides among the snapshots, pulses and overlays that isolates
    /// may have used then; without it the newest are taken.
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    /// The answer's header Sinsang-Rung, which bodies name.
    #[arg(long, value_parser = rung(), default_value = "isolate")]
    rung: Rung,
    /// The answer's header Sinsang-Snapshot: the snapshot that answered, 16 hex digits.
    #[arg(long, value_parser = snapshot_id)]
    snapshot: Option<SnapshotId>,
    /// The pulse that ordered the answer, by its number, or 'none'.
    #[arg(long, value_name = "NUMBER", value_parser = pulse)]
    pulse: Option<Pulse>,
    /// The revision of the overlay that the isolate knew; 0 for none.
    #[arg(long, value_name = "REVISION")]
    overlay: Option<u32>,
    /// The edge's CLOCK_OFFSET_MS, of demonstrations; --at stays a real clock's.
    #[arg(long, value_name = "MS", default_value_t = 0, allow_negative_numbers = true, hide_default_value = true)]
    clock_offset: i64,
    /// Tell what the answer was given from and why each place was so, in place of the body.
    #[arg(long)]
    pub(crate) explain: bool,
}

/// A pulse's number, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse(Option<u32>);

impl Replay {
    /// The question, with users hashed by `user_key`.
    pub(crate) fn question(&self, user_key: &str) -> Result<Question, BadQuestion> {
        let hasher = UserHasher::new(user_key.as_bytes());
        let viewer = match self.viewer.as_deref().map(|name| (name, name.strip_prefix(KEY_PREFIX))) {
            None => None,
            Some((_, Some(key))) => Some(UserKey::parse(key).ok_or(BadQuestion::BadKey)?),
            Some((id, None)) => {
                let more = ", or name the user as 'key:' and 16 hex digits";
                let hasher = hasher.as_ref().ok_or(BadQuestion::NoUserKey { what: "a user", more })?;
                Some(hasher.key(id))
            }
        };
        if self.device.is_some() && hasher.is_none() {
            return Err(BadQuestion::NoUserKey { what: "a device", more: "" });
        }
        Ok(Question {
            clock_offset_ms: self.clock_offset,
            query: self.query.trim_start_matches('?').to_owned(),
            viewer,
            device: self.device.clone(),
            context: Context::of_names(
                self.region.as_deref().unwrap_or_default(),
                self.device_class.as_deref().unwrap_or_default(),
            ),
            devices: hasher,
            rung: self.rung,
            etag: self.etag.clone(),
            snapshot: self.snapshot,
            pulse: self.pulse.map(|Pulse(number)| number),
            overlay: self.overlay,
            ..Question::new(self.surface, self.at)
        })
    }
}

fn path() -> impl TypedValueParser<Value = Path> {
    let find = |name: String| Path::ALL.into_iter().find(|path| path.name() == name).ok_or("not a surface");
    PossibleValuesParser::new(Path::ALL.map(Path::name)).try_map(find)
}

fn rung() -> impl TypedValueParser<Value = Rung> {
    let find = |name: String| Rung::ALL.into_iter().find(|rung| rung.as_str() == name).ok_or("not a rung");
    PossibleValuesParser::new(Rung::ALL.map(Rung::as_str)).try_map(find)
}

fn device(text: &str) -> Result<String, String> {
    let known = DeviceId::parse(text).map(|_| text.to_owned());
    known.ok_or_else(|| "expected 16 to 64 letters, digits, hyphens and underscores".to_owned())
}

fn region(text: &str) -> Result<String, String> {
    if is_region(text) { Ok(text.to_owned()) } else { Err("expected two digits, such as 11 for Seoul".to_owned()) }
}

fn pulse(text: &str) -> Result<Pulse, String> {
    let number = || text.parse().map(Some).map_err(|_| "expected a number, or 'none'".to_owned());
    if text == "none" { Ok(Pulse(None)) } else { number().map(Pulse) }
}
