//! Members of the JSON that a build has rendered: objects without their closing brace.
//!
//! Members are found by their names with comma and quotes, which no text holds: quotes in texts are
//! escaped.

/// Where `part` first stands in `text`.
#[inline(never)]
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The part of a broadcast's opened JSON before its channel: the members that name its listing.
pub(crate) fn listing(head: &[u8]) -> &[u8] {
    let end = find(head, b",\"channel\":").unwrap_or(head.len());
    head.get(1..end).unwrap_or_default()
}
