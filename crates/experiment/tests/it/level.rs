//! False alarm rate and power of the report, on seeded experiments with a known truth and repeated
//! looks.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_experiment::sequence::{Sample, difference};

const ALPHA: f64 = 0.05;
const LOOKS: [usize; 12] = [400, 600, 800, 1_000, 1_300, 1_600, 2_000, 2_400, 2_800, 3_200, 3_600, 4_000];
const PLANNED: f64 = 2_000.0;

/// A viewer's clicks: most viewers never click, others often, so clicks depend on each other and
/// viewers don't.
fn clicks(random: &mut ChaCha8Rng, share: f64) -> f64 {
    if random.random_bool(share) { f64::from(random.random_range(1_u32..8)) } else { 0.0 }
}

/// Number of `runs` that are significant at any look, by the sequence and by a separate z-test at
/// each look.
fn significant(runs: u64, treated: f64, outcome: fn(f64) -> f64) -> (usize, usize) {
    let (mut by_sequence, mut by_z) = (0, 0);
    for run in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(run);
        let mut samples = [Sample::default(); 2];
        let (mut sequence, mut z) = (false, false);
        for viewer in 1..=*LOOKS.last().unwrap() {
            let variant = usize::from(random.random_bool(0.5));
            let share = if variant == 1 { treated } else { 0.1 };
            samples[variant].add(outcome(clicks(&mut random, share)));
            if LOOKS.contains(&viewer) {
                let [control, variant] = &samples;
                sequence |= difference(variant, control, PLANNED, ALPHA).is_some_and(|found| found.p < ALPHA);
                let error = (control.variance() / control.count + variant.variance() / variant.count).sqrt();
                z |= ((variant.mean() - control.mean()) / error).abs() > 1.96;
            }
        }
        by_sequence += usize::from(sequence);
        by_z += usize::from(z);
    }
    (by_sequence, by_z)
}

#[test]
fn of_a_thousand_experiments_without_a_difference_no_more_than_the_level_alarm_at_any_of_twelve_looks() {
    // The level allows 50 of 1,000; 61 is 1.645 standard deviations above.
    for outcome in [(|clicks| f64::min(clicks, 1.0)) as fn(f64) -> f64, |clicks| clicks] {
        let (by_sequence, by_z) = significant(1_000, 0.1, outcome);
        println!("false alarms in 1,000 runs: {by_sequence} by the sequence, {by_z} by a z-test at each look");
        assert!(by_sequence <= 61, "{by_sequence} false alarms");
        assert!(by_z > 150, "the looks are harmless to a plain z-test: {by_z}, so this shows nothing");
    }
}

#[test]
fn a_difference_by_half_is_seen_by_most() {
    let (by_sequence, _) = significant(100, 0.15, |clicks| clicks.min(1.0));
    println!("seen in {by_sequence} of 100 runs");
    assert!(by_sequence >= 70, "{by_sequence}");
}
