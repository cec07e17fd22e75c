//! A small reader for the JSON objects of tokens, keys and events, without a library's error
//! messages, which nobody would read.
//!
//! Every byte of Wasm costs: reading these objects through serde brings in the text of every JSON
//! error and the printing of floats, some 40 KB.

pub(crate) mod opened;
mod split;

use std::borrow::Cow;

use hifijson::SliceLexer;
use hifijson::token::Lex as _;
use hifijson::value::{Value, parse_bounded};

pub use split::{documents, items, joined, members};

type Json<'a> = Value<&'a str, Cow<'a, str>>;

/// The deepest nesting of arrays and objects, as in serde_json.
const DEPTH: usize = 128;
/// The seconds since the epoch that a date may have: some 260,000 years to either side. Anything
/// beyond is not a date.
const DATES: std::ops::RangeInclusive<i64> = -8_334_601_228_800..=8_210_266_876_799;

/// The error for a field that appears twice or has the wrong type or range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// A JSON object.
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// Parses `json`, which must be exactly one object; `None` otherwise.
    pub fn parse(json: &'a [u8]) -> Option<Self> {
        let parse = |next: u8, lexer: &mut SliceLexer<'a>| parse_bounded(DEPTH, next, lexer);
        match SliceLexer::new(json).exactly_one(SliceLexer::ws_peek, parse) {
            Ok(Value::Object(fields)) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Whether there is a field `name`, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(one, _)| one == name)
    }

    fn field(&self, name: &str) -> Result<Option<&Json<'a>>, Unfit> {
        field(&self.0, name)
    }

    /// The text field `name`; `None` if absent or null.
    ///
    /// # Errors
    /// [`Unfit`] if it is not a text, or appears twice.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Unfit> {
        self.field(name)?.map(text_of).transpose()
    }

    /// The texts of the field `name`: a single text, or an array of texts (RFC 7519 section 4.1.3).
    ///
    /// # Errors
    /// [`Unfit`] if it holds anything else, or appears twice.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, Unfit> {
        match self.field(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(several)) => several.iter().map(text_of).collect(),
            Some(one) => Ok(vec![text_of(one)?]),
        }
    }

    /// The whole number `name`, written without a decimal point or an exponent.
    ///
    /// # Errors
    /// [`Unfit`] if it is not a whole number from 0 to 2^32 - 1, or appears twice.
    pub fn whole(&self, name: &str) -> Result<Option<u32>, Unfit> {
        match self.field(name)? {
            None => Ok(None),
            Some(Value::Number((digits, parts))) if !parts.dot && !parts.exp => {
                digits.parse().map(Some).map_err(|_| Unfit)
            }
            Some(_) => Err(Unfit),
        }
    }

    /// The fields of the object `name`, as pairs of name and text.
    ///
    /// # Errors
    /// [`Unfit`] if it is not an object of texts, or appears twice.
    pub fn named_texts(&self, name: &str) -> Result<Vec<(&str, &str)>, Unfit> {
        match self.field(name)? {
            None => Ok(Vec::new()),
            Some(Value::Object(fields)) => fields.iter().map(|(name, value)| Ok((&**name, text_of(value)?))).collect(),
            Some(_) => Err(Unfit),
        }
    }

    /// The objects in the list `name`. Other items are skipped, and anything but a list counts as
    /// empty.
    pub fn objects(&self, name: &str) -> impl Iterator<Item = Inner<'_, 'a>> {
        let list = match self.field(name) {
            Ok(Some(Value::Array(list))) => list.as_slice(),
            _ => &[],
        };
        list.iter().filter_map(|value| match value {
            Value::Object(fields) => Some(Inner(fields)),
            _ => None,
        })
    }

    /// The date `name` in whole seconds since the epoch; a fraction is cut off. An exponent is
    /// invalid, since no issuer writes one.
    ///
    /// # Errors
    /// [`Unfit`] if it is not a date, or appears twice.
    pub fn date(&self, name: &str) -> Result<Option<i64>, Unfit> {
        match self.field(name)? {
            None => Ok(None),
            Some(Value::Number((digits, parts))) if !parts.exp => {
                let whole = digits.split('.').next().unwrap_or_default();
                let seconds = whole.parse().map_err(|_| Unfit)?;
                if DATES.contains(&seconds) { Ok(Some(seconds)) } else { Err(Unfit) }
            }
            Some(_) => Err(Unfit),
        }
    }
}

