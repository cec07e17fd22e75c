//! Texts that are not UTF-8: told apart into Korean of the old code page, which is read, and damage, which is not.

use encoding_rs::EUC_KR;

/// Bytes that are not UTF-8, read as CP949 (EUC-KR and its extension), where they can be nothing else: they hold Hangul and nothing that
/// code page would show only by chance, and no piece of Hangul in UTF-8, which a text has that was cut or patched together.
///
/// Neither quotes, commas nor backslashes are ever the second byte of a character there, so rows may be taken apart before.
pub fn decode_cp949(bytes: &[u8]) -> Option<String> {
    if has_hangul_utf8(bytes) {
        return None;
    }
    let text = EUC_KR.decode_without_bom_handling_and_without_replacement(bytes)?;
    let is_hangul = |c: char| matches!(c, '가'..='힣' | 'ㄱ'..='ㅣ');
    // Signs that titles use, from the rows of symbols: quotes, stars, units, full-width forms.
    let is_sign = |c: char| {
        c.is_ascii()
            || matches!(c, '\u{a0}'..='\u{d7}' | '\u{2010}'..='\u{27bf}' | '\u{3000}'..='\u{301f}' | '\u{3200}'..='\u{33ff}' | '\u{ff01}'..='\u{ffe6}')
    };
    let hangul = text.chars().any(is_hangul);
    (hangul && text.chars().all(|c| is_hangul(c) || is_sign(c))).then(|| text.into_owned())
}

/// Whether three bytes in a row are a Hangul syllable in UTF-8.
fn has_hangul_utf8(bytes: &[u8]) -> bool {
    bytes
        .windows(3)
        .filter(|window| matches!(window.first(), Some(0xea..=0xed)))
        .any(|window| str::from_utf8(window).is_ok_and(|text| text.chars().all(|c| matches!(c, '가'..='힣'))))
}

/// The name of an encoding in which a file's first bytes say it is, and which is not read.
pub fn foreign_mark(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_of_the_old_code_page_is_read_and_damage_is_not() {
        for text in ["무쇠솥 24cm", "[방송에서만] 똠방각하 펲시콜라", "★특가★ 49,900원", "큰솥"]
        {
            let (bytes, _, unmapped) = EUC_KR.encode(text);
            assert!(!unmapped);
            assert_eq!(decode_cp949(&bytes).as_deref(), Some(text));
        }
        let cut = "무쇠솥".as_bytes();
        for damaged in [&cut[..cut.len() - 1], b"\xff\xfe", b"caf\xe9", b"\xea\xb0", &[0xb0, 0xa1, 0xff]] {
            assert_eq!(decode_cp949(damaged), None, "{damaged:x?}");
        }
        let (old, ..) = EUC_KR.encode("무쇠솥");
        assert_eq!(decode_cp949(&[&old, "솥뚜껑".as_bytes()].concat()), None, "two encodings in one text");
    }
}
