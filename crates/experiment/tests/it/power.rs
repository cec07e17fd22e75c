//! Plans, from files of past events, and the experiments that they promised.

use std::fmt::Write as _;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_core::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang_experiment::exposure::{Intake, Viewer};
use sinsang_experiment::metric::Tally;
use sinsang_experiment::plan::{Length, PlanError};
use sinsang_experiment::{Metric, Plan, PlanSettings, REVENUE_CAP_WON, Size, Viewers, past, plan, report};

use crate::world::{runs, settings};

/// Viewers of the population, and by turns the probabilities that one comes on a day.
const POPULATION: usize = 6_000;
const COMES: [f64; 5] = [0.6, 0.2, 0.1, 0.04, 0.015];
/// The probabilities that a visit has a click, and a purchase.
const CLICKS: f64 = 0.12;
const BUYS: f64 = 0.02;

/// What a viewer does within `days`; `None` if they don't come.
fn visits(random: &mut ChaCha8Rng, viewer: usize, days: u32) -> Option<Tally> {
    let visits = (0..days).filter(|_| random.random_bool(COMES[viewer % COMES.len()])).count();
    let mut tally = Tally::default();
    for _ in 0..visits {
        tally.clicks += u32::from(random.random_bool(CLICKS));
        if random.random_bool(BUYS) {
            tally.purchases += 1;
            tally.revenue_won += random.random_range(20_000..200_000);
        }
    }
    (visits > 0).then_some(tally)
}

/// The past's events as lines.
fn lines(days: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut text = String::new();
    let start = UnixMillis::parse_rfc3339("2026-10-01T00:00:00+09:00").unwrap();
    let mut id = 0;
    let mut line = |viewer: usize, kind: &str, at: UnixMillis, more: &str| {
        id += 1;
        let at = at.to_utc_rfc3339();
        writeln!(text, r#"{{"event_id":"event-{id:06}","viewer":"{viewer:016x}","kind":"{kind}","at":"{at}"{more}}}"#)
            .unwrap();
    };
    for viewer in 0..POPULATION {
        for day in 0..days {
            if !random.random_bool(COMES[viewer % COMES.len()]) {
                continue;
            }
            let at = start.plus(i64::from(day) * DAY_MS + random.random_range(0..23) * HOUR_MS);
            line(viewer, "impression", at, "");
            if random.random_bool(CLICKS) {
                line(viewer, "click", at.plus(1), "");
            }
            if random.random_bool(BUYS) {
                let won = random.random_range(20_000..200_000);
                line(viewer, "purchase", at.plus(2), &format!(r#","amount":{won}"#));
            }
        }
    }
    text
}

fn past_of(lines: &str) -> past::Past {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, lines).unwrap();
    past::read(&[file]).unwrap()
}

fn asked(metric: Metric, effect: Size) -> PlanSettings {
    PlanSettings {
        metric,
        effect,
        power: 0.8,
        alpha: 0.05,
        variants: vec![("control".to_owned(), 0.5), ("fresh".to_owned(), 0.5)],
        traffic: 0.8,
        planned: None,
        devices: false,
        cap_won: REVENUE_CAP_WON,
        past_days: 28,
    }
}

/// Of `runs` experiments with the planned effect, how many find it at the planned look.
fn found(runs: u32, plan: &Plan, length: Length) -> u32 {
    let mut count = 0;
    let settings = settings(length.planned, &[]);
    for run in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(run));
        let mut viewers = Viewers::new();
        for viewer in 0..POPULATION {
            if !random.random_bool(plan.traffic) {
                continue;
            }
            let is_treated = random.random_bool(0.5);
            let Some(mut after) = visits(&mut random, viewer, length.days) else { continue };
            if is_treated && plan.metric == Metric::Revenue {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole won")]
                let won = length.effect as u64;
                after.revenue_won += won;
            } else if is_treated && after.clicks == 0 {
                // The mean m becomes m + effect where a share effect / (1 − m) of the rest clicks.
                after.clicks = u32::from(random.random_bool(length.effect / (1.0 - length.mean)));
            }
            let variants = [if is_treated { "fresh" } else { "control" }.to_owned()].into();
            let name = format!("{viewer:016x}");
            viewers.insert(name, Viewer { variants, impressions: 1, after, ..Viewer::default() });
        }
        let report = report(&viewers, Intake::default(), &settings);
        let rate = report.variants[1].rates.iter().find(|rate| rate.metric == plan.metric).unwrap();
        count += u32::from(rate.interval.is_some_and(|[low, _]| low > 0.0));
    }
    count
}

