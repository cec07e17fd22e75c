//! Normalisation of ids that spreadsheets, floats or people wrote. The event Worker and the table
//! readers share these functions.

use sha2::{Digest, Sha256};

use crate::text::is_null_text;

/// The id of the product whose first listing is `listing_id` of `shop`: the first 8 bytes of the
/// SHA-256 over both with a zero byte between.
pub fn id_of_first(shop: &str, listing_id: &str) -> u64 {
    hashed(&[shop, listing_id])
}

/// An id of the same form for `parts`.
pub fn hashed(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update([0]);
        }
        hash.update(part.as_bytes());
    }
    hash.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Whether a code is a number that a spreadsheet abbreviated, losing digits: `1.23457E+12`.
pub fn is_rounded(text: &str) -> bool {
    let Some((number, power)) = text.split_once(['e', 'E']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // 12E4 alone may be a code; with a decimal point or a sign it is a number.
    let is_number = !fraction.is_empty() || power.starts_with('+');
    is_number
        && digits(whole)
        && (fraction.is_empty() || digits(fraction))
        && digits(power.strip_prefix('+').unwrap_or(power))
}

/// Whether a cleaned code is a placeholder for a missing one: `0`, `000000`, `미정`.
pub fn is_placeholder(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 5] = ["없음", "미정", "tbd", "tba", "na"];
    is_null_text(text)
        || text.bytes().all(|byte| byte == b'0')
        || PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
}

/// The original id, if its writer wrapped it or turned it into a number: a spreadsheet's
/// `="0012345"` and `'0012345`, nested quotes, and `12345.0`, which tables write for whole numbers
/// in a column with a missing value. A number has no leading zeros, so `007.0` is left alone.
pub fn restored(id: &str) -> Option<&str> {
    let meant = if let Some(formula) = id.strip_prefix('=') {
        quoted(formula)?
    } else if id.starts_with('"') {
        quoted(id)?
    } else if let Some(rest) = id.strip_prefix('\'') {
        rest.starts_with(char::is_alphanumeric).then_some(rest)?
    } else {
        let (whole, fraction) = id.split_once('.')?;
        let is_number = matches!(whole.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
        let is_whole = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
        // A longer number can't come from a float, which would have lost digits.
        (is_number && is_whole && whole.len() <= FLOAT_DIGITS).then_some(whole)?
    };
    let meant = meant.trim();
    (!meant.is_empty()).then_some(meant)
}

/// The text between double quotes.
fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains('"'))
}

/// The most digits of a whole number that a float keeps exactly.
const FLOAT_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_a_spreadsheet_shortened_are_none() {
        for short in ["1.23457E+12", "1.2e+9", "2E+11", "1.5E10"] {
            assert!(is_rounded(short), "{short}");
        }
        for code in ["123457", "12E4", "E12", "1E", "A1.2E+3", "1.E", "1.2E+", "1E-5", "KE-C571"] {
            assert!(!is_rounded(code), "{code}");
        }
        for none in ["0", "0000", "null", "N/A", "없음", "미정"] {
            assert!(is_placeholder(none), "{none}");
        }
        assert!(!is_placeholder("00120") && !is_placeholder("A0"));
    }

    #[test]
    fn what_writers_put_around_an_id_is_no_part_of_it() {
        for (written, meant) in [
            ("=\"0012345\"", "0012345"),
            ("\"0012345\"", "0012345"),
            ("'0012345", "0012345"),
            ("12345.0", "12345"),
            ("12345.00", "12345"),
            ("=\" A-1 \"", "A-1"),
            ("123456789012345.0", "123456789012345"),
        ] {
            assert_eq!(restored(written), Some(meant), "{written}");
        }
        for id in [
            "12345",
            "007.0",
            "1.5",
            "0.0",
            "A1.0",
            "v1.0",
            "=SUM(1)",
            "=\"\"",
            "'",
            "''",
            "\"",
            "\"a\"b\"",
            "1234567890123456.0",
        ] {
            assert_eq!(restored(id), None, "{id}");
        }
    }
}
