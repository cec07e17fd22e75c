//! Units after numbers, with their measures and conversions to base units.

use super::Measure;

/// Meaning of a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// A measure, with the factor to its base unit.
    Is(Measure, f64),
    /// A measure whose values include their unit (2구 differs from 2도어).
    Tagged(Measure, &'static str),
    /// Money or a percentage: a remark about the price.
    Money,
    /// A date, time or rank: irrelevant to the article.
    Idle,
    /// A thickness or number of layers that is part of a word (통3중).
    Word,
}

const L: f64 = 1_000.0;
const G: f64 = 1_000.0;

/// Normalised spellings of the units. The longest match wins.
const UNITS: &[(&str, Unit)] = &[
    ("인치", Unit::Is(Measure::Inch, 1.0)),
    ("inch", Unit::Is(Measure::Inch, 1.0)),
    ("형", Unit::Is(Measure::Inch, 1.0)),
    ("\"", Unit::Is(Measure::Inch, 1.0)),
    ("평형", Unit::Is(Measure::Area, 1.0)),
    ("평", Unit::Is(Measure::Area, 1.0)),
    ("인용", Unit::Is(Measure::Persons, 1.0)),
    ("인승", Unit::Is(Measure::Persons, 1.0)),
    ("인", Unit::Is(Measure::Persons, 1.0)),
    ("리터", Unit::Is(Measure::Volume, L)),
    ("ℓ", Unit::Is(Measure::Volume, L)),
    ("l", Unit::Is(Measure::Volume, L)),
    ("ml", Unit::Is(Measure::Volume, 1.0)),
    ("cc", Unit::Is(Measure::Volume, 1.0)),
    ("미리", Unit::Is(Measure::Volume, 1.0)),
    ("kg", Unit::Is(Measure::Weight, G * 1_000.0)),
    ("킬로그램", Unit::Is(Measure::Weight, G * 1_000.0)),
    ("킬로", Unit::Is(Measure::Weight, G * 1_000.0)),
    ("키로", Unit::Is(Measure::Weight, G * 1_000.0)),
    ("g", Unit::Is(Measure::Weight, G)),
    ("그램", Unit::Is(Measure::Weight, G)),
    ("mg", Unit::Is(Measure::Strength, 1.0)),
    ("mcg", Unit::Is(Measure::Strength, 0.001)),
    ("ug", Unit::Is(Measure::Strength, 0.001)),
    ("iu", Unit::Is(Measure::Strength, 1.0)),
    ("억", Unit::Idle),
    ("억마리", Unit::Is(Measure::Strength, 1.0)),
    ("달톤", Unit::Is(Measure::Strength, 1.0)),
    ("da", Unit::Is(Measure::Strength, 1.0)),
    ("ppm", Unit::Is(Measure::Strength, 1.0)),
    ("x", Unit::Is(Measure::Strength, 1.0)),
    ("배", Unit::Idle),
    ("cm", Unit::Is(Measure::Length, 10.0)),
    ("센치", Unit::Is(Measure::Length, 10.0)),
    ("센티", Unit::Is(Measure::Length, 10.0)),
    ("mm", Unit::Is(Measure::Length, 1.0)),
    ("w", Unit::Tagged(Measure::Power, "w")),
    ("kw", Unit::Tagged(Measure::Power, "kw")),
    ("와트", Unit::Tagged(Measure::Power, "w")),
    ("v", Unit::Tagged(Measure::Power, "v")),
    ("볼트", Unit::Tagged(Measure::Power, "v")),
    ("hz", Unit::Tagged(Measure::Power, "hz")),
    ("mah", Unit::Tagged(Measure::Storage, "mah")),
    ("gb", Unit::Tagged(Measure::Storage, "gb")),
    ("tb", Unit::Tagged(Measure::Storage, "tb")),
    ("기가", Unit::Tagged(Measure::Storage, "gb")),
    ("구", Unit::Tagged(Measure::Parts, "구")),
    ("도어", Unit::Tagged(Measure::Parts, "도어")),
    ("단", Unit::Tagged(Measure::Parts, "단")),
    ("칸", Unit::Tagged(Measure::Parts, "칸")),
    ("채널", Unit::Tagged(Measure::Parts, "채널")),
    ("모터", Unit::Tagged(Measure::Parts, "모터")),
    ("일", Unit::Is(Measure::Days, 1.0)),
    ("박", Unit::Idle),
    ("국", Unit::Is(Measure::Countries, 1.0)),
    ("개국", Unit::Is(Measure::Countries, 1.0)),
    ("세대", Unit::Is(Measure::Generation, 1.0)),
    ("탄", Unit::Is(Measure::Generation, 1.0)),
    ("기", Unit::Is(Measure::Generation, 1.0)),
    ("k", Unit::Is(Measure::Purity, 1.0)),
    ("년", Unit::Is(Measure::Year, 1.0)),
    ("년형", Unit::Is(Measure::Year, 1.0)),
    ("년식", Unit::Is(Measure::Year, 1.0)),
    ("년산", Unit::Is(Measure::Year, 1.0)),
    ("년도", Unit::Is(Measure::Year, 1.0)),
    ("년도산", Unit::Is(Measure::Year, 1.0)),
    ("년근", Unit::Word),
    ("년생", Unit::Word),
    ("중", Unit::Word),
    ("겹", Unit::Word),
    ("단계", Unit::Word),
    ("모드", Unit::Word),
    ("in1", Unit::Word),
    ("호", Unit::Idle),
    ("원", Unit::Money),
    ("원대", Unit::Money),
    ("만원", Unit::Money),
    ("만원대", Unit::Money),
    ("천원", Unit::Money),
    ("백원", Unit::Money),
    ("만", Unit::Money),
    ("%", Unit::Money),
    ("off", Unit::Money),
    ("위", Unit::Money),
    ("차", Unit::Idle),
    ("회", Unit::Idle),
    ("회차", Unit::Idle),
    ("부", Unit::Idle),
    ("월", Unit::Idle),
    ("시", Unit::Idle),
    ("시간", Unit::Idle),
    ("분", Unit::Idle),
    ("초", Unit::Idle),
    ("주년", Unit::Idle),
    ("성급", Unit::Idle),
    ("성", Unit::Idle),
    ("대", Unit::Idle),
    ("번", Unit::Idle),
    ("번째", Unit::Idle),
    ("무", Unit::Idle),
    ("도", Unit::Idle),
    ("행", Unit::Idle),
    ("행사", Unit::Idle),
    ("사이즈", Unit::Idle),
    ("컬러", Unit::Idle),
    ("색", Unit::Idle),
    ("년연속", Unit::Money),
    ("연속", Unit::Money),
    ("만개", Unit::Money),
    ("만족", Unit::Money),
    ("만장", Unit::Money),
];

