//! The form in which a file wrote a value, judged by its looks alone; `check.rs` decides whether it
//! is usable.

use std::fmt;
use strum::VariantArray as _;

use serde::{Serialize, Serializer};
use sinsang_core::text::is_null_text;

use crate::Shape;
use crate::value::Value;

/// Most bytes of a null word, with some room: longer texts need not be compared.
const NULL_WORD_MAX_BYTES: usize = 16;

/// The form of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray)]
pub enum Form {
    /// Absent, null or blank.
    #[default]
    #[strum(serialize = "missing")]
    Missing,
    /// A null word, for instance `null`.
    #[strum(serialize = "word for nothing")]
    NullWord,
    /// Text of only digits.
    #[strum(serialize = "digits")]
    Digits,
    /// Text with a number and signs around or inside it: `49,900원`.
    #[strum(serialize = "number with signs")]
    MarkedNumber,
    /// Any other text.
    #[strum(serialize = "text")]
    Text,
    /// Text decoded from CP949.
    #[strum(serialize = "text of CP949")]
    Cp949,
    /// An integer from JSON or Parquet.
    #[strum(serialize = "whole number")]
    Whole,
    /// A number with a fraction or an exponent.
    #[strum(serialize = "number with a fraction")]
    Real,
    /// True or false.
    #[strum(serialize = "true or false")]
    Flag,
    /// Text of a time with an offset or a zone name.
    #[strum(serialize = "time with an offset")]
    TimeWithOffset,
    /// Text of a time without either.
    #[strum(serialize = "time without an offset")]
    TimeWithoutOffset,
    /// A Parquet timestamp.
    #[strum(serialize = "Parquet timestamp")]
    Timestamp,
    /// Bytes that are not text.
    #[strum(serialize = "bytes that are no text")]
    NotText,
    /// A list, an object, or a type that no field is read from.
    #[strum(serialize = "something else")]
    Other,
}

impl Form {
    /// All forms, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The form of `value` in a column of `shape`.
    pub fn of(value: &Value<'_>, shape: Shape) -> Self {
        match value {
            Value::Missing => Self::Missing,
            Value::Text(text) => Self::of_text(text.trim(), shape),
            Value::Decoded(_) => Self::Cp949,
            Value::Whole(_) => Self::Whole,
            Value::Real(number) if number.is_nan() => Self::NullWord,
            Value::Real(_) => Self::Real,
            Value::Flag(_) => Self::Flag,
            Value::Time(_) => Self::Timestamp,
            Value::Written(_) => Self::TimeWithoutOffset,
            Value::NotUtf8(_) => Self::NotText,
            Value::TimeOutOfRange | Value::Nested => Self::Other,
        }
    }

    fn of_text(text: &str, shape: Shape) -> Self {
        if text.is_empty() {
            return Self::Missing;
        }
        if text.len() <= NULL_WORD_MAX_BYTES && is_null_text(text) {
            return Self::NullWord;
        }
        let has_digit = || text.bytes().any(|byte| byte.is_ascii_digit());
        match shape {
            Shape::Id | Shape::Number | Shape::Flag if text.bytes().all(|byte| byte.is_ascii_digit()) => Self::Digits,
            Shape::Number if has_digit() => Self::MarkedNumber,
            Shape::Time if !has_digit() => Self::Text,
            Shape::Time if names_offset(text) => Self::TimeWithOffset,
            Shape::Time => Self::TimeWithoutOffset,
            _ => Self::Text,
        }
    }

    /// Whether there is a value, usable or not.
    pub fn is_value(self) -> bool {
        !matches!(self, Self::Missing | Self::NullWord)
    }

    /// The form's wording in reports.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Whether a time's text ends with an offset or a zone.
fn names_offset(text: &str) -> bool {
    let Some((_, rest)) = text.split_once(':') else { return text.ends_with(['Z', 'z']) };
    rest.bytes().any(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'+' | b'-')) && !rest.ends_with(['m', 'M'])
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sinsang_core::time::UnixMillis;

    use super::*;

    #[test]
    fn every_value_has_the_form_that_its_file_wrote() {
        let text = |text| Value::Text(Cow::Borrowed(text));
        let table = [
            (Value::Missing, Shape::Text, Form::Missing),
            (text("  "), Shape::Text, Form::Missing),
            (text("NULL"), Shape::Time, Form::NullWord),
            (Value::Real(f64::NAN), Shape::Number, Form::NullWord),
            (text("무쇠솥 24"), Shape::Text, Form::Text),
            (text("12345"), Shape::Text, Form::Text),
            (text("0012345"), Shape::Id, Form::Digits),
            (text("A-12345"), Shape::Id, Form::Text),
            (text("49900"), Shape::Number, Form::Digits),
            (text("₩49,900"), Shape::Number, Form::MarkedNumber),
            (text("가격 미정"), Shape::Number, Form::Text),
            (Value::Decoded("무쇠솥".to_owned()), Shape::Text, Form::Cp949),
            (Value::Whole(3), Shape::Number, Form::Whole),
            (Value::Real(3.5), Shape::Number, Form::Real),
            (Value::Flag(true), Shape::Flag, Form::Flag),
            (text("2026-11-22T20:00:00+09:00"), Shape::Time, Form::TimeWithOffset),
            (text("2026-11-22T11:00:00.250Z"), Shape::Time, Form::TimeWithOffset),
            (text("2026-11-22 11:00:00 UTC"), Shape::Time, Form::TimeWithOffset),
            (text("2026-11-22 06:00:00-0500"), Shape::Time, Form::TimeWithOffset),
            (text("2026-11-22 20:00"), Shape::Time, Form::TimeWithoutOffset),
            (text("2026-11-22 오후 8:00"), Shape::Time, Form::TimeWithoutOffset),
            (text("11/22/2026 8:00 PM"), Shape::Time, Form::TimeWithoutOffset),
            (text("20261122203000"), Shape::Time, Form::TimeWithoutOffset),
            (text("오늘 밤"), Shape::Time, Form::Text),
            (Value::Time(UnixMillis(0)), Shape::Time, Form::Timestamp),
            (Value::NotUtf8("\u{fffd}".to_owned()), Shape::Text, Form::NotText),
            (Value::Nested, Shape::Text, Form::Other),
        ];
        for (value, shape, form) in table {
            assert_eq!(Form::of(&value, shape), form, "{value:?} as {shape:?}");
        }
        assert!(Form::ALL.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
    }
}
