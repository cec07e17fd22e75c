//! One field of a row as a file gave it, and the parsers that read texts, times, numbers and flags out of it.

mod number;
mod placeholder;
mod time;
mod zone;

use std::borrow::Cow;
use std::collections::BTreeSet;

use sinsang_core::printable::is_unprintable;
use sinsang_core::text::{is_composed, tidy};
use sinsang_core::time::UnixMillis;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::excerpt::excerpt;

pub use number::{Measure, Number, parse_flag, parse_number};
pub use placeholder::{is_brand_placeholder, is_title_placeholder};
pub use time::{Counted, Time, Written, parse_time, real_time, whole_time};
pub use zone::Zone;

/// A field as it stands in a file, before any check.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// Absent, null or an empty CSV field.
    #[default]
    Missing,
    /// A text.
    Text(Cow<'a, str>),
    /// A text that was CP949.
    Decoded(String),
    /// A whole number.
    Whole(i128),
    /// A number with a fraction or an exponent.
    Real(f64),
    /// True or false.
    Flag(bool),
    /// An instant, from a Parquet timestamp that knows its zone.
    Time(UnixMillis),
    /// A date, a clock's time or both of a zone that is not said, from a Parquet column.
    Written(Written),
    /// A Parquet timestamp outside of what milliseconds can count.
    TimeOutOfRange,
    /// A JSON list or object.
    Nested,
    /// Bytes that are not UTF-8, excerpted.
    NotUtf8(String),
}

impl Value<'_> {
    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Decoded(text) => Some(text),
            _ => None,
        }
    }

    /// The start of the value as a reject quotes it; `None` where there is nothing to quote.
    pub fn excerpt(&self) -> Option<String> {
        match self {
            Self::Missing | Self::TimeOutOfRange => None,
            Self::Written(written) => Some(written.to_string()),
            Self::Text(text) => Some(excerpt(text)),
            Self::Decoded(text) => Some(excerpt(text)),
            Self::Whole(number) => Some(number.to_string()),
            Self::Real(number) => Some(number.to_string()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Time(at) => Some(at.to_string()),
            Self::Nested => Some("a list or an object".to_owned()),
            Self::NotUtf8(start) => Some(start.clone()),
        }
    }
}

/// A text without characters that carry nothing or turn text around ([`tidy`]), in Unicode NFC. The flag says
/// whether more changed than what stood around the text: of that, only marks that turn it count.
pub fn clean(text: &str) -> (Cow<'_, str>, bool) {
    let tidied = tidy(text);
    // Every text of such characters is in NFC, without a look at the tables of Unicode.
    if tidied.chars().all(is_composed) || is_nfc(&tidied) {
        let changed = matches!(tidied, Cow::Owned(_)) || text.contains(is_turning);
        return (tidied, changed);
    }
    (Cow::Owned(tidied.nfc().collect()), true)
}

/// Marks that turn text around: no table has them by its encoding, and wherever they stand they were put there.
fn is_turning(c: char) -> bool {
    is_unprintable(c) && !c.is_control()
}

/// The ways in which one id may be spelled by who writes it: as it stands, clean as tables are read, and decomposed as some systems keep texts.
pub fn spellings(id: &str) -> BTreeSet<String> {
    let (tidy, _) = clean(id);
    [id.to_owned(), tidy.nfd().collect(), tidy.into_owned()].into()
}

/// As [`char::is_alphanumeric`], which looks Hangul up in tables: a quarter of the time that reading a schedule takes.
pub fn is_alphanumeric(c: char) -> bool {
    matches!(c, '가'..='힣') || c.is_alphanumeric()
}

/// Whether an address can be followed from a page: `http`, `https`, or relative to the page.
pub fn is_web_address(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return true };
    if scheme.contains(['/', '?', '#']) {
        return true;
    }
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_composed_and_rid_of_what_carries_nothing() {
        for (text, expected, changed) in [
            ("  [방송에서만] 크림 ", "[방송에서만] 크림", false),
            ("크림\t\n  1+1", "크림 1+1", true),
            ("\u{feff}크림", "크림", false),
            ("크\u{0}림\u{200b}", "크림", true),
            ("\u{1112}\u{1161}\u{11ab}글", "한글", true),
            ("크림\u{3000}세트", "크림 세트", true),
            (" \u{7} ", "", false),
            // Shown, `gpj.exe` would read `exe.jpg`.
            ("무쇠솥 \u{202e}gpj.exe", "무쇠솥 gpj.exe", true),
            ("\u{2066}크림\u{2069}", "크림", true),
            ("\u{200f}크림 \u{61c}세트\u{200e}", "크림 세트", true),
            ("\u{1b}[2J크림\u{9b}", "[2J크림", false),
            ("크\u{1b}[31m림", "크[31m림", true),
            // What joins emoji, or Arabic letters, turns nothing.
            ("👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧", false),
        ] {
            assert_eq!(clean(text), (Cow::Borrowed(expected), changed), "{text:?}");
        }
    }

    #[test]
    fn what_is_alphanumeric_is_what_unicode_says() {
        assert!(('\0'..=char::MAX).all(|c| is_alphanumeric(c) == c.is_alphanumeric()));
    }

    #[test]
    fn addresses_with_another_scheme_are_refused() {
        for good in ["https://a.kr/1", "HTTP://a.kr", "//a.kr/x:1", "/demo/1.svg", "demo/1.svg", "?a=b:c"] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "JavaScript:x"] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = (parse_time(&text), is_brand_placeholder(&text), is_web_address(&text));
            let value = Value::Text(Cow::Borrowed(text.as_str()));
            let _ = (parse_number(&value, Measure::Won), parse_number(&value, Measure::Count), parse_flag(&value), value.excerpt());
        }

        #[test]
        fn texts_like_times_and_numbers_do_not_either(
            time in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{1,3}:[0-9]{2}(:[0-9]{2})?(\\.[0-9]{0,30})?(Z|[+-][0-9]{2}:?[0-9]{2})?",
            number in "[₩+-]?[0-9,]{0,60}(\\.[0-9e]{0,400})?[원건+]?",
        ) {
            let number = Value::Text(number.into());
            let _ = (parse_time(&time), parse_number(&number, Measure::Won), parse_number(&number, Measure::Count));
        }

        #[test]
        fn cleaning_twice_changes_nothing_more(text in any::<String>()) {
            let (once, _) = clean(&text);
            let (twice, changed) = clean(&once);
            prop_assert!(!changed);
            prop_assert_eq!(&twice, &once);
        }
    }
}
