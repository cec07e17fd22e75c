//! The line reader for NDJSON files: it extracts the known fields of each object without building
//! the rest.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sinsang_core::json::documents;

use crate::encoding::{Decoded, Encoding};
use crate::excerpt::excerpt_bytes;
use crate::file::{Constants, OpenText, SourceFile};
use crate::line::{Portion, Portions};
use crate::reject::Reason;
use crate::value::Value;
use crate::{Column, Error, Fault, MAX_COLUMNS, Place, Rows};

/// Passes every object of a file to `rows`: one per line, or several joined on a line. Blank lines
/// are skipped.
///
/// # Errors
/// If the file ends too early; any error of `rows`.
pub fn read(
    file: &SourceFile,
    text: OpenText<'_>,
    columns: &'static [Column],
    rows: &mut dyn Rows,
) -> Result<(), Error> {
    let OpenText { input, encoding } = text;
    let constants = file.constants(columns);
    for (column, name) in &constants.renamed {
        rows.renamed(column, name);
    }
    let names = Names { columns, known: Vec::new() };
    let mut reader = Reader { names, constants, encoding, rows, row: 0, told: 0 };
    let mut portions = Portions::new(input);
    loop {
        let row = reader.row;
        let damaged = |source| Error::Damaged { path: file.path.clone(), row, source: Box::new(source) };
        let Some(Portion { line, text, is_cut }) = portions.read().map_err(damaged)? else { return Ok(()) };
        if is_cut {
            reader.fault(line, Reason::RowTooLong, None, text)?;
        } else {
            reader.line(text, line)?;
        }
    }
}

/// The state of reading a file.
struct Reader<'r, 'f> {
    names: Names,
    constants: Constants<'f>,
    encoding: Encoding,
    rows: &'r mut dyn Rows,
    row: u64,
    /// Number of field names already reported to `rows`.
    told: usize,
}

impl Reader<'_, '_> {
    /// Passes on the objects of a line.
    fn line(&mut self, line: &[u8], number: u64) -> Result<(), Error> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut encoding = self.encoding;
        match encoding.read(line) {
            Decoded::Utf8(text) => self.text(text, number, false)?,
            Decoded::Cp949(text) => self.text(&text, number, true)?,
            Decoded::Neither => self.fault(number, Reason::NotUtf8, None, line)?,
        }
        self.encoding = encoding;
        for (name, found) in self.names.known.iter().skip(self.told) {
            if let Some((position, 1..)) = found
                && let Some(column) = self.names.columns.get(*position)
            {
                self.rows.renamed(column.name, name);
            }
        }
        self.told = self.names.known.len();
        Ok(())
    }

    fn text(&mut self, text: &str, number: u64, decoded: bool) -> Result<(), Error> {
        let Some(fault) = self.object(text, number, decoded)? else { return Ok(()) };
        let is_list = text.trim_start().starts_with('[');
        if fault.reason != Reason::NotJson && !is_list {
            return self.set_aside(number, fault);
        }
        let inner = without_list(text);
        if inner.is_empty() {
            return Ok(());
        }
        let parts: Vec<(&str, &str)> = documents(inner).collect();
        let is_whole = parts.last().is_some_and(|(_, rest)| rest.trim_start().is_empty());
        let parts = if is_whole { parts } else { vec![(inner, "")] };
        let mut fault = if parts.len() == 1 { Some(fault) } else { None };
        for (part, _) in parts {
            let mended = mended(part);
            if let Some(again) = self.object(mended.as_deref().unwrap_or(part), number, decoded)? {
                // For a line that is a single object, the fault is that of the original text.
                let told = if again.reason == Reason::FieldTwice { again } else { fault.take().unwrap_or(again) };
                self.set_aside(number, told)?;
            }
        }
        Ok(())
    }

    /// Passes on one object, or returns its fault.
    fn object(&mut self, text: &str, number: u64, decoded: bool) -> Result<Option<Fault>, Error> {
        let mut values = [const { Value::Missing }; MAX_COLUMNS];
        if let Err(fault) = parse(text, &mut self.names, &mut values) {
            return Ok(Some(fault));
        }
        if decoded {
            values = values.map(|value| match value {
                Value::Text(text) if !text.is_ascii() => Value::Decoded(text.into_owned()),
                value => value,
            });
        }
        self.constants.complete(&mut values);
        self.row += 1;
        self.rows.row(Place { row: self.row, line: Some(number) }, &values)?;
        Ok(None)
    }

    fn fault(&mut self, number: u64, reason: Reason, detail: Option<String>, text: &[u8]) -> Result<(), Error> {
        self.set_aside(number, Fault { field: None, reason, detail, value: Some(excerpt_bytes(text)) })
    }

    fn set_aside(&mut self, number: u64, fault: Fault) -> Result<(), Error> {
        self.row += 1;
        self.rows.fault(Place { row: self.row, line: Some(number) }, fault)
    }
}

/// The line without the brackets and comma of a list with one object per line: `[{…},`, `{…}]`.
fn without_list(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_prefix('[').filter(|_| !text.ends_with("]]")).unwrap_or(text).trim_start();
    text.trim_end_matches([',', ']']).trim_end()
}

