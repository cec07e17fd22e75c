//! One field of a row as a file gave it, and the parsers that read texts, times, numbers and flags out of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::NaiveDate;
use sinsang::printable::is_unprintable;
use sinsang::text::{is_composed, is_null_text, tidy};
use sinsang::time::{DAY_MS, HOUR_MS, KST_OFFSET_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::reject::excerpt;

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
    /// An instant, from a Parquet timestamp.
    Time(UnixMillis),
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

/// Whether a title, once clean, stands where a product will be: 상품준비중, [방송상품 미정], TBD.
pub fn is_title_placeholder(text: &str) -> bool {
    const HEADS: [&str; 6] = ["방송", "편성", "판매", "해당", "신규", "상품명"];
    const SAID: [&str; 14] = [
        "상품준비중",
        "준비중",
        "상품미정",
        "미정",
        "상품없음",
        "없음",
        "추후공지",
        "추후안내",
        "추후편성",
        "상품확인중",
        "확인중",
        "tbd",
        "tba",
        "제목없음",
    ];
    if is_null_text(text.trim()) {
        return true;
    }
    let bare: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let ends = ["입니다", "됩니다", "예정"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(&bare);
    let said = |text: &str| SAID.contains(&text) || is_null_text(text);
    said(ends) || HEADS.iter().any(|head| ends.strip_prefix(head).is_some_and(said))
}

/// Whether a code is a number that a spreadsheet wrote in short, digits lost: `1.23457E+12`.
pub fn is_rounded_code(text: &str) -> bool {
    let Some((number, power)) = text.split_once(['e', 'E']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // 12E4 alone may be a code; with a point or a sign it is a number.
    let is_number = !fraction.is_empty() || power.starts_with('+');
    is_number
        && digits(whole)
        && (fraction.is_empty() || digits(fraction))
        && digits(power.strip_prefix('+').unwrap_or(power))
}

/// Whether a code, once clean, says that there is none: `0`, `000000`, `미정`.
pub fn is_code_placeholder(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 5] = ["없음", "미정", "tbd", "tba", "na"];
    is_null_text(text)
        || text.bytes().all(|byte| byte == b'0')
        || PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
}

/// Whether a text, once clean, is a placeholder for "no brand". 노브랜드 and No Brand are a brand.
pub fn is_brand_placeholder(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 22] = [
        "없음",
        "브랜드없음",
        "브랜드미지정",
        "브랜드미등록",
        "미지정",
        "미등록",
        "미정",
        "해당없음",
        "해당사항없음",
        "기타",
        "기타브랜드",
        "상세설명참조",
        "상세설명참고",
        "상세정보참조",
        "상세정보참고",
        "상세페이지참조",
        "상세페이지참고",
        "상세참조",
        "상품상세참조",
        "상품상세설명참조",
        "상품상세정보참조",
        "상품정보참조",
    ];
    if is_null_text(text) || !text.chars().any(char::is_alphanumeric) {
        return true;
    }
    let bare: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    PLACEHOLDERS.contains(&bare.as_str())
}

/// Whether an address can be followed from a page: `http`, `https`, or relative to the page.
pub fn is_web_address(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return true };
    if scheme.contains(['/', '?', '#']) {
        return true;
    }
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// What had to be understood to read a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeNotes {
    /// The hour was 24 to 29: the next day's small hours.
    pub past_midnight: bool,
    /// There was no offset: Korean time.
    pub no_offset: bool,
}

/// Reads RFC 3339, and besides it broadcast hours (`25:10`), a space for the `T`, points or slashes in the date, missing seconds and a missing
/// offset.
pub fn parse_time(text: &str) -> Option<(UnixMillis, TimeNotes)> {
    let text = text.trim();
    match UnixMillis::parse_rfc3339(text) {
        Some(at) => Some((at, TimeNotes::default())),
        None => parse_broadcast_time(text),
    }
}

