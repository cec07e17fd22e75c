//! Parts of an identity score in Korean words.

use sinsang_identity::identity::{CORRECTION, Part, Score};

/// The name of the compared property.
fn name(part: &Part) -> &str {
    match part.name {
        "words" => "제목의 낱말",
        "same_words" => "꾸밈말을 빼면 제목이 같음",
        "model" => "모델명",
        "code" => "짧은 모델 코드",
        "inch" => "인치",
        "area" => "평형",
        "persons" => "인용",
        "parts" => "구·단·도어 수",
        "volume" => "용량",
        "weight" => "무게",
        "length" => "길이",
        "power" => "전력",
        "storage" => "저장 용량",
        "days" => "여행 일수",
        "countries" => "나라 수",
        "generation" => "세대·시즌",
        "strength" => "함량",
        "purity" => "순도",
        "season" => "옷의 시즌",
        "year" => "연식",
        "pack" => "수량",
        "gender" => "남녀 구분",
        "child" => "아동용 여부",
        "brand" => "브랜드",
        "brand_field" => "브랜드 칸",
        "kind" => "품목",
        "kinds_near" => "비슷한 품목",
        "flavour" => "맛·성분·품종",
        "line" => "라인(색 이름)",
        "material" => "소재",
        "variant" => "변형(플러스·프로 따위)",
        "design" => "디자인",
        "origin" => "산지·행선지",
        "season_words" => "계절",
        "price" => "가격",
        "image" => "상품 사진",
        CORRECTION => "담당자 판정",
        other => other,
    }
}

/// Describes a part, with the words or values that differ; those of the earlier listing stand right
/// of the arrow.
pub fn told(part: &Part) -> String {
    let name = name(part);
    let note = part.note.trim();
    let (left, right) = note.split_once('↔').map_or(("", ""), |(left, right)| (left.trim(), right.trim()));
    match (part.name, left, right) {
        ("price", ..) => match note.parse::<f64>() {
            Ok(ratio) => format!("{name}: 싼 쪽이 비싼 쪽의 {:.0} %", ratio * 100.0),
            Err(_) => name.to_owned(),
        },
        ("words", "", "") if note.is_empty() => format!("{name}: 모두 맞음"),
        ("words", left, "") => format!("{name}: 이 제목에만 ‘{left}’"),
        ("words", "", right) => format!("{name}: 앞선 제목에만 ‘{right}’"),
        ("words", left, right) => format!("{name}: 이 제목에만 ‘{left}’, 앞선 제목에만 ‘{right}’"),
        ("image", ..) => format!("{name}이 같음"),
        // Who corrected it, and why, is internal.
        (CORRECTION, ..) => format!("{name}: 다른 상품"),
        ("generation", "", "") => format!("{name} 표시가 한쪽에만 있음"),
        ("child", "", "") => format!("{name}: 표시가 한쪽에만 있음"),
        ("gender", "", "") => format!("{name}: 서로 다르거나 한쪽에만 있음"),
        ("season_words", "", "") => format!("{name}: 여름 것과 겨울 것"),
        _ if note.is_empty() => name.to_owned(),
        (_, left, "") if !left.is_empty() => format!("{name}: 이 제목에만 ‘{left}’"),
        (_, "", right) if !right.is_empty() => format!("{name}: 앞선 제목에만 ‘{right}’"),
        (_, "", "") => format!("{name}: {note}"),
        (_, left, right) => format!("{name}: ‘{left}’ / ‘{right}’"),
    }
}

/// The difference between two similar listings, in a few words; `None` if they share too few words
/// to be similar.
pub fn apart(score: &Score) -> Option<String> {
    /// The weighted share of words that must agree before the earlier listing is mentioned.
    const LIKE: f64 = 0.5;
    let words = score.parts.iter().find(|part| part.name == "words")?;
    (words.value >= LIKE).then(|| score.veto.as_ref().map_or_else(|| told(words), told))
}

#[cfg(test)]
mod tests {
    use sinsang_identity::identity::Sameness;

    use super::*;

    #[test]
    fn a_difference_is_told_by_its_words() {
        let part = |name, note: &str| Part { name, value: -1.0, note: note.to_owned() };
        assert_eq!(told(&part("persons", "6 ↔ 10")), "인용: ‘6’ / ‘10’");
        assert_eq!(told(&part("variant", " ↔ 프로")), "변형(플러스·프로 따위): 앞선 제목에만 ‘프로’");
        assert_eq!(told(&part("words", "")), "제목의 낱말: 모두 맞음");
        assert_eq!(told(&part("price", "0.82")), "가격: 싼 쪽이 비싼 쪽의 82 %");
        let words = |value| Part { value, ..part("words", "") };
        let score = |value| Score {
            probability: 0.1,
            carried_by: Vec::new(),
            total: 0.0,
            evidence: 1.0,
            parts: vec![words(value)],
            veto: Some(part("persons", "6 ↔ 10")),
            verdict: Sameness::Different,
        };
        assert_eq!(apart(&score(0.9)).as_deref(), Some("인용: ‘6’ / ‘10’"));
        assert_eq!(apart(&score(0.2)), None);
    }
}
