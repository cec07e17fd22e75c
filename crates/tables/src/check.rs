//! What makes a row of each table usable: required fields, limits, repairs, and the reasons to set it aside.

mod broadcasts;
mod events;
mod tabs;
mod time;

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use sinsang_core::code;
use sinsang_core::text::{ID_MAX_BYTES, NAME_MAX_CHARS, is_null_text};
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};

use crate::reject::Reason;
use crate::value::{Measure, Number, Value, Zone, clean, is_web_address, parse_number};
use crate::{Column, Shape};

pub use broadcasts::Broadcasts;
pub use events::Events;
pub use tabs::Tabs;

/// Characters of a title.
pub const TITLE_MAX_CHARS: usize = 2_000;
/// Bytes of an address.
pub const ADDRESS_MAX_BYTES: usize = 2_048;
/// The highest price in won.
pub const PRICE_MAX: u32 = 1_000_000_000;
/// The highest count of reviews.
pub const REVIEWS_MAX: u32 = 100_000_000;
/// The longest time a slot may claim.
pub const SLOT_MAX_MS: i64 = 6 * HOUR_MS;
/// How far ahead of the build's time a time may lie.
pub const AHEAD_MAX_MS: i64 = 365 * DAY_MS;
/// Tabs that the top bar may have.
pub const TABS_MAX: usize = 1_000;

/// What was put right in a row that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// An id made from the title, where there was none.
    MadeFromTitle,
    /// Hours 24 to 29 read as the next day's.
    NextDay,
    /// A time without an offset read as Korean time.
    KoreanTime,
    /// A number read as seconds since 1970, or as parts of them.
    SinceEpoch,
    /// A number read as the days of a spreadsheet.
    Serial,
    /// A clock's time joined to the date that another column has, or to the start's.
    Joined,
    /// An end before the start, on the start's date, moved to the next day.
    EndNextDay,
    /// What a spreadsheet or a table of floats puts around an id taken away.
    Restored,
    /// Control characters, spaces or the Unicode form put in order.
    Tidied,
    /// A placeholder text taken as nothing.
    Placeholder,
    /// A value that can't be read dropped.
    Unreadable,
    /// A value outside of its range dropped.
    OutOfRange,
    /// A fraction rounded away.
    Rounded,
    /// A text past its limit dropped.
    TooLong,
    /// A list price below the price dropped.
    BelowPrice,
    /// An end that is not after the start dropped.
    EndBeforeStart,
    /// An end more than six hours after the start dropped.
    EndTooFar,
    /// An address with a scheme other than http or https dropped.
    NotAWebAddress,
    /// The shop's name taken for the channel's, or the channel's for the shop's, where one is missing.
    FromOther,
    /// A text that was not UTF-8 read as CP949.
    Decoded,
}

impl Repair {
    /// Every repair, in the order of the enum.
    pub const ALL: [Self; 20] = [
        Self::MadeFromTitle,
        Self::NextDay,
        Self::KoreanTime,
        Self::SinceEpoch,
        Self::Serial,
        Self::Joined,
        Self::EndNextDay,
        Self::Restored,
        Self::Tidied,
        Self::Placeholder,
        Self::Unreadable,
        Self::OutOfRange,
        Self::Rounded,
        Self::TooLong,
        Self::BelowPrice,
        Self::EndBeforeStart,
        Self::EndTooFar,
        Self::NotAWebAddress,
        Self::FromOther,
        Self::Decoded,
    ];

    /// The wording in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MadeFromTitle => "made from the title",
            Self::NextDay => "hour past midnight moved to the next day",
            Self::KoreanTime => "without offset, taken as Korean time",
            Self::SinceEpoch => "number read as seconds since 1970",
            Self::Serial => "number read as a spreadsheet's date",
            Self::Joined => "clock time joined to its date",
            Self::EndNextDay => "before the start, moved to the next day",
            Self::Restored => "spreadsheet's spelling undone",
            Self::Tidied => "characters tidied",
            Self::Placeholder => "placeholder dropped",
            Self::Unreadable => "unreadable, dropped",
            Self::OutOfRange => "out of range, dropped",
            Self::Rounded => "fraction rounded",
            Self::TooLong => "too long, dropped",
            Self::BelowPrice => "below the price, dropped",
            Self::EndBeforeStart => "not after the start, dropped",
            Self::EndTooFar => "over six hours after the start, dropped",
            Self::NotAWebAddress => "not a web address, dropped",
            Self::FromOther => "missing, taken from the other of shop and channel",
            Self::Decoded => "read as CP949",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Repair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a row is set aside, and which of its fields is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Position of the column; `None` where the row as a whole is at fault.
    pub column: Option<usize>,
    /// What is wrong.
    pub reason: Reason,
}