fn parse_broadcast_time(text: &str) -> Option<(UnixMillis, TimeNotes)> {
    let mut rest = Cursor(text);
    let year = rest.digits(4, 4)?;
    let mark = ['-', '.', '/'].into_iter().find(|mark| rest.take(|c| c == *mark))?;
    let month = rest.digits(1, 2)?;
    rest.expect(mark)?;
    let day = rest.digits(1, 2)?;
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    if !rest.take(|c| matches!(c, 'T' | 't' | ' ')) {
        return None;
    }
    while rest.take(|c| c == ' ') {}
    let hour = rest.digits(1, 2)?;
    rest.expect(':')?;
    let minute = rest.digits(2, 2)?;
    let second = if rest.take(|c| c == ':') { rest.digits(2, 2)? } else { 0 };
    let mut ms = 0;
    if rest.take(|c| c == '.') {
        let mut scale = 100;
        let mut digits = 0;
        while let Some(digit) = rest.digit() {
            ms += digit * scale;
            scale /= 10;
            digits += 1;
        }
        if digits == 0 {
            return None;
        }
    }
    if hour > 29 || minute > 59 || second > 59 {
        return None;
    }
    while rest.take(|c| c == ' ') {}
    let offset_ms = rest.offset()?;
    let notes = TimeNotes { past_midnight: hour > 23, no_offset: offset_ms.is_none() };
    let days = i64::from(date.to_epoch_days());
    let local = days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
    Some((UnixMillis(local - offset_ms.unwrap_or(KST_OFFSET_MS)), notes))
}

/// The part of a time that is still to be read.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn take(&mut self, accepts: impl Fn(char) -> bool) -> bool {
        match self.0.strip_prefix(accepts) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.take(|found| found == c).then_some(())
    }

    fn digit(&mut self) -> Option<i64> {
        let digit = self.0.chars().next()?.to_digit(10)?;
        self.take(|_| true);
        Some(i64::from(digit))
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let (mut number, mut count) = (0, 0);
        while count < most {
            let Some(digit) = self.digit() else { break };
            number = number * 10 + digit;
            count += 1;
        }
        (count >= least).then_some(number)
    }

    /// `Some(None)` where the text ends without an offset, `None` where what follows is none.
    #[expect(clippy::option_option, reason = "no offset and a wrong one are two things")]
    fn offset(&mut self) -> Option<Option<i64>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.take(|c| matches!(c, 'Z' | 'z')) {
            return self.0.is_empty().then_some(Some(0));
        }
        let sign = if self.take(|c| c == '+') {
            1
        } else {
            self.expect('-')?;
            -1
        };
        let hours = self.digits(2, 2)?;
        self.take(|c| c == ':');
        let minutes = self.digits(2, 2)?;
        (self.0.is_empty() && hours < 24 && minutes < 60)
            .then_some(Some(sign * (hours * HOUR_MS + minutes * MINUTE_MS)))
    }
}

/// A number as a field gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// A whole number; `rounded` where the field held a fraction.
    Whole {
        /// The number, held at the ends of the range.
        number: i64,
        /// Whether a fraction was rounded away.
        rounded: bool,
    },
    /// The field holds nothing, or a NaN.
    Missing,
    /// The field holds something else.
    Unreadable,
}

/// Reads a count or an amount of won: a number, or a text such as `49,900원`, `₩49,900`, `1,234건` or `999+`.
pub fn parse_number(value: &Value<'_>) -> Number {
    match value {
        Value::Missing => Number::Missing,
        Value::Whole(number) => whole(*number),
        Value::Real(number) if number.is_nan() => Number::Missing,
        Value::Real(number) => real(*number),
        _ => match value.as_text().map(str::trim) {
            Some(text) if text.is_empty() || is_null_text(text) => Number::Missing,
            Some(text) => number_text(text),
            None => Number::Unreadable,
        },
    }
}

fn whole(number: i128) -> Number {
    let held = number.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Number::Whole { number: i64::try_from(held).unwrap_or(i64::MAX), rounded: false }
}

