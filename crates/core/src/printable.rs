//! Text for people: escaping of characters that act on a terminal or on surrounding text, and
//! formatting of counts.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character moves the cursor or starts a terminal command (the controls, U+0000 to
/// U+001F and U+007F to U+009F), or changes the direction of the text around it (Unicode Standard
/// Annex #9, section 2: U+061C, U+200E and U+200F, U+202A to U+202E, U+2066 to U+2069).
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` in a form that is safe for a terminal: unprintable characters except newlines and tabs
/// become JSON escapes, `\u001b`. So a JSON document keeps its meaning.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_unprintable(c) && !matches!(c, '\n' | '\t');
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len().saturating_add(16));
    for c in text.chars() {
        if is_escaped(c) {
            // Writing to a String can't fail; all these characters are below U+10000.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Formats a count with a comma between thousands: `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len().saturating_mul(2));
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_moves_a_cursor_or_turns_text_is_spelled_out_and_lines_stay() {
        let table = [
            ("신상 24cm", "신상 24cm"),
            ("one\n\ttwo", "one\n\ttwo"),
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("\u{9b}2J\r\u{8}\u{7f}", "\\u009b2J\\u000d\\u0008\\u007f"),
            ("\u{202e}gpj\u{2066}\u{2069}\u{200f}\u{61c}", "\\u202egpj\\u2066\\u2069\\u200f\\u061c"),
            // U+200D joins a family of emoji and changes no direction.
            ("👨\u{200d}👩\u{200d}👧 é", "👨\u{200d}👩\u{200d}👧 é"),
        ];
        for (text, expected) in table {
            assert_eq!(printable(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_json_document_stays_the_same_document(texts: Vec<String>) {
            let pretty = serde_json::to_string_pretty(&texts).unwrap();
            let shown = printable(&pretty);
            prop_assert!(!shown.chars().any(|c| is_unprintable(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), texts);
        }
    }
}
