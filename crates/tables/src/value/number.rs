//! Parsers of numbers and flags, as files write them.

use std::borrow::Cow;

use sinsang_core::text::is_null_text;

use super::Value;

/// A number as a field has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// An integer; `rounded` if the field had a fraction.
    Whole {
        /// The number, clamped to the range.
        number: i64,
        /// Whether a fraction was rounded away.
        rounded: bool,
    },
    /// The field is empty, or NaN.
    Missing,
    /// The field has something else.
    Unreadable,
}

/// The unit of a number, which decides the words allowed around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Won: `49,900원`, `₩49,900`, `\49,900`, `4만 9,900원`.
    Won,
    /// Things: `1,234건`, `(1,234)`, `리뷰 1,234`, `★4.8 (1,234)`, `1.2만`, `999+`.
    Count,
}

impl Measure {
    /// Words allowed before the number.
    const fn before(self) -> &'static [&'static str] {
        match self {
            // A backslash is the won sign in CP949 and in Korean fonts.
            Self::Won => &["₩", "￦", "\\", "KRW"],
            Self::Count => {
                &["리뷰수", "리뷰", "상품평수", "상품평", "구매후기", "후기", "평가", "총", "reviews", "review"]
            }
        }
    }

    /// Words allowed after it. `~` means that options cost more.
    const fn behind(self) -> &'static [&'static str] {
        match self {
            Self::Won => &["~", "원", "KRW", "won", "₩", "￦"],
            Self::Count => &[
                "+",
                "이상",
                "reviews",
                "review",
                "상품평",
                "구매후기",
                "후기",
                "리뷰",
                "평가",
                "의",
                "건",
                "개",
                "명",
            ],
        }
    }
}

/// Parses a count or an amount in won: a number, or a text with one among the words of its unit.
pub fn parse_number(value: &Value<'_>, measure: Measure) -> Number {
    match value {
        Value::Missing => Number::Missing,
        Value::Whole(number) => whole(*number),
        Value::Real(number) if number.is_nan() => Number::Missing,
        Value::Real(number) => real(*number),
        _ => match value.as_text().map(str::trim) {
            Some(text) if text.is_empty() || is_null_text(text) => Number::Missing,
            Some(text) => number_text(&narrow(text), measure),
            None => Number::Unreadable,
        },
    }
}

/// Converts full-width forms of ASCII to ASCII: `４９，９００` becomes `49,900`.
pub(super) fn narrow(text: &str) -> Cow<'_, str> {
    const APART: u32 = 0xff01 - 0x21;
    let is_wide = |c: char| matches!(c, '\u{ff01}'..='\u{ff5d}');
    if !text.contains(is_wide) {
        return Cow::Borrowed(text);
    }
    let narrowed = |c: char| if is_wide(c) { char::from_u32(u32::from(c) - APART).unwrap_or(c) } else { c };
    Cow::Owned(text.chars().map(narrowed).collect())
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

fn number_text(text: &str, measure: Measure) -> Number {
    // Most are only digits, without words around them.
    let text = if text.bytes().all(|byte| byte.is_ascii_digit()) { text } else { bare(text, measure) };
    let text = match (measure, text.strip_suffix(')').and_then(|text| text.split_once('('))) {
        // `(1,234)`, also after a rating.
        (Measure::Count, Some((before, inside))) if before.is_empty() || is_rating(before) => bare(inside, measure),
        _ => text,
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Number::Unreadable;
    }
    if digits.contains(['만', '천', 'k', 'K']) {
        return scaled(digits).map_or(Number::Unreadable, |number| real(f64::from(sign) * number));
    }
    let Some(plain) = ungrouped(digits) else { return Number::Unreadable };
    if plain.contains(['.', 'e', 'E']) {
        return plain.parse::<f64>().map_or(Number::Unreadable, |number| real(f64::from(sign) * number));
    }
    if !plain.bytes().all(|b| b.is_ascii_digit()) {
        return Number::Unreadable;
    }
    // Numbers beyond an `i128` are beyond every range in use.
    plain.parse::<i128>().map_or(whole(i128::MAX * i128::from(sign)), |number| whole(number * i128::from(sign)))
}

/// `text` without the words around a number of `measure`.
fn bare(text: &str, measure: Measure) -> &str {
    let mut text = text.trim();
    while let Some(rest) = measure.before().iter().find_map(|word| without_start(text, word)) {
        text = rest.trim_start_matches([' ', ':']);
    }
    while let Some(rest) = measure.behind().iter().find_map(|word| without_end(text, word)) {
        text = rest.trim_end();
    }
    text
}

fn without_start<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn without_end<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(word.len())?)?;
    end.eq_ignore_ascii_case(word).then_some(rest)
}

/// Whether `text` is a rating: `★4.8`, `4.8/5`.
fn is_rating(text: &str) -> bool {
    let text = text.trim().trim_start_matches(['★', '⭐', ' ']);
    let text = text.strip_suffix("/5").unwrap_or(text);
    matches!(text.as_bytes(), [b'0'..=b'5', b'.', b'0'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit))
}

