//! Tests of comparisons: what they say of changed boards, of equal ones, and of tastes that turned.

use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::manifest::ManifestParts;
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::time::{DAY_MS, HOUR_MS};
use sinsang_core::verdict::VerdictKind;

use super::*;
use crate::shelf::board;

const BUILT: UnixMillis = UnixMillis(1_795_305_600_000);

/// A snapshot in memory.
struct Made {
    manifest: Manifest,
    board: Board,
    shards: BTreeMap<PackId, TasteShard>,
}

impl Made {
    fn new(parts: &BoardParts, users: &[(u64, Vec<u8>)], bits: u32) -> Self {
        let (bytes, id) = sinsang_core::pack::board_write::write(parts).unwrap();
        let board = Board::parse(bytes, id).unwrap();
        let widths = Widths { vocabulary: board.vocabulary(), vector: 2, ..Widths::default() };
        let mut shards = BTreeMap::new();
        let ids = (0..1_usize << bits).map(|shard| {
            let of_shard = |(key, _): &&(u64, Vec<u8>)| sinsang_core::pack::manifest::shard_index(*key, bits) == shard;
            let users: Vec<_> = users.iter().filter(of_shard).cloned().collect();
            if users.is_empty() {
                return PackId::default();
            }
            let (bytes, id) = taste::write(&widths, &users).unwrap();
            shards.insert(id, TasteShard::parse(bytes, id).unwrap());
            id
        });
        let ids = ids.collect();
        let (built_at, users) = (parts.built_at, u32::try_from(users.len()).unwrap());
        let parts = ManifestParts { built_at, board: id, format: parts.format, users, shards: ids, beside: Vec::new() };
        Self { manifest: Manifest::parse(parts.write().unwrap().0).unwrap(), board, shards }
    }

    /// The shards that `draw` names, and no others.
    fn drawn(&self, draw: &Draw) -> BTreeMap<PackId, TasteShard> {
        let read = |id: &PackId| {
            let bytes = self.shards[id].pack().bytes().to_vec();
            (*id, TasteShard::parse(bytes, *id).unwrap())
        };
        draw.shards(&self.manifest).iter().map(read).collect()
    }
}

/// The shards of both that `draw` names.
fn drawn([next, before]: [&Made; 2], draw: &Draw) -> BTreeMap<PackId, TasteShard> {
    let mut shards = next.drawn(draw);
    shards.append(&mut before.drawn(draw));
    shards
}

fn compared(next: &Made, before: &Made, at: UnixMillis) -> Comparison {
    let draw = Draw::of(&next.manifest, &before.manifest);
    let shards = drawn([next, before], &draw);
    let [next, before] =
        [next, before].map(|made| Side { manifest: &made.manifest, board: &made.board, shards: &shards });
    Comparison::of(&next, &before, &draw, at)
}

/// Forty products, from left to right in the space of vectors, and an hour apart in the schedule.
fn parts() -> BoardParts {
    let mut parts = board(BUILT, 40);
    parts.blocks = vec![sinsang_core::pack::board::Block { name: "words".to_owned(), start: 0, length: 2 }];
    parts.weights.new = SurfaceWeights { taste: 1_000, soon: 1, ..SurfaceWeights::default() };
    for (product, place) in parts.products.iter_mut().zip(0_i8..) {
        product.vector = vec![place * 3 - 60, 1];
        let starts_at = BUILT.plus((i64::from(place) + 24) * HOUR_MS);
        product.first = (starts_at, starts_at.plus(HOUR_MS));
        product.verdict_first =
            r#"{"kind":"new","evidence":{"reason":"first_broadcast","text":"기록에 없음","earlier":null}}"#.to_owned();
    }
    let firsts: Vec<_> = parts.products.iter().map(|product| product.first).collect();
    for (slot, (starts_at, ends_at)) in parts.slots.iter_mut().zip(firsts) {
        (slot.starts_at, slot.ends_at) = (starts_at, ends_at);
    }
    parts
}

fn repeat(product: &mut sinsang_core::pack::board_write::ProductPart) {
    product.verdict = VerdictKind::Repeat;
    product.verdict_first = r#"{"kind":"repeat","evidence":{"reason":"likely_aired","text":"앞서 방송됨",
        "earlier":{"title":"옛 무쇠솥"},"aired_probability":0.91}}"#
        .to_owned();
}

fn changed(change: impl FnOnce(&mut BoardParts)) -> BoardParts {
    let mut parts = BoardParts { built_at: BUILT.plus(HOUR_MS), ..parts() };
    change(&mut parts);
    parts
}

/// `count` users spread evenly over keys, who lean to the left or to the right.
fn users(count: u64, lean: i8) -> Vec<(u64, Vec<u8>)> {
    (0..count).map(|user| (user * (u64::MAX / count), vec![lean.cast_unsigned(), 0])).collect()
}

