//! Property tests of the counter: counting twice equals counting once, and no flood outweighs its
//! number of viewers.

use proptest::prelude::*;

use super::*;
use crate::time::DAY_MS;

const NOW: UnixMillis = UnixMillis(1_795_350_000_000);

fn happening(product: u64, viewer: u64, is_signed: bool, deed: Deed, minutes_ago: i64) -> Happening {
    Happening { product, viewer, is_signed, deed, at: NOW.plus(-minutes_ago * MINUTE_MS) }
}

fn any_happening() -> impl Strategy<Value = Happening> {
    (0_u64..6, 0_u64..40, any::<bool>(), 0_usize..3, 0_i64..2_000)
        .prop_map(|(product, viewer, is_signed, deed, ago)| happening(product, viewer, is_signed, Deed::ALL[deed], ago))
}

fn counter(happenings: &[Happening]) -> Counter {
    let mut counter = Counter::new(Terms::default());
    for one in happenings {
        counter.count(one, NOW);
    }
    counter.take_changed();
    counter
}

#[test]
fn a_viewer_counts_once_half_after_a_half_life_and_a_quarter_unsigned() {
    let mut counter = Counter::new(Terms::default());
    let one = happening(1, 7, true, Deed::Purchase, 0);
    assert_eq!([counter.count(&one, NOW), counter.count(&one, NOW)], [Counted::New, Counted::Known]);
    let counts = |viewers, looks, alarms, purchases| Counts { viewers, looks, alarms, purchases };
    assert_eq!(counter.counts_of(1, NOW), counts(16, 0, 0, 16));
    assert_eq!(counter.counts_of(1, NOW.plus(6 * HOUR_MS)), counts(8, 0, 0, 8));
    assert_eq!(counter.counts_of(1, NOW.plus(DAY_MS + MINUTE_MS)), Counts::default());
    // The same viewer also looks: one viewer, two deeds.
    counter.count(&happening(1, 7, true, Deed::Look, 0), NOW);
    assert_eq!(counter.counts_of(1, NOW), counts(16, 16, 0, 16));
    assert_eq!(counter.counts_of(1, NOW).interest(), 16 + 2);
    counter.count(&happening(2, 7, false, Deed::Alarm, 0), NOW);
    assert_eq!(counter.counts_of(2, NOW), counts(4, 0, 4, 0));
    assert_eq!(counter.count(&happening(2, 7, true, Deed::Look, 24 * 60 + 1), NOW), Counted::Late);
}

#[test]
fn a_flood_of_devices_is_bounded_a_minute_and_together() {
    let mut counter = Counter::new(Terms::default());
    let outcomes: Vec<Counted> =
        (0..1_000).map(|device| counter.count(&happening(1, device, false, Deed::Purchase, 0), NOW)).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Counted::New).count(), MAX_UNSIGNED_A_MINUTE);
    // The same in each of the following minutes.
    for minute in 1..60 {
        for device in 0..MAX_UNSIGNED_A_MINUTE as u64 {
            counter.count(
                &happening(1, 1_000 * u64::try_from(minute).unwrap() + device, false, Deed::Purchase, minute),
                NOW,
            );
        }
    }
    assert_eq!(counter.counts_of(1, NOW).purchases, 16 * 8);
    for user in 0..10 {
        counter.count(&happening(1, user, true, Deed::Purchase, 0), NOW);
    }
    assert_eq!(counter.counts_of(1, NOW).purchases, 16 * (10 + 8), "whoever is signed in is beside them");
}

#[test]
fn it_holds_its_bounds_and_signed_viewers_find_room_behind_a_flood() {
    let mut counter = Counter::new(Terms::default());
    for product in 0..10_000 {
        for device in 0..20 {
            counter.count(&happening(product, product / 30 * 20 + device, false, Deed::Look, 0), NOW);
        }
    }
    assert!(counter.products.len() <= MAX_PRODUCTS / 2 && counter.len() <= MAX_ALL_MARKS / 2);
    for product in 0..MAX_PRODUCTS as u64 {
        assert_eq!(
            counter.count(&happening(product, product / 128, true, Deed::Look, 0), NOW),
            Counted::New,
            "{product}"
        );
    }
    assert!(counter.products.len() <= MAX_PRODUCTS);
    for user in 0..3_000 {
        counter.count(&happening(1, user, true, Deed::Purchase, 0), NOW);
    }
    assert!(counter.products[&1].len() <= MAX_MARKS);
    assert_eq!(counter.len(), counter.products.values().map(Vec::len).sum::<usize>());
    assert_eq!(counter.counts(100, NOW).len(), 100);
    assert!(counter.counts(100, NOW).iter().any(|(product, _)| *product == 1), "the most wanted is among the most");
    counter.sweep(NOW.plus(2 * DAY_MS));
    assert!(counter.is_empty() && counter.unsigned == 0 && counter.of_viewer.is_empty());
}

#[test]
fn whoever_does_everything_has_few_marks_and_pushes_nobody_out() {
    let mut counter = Counter::new(Terms::default());
    for user in 0..5 {
        counter.count(&happening(u64::MAX, user, true, Deed::Look, 0), NOW);
    }
    let wanted = counter.counts_of(u64::MAX, NOW);
    // A flood of nine accounts and a thousand made-up devices, with every deed at each product.
    let flood = (100..109).map(|user| (user, true)).chain((1_000..2_000).map(|device| (device, false)));
    for (viewer, is_signed) in flood {
        let became: Vec<Counted> = (0..9_000)
            .map(|step| counter.count(&happening(step / 3, viewer, is_signed, Deed::ALL[(step % 3) as usize], 0), NOW))
            .collect();
        let most = usize::from(if is_signed { MAX_OF_VIEWER } else { MAX_OF_UNSIGNED });
        let new = became.iter().filter(|became| **became == Counted::New).count();
        assert!(new <= most && became.contains(&Counted::Enough), "{new} marks of {viewer}");
    }
    assert!(counter.len() < MAX_ALL_MARKS / 2, "{} marks", counter.len());
    let most = counter.counts(64, NOW);
    assert!(most.contains(&(u64::MAX, wanted)), "five who are signed in are more than any number of deeds of nine");
}

