//! The explanation of an item's place: the parts of its score, the effect of rules and exploration,
//! and a Korean sentence.

use super::View;
use crate::directive::{Deed, Directives};
use crate::rank::{UNIT, ascending};
use crate::signal::{REASONS, Score, SurfaceWeights};

/// The name and Korean reasons of the parts that come from viewers of the same context.
const CONTEXT_REASONS: (&str, &str, &str) =
    (CONTEXT, "비슷한 상황의 시청자가 많이 찾고", "비슷한 상황의 시청자가 덜 찾고");
/// The name of what puts a sold-out product behind the rest.
const SOLD_OUT: &str = "sold out";
/// The name that replaces all parts from the preferences of viewers in the same context.
const CONTEXT: &str = "context";
/// The most reasons in a sentence.
const MOST_REASONS: usize = 3;
/// A signal that is never negative is a good reason above 1/`GOOD_SHARE` of its maximum.
const GOOD_SHARE: i64 = 3;
/// A part is mentioned from 1/`LEAST_SHARE` of the largest one.
const LEAST_SHARE: i64 = 20;

/// Appends an item's member `why`, if the view is explained.
pub(super) fn write(
    view: &View<'_>,
    score: &Score,
    weights: &SurfaceWeights,
    product: Option<usize>,
    directives: &Directives<'_>,
    (is_explored, is_last): (bool, bool),
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
    if is_last {
        let comma = if out.ends_with(b"[") { "" } else { "," };
        out.extend_from_slice(format!("{comma}{{\"name\":\"{SOLD_OUT}\",\"deed\":\"last\"}}").as_bytes());
    }
    let sentence = sentence(score, weights, is_explored, view.is_of_context);
    let text = serde_json::to_string(&sentence).unwrap_or_default();
    out.extend_from_slice(format!("],\"explored\":{is_explored},\"text\":{text}}}").as_bytes());
}

/// Describes the largest parts in a Korean sentence.
fn sentence(score: &Score, weights: &SurfaceWeights, is_explored: bool, is_of_context: bool) -> String {
    let mut parts = score.parts();
    if is_of_context {
        // The preferences of others at that time, from there and on such a device are not this
        // viewer's taste.
        parts[0] = (CONTEXT, score.taste.saturating_add(score.channel).saturating_add(score.hour));
        parts[1].1 = 0;
        parts[2].1 = 0;
    }
    // A signal that is never negative is a good reason only from a fair share of its maximum.
    let most = |name: &str| match name {
        "soon" => weights.soon,
        "popularity" => weights.popularity,
        "position" => weights.position,
        "pulse" => weights.pulse,
        _ => 0,
    };
    let is_good =
        |name: &str, part: i64| part.saturating_mul(GOOD_SHARE) > i64::from(most(name)).saturating_mul(UNIT).max(0);
    let largest = parts.iter().map(|(_, part)| part.saturating_abs()).max().unwrap_or(0);
    let sizes = parts.iter().map(|(_, part)| part.saturating_abs().saturating_neg());
    let tells = |part: i64| part != 0 && part.saturating_abs().saturating_mul(LEAST_SHARE) >= largest;
    let told = ascending(sizes).take(MOST_REASONS).filter_map(|at| parts.get(at)).filter(|(_, part)| tells(*part));
    let mut reasons = String::new();
    for (name, part) in told {
        let known = REASONS.iter().chain([&CONTEXT_REASONS]).find(|(known, ..)| known == name);
        if let Some((_, good, bad)) = known {
            let reason = if is_good(name, *part) { good } else { bad };
            let told = format!("{reason}({part:+}), ");
            reasons.push_str(&told);
        }
    }
    let explored = if is_explored { "아직 본 사람이 적어 먼저 보여 드리는 자리예요. " } else { "" };
    if reasons.is_empty() {
        return format!("{explored}점수에 든 것이 없어 기본 순서대로예요.");
    }
    format!("{explored}{reasons}모두 더해 {}점이에요.", score.total())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_the_size_of_what_they_tell() {
        let weights = SurfaceWeights { soon: 24, popularity: 10, taste: 800, ..SurfaceWeights::default() };
        let told = |score: Score, is_of_context| sentence(&score, &weights, false, is_of_context);
        let near = Score { soon: 20_000, popularity: 9_000, ..Score::default() };
        assert_eq!(told(near, false), "방송이 가깝고(+20000), 찾는 사람이 많고(+9000), 모두 더해 29000점이에요.");
        // A broadcast next week still counts for something, and so does slight demand, but neither
        // is near or popular.
        let far = Score { soon: 2_448, popularity: 140, ..Score::default() };
        assert_eq!(told(far, false), "방송이 아직 멀고(+2448), 찾는 사람이 적고(+140), 모두 더해 2588점이에요.");
        // A part that is small beside the largest is omitted, and a context is not called a taste.
        let small = Score { taste: 70_000, channel: -3_000, hour: 3_072, ..near };
        assert_eq!(
            told(small, false),
            "취향과 잘 맞고(+70000), 방송이 가깝고(+20000), 찾는 사람이 많고(+9000), 모두 더해 99072점이에요."
        );
        assert!(told(Score { soon: 0, popularity: 0, ..small }, false).starts_with("취향과 잘 맞고(+70000), 모두"));
        assert!(told(small, true).starts_with("비슷한 상황의 시청자가 많이 찾고(+70072), 방송이 가깝고"));
    }
}
