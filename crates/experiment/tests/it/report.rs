//! From events files, valid and invalid, to a report and its plot.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sinsang_experiment::metric::Tally;
use sinsang_experiment::{REVENUE_CAP_WON, Settings, exposure, plot, report};

fn settings() -> Settings {
    let variants = vec![("control".to_owned(), 1.0), ("fresh".to_owned(), 1.0)];
    Settings {
        experiment: "soon-first".to_owned(),
        variants,
        planned: 1_000.0,
        alpha: 0.05,
        devices: false,
        cap_won: REVENUE_CAP_WON,
        before_days: 14,
        guardrails: Vec::new(),
    }
}

fn event(id: &str, variant: &str, viewer: &str, kind: &str, at: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","experiment":"soon-first","variant":"{variant}","viewer":"{viewer}","kind":"{kind}","at":"{at}"}}"#
    )
}

#[test]
fn a_report_tells_rates_by_viewer_and_what_was_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for viewer in 0..1_000 {
        let variant = ["control", "fresh"][viewer % 2];
        let name = format!("v{viewer}");
        writeln!(text, "{}", event(&format!("i{viewer}"), variant, &name, "impression", "2026-11-20T10:00:00+09:00"))
            .unwrap();
        // On the third day, one in ten viewers of the control and three in ten of the variant click
        // twice.
        if viewer / 2 % 10 < if variant == "fresh" { 3 } else { 1 } {
            for turn in 0..2 {
                let click = event(&format!("c{viewer}.{turn}"), variant, &name, "click", "2026-11-22T11:00:00+09:00");
                writeln!(text, "{click}").unwrap();
            }
        }
    }
    // A duplicate, an event before any exposure, one of an unexposed viewer, a viewer of both
    // variants, another experiment, and invalid rows.
    writeln!(text, "{}", event("c1.0", "fresh", "v1", "click", "2026-11-22T11:00:00+09:00")).unwrap();
    writeln!(text, "{}", event("x1", "fresh", "v1", "click", "2026-11-20T09:59:59+09:00")).unwrap();
    writeln!(text, "{}", event("x2", "fresh", "nobody", "click", "2026-11-22T11:00:00+09:00")).unwrap();
    for variant in ["control", "fresh"] {
        let both = event(&format!("b{variant}"), variant, "both", "impression", "2026-11-20T10:00:00+09:00");
        writeln!(text, "{both}").unwrap();
    }
    writeln!(text, "{}", event("o", "a", "v1", "click", "2026-11-22T11:00:00Z").replace("soon-first", "other"))
        .unwrap();
    writeln!(text, "no JSON\n{}", event("y", "fresh", "v1", "click", "yesterday")).unwrap();
    writeln!(text, "{}", event("z", "fresh", "", "click", "2026-11-22T11:00:00Z")).unwrap();
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, text).unwrap();

    let (viewers, intake) = exposure::read(&[file], "soon-first", 14).unwrap();
    assert_eq!((intake.rows, intake.twice, intake.unexposed, intake.others, intake.rejected), (1_404, 1, 2, 1, 3));
    assert!(intake.reasons[1].contains("events.ndjson line 1408: invalid at \"yesterday\""), "{:?}", intake.reasons);
    let found = report(&viewers, intake, &settings());
    assert_eq!((found.mixed_viewers, found.strangers, found.is_ratio_broken), (1, 0, false));
    let [control, fresh] = &found.variants[..] else { panic!("{found}") };
    assert_eq!((control.viewers, fresh.viewers, fresh.exposures), (500, 500, 500));
    let means: Vec<f64> = fresh.rates.iter().map(|rate| rate.mean).collect();
    assert!(
        means.iter().zip([0.3, 0.0, 0.0, 0.6, 0.0]).all(|(mean, expected)| (mean - expected).abs() < 1e-12),
        "{means:?}"
    );
    let clicked = &fresh.rates[0];
    let [low, high] = clicked.interval.unwrap();
    assert!(
        (clicked.effect.unwrap() - 0.2).abs() < 1e-12 && low > 0.0 && high < 0.4 && clicked.p.unwrap() < 0.001,
        "{found}"
    );
    assert!(control.rates[0].p.is_none());
    assert_eq!((fresh.rates[2].effect, fresh.rates[2].p), (None, None), "nobody bought: there is nothing to tell");
    assert!((fresh.clicked_by_day[2] - 0.3).abs() < 1e-12 && fresh.clicked_by_day[0].abs() < 1e-12);
    let svg = plot::svg(&found);
    assert!(svg.starts_with("<svg") && svg.contains("fresh: clicked") && !svg.contains("NaN"), "{svg}");
}

#[test]
fn a_ratio_that_is_off_spoils_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let rows: Vec<String> = (0..1_000)
        .map(|viewer| {
            let variant = if viewer % 100 < 58 { "control" } else { "fresh" };
            event(&format!("{viewer}"), variant, &format!("v{viewer}"), "impression", "2026-11-20T10:00:00Z")
        })
        .collect();
    std::fs::write(&file, rows.join("\n")).unwrap();
    let (viewers, intake) = exposure::read(&[file], "soon-first", 14).unwrap();
    let found = report(&viewers, intake, &settings());
    assert!(found.is_ratio_broken && found.to_string().contains("results above are not valid"), "{found}");
}