/// Repairs `text` that is JSON except for what its writer let through: `NaN` and `Infinity`, as
/// Python writes them, become null, and half a surrogate pair becomes a zero-width character, so
/// that the text later counts as tidied. `None` if there is nothing to repair.
fn mended(text: &str) -> Option<String> {
    const NUMBERS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    const NOTHING: &str = "\\u200b";
    let mut mended = String::with_capacity(text.len());
    let (mut rest, mut is_text, mut is_changed) = (text, false, false);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '"' => is_text = !is_text,
            '\\' if is_text => {
                taken = rest.chars().take(2).map(char::len_utf8).sum();
                if let Some(unit) = surrogate(rest) {
                    let low = rest.get(6..).and_then(surrogate).filter(|low| (0xdc00..0xe000).contains(low));
                    if unit < 0xdc00 && low.is_some() {
                        taken = 12;
                    } else {
                        mended.push_str(NOTHING);
                        rest = rest.get(6..).unwrap_or_default();
                        is_changed = true;
                        continue;
                    }
                }
            }
            'N' | 'I' | '-' if !is_text => {
                if let Some(number) = NUMBERS.into_iter().find(|number| rest.starts_with(number)) {
                    mended.push_str("null");
                    rest = rest.get(number.len()..).unwrap_or_default();
                    is_changed = true;
                    continue;
                }
            }
            // Line ends and tabs within a text, which JSON requires to be escaped.
            '\0'..=' ' if is_text && c != ' ' => {
                mended.push(' ');
                rest = rest.get(taken..).unwrap_or_default();
                is_changed = true;
                continue;
            }
            _ => {}
        }
        let (part, behind) = rest.split_at_checked(taken)?;
        mended.push_str(part);
        rest = behind;
    }
    is_changed.then_some(mended)
}

/// The surrogate escaped at the start of `text`.
fn surrogate(text: &str) -> Option<u32> {
    let unit = u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()?;
    (0xd800..0xe000).contains(&unit).then_some(unit)
}

/// Field names that are remembered; beyond that, each is looked up again.
const KNOWN_NAMES: usize = 256;

/// A column's position, and the rank of the name that matched it.
type Ranked = (usize, usize);

/// The field names met so far, with their columns.
struct Names {
    columns: &'static [Column],
    known: Vec<(String, Option<Ranked>)>,
}

impl Names {
    fn find(&mut self, name: &str) -> Option<Ranked> {
        if let Some((_, found)) = self.known.iter().find(|(known, _)| known == name) {
            return *found;
        }
        let ranked =
            self.columns.iter().enumerate().filter_map(|(position, column)| Some((column.rank(name)?, position)));
        let found = ranked.min().map(|(rank, position)| (position, rank));
        if self.known.len() < KNOWN_NAMES {
            self.known.push((name.to_owned(), found));
        }
        found
    }
}

fn parse<'t>(text: &'t str, names: &mut Names, values: &mut [Value<'t>]) -> Result<(), Fault> {
    let fault = |reason, detail| Fault { field: None, reason, detail, value: Some(excerpt_bytes(text.as_bytes())) };
    let columns = names.columns;
    let mut ranks = [usize::MAX; MAX_COLUMNS];
    let mut twice = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Fields { names, values, ranks: &mut ranks, twice: &mut twice };
    match json.deserialize_any(object).and_then(|()| json.end()) {
        Ok(()) => match twice.and_then(|position: usize| columns.get(position)) {
            Some(column) => Err(Fault { field: Some(column.name), ..fault(Reason::FieldTwice, None) }),
            None => Ok(()),
        },
        Err(error) if error.is_data() => Err(fault(Reason::NotAnObject, None)),
        Err(error) => Err(fault(Reason::NotJson, Some(format!("column {}", error.column())))),
    }
}

/// Extracts the known fields of an object into `values`. If two names match one column, the closer
/// match counts.
struct Fields<'v, 't> {
    names: &'v mut Names,
    values: &'v mut [Value<'t>],
    ranks: &'v mut [usize; MAX_COLUMNS],
    twice: &'v mut Option<usize>,
}

impl<'t> Visitor<'t> for Fields<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(found) = map.next_key_seed(Name(self.names))? {
            let known = found.and_then(|(position, rank)| {
                Some((position, rank, self.values.get_mut(position)?, self.ranks.get_mut(position)?))
            });
            let Some((position, rank, value, best)) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if rank == *best {
                *self.twice = Some(position);
            }
            if rank <= *best {
                *value = map.next_value_seed(Field)?;
                *best = rank;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Reads a key as the position of its column and the rank of the name.
struct Name<'n>(&'n mut Names);

impl<'t> DeserializeSeed<'t> for Name<'_> {
    type Value = Option<Ranked>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<Ranked>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.find(name))
    }
}

/// Reads any JSON value, without the contents of lists and objects.
struct Field;

impl<'t> DeserializeSeed<'t> for Field {
    type Value = Value<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Field {
    type Value = Value<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Missing)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Real(number))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'t str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'t>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }
}