/// Units of counts: pieces, sets, doses, durations of use.
const PACKS: &[&str] = &[
    "개월",
    "개월분",
    "개월치",
    "주분",
    "주",
    "주치",
    "일분",
    "일치",
    "회분",
    "인분",
    "개",
    "개입",
    "개구성",
    "종",
    "종세트",
    "종구성",
    "종패키지",
    "세트",
    "set",
    "sets",
    "셋트",
    "박스",
    "box",
    "상자",
    "팩",
    "pack",
    "포",
    "포대",
    "매",
    "매입",
    "장",
    "장입",
    "병",
    "통",
    "봉",
    "봉지",
    "캔",
    "정",
    "캡슐",
    "알",
    "입",
    "켤레",
    "족",
    "벌",
    "롤",
    "줄",
    "포기",
    "마리",
    "미",
    "손",
    "쪽",
    "판",
    "구성",
    "피스",
    "p",
    "pcs",
    "ea",
    "필",
    "본",
    "자루",
    "묶음",
    "두름",
    "송이",
    "망",
    "가닥",
    "구입",
    "과",
    "과내",
    "수",
    "켤례",
    "조각",
    "토막",
    "접",
    "가지",
    "가지맛",
    "t",
    "스틱",
    "파우치",
    "단지",
    "kit",
    "키트",
    "set구성",
    "번들",
    "한정",
    "대분",
    "회권",
    "인조",
    "인세트",
];

/// The longest unit at the start of `text`, with its length in characters.
///
/// A unit in Latin letters must end there: `7l` is a volume, `7lx` is not.
pub(crate) fn leading(text: &[char]) -> Option<(Option<Unit>, usize)> {
    let mut best: Option<(Option<Unit>, usize)> = None;
    let fits = |spelling: &str| -> Option<usize> {
        let mut count = 0;
        for ch in spelling.chars() {
            if text.get(count) != Some(&ch) {
                return None;
            }
            count += 1;
        }
        let last_is_latin = spelling.ends_with(|ch: char| ch.is_ascii_alphabetic());
        let goes_on = text.get(count).is_some_and(char::is_ascii_alphabetic);
        let joins = text.get(count) == Some(&'x') && text.get(count + 1).is_some_and(char::is_ascii_digit);
        (!(last_is_latin && goes_on) || joins).then_some(count)
    };
    for &(spelling, unit) in UNITS {
        if let Some(count) = fits(spelling)
            && best.is_none_or(|(_, length)| count > length)
        {
            best = Some((Some(unit), count));
        }
    }
    for spelling in PACKS {
        if let Some(count) = fits(spelling)
            && best.is_none_or(|(_, length)| count > length)
        {
            best = Some((None, count));
        }
    }
    best
}

/// Whether a unit may be separated from its number: a one-syllable unit that is also a word may
/// not.
pub(crate) fn stands_apart(spelling: &[char]) -> bool {
    const SINGLE: [char; 14] = ['개', '종', '팩', '포', '매', '장', '병', '통', '봉', '일', '형', '평', '구', 'p'];
    match spelling {
        [single] => SINGLE.contains(single),
        _ => true,
    }
}

/// The comparable value of `number` in `unit`.
pub(crate) fn value(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Is(_, factor) => trimmed(number * factor),
        Unit::Tagged(_, tag) => format!("{}{tag}", trimmed(number)),
        Unit::Money | Unit::Idle | Unit::Word => trimmed(number),
    }
}

/// A number rounded to three decimals, without trailing zeros.
pub(crate) fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(Option<Unit>, usize)> {
        leading(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_unit_is_taken_and_latin_ones_must_end() {
        assert_eq!(of("개월분"), Some((None, 3)));
        assert_eq!(of("인용"), Some((Some(Unit::Is(Measure::Persons, 1.0)), 2)));
        assert_eq!(of("인분"), Some((None, 2)));
        assert_eq!(of("kgx3"), Some((Some(Unit::Is(Measure::Weight, 1_000_000.0)), 2)));
        assert_eq!(of("lx"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn values_compare_across_units() {
        assert_eq!(value(1.5, Unit::Is(Measure::Volume, L)), value(1500.0, Unit::Is(Measure::Volume, 1.0)));
        assert_eq!(trimmed(4.70), "4.7");
    }
}
