//! Excerpts: the start of a value, for a person who looks for it.

/// Characters of a value that a reject quotes.
pub const EXCERPT_CHARS: usize = 120;

/// The start of `text`, at most [`EXCERPT_CHARS`] characters, with `…` if it is longer.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The start of `bytes` as text, with `�` for invalid UTF-8.
pub fn excerpt_bytes(bytes: &[u8]) -> String {
    // A character takes at most four bytes; one more character shows that the text is longer.
    let start = bytes.get(..(EXCERPT_CHARS + 1) * 4).unwrap_or(bytes);
    excerpt(String::from_utf8_lossy(start).trim_end_matches(['\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_bounded_in_characters_whatever_the_bytes() {
        assert_eq!(excerpt("신상"), "신상");
        assert_eq!(excerpt(&"가".repeat(500)).chars().count(), EXCERPT_CHARS + 1);
        assert_eq!(excerpt_bytes(&[0xff; 5_000]).chars().count(), EXCERPT_CHARS + 1);
        assert_eq!(excerpt_bytes(b"a,b\r\n"), "a,b");
    }
}
