//! Tests of profiles.

use super::super::say::Everyone;
use super::*;

fn catalogue() -> Catalogue {
    let names = |stem: &str| (0..3).map(|at| format!("{stem}{at}")).collect();
    let vocabulary = Vocabulary { channels: names("채널"), tabs: names("tab"), categories: Vec::new() };
    Catalogue::new(&vocabulary, vec![70, 80, 90])
}

fn deeds(catalogue: &Catalogue, views: &[(u64, i64)]) -> Vec<Deed> {
    let deed = |(product, views): &(u64, i64)| {
        let product = format!("{product:016x}");
        let row = Row { product: Some(&product), names_product: true, weight: views * UNIT, ..Row::default() };
        catalogue.deed(&Row { channel: Some("채널1"), ..row })
    };
    views.iter().map(deed).collect()
}

fn everyone(catalogue: &Catalogue, deeds: &[Deed]) -> Sums {
    let mut everyone = Everyone::new(catalogue);
    everyone.add(deeds, &Engagement::of(deeds, catalogue, &Decay::new(30.0, 30.0, 0)), false);
    everyone.together()
}

#[test]
fn the_second_event_on_a_product_says_less_than_the_first_and_no_product_says_everything() {
    let catalogue = catalogue();
    let deeds = deeds(&catalogue, &[(70, 3), (80, 1_000), (90, -2), (70, 4), (99, 5)]);
    let engagement = Engagement::of(&deeds, &catalogue, &Decay::new(30.0, 30.0, 0));
    assert_eq!((engagement.events, engagement.unknown.products), (5, 1));
    let history = engagement.history();
    assert_eq!(history.strengths, [(0, 5.0), (1, 16.0), (2, -2.0)]);
    assert_eq!(history.sums, [(0, 7.0), (1, 64.0), (2, -2.0)]);
    assert!((sureness(&history, 23.0) - 0.5).abs() < 1e-12);
}

#[test]
fn a_user_who_does_what_everyone_does_has_no_lifts_to_speak_of() {
    let catalogue = catalogue();
    let everyone = everyone(&catalogue, &deeds(&catalogue, &[(70, 3), (80, 3)]));
    let baseline = Baseline::of(&everyone);
    // The population's shares are smoothed by a view each, so a certain user still has small lifts.
    assert!(lifts(&everyone.channels, &baseline.channels, 1e-6).iter().all(|lift| *lift < 32));
    assert_eq!(baseline.population(&everyone, &catalogue).popularity, BTreeMap::from([(70, 48), (80, 48)]));
}

#[test]
fn a_lift_of_32_is_a_doubling() {
    assert_eq!([0.2, 0.1, 0.05, 0.0].map(|share| lift(share, 0.1)), [32, 0, -32, -127]);
}