/// An object nested in another.
#[derive(Clone, Copy)]
pub struct Inner<'v, 'a>(&'v [(Cow<'a, str>, Json<'a>)]);

impl<'v> Inner<'v, '_> {
    /// See [`Object::text`].
    ///
    /// # Errors
    /// [`Unfit`] if it is not a text, or appears twice.
    pub fn text(self, name: &str) -> Result<Option<&'v str>, Unfit> {
        field(self.0, name)?.map(text_of).transpose()
    }
}

/// The field `name`; `None` if absent or null.
fn field<'v, 'a>(fields: &'v [(Cow<'a, str>, Json<'a>)], name: &str) -> Result<Option<&'v Json<'a>>, Unfit> {
    let mut found = fields.iter().filter(|(one, _)| one == name).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Unfit),
        (Some(Value::Null) | None, None) => Ok(None),
        (value, None) => Ok(value),
    }
}

fn text_of<'v>(value: &'v Json<'_>) -> Result<&'v str, Unfit> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Unfit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_of_an_object_is_taken_out_and_the_rest_has_to_be_json() {
        let json = r#" {"a":"one \u20ac","b":["x","y"],"c":1700000000.9,"d":null,"e":{"a":[1.5e300,true]},"f":-7,"g":1e9,"b2":"z"} "#;
        let object = Object::parse(json.as_bytes()).unwrap();
        assert_eq!(object.text("a"), Ok(Some("one €")));
        assert_eq!(object.texts("b"), Ok(vec!["x", "y"]));
        assert_eq!(object.texts("b2"), Ok(vec!["z"]));
        assert_eq!((object.date("c"), object.date("f")), (Ok(Some(1_700_000_000)), Ok(Some(-7))));
        assert_eq!((object.text("d"), object.date("d"), object.text("none")), (Ok(None), Ok(None), Ok(None)));
        assert!(object.has("d") && object.has("e") && !object.has("none"));
        assert_eq!(object.date("g"), Err(Unfit));
        for name in ["b", "c", "e"] {
            assert_eq!(object.text(name), Err(Unfit), "{name}");
        }
        assert_eq!((object.texts("c"), object.date("a"), object.date("e")), (Err(Unfit), Err(Unfit), Err(Unfit)));
        for edge in [*DATES.start(), *DATES.end()] {
            let of = |seconds: i64| Object::parse(format!("{{\"t\":{seconds}}}").as_bytes()).unwrap().date("t");
            assert_eq!((of(edge), of(edge + edge.signum())), (Ok(Some(edge)), Err(Unfit)));
        }
    }

    #[test]
    fn numbers_texts_by_name_and_objects_are_taken_out_too() {
        let json = r#"{"n":7,"f":7.0,"e":7e1,"m":-7,"big":4294967296,"t":{"a":"b","c":"d"},"u":{"a":1},"l":[{"a":"x"},2,{"a":null}]}"#;
        let object = Object::parse(json.as_bytes()).unwrap();
        assert_eq!((object.whole("n"), object.whole("none")), (Ok(Some(7)), Ok(None)));
        for name in ["f", "e", "m", "big", "t"] {
            assert_eq!(object.whole(name), Err(Unfit), "{name}");
        }
        assert_eq!(object.named_texts("t"), Ok(vec![("a", "b"), ("c", "d")]));
        assert_eq!((object.named_texts("u"), object.named_texts("l")), (Err(Unfit), Err(Unfit)));
        assert_eq!(object.objects("l").map(|inner| inner.text("a")).collect::<Vec<_>>(), [Ok(Some("x")), Ok(None)]);
        assert_eq!(object.objects("t").count() + object.objects("none").count(), 0);
    }

    #[test]
    fn what_is_there_twice_does_not_count_and_what_is_no_object_is_none() {
        let object = Object::parse(br#"{"sub":"a","sub":"b","\u0065xp":1,"exp":2}"#).unwrap();
        assert_eq!((object.text("sub"), object.date("exp")), (Err(Unfit), Err(Unfit)));
        let deep = [b"{\"a\":".as_slice(), &b"[".repeat(3_000), &b"]".repeat(3_000), b"}"].concat();
        for none in
            [b"".as_slice(), b"[]", b"\"{}\"", b"{}{}", b"{} x", b"{\"a\":01}", b"{\"a\"}", b"{\"a\":\"\xff\"}", &deep]
        {
            assert!(Object::parse(none).is_none(), "{}", String::from_utf8_lossy(none));
        }
        assert!(Object::parse(b"{}").is_some());
    }
}
