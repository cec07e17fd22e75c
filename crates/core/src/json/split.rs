//! A splitter of JSON documents into their outermost values, verbatim, so that each is parsed alone
//! and an error in one spoils no other.

/// The members of `json`, which must be one object: names as written between their quotes, values
/// verbatim. `None` if brackets and quotes show that it is not an object.
pub fn members(json: &str) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::new();
    each(json, ('{', '}'), |rest| {
        let (name, rest) = value(rest)?;
        let (value, rest) = value(rest.trim_start().strip_prefix(':')?)?;
        members.push((name.strip_prefix('"')?.strip_suffix('"')?, value));
        Some(rest)
    })?;
    Some(members)
}

/// The values of `json`, which must be one list, verbatim. `None` if brackets and quotes show that
/// it is not a list.
pub fn items(json: &str) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    each(json, ('[', ']'), |rest| {
        let (item, rest) = value(rest)?;
        items.push(item);
        Some(rest)
    })?;
    Some(items)
}

/// The consecutive objects at the start of `json`, verbatim, each with the text after it.
pub fn documents(json: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = json;
    core::iter::from_fn(move || {
        // Commas between them come from a list.
        let start = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
        let (object, behind) = start.starts_with('{').then(|| value(start)).flatten()?;
        // If not, brackets were still open at the end of the text.
        object.ends_with('}').then(|| {
            rest = behind;
            (object, behind)
        })
    })
}

/// The objects of a line that Firehose or a similar tool joined from several, followed by any
/// remaining text, for example a truncated object. `None` for fewer than two objects.
pub fn joined(line: &str) -> Option<Vec<&str>> {
    let mut rest = line;
    let mut parts = Vec::new();
    for (object, behind) in documents(line) {
        parts.push(object);
        rest = behind;
    }
    let is_joined = parts.len() > 1;
    parts.extend(Some(rest.trim()).filter(|rest| !rest.is_empty()));
    is_joined.then_some(parts)
}

/// Calls `take` to cut one part after another off the text between the brackets.
fn each<'a>(
    json: &'a str,
    (open, close): (char, char),
    mut take: impl FnMut(&'a str) -> Option<&'a str>,
) -> Option<()> {
    let mut rest = json.trim().strip_prefix(open)?.strip_suffix(close)?.trim_start();
    if rest.is_empty() {
        return Some(());
    }
    loop {
        rest = take(rest)?.trim_start();
        if rest.is_empty() {
            return Some(());
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// Splits `json` after its first value. Only brackets and quotes are matched; the value's reader
/// checks the rest.
fn value(json: &str) -> Option<(&str, &str)> {
    let json = json.trim_start();
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in json.bytes().enumerate() {
        let after = at.saturating_add(1);
        let ends_at = match byte {
            _ if is_escaped => {
                is_escaped = false;
                None
            }
            b'\\' if is_text => {
                is_escaped = true;
                None
            }
            b'"' => {
                is_text = !is_text;
                (!is_text && depth == 0).then_some(after)
            }
            _ if is_text => None,
            b'[' | b'{' => {
                depth = depth.saturating_add(1);
                None
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                (depth == 0).then_some(after)
            }
            b',' | b':' if depth == 0 => Some(at),
            _ => None,
        };
        if let Some(end) = ends_at {
            let (value, rest) = json.split_at_checked(end)?;
            return (!value.is_empty()).then_some((value.trim_end(), rest));
        }
    }
    // A number or a literal that ends with the text.
    (depth == 0 && !is_text && !json.is_empty()).then_some((json.trim_end(), ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn parts_are_cut_where_they_end_and_read_by_nobody() {
        let json = r#" { "a" : [1, {"b":"],}\\\""}] , "c":"\ud83d","d":-1.5e3,"e":{} } "#;
        let expected = [("a", r#"[1, {"b":"],}\\\""}]"#), ("c", r#""\ud83d""#), ("d", "-1.5e3"), ("e", "{}")];
        assert_eq!(members(json).unwrap(), expected);
        assert_eq!(items("[1e999 , [[]],\"\\x\", nonsense]").unwrap(), ["1e999", "[[]]", "\"\\x\"", "nonsense"]);
        assert_eq!((items("[]"), members(" {} ")), (Some(Vec::new()), Some(Vec::new())));
        let deep = format!("[{}{},7]", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(items(&deep).unwrap()[1], "7");
        for none in ["", "[", "]", "{}", "[1,]", "[,1]", "[1 \"", "[\"a]", "[{]"] {
            assert!(items(none).is_none(), "{none}");
        }
        for none in ["", "{", "[]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\":\"b}"] {
            assert!(members(none).is_none(), "{none}");
        }
    }

    #[test]
    fn objects_behind_one_another_are_cut_apart_as_far_as_they_are_whole() {
        let cut = |json: &'static str| documents(json).collect::<Vec<_>>();
        assert_eq!(
            cut(r#"{"a":"}{"}{"b":{}} {"c":1},"#),
            [(r#"{"a":"}{"}"#, r#"{"b":{}} {"c":1},"#), (r#"{"b":{}}"#, r#" {"c":1},"#), (r#"{"c":1}"#, ",")]
        );
        assert_eq!(cut(r#"{"a":1}{"b":"#), [(r#"{"a":1}"#, r#"{"b":"#)]);
        for none in ["", "1", "[{}]", "{", "{\"a", "\"{}\""] {
            assert!(cut(none).is_empty(), "{none}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            // Eighths are exact: serde_json reads some other floats slightly off.
            any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\,:{}]{0,4}", inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_json_is_cut_as_serde_reads_it(values in prop::collection::vec(any_json(), 0..6), noise in ".{0,60}") {
            for text in [serde_json::to_string(&values).unwrap(), serde_json::to_string_pretty(&values).unwrap()] {
                let cut: Vec<Value> = items(&text).unwrap().into_iter().map(|item| serde_json::from_str(item).unwrap()).collect();
                // Floats are written in their shortest form, which reads back as the same value.
                prop_assert_eq!(json!(cut), serde_json::from_str::<Value>(&text).unwrap());
            }
            for value in &values {
                if let Value::Object(object) = value {
                    let text = value.to_string();
                    let cut = members(&text).unwrap();
                    prop_assert_eq!(cut.len(), object.len());
                    for (name, part) in cut {
                        let name: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
                        prop_assert_eq!(&serde_json::from_str::<Value>(part).unwrap(), &object[&name]);
                    }
                }
            }
            let _ = (items(&noise), members(&noise));
        }
    }
}