impl Refusal {
    fn of(column: usize, reason: Reason) -> Self {
        Self { column: Some(column), reason }
    }
}

/// A table that can be read: its columns, and how a row becomes a typed one.
pub trait Table {
    /// The typed row.
    type Row;
    /// The table's name.
    const NAME: &'static str;
    /// The columns, in the order that `check` counts on.
    const COLUMNS: &'static [Column];

    /// Whether the row is what the public sent, by its values: whatever is wrong with it is no fault of the
    /// operator's, and ends no build.
    fn is_public(_values: &[Value<'_>]) -> bool {
        false
    }

    /// Checks and repairs one row.
    ///
    /// # Errors
    /// The [`Refusal`] of a row that can't be used.
    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Self::Row, Refusal>;
}

/// The fields of one row under check, and the repairs made to them.
pub struct Fields<'r, 'v> {
    values: &'r [Value<'v>],
    zones: &'r [Option<Zone>],
    now: UnixMillis,
    repairs: &'r mut Vec<(usize, Repair)>,
}

impl<'r, 'v> Fields<'r, 'v> {
    /// The fields of a row, whose repairs are added to `repairs`; `now` is the time of the run. `zones` are those of times without an offset,
    /// by column: where there is none, it is Korean time, and counted.
    pub fn new(
        values: &'r [Value<'v>],
        zones: &'r [Option<Zone>],
        repairs: &'r mut Vec<(usize, Repair)>,
        now: UnixMillis,
    ) -> Self {
        Self { values, zones, now, repairs }
    }

    fn get(&self, column: usize) -> &'r Value<'v> {
        const MISSING: &Value<'static> = &Value::Missing;
        self.values.get(column).unwrap_or(MISSING)
    }

    fn repaired(&mut self, column: usize, repair: Repair) {
        self.repairs.push((column, repair));
    }

    /// The text of a field, clean; `None` where there is none, `Err` where the field holds something else, or far more than `limit`.
    fn text(&mut self, column: usize, shape: Shape, limit: Length) -> Result<Option<String>, Reason> {
        let value = self.get(column);
        if let Some(text) = value.as_text() {
            // Cleaning is dear, and few texts lose most of themselves by it.
            if text.len() > limit.uncleaned_bytes() {
                return Err(Reason::TooLong);
            }
            let (text, changed) = clean(text);
            if changed {
                self.repaired(column, Repair::Tidied);
            }
            if shape == Shape::Id
                && let Some(meant) = code::restored(&text)
            {
                self.repaired(column, Repair::Restored);
                return Ok(Some(meant.to_owned()));
            }
            return Ok((!text.is_empty()).then(|| text.into_owned()));
        }
        let text = match value {
            Value::Missing => return Ok(None),
            Value::Whole(number) if shape == Shape::Id => number.to_string(),
            // Tables that knew nulls write whole ids as 12345.0.
            Value::Real(number) if shape == Shape::Id && number.is_nan() => return Ok(None),
            Value::Real(number) if shape == Shape::Id && number.fract() == 0.0 && number.abs() < 9e15 => {
                format!("{number:.0}")
            }
            _ => return Err(Reason::WrongKind),
        };
        Ok((!text.is_empty()).then_some(text))
    }

    fn required_text(&mut self, column: usize, shape: Shape, limit: Length) -> Result<String, Refusal> {
        let text = self.text(column, shape, limit).map_err(|reason| Refusal::of(column, reason))?;
        let text = text.ok_or(Refusal::of(column, Reason::Missing))?;
        if limit.is_passed_by(&text) { Err(Refusal::of(column, Reason::TooLong)) } else { Ok(text) }
    }

    /// A name that a row must have, or else the one in the column `other`.
    fn name_or(&mut self, column: usize, other: usize) -> Result<String, Refusal> {
        let missing = Refusal::of(column, Reason::Missing);
        match self.required_text(column, Shape::Text, Length::Chars(NAME_MAX_CHARS)) {
            Err(refusal) if refusal == missing => {
                let name =
                    self.required_text(other, Shape::Text, Length::Chars(NAME_MAX_CHARS)).map_err(|_| missing)?;
                self.repaired(column, Repair::FromOther);
                Ok(name)
            }
            name => name,
        }
    }

    fn optional_text(&mut self, column: usize, shape: Shape, limit: Length) -> Option<String> {
        match self.text(column, shape, limit) {
            Ok(Some(text)) if is_null_text(&text) => self.dropped(column, Repair::Placeholder),
            Ok(Some(text)) if limit.is_passed_by(&text) => self.dropped(column, Repair::TooLong),
            Ok(text) => text,
            Err(Reason::TooLong) => self.dropped(column, Repair::TooLong),
            Err(_) => self.dropped(column, Repair::Unreadable),
        }
    }

    fn dropped<T>(&mut self, column: usize, repair: Repair) -> Option<T> {
        self.repaired(column, repair);
        None
    }

    fn address(&mut self, column: usize) -> Option<String> {
        let address = self.optional_text(column, Shape::Text, Length::Bytes(ADDRESS_MAX_BYTES))?;
        if is_web_address(&address) { Some(address) } else { self.dropped(column, Repair::NotAWebAddress) }
    }

    fn id(&mut self, column: usize) -> Option<String> {
        self.optional_text(column, Shape::Id, Length::Bytes(ID_MAX_BYTES))
    }

    /// A listing's code, unless a spreadsheet made a number of it and left digits out, or it says that there is none.
    fn code(&mut self, column: usize) -> Option<String> {
        let id = self.id(column)?;
        if code::is_rounded(&id) {
            return self.dropped(column, Repair::Unreadable);
        }
        if code::is_placeholder(&id) { self.dropped(column, Repair::Placeholder) } else { Some(id) }
    }

    fn name(&mut self, column: usize) -> Option<String> {
        self.optional_text(column, Shape::Text, Length::Chars(NAME_MAX_CHARS))
    }

    fn number(&mut self, column: usize, measure: Measure, least: u32, most: u32) -> Option<u32> {
        let (number, rounded) = match parse_number(self.get(column), measure) {
            Number::Whole { number, rounded } => (number, rounded),
            Number::Missing => return None,
            Number::Unreadable => return self.dropped(column, Repair::Unreadable),
        };
        match u32::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => {
                if rounded {
                    self.repaired(column, Repair::Rounded);
                }
                Some(number)
            }
            _ => self.dropped(column, Repair::OutOfRange),
        }
    }
}

