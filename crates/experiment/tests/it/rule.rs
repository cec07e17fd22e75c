//! The report of a measured rule on generated events whose truth is known: it finds an effect that
//! is there, and none that is not.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_experiment::exposure::Viewer;
use sinsang_experiment::{Finding, Intake, REVENUE_CAP_WON, RuleReport, Settings, Viewers, rule_report};

/// Viewers at the end of a run, and at which the report is read on the way.
const LOOKS: [u64; 6] = [1_000, 2_000, 4_000, 6_000, 8_000, 10_000];
const HELD_BACK: f64 = 0.1;

fn settings() -> Settings {
    Settings {
        experiment: "rule-00000000".to_owned(),
        variants: vec![("without".to_owned(), HELD_BACK), ("with".to_owned(), 1.0 - HELD_BACK)],
        planned: 10_000.0,
        alpha: 0.05,
        devices: false,
        cap_won: REVENUE_CAP_WON,
        before_days: 0,
        guardrails: Vec::new(),
    }
}

/// The reports of one run at each look. A tenth of the viewers without the rule clicks, and `with`
/// of those with it; the rule moves nothing else.
fn looks(run: u64, with: f64) -> Vec<RuleReport> {
    let mut random = ChaCha8Rng::seed_from_u64(run);
    let mut viewers: Viewers = BTreeMap::new();
    let mut reports = Vec::new();
    for number in 1..=LOOKS[LOOKS.len() - 1] {
        let is_without = random.random_bool(HELD_BACK);
        let mut viewer = Viewer { impressions: 1, ..Viewer::default() };
        viewer.variants.insert(if is_without { "without" } else { "with" }.to_owned());
        if random.random_bool(if is_without { 0.1 } else { with }) {
            viewer.after.clicks = random.random_range(1..8);
        }
        if random.random_bool(0.02) {
            viewer.after.purchases = 1;
        }
        viewers.insert(format!("{number:016x}"), viewer);
        if LOOKS.contains(&number) {
            reports.push(rule_report("a rule", &viewers, Intake::default(), &settings()));
        }
    }
    reports
}

fn tells(report: &RuleReport, name: &str) -> Finding {
    let place = report.report.variants[1].rates.iter().position(|rate| rate.name == name).unwrap();
    report.findings[place]
}

#[test]
fn a_rule_that_does_nothing_is_said_to_do_something_in_no_more_than_the_level_of_runs() {
    let runs: u64 = if std::env::var_os("SHOW").is_some() { 1_000 } else { 200 };
    let is_told = |report: &RuleReport, name: &str| [Finding::Raises, Finding::Lowers].contains(&tells(report, name));
    let mut false_alarms = BTreeMap::from([("clicked", 0), ("bought", 0), ("clicks a viewer", 0)]);
    for run in 0..runs {
        let reports = looks(run, 0.1);
        for (name, count) in &mut false_alarms {
            *count += u64::from(reports.iter().any(|report| is_told(report, name)));
        }
    }
    println!("a rule without effect, {runs} runs of {} looks: {false_alarms:?} alarms", LOOKS.len());
    // 5 % and 1.645 standard deviations.
    let most = runs / 20 + runs / 57 + 1;
    assert!(false_alarms.values().all(|count| *count <= most), "{false_alarms:?} of {runs}");
}

#[test]
fn a_rule_that_raises_clicks_is_found_and_what_it_leaves_alone_is_not() {
    let runs: u64 = if std::env::var_os("SHOW").is_some() { 1_000 } else { 100 };
    let (mut found, mut early, mut wrong) = (0, 0, 0);
    for run in 0..runs {
        let reports = looks(run, 0.15);
        let last = reports.last().unwrap();
        found += u64::from(tells(last, "clicked") == Finding::Raises);
        early += u64::from(tells(&reports[0], "clicked") == Finding::TooEarly);
        wrong += u64::from([Finding::Raises, Finding::Lowers].contains(&tells(last, "bought")));
    }
    println!(
        "a rule that raises clicks by half, {runs} runs: found in {found} at 10,000 viewers, too early at 1,000 in {early}; purchases blamed in {wrong}"
    );
    assert!(found * 10 >= runs * 8, "found in {found} of {runs}");
    assert!(early * 10 >= runs * 8, "at 1,000 viewers nothing can be told in {early} of {runs}");
    assert!(wrong * 20 <= runs + 40, "{wrong}");
}
