//! Experiments without a difference: no metric may come out significant, at any look, more often
//! than the level allows; and what history is worth.

use rand::Rng as _;
use sinsang_experiment::Metric;

use crate::world::{experiment, most, runs, settings};

/// Significant runs and the sum of the shares of variance removed, of one metric.
#[derive(Clone, Copy, Default)]
struct Count {
    plain: u32,
    adjusted: u32,
    removed: f64,
}

fn counted(runs: u32, treat_share: f64) -> [Count; Metric::ALL.len()] {
    let mut counts = [Count::default(); Metric::ALL.len()];
    let settings = settings(2_000.0, &[]);
    for run in 0..runs {
        let mut found = [[false; 2]; Metric::ALL.len()];
        let mut removed = [0.0; Metric::ALL.len()];
        experiment(
            run,
            &settings,
            |random, viewer| {
                viewer.after.clicks += u32::from(random.random_bool(treat_share));
                if random.random_bool(treat_share) {
                    viewer.after.purchases += 1;
                    viewer.after.revenue_won += 50_000;
                }
            },
            |report| {
                for (place, rate) in report.variants[1].rates.iter().enumerate() {
                    found[place][0] |= rate.p.is_some_and(|p| p < 0.05);
                    found[place][1] |= rate.adjusted.is_some_and(|adjusted| adjusted.p < 0.05);
                    removed[place] = rate.adjusted.map_or(0.0, |adjusted| adjusted.removed);
                }
            },
        );
        for ((count, [plain, adjusted]), removed) in counts.iter_mut().zip(found).zip(removed) {
            count.plain += u32::from(plain);
            count.adjusted += u32::from(adjusted);
            count.removed += removed / f64::from(runs);
        }
    }
    for (metric, Count { plain, adjusted, removed }) in Metric::ALL.into_iter().zip(counts) {
        let removed = removed * 100.0;
        println!(
            "treated {treat_share}, {:<16} significant in {plain} of {runs}, by history {adjusted}; {removed:.0}% of variance removed",
            metric.name()
        );
    }
    counts
}

#[test]
fn without_a_difference_no_metric_is_significant_at_any_look_more_often_than_the_level() {
    let runs = runs();
    for (metric, count) in Metric::ALL.into_iter().zip(counted(runs, 0.0)) {
        for found in [count.plain, count.adjusted] {
            assert!(f64::from(found) <= most(runs, 0.05), "{metric:?}: {found} of {runs}");
        }
    }
}

#[test]
fn history_finds_a_difference_more_often() {
    let runs = runs();
    let [clicked, _, bought, clicks, revenue] = counted(runs, 0.06);
    for (name, count) in [("clicked", clicked), ("bought", bought), ("clicks", clicks), ("revenue", revenue)] {
        assert!(
            count.adjusted + runs / 50 >= count.plain && count.removed > 0.0,
            "{name}: {} {} {}",
            count.adjusted,
            count.plain,
            count.removed
        );
    }
    assert!(clicks.adjusted > clicks.plain && clicks.removed > 0.2, "{} {}", clicks.adjusted, clicks.plain);
}
