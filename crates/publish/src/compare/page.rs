//! A comparison as a page of its own: HTML without scripts and without anything from elsewhere.

use std::fmt::Write as _;

use serde_json::Value;
use sinsang_core::printable::grouped;

use super::{CompareReport, word};
use crate::comparison::{Churn, Comparison, FIRST, Movement};
use crate::hindsight::Hindsight;

/// The most newcomers, and the most leavers, on the page.
const MOVEMENTS: usize = 300;
const STYLE: &str = "
:root { color-scheme: light dark; --line: #d4d4d0; --dim: #63635e; --bar: #0b62a4; --bad: #b3421b; --card: #f6f6f3; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3b3b3f; --dim: #a2a2a8; --bar: #6db3ea; --bad: #f0956f; --card: #232327; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); } code { font-size: .95em; }
.gate { border-left: 4px solid var(--bar); background: var(--card); padding: .5rem .8rem; margin: 1rem 0; }
.gate.refused { border-color: var(--bad); } .gate ul { margin: .3rem 0; padding-left: 1.2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; color: var(--dim); }
ol { list-style: none; margin: 0; padding: 0; } li.product { border-bottom: 1px solid var(--line); padding: .5rem 0; }
li.product p { overflow-wrap: anywhere; } details summary { cursor: pointer; }
@media (max-width: 34rem) {
  th, td { white-space: normal; overflow-wrap: anywhere; padding: .2rem; font-size: .8rem; }
}
svg { max-width: 100%; height: auto; } svg text { fill: currentColor; font-size: 11px; } svg rect { fill: var(--bar); }
";

impl CompareReport {
    /// The comparison as an HTML document.
    pub fn page(&self) -> String {
        let Self { refusal, comparison, hindsight } = self;
        let mut body = String::new();
        let (before, next) = (escaped(&comparison.before.snapshot), escaped(&comparison.next.snapshot));
        let _ = writeln!(
            body,
            "<h1>Snapshot <code>{before}</code> → <code>{next}</code></h1>\n<p class=\"dim\">Both ranked at {}.</p>",
            comparison.at
        );
        if refusal.is_empty() {
            body.push_str("<div class=\"gate\"><p>publish would accept it.</p></div>\n");
        } else {
            let reasons = elements("li", refusal.texts().iter().map(String::as_str));
            let _ =
                writeln!(body, "<div class=\"gate refused\"><p>publish would refuse it:</p><ul>{reasons}</ul></div>");
        }
        sizes(&mut body, comparison);
        shops(&mut body, comparison);
        movements(&mut body, "Newcomers to the tab new", &comparison.newcomers);
        movements(&mut body, "Leavers from the tab new", &comparison.leavers);
        churn(&mut body, &comparison.churn);
        of_hindsight(&mut body, hindsight.as_ref());
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{before} → {next}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
        )
    }
}

/// An element for each text, one after the other.
fn elements<'a>(tag: &str, texts: impl Iterator<Item = &'a str>) -> String {
    texts.fold(String::new(), |mut all, text| {
        let _ = write!(all, "<{tag}>{}</{tag}>", escaped(text));
        all
    })
}

fn table(body: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let heads = elements("th", heads.iter().copied());
    let _ = writeln!(body, "<div class=\"wide\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>");
    for row in rows {
        let cells = elements("td", row.iter().map(String::as_str));
        let _ = writeln!(body, "<tr>{cells}</tr>");
    }
    body.push_str("</tbody>\n</table></div>\n");
}

fn sizes(body: &mut String, comparison: &Comparison) {
    body.push_str("<h2>Sizes</h2>\n");
    let rows = word::sizes(comparison).into_iter().map(|(name, [before, next])| vec![name.to_owned(), before, next]);
    table(body, &["", "before", "next"], rows);
}

fn shops(body: &mut String, comparison: &Comparison) {
    body.push_str("<h2>Verdicts of the whole board, by shop</h2>\n");
    let all = [&comparison.before, &comparison.next].map(word::total);
    let rows = std::iter::once(("all", all)).chain(word::shops(comparison));
    let rows = rows.map(|(shop, [before, next])| {
        let counts = word::counts(before, next);
        std::iter::once(shop.to_owned()).chain(counts).collect()
    });
    table(body, &["shop", "products", "new", "repeat", "unknown"], rows);
    let _ = writeln!(body, "<p>{}.</p>", escaped(&word::turns(comparison)));
}

fn movements(body: &mut String, title: &str, movements: &[Movement]) {
    let count = grouped(movements.len() as u64);
    let _ = writeln!(body, "<h2>{title}: {count}</h2>\n<p>{}</p>", escaped(&word::causes(movements)));
    if movements.is_empty() {
        return;
    }
    body.push_str("<details open><summary class=\"dim\">products</summary>\n<ol>\n");
    for movement in movements.iter().take(MOVEMENTS) {
        let _ = writeln!(
            body,
            "<li class=\"product\"><p><strong>{}</strong></p><p class=\"dim\">{} · {} · {} · {} · <code>{}</code></p>",
            escaped(&movement.title),
            word::minute(movement.first_starts_at),
            escaped(&movement.shop),
            escaped(&movement.channel),
            word::cause(movement.cause),
            escaped(&movement.product)
        );
        verdict(body, "before", movement.before.as_ref());
        verdict(body, "next", movement.next.as_ref());
        body.push_str("</li>\n");
    }
    body.push_str("</ol></details>\n");
    let left_out = movements.len().saturating_sub(MOVEMENTS);
    if left_out > 0 {
        let _ = writeln!(body, "<p class=\"dim\">… {left_out} more, which --format json has.</p>");
    }
}

