//! Guardrails of experiments whose truth is known.

use rand::Rng as _;
use sinsang_experiment::exposure::Viewer;
use sinsang_experiment::guardrail::Verdict;

use crate::world::{experiment, most, runs, settings};

/// Of `runs` experiments whose variant loses `loss` of what the control has, in how many each of
/// the guardrails held, and was broken, at any look.
fn verdicts<const N: usize>(runs: u32, loss: f64, guardrails: [&str; N]) -> [[u32; 2]; N] {
    let mut counts = [[0; 2]; N];
    let settings = settings(2_000.0, &guardrails);
    for run in 0..runs {
        let mut found = [[false; 2]; N];
        experiment(
            run,
            &settings,
            |random, Viewer { after, .. }| {
                // Each loses all with that probability, so the means lose that share.
                if random.random_bool(loss) {
                    (after.clicks, after.alarms, after.purchases, after.revenue_won) = (0, 0, 0, 0);
                }
            },
            |report| {
                for ([holds, broken], guarded) in found.iter_mut().zip(&report.variants[1].guardrails) {
                    *holds |= guarded.verdict == Verdict::Holds;
                    *broken |= guarded.verdict == Verdict::Broken;
                }
                let is_broken = report.variants[1].guardrails.iter().any(|guarded| guarded.verdict == Verdict::Broken);
                assert_eq!(report.is_guardrail_broken, is_broken);
                assert!(report.variants[0].guardrails.is_empty());
            },
        );
        for (count, found) in counts.iter_mut().zip(found) {
            for (count, found) in count.iter_mut().zip(found) {
                *count += u32::from(found);
            }
        }
    }
    for (guardrail, [holds, broken]) in guardrails.iter().zip(counts) {
        println!("loss {loss}, {guardrail}: holds in {holds} of {runs}, broken in {broken}");
    }
    counts
}

#[test]
fn no_broken_guardrail_holds_and_no_whole_one_is_broken_more_often_than_the_level() {
    let runs = runs();
    let bounds = ["clicked>=-20%", "clicks>=-20%", "bought>=-20%", "revenue>=-20%"];
    // Exactly at the bound, each verdict is wrong.
    for (bound, [holds, broken]) in bounds.iter().zip(verdicts(runs, 0.2, bounds)) {
        for found in [holds, broken] {
            assert!(f64::from(found) <= most(runs, 0.05), "{bound}: {holds} {broken}");
        }
    }
    for (bound, [holds, _]) in bounds.iter().zip(verdicts(runs, 0.5, bounds)) {
        assert!(f64::from(holds) <= most(runs, 0.01), "{bound}: {holds}");
    }
}

#[test]
fn guardrails_are_decided_where_the_truth_is_far_from_the_bound() {
    let runs = runs();
    let [[_, broken], _] = verdicts(runs, 0.5, ["clicked>=-10%", "revenue>=-10%"]);
    assert!(broken >= runs * 9 / 10, "{broken}");
    let [[holds, _], [by_number, _]] = verdicts(runs, 0.0, ["clicked>=-30%", "clicked>=-0.15"]);
    assert!(holds >= runs * 9 / 10 && by_number >= runs * 9 / 10, "{holds} {by_number}");
}