fn real(number: f64) -> Number {
    if !number.is_finite() {
        return Number::Unreadable;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a cast from float holds at the ends of the range")]
    let rounded = number.round() as i64;
    Number::Whole { number: rounded, rounded: number.fract() != 0.0 }
}

fn number_text(text: &str) -> Number {
    let mut text = text;
    for sign in ["₩", "￦", "KRW"] {
        text = text.strip_prefix(sign).unwrap_or(text);
    }
    for unit in ["원", "건", "개", "KRW", "+"] {
        text = text.strip_suffix(unit).unwrap_or(text);
    }
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Number::Unreadable;
    }
    if digits.contains(['.', 'e', 'E']) {
        let Some(plain) = ungrouped(digits) else { return Number::Unreadable };
        return plain.parse::<f64>().map_or(Number::Unreadable, |number| real(f64::from(sign) * number));
    }
    let Some(plain) = ungrouped(digits) else { return Number::Unreadable };
    if !plain.bytes().all(|b| b.is_ascii_digit()) {
        return Number::Unreadable;
    }
    // More digits than an i128 holds are out of any range that is asked for.
    plain.parse::<i128>().map_or(whole(i128::MAX * i128::from(sign)), |number| whole(number * i128::from(sign)))
}

/// The digits without their commas, where those stand at thousands.
fn ungrouped(digits: &str) -> Option<Cow<'_, str>> {
    if !digits.contains(',') {
        return Some(Cow::Borrowed(digits));
    }
    let (integer, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut groups = integer.split(',');
    let first = groups.next()?;
    let aligned = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    (aligned && !fraction.contains(',')).then(|| Cow::Owned(digits.replace(',', "")))
}

