//! Events in files, good and bad, into a report and its plot.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sinsang_experiment::{Settings, exposure, plot, report};

fn settings() -> Settings {
    let variants = vec![("control".to_owned(), 1.0), ("fresh".to_owned(), 1.0)];
    Settings { experiment: "soon-first".to_owned(), variants, planned: 1_000.0, alpha: 0.05, devices: false }
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
        // One in ten of the control clicks, three in ten of the other, twice each, on the third day.
        if viewer / 2 % 10 < if variant == "fresh" { 3 } else { 1 } {
            for turn in 0..2 {
                let click = event(&format!("c{viewer}.{turn}"), variant, &name, "click", "2026-11-22T11:00:00+09:00");
                writeln!(text, "{click}").unwrap();
            }
        }
    }
    // An event again, one of before any exposure, one of nobody, a viewer of both variants, another experiment, and rows that are none.
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

    let (viewers, intake) = exposure::read(&[file], "soon-first").unwrap();
    assert_eq!((intake.rows, intake.twice, intake.unexposed, intake.others, intake.rejected), (1_404, 1, 2, 1, 3));
    assert!(intake.reasons[1].contains("events.ndjson line 1408: at is \"yesterday\""), "{:?}", intake.reasons);
    let found = report(&viewers, intake, &settings());
    assert_eq!((found.mixed_viewers, found.strangers, found.is_ratio_broken), (1, 0, false));
    let [control, fresh] = &found.variants[..] else { panic!("{found}") };
    assert_eq!((control.viewers, fresh.viewers, fresh.exposures), (500, 500, 500));
    let means: Vec<f64> = fresh.rates.iter().map(|rate| rate.mean).collect();
    assert!(
        means.iter().zip([0.3, 0.0, 0.0, 0.6]).all(|(mean, expected)| (mean - expected).abs() < 1e-12),
        "{means:?}"
    );
    let clicked = &fresh.rates[0];
    let [low, high] = clicked.interval.unwrap();
    assert!(
        (clicked.effect.unwrap() - 0.2).abs() < 1e-12 && low > 0.0 && high < 0.4 && clicked.p.unwrap() < 0.001,
        "{found}"
    );
    assert!(control.rates[0].p.is_none());
    // Nobody bought: nothing is significant where nothing varies.
    assert!((fresh.rates[2].p.unwrap() - 1.0).abs() < 1e-12);
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
    let (viewers, intake) = exposure::read(&[file], "soon-first").unwrap();
    let found = report(&viewers, intake, &settings());
    assert!(found.is_ratio_broken && found.to_string().contains("believe nothing above"), "{found}");
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
    let (viewers, intake) = exposure::read(&[folder.path().to_owned()], "soon-first").unwrap();
    assert_eq!((intake.rows, intake.others, intake.rejected), (3, 3, 0), "{:?}", intake.reasons);
    assert_eq!(viewers["00000000000000aa"].outcomes, [(exposure::Kind::Click, 0), (exposure::Kind::Alarm, 0)]);
}

/// A click or an exposure of the row's viewer, with a product.
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
        let (viewers, intake) = exposure::read(std::slice::from_ref(&file), "soon-first").unwrap();
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
    // Devices that all say they were shown one variant and click in it, be they few or many, change nothing unless they are asked for.
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
    // Another's id is nobody's to take: a device that sends the ids of all clicks takes none away.
    let stolen: Vec<String> =
        (0..4_000).map(|at| of_product(&format!("c{at}"), "d00000000000000ff", "click", 7)).collect();
    let after = found(&[stolen, Vec::new()].concat());
    assert!((clicks(&after) - before).abs() < 1e-12 && after.intake.twice == 0);
}
