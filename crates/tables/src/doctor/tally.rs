//! Counts by column: the forms of values, with examples, and the place of the first example of each
//! repair and reason.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sinsang_core::text::is_nobody;

use crate::check::Repair;
use crate::excerpt::excerpt;
use crate::form::Form;
use crate::reject::Reason;
use crate::value::Value;
use crate::{Column, Fault, MAX_COLUMNS, Place};

/// Examples kept per form.
const EXAMPLES: usize = 3;
/// Values of a form that are all considered as examples; beyond that, every power of two is.
const LOOKED_AT: u64 = 1_000;
/// Fewest rows of a file without a usable one that are reported.
const BARREN_ROWS: u64 = 10;
/// Barren files named.
const BARREN_FILES: usize = 100;

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The start of the value; `null` if there is nothing to show. Letters and digits of user ids
    /// are masked.
    pub value: Option<String>,
    /// The file.
    pub file: String,
    /// The row in the file, from 1.
    pub row: u64,
    /// The line on which a text row begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// Values of one form.
#[derive(Clone, Debug, Default)]
pub(super) struct FormCount {
    pub(super) values: u64,
    pub(super) examples: Vec<String>,
}

/// How the values of a row were written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spelled {
    /// The form of each column.
    pub(super) forms: [Form; MAX_COLUMNS],
    /// A bit for each column whose value was present and is used.
    pub(super) filled: u32,
}

impl Spelled {
    /// The form of the column at position `column`.
    pub(super) fn form(&self, column: usize) -> Form {
        self.forms.get(column).copied().unwrap_or_default()
    }
}

/// The counts of one table.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) columns: &'static [Column],
    /// Columns of user ids, whose examples are never shown in clear.
    private: u32,
    file: String,
    file_rows: u64,
    file_kept: u64,
    /// Files without a usable row, with their numbers of rows.
    pub(super) barren: Vec<(String, u64)>,
    pub(super) forms: Vec<[FormCount; Form::ALL.len()]>,
    pub(super) repairs: BTreeMap<(usize, Repair), Example>,
    pub(super) rejects: BTreeMap<(Option<&'static str>, Reason), Example>,
}

impl Tally {
    /// An empty tally of `columns`; examples of those named in `private` are masked.
    pub(super) fn new(columns: &'static [Column], private: &[&str]) -> Self {
        let private = (0..).zip(columns).filter(|(_, column)| private.contains(&column.name));
        Self {
            columns,
            private: private.fold(0, |mask, (column, _)| mask | 1 << column),
            file: String::new(),
            file_rows: 0,
            file_kept: 0,
            barren: Vec::new(),
            forms: columns.iter().map(|_| Default::default()).collect(),
            repairs: BTreeMap::new(),
            rejects: BTreeMap::new(),
        }
    }

    /// Begins the rows of another file.
    pub(super) fn begin_file(&mut self, path: &Path) {
        self.end_file();
        self.file = path.display().to_string();
    }

    /// Ends the current file.
    pub(super) fn end_file(&mut self) {
        if self.file_rows >= BARREN_ROWS && self.file_kept == 0 && self.barren.len() < BARREN_FILES {
            self.barren.push((std::mem::take(&mut self.file), self.file_rows));
        }
        (self.file_rows, self.file_kept) = (0, 0);
    }

