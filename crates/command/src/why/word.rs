//! The Korean wording of a story: times, amounts, and the parts of a score.

use std::fmt;

use sinsang_core::printable::grouped;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::identity::{CORRECTION, Score};
use sinsang_pipeline::read::score_text::told;

use crate::resolve::Neighbour;

/// `2026-11-03 (화) 20:40`, in Korean time.
pub(crate) fn minute(at: UnixMillis) -> String {
    // 1970-01-01 was a Thursday.
    const DAYS: [&str; 7] = ["목", "금", "토", "일", "월", "화", "수"];
    let day = usize::try_from(at.kst_day().rem_euclid(7)).ok().and_then(|day| DAYS.get(day)).unwrap_or(&"");
    let text = at.to_kst_rfc3339();
    match (text.get(..10), text.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} ({day}) {time}"),
        _ => text,
    }
}

/// `21:40`, in Korean time.
pub(super) fn clock(at: UnixMillis) -> String {
    at.to_kst_rfc3339().get(11..16).unwrap_or_default().to_owned()
}

/// `49,900원`.
pub(crate) fn won(price: u32) -> String {
    format!("{}원", grouped(price.into()))
}

/// An earlier listing with its broadcast.
pub(super) fn neighbour(neighbour: &Neighbour<'_>) -> String {
    let at = UnixMillis::parse_rfc3339(&neighbour.starts_at).map_or_else(|| neighbour.starts_at.clone(), minute);
    let Neighbour { shop, listing_id, title, channel, .. } = neighbour;
    format!("{shop} {listing_id} “{title}” ({at} {channel})")
}

/// A verdict's Korean name.
pub(crate) fn verdict(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::New => "신상품",
        VerdictKind::Repeat => "재방송",
        VerdictKind::Unknown => "판단 보류",
    }
}

/// `93 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Writes the parts of a score, a line each, with the amount that each added or took.
pub(crate) fn write_parts(f: &mut fmt::Formatter<'_>, score: &Score) -> fmt::Result {
    for part in &score.parts {
        let sign = if part.value < 0.0 { '−' } else { '+' };
        writeln!(f, "      {sign}{:.2}  {}", part.value.abs(), told(part))?;
    }
    Ok(())
}

/// Why two listings are different products.
pub(super) fn difference(score: &Score, same_at: f64) -> String {
    match &score.veto {
        Some(veto) if veto.name == CORRECTION => format!("다른 상품인 까닭: 담당자 판정 ({})", veto.note),
        Some(veto) => format!("다른 상품인 까닭: {}", told(veto)),
        None if score.probability < same_at => {
            let (probability, same_at) = (percent(score.probability), percent(same_at));
            format!("다른 상품인 까닭: 같은 상품일 확률 {probability}로 기준 {same_at}에 못 미침")
        }
        None => "다른 상품인 까닭: 이 판매와는 비슷하지만 그 상품의 다른 판매와 맞지 않음".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_amounts_read_as_people_write_them() {
        let at = UnixMillis::parse_rfc3339("2026-11-22T15:40:00Z").unwrap();
        assert_eq!((minute(at).as_str(), clock(at).as_str()), ("2026-11-23 (월) 00:40", "00:40"));
        assert_eq!((won(1_234_567).as_str(), won(900).as_str()), ("1,234,567원", "900원"));
    }
}
