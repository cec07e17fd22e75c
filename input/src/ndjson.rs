//! NDJSON files line by line, the known fields taken out of each object without building the rest.

use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::encoding::decode_cp949;
use crate::file::{Line, Lines, SourceFile};
use crate::reject::{Reason, excerpt_bytes};
use crate::value::Value;
use crate::{Column, Error, Fault, MAX_COLUMNS, Place, Rows};

/// Hands every line of a file to `rows`; blank lines are passed over.
///
/// # Errors
/// Where the file ends too early, and what `rows` says.
pub fn read(
    file: &SourceFile,
    input: impl BufRead,
    columns: &'static [Column],
    rows: &mut dyn Rows,
) -> Result<(), Error> {
    let mut lines = Lines::new(input);
    let mut text = Vec::new();
    let mut names = Names { columns, known: Vec::new() };
    let mut row = 0;
    loop {
        text.clear();
        let line = lines.read(&mut text).map_err(|source| Error::Damaged {
            path: file.path.clone(),
            row,
            source: Box::new(source),
        })?;
        if line == Line::End {
            return Ok(());
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        row += 1;
        let place = Place { row, line: Some(lines.begun) };
        if line == Line::TooLong {
            let value = Some(excerpt_bytes(&text));
            rows.fault(place, Fault { field: None, reason: Reason::RowTooLong, detail: None, value })?;
            continue;
        }
        let told = names.known.len();
        match str::from_utf8(&text) {
            Ok(text) => hand_on(text, place, &mut names, rows, false)?,
            Err(_) => {
                if let Some(text) = decode_cp949(&text) {
                    hand_on(&text, place, &mut names, rows, true)?;
                } else {
                    let value = Some(excerpt_bytes(&text));
                    rows.fault(place, Fault { field: None, reason: Reason::NotUtf8, detail: None, value })?;
                }
            }
        }
        for (name, found) in names.known.iter().skip(told) {
            if let Some((position, 1..)) = found
                && let Some(column) = columns.get(*position)
            {
                rows.renamed(column.name, name);
            }
        }
    }
}

/// Names of fields that are remembered; past them each is looked up anew.
const KNOWN_NAMES: usize = 256;

/// A column by its position, and how near a name is to its own.
type Ranked = (usize, usize);

/// The names of fields met so far, and the columns they are.
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

/// Takes a line apart and hands it on.
fn hand_on(text: &str, place: Place, names: &mut Names, rows: &mut dyn Rows, decoded: bool) -> Result<(), Error> {
    let mut values = [const { Value::Missing }; MAX_COLUMNS];
    match parse(text, names, &mut values) {
        Ok(()) if decoded => {
            let values = values.map(|value| match value {
                Value::Text(text) if !text.is_ascii() => Value::Decoded(text.into_owned()),
                value => value,
            });
            rows.row(place, &values)
        }
        Ok(()) => rows.row(place, &values),
        Err(fault) => rows.fault(place, fault),
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

/// Takes the known fields of an object into `values`. Of two names for one column the one nearer to the column's own counts.
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

/// Reads a key into the position of its column and the rank of the name.
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

/// Reads any JSON value, lists and objects by name only.
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