fn verdict(body: &mut String, when: &str, verdict: Option<&Value>) {
    let Some(verdict) = verdict else { return };
    let _ = writeln!(body, "<p><span class=\"dim\">{when}:</span> {}</p>", escaped(&word::verdict(verdict)));
}

fn churn(body: &mut String, churn: &Churn) {
    let _ = writeln!(
        body,
        "<h2>Churn of the first {FIRST} places of new</h2>\n<p>{} viewers with tastes, drawn by the ids of both \
         snapshots.</p>",
        churn.viewers
    );
    if churn.viewers > 0 {
        let percents = |one: &crate::comparison::Distribution| {
            let [low, high] = one.interval.map(|end| format!("{:.1}", end * 100.0));
            let mean = format!("{} ({low} to {high})", word::percent(one.mean));
            [mean, word::percent(one.median), word::percent(one.ninetieth), word::percent(one.most)]
        };
        let shared = |share: f64| vec![word::percent(share)];
        let row =
            |name: &str, one, of_shared| [vec![name.to_owned()], percents(one).to_vec(), shared(of_shared)].concat();
        let rows = [
            row("other products", &churn.changed, churn.shared_changed),
            row("among products of both lists", &churn.reordered, churn.shared_reordered),
        ];
        let heads = ["share of places", "mean (95 % interval)", "median", "90th percentile", "most", "shared order"];
        table(body, &heads, rows.into_iter());
        histogram(body, &churn.by_places);
    } else {
        let [changed, reordered] = [churn.shared_changed, churn.shared_reordered].map(word::percent);
        let _ =
            writeln!(body, "<p>Shared order: {changed} other products, {reordered} among products of both lists.</p>");
    }
}

/// Draws viewers by the number of first places that are other products.
#[expect(clippy::cast_precision_loss, reason = "viewers and places")]
fn histogram(body: &mut String, by_places: &[u64]) {
    const STEP: f64 = 28.0;
    const HEIGHT: f64 = 110.0;
    let most = by_places.iter().copied().max().unwrap_or(0).max(1);
    let width = STEP * by_places.len() as f64;
    let _ = writeln!(
        body,
        "<svg viewBox=\"0 -16 {width:.0} {:.0}\" width=\"{width:.0}\" role=\"img\" \
         aria-label=\"viewers by places that are other products\">",
        HEIGHT + 50.0
    );
    for (place, viewers) in by_places.iter().enumerate() {
        let (x, height) = (STEP * place as f64, HEIGHT * *viewers as f64 / most as f64);
        let (middle, top) = (x + STEP / 2.0, HEIGHT - height);
        let _ = writeln!(
            body,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/><text x=\"{middle:.1}\" \
             y=\"{:.1}\" text-anchor=\"middle\">{place}</text>",
            x + 2.0,
            STEP - 4.0,
            HEIGHT + 14.0
        );
        if *viewers > 0 {
            let y = top - 4.0;
            let _ = writeln!(body, "<text x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{viewers}</text>");
        }
    }
    let _ = writeln!(
        body,
        "<text x=\"0\" y=\"{:.1}\">viewers by how many of their first {FIRST} places are other products</text></svg>",
        HEIGHT + 30.0
    );
}

fn of_hindsight(body: &mut String, hindsight: Option<&Hindsight>) {
    body.push_str("<h2>Hindsight</h2>\n");
    let Some(hindsight) = hindsight else {
        let _ = writeln!(body, "<p class=\"dim\">{}.</p>", escaped(&format!("Not looked up: {}", word::NO_HINDSIGHT)));
        return;
    };
    let Hindsight { since, until, first_new, first_live, before, next } = hindsight;
    let (new, live) = (next.new.deeds, next.live.deeds);
    let _ = writeln!(
        body,
        "<p>{new} actions on products of new and {live} of live, {} to {}.</p>",
        escaped(since),
        escaped(until)
    );
    if new + live == 0 {
        let _ = writeln!(body, "<p class=\"dim\">{}.</p>", escaped(word::NO_ACTIONS));
        return;
    }
    let rows = [("before", before), ("next", next)].into_iter().flat_map(|(name, judgement)| {
        let learned = word::percent(judgement.learned);
        [("new", judgement.new, *first_new), ("live", judgement.live, *first_live)].map(|(list, ranks, first)| {
            vec![
                format!("{name}, {list}"),
                format!("{:.3}", ranks.reciprocal),
                format!("{:.3}", ranks.shared_reciprocal),
                format!("{} of {first}", word::percent(ranks.first)),
                word::percent(ranks.shared_first),
                learned.clone(),
            ]
        })
    });
    let heads = [
        "snapshot, list",
        "mean 1/place",
        "shared order",
        "in the first places",
        "shared order",
        "actions before its build",
    ];
    table(body, &heads, rows);
    let _ = writeln!(body, "<p class=\"dim\">Beware: {}.</p>", escaped(word::LEARNED));
}

/// Text that is neither markup nor the end of an attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