#[test]
fn a_table_of_events_is_read_as_it_was_ingested() {
    let folder = tempfile::tempdir().unwrap();
    let line = |id: u32, kind: &str, experiments: &str| {
        format!(
            r#"{{"event_id":"event-{id:04}","viewer":"00000000000000aa","kind":"{kind}","at":"2026-11-20T01:00:00.000Z"{experiments}}}"#
        )
    };
    let served = r#","experiments":{"soon-first":"fresh","tabs":"b"}"#;
    let lines = [
        line(1, "impression", served),
        line(2, "click", served),
        line(3, "tab_open", served),
        line(4, "click", r#","experiments":{"tabs":"b"}"#),
        line(5, "purchase", ""),
    ];
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines.join("\n").as_bytes()).unwrap();
    std::fs::write(folder.path().join("2026-11-20T01-0001.ndjson.gz"), packed.finish().unwrap()).unwrap();
    std::fs::write(folder.path().join(".read.json"), "{}").unwrap();
    std::fs::write(
        folder.path().join("more.ndjson"),
        event("n", "fresh", "00000000000000aa", "alarm", "2026-11-20T02:00:00Z"),
    )
    .unwrap();
    let (viewers, intake) = exposure::read(&[folder.path().to_owned()], "soon-first", 14).unwrap();
    assert_eq!((intake.rows, intake.others, intake.rejected), (3, 3, 0), "{:?}", intake.reasons);
    assert_eq!(viewers["00000000000000aa"].after, Tally { clicks: 1, alarms: 1, ..Tally::default() });
}

