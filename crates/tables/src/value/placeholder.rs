//! Placeholders for unknown values: in titles, codes and brands.

use sinsang_core::text::is_null_text;

use super::is_alphanumeric;

/// Whether a cleaned title is a placeholder for a product: 상품준비중, [방송상품 미정], TBD.
pub fn is_title_placeholder(text: &str) -> bool {
    const HEADS: [&str; 6] = ["방송", "편성", "판매", "해당", "신규", "상품명"];
    const SAID: [&str; 14] = [
        "상품준비중",
        "준비중",
        "상품미정",
        "미정",
        "상품없음",
        "없음",
        "추후공지",
        "추후안내",
        "추후편성",
        "상품확인중",
        "확인중",
        "tbd",
        "tba",
        "제목없음",
    ];
    if is_null_text(text.trim()) {
        return true;
    }
    let bare: String = text.chars().filter(|c| is_alphanumeric(*c)).flat_map(char::to_lowercase).collect();
    let ends = ["입니다", "됩니다", "예정"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(&bare);
    let said = |text: &str| SAID.contains(&text) || is_null_text(text);
    said(ends) || HEADS.iter().any(|head| ends.strip_prefix(head).is_some_and(said))
}

/// Whether a cleaned text is a placeholder for "no brand". 노브랜드 and No Brand are a brand.
pub fn is_brand_placeholder(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 22] = [
        "없음",
        "브랜드없음",
        "브랜드미지정",
        "브랜드미등록",
        "미지정",
        "미등록",
        "미정",
        "해당없음",
        "해당사항없음",
        "기타",
        "기타브랜드",
        "상세설명참조",
        "상세설명참고",
        "상세정보참조",
        "상세정보참고",
        "상세페이지참조",
        "상세페이지참고",
        "상세참조",
        "상품상세참조",
        "상품상세설명참조",
        "상품상세정보참조",
        "상품정보참조",
    ];
    if is_null_text(text) || !text.chars().any(is_alphanumeric) {
        return true;
    }
    let bare: String = text.chars().filter(|c| is_alphanumeric(*c)).flat_map(char::to_lowercase).collect();
    PLACEHOLDERS.contains(&bare.as_str()) || (bare.is_ascii() && bare != "nobrand" && says_there_is_no_brand(text))
}

/// Whether a text says in English that the brand is unknown, in no other words:
/// `[No brand names found.]`, `Brand: not specified`, `Unbranded`.
fn says_there_is_no_brand(text: &str) -> bool {
    /// Words that say so alone.
    const SAID: [&str; 9] = ["unknown", "unbranded", "generic", "etc", "other", "others", "unspecified", "tbd", "tba"];
    const DENIED: [&str; 3] = ["no", "not", "none"];
    const BESIDE: [&str; 21] = [
        "brand",
        "brands",
        "found",
        "available",
        "specified",
        "listed",
        "provided",
        "given",
        "detected",
        "identified",
        "mentioned",
        "applicable",
        "info",
        "information",
        "data",
        "name",
        "names",
        "is",
        "was",
        "for",
        "item",
    ];
    /// Words that, alone beside a denial, may be a brand's name.
    const LOOSE: [&str; 5] = ["name", "names", "is", "was", "for"];
    let (mut is_said, mut is_denied, mut is_about) = (false, false, false);
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        let word = word.as_str();
        if SAID.contains(&word) {
            is_said = true;
        } else if DENIED.contains(&word) {
            is_denied = true;
        } else if BESIDE.contains(&word) {
            is_about |= !LOOSE.contains(&word);
        } else {
            return false;
        }
    }
    is_said || (is_denied && is_about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_that_stand_for_a_product_to_come_are_none() {
        for none in [
            "상품준비중",
            "★ 상품 준비중 ★",
            "준비중입니다",
            "[방송상품 미정]",
            "방송 상품준비중입니다.",
            "편성 추후 공지",
            "상품명 미정",
            "TBD",
            "t.b.a",
            "NaN",
            "null",
            " undefined ",
            "-",
            "제목 없음",
            "미정입니다",
        ] {
            assert!(is_title_placeholder(none), "{none}");
        }
        for title in [
            "준비된 사과 5kg",
            "미정이네 김치 3kg",
            "나눔 NaN 밥솥",
            "TBD 골프화",
            "상품권 10만원권",
            "무쇠 가마솥",
            "편성 특집 한우",
        ] {
            assert!(!is_title_placeholder(title), "{title}");
        }
    }

    #[test]
    fn placeholders_are_no_brand_and_brands_are() {
        for none in [
            "-",
            ".",
            "***",
            "없음",
            "브랜드 없음",
            "(상세설명참조)",
            "상품 상세정보 참조",
            "기타",
            "NULL",
            "N/A",
            "null",
            "None",
            "해당없음",
            "[No brand names found.]",
            "No brand name",
            "Brand not specified",
            "Unknown",
            "UNBRANDED",
            "No brands listed",
            "Brand unknown",
            "unknown brand",
            "Not applicable",
            "none found",
            "etc.",
        ] {
            assert!(is_brand_placeholder(none), "{none}");
        }
        for brand in [
            "노브랜드",
            "No Brand",
            "NA",
            "기타리스트",
            "A",
            "3M",
            "없음표",
            "No Name",
            "Otherwise",
            "The Brand",
            "Not Your Mother's",
            "no.1",
            "Brand",
        ] {
            assert!(!is_brand_placeholder(brand), "{brand}");
        }
    }
}
