//! Checks of a row of each table: required fields, limits, repairs, and the reasons to reject it.

mod broadcasts;
mod events;
mod tabs;
mod time;

use std::fmt;
use strum::VariantArray as _;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use sinsang_core::code;
use sinsang_core::text::{ID_MAX_BYTES, NAME_MAX_CHARS, is_null_text};
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};

use crate::reject::Reason;
use crate::value::{Measure, Number, Value, Zone, clean, is_web_address, parse_number};
use crate::{Column, Shape};

/// Declares the columns of a table, and the place of each as a constant.
macro_rules! columns {
    ($($name:ident = $column:expr;)*) => {
        columns!(@place 0; $($name)*);

        const ALL: &'static [Column] = &[$($column,)*];
    };
    (@place $at:expr;) => {};
    (@place $at:expr; $name:ident $($rest:ident)*) => {
        const $name: usize = $at;
        columns!(@place $at + 1; $($rest)*);
    };
}

use columns;

pub use broadcasts::Broadcasts;
pub use events::Events;
pub use tabs::Tabs;

/// Most characters of a title.
pub const TITLE_MAX_CHARS: usize = 2_000;
/// Most bytes of an address.
pub const ADDRESS_MAX_BYTES: usize = 2_048;
/// The highest price, in won.
pub const PRICE_MAX: u32 = 1_000_000_000;
/// The highest number of reviews.
pub const REVIEWS_MAX: u32 = 100_000_000;
/// The longest slot, in milliseconds.
pub const SLOT_MAX_MS: i64 = 6 * HOUR_MS;
/// How far after the build's time a time may be, in milliseconds.
pub const AHEAD_MAX_MS: i64 = 365 * DAY_MS;
/// Most tabs of the top bar.
pub const TABS_MAX: usize = 1_000;

/// A repair to a row that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr, strum::VariantArray)]
pub enum Repair {
    /// A missing id made from the title.
    #[strum(serialize = "made from the title")]
    MadeFromTitle,
    /// Hours 24 to 29 read as the next day's.
    #[strum(serialize = "hour past midnight moved to the next day")]
    NextDay,
    /// A time without an offset read as Korean time.
    #[strum(serialize = "without offset, taken as Korean time")]
    KoreanTime,
    /// A number read as seconds since 1970, or as fractions of seconds.
    #[strum(serialize = "number read as seconds since 1970")]
    SinceEpoch,
    /// A number read as a spreadsheet's day count.
    #[strum(serialize = "number read as a spreadsheet's date")]
    Serial,
    /// A clock time joined to the date in another column, or to the start's date.
    #[strum(serialize = "clock time joined to its date")]
    Joined,
    /// An end before the start on the same date, moved to the next day.
    #[strum(serialize = "before the start, moved to the next day")]
    EndNextDay,
    /// Marks that a spreadsheet or a table of floats put around an id removed.
    #[strum(serialize = "spreadsheet's spelling undone")]
    Restored,
    /// Control characters, spaces or the Unicode form normalized.
    #[strum(serialize = "characters tidied")]
    Tidied,
    /// A placeholder text read as missing.
    #[strum(serialize = "placeholder dropped")]
    Placeholder,
    /// An unreadable value dropped.
    #[strum(serialize = "unreadable, dropped")]
    Unreadable,
    /// An out-of-range value dropped.
    #[strum(serialize = "out of range, dropped")]
    OutOfRange,
    /// A number rounded to an integer.
    #[strum(serialize = "fraction rounded")]
    Rounded,
    /// A text above its limit dropped.
    #[strum(serialize = "too long, dropped")]
    TooLong,
    /// A list price below the price dropped.
    #[strum(serialize = "below the price, dropped")]
    BelowPrice,
    /// An amount of an event that is no purchase dropped.
    #[strum(serialize = "not of a purchase, dropped")]
    NotOfAPurchase,
    /// An end that is not after the start dropped.
    #[strum(serialize = "not after the start, dropped")]
    EndBeforeStart,
    /// An end more than six hours after the start dropped.
    #[strum(serialize = "over six hours after the start, dropped")]
    EndTooFar,
    /// An address with a scheme other than http or https dropped.
    #[strum(serialize = "not a web address, dropped")]
    NotAWebAddress,
    /// The shop's name used for a missing channel, or the channel's for a missing shop.
    #[strum(serialize = "missing, taken from the other of shop and channel")]
    FromOther,
    /// A text that was not UTF-8 read as CP949.
    #[strum(serialize = "read as CP949")]
    Decoded,
}

impl Repair {
    /// All repairs, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The repair's wording in reports.
    pub fn as_str(self) -> &'static str {
        self.into()
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

/// Why a row is rejected, and the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Position of the column; `None` if the whole row is at fault.
    pub column: Option<usize>,
    /// The reason.
    pub reason: Reason,
}

impl Refusal {
    fn of(column: usize, reason: Reason) -> Self {
        Self { column: Some(column), reason }
    }
}

/// An input table: its columns, and how a row becomes a typed one.
pub trait Table {
    /// The typed row.
    type Row;
    /// The table's name.
    const NAME: &'static str;
    /// The columns, in the order that `check` relies on.
    const COLUMNS: &'static [Column];

    /// Whether the row's values show that the public sent it: its faults are not the operator's,
    /// and never fail a build.
    fn is_public(_values: &[Value<'_>]) -> bool {
        false
    }

    /// Checks and repairs one row.
    ///
    /// # Errors
    /// A [`Refusal`] if the row can't be used.
    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Self::Row, Refusal>;
}

/// The fields of one row under check, and their repairs.
pub struct Fields<'r, 'v> {
    values: &'r [Value<'v>],
    zones: &'r [Option<Zone>],
    now: UnixMillis,
    repairs: &'r mut Vec<(usize, Repair)>,
}

impl<'r, 'v> Fields<'r, 'v> {
    /// The fields of a row, whose repairs are added to `repairs`; `now` is the time of the run.
    /// `zones` has, by column, the zone of times without an offset; without one, they are read as
    /// Korean time and counted.
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

    /// The cleaned text of a field; `None` if it is missing, `Err` if the field holds another type
    /// or exceeds `limit` by far.
    fn text(&mut self, column: usize, shape: Shape, limit: Length) -> Result<Option<String>, Reason> {
        let value = self.get(column);
        if let Some(text) = value.as_text() {
            // Cleaning is expensive, and few texts lose most of their length by it.
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
            // Float columns with nulls turn integer ids into 12345.0.
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

    /// A required name, or else the one in the column `other`.
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

    /// A listing's code; `None` if a spreadsheet rounded it as a number, or it is a placeholder.
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

/// The limit on a text's length.
#[derive(Clone, Copy)]
enum Length {
    Chars(usize),
    Bytes(usize),
}

impl Length {
    /// Bytes above which a text is too long whatever cleaning removes: per character, four bytes of
    /// content and seven times as much without content.
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

/// The id of a listing whose schedule has none: `~` and the first 16 hex digits of the title's
/// SHA-256.
pub fn listing_id_from_title(title: &str) -> String {
    use fmt::Write as _;
    let digest = Sha256::digest(title.as_bytes());
    let mut id = String::with_capacity(17);
    id.push('~');
    for byte in digest.iter().take(8) {
        // Writing to a `String` does not fail.
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
