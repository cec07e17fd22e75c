//! Similarity of spellings: by the jamo of Hangul syllables, and between Hangul and Latin by
//! consonants.

/// Writes the jamo of Hangul syllables, and other characters unchanged, to `out`.
fn letters(text: &str, out: &mut Vec<char>) {
    const BASE: u32 = 0xAC00;
    const LAST: u32 = 0xD7A3;
    out.clear();
    for ch in text.chars() {
        let code = u32::from(ch);
        if !(BASE..=LAST).contains(&code) {
            out.push(ch);
            continue;
        }
        let index = code - BASE;
        let (initial, vowel, last) = (index / 588, index % 588 / 28, index % 28);
        out.extend(char::from_u32(0x1100 + initial));
        out.extend(char::from_u32(0x1161 + vowel));
        if last > 0 {
            out.extend(char::from_u32(0x11A7 + last));
        }
    }
}

/// Whether `a` and `b` are one word with a typing error: at most one jamo in seven differs, or, in
/// words of three syllables, one similar vowel.
pub(crate) fn slip(a: &str, b: &str) -> bool {
    let (count_a, count_b) = (a.chars().count(), b.chars().count());
    if count_a.min(count_b) < 3 || count_a.abs_diff(count_b) > 1 || count_a.max(count_b) > 24 {
        return false;
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    letters(a, &mut left);
    letters(b, &mut right);
    if a.is_ascii() && left.len().min(right.len()) < 6 {
        return false;
    }
    let distance = strsim::generic_levenshtein(&left, &right);
    // Three-syllable names that differ by a vowel are too often two names, so they are allowed
    // less.
    let allowed = if count_a.min(count_b) == 3 { 1 } else { left.len().max(right.len()) / 7 };
    distance > 0 && distance <= allowed && (count_a.min(count_b) > 3 || vowels_only(&left, &right))
}

/// Whether the two differ only in vowels that spell similar sounds.
fn vowels_only(left: &[char], right: &[char]) -> bool {
    const ALIKE: [(char, char); 6] = [
        ('\u{1162}', '\u{1166}'), // ㅐ ㅔ
        ('\u{1161}', '\u{1163}'), // ㅏ ㅑ
        ('\u{1165}', '\u{1167}'), // ㅓ ㅕ
        ('\u{1169}', '\u{116D}'), // ㅗ ㅛ
        ('\u{116E}', '\u{1172}'), // ㅜ ㅠ
        ('\u{1165}', '\u{1169}'), // ㅓ ㅗ
    ];
    left.len() == right.len()
        && left.iter().zip(right).all(|(&a, &b)| a == b || ALIKE.contains(&(a, b)) || ALIKE.contains(&(b, a)))
}

/// Consonants of a word as sound classes common to Hangul and Latin spellings.
fn consonants(text: &str) -> Option<String> {
    // Initial consonants are ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ; final ones go by their index.
    const INITIAL: [char; 19] =
        ['k', 'k', 'n', 't', 't', 'r', 'm', 'p', 'p', 's', 's', ' ', 's', 's', 's', 'k', 't', 'p', 'h'];
    const FINAL: [char; 28] = [
        ' ', 'k', 'k', 'k', 'n', 'n', 'n', 't', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'm', 'p', 'p', 's', 's', 'n',
        's', 's', 'k', 't', 'p', 't',
    ];
    let mut out = String::new();
    let mut push = |sound: char| {
        if sound != ' ' && sound != 'h' && !out.ends_with(sound) {
            out.push(sound);
        }
    };
    let mut before = ' ';
    for ch in text.chars() {
        let code = u32::from(ch);
        // The g of ng is not a separate sound.
        let silent = ch == 'g' && before == 'n';
        before = ch;
        if silent {
            continue;
        }
        if (0xAC00..=0xD7A3).contains(&code) {
            let index = usize::try_from(code - 0xAC00).ok()?;
            push(*INITIAL.get(index / 588)?);
            push(*FINAL.get(index % 28)?);
        } else {
            match ch {
                'b' | 'p' | 'f' | 'v' => push('p'),
                'c' | 'k' | 'g' | 'q' => push('k'),
                'd' | 't' => push('t'),
                'j' | 's' | 'z' => push('s'),
                'l' | 'r' => push('r'),
                'm' => push('m'),
                'n' => push('n'),
                'x' => {
                    push('k');
                    push('s');
                }
                'a'..='z' | '\'' | '.' | '-' | '&' => {}
                _ => return None,
            }
        }
    }
    Some(out)
}

/// Whether two words of at least three syllables are two spellings of one foreign name: 엘릭서, 엘릭시르.
pub(crate) fn respelled(a: &str, b: &str) -> bool {
    if a.is_ascii() || b.is_ascii() || a.chars().next() != b.chars().next() {
        return false;
    }
    let counts = (a.chars().count(), b.chars().count());
    if counts.0.min(counts.1) < 3 || counts.0.max(counts.1) > 12 {
        return false;
    }
    let (Some(left), Some(right)) = (consonants(a), consonants(b)) else { return false };
    if left.chars().count() < 2 || !close(&left, &right) {
        return false;
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    letters(a, &mut x);
    letters(b, &mut y);
    10 * strsim::generic_levenshtein(&x, &y) <= 3 * x.len().max(y.len())
}

/// Whether one word is Latin, the other Hangul, and they sound alike.
///
/// English `c` and `ch` may sound like k or s; both are tried at the beginning of the word.
pub(crate) fn transliterated(a: &str, b: &str) -> bool {
    let (latin, hangul) = match (a.is_ascii(), b.is_ascii()) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return false,
    };
    if latin.chars().count() < 3 || hangul.chars().count() < 2 || latin.len() > 24 || hangul.len() > 48 {
        return false;
    }
    let Some(heard) = consonants(hangul) else { return false };
    if heard.chars().count() < 2 {
        return false;
    }
    let soft = latin.replace("ch", "s").replace("ce", "se").replace("ci", "si").replace("cy", "sy");
    [latin, soft.as_str()].iter().any(|spelling| consonants(spelling).is_some_and(|sounds| close(&sounds, &heard)))
}

/// Whether consonants are equal except for final sounds that Korean omits or writes as a separate
/// syllable.
fn close(latin: &str, hangul: &str) -> bool {
    if latin == hangul {
        return true;
    }
    let (mut a, mut b) = (latin.chars().collect::<Vec<_>>(), hangul.chars().collect::<Vec<_>>());
    // Korean omits an r before a consonant or at the end: shark, sports.
    a.retain(|&sound| sound != 'r');
    b.retain(|&sound| sound != 'r');
    a.len() >= 2 && a == b && latin.chars().count().abs_diff(hangul.chars().count()) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_one_word_and_other_names_are_not() {
        assert!(slip("종아리마사지기", "종아리마사자기"));
        assert!(slip("마스터셰프", "마스터쉐프"));
        assert!(!slip("플렉스", "플로우"));
        assert!(!slip("사과", "사고"));
        assert!(!slip("r7", "r9"));
    }

    #[test]
    fn a_foreign_name_is_heard_in_two_spellings() {
        assert!(respelled("엘릭서", "엘릭시르"));
        assert!(!respelled("헤이즐", "헤이즌"));
        assert!(!respelled("로렌", "로란"));
        assert!(!respelled("봄바람", "봄비"));
    }

    #[test]
    fn a_brand_is_heard_in_either_script() {
        for (latin, hangul) in [
            ("puma", "푸마"),
            ("kolping", "콜핑"),
            ("columbia", "컬럼비아"),
            ("chanel", "샤넬"),
            ("samsonite", "쌤소나이트"),
        ] {
            assert!(transliterated(latin, hangul), "{latin} {hangul}");
        }
        assert!(!transliterated("nike", "푸마"));
        assert!(!transliterated("nike", "adidas"));
    }
}