/// Parses a scaled number: `1.2만`, `4만 9,900`, `3천`, `1.2k`.
fn scaled(digits: &str) -> Option<f64> {
    const UNITS: [(char, f64); 4] = [('만', 10_000.0), ('천', 1_000.0), ('k', 1_000.0), ('K', 1_000.0)];
    let (mut rest, mut sum) = (digits, 0.0);
    let mut least = f64::INFINITY;
    for (unit, scale) in UNITS {
        if let Some((count, behind)) = rest.split_once(unit) {
            sum += scale * ungrouped(count.trim())?.parse::<f64>().ok().filter(|_| scale < least)?;
            least = scale;
            rest = behind.trim();
        }
    }
    let rest = if rest.is_empty() { 0.0 } else { ungrouped(rest)?.parse::<f64>().ok()? };
    // Scaled parts are sums of decimals: beyond hundredths there are only floating-point errors.
    (rest < least && sum.is_finite()).then(|| ((sum + rest) * 100.0).round() / 100.0)
}

/// The digits without their commas, if those are at thousands.
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

/// Parses a flag: true, false, t, f, 1, 0, yes, no, y, n in any case, and 1.0 and 0.0.
pub fn parse_flag(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        Value::Whole(1) => Some(true),
        Value::Whole(0) => Some(false),
        #[expect(clippy::float_cmp, reason = "flags of a table that knows no flags with nulls")]
        Value::Real(number) if *number == 1.0 || *number == 0.0 => Some(*number == 1.0),
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "1.0" | "yes" | "y" => Some(true),
            "false" | "f" | "0" | "0.0" | "no" | "n" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, measure: Measure) -> Number {
        parse_number(&Value::Text(text.into()), measure)
    }

    fn number(number: i64) -> Number {
        Number::Whole { number, rounded: false }
    }

    #[test]
    fn amounts_of_every_spelling() {
        for (text, expected) in [
            ("49900", number(49_900)),
            ("49,900원", number(49_900)),
            ("49,900 원", number(49_900)),
            ("₩ 1,234,567", number(1_234_567)),
            ("￦49,900", number(49_900)),
            ("\\49,900", number(49_900)),
            ("49,900.00", number(49_900)),
            ("KRW 49,900", number(49_900)),
            ("49900 KRW", number(49_900)),
            ("49,900won", number(49_900)),
            ("49,900₩", number(49_900)),
            ("49,900원~", number(49_900)),
            ("4만 9,900원", number(49_900)),
            ("4만9900원", number(49_900)),
            ("12만원", number(120_000)),
            ("1.2만", number(12_000)),
            ("5천원", number(5_000)),
            ("４９，９００원", number(49_900)),
            ("1e12", number(1_000_000_000_000)),
            ("-1", number(-1)),
            ("49900.5", Number::Whole { number: 49_901, rounded: true }),
            ("99999999999999999999999999999999999999999999", number(i64::MAX)),
            ("", Number::Missing),
            ("NaN", Number::Missing),
            ("#N/A", Number::Missing),
            ("-", Number::Missing),
            ("1,5", Number::Unreadable),
            ("1,23,456", Number::Unreadable),
            ("월 49,900원", Number::Unreadable),
            ("49,900~59,900원", Number::Unreadable),
            ("(49,900)", Number::Unreadable),
            ("$49.90", Number::Unreadable),
            ("49,900건", Number::Unreadable),
            ("5천 3만", Number::Unreadable),
            ("만", Number::Unreadable),
            ("상담", Number::Unreadable),
            ("inf", Number::Unreadable),
            ("1.2.3", Number::Unreadable),
        ] {
            assert_eq!(read(text, Measure::Won), expected, "{text}");
        }
        let won = |value| parse_number(&value, Measure::Won);
        assert_eq!(won(Value::Real(f64::NAN)), Number::Missing);
        assert_eq!(won(Value::Real(f64::INFINITY)), Number::Unreadable);
        assert_eq!(won(Value::Real(1e300)), number(i64::MAX));
        assert_eq!(won(Value::Flag(true)), Number::Unreadable);
    }

    #[test]
    fn counts_of_every_spelling() {
        for (text, expected) in [
            ("1,234", 1_234),
            ("(1,234)", 1_234),
            ("( 1,234 )", 1_234),
            ("(1,234건)", 1_234),
            ("리뷰 1,234", 1_234),
            ("리뷰(1,234)", 1_234),
            ("리뷰수: 1,234", 1_234),
            ("상품평 1,234건", 1_234),
            ("총 1,234개", 1_234),
            ("1,234개의 리뷰", 1_234),
            ("1,234건", 1_234),
            ("1,234명", 1_234),
            ("1,234 reviews", 1_234),
            ("Reviews 1,234", 1_234),
            ("★4.8 (1,234)", 1_234),
            ("4.8/5 (1,234)", 1_234),
            ("999+", 999),
            ("1.2만", 12_000),
            ("1.2만+", 12_000),
            ("3천건", 3_000),
            ("1.2k", 1_200),
            ("1234.0", 1_234),
            ("0건", 0),
        ] {
            assert_eq!(read(text, Measure::Count), number(expected), "{text}");
        }
        for bad in ["4.8 / 1,234", "평점 4.8", "49,900원", "9.9 (1,234)", "(1,234", "리뷰", "()", "1,234 (5)", "많음"]
        {
            assert_eq!(read(bad, Measure::Count), Number::Unreadable, "{bad}");
        }
    }
}
