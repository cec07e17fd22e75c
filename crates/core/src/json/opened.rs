//! Members of the JSON that a build has rendered: objects without their closing brace.
//!
//! Members are found by their names with comma and quotes, which no text holds: quotes in texts are
//! escaped.

/// Where `part` first stands in `text`. Looks for its first byte and compares the rest there alone:
/// comparing every window costs several times as much in Wasm.
#[inline(never)]
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let (first, rest) = part.split_first()?;
    let mut begin = 0_usize;
    loop {
        let tail = text.get(begin..)?;
        let at = tail.iter().position(|byte| byte == first)?;
        if tail.get(at.saturating_add(1)..)?.starts_with(rest) {
            return Some(begin.saturating_add(at));
        }
        begin = begin.saturating_add(at).saturating_add(1);
    }
}

/// The part of a broadcast's opened JSON before its channel: the members that name its listing.
pub(crate) fn listing(head: &[u8]) -> &[u8] {
    let end = find(head, b",\"channel\":").unwrap_or(head.len());
    head.get(1..end).unwrap_or_default()
}
