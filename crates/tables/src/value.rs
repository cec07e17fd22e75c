//! One field of a row as a file had it, and the parsers of texts, times, numbers and flags.

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

/// A field as a file has it, before any check.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// Absent, null or an empty CSV field.
    #[default]
    Missing,
    /// A text.
    Text(Cow<'a, str>),
    /// A text decoded from CP949.
    Decoded(String),
    /// An integer.
    Whole(i128),
    /// A number with a fraction or an exponent.
    Real(f64),
    /// True or false.
    Flag(bool),
    /// An instant, from a Parquet timestamp with a zone.
    Time(UnixMillis),
    /// A date, a clock time or both in an unknown zone, from a Parquet column.
    Written(Written),
    /// A Parquet timestamp outside the range of milliseconds.
    TimeOutOfRange,
    /// A JSON list or object.
    Nested,
    /// Bytes that are not UTF-8, excerpted.
    NotUtf8(String),
}

impl Value<'_> {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Decoded(text) => Some(text),
            _ => None,
        }
    }

    /// The start of the value as a reject quotes it; `None` if there is nothing to quote.
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

/// A text in Unicode NFC, without characters that carry nothing or that change the direction of
/// text ([`tidy`]). The flag says whether more changed than the text's surroundings; of those, only
/// direction marks count.
pub fn clean(text: &str) -> (Cow<'_, str>, bool) {
    let tidied = tidy(text);
    // Every text of such characters is in NFC, which saves a look-up in Unicode's tables.
    if tidied.chars().all(is_composed) || is_nfc(&tidied) {
        let changed = matches!(tidied, Cow::Owned(_)) || text.contains(is_turning);
        return (tidied, changed);
    }
    (Cow::Owned(tidied.nfc().collect()), true)
}

/// Whether a character changes the direction of text: no encoding adds such marks, so somebody put
/// them there on purpose.
fn is_turning(c: char) -> bool {
    is_unprintable(c) && !c.is_control()
}

/// The spellings of an id that writers may use: as it is, cleaned as tables are read, and
/// decomposed as some systems store texts.
pub fn spellings(id: &str) -> BTreeSet<String> {
    let (tidy, _) = clean(id);
    [id.to_owned(), tidy.nfd().collect(), tidy.into_owned()].into()
}

/// As [`char::is_alphanumeric`], which looks Hangul up in tables and so takes a quarter of the time
/// of reading a schedule.
pub fn is_alphanumeric(c: char) -> bool {
    matches!(c, '가'..='힣') || c.is_alphanumeric()
}

/// Whether a page can link to an address: `http`, `https`, or relative to the page.
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
            // Displayed, `gpj.exe` would read `exe.jpg`.
            ("무쇠솥 \u{202e}gpj.exe", "무쇠솥 gpj.exe", true),
            ("\u{2066}크림\u{2069}", "크림", true),
            ("\u{200f}크림 \u{61c}세트\u{200e}", "크림 세트", true),
            ("\u{1b}[2J크림\u{9b}", "[2J크림", false),
            ("크\u{1b}[31m림", "크[31m림", true),
            // Joiners of emoji, or of Arabic letters, change no direction.
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