#[test]
fn equal_snapshots_differ_in_nothing() {
    let one = Made::new(&parts(), &users(300, 90), 4);
    for at in [BUILT, BUILT.plus(DAY_MS + 5 * HOUR_MS), BUILT.plus(90 * DAY_MS)] {
        let found = compared(&one, &one, at);
        assert_eq!(found.next, found.before);
        assert_eq!((found.turns.products, found.turns.turned.len()), (40, 0));
        assert_eq!((found.newcomers.len(), found.leavers.len()), (0, 0));
        assert_eq!((found.churn.changed, found.churn.reordered), Default::default(), "{at}");
        assert_eq!((found.churn.shared_changed, found.churn.shared_reordered), (0.0, 0.0));
        assert!((100..=MOST_VIEWERS).contains(&found.churn.viewers), "{}", found.churn.viewers);
        assert_eq!(found.churn.by_places[0], found.churn.viewers as u64);
    }
}

/// All forty products, whose first broadcasts are over.
const OVER: [(u64, Cause); 40] = {
    let mut all = [(0, Cause::Over); 40];
    let mut at = 0;
    while at < all.len() {
        all[at].0 = at as u64 + 1;
        at += 1;
    }
    all
};

#[test]
fn what_changed_between_two_boards_is_told_by_cause() {
    type Row =
        (&'static str, BoardParts, BoardParts, i64, [&'static [(u64, Cause)]; 2], &'static [(&'static str, u64)]);
    let last = |parts: &mut BoardParts| {
        parts.products.retain(|product| product.id != 40);
        parts.slots.retain(|slot| slot.product != 40);
    };
    let unknown = |parts: &mut BoardParts, listed: bool| {
        (parts.products[4].verdict, parts.products[4].unknown_listed) = (VerdictKind::Unknown, listed);
    };
    let rows: Vec<Row> = vec![
        ("nothing but the time", parts(), changed(|_| ()), 1, [&[], &[]], &[]),
        ("arrived", changed(last), parts(), 1, [&[(40, Cause::Arrived)], &[]], &[]),
        ("off the schedule", parts(), changed(last), 1, [&[], &[(40, Cause::OffSchedule)]], &[]),
        ("over", parts(), parts(), 25, [&[], &[(1, Cause::Over)]], &[]),
        ("over, and off the board", parts(), changed(last), 65, [&[], &OVER], &[]),
        (
            "turned to repeat",
            parts(),
            changed(|next| repeat(&mut next.products[4])),
            1,
            [&[], &[(5, Cause::Verdict)]],
            &[("new → repeat", 1)],
        ),
        (
            "found to be an older product",
            parts(),
            changed(|next| {
                repeat(&mut next.products[4]);
                next.products[4].first = (UnixMillis(0), UnixMillis(HOUR_MS));
            }),
            1,
            [&[], &[(5, Cause::Verdict)]],
            &[("new → repeat", 1)],
        ),
        (
            "moved to before the build",
            parts(),
            changed(|next| next.products[4].first = (BUILT.plus(-2 * HOUR_MS), BUILT.plus(-HOUR_MS))),
            1,
            [&[], &[(5, Cause::Over)]],
            &[],
        ),
        (
            "turned to repeat by its first broadcast",
            parts(),
            changed(|next| repeat(&mut next.products[0])),
            25,
            [&[], &[(1, Cause::Over)]],
            &[("new → repeat", 1)],
        ),
        (
            "turned to new",
            changed(|before| before.products[..2].iter_mut().for_each(repeat)),
            parts(),
            1,
            [&[(1, Cause::Verdict), (2, Cause::Verdict)], &[]],
            &[("repeat → new", 2)],
        ),
        (
            "unknown, and shown by the rules",
            changed(|before| unknown(before, false)),
            changed(|next| unknown(next, true)),
            1,
            [&[(5, Cause::Rule)], &[]],
            &[],
        ),
        (
            "unknown to new, beside an arrival",
            changed(|before| {
                unknown(before, false);
                last(before);
            }),
            parts(),
            1,
            [&[(5, Cause::Verdict), (40, Cause::Arrived)], &[]],
            &[("unknown → new", 1)],
        ),
    ];
    for (name, before, next, hours, [newcomers, leavers], turned) in rows {
        let next = BoardParts { built_at: BUILT.plus(hours * HOUR_MS), ..next };
        let before = BoardParts { built_at: BUILT, ..before };
        let found = compared(&Made::new(&next, &[], 0), &Made::new(&before, &[], 0), BUILT);
        let told = |movements: &[Movement]| -> Vec<(u64, Cause)> {
            movements.iter().map(|one| (u64::from_str_radix(&one.product, 16).unwrap(), one.cause)).collect()
        };
        assert_eq!(told(&found.newcomers), newcomers, "{name}");
        assert_eq!(told(&found.leavers), leavers, "{name}");
        let turns = found
            .turns
            .turned
            .iter()
            .map(|turn| (format!("{} → {}", turn.from.as_str(), turn.to.as_str()), turn.products));
        let expected: Vec<_> = turned.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(turns.collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn a_movement_has_the_evidence_of_both_boards() {
    let (before, next) = (changed(|before| repeat(&mut before.products[0])), parts());
    let found = compared(&Made::new(&next, &[], 0), &Made::new(&before, &[], 0), BUILT.plus(HOUR_MS));
    let Movement { title, shop, channel, first_starts_at, before, next, .. } = &found.newcomers[0];
    assert_eq!((title.as_str(), shop.as_str(), channel.as_str()), ("무쇠솥 1", "GS샵", "GS샵"));
    assert_eq!(*first_starts_at, BUILT.plus(24 * HOUR_MS));
    let [before, next] = [before, next].map(|one| one.as_ref().unwrap()["evidence"].clone());
    assert_eq!(
        (before["earlier"]["title"].as_str(), before["aired_probability"].as_f64()),
        (Some("옛 무쇠솥"), Some(0.91))
    );
    assert_eq!(next["reason"], "first_broadcast");
    let shop = found.next.shops["GS샵"];
    assert_eq!((shop.products, shop.new, shop.repeat, found.before.shops["GS샵"].repeat), (40, 40, 0, 1));
}

#[test]
fn churn_tells_turned_tastes_from_a_changed_schedule() {
    let left = Made::new(&parts(), &users(60, -90), 2);
    let right = Made::new(&changed(|_| ()), &users(60, 90), 2);
    let found = compared(&right, &left, BUILT.plus(HOUR_MS)).churn;
    assert_eq!((found.viewers, found.listed), (60, [40, 40]));
    // The first twenty of forty products from the left, then from the right.
    assert_eq!((found.changed.mean, found.reordered.mean, found.shared_changed), (1.0, 1.0, 0.0));
    let [low, high] = found.reordered.interval;
    assert_eq!((low, high), (1.0, 1.0));
    assert_eq!(found.by_places[FIRST], 60);

    // The five most wanted products are gone: five others follow, and the rest stays in order.
    let fewer = changed(|next| {
        next.products.retain(|product| product.id > 5);
        next.slots.retain(|slot| slot.product > 5);
    });
    let found = compared(&Made::new(&fewer, &users(60, -90), 2), &left, BUILT.plus(HOUR_MS)).churn;
    assert_eq!((found.changed.mean, found.reordered.mean, found.listed), (0.25, 0.0, [40, 35]));
    assert_eq!(found.by_places[5], 60);

    // One in four viewers turns; the interval holds the mean.
    let mixed: Vec<_> = users(60, -90)
        .into_iter()
        .zip(users(60, 90))
        .enumerate()
        .map(|(place, (left, right))| if place % 4 == 0 { right } else { left })
        .collect();
    let found = compared(&Made::new(&changed(|_| ()), &mixed, 2), &left, BUILT.plus(HOUR_MS)).churn;
    assert_eq!((found.reordered.mean, found.reordered.median, found.reordered.most), (0.25, 0.0, 1.0));
    let [low, high] = found.reordered.interval;
    assert!((0.1..0.2).contains(&low) && (0.3..0.4).contains(&high), "{low} to {high}");
}

#[test]
fn tastes_of_another_vocabulary_and_viewers_of_one_side_are_ranked_by_the_shared_order() {
    let nobody = Made::new(&changed(|_| ()), &[], 0);
    let left = Made::new(&parts(), &users(60, 90), 2);
    let found = compared(&nobody, &left, BUILT.plus(HOUR_MS)).churn;
    assert_eq!((found.viewers, found.reordered.mean), (60, 1.0));

    // Tastes of a board with other blocks mean nothing to this one.
    let mut other = Made::new(&changed(|next| next.blocks[0].name = "brands".to_owned()), &[], 0);
    let parts = ManifestParts { shards: left.manifest.parts().shards, ..other.manifest.parts() };
    other.manifest = Manifest::parse(parts.write().unwrap().0).unwrap();
    other.shards = Made::new(&self::parts(), &users(60, 90), 2).shards;
    let found = compared(&other, &nobody, BUILT.plus(HOUR_MS)).churn;
    assert_eq!((found.viewers, found.reordered.mean), (60, 0.0));
}

#[test]
fn few_shards_are_drawn_by_both_ids_and_viewers_from_them_alone() {
    let [coarse, fine] = [3, 6].map(|bits| Made::new(&parts(), &users(6_400, 90), bits));
    let draw = Draw::of(&fine.manifest, &coarse.manifest);
    assert_eq!(draw, Draw::of(&fine.manifest, &coarse.manifest));
    assert_eq!(draw.shards(&fine.manifest).len(), MOST_SHARDS);
    assert!(draw.shards(&coarse.manifest).len() <= MOST_SHARDS);
    assert_ne!(draw.shards(&fine.manifest), Draw::of(&coarse.manifest, &fine.manifest).shards(&fine.manifest));
    let viewers = draw.viewers(&drawn([&fine, &coarse], &draw));
    assert_eq!(viewers.len(), MOST_VIEWERS);
    let of_fine = draw.shards(&fine.manifest);
    assert!(viewers.iter().all(|key| of_fine.contains(&fine.manifest.shard_of(*key).unwrap())));
    // Shards without users are passed over.
    let few: Vec<_> = users(6_400, 90).into_iter().take(3).collect();
    let few = Made::new(&parts(), &few, 6);
    let draw = Draw::of(&few.manifest, &few.manifest);
    assert_eq!(draw.viewers(&few.drawn(&draw)).len(), 3);
}
