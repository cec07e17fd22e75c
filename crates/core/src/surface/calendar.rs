//! Broadcasts as an iCalendar (RFC 5545), for the phone's calendar.
//!
//! An event's UID is its product, channel, Korean day and place among the product's broadcasts
//! there on that day: a broadcast that moves within its day keeps it, and the calendar moves the
//! event. Broadcasts that an overlay has taken away since the build are events that are cancelled.

use super::View;
use crate::json::Object;
use crate::pack::board::{Board, Slot};
use crate::time::{SECOND_MS, UnixMillis};

/// The longest line, in bytes without its end (RFC 5545 section 3.1).
const LINE_BYTES: usize = 75;
/// The origin of `SEQUENCE`, in seconds since 1970: 2020-01-01, so that it fits its 31 bits until
/// 2088.
const SEQUENCE_FROM_S: i64 = 1_577_836_800;

/// Which broadcasts a calendar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Those of the product at this index.
    Product(usize),
    /// Those on the channel at this index.
    Channel(usize),
}

/// An event's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    product: usize,
    channel: usize,
    /// The Korean day, in days since 1970.
    day: i64,
    /// How many broadcasts of the product the channel has earlier on that day.
    place: usize,
}

/// Appends the calendar of `subject`. `published` is the view's board before its overlay, which was
/// made at `said_at`.
pub fn write(view: &View<'_>, published: &Board, subject: Subject, said_at: UnixMillis, out: &mut Vec<u8>) {
    let board = view.board;
    let built_at = board.built_at();
    let (before, after) = (events(published, subject), events(board, subject));
    let changed_at = said_at.max(built_at).plus(SECOND_MS);
    let mut calendar = Calendar { out };
    calendar.line("BEGIN:VCALENDAR", "");
    calendar.line("VERSION:2.0", "");
    calendar.line("PRODID:-//Sinsang//Sinsang//KO", "");
    calendar.line("METHOD:PUBLISH", "");
    for (key, index) in &after {
        let slot = board.slot(*index);
        let is_as_built = before.iter().any(|(known, index)| known == key && same(&published.slot(*index), &slot));
        calendar.event(board, *key, &slot, if is_as_built { built_at } else { changed_at }, "CONFIRMED");
    }
    for (key, index) in before.iter().filter(|(key, _)| !after.iter().any(|(other, _)| other == key)) {
        calendar.event(published, *key, &published.slot(*index), changed_at, "CANCELLED");
    }
    calendar.line("END:VCALENDAR", "");
}

fn same(a: &Slot<'_>, b: &Slot<'_>) -> bool {
    (a.starts_at(), a.ends_at()) == (b.starts_at(), b.ends_at())
}

/// The broadcasts of `subject` on `board`, by start.
fn events(board: &Board, subject: Subject) -> Vec<(Key, usize)> {
    let mut found: Vec<(Key, usize)> = Vec::new();
    let mut put = |index: usize| {
        let slot = board.slot(index);
        let key = Key { product: slot.product(), channel: slot.channel(), day: slot.starts_at().kst_day(), place: 0 };
        let place = found.iter().filter(|(other, _)| Key { place: 0, ..*other } == key).count();
        found.push((Key { place, ..key }, index));
    };
    match subject {
        Subject::Product(product) => board.product(product).slots().for_each(&mut put),
        Subject::Channel(channel) => {
            (0..board.slot_count()).filter(|index| board.slot(*index).channel() == channel).for_each(&mut put);
        }
    }
    found
}

struct Calendar<'o> {
    out: &'o mut Vec<u8>,
}

impl Calendar<'_> {
    fn event(&mut self, board: &Board, key: Key, slot: &Slot<'_>, stamp: UnixMillis, status: &str) {
        let product = board.product(slot.product());
        let title = text_of(&[product.head_json(), b"}"].concat(), "title");
        let name = text_of(board.channel_json(slot.channel()), "name");
        let channel = if name.is_empty() { board.channel_id(slot.channel()) } else { &name };
        let uid =
            format!("{:016x}-{}-{}-{}@sinsang", product.id(), board.channel_id(slot.channel()), key.day, key.place);
        let sequence = stamp.0.div_euclid(SECOND_MS).saturating_sub(SEQUENCE_FROM_S).max(0);
        self.line("BEGIN:VEVENT", "");
        self.line("UID:", &uid);
        self.time("DTSTAMP:", stamp);
        self.line("SEQUENCE:", itoa::Buffer::new().format(sequence));
        self.time("DTSTART:", slot.starts_at());
        self.time("DTEND:", slot.ends_at());
        self.line("SUMMARY:", &title);
        self.line("LOCATION:", channel);
        self.line("STATUS:", status);
        self.line("END:VEVENT", "");
    }

    /// Appends a property whose value is a time in UTC to the second: `20261122T110000Z`.
    fn time(&mut self, name: &str, at: UnixMillis) {
        self.out.extend_from_slice(name.as_bytes());
        for byte in at.to_utc_rfc3339().bytes().take_while(|byte| *byte != b'.') {
            if !matches!(byte, b'-' | b':') {
                self.out.push(byte);
            }
        }
        self.out.extend_from_slice(b"Z\r\n");
    }

    /// Appends a content line with the text `value` escaped (RFC 5545 section 3.3.11), and folded
    /// before [`LINE_BYTES`] between characters.
    fn line(&mut self, name: &str, value: &str) {
        self.out.extend_from_slice(name.as_bytes());
        let mut length = name.len();
        for character in value.chars() {
            let escape: &[u8] = match character {
                '\\' | ';' | ',' => b"\\",
                _ if character.is_control() => continue,
                _ => b"",
            };
            let own = character.len_utf8().saturating_add(escape.len());
            length = length.saturating_add(own);
            if length > LINE_BYTES {
                self.out.extend_from_slice(b"\r\n ");
                length = own.saturating_add(1);
            }
            self.out.extend_from_slice(escape);
            self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// The text `name` of a JSON object; empty if it has none.
fn text_of(json: &[u8], name: &str) -> String {
    let object = Object::parse(json);
    let text = object.as_ref().and_then(|object| object.text(name).ok().flatten());
    text.unwrap_or_default().to_owned()
}
