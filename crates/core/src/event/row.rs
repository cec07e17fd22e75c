//! Readers for the fields of a JSON row, each with its own limits. An absent, null or blank field,
//! or a null word, counts as missing, as in tables.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{MAX_EXPERIMENTS, Wrong, wrong};
use crate::code;
use crate::json::Object;
use crate::surface_name::Surface;
use crate::text::{ID_MAX_BYTES, compose_hangul, is_id_short, is_name_short, is_null_text, tidy};
use crate::time::UnixMillis;

pub(super) const MISSING: &str = "missing";
pub(super) const NOT_WON: &str = "not whole won from 0 to 100,000,000";

/// A text field, [tidied](fn@tidy).
pub(super) fn text<'a>(row: &'a Object<'_>, field: &'static str) -> Result<Option<Cow<'a, str>>, Wrong> {
    let text = row.text(field).map_err(|_| wrong(field, "not text, or there twice"))?;
    Ok(text.map(tidy).filter(|text| !text.is_empty() && !is_null_text(text)))
}

/// A text field to be stored: without control characters and without lost characters.
fn plain<'a>(row: &'a Object<'_>, field: &'static str) -> Result<Option<Cow<'a, str>>, Wrong> {
    let text = text(row, field)?;
    let raw = row.text(field).ok().flatten().unwrap_or_default();
    if text.is_some() && raw.trim().chars().any(char::is_control) {
        return Err(wrong(field, "has control characters"));
    }
    if raw.contains(char::REPLACEMENT_CHARACTER) {
        return Err(wrong(field, "has characters that were not UTF-8"));
    }
    Ok(text)
}

pub(super) fn id(row: &Object<'_>, field: &'static str) -> Result<Option<String>, Wrong> {
    match plain(row, field)? {
        Some(id) if !is_id_short(&id) => Err(wrong(field, "longer than 128 bytes")),
        // Hangul is composed as in tables and boards, so that the pulse finds a listing even if its
        // shop's name came from a Mac.
        id => Ok(id.map(|id| compose_hangul(&id))),
    }
}

/// A listing's code as its shop gave it; `None` if a spreadsheet dropped digits or the code is a
/// placeholder.
pub(super) fn code(row: &Object<'_>, field: &'static str) -> Result<Option<String>, Wrong> {
    let id = id(row, field)?.map(|id| match code::restored(&id) {
        Some(meant) => meant.to_owned(),
        None => id,
    });
    Ok(id.filter(|id| !code::is_rounded(id) && !code::is_placeholder(id)))
}

pub(super) fn name(row: &Object<'_>, field: &'static str) -> Result<Option<String>, Wrong> {
    match plain(row, field)? {
        Some(name) if !is_name_short(&name) => Err(wrong(field, "longer than 200 characters")),
        name => Ok(name.map(|name| compose_hangul(&name))),
    }
}

pub(super) fn hex(row: &Object<'_>, field: &'static str) -> Result<Option<String>, Wrong> {
    let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match text(row, field)? {
        Some(text) if !is_hex(&text) => Err(wrong(field, "not 16 hex digits")),
        text => Ok(text.map(Cow::into_owned)),
    }
}

pub(super) fn time(row: &Object<'_>, field: &'static str) -> Result<Option<UnixMillis>, Wrong> {
    let parsed = |text: Cow<'_, str>| UnixMillis::parse_rfc3339(&text).ok_or(wrong(field, "not a time of RFC 3339"));
    text(row, field)?.map(parsed).transpose()
}

pub(super) fn surface(row: &Object<'_>) -> Result<Option<String>, Wrong> {
    match text(row, "surface")? {
        Some(text) if Surface::parse(&text).is_none() => Err(wrong("surface", Surface::NONE_OF)),
        text => Ok(text.map(Cow::into_owned)),
    }
}

pub(super) fn position(row: &Object<'_>) -> Result<Option<u32>, Wrong> {
    match row.whole("position") {
        Err(_) | Ok(Some(0)) => Err(wrong("position", "not a whole number from 1")),
        Ok(place) => Ok(place),
    }
}

pub(super) fn amount(row: &Object<'_>) -> Result<Option<u32>, Wrong> {
    row.whole("amount").map_err(|_| wrong("amount", NOT_WON))
}

pub(super) fn experiments(row: &Object<'_>) -> Result<BTreeMap<String, String>, Wrong> {
    const FIELD: &str = "experiments";
    let unfit = wrong(FIELD, "not an object of variants by experiment");
    let given = row.named_texts(FIELD).map_err(|_| unfit)?;
    if given.len() > MAX_EXPERIMENTS {
        return Err(wrong(FIELD, "more than 16 experiments"));
    }
    let is_id = |id: &str| (1..=ID_MAX_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    let pair = |(experiment, variant): (&str, &str)| {
        (is_id(variant) && is_id(experiment)).then(|| (experiment.to_owned(), variant.to_owned()))
    };
    given.into_iter().map(pair).collect::<Option<_>>().ok_or(unfit)
}
