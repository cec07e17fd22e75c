//! Detection of a text file's encoding: UTF-8, or CP949, the old Korean code page. The file as a
//! whole decides, and a single row only if no other row does: the bytes of one word may be valid in
//! both.

use std::borrow::Cow;

use encoding_rs::EUC_KR;

/// Bytes at a file's start from which its encoding is detected.
pub const SAMPLE_BYTES: u64 = 1 << 20;

/// The evidence of a file's encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Lines, or values, that are Korean in UTF-8 and hardly anything else.
    utf8: u64,
    /// Lines, or values, that are Korean in CP949 and hardly anything else.
    cp949: u64,
    /// Whether the file begins with UTF-8's byte order mark.
    is_marked: bool,
}

/// A decoded text, with its original encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<'b> {
    /// UTF-8, including ASCII.
    Utf8(&'b str),
    /// CP949.
    Cp949(String),
    /// Neither.
    Neither,
}

impl Encoding {
    /// The evidence in the start of a file.
    pub fn of(sample: &[u8]) -> Self {
        let mut encoding = Self { is_marked: sample.starts_with(b"\xef\xbb\xbf"), ..Self::default() };
        for line in sample.split(|&byte| byte == b'\n').filter(|line| !line.is_ascii()) {
            encoding.learn(line);
        }
        encoding
    }

    /// Counts `bytes` as evidence, if they are conclusive. Browsers' detectors are no help: a
    /// single damaged byte rules out UTF-8 for them.
    fn learn(&mut self, bytes: &[u8]) {
        match str::from_utf8(bytes) {
            Ok(text) => self.utf8 += u64::from(text.contains(is_hangul)),
            Err(_) => self.cp949 += u64::from(surely_cp949(bytes).is_some()),
        }
    }

    /// Whether texts that are valid in both encodings are read as CP949.
    pub fn is_cp949(&self) -> bool {
        !self.is_marked && self.cp949 > self.utf8
    }

    /// Decodes a text of the file. If there is no evidence yet, this text counts as evidence.
    pub fn read<'b>(&mut self, bytes: &'b [u8]) -> Decoded<'b> {
        let text = str::from_utf8(bytes);
        // The common case: a text in a UTF-8 file, or ASCII.
        if let Ok(text) = text
            && ((self.utf8 > 0 && !self.is_cp949()) || text.is_ascii())
        {
            return Decoded::Utf8(text);
        }
        if self.utf8 == 0 && self.cp949 == 0 {
            self.learn(bytes);
        }
        match (text, self.is_cp949()) {
            (Ok(text), false) => Decoded::Utf8(text),
            // Bytes may be text in both encodings, and Hangul too (胥곌가 is also ࡰ갡). Half of the
            // bytes of Hangul in UTF-8 are not in KS X 1001, so a line without any of those follows
            // its file.
            (Ok(text), true) if text.contains(is_hangul) && has_extension(bytes) => Decoded::Utf8(text),
            (Ok(text), true) => cp949(bytes).map_or(Decoded::Utf8(text), |text| Decoded::Cp949(text.into_owned())),
            (Err(_), is_cp949) => {
                let text = if is_cp949 { cp949(bytes) } else { surely_cp949(bytes) };
                // Two syllables of UTF-8, cut within a character, may look like hanja and a
                // syllable.
                let text = text.filter(|text| is_cp949 || self.utf8 == 0 || !text.contains(is_hanja));
                text.map_or(Decoded::Neither, |text| Decoded::Cp949(text.into_owned()))
            }
        }
    }
}

/// Decodes bytes as CP949 (EUC-KR and its extension), whatever their content.
///
/// The second byte of a character is never a quote, comma or backslash, so rows may be split before
/// decoding.
fn cp949(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let text = EUC_KR.decode_without_bom_handling_and_without_replacement(bytes)?;
    (!text.contains(|c: char| matches!(c, '\u{80}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}'))).then_some(text)
}

/// Decodes bytes as CP949 if they can be nothing else: they must have Hangul, and either no hanja
/// or no syllable outside KS X 1001. Cut or patched UTF-8 shows hanja, and every second syllable of
/// it is outside KS X 1001; hardly a Korean word has such a syllable.
fn surely_cp949(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let text = cp949(bytes)?;
    let is_sure = text.contains(is_hangul) && (!text.contains(is_hanja) || !has_extension(bytes));
    is_sure.then_some(text)
}

/// Whether CP949 bytes have a character outside KS X 1001.
fn has_extension(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((&lead, behind)) = rest.split_first() {
        rest = behind;
        if !lead.is_ascii() {
            let Some((&trail, behind)) = behind.split_first() else { return true };
            rest = behind;
            if lead < 0xa1 || trail < 0xa1 {
                return true;
            }
        }
    }
    false
}

fn is_hangul(c: char) -> bool {
    matches!(c, '가'..='힣' | 'ㄱ'..='ㅣ')
}