/// An impression or click of `viewer` on a product.
fn of_product(id: &str, viewer: &str, kind: &str, product: u64) -> String {
    let row = event(id, "fresh", viewer, kind, "2026-11-20T10:00:00Z");
    row.replace('}', &format!(r#","product_id":"{product:016x}"}}"#))
}

#[test]
fn who_clicks_all_day_and_who_makes_up_devices_move_little() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let of_all = |more: &[String]| {
        let mut rows = Vec::new();
        for viewer in 0..4_000 {
            let name = format!("{viewer:016x}");
            let variant = ["control", "fresh"][viewer % 2];
            rows.push(event(&format!("i{viewer}"), variant, &name, "impression", "2026-11-20T09:00:00Z"));
            if viewer / 2 % 4 == 0 {
                rows.push(event(&format!("c{viewer}"), variant, &name, "click", "2026-11-20T10:00:00Z"));
            }
        }
        rows.extend_from_slice(more);
        std::fs::write(&file, rows.join("\n")).unwrap();
        let (viewers, intake) = exposure::read(std::slice::from_ref(&file), "soon-first", 14).unwrap();
        let with_devices = report(&viewers, intake.clone(), &Settings { devices: true, ..settings() });
        (report(&viewers, intake, &settings()), with_devices)
    };
    let found = |more: &[String]| of_all(more).0;
    let clicks = |found: &sinsang_experiment::Report| found.variants[1].rates[3].mean;
    let before = clicks(&found(&[]));
    assert!((before - 0.25).abs() < 1e-12);
    let viewer = format!("{:016x}", 5);
    let on_one: Vec<String> = (0..50_000).map(|at| of_product(&format!("x{at}"), &viewer, "click", 7)).collect();
    let after = found(&on_one);
    assert_eq!(after.intake.repeated, 49_999);
    assert!(clicks(&after) - before < 0.001, "{}", clicks(&after));
    let on_many: Vec<String> = (0..50_000).map(|at| of_product(&format!("x{at}"), &viewer, "click", at)).collect();
    let after = found(&on_many);
    assert_eq!(after.cut_viewers, 1);
    assert!(clicks(&after) - before < 0.011, "{}", clicks(&after));
    // Devices that all claim one variant and click in it change nothing, few or many, unless the
    // settings include them.
    let devices: Vec<String> = (0..10_000)
        .flat_map(|at| {
            let name = format!("d{:016x}", at * 7);
            ["impression", "click"].map(|kind| of_product(&format!("{kind}{at}"), &name, kind, 7))
        })
        .collect();
    for many in [40, 10_000] {
        let (after, with_devices) = of_all(&devices[..2 * many]);
        assert_eq!((after.devices_left_out, after.is_ratio_broken), (many, false));
        assert!((clicks(&after) - before).abs() < 1e-12, "{}", clicks(&after));
        assert_eq!(with_devices.devices_left_out, 0);
        assert!(clicks(&with_devices) > before);
    }
    // Ids belong to their viewer: a device that sends the ids of all clicks suppresses none of
    // them.
    let stolen: Vec<String> =
        (0..4_000).map(|at| of_product(&format!("c{at}"), "d00000000000000ff", "click", 7)).collect();
    let after = found(&[stolen, Vec::new()].concat());
    assert!((clicks(&after) - before).abs() < 1e-12 && after.intake.twice == 0);
}

#[test]
fn revenue_is_what_was_spent_after_and_history_what_was_done_before_without_the_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let mut rows = Vec::new();
    let mut id = 0;
    let mut add = |viewer: &str, kind: &str, at: &str, is_served: bool, amount: Option<i64>| {
        id += 1;
        let row = event(&format!("e{id}"), "fresh", viewer, kind, at);
        let row = if is_served { row } else { row.replace(r#""experiment":"soon-first","variant":"fresh","#, "") };
        let amount = amount.map(|won| format!(r#","amount":{won}"#)).unwrap_or_default();
        rows.push(row.replace('}', &format!(r#","product_id":"4783ee17d3919030"{amount}}}"#)));
    };
    let (exposed, later) = ("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z");
    for viewer in ["a", "b", "c"] {
        add(viewer, "impression", exposed, true, None);
    }
    // Twice the same on one day is one purchase and two amounts; without the experiment's name it
    // is nothing.
    add("a", "purchase", later, true, Some(49_900));
    add("a", "purchase", later, true, Some(100));
    add("a", "purchase", later, true, None);
    add("a", "purchase", later, false, Some(7));
    // Of the 14 days before, up to the exposure; not of the experiment, which an unseen exposure
    // may have caused.
    add("a", "purchase", "2026-11-06T10:00:00Z", false, Some(30_000));
    add("a", "purchase", "2026-11-06T09:59:59Z", false, Some(1));
    add("a", "click", "2026-11-20T09:59:59Z", false, None);
    add("a", "click", exposed, false, None);
    add("a", "alarm", "2026-11-19T10:00:00Z", true, None);
    add("b", "view", "2026-11-19T10:00:00Z", false, None);
    add("b", "purchase", later, true, Some(100_000_000));
    for (kind, amount) in [("click", 1), ("purchase", 100_000_001), ("purchase", -1)] {
        add("c", kind, later, true, Some(amount));
    }
    std::fs::write(&file, rows.join("\n")).unwrap();
    let (viewers, intake) = exposure::read(std::slice::from_ref(&file), "soon-first", 14).unwrap();
    assert_eq!((intake.rows, intake.others, intake.unexposed, intake.rejected), (8, 6, 1, 3), "{intake:?}");
    assert!(intake.reasons[0].ends_with("amount: only a purchase has one"), "{:?}", intake.reasons);
    assert_eq!(viewers["a"].after, Tally { purchases: 1, revenue_won: 50_000, ..Tally::default() });
    assert_eq!(viewers["a"].before, Some(Tally { clicks: 1, purchases: 1, revenue_won: 30_000, ..Tally::default() }));
    assert_eq!((viewers["b"].before, viewers["c"].before), (Some(Tally::default()), None));
    let found = report(&viewers, intake, &settings());
    assert_eq!((found.revenue_cap_won, found.capped_viewers, found.history.viewers), (1_000_000, 1, 2));
    let revenue = found.variants[1].rates.last().unwrap();
    assert!((revenue.mean - 350_000.0).abs() < 1e-6, "{found}");
    let told = found.to_string();
    assert!(told.contains("revenue counts up to 1000000 won of a viewer (--cap-revenue); 1 spent more"), "{told}");
    let (viewers, _) = exposure::read(&[file], "soon-first", 0).unwrap();
    assert!(viewers.values().all(|viewer| viewer.before.is_none()));
}

#[test]
fn an_adjusted_difference_stands_beside_the_plain_one() {
    let mut viewers = sinsang_experiment::Viewers::new();
    for number in 0..1_000_u32 {
        let variants = [["control", "fresh"][number as usize % 2].to_owned()].into();
        let clicks = number / 2 % 10;
        let after = Tally { clicks: clicks + number % 2 + number / 20 % 2, ..Tally::default() };
        let before = Some(Tally { clicks, ..Tally::default() });
        let viewer = exposure::Viewer { variants, impressions: 1, after, before, ..exposure::Viewer::default() };
        viewers.insert(format!("{number:016x}"), viewer);
    }
    let guardrails = ["clicks>=-5%", "clicked>=-0.01"].map(|text| text.parse().unwrap()).into();
    let found =
        report(&viewers, exposure::Intake::default(), &sinsang_experiment::Settings { guardrails, ..settings() });
    let clicks = &found.variants[1].rates[3];
    let adjusted = clicks.adjusted.unwrap();
    // One click more for everybody: history tells nearly all but the difference.
    assert!((clicks.effect.unwrap() - 1.0).abs() < 1e-9 && (adjusted.effect - 1.0).abs() < 1e-9);
    assert!(adjusted.removed > 0.9 && adjusted.p < clicks.p.unwrap(), "{found}");
    assert!(found.variants[0].rates[3].adjusted.is_none());
    let told = found.to_string();
    for line in ["by history", "of variance removed", "guardrail clicks>=-5%: holds, +", "1000 viewers with history"] {
        assert!(told.contains(line), "{line}: {told}");
    }
}
