//! A chart of the report: each variant's difference from the control with its interval, and clicks
//! by days since first exposure.

use std::fmt::Write as _;

use crate::metric::Metric;
use crate::report::{Report, VariantReport};

const WIDTH: f64 = 760.0;
const ROW: f64 = 26.0;
const COLOURS: [&str; 6] = ["#222", "#0b62a4", "#b3421b", "#3a7d44", "#7a4fa3", "#8a6d1d"];

/// Draws the report as an SVG document.
pub fn svg(report: &Report) -> String {
    let rows: Vec<(String, Metric, [f64; 3], usize)> = report
        .variants
        .iter()
        .enumerate()
        .flat_map(|(place, variant)| {
            variant.rates.iter().filter_map(move |rate| {
                let ([low, high], effect) = (rate.interval?, rate.effect?);
                Some((format!("{}: {}", variant.variant, rate.name), rate.metric, [low, effect, high], place))
            })
        })
        .collect();
    // Won have a scale of their own.
    let is_won = |metric: Metric| metric == Metric::Revenue;
    let reach = [false, true].map(|won| {
        let alike = rows.iter().filter(|(_, metric, ..)| is_won(*metric) == won);
        alike.flat_map(|(_, _, ends, _)| ends).fold(1e-9_f64, |reach, end| reach.max(end.abs()))
    });
    let mut top = 40.0;
    let mut body = String::new();
    let _ = writeln!(body, "<text x=\"8\" y=\"20\" font-size=\"15\">{}</text>", escaped(&report.experiment));
    for (label, metric, [low, effect, high], place) in &rows {
        let [shares, won] = reach;
        let x = |value: f64| 480.0 + value / if is_won(*metric) { won } else { shares } * 240.0;
        let places = metric.decimals();
        let colour = COLOURS[place % COLOURS.len()];
        let _ = writeln!(
            body,
            "<text x=\"8\" y=\"{:.0}\">{}</text><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{top:.0}\" y2=\"{top:.0}\" stroke=\"{colour}\" \
             stroke-width=\"3\"/><circle cx=\"{:.1}\" cy=\"{top:.0}\" r=\"4\" fill=\"{colour}\"/><text x=\"735\" y=\"{:.0}\" \
             text-anchor=\"end\">{effect:+.places$}</text>",
            top + 4.0,
            escaped(label),
            x(*low),
            x(*high),
            x(*effect),
            top - 6.0
        );
        top += ROW;
    }
    let _ = writeln!(
        body,
        "<line x1=\"480\" x2=\"480\" y1=\"28\" y2=\"{top:.0}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>"
    );
    novelty(&mut body, &report.variants, top + 20.0);
    let height = top + 200.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// Draws one line per variant: the share of viewers who clicked, by day.
#[expect(clippy::cast_precision_loss, reason = "days and variants")]
fn novelty(body: &mut String, variants: &[VariantReport], top: f64) {
    let most =
        variants.iter().flat_map(|variant| &variant.clicked_by_day).fold(1e-9_f64, |most, share| most.max(*share));
    let _ = writeln!(
        body,
        "<text x=\"8\" y=\"{top:.0}\">clicked, by days after the first exposure (up to {most:.3})</text>"
    );
    for (place, variant) in variants.iter().enumerate() {
        let points: Vec<String> = variant
            .clicked_by_day
            .iter()
            .enumerate()
            .map(|(day, share)| format!("{:.1},{:.1}", 40.0 + day as f64 * 40.0, top + 140.0 - share / most * 120.0))
            .collect();
        let colour = COLOURS[place % COLOURS.len()];
        let _ = writeln!(
            body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"620\" y=\"{:.0}\" \
             fill=\"{colour}\">{}</text>",
            points.join(" "),
            top + 20.0 + place as f64 * 16.0,
            escaped(&variant.variant)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