/// Reads a flag: true, false, 1, 0, yes, no, y, n in any case.
pub fn parse_flag(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        Value::Whole(1) => Some(true),
        Value::Whole(0) => Some(false),
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "y" => Some(true),
            "false" | "0" | "no" | "n" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> UnixMillis {
        UnixMillis::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn titles_that_stand_for_a_product_to_come_are_none() {
        for none in [
            "상품준비중",
            "★ 상품 준비중 ★",
            "준비중입니다",
            "[방송상품 미정]",
            "방송 상품준비중입니다.",
            "편성 추후 공지",
            "상품명 미정",
            "TBD",
            "t.b.a",
            "NaN",
            "null",
            " undefined ",
            "-",
            "제목 없음",
            "미정입니다",
        ] {
            assert!(is_title_placeholder(none), "{none}");
        }
        for title in [
            "준비된 사과 5kg",
            "미정이네 김치 3kg",
            "나눔 NaN 밥솥",
            "TBD 골프화",
            "상품권 10만원권",
            "무쇠 가마솥",
            "편성 특집 한우",
        ] {
            assert!(!is_title_placeholder(title), "{title}");
        }
    }

    #[test]
    fn codes_that_a_spreadsheet_shortened_are_none() {
        for short in ["1.23457E+12", "1.2e+9", "2E+11", "1.5E10"] {
            assert!(is_rounded_code(short), "{short}");
        }
        for code in ["123457", "12E4", "E12", "1E", "A1.2E+3", "1.E", "1.2E+", "1E-5", "KE-C571"] {
            assert!(!is_rounded_code(code), "{code}");
        }
        for none in ["0", "0000", "null", "N/A", "없음", "미정"] {
            assert!(is_code_placeholder(none), "{none}");
        }
        assert!(!is_code_placeholder("00120") && !is_code_placeholder("A0"));
    }

    #[test]
    fn times_of_every_spelling() {
        let midnight = at("2026-11-23T01:10:00+09:00");
        for (text, expected, past_midnight, no_offset) in [
            ("2026-11-22T16:10:00Z", midnight, false, false),
            ("2026-11-22T25:10:00+09:00", midnight, true, false),
            ("2026-11-22 25:10", midnight, true, true),
            ("2026-11-22T25:10+0900", midnight, true, false),
            ("2026-11-22 25:10:00 +09:00", midnight, true, false),
            (" 2026-11-23T01:10:00 ", midnight, false, true),
            ("2026-11-23 1:10", midnight, false, true),
            ("2026.11.22 25:10", midnight, true, true),
            ("2026/11/23 01:10:00", midnight, false, true),
            ("2026-12-31T24:00:00+09:00", at("2027-01-01T00:00:00+09:00"), true, false),
            ("2026-11-22T25:10:00.25Z", at("2026-11-23T01:10:00.25Z"), true, false),
            ("2028-02-28 29:59:59", at("2028-02-29T05:59:59+09:00"), true, true),
        ] {
            assert_eq!(parse_time(text), Some((expected, TimeNotes { past_midnight, no_offset })), "{text}");
        }
        for bad in [
            "",
            "25:10",
            "2026-11-22",
            "2026-11/22 10:00",
            "2026-11-22T30:00:00+09:00",
            "2026-11-22T25:60:00+09:00",
            "2026-02-30 10:00",
            "2026-11-22 10:00 KST",
            "2026-11-22T25:10:00+24:00",
            "2026-11-22T25:10:00.+09:00",
            "1763805600",
            "어제",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_of_every_spelling() {
        let whole = |number| Number::Whole { number, rounded: false };
        for (text, expected) in [
            ("49900", whole(49_900)),
            ("49,900원", whole(49_900)),
            ("₩ 1,234,567", whole(1_234_567)),
            ("49,900.00", whole(49_900)),
            ("1e12", whole(1_000_000_000_000)),
            ("-1", whole(-1)),
            ("1,234건", whole(1_234)),
            ("999+", whole(999)),
            ("49900.5", Number::Whole { number: 49_901, rounded: true }),
            ("99999999999999999999999999999999999999999999", whole(i64::MAX)),
            ("", Number::Missing),
            ("NaN", Number::Missing),
            ("-", Number::Missing),
            ("1,5", Number::Unreadable),
            ("1,23,456", Number::Unreadable),
            ("월 49,900원", Number::Unreadable),
            ("49,900~59,900원", Number::Unreadable),
            ("상담", Number::Unreadable),
            ("inf", Number::Unreadable),
            ("1.2.3", Number::Unreadable),
        ] {
            assert_eq!(parse_number(&Value::Text(text.into())), expected, "{text}");
        }
        assert_eq!(parse_number(&Value::Real(f64::NAN)), Number::Missing);
        assert_eq!(parse_number(&Value::Real(f64::INFINITY)), Number::Unreadable);
        assert_eq!(parse_number(&Value::Real(1e300)), whole(i64::MAX));
        assert_eq!(parse_number(&Value::Flag(true)), Number::Unreadable);
    }

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
    fn placeholders_are_no_brand_and_brands_are() {
        for none in [
            "-",
            ".",
            "***",
            "없음",
            "브랜드 없음",
            "(상세설명참조)",
            "상품 상세정보 참조",
            "기타",
            "NULL",
            "N/A",
            "null",
            "None",
            "해당없음",
        ] {
            assert!(is_brand_placeholder(none), "{none}");
        }
        for brand in ["노브랜드", "No Brand", "NA", "기타리스트", "A", "3M", "없음표"] {
            assert!(!is_brand_placeholder(brand), "{brand}");
        }
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
            let _ = (parse_time(&text), is_brand_placeholder(&text), is_web_address(&text), is_null_text(&text));
            let value = Value::Text(Cow::Borrowed(text.as_str()));
            let _ = (parse_number(&value), parse_flag(&value), value.excerpt());
        }

        #[test]
        fn texts_like_times_and_numbers_do_not_either(
            time in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{1,3}:[0-9]{2}(:[0-9]{2})?(\\.[0-9]{0,30})?(Z|[+-][0-9]{2}:?[0-9]{2})?",
            number in "[₩+-]?[0-9,]{0,60}(\\.[0-9e]{0,400})?[원건+]?",
        ) {
            let _ = (parse_time(&time), parse_number(&Value::Text(number.into())));
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
