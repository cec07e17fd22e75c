//! A batch of the queue's messages as two objects of the store: valid lines, and damaged ones.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use sinsang_core::event::Event;
use sinsang_core::time::UnixMillis;

/// Limit on the part of a damaged line that is kept with its reason, in characters.
const MAX_SHOWN_CHARS: usize = 2_000;

/// A message from the queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// The queue's id, the same at each delivery.
    pub id: String,
    /// Its text; `None` if the body is not text.
    pub text: Option<String>,
}

/// A batch sorted into valid and damaged lines.
#[derive(Debug, Default)]
pub struct Batch {
    /// Valid lines, each with its line end.
    pub lines: String,
    /// The valid lines' events.
    pub events: Vec<Event>,
    /// Damaged lines, each with its message's id and the reason, as NDJSON.
    pub rejected: String,
    /// Number of damaged lines.
    pub rejected_count: usize,
}

impl Batch {
    /// Sorts the lines of `messages`.
    pub fn of(messages: &[Message]) -> Self {
        let mut batch = Self::default();
        for message in messages {
            let Some(text) = &message.text else {
                batch.reject(&message.id, "not text", "");
                continue;
            };
            if text.trim().is_empty() {
                batch.reject(&message.id, "empty", "");
            }
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                match Event::parse(line) {
                    Ok((event, _)) => {
                        batch.events.push(event);
                        batch.lines.push_str(line);
                        batch.lines.push('\n');
                    }
                    Err(wrong) => batch.reject(&message.id, &wrong.to_string(), line),
                }
            }
        }
        batch
    }

    fn reject(&mut self, message: &str, reason: &str, line: &str) {
        let line: String = line.chars().take(MAX_SHOWN_CHARS).collect();
        let rejected = json!({"message": message, "reason": reason, "line": line});
        // Writing to a string never fails.
        let _ = writeln!(self.rejected, "{rejected}");
        self.rejected_count = self.rejected_count.saturating_add(1);
    }
}

/// Names the two objects of a batch received at `now`: by the hour, and by a hash of the messages'
/// ids, so that only identical batches share a name.
pub fn names(messages: &[Message], now: UnixMillis) -> (String, String) {
    let mut hash = Sha256::new();
    for message in messages {
        hash.update(message.id.as_bytes());
        hash.update([0]);
    }
    let hash = hash.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    let text = now.to_utc_rfc3339();
    let (date, hour) = (text.get(..10).unwrap_or_default(), text.get(11..13).unwrap_or_default());
    let name = format!("date={date}/hour={hour}/{:013}-{hash:016x}.ndjson.gz", now.0.max(0));
    (format!("events/{name}"), format!("events/rejected/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"event_id":"event-0001","viewer":"d0123456789abcdef","kind":"view","at":"2026-11-22T13:05:00.000Z","received_at":"2026-11-22T13:05:07.250Z","product_id":"0123456789abcdef"}"#;

    fn message(id: &str, text: Option<&str>) -> Message {
        Message { id: id.to_owned(), text: text.map(str::to_owned) }
    }

    #[test]
    fn whole_lines_are_kept_and_damaged_ones_set_aside_with_the_reason() {
        let cut = LINE.get(..50).unwrap();
        let stranger = LINE.replace("d0123456789abcdef", "u000001");
        let messages = [
            message("a", Some(&format!("{LINE}\n{cut}\n"))),
            message("b", None),
            message("c", Some(" ")),
            message("d", Some(&stranger)),
            message("e", Some(&LINE.replace(":\"view\"", ":\"tab_open\""))),
            message("f", Some(LINE)),
        ];
        let batch = Batch::of(&messages);
        assert_eq!(batch.lines, format!("{LINE}\n{LINE}\n"));
        assert_eq!((batch.events.len(), batch.rejected_count), (2, 5));
        let told: Vec<String> = batch
            .rejected
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|told| format!("{} {}", told["message"].as_str().unwrap(), told["reason"].as_str().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                "a not an object as JSON whose texts can be read",
                "b not text",
                "c empty",
                "d viewer: no viewer's name",
                "e tab_id: its kind must name a tab"
            ]
        );
    }

    #[test]
    fn names_tell_the_hour_of_receipt_and_differ_by_batch() {
        let now = UnixMillis::parse_rfc3339("2026-11-22T13:59:59.999Z").unwrap();
        let (name, rejected) = names(&[message("a", None), message("b", None)], now);
        assert!(name.starts_with("events/date=2026-11-22/hour=13/1795355999999-"), "{name}");
        assert_eq!(name.len(), "events/date=2026-11-22/hour=13/".len() + 13 + 1 + 16 + ".ndjson.gz".len());
        assert_eq!(rejected, name.replacen("events/", "events/rejected/", 1));
        assert_ne!(names(&[message("ab", None)], now), names(&[message("a", None), message("b", None)], now));
        assert_eq!(names(&[message("a", None), message("b", None)], now).0, name);
    }
}
