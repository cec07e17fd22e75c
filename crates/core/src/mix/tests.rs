//! Tests of arrangement on small, hand-made lists.

use super::*;

/// A test entry: its score, category, brand and channel.
type One = (i64, u16, u16, u16);

fn arranged(list: &[One], plan: &Plan<'_, One>) -> Vec<One> {
    let mut list = list.to_vec();
    arrange(&mut list, plan, |(total, category, brand, channel)| {
        let vector: &[u8] = if category == 1 { &[100; 64] } else { &[156; 64] };
        Traits { total, category, brand, channel, vector }
    });
    list
}

fn plan(mix: Mix) -> Plan<'static, One> {
    Plan { mix, floors: &[], places: PLACES, seed: 7, picks: &[], pins: &[] }
}

/// Two in three entries are of category 1; each has its own brand, and channels take turns.
fn list(count: u16) -> Vec<One> {
    (0..count).map(|at| (1_000 - i64::from(at), u16::from(at % 3 > 0), at + 1, at % 5)).collect()
}

fn most_in_a_row(list: &[One], window: usize, of: impl Fn(&One) -> u16) -> usize {
    let of = &of;
    let runs = list.windows(window);
    runs.flat_map(|run| run.iter().map(move |one| run.iter().filter(|other| of(other) == of(one)).count()))
        .max()
        .unwrap()
}

#[test]
fn without_a_mix_scores_decide() {
    assert_eq!(arranged(&list(60), &plan(Mix::default())), list(60));
}

#[test]
fn caps_hold_in_every_window_as_long_as_there_is_something_else() {
    let capped = arranged(&list(90), &plan(Mix { window: 4, category: 2, channel: 1, ..Mix::default() }));
    assert_eq!(most_in_a_row(&capped[..PLACES], 4, |one| one.1), 2);
    assert_eq!(most_in_a_row(&capped[..PLACES], 4, |one| one.3), 1);
    let mut sorted = capped.clone();
    sorted.sort_by_key(|one| std::cmp::Reverse(one.0));
    assert_eq!(sorted, list(90), "nothing is lost and nothing comes twice");
    let alike: Vec<One> = list(9).into_iter().map(|one| (one.0, 3, one.2, one.3)).collect();
    assert_eq!(arranged(&alike, &plan(Mix { window: 4, category: 2, ..Mix::default() })), alike);
}

#[test]
fn what_is_like_the_places_before_has_to_be_better() {
    let order = arranged(
        &[(50, 1, 1, 1), (49, 1, 2, 1), (48, 0, 3, 1)],
        &plan(Mix { window: 4, similarity: 1, ..Mix::default() }),
    );
    assert_eq!(order.iter().map(|one| one.0).collect::<Vec<_>>(), [50, 48, 49]);
}

#[test]
fn floors_are_kept_in_every_run_of_places() {
    // Channel 4 appears only at the very end.
    let list: Vec<One> = (0..100).map(|at| (1_000 - at, 0, 0, if at >= 90 { 4 } else { 1 })).collect();
    let floors = [Floor { channels: 1 << 4, least: 2 }];
    let plan = Plan { floors: &floors, ..plan(Mix { window: 10, ..Mix::default() }) };
    let order = arranged(&list, &plan);
    for run in order[..PLACES].chunks(10) {
        assert_eq!(run.iter().filter(|one| one.3 == 4).count(), 2, "{run:?}");
    }
}

#[test]
fn pins_and_picks_have_their_places_and_every_longer_list_agrees() {
    let picks = [(0, 9, 9, 9), (1_000 - 70, 1, 71, 0)];
    let pins = [(0, (1, 7, 7, 7)), (12, (2, 7, 7, 7))];
    let mix = Mix { window: 5, category: 4, explore_every: 10, ..Mix::default() };
    let plan = Plan { picks: &picks, pins: &pins, ..plan(mix) };
    let long = arranged(&list(400), &plan);
    assert_eq!((long[0], long[12]), (pins[0].1, pins[1].1));
    assert!(picks.iter().all(|pick| long[..PLACES].contains(pick)));
    let short = arranged(&list(u16::try_from(PLACES + REACH).unwrap()), &plan);
    assert_eq!(short[..PLACES], long[..PLACES]);
}

#[test]
fn a_draw_keeps_the_smallest_numbers_whatever_the_order() {
    let mix = Mix { explore_every: 10, ..Mix::default() };
    for step in [1, 7, 99] {
        let mut draw = Draw::new(&mix);
        (0..100_u64).map(|at| at * step % 100).for_each(|at| draw.offer(scatter(3, at), at));
        let mut all: Vec<u64> = (0..100).collect();
        all.sort_by_key(|at| scatter(3, *at));
        assert_eq!(draw.picks().collect::<Vec<_>>(), all[..4]);
    }
}
