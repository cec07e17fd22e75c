//! The JSON of tokens, keys and events: what of their objects counts, taken out without a library's messages, which nobody would read.
//!
//! Wasm is paid for by the byte: reading these through serde brings the text of every error that JSON can have, and the printing of floats
//! with it, some 40 KB.

mod split;

use std::borrow::Cow;

use hifijson::SliceLexer;
use hifijson::token::Lex as _;
use hifijson::value::{Value, parse_bounded};

pub use split::{documents, items, joined, members};

type Json<'a> = Value<&'a str, Cow<'a, str>>;

/// Most arrays and objects within each other, as in serde_json.
const DEPTH: usize = 128;
/// Seconds that a date may have: some 260,000 years to either side of the epoch. What lies beyond is no date.
const DATES: std::ops::RangeInclusive<i64> = -8_334_601_228_800..=8_210_266_876_799;

/// Says that a field is there twice, or is not what it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// A JSON object.
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// The object that all of `json` is, `None` where it is none.
    pub fn parse(json: &'a [u8]) -> Option<Self> {
        let parse = |next: u8, lexer: &mut SliceLexer<'a>| parse_bounded(DEPTH, next, lexer);
        match SliceLexer::new(json).exactly_one(SliceLexer::ws_peek, parse) {
            Ok(Value::Object(fields)) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Whether there is a field `name`, whatever it holds.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(one, _)| one == name)
    }

    fn field(&self, name: &str) -> Result<Option<&Json<'a>>, Unfit> {
        field(&self.0, name)
    }

    /// The text of `name`, where it is there.
    ///
    /// # Errors
    /// [`Unfit`] where it is something else, or there twice.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Unfit> {
        self.field(name)?.map(text_of).transpose()
    }

    /// The texts of `name`: one, or several in an array (RFC 7519 section 4.1.3).
    ///
    /// # Errors
    /// [`Unfit`] where there is something else, or it is there twice.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, Unfit> {
        match self.field(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(several)) => several.iter().map(text_of).collect(),
            Some(one) => Ok(vec![text_of(one)?]),
        }
    }

    /// The whole number `name`, written without a point or an exponent.
    ///
    /// # Errors
    /// [`Unfit`] where it is none from 0 to 2^32 - 1, or there twice.
    pub fn whole(&self, name: &str) -> Result<Option<u32>, Unfit> {
        match self.field(name)? {
            None => Ok(None),
            Some(Value::Number((digits, parts))) if !parts.dot && !parts.exp => {
                digits.parse().map(Some).map_err(|_| Unfit)
            }
            Some(_) => Err(Unfit),
        }
    }

    /// The texts of the object `name`, each with its own name.
    ///
    /// # Errors
    /// [`Unfit`] where it is something else, or there twice.
    pub fn named_texts(&self, name: &str) -> Result<Vec<(&str, &str)>, Unfit> {
        match self.field(name)? {
            None => Ok(Vec::new()),
            Some(Value::Object(fields)) => fields.iter().map(|(name, value)| Ok((&**name, text_of(value)?))).collect(),
            Some(_) => Err(Unfit),
        }
    }

    /// The objects of the list `name`; what is no object, or no list, is passed over.
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

    /// The date `name` in seconds since the epoch, of which parts don't count. No issuer writes it with an exponent.
    ///
    /// # Errors
    /// [`Unfit`] where it is no date, or there twice.
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

/// An object within another.
#[derive(Clone, Copy)]
pub struct Inner<'v, 'a>(&'v [(Cow<'a, str>, Json<'a>)]);

impl<'v> Inner<'v, '_> {
    /// See [`Object::text`].
    ///
    /// # Errors
    /// [`Unfit`] where it is something else, or there twice.
    pub fn text(self, name: &str) -> Result<Option<&'v str>, Unfit> {
        field(self.0, name)?.map(text_of).transpose()
    }
}

/// The field `name`, `None` where it is not there or null.
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
