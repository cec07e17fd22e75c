//! Rules for external text: which characters are dropped, which words mean "no value", how long ids
//! and names may be. The event Worker and the table readers share these functions, so both treat a
//! row alike.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::printable::is_unprintable;

/// The most bytes in an id of a listing, tab, experiment or variant.
pub const ID_MAX_BYTES: usize = 128;
/// The most characters in a name of a shop, channel or brand.
pub const NAME_MAX_CHARS: usize = 200;
/// The most that Unicode's composed form (NFC) lengthens a text, as a factor, both in UTF-8 and in
/// characters (unicode.org/faq/normalization.html, "What are the maximum expansion factors").
const NFC_GROWTH: usize = 3;

/// Whether a character is dropped because it carries no text or acts on its neighbours: controls,
/// directional marks, byte order marks and zero-width spaces.
pub fn is_dropped(c: char) -> bool {
    is_unprintable(c) || matches!(c, '\u{feff}' | '\u{200b}')
}

/// The text without [dropped](is_dropped) characters, trimmed, and with each inner run of
/// whitespace as one space. Borrowed if trimming suffices.
pub fn tidy(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_dropped(c));
    if is_tidy(text) {
        return Cow::Borrowed(text);
    }
    let mut tidied = String::with_capacity(text.len());
    for c in text.chars().filter(|&c| c.is_whitespace() || !is_dropped(c)) {
        if !c.is_whitespace() {
            tidied.push(c);
        } else if !tidied.ends_with(' ') {
            tidied.push(' ');
        }
    }
    Cow::Owned(tidied)
}

fn is_tidy(text: &str) -> bool {
    let mut after_space = false;
    text.chars().all(|c| {
        let is_space = c == ' ';
        let is_odd = if is_space { after_space } else { c.is_whitespace() };
        after_space = is_space;
        !is_odd && !is_dropped(c)
    })
}

/// Whether a tidied text means "no value", in any column or field.
pub fn is_null_text(text: &str) -> bool {
    const NULLS: [&str; 9] = ["null", "none", "nil", "n/a", "nan", "undefined", "\\n", "(null)", "<na>"];
    /// The error values of spreadsheet cells.
    const FAILED: [&str; 7] = ["#n/a", "#value!", "#ref!", "#name?", "#div/0!", "#num!", "#null!"];
    NULLS.iter().chain(&FAILED).any(|null| text.eq_ignore_ascii_case(null)) || text == "-"
}

/// Whether a cleaned user id is one that clients and warehouses write for nobody: `undefined`, `0`,
/// `(not set)`, a UUID of zeros, 비회원. Otherwise all anonymous viewers would count as one user with
/// a taste.
pub fn is_nobody(id: &str) -> bool {
    const SAID: [&str; 18] = [
        "empty",
        "false",
        "unknown",
        "anonymous",
        "anon",
        "guest",
        "nobody",
        "(not set)",
        "(not provided)",
        "[object object]",
        "not_set",
        "no_user",
        "비회원",
        "게스트",
        "비로그인",
        "미로그인",
        "익명",
        "없음",
    ];
    // A shortcut: every row asks this, and nearly all ids have such a digit.
    if id.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        return id == "-1";
    }
    let is_zero = id.bytes().all(|byte| matches!(byte, b'0' | b'-')) && id.contains('0');
    is_null_text(id) || is_zero || SAID.iter().any(|said| id.eq_ignore_ascii_case(said))
}

/// Whether NFC leaves `c` unchanged whatever its neighbours: true below U+0300, and for Hangul
/// syllables and the common ideographs.
pub fn is_composed(c: char) -> bool {
    c < '\u{300}' || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{4e00}'..='\u{9fff}')
}

/// `text` with conjoining jamo, which macOS and iOS send (NFD), composed into syllables by the
/// arithmetic of the Unicode Standard, section 3.12. Only Hangul is composed; the edge's Worker has
/// no room for the tables of other scripts.
#[inline(never)]
pub fn compose_hangul(text: &str) -> String {
    let mut composed = String::with_capacity(text.len());
    let mut held = None;
    for c in text.chars() {
        let joined = held.and_then(|last| join(last, c));
        if joined.is_none() {
            composed.extend(held);
        }
        held = joined.or(Some(c));
    }
    composed.extend(held);
    composed
}

/// Composes a leading consonant with a vowel, or a syllable that has no final consonant with one.
fn join(first: char, second: char) -> Option<char> {
    const VOWELS: u32 = 21;
    /// The number of final consonants, counting the absent one.
    const FINALS: u32 = 28;
    const SYLLABLE: u32 = 0xac00;
    let place = |c: char, base: u32, count: u32| u32::from(c).checked_sub(base).filter(|place| *place < count);
    let syllable = if let (Some(lead), Some(vowel)) = (place(first, 0x1100, 19), place(second, 0x1161, VOWELS)) {
        lead.saturating_mul(VOWELS).saturating_add(vowel).saturating_mul(FINALS)
    } else {
        let open = place(first, SYLLABLE, 11_172).filter(|syllable| syllable % FINALS == 0)?;
        open.saturating_add(place(second, 0x11a7, FINALS).filter(|last| *last > 0)?)
    };
    char::from_u32(SYLLABLE.saturating_add(syllable))
}

