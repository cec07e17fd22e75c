//! Generated viewers whose truth is known.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_core::time::UnixMillis;
use sinsang_experiment::exposure::{Intake, Viewer};
use sinsang_experiment::metric::Tally;
use sinsang_experiment::{Guardrail, REVENUE_CAP_WON, Report, Settings, Viewers, report};

/// The viewers at which a generated experiment is looked at.
pub(crate) const LOOKS: [usize; 8] = [400, 600, 900, 1_300, 1_800, 2_400, 3_200, 4_000];

/// Generated experiments of a test: 1,000 where their numbers are shown (`make test-experiment
/// SHOW=1`), a tenth in every other run.
pub(crate) fn runs() -> u32 {
    if std::env::var_os("SHOW").is_some() { 1_000 } else { 100 }
}

/// The most of `runs` that a share of them gives in 99 of 100 cases.
pub(crate) fn most(runs: u32, share: f64) -> f64 {
    let runs = f64::from(runs);
    2.33_f64.mul_add((runs * share * (1.0 - share)).sqrt(), runs * share)
}

/// What a viewer of `drive` does in some weeks. Amounts have a Pareto tail of exponent 1.5, whose
/// variance is infinite without a cap.
fn tally(random: &mut ChaCha8Rng, drive: f64) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..20 {
        tally.clicks += u32::from(random.random_bool(0.2 * drive));
    }
    tally.alarms = u32::from(random.random_bool(0.3 * drive));
    for _ in 0..5 {
        if random.random_bool(0.1 * drive) {
            tally.purchases += 1;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
            let won = (30_000.0 * random.random_range(1e-6_f64..1.0).powf(-1.0 / 1.5)) as u64;
            tally.revenue_won += won;
        }
    }
    tally
}

/// A viewer in one of two variants, with 70% having a history, before which they were driven as
/// much as after.
pub(crate) fn viewer(random: &mut ChaCha8Rng) -> (usize, Viewer) {
    let drive = random.random_range(0.0_f64..1.0).powi(3);
    let place = usize::from(random.random_bool(0.5));
    let before = random.random_bool(0.7).then(|| tally(random, drive));
    let variants = [["control", "fresh"][place].to_owned()].into();
    let after = tally(random, drive);
    (place, Viewer { variants, first_at: Some(UnixMillis(0)), impressions: 1, after, before, ..Viewer::default() })
}

pub(crate) fn settings(planned: f64, guardrails: &[&str]) -> Settings {
    let guardrails = guardrails.iter().map(|text| text.parse::<Guardrail>().unwrap()).collect();
    Settings {
        experiment: "soon-first".to_owned(),
        variants: vec![("control".to_owned(), 0.5), ("fresh".to_owned(), 0.5)],
        planned,
        alpha: 0.05,
        devices: false,
        cap_won: REVENUE_CAP_WON,
        before_days: 14,
        guardrails,
    }
}

/// Draws an experiment, in which `treat` changes the viewers of the variant, and hands out the
/// report at every look.
pub(crate) fn experiment(
    run: u32,
    settings: &Settings,
    mut treat: impl FnMut(&mut ChaCha8Rng, &mut Viewer),
    mut look: impl FnMut(Report),
) {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(run));
    let mut viewers = Viewers::new();
    for count in 1..=*LOOKS.last().unwrap() {
        let (place, mut viewer) = viewer(&mut random);
        if place == 1 {
            treat(&mut random, &mut viewer);
        }
        viewers.insert(format!("{count:016x}"), viewer);
        if LOOKS.contains(&count) {
            look(report(&viewers, Intake::default(), settings));
        }
    }
}