    /// Counts a usable row.
    pub(super) fn kept(&mut self, place: Place, values: &[Value<'_>], repairs: &[(usize, Repair)]) -> Spelled {
        self.file_kept += 1;
        let mut spelled = self.values(values);
        for &(column, repair) in repairs {
            if is_loss(repair) {
                spelled.filled &= !(1 << column);
            }
            if !self.repairs.contains_key(&(column, repair)) {
                let example = self.example(place, column, values.get(column));
                self.repairs.insert((column, repair), example);
            }
        }
        spelled
    }

    /// Counts a rejected row.
    pub(super) fn set_aside(&mut self, place: Place, values: &[Value<'_>], fault: &Fault) {
        self.values(values);
        let key = (fault.field, fault.reason);
        if !self.rejects.contains_key(&key) {
            let column = fault.field.and_then(|field| self.columns.iter().position(|column| column.name == field));
            let is_private = column.is_some_and(|column| self.is_private(column));
            let value = fault.value.as_deref().filter(|value| !value.is_empty());
            let value = value.map(|value| if is_private { masked(value) } else { value.to_owned() });
            self.rejects.insert(key, self.at(place, value));
        }
    }

    /// A column's value as an example, with its place.
    pub(super) fn example(&self, place: Place, column: usize, value: Option<&Value<'_>>) -> Example {
        let value = value.and_then(Value::excerpt).filter(|value| !value.is_empty());
        let value = value.map(|value| if self.is_private(column) { masked(&value) } else { value });
        self.at(place, value)
    }

    fn at(&self, place: Place, value: Option<String>) -> Example {
        Example { value, file: self.file.clone(), row: place.row, line: place.line }
    }

    fn is_private(&self, column: usize) -> bool {
        self.private >> column & 1 == 1
    }

    fn values(&mut self, values: &[Value<'_>]) -> Spelled {
        self.file_rows += 1;
        let mut spelled = Spelled::default();
        let private = self.private;
        let columns = self.columns.iter().zip(&mut self.forms).zip(values).zip(&mut spelled.forms);
        for (place, (((column, counts), value), spelled_as)) in columns.enumerate() {
            let form = Form::of(value, column.shape);
            *spelled_as = form;
            spelled.filled |= u32::from(form.is_value()) << place;
            let Some(count) = counts.get_mut(form as usize) else { continue };
            count.values += 1;
            let is_looked_at = count.values <= LOOKED_AT || count.values.is_power_of_two();
            if form != Form::Missing && count.examples.len() < EXAMPLES && is_looked_at {
                count.add(value, private >> place & 1 == 1);
            }
        }
        spelled
    }
}

impl FormCount {
    fn add(&mut self, value: &Value<'_>, is_private: bool) {
        // Most columns repeat themselves: known examples are not formatted again.
        if !is_private && value.as_text().is_some_and(|text| self.examples.iter().any(|example| example == text)) {
            return;
        }
        let Some(text) = value.excerpt() else { return };
        let text = if is_private { masked(&text) } else { text };
        if !self.examples.contains(&text) {
            self.examples.push(text);
        }
    }
}

/// Whether a repair drops the value.
pub(super) fn is_loss(repair: Repair) -> bool {
    matches!(
        repair,
        Repair::Placeholder
            | Repair::Unreadable
            | Repair::OutOfRange
            | Repair::TooLong
            | Repair::BelowPrice
            | Repair::NotOfAPurchase
            | Repair::EndBeforeStart
            | Repair::EndTooFar
            | Repair::NotAWebAddress
    )
}

/// The shape of a user id without the id: each letter becomes `a`, each digit `9`. An id that means
/// nobody is shown as it is.
pub(super) fn masked(id: &str) -> String {
    if is_nobody(id) {
        return id.to_owned();
    }
    let mask = |c: char| match c {
        '0'..='9' => '9',
        c if c.is_alphabetic() => 'a',
        c => c,
    };
    excerpt(id).chars().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::check::{Events, Table as _};

    fn text(text: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(text))
    }

    #[test]
    fn whatever_drops_a_value_is_a_loss() {
        for &repair in Repair::ALL {
            assert_eq!(is_loss(repair), repair.as_str().ends_with("dropped"), "{repair}");
        }
    }

    #[test]
    fn values_are_counted_by_form_with_three_examples_and_users_are_not_shown() {
        let mut tally = Tally::new(Events::COLUMNS, &["user_id", "viewer"]);
        tally.begin_file(Path::new("events.csv"));
        for row in 0..5_000_u64 {
            let (user, at) = (format!("u{row:06}-x"), format!("2026-11-22T{:02}:00:00+09:00", row % 24));
            let user = if row == 3 { text("undefined") } else { text(&user) };
            let values = [user, text(&at), text("click"), Value::Missing, text("77")];
            let spelled = tally.kept(Place { row, line: Some(row + 2) }, &values, &[(4, Repair::Unreadable)]);
            assert_eq!((spelled.form(1), spelled.form(3)), (Form::TimeWithOffset, Form::Missing));
            let expected = if row == 3 { 0b0_0110 } else { 0b0_0111 };
            assert_eq!(spelled.filled, expected, "missing and dropped ones, and words for nothing, are not filled");
        }
        let of = |column: usize, form: Form| {
            let count = &tally.forms[column][form as usize];
            (count.values, count.examples.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(of(0, Form::Text), (4_999, vec!["a999999-a"]));
        assert_eq!(of(0, Form::NullWord), (1, vec!["undefined"]));
        assert_eq!(of(1, Form::TimeWithOffset).1.len(), 3);
        assert_eq!(of(2, Form::Text), (5_000, vec!["click"]));
        assert_eq!(of(3, Form::Missing), (5_000, vec![]));
        let first = &tally.repairs[&(4, Repair::Unreadable)];
        assert_eq!((first.value.as_deref(), first.row, first.line), (Some("77"), 0, Some(2)));
    }

    #[test]
    fn a_file_without_a_row_of_use_is_told_and_a_short_or_good_one_is_not() {
        let mut tally = Tally::new(Events::COLUMNS, &[]);
        let fault =
            || Fault { field: Some("at"), reason: Reason::NotATime, detail: None, value: Some("soon".to_owned()) };
        for (file, bad, good) in [("good.csv", 30, 1), ("bad.csv", 30, 0), ("short.csv", 9, 0)] {
            tally.begin_file(Path::new(file));
            for row in 0..bad {
                tally.set_aside(Place { row, line: None }, &[text("u1"), text("soon")], &fault());
            }
            for row in 0..good {
                tally.kept(Place { row, line: None }, &[text("u1")], &[]);
            }
        }
        tally.end_file();
        assert_eq!(tally.barren, [("bad.csv".to_owned(), 30)]);
        assert_eq!(tally.rejects[&(Some("at"), Reason::NotATime)].file, "good.csv");
    }
}
