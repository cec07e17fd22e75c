//! Why an item stands where it does: the parts of its score, what rules and exploration did, and a Korean sentence.

use super::View;
use crate::directive::{Deed, Directives};
use crate::rank::{Score, ascending};

/// A part of a score in Korean: as a reason for a good place, and as one for a worse place.
const REASONS: [(&str, &str, &str); 12] = [
    ("taste", "취향과 잘 맞고", "취향과 덜 맞고"),
    ("channel", "자주 보는 채널이고", "덜 보는 채널이고"),
    ("hour", "자주 보는 시간대이고", "덜 보는 시간대이고"),
    ("soon", "방송이 가깝고", "방송이 멀고"),
    ("on_air", "지금 방송 중이고", "방송 중이 아니고"),
    ("popularity", "찾는 사람이 많고", "찾는 사람이 적고"),
    ("position", "기본 순서가 앞이고", "기본 순서가 뒤이고"),
    ("memory", "최근 관심과 가깝고", "최근에 보고 지나쳤고"),
    ("rules", "운영 규칙이 올렸고", "운영 규칙이 내렸고"),
    ("stay", "이미 방송 중이던 자리이고", ""),
    ("pulse", "지금 찾는 사람이 많고", ""),
    (CONTEXT, "이 시간대·지역·기기에서 많이 찾고", "이 시간대·지역·기기에서 덜 찾고"),
];
/// Stands for all parts from what viewers lean to in the same context.
const CONTEXT: &str = "context";
/// Reasons of a sentence.
const MOST_REASONS: usize = 3;

/// Appends the member `why` of an item.
pub(super) fn write(
    view: &View<'_>,
    score: &Score,
    product: Option<usize>,
    directives: &Directives<'_>,
    is_explored: bool,
    out: &mut Vec<u8>,
) {
    if !view.is_explained {
        return;
    }
    out.extend_from_slice(format!(",\"why\":{{\"total\":{},\"parts\":{{", score.total()).as_bytes());
    for (at, (name, part)) in score.parts().into_iter().filter(|(_, part)| *part != 0).enumerate() {
        let comma = if at > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}\"{name}\":{part}").as_bytes());
    }
    if let Some(assignment) = view.assignment {
        out.extend_from_slice(b"},\"experiments\":");
        out.extend_from_slice(assignment.json.as_bytes());
        out.extend_from_slice(b",\"rules\":[");
    } else {
        out.extend_from_slice(b"},\"rules\":[");
    }
    let about = product.into_iter().flat_map(|product| directives.about(product));
    for (at, directive) in about.enumerate() {
        let deed = match directive.deed {
            Deed::Weigh(points) => format!("{points:+}"),
            Deed::Pin(place) => format!("pin {place}"),
            Deed::Hide => "hide".to_owned(),
        };
        let comma = if at > 0 { "," } else { "" };
        let name = serde_json::to_string(directive.name).unwrap_or_default();
        out.extend_from_slice(format!("{comma}{{\"name\":{name},\"deed\":\"{deed}\"}}").as_bytes());
    }
    let text = serde_json::to_string(&sentence(score, is_explored, view.is_of_context)).unwrap_or_default();
    out.extend_from_slice(format!("],\"explored\":{is_explored},\"text\":{text}}}").as_bytes());
}

/// The largest parts as a sentence.
fn sentence(score: &Score, is_explored: bool, is_of_context: bool) -> String {
    let mut parts = score.parts();
    if is_of_context {
        // What others like who come at that time, from there and on such a device is no taste of this viewer's.
        parts[0] = (CONTEXT, score.taste.saturating_add(score.channel).saturating_add(score.hour));
        parts[1].1 = 0;
        parts[2].1 = 0;
    }
    let sizes = parts.iter().map(|(_, part)| part.saturating_abs().saturating_neg());
    let largest = ascending(sizes).take(MOST_REASONS).filter_map(|at| parts.get(at)).filter(|(_, part)| *part != 0);
    let reasons = largest.filter_map(|(name, part)| {
        let (_, good, bad) = REASONS.iter().find(|(known, ..)| known == name)?;
        Some(format!("{}({part:+})", if *part > 0 { good } else { bad }))
    });
    let reasons: Vec<String> = reasons.collect();
    let explored = if is_explored { "아직 본 사람이 적어 먼저 보여 드리는 자리예요. " } else { "" };
    if reasons.is_empty() {
        return format!("{explored}점수에 든 것이 없어 기본 순서대로예요.");
    }
    format!("{explored}{}, 모두 더해 {}점이에요.", reasons.join(", "), score.total())
}