#[test]
fn what_is_worth_least_gives_way_and_only_to_what_is_worth_more() {
    let mut counter = Counter::new(Terms::default());
    let products = MAX_PRODUCTS as u64;
    // Every product except the first two was wanted by one viewer, an hour ago.
    for product in 0..products {
        let minutes = if product < 2 { 0 } else { 60 };
        counter.count(&happening(product, product, true, Deed::Purchase, minutes), NOW);
    }
    counter.count(&happening(0, products, true, Deed::Look, 0), NOW);
    counter.count(&happening(5, products + 1, false, Deed::Look, 0), NOW);
    let late = happening(products, products + 2, true, Deed::Look, 0);
    assert_eq!(counter.count(&late, NOW), Counted::New);
    assert_eq!(counter.products.len(), MAX_PRODUCTS);
    assert!([0, 1, 5, products].iter().all(|product| counter.products.contains_key(product)));
    assert_eq!(counter.len(), counter.products.values().map(Vec::len).sum::<usize>());
    // If every product was wanted just now, a newcomer is refused.
    let mut counter = Counter::new(Terms::default());
    for product in 0..products {
        counter.count(&happening(product, product, true, Deed::Look, 0), NOW);
    }
    assert_eq!(counter.count(&late, NOW), Counted::Full);
}

proptest! {
    #[test]
    fn what_comes_twice_or_in_another_order_changes_nothing(
        happenings in proptest::collection::vec(any_happening(), 0..60), again in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let once = counter(&happenings);
        let mut twice = happenings.clone();
        twice.extend(again.iter().filter(|_| !happenings.is_empty()).map(|index| happenings[index.index(happenings.len())]));
        prop_assert_eq!(&counter(&twice), &once);
        twice.reverse();
        prop_assert_eq!(&counter(&twice), &once);
        let mut merged = once.clone();
        merged.merge(&once, NOW);
        prop_assert_eq!(merged.counts(100, NOW), once.counts(100, NOW));
    }

    #[test]
    fn merging_halves_is_counting_the_whole(happenings in proptest::collection::vec(any_happening(), 0..60), at in any::<prop::sample::Index>()) {
        let (a, b) = happenings.split_at(at.index(happenings.len() + 1));
        let mut merged = counter(a);
        merged.merge(&counter(b), NOW);
        merged.merge(&counter(b), NOW);
        prop_assert_eq!(merged.counts(100, NOW), counter(&happenings).counts(100, NOW));
    }

    #[test]
    fn a_flood_from_one_client_moves_nothing_by_more_than_one_viewer(
        others in proptest::collection::vec(any_happening(), 0..40), flood in proptest::collection::vec(any_happening(), 0..200),
        viewer in 100_u64..110, is_signed in any::<bool>(), later in 0_i64..1_500,
    ) {
        let now = NOW.plus(later * MINUTE_MS);
        let flood: Vec<Happening> = flood.into_iter().map(|one| Happening { viewer, is_signed, ..one }).collect();
        let without = counter(&others);
        let with = counter(&[others, flood].concat());
        let most = if is_signed { VIEWER } else { VIEWER / 4 };
        for product in 0..6 {
            let (before, after) = (without.counts_of(product, now), with.counts_of(product, now));
            for (before, after) in [(before.viewers, after.viewers), (before.looks, after.looks), (before.alarms, after.alarms), (before.purchases, after.purchases)] {
                // Rounding may cost a sixteenth.
                prop_assert!(after >= before && u32::from(after - before) <= most + 1, "{before} {after}");
            }
        }
    }

    #[test]
    fn marks_survive_being_stored_and_noise_is_passed_over(happenings in proptest::collection::vec(any_happening(), 0..60), noise in proptest::collection::vec(any::<u8>(), 0..60)) {
        let whole = counter(&happenings);
        let mut restored = Counter::new(Terms::default());
        for product in 0..6 {
            restored.restore(product, &whole.marks(product));
        }
        prop_assert_eq!(restored.counts(100, NOW), whole.counts(100, NOW));
        prop_assert_eq!(restored.len(), whole.len());
        restored.restore(3, &noise);
        prop_assert_eq!(restored.len(), restored.products.values().map(Vec::len).sum::<usize>());
        let _ = restored.counts(100, NOW);
    }

    #[test]
    fn counts_only_fall_as_time_goes_by(happenings in proptest::collection::vec(any_happening(), 0..60), steps in proptest::collection::vec(0_i64..400, 1..8)) {
        let counter = counter(&happenings);
        let mut now = NOW;
        for step in steps {
            let before: Vec<Counts> = (0..6).map(|product| counter.counts_of(product, now)).collect();
            now = now.plus(step * MINUTE_MS);
            for (before, after) in before.iter().zip((0..6).map(|product| counter.counts_of(product, now))) {
                prop_assert!(after.viewers <= before.viewers && after.purchases <= before.purchases);
            }
        }
    }
}
