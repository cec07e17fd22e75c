//! Looks ahead in the text of a title.

use super::super::Measure;
use super::super::unit;
use super::chunk::kind;
use super::{Item, What};

/// Whether the listed letters at `at..end` begin a maker's model: SS-3000 is neither a season nor a
/// size.
pub(super) fn model_goes_on(text: &[char], at: usize, end: usize) -> bool {
    let tail = text.get(end..code_end(text, at)).unwrap_or_default();
    let letters = text.get(at..end).is_some_and(|run| run.iter().all(char::is_ascii_alphabetic));
    letters && tail.first() == Some(&'-') && tail.iter().filter(|ch| ch.is_ascii_digit()).count() >= 3
}

/// The two-digit year in a number before `ss` or `fw`.
pub(super) fn lone_year(item: &Item) -> Option<String> {
    match &item.what {
        What::Lone(number) if (10.0..100.0).contains(number) => Some(unit::trimmed(*number)),
        What::Measured { measure: Measure::Year, value } => Some(value.clone()),
        _ => None,
    }
}

/// Normalises the spellings of a half-year collection to `ss` or `fw`.
pub(super) fn season_half(letters: &str) -> Option<&'static str> {
    match letters {
        "ss" | "sm" | "summer" => Some("ss"),
        "fw" | "aw" | "winter" => Some("fw"),
        _ => None,
    }
}

/// Whether the class of character changes between `at - 1` and `at`.
pub(super) fn kind_changes(text: &[char], at: usize) -> bool {
    match (at.checked_sub(1).and_then(|before| text.get(before)), text.get(at)) {
        (Some(&before), Some(&here)) => {
            kind(before) != kind(here) || !before.is_alphanumeric() || !here.is_alphanumeric()
        }
        _ => true,
    }
}

/// The end of the run of Latin letters, digits, hyphens, apostrophes and points at `at`.
pub(super) fn code_end(text: &[char], at: usize) -> usize {
    (at..text.len())
        .find(|&index| text.get(index).is_none_or(|&ch| !ch.is_ascii_alphanumeric() && !matches!(ch, '-' | '\'' | '.')))
        .unwrap_or(text.len())
}

/// The number at `at` and the position after it.
pub(super) fn number_at(text: &[char], at: usize) -> (f64, usize) {
    let mut end = at;
    let mut point = false;
    while let Some(&ch) = text.get(end) {
        let decimal = ch == '.' && !point && text.get(end + 1).is_some_and(char::is_ascii_digit);
        if !ch.is_ascii_digit() && !decimal {
            break;
        }
        point |= decimal;
        end += 1;
    }
    let digits: String = text.get(at..end).unwrap_or_default().iter().collect();
    (digits.parse().unwrap_or(0.0), end)
}