fn is_hanja(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The name of an unsupported encoding, if a file's byte order mark declares one.
pub fn foreign_mark(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        let (bytes, _, unmapped) = EUC_KR.encode(text);
        assert!(!unmapped, "{text}");
        bytes.into_owned()
    }

    #[test]
    fn korean_of_the_old_code_page_is_read_and_damage_is_not() {
        for text in [
            "무쇠솥 24cm",
            "[방송에서만] 똠방각하 펲시콜라",
            "★특가★ 49,900원",
            "큰솥",
            // Three consecutive bytes of these are Hangul in UTF-8, beginning within a character.
            "GS,브릿지 니트,49900",
            "특大 휠라 正品",
            "デザイン 원피스",
            "Ω 오메가 Α",
            "１＋１ 행사 ㎏",
        ] {
            assert_eq!(Encoding::default().read(&encoded(text)), Decoded::Cp949(text.to_owned()));
        }
        let cut = "무쇠솥".as_bytes();
        for damaged in [&cut[..cut.len() - 1], b"\xff\xfe", b"caf\xe9", b"\xea\xb0", &[0xb0, 0xa1, 0xff]] {
            assert_eq!(Encoding::default().read(damaged), Decoded::Neither, "{damaged:x?}");
        }
        let both = [&encoded("무쇠솥"), "솥뚜껑".as_bytes()].concat();
        assert_eq!(Encoding::default().read(&both), Decoded::Neither, "two encodings in one text");
    }

    #[test]
    fn a_file_says_what_its_words_alone_do_not() {
        // Each is a word in either encoding.
        for (old, new) in [("최", "ֶ"), ("正", ""), ("胥곌가", "ࡰ갡")] {
            let bytes = encoded(old);
            let file = [encoded("무쇠솥\n가마솥\n"), bytes.clone()].concat();
            assert_eq!(Encoding::of(&file).read(&bytes), Decoded::Cp949(old.to_owned()));
            if let Ok(text) = str::from_utf8(&bytes) {
                assert_eq!(text, new);
                assert_eq!(Encoding::of("무쇠솥".as_bytes()).read(&bytes), Decoded::Utf8(text));
            }
        }
        // A line in the other encoding is still read in either file.
        let mut utf8 = Encoding::of("무쇠솥\n가마솥\n".as_bytes());
        assert_eq!(utf8.read(&encoded("브릿지 니트")), Decoded::Cp949("브릿지 니트".to_owned()));
        let mut cp949 = Encoding::of(&encoded("무쇠솥\n가마솥\n"));
        assert_eq!(cp949.read("브릿지 니트".as_bytes()), Decoded::Utf8("브릿지 니트"));
        // A byte order mark decides.
        let marked = ["\u{feff}".as_bytes(), &encoded("무쇠솥\n가마솥")].concat();
        assert!(!Encoding::of(&marked).is_cp949());
    }

    /// Words of KS X 1001, some with hanja.
    fn words() -> impl Strategy<Value = String> {
        let letter = prop_oneof![
            20 => (0xb0_u8..=0xc8, 0xa1_u8..=0xfe),
            1 => (0xca_u8..=0xfd, 0xa1_u8..=0xfe),
            1 => (0xaa_u8..=0xaa, 0xa1_u8..=0xf3),
        ];
        let letter = letter.prop_map(|(lead, trail)| EUC_KR.decode(&[lead, trail]).0.into_owned());
        prop::collection::vec(prop_oneof![8 => letter, 1 => "[ a-zA-Z0-9]"], 1..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn what_a_file_of_either_encoding_holds_comes_back(lines in prop::collection::vec(words(), 20..40)) {
            let text = lines.join("\n");
            prop_assume!(text.matches(is_hangul).count() > 60);
            let (utf8, cp949) = (Encoding::of(text.as_bytes()), Encoding::of(&encoded(&text)));
            prop_assert!(!utf8.is_cp949() && cp949.is_cp949(), "{:?} {:?}", utf8, cp949);
            for line in &lines {
                let bytes = encoded(line);
                let (mut utf8, mut cp949) = (utf8, cp949);
                prop_assert_eq!(utf8.read(line.as_bytes()), Decoded::Utf8(line));
                let read = cp949.read(&bytes);
                prop_assert!(matches!(&read, Decoded::Cp949(text) if text == line) || read == Decoded::Utf8(line), "{:?} {}", read, line);
            }
        }

        #[test]
        fn a_text_that_was_cut_within_a_character_is_damage(line in words()) {
            let bytes = line.as_bytes();
            let mut utf8 = Encoding::of(["무쇠솥\n", &line].concat().as_bytes());
            for end in (1..bytes.len()).filter(|&end| !line.is_char_boundary(end)) {
                prop_assert_eq!(utf8.read(&bytes[..end]), Decoded::Neither, "{} of {}", end, line);
            }
        }
    }
}