/// How long a text may be.
#[derive(Clone, Copy)]
enum Length {
    Chars(usize),
    Bytes(usize),
}

impl Length {
    /// Bytes past which a text is too long whatever cleaning takes away: of each character, four bytes and seven times as much that carries nothing.
    fn uncleaned_bytes(self) -> usize {
        let (Self::Chars(most) | Self::Bytes(most)) = self;
        most.saturating_mul(8 * 4)
    }

    fn is_passed_by(self, text: &str) -> bool {
        match self {
            Self::Chars(most) => text.len() > most && text.chars().count() > most,
            Self::Bytes(most) => text.len() > most,
        }
    }
}

/// The id of a listing whose schedule gives none: `~` and the first 16 hex digits of the title's SHA-256.
pub fn listing_id_from_title(title: &str) -> String {
    use fmt::Write as _;
    let digest = Sha256::digest(title.as_bytes());
    let mut id = String::with_capacity(17);
    id.push('~');
    for byte in digest.iter().take(8) {
        // Writing to a String does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

const fn column(name: &'static str, shape: Shape, required: bool) -> Column {
    Column { name, also: &[], shape, required, or: None }
}

impl Column {
    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    const fn or(self, other: &'static str) -> Self {
        Self { or: Some(other), ..self }
    }
}
