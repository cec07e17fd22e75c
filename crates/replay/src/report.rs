//! A replayed answer, with what it was given from.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sinsang_publish::ViewerShare;
use sinsang_publish::overlay::{Said, Shown};

use crate::place::Place;

/// A replayed answer.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When the edge answered, RFC 3339 in UTC.
    pub at: String,
    /// The address with its query.
    pub asked: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers, but for those that the platform adds. `Server-Timing` is the replay's own.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(serialize_with = "as_text")]
    pub body: Vec<u8>,
    /// What the answer was given from.
    pub from: Choice,
    /// What an isolate may have used then, the most likely first.
    pub possible: Possible,
    /// Whether the answer has the ETag asked for; `None` if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_etag: Option<bool>,
    /// Revisions of the overlay that give the same ETag and another body: they differ in what is
    /// to come, which later pages carry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<u32>,
    /// The places of the answer.
    pub places: Vec<Place>,
    /// The overlay's entries that stood then.
    pub standing: Vec<Standing>,
}

fn as_text<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

/// What an answer was given from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The snapshot that answered; `None` for a refusal.
    pub snapshot: Option<String>,
    /// The snapshot that was live for the isolate.
    pub live: String,
    /// When that one's manifest went live, RFC 3339 in UTC.
    pub live_since: String,
    /// The snapshot on trial then, with its share of viewers.
    pub trial: Option<(String, ViewerShare)>,
    /// Whether the isolate had read the snapshot on trial.
    pub has_trial: bool,
    /// The pulse that ordered the answer, by its number: the Unix second in which it was made.
    pub pulse: Option<u32>,
    /// The overlay's revision that the isolate knew; 0 for none.
    pub overlay: u32,
    /// The audiences that the viewer was in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audiences: String,
    /// The variants of experiments.
    pub experiments: Option<Value>,
    /// The rung that it stood on.
    pub rung: &'static str,
}

/// What an isolate may have used at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Possible {
    /// Live snapshots.
    pub snapshots: Vec<String>,
    /// Pulses; `None` for none.
    pub pulses: Vec<Option<u32>>,
    /// Revisions of the overlay.
    pub overlays: Vec<u32>,
}

impl Possible {
    /// Whether something else than one choice was possible.
    pub fn is_uncertain(&self) -> bool {
        // An isolate that has not looked for a pulse is one in thousands.
        let pulses = self.pulses.iter().flatten().count();
        self.snapshots.len() > 1 || pulses > 1 || self.overlays.len() > 1
    }
}

impl fmt::Display for Possible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pulse = |pulse: &Option<u32>| pulse.map_or_else(|| "none".to_owned(), |number| number.to_string());
        let pulses: Vec<String> = self.pulses.iter().map(pulse).collect();
        let overlays: Vec<String> = self.overlays.iter().map(u32::to_string).collect();
        write!(f, "snapshots {}; pulses {}; ", self.snapshots.join(", "), pulses.join(", "))?;
        write!(f, "overlay revisions {}", overlays.join(", "))
    }
}

/// An entry of the overlay that stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The entry.
    #[serde(flatten)]
    pub said: Said,
    /// How many places of the answer it is about.
    pub places: usize,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As it was known then, it stands.
        Shown { state: "standing", said: self.said.clone() }.fmt(f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, asked, status, from, possible, also, places, standing, .. } = self;
        let etag = self.headers.iter().find(|(name, _)| name == "ETag").map_or("none", |(_, value)| value);
        writeln!(f, "{asked} at {at}: {status}, {} bytes, ETag {etag}", self.body.len())?;
        writeln!(f)?;
        let snapshot = from.snapshot.as_deref().unwrap_or("none");
        write!(f, "snapshot  {snapshot}; {} was live since {}", from.live, from.live_since)?;
        if let Some((trial, share)) = &from.trial {
            let read = if from.has_trial { "" } else { ", not read by the isolate" };
            write!(f, "; {trial} was on trial for {share} of viewers{read}")?;
        }
        let pulse = from.pulse.map_or_else(|| "none".to_owned(), |number| number.to_string());
        writeln!(f, "\npulse     {pulse}")?;
        writeln!(f, "overlay   revision {}", from.overlay)?;
        if !from.audiences.is_empty() {
            writeln!(f, "audiences {}", from.audiences)?;
        }
        if let Some(experiments) = &from.experiments {
            writeln!(f, "variants  {experiments}")?;
        }
        writeln!(f, "rung      {}", from.rung)?;
        match self.has_etag {
            Some(_) if also.is_empty() => writeln!(f, "chosen    by the ETag")?,
            Some(_) => {
                let also: Vec<String> = also.iter().map(u32::to_string).collect();
                writeln!(
                    f,
                    "chosen    by the ETag, which revisions {} of the overlay give too, with another next_cursor: --overlay names one",
                    also.join(", ")
                )?;
            }
            None if possible.is_uncertain() => writeln!(f, "possible  {possible}: --etag decides")?,
            None => writeln!(f, "chosen    as the only values of then")?,
        }
        let mut surface = "";
        for place in places {
            if place.surface != surface {
                surface = &place.surface;
                writeln!(f, "\n{surface}")?;
            }
            writeln!(f, "{place}")?;
            for one in standing.iter().filter(|one| place.overlay.contains(&one.said.id)) {
                writeln!(f, "      said: {one}")?;
            }
        }
        let elsewhere: Vec<&Standing> = standing.iter().filter(|one| one.places == 0).collect();
        if !elsewhere.is_empty() {
            writeln!(f, "\nsaid of what is not in the answer")?;
            elsewhere.iter().try_for_each(|one| writeln!(f, "      {one}"))?;
        }
        Ok(())
    }
}