/// Whether a tidied id fits [`ID_MAX_BYTES`] in NFC, the form in which tables are read.
pub fn is_id_short(id: &str) -> bool {
    let bytes = id.chars().map(|c| if is_composed(c) { c.len_utf8() } else { NFC_GROWTH.saturating_mul(c.len_utf8()) });
    bytes.sum::<usize>() <= ID_MAX_BYTES
}

/// Whether a tidied name fits [`NAME_MAX_CHARS`] in NFC.
pub fn is_name_short(name: &str) -> bool {
    let chars = name.chars().map(|c| if is_composed(c) { 1 } else { NFC_GROWTH });
    chars.sum::<usize>() <= NAME_MAX_CHARS
}

/// Whether `text` consists only of `A-Z`, `a-z`, `0-9`, `_` and `-`, with a length in `chars`. Such
/// a text needs no escaping in headers and addresses.
pub fn is_token(text: &str, chars: RangeInclusive<usize>) -> bool {
    chars.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization as _;

    #[test]
    fn who_is_nobody_and_who_is_called_nearly_so() {
        for nobody in [
            "undefined",
            "null",
            "NaN",
            "None",
            "0",
            "0000",
            "-1",
            "00000000-0000-0000-0000-000000000000",
            "(not set)",
            "Anonymous",
            "[object Object]",
            "비회원",
            "<NA>",
        ] {
            assert!(is_nobody(nobody), "{nobody}");
        }
        for user in ["1", "10", "0x1", "u000000", "undefined2", "guest77", "11111111", "none@shop.kr", "-"] {
            assert_eq!(is_nobody(user), user == "-", "{user}");
        }
    }

    /// Jamo at both ends of each block, with neighbours that do not compose (no letter here takes
    /// an accent), and syllables with and without a final consonant.
    fn hangul() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            4 => (0x10fe_u32..0x1116).prop_filter_map("no character", char::from_u32),
            4 => (0x115e_u32..0x1179).prop_filter_map("no character", char::from_u32),
            4 => (0x11a5_u32..0x11c6).prop_filter_map("no character", char::from_u32),
            3 => (0xac00_u32..0xd7b0).prop_filter_map("no character", char::from_u32),
            1 => prop_oneof![Just(' '), Just('q'), Just('/'), Just('\u{301}'), Just('ㄱ'), Just('ﾡ')],
        ];
        proptest::collection::vec(c, 0..24).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn hangul_is_composed_as_nfc_composes_it(text in hangul()) {
            prop_assert_eq!(compose_hangul(&text), text.nfc().collect::<String>());
            let nfc: String = text.nfc().collect();
            let nfd: String = nfc.nfd().collect();
            prop_assert_eq!(&compose_hangul(&nfd), &nfc);
            prop_assert_eq!(&compose_hangul(&nfc), &nfc);
        }

        #[test]
        fn what_is_composed_is_the_same_text(text in any::<String>()) {
            prop_assert_eq!(compose_hangul(&text).nfc().collect::<String>(), text.nfc().collect::<String>());
        }
    }

    #[test]
    fn every_syllable_composes_and_what_is_composed_stays() {
        for syllable in '\u{ac00}'..='\u{d7a3}' {
            let apart: String = syllable.nfd().collect();
            assert_eq!(compose_hangul(&apart), String::from(syllable));
        }
        for text in ["뷰티", "패션/잡화", "Beauté", ""] {
            assert_eq!(compose_hangul(text), text);
        }
        let apart: String = "Café".nfd().collect();
        assert_eq!(compose_hangul(&apart), apart, "nothing but Hangul");
    }

    #[test]
    fn what_carries_nothing_is_gone_and_what_says_nothing_is_known_by_what_is_left() {
        for (text, expected) in
            [("  GS샵\u{a0}", "GS샵"), ("\u{feff}a \t\n b\u{200b}c", "a bc"), ("\u{200b}", ""), ("\u{0}-\u{7}", "-")]
        {
            assert_eq!(tidy(text), expected, "{text:?}");
        }
        for null in
            ["-", "NULL", "un\u{200b}defined", " None ", "NaN", "\\N", "(null)", "n/a", "nil", "<NA>", "#N/A", "#REF!"]
        {
            assert!(is_null_text(&tidy(null)), "{null}");
        }
        assert!(!["0", "--", "no", "없음"].into_iter().any(is_null_text));
    }

    #[test]
    fn a_text_that_grows_when_it_is_composed_is_measured_by_what_it_becomes() {
        assert!(is_id_short(&"가".repeat(42)) && !is_id_short(&"가".repeat(43)));
        // NFC writes U+0958 as two characters.
        assert!(is_id_short(&"\u{958}".repeat(14)) && !is_id_short(&"\u{958}".repeat(15)));
        assert!(is_name_short(&"가".repeat(200)) && !is_name_short(&"가".repeat(201)));
        assert!(!is_name_short(&"\u{1d160}".repeat(67)));
    }
}