#[test]
fn an_effect_is_found_in_the_share_of_experiments_that_the_plan_promised() {
    let past = past_of(&lines(28));
    let runs = runs();
    for (metric, effect) in [(Metric::Clicked, Size::Relative(0.2)), (Metric::Revenue, Size::Absolute(9_000.0))] {
        let made = plan(&past, &asked(metric, effect)).unwrap();
        println!("{made}");
        let length = made.variants[0].always_valid.unwrap();
        let fixed = made.variants[0].fixed_look.unwrap();
        assert!(!length.is_extrapolated && fixed.days < length.days, "{made}");
        // A plan of whole days has some viewers more than it needs, and mean and variance of the
        // past are drawn too.
        let count = found(runs, &made, length);
        println!("{metric:?} found in {count} of {runs} at the planned look");
        let share = f64::from(count) / f64::from(runs);
        assert!((0.72..0.92).contains(&share), "{metric:?}: {share}\n{made}");
    }
}

#[test]
fn a_plan_extrapolates_no_more_viewers_than_come() {
    let text = lines(28);
    let all = past_of(&text);
    let week: String = text.lines().filter(|line| line.contains("2026-10-0")).flat_map(|line| [line, "\n"]).collect();
    let settings = asked(Metric::Clicked, Size::Relative(0.2));
    let (whole, part) = (plan(&all, &settings).unwrap(), plan(&past_of(&week), &settings).unwrap());
    let (whole, part) = (whole.variants[0].always_valid.unwrap(), part.variants[0].always_valid.unwrap());
    assert!(part.is_extrapolated && part.days > whole.days, "{part:?} {whole:?}");
    // Less traffic, a smaller effect or a smaller variant take longer; more power does too.
    let days = |settings: PlanSettings| plan(&all, &settings).unwrap().variants[0].always_valid.map(|found| found.days);
    let longer = [
        PlanSettings { traffic: 0.6, ..settings.clone() },
        PlanSettings { effect: Size::Relative(0.17), ..settings.clone() },
        PlanSettings { power: 0.9, ..settings.clone() },
        PlanSettings { variants: vec![("control".to_owned(), 0.8), ("fresh".to_owned(), 0.2)], ..settings.clone() },
        PlanSettings { planned: Some(200_000.0), ..settings.clone() },
    ];
    for settings in longer {
        let found = days(settings.clone());
        assert!(found.is_none_or(|days| days > whole.days), "{found:?} {whole:?} {settings:?}");
    }
    let tiny = plan(&all, &PlanSettings { effect: Size::Relative(0.001), ..settings }).unwrap();
    assert_eq!(tiny.variants[0].always_valid, None);
    assert!(tiny.to_string().contains("over 365 days"), "{tiny}");
}

#[test]
fn a_past_that_tells_too_little_is_refused() {
    let text = lines(28);
    let settings = asked(Metric::Clicked, Size::Relative(0.2));
    let few: String = text.lines().take(200).flat_map(|line| [line, "\n"]).collect();
    let refused = |lines: &str| plan(&past_of(lines), &settings).unwrap_err();
    let told = refused(&few);
    assert!(matches!(told, PlanError::TooFewViewers { viewers } if viewers < 100.0), "{told}");
    assert!(told.to_string().contains("needs at least 100"), "{told}");
    let day: String = text.lines().filter(|line| line.contains("-10-02T")).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(refused(&day), PlanError::TooFewDays);
    let unclicked = text.replace("\"click\"", "\"view\"");
    assert_eq!(refused(&unclicked), PlanError::NoVariance("clicked"));
    let alone = PlanSettings { variants: vec![("control".to_owned(), 1.0)], ..settings };
    assert_eq!(plan(&past_of(&text), &alone), Err(PlanError::TooFewVariants));
}
