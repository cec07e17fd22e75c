//! NDJSON files line by line, the known fields taken out of each object without building the rest.

use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::file::{Line, Lines, SourceFile};
use super::value::Value;
use super::{Column, Error, Fault, MAX_COLUMNS, Place, Rows};
use crate::reject::{Reason, excerpt_bytes};

/// Hands every line of a file to `rows`; blank lines are passed over.
pub(crate) fn read(
    file: &SourceFile,
    input: impl BufRead,
    columns: &'static [Column],
    rows: &mut dyn Rows,
) -> Result<(), Error> {
    let mut lines = Lines::new(input);
    let mut text = Vec::new();
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
        let mut values = [const { Value::Missing }; MAX_COLUMNS];
        match parse(&text, columns, &mut values) {
            Ok(()) => rows.row(place, &values)?,
            Err(fault) => rows.fault(place, fault)?,
        }
    }
}

fn parse<'t>(text: &'t [u8], columns: &'static [Column], values: &mut [Value<'t>]) -> Result<(), Fault> {
    let fault = |reason, detail| Fault { field: None, reason, detail, value: Some(excerpt_bytes(text)) };
    let text = str::from_utf8(text).map_err(|_| fault(Reason::NotUtf8, None))?;
    let mut seen = 0_u32;
    let mut twice = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Fields { columns, values, seen: &mut seen, twice: &mut twice };
    match json.deserialize_any(object).and_then(|()| json.end()) {
        Ok(()) => match twice {
            Some(field) => Err(Fault { field: Some(field), ..fault(Reason::FieldTwice, None) }),
            None => Ok(()),
        },
        Err(error) if error.is_data() => Err(fault(Reason::NotAnObject, None)),
        Err(error) => Err(fault(Reason::NotJson, Some(format!("column {}", error.column())))),
    }
}

/// Takes the known fields of an object into `values`.
struct Fields<'v, 't> {
    columns: &'static [Column],
    values: &'v mut [Value<'t>],
    seen: &'v mut u32,
    twice: &'v mut Option<&'static str>,
}

impl<'t> Visitor<'t> for Fields<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(position) = map.next_key_seed(Name(self.columns))? {
            let known = position.and_then(|position| Some((position, self.values.get_mut(position)?)));
            let Some((position, value)) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            *value = map.next_value_seed(Field)?;
            if *self.seen & (1 << position) != 0 {
                *self.twice = self.columns.get(position).map(|column| column.name);
            }
            *self.seen |= 1 << position;
        }
        Ok(())
    }
}

/// Reads a key into the position of its column.
struct Name(&'static [Column]);

impl<'t> DeserializeSeed<'t> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|column| column.name == name))
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
