//! Words by which a title claims that its product is new.

use std::sync::LazyLock;

use regex::Regex;

/// Matches words that claim newness. A first price (최초가), a brand (New Balance) and a part of
/// another word (RENEW) claim nothing.
static CLAIM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?ix) 신상(?:품)? | 신제품 | 신규\s*(?:런칭|론칭|출시|입점) | (?:런칭|론칭|최초|첫\s?선|첫\s?방송|첫\s?출시) | (?:^|[^a-z])(new)(?:[^a-z]|$)",
    )
    .ok()
});

/// Matches false claims.
static NO_CLAIM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)최초\s?(?:가|특가|할인|최저)|new\s?(?:balance|york|zealand|era)|신상(?:세|담|처)").ok()
});

/// The words of a title that claim newness; `None` without a claim.
pub fn claim(title: &str) -> Option<String> {
    let (claim, none) = (CLAIM.as_ref()?, NO_CLAIM.as_ref()?);
    let left = none.replace_all(title, " ");
    let found = claim.captures(&left)?;
    // The letters around `new` belong to the match, but not to the claim.
    let word = found.get(1).or_else(|| found.get(0))?;
    Some(word.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_word_of_its_own_and_no_price_or_brand() {
        for (title, expected) in [
            ("[신상] 무쇠솥", Some("신상")),
            ("(최초런칭) 무쇠솥", Some("최초")),
            ("★NEW★ 무쇠솥", Some("NEW")),
            ("new무쇠솥", Some("new")),
            ("단독 론칭 무쇠솥", Some("론칭")),
            ("26FW 신상품 니트", Some("신상품")),
            ("첫 방송 무쇠솥", Some("첫 방송")),
            ("(최초가) 무쇠솥", None),
            ("[최초 특가] 무쇠솥", None),
            ("New Balance 운동화", None),
            ("RENEW 세럼", None),
            ("뉴질랜드 꿀", None),
            ("무쇠솥", None),
        ] {
            assert_eq!(claim(title).as_deref(), expected, "{title}");
        }
    }
}
