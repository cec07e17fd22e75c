//! Property tests of assignment over any viewers, salts and shares: shares, exclusion,
//! independence, and stability.

use proptest::prelude::*;

use super::*;
use crate::signal::SurfaceWeights;

const VIEWERS: u64 = 40_000;
/// Chance gives a chi-squared value above this, with one degree of freedom, once in a million.
const RARE: f64 = 23.9;

fn variant(id: &str, below: u32) -> Variant {
    Variant {
        id: id.to_owned(),
        below,
        weights: Weights::default(),
        mix: Mix::default(),
        held_back: HeldBack::default(),
    }
}

fn experiment(id: &str, layer: &str, traffic: (u32, u32), shares: &[u32]) -> Experiment {
    let sum: u32 = shares.iter().sum();
    let below = |at: usize| {
        let until: u64 = shares[..=at].iter().map(|share| u64::from(*share)).sum();
        u32::try_from(until * u64::from(WHOLE) / u64::from(sum)).unwrap()
    };
    Experiment {
        id: id.to_owned(),
        layer: salt(Purpose::Layer, layer),
        salt: salt(Purpose::Variant, id),
        traffic,
        from: UnixMillis(0),
        until: UnixMillis(i64::MAX),
        holdout: 0,
        audiences: AudienceSet::default(),
        variants: (0..shares.len()).map(|at| variant(&format!("v{at}"), below(at))).collect(),
    }
}

/// Keys as packs store them, or consecutive numbers from `from`: the draw must not depend on
/// well-mixed keys.
fn viewers(from: u64, is_keyed: bool) -> impl Iterator<Item = UserKey> {
    (0..VIEWERS).map(move |at| UserKey(if is_keyed { scatter(from, at) } else { from.wrapping_add(at) }))
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn chi_squared(counts: &[u64], shares: &[f64]) -> f64 {
    let all = counts.iter().sum::<u64>() as f64;
    let whole: f64 = shares.iter().sum();
    counts
        .iter()
        .zip(shares)
        .map(|(count, share)| {
            let expected = all * share / whole;
            (*count as f64 - expected).powi(2) / expected
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn shares_of_traffic_of_variants_and_of_the_holdout_hold(
        name in "[a-z]{1,12}", layer in "[a-z]{1,12}", from in any::<u64>(), is_keyed in any::<bool>(),
        first in 1_u32..20, second in 1_u32..20, start in 0_u32..500_000, length in 100_000_u32..500_000,
        holdout in 20_000_u32..200_000,
    ) {
        let one = Experiment { holdout, ..experiment(&name, &layer, (start, start + length), &[first, second]) };
        let experiments = Experiments::new(vec![one]);
        let (mut inside, mut of_variant) = (0, [0; 2]);
        for viewer in viewers(from, is_keyed) {
            if let [(0, variant)] = *experiments.chosen((Some(viewer), AudienceSet::default()), &[], UnixMillis(5)) {
                inside += 1;
                of_variant[variant] += 1;
            }
        }
        let share = f64::from(length) / 1e6 * (1.0 - f64::from(holdout) / 1e6);
        let traffic = chi_squared(&[inside, VIEWERS - inside], &[share, 1.0 - share]);
        prop_assert!(traffic < RARE, "{inside} of {VIEWERS} for {share}: {traffic}");
        let variants = chi_squared(&of_variant, &[f64::from(first), f64::from(second)]);
        prop_assert!(variants < RARE, "{of_variant:?} for {first}:{second}: {variants}");
    }

    #[test]
    fn experiments_of_a_layer_exclude_each_other_and_layers_say_nothing_of_one_another(
        from in any::<u64>(), is_keyed in any::<bool>(), cut in 300_000_u32..700_000, names in "[a-z]{6}",
    ) {
        let other = format!("{names}2");
        let experiments = Experiments::new(vec![
            experiment(&names, &names, (0, cut), &[1, 1]),
            experiment("rest", &names, (cut, WHOLE), &[1, 1]),
            experiment(&other, &other, (0, WHOLE), &[1, 1]),
        ]);
        let mut counts = [[0_u64; 2]; 4];
        for viewer in viewers(from, is_keyed) {
            let chosen = experiments.chosen((Some(viewer), AudienceSet::default()), &[], UnixMillis(5));
            let [(layer, variant), (2, third)] = *chosen else { panic!("{chosen:?}") };
            counts[layer * 2 + variant][third] += 1;
        }
        // Whichever variant viewers got in one layer, the other layer's variants split them alike.
        for row in counts {
            let value = chi_squared(&row, &[1.0, 1.0]);
            prop_assert!(value < RARE, "{counts:?}: {value}");
        }
    }

    #[test]
    fn what_is_added_ended_or_taken_away_moves_nobody_else(
        key in any::<u64>(), cut in 1_u32..WHOLE, at in 1_i64..1_000, variants in 2_usize..8,
    ) {
        let viewer = Some(UserKey(key));
        let mine = experiment("mine", "a", (0, cut), &vec![1; variants]);
        let neighbour = Experiment { until: UnixMillis(500), ..experiment("neighbour", "a", (cut, WHOLE), &[2, 1]) };
        let elsewhere = experiment("elsewhere", "b", (0, WHOLE), &[1, 3]);
        let of = |list: Vec<Experiment>| {
            let place = list.iter().position(|one| one.id == "mine").unwrap();
            let chosen = Experiments::new(list).chosen((viewer, AudienceSet::default()), &[], UnixMillis(at));
            chosen.into_iter().find(|one| one.0 == place).map(|one| one.1)
        };
        let alone = of(vec![mine.clone()]);
        prop_assert_eq!(of(vec![neighbour.clone(), mine.clone()]), alone);
        prop_assert_eq!(of(vec![elsewhere.clone(), mine.clone(), neighbour.clone()]), alone);
        prop_assert_eq!(of(vec![mine, elsewhere, neighbour]), alone);
    }

    #[test]
    fn no_bytes_of_a_board_make_a_viewer_be_in_two_experiments_of_a_layer(
        key in any::<u64>(), traffics in proptest::collection::vec((any::<u32>(), any::<u32>()), 1..6), below in any::<u32>(),
    ) {
        let list = traffics.iter().map(|traffic| Experiment { traffic: *traffic, variants: vec![variant("v", below)], ..experiment("x", "a", (0, 0), &[1, 1]) });
        let experiments = Experiments::new(list.collect());
        prop_assert!(experiments.chosen((Some(UserKey(key)), AudienceSet::default()), &[], UnixMillis(5)).len() <= 1);
    }
}

#[test]
fn nobody_is_in_an_experiment_before_after_or_without_a_name_and_the_held_out_never() {
    let timed = Experiment { from: UnixMillis(10), until: UnixMillis(20), ..experiment("x", "a", (0, WHOLE), &[1, 1]) };
    let held = Experiment { holdout: WHOLE, ..timed.clone() };
    let experiments = Experiments::new(vec![timed]);
    let count = |at: i64, viewer| experiments.chosen((viewer, AudienceSet::default()), &[], UnixMillis(at)).len();
    let someone = Some(UserKey(7));
    assert_eq!([9, 10, 19, 20].map(|at| count(at, someone)), [0, 1, 1, 0]);
    assert_eq!([9, 10, 19, 20].map(|at| experiments.run(UnixMillis(at))), [false, true, true, false]);
    assert_eq!(count(15, None), 0);
    assert!(Experiments::new(vec![held]).chosen((someone, AudienceSet::default()), &[], UnixMillis(15)).is_empty());
}

#[test]
fn what_a_preview_chose_stands_at_any_time_and_keeps_out_the_rest_of_its_layer() {
    let over = Experiment { until: UnixMillis(1), ..experiment("over", "a", (0, WHOLE), &[1, 1]) };
    let list = vec![over, experiment("runs", "a", (0, WHOLE), &[1, 1]), experiment("b", "b", (0, WHOLE), &[1, 1])];
    let experiments = Experiments::new(list);
    let forced = [experiments.find("over:v1").unwrap()];
    let chosen = experiments.chosen((Some(UserKey(7)), AudienceSet::default()), &forced, UnixMillis(5));
    assert_eq!(chosen.iter().map(|one| one.0).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(chosen[0], (0, 1));
    assert_eq!(experiments.chosen((None, AudienceSet::default()), &forced, UnixMillis(5)), [(0, 1)]);
    assert!(
        experiments.meet(&[(0, 0), (1, 0)])
            && experiments.meet(&[(2, 0), (2, 1)])
            && !experiments.meet(&[(1, 0), (2, 1)])
    );
    let known = "over:v0, over:v1, runs:v0, runs:v1, b:v0, b:v1";
    for wrong in ["", "over", "over:", "over:v2", ":v1", "over:v1:", "b:V0"] {
        assert_eq!(experiments.find(wrong), Err(known.to_owned()), "{wrong}");
    }
}

#[test]
fn variants_of_several_layers_each_change_what_is_theirs() {
    let base = Weights { new: SurfaceWeights { taste: 8, soon: 2, ..Default::default() }, ..Weights::default() };
    let mix = Mix { window: 10, stay: 1, ..Mix::default() };
    let mut one = experiment("one", "a", (0, WHOLE), &[1, 1]);
    let mut two = experiment("two", "b", (0, WHOLE), &[1, 1]);
    for variant in one.variants.iter_mut().chain(&mut two.variants) {
        (variant.weights, variant.mix) = (base, mix);
    }
    one.variants[1].weights.new.soon = 90;
    one.variants[1].mix.stay = 5;
    two.variants[1].weights.tabs.position = -3;
    let experiments = Experiments::new(vec![one, two]);
    let both = experiments.assign(&[(0, 1), (1, 1)], base, mix).unwrap();
    assert_eq!((both.weights.new.taste, both.weights.new.soon, both.weights.tabs.position), (8, 90, -3));
    assert_eq!(both.mix, Mix { stay: 5, ..mix });
    assert_eq!((both.json.as_str(), both.header.as_str()), (r#"{"one":"v1","two":"v1"}"#, "one=v1, two=v1"));
    let control = experiments.assign(&[(0, 0), (1, 0)], base, mix).unwrap();
    assert_eq!((control.weights, control.mix), (base, mix));
    let prints: std::collections::BTreeSet<u64> = [(0, 0), (0, 1), (1, 0), (1, 1)]
        .into_iter()
        .map(|one| experiments.assign(&[one], base, mix).unwrap().print)
        .chain([both.print, control.print])
        .collect();
    assert!(prints.len() == 6 && !prints.contains(&0));
    assert_eq!(experiments.assign(&[], base, mix), None);
    assert_eq!(experiments.shared_weights(base.new), 2, "tastes count for no shared score, nor do other surfaces");
}

#[test]
fn ids_are_what_headers_and_addresses_hold_as_it_is() {
    let long = "x".repeat(41);
    assert!(["a", "soon-first", "B_2", &long[..40]].into_iter().all(is_id));
    assert!(!["", "a b", "a:b", "a=b", "a,b", "é", "a\"", &long].into_iter().any(is_id));
}
