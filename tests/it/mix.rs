//! Surface features beyond scores, on complete boards: mixing, exploration, operators' directives,
//! sessions, explanations.

use std::collections::{BTreeMap, BTreeSet};

use sinsang_core::directive::{Deed, WHOLE};
use sinsang_core::mix::{Draw, Floor, Mix};
use sinsang_core::pack::board::Board;
use sinsang_core::pack::board_write::{BoardParts, write};
use sinsang_core::pack::mix::{DirectivePart, MixParts};
use sinsang_core::pack::taste::Taste;
use sinsang_core::scatter::scatter;
use sinsang_core::surface::new::{Page, Selection, Sort, page};
use sinsang_core::surface::{View, live, tabs};
use sinsang_core::time::{DAY_MS, HOUR_MS, KST_OFFSET_MS, MINUTE_MS, SECOND_MS, UnixMillis};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts, publish, published, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, ids, json, ok};

const MIX: Mix = Mix {
    window: 10,
    category: 4,
    brand: 3,
    channel: 4,
    similarity: 4,
    explore_every: 20,
    explore_below: 100,
    memory: 40,
    stay: 1,
    tab_margin: 4_000,
    second: 0,
    near: 0,
};

fn board(parts: &BoardParts) -> Board {
    let (bytes, id) = write(parts).unwrap();
    Board::parse(bytes, id).unwrap()
}

/// A board of `products` products whose first broadcasts are in the future.
fn fresh(products: usize) -> BoardParts {
    let mut parts = parts(&Shape { products, ..Shape::DAY });
    let built_at = parts.built_at;
    for (product, at) in parts.products.iter_mut().zip(0..) {
        product.verdict = sinsang_core::verdict::VerdictKind::New;
        product.first = (built_at.plus(HOUR_MS + at * SECOND_MS), built_at.plus(3 * HOUR_MS + at * SECOND_MS));
    }
    parts
}

fn list(view: &View<'_>, offset: usize, limit: usize) -> Page {
    let frozen_at = at(BUILT_AT);
    let selection = Selection { category: None, channel: None, sort: Sort::Recommended, frozen_at, offset, limit };
    page(view, &selection)
}

#[test]
fn pages_of_a_mixed_list_never_repeat_and_never_skip_and_hold_for_a_day() {
    let mut parts = fresh(300);
    parts.mix.mix = MIX;
    parts.mix.directives = vec![directive(Deed::Pin(3), &parts, 7), directive(Deed::Hide, &parts, 9)];
    let board = board(&parts);
    let mut orders = BTreeSet::new();
    for viewer in 1..20 {
        let vector: Vec<u8> = (0..64).map(|dim| scatter(viewer, dim).to_le_bytes()[0]).collect();
        let taste = Some(Taste { vector: &vector, ..Taste::default() });
        let view = View { taste, viewer, ..View::shared(&board, at(BUILT_AT)) };
        let whole = list(&view, 0, usize::MAX).products;
        assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), whole.len());
        for limit in [1, 7, 20] {
            let (mut paged, mut offset) = (Vec::new(), Some(0));
            while let Some(from) = offset {
                let page = list(&view, from, limit);
                paged.extend(page.products);
                offset = page.next_offset;
            }
            assert_eq!(paged, whole, "by {limit}");
        }
        assert_eq!(board.product(whole[3]).id(), parts.products[7].id);
        assert!(!whole.iter().any(|index| board.product(*index).id() == parts.products[9].id));
        orders.insert(whole);
    }
    assert!(orders.len() > 15);
}

fn directive(deed: Deed, parts: &BoardParts, product: usize) -> DirectivePart {
    DirectivePart {
        name: format!("규칙 {product}"),
        deed,
        surfaces: 3,
        share: WHOLE,
        audiences: Vec::new(),
        from: parts.built_at.plus(-DAY_MS),
        until: parts.built_at.plus(DAY_MS),
        products: vec![parts.products[product].id],
    }
}

#[test]
fn every_new_product_reaches_100_first_exposures_in_a_day_of_100_000_viewers() {
    // As many new products as a real board of eight days has.
    let mut parts = fresh(528);
    parts.mix.mix = MIX;
    let board = board(&parts);
    let day = at(BUILT_AT).plus(KST_OFFSET_MS).0.div_euclid(DAY_MS).cast_unsigned();
    let pick = |viewer: u64| {
        let mut draw = Draw::new(&MIX);
        let seed = scatter(viewer, day);
        board.candidates().for_each(|index| draw.offer(scatter(seed, board.product(index).id()), index));
        draw.picks().next().unwrap()
    };
    // A viewer's first pick is on the first page, whatever the viewer's tastes.
    for viewer in 1..=300 {
        let vector: Vec<u8> = (0..64).map(|dim| scatter(viewer, dim).to_le_bytes()[0]).collect();
        let taste = Some(Taste { vector: &vector, ..Taste::default() });
        let page = list(&View { taste, viewer, ..View::shared(&board, at(BUILT_AT)) }, 0, 20);
        assert!(page.products.contains(&pick(viewer)), "viewer {viewer}");
    }
    let mut exposures: BTreeMap<usize, u32> = board.candidates().map(|index| (index, 0)).collect();
    (1..=100_000).for_each(|viewer| *exposures.entry(pick(viewer)).or_default() += 1);
    let least = exposures.values().min().unwrap();
    assert!(exposures.len() > 300 && *least >= 100, "{least} exposures of the least of {}", exposures.len());

    // Products shown often enough leave their places to others.
    let seen = board.product(*exposures.keys().next().unwrap()).id();
    parts.mix.shown =
        parts.products.iter().filter(|product| product.id != seen).map(|product| (product.id, 100)).collect();
    let board = self::board(&parts);
    let page = list(&View { viewer: 9, ..View::shared(&board, at(BUILT_AT)) }, 0, 20);
    assert_eq!(page.explored.iter().map(|index| board.product(*index).id()).collect::<Vec<_>>(), [seen]);
    assert!(page.products.contains(&page.explored[0]));
}

#[test]
fn floors_and_short_memories_reach_the_list() {
    let mut parts = fresh(200);
    parts.mix = MixParts { mix: Mix { window: 10, memory: 1_000, ..Mix::default() }, ..MixParts::default() };
    let plain = board(&parts);
    let view = View::shared(&plain, at(BUILT_AT));
    let first = list(&view, 0, 20).products[0];
    let notes = sinsang_core::pack::taste::note(plain.product(first).id(), -32);
    let taste = Some(Taste { notes: &notes, ..Taste::default() });
    let after = list(&View { taste, viewer: 1, ..view }, 0, usize::MAX).products;
    assert_eq!(after.last(), Some(&first), "what was passed over sinks");
    // A place on an imported list, and a variant that ignores lists.
    let before = list(&view, 0, usize::MAX).products;
    let last = *before.last().unwrap();
    let notes = sinsang_core::pack::taste::note(plain.product(last).id(), 20);
    let listed = View { taste: Some(Taste { notes: &notes, ..Taste::default() }), viewer: 1, ..view };
    assert_eq!(list(&listed, 0, 1).products, [last]);
    let mut unlisted = parts.clone();
    unlisted.mix.mix.near = 1;
    let unlisted = board(&unlisted);
    assert_eq!(list(&View { board: &unlisted, ..listed }, 0, usize::MAX).products, before);
    parts.mix.floors = vec![Floor { channels: 1 << 17, least: 3 }];
    let floored = board(&parts);
    let channel = |index: &usize| {
        let slot = floored.product(*index).slots().next().unwrap();
        floored.slot(slot).channel()
    };
    let of_shop = |products: &[usize]| products.iter().filter(|index| channel(index) == 17).count();
    let there = floored.candidates().filter(|index| channel(index) == 17).count();
    let shown = list(&View::shared(&floored, at(BUILT_AT)), 0, 10).products;
    assert_eq!(of_shop(&shown), there.min(3), "of {there}");
}

#[test]
fn the_second_half_of_vectors_counts_where_the_board_says_so_and_the_viewer_has_one() {
    let mut parts = fresh(200);
    parts.blocks.push(sinsang_core::pack::board::Block { name: "lab".to_owned(), start: 64, length: 64 });
    for product in &mut parts.products {
        let turned: Vec<i8> = product.vector.iter().map(|value| value.saturating_neg()).collect();
        product.vector.extend(turned);
    }
    let order = |parts: &BoardParts, vector: &[u8]| {
        let taste = Some(Taste { vector, ..Taste::default() });
        list(&View { taste, viewer: 1, ..View::shared(&board(parts), at(BUILT_AT)) }, 0, usize::MAX).products
    };
    let own = [100_u8; 64];
    let [both, ours] = [[own, own].concat(), [own, [0; 64]].concat()];
    parts.format = sinsang_core::pack::Format::Two;
    parts.weights.new = sinsang_core::signal::SurfaceWeights { taste: 800, ..Default::default() };
    let first = order(&parts, &own);
    assert_eq!(order(&parts, &both), first, "no surface is the second half's");
    parts.mix.mix.second = 1;
    assert_eq!(order(&parts, &ours), first, "who has none keeps the first");
    let turned: Vec<usize> = order(&parts, &both).into_iter().rev().collect();
    let agree = turned.iter().zip(&first).filter(|(a, b)| a == b).count();
    assert!(agree > turned.len() / 2, "{agree} of {}", turned.len());
}

#[test]
fn two_broadcasts_never_change_places_while_both_are_on_air() {
    let mut parts = parts(&Shape::DAY);
    parts.mix.mix = MIX;
    let board = board(&parts);
    let mut before: Vec<usize> = Vec::new();
    for minute in 0..600 {
        let now = at(BUILT_AT).plus(minute * MINUTE_MS + 7 * SECOND_MS);
        let order = live::order(&View::shared(&board, now));
        assert_eq!(order.iter().collect::<BTreeSet<_>>(), board.on_air(now).collect::<Vec<_>>().iter().collect());
        let stayed = |order: &[usize], other: &[usize]| -> Vec<usize> {
            order.iter().copied().filter(|slot| other.contains(slot)).collect()
        };
        assert_eq!(stayed(&order, &before), stayed(&before, &order), "minute {minute}");
        before = order;
    }
}

#[test]
fn what_goes_with_what_a_viewer_did_stands_first_on_air_and_moves_no_new_product() {
    let mut parts = parts(&Shape::DAY);
    let plain = board(&parts);
    parts.mix.mix.near = 255;
    let board = board(&parts);
    let now = at(BUILT_AT).plus(3 * HOUR_MS);
    let shared = View::shared(&board, now);
    let last = *live::order(&shared).last().unwrap();
    let fresh = *list(&shared, 0, usize::MAX).products.last().unwrap();
    let note = |product: usize| sinsang_core::pack::taste::note(board.product(product).id(), 31);
    let notes = [note(board.slot(last).product()), note(fresh)].concat();
    let taste = Some(Taste { notes: &notes, ..Taste::default() });
    assert_eq!(live::order(&View { taste, ..shared })[0], last);
    assert_eq!(list(&View { taste, ..shared }, 0, usize::MAX).products, list(&shared, 0, usize::MAX).products);
    // Without a rule on nearness, such notes are an imported list: it affects the new products
    // only.
    let shared = View::shared(&plain, now);
    assert_eq!(live::order(&View { taste, ..shared }), live::order(&shared));
    assert_eq!(list(&View { taste, ..shared }, 0, usize::MAX).products[0], fresh);
}

#[test]
fn a_tab_moves_only_past_the_margin() {
    let mut parts = parts(&Shape::DAY);
    let shared: Vec<usize> = (0..parts.tabs.len()).collect();
    let leans: Vec<u8> = (0..9).map(|tab| if tab == 6 { 60 } else { 0 }).collect();
    let order = |parts: &BoardParts| {
        let taste = Some(Taste { tabs: &leans, ..Taste::default() });
        tabs::order(&View { taste, viewer: 1, ..View::shared(&board(parts), at(BUILT_AT)) })
    };
    assert_ne!(order(&parts), shared);
    parts.mix.mix.tab_margin = 1_000_000;
    assert_eq!(order(&parts), shared);
}

#[test]
fn directives_hold_for_their_time_and_share_and_say_so() {
    let mut parts = fresh(64);
    let mut boost = directive(Deed::Weigh(1_000_000), &parts, 20);
    boost.until = parts.built_at.plus(2 * HOUR_MS);
    boost.share = WHOLE / 2;
    parts.mix.directives = vec![boost];
    let board = board(&parts);
    let first_at = |viewer: u64, now: UnixMillis| {
        let view = View { viewer, ..View::shared(&board, now) };
        let selection = Selection::recommended(now, 1);
        board.product(page(&view, &selection).products[0]).id() == parts.products[20].id
    };
    let boosted = (1..=400).filter(|viewer| first_at(*viewer, at(BUILT_AT))).count();
    assert!((150..250).contains(&boosted), "{boosted} of 400");
    assert_eq!((1..=400).filter(|viewer| first_at(*viewer, at(BUILT_AT).plus(2 * HOUR_MS))).count(), 0);
    // The order changes at that time, so answers must not be cached beyond it.
    assert_eq!(board.boundaries(at(BUILT_AT).plus(2 * HOUR_MS)).0, Some(at(BUILT_AT).plus(2 * HOUR_MS)));

    let snapshot = publish(&parts, &Shape::DAY, &widths(&parts), Vec::new());
    let mut edge = Edge::with(&snapshot, at(BUILT_AT));
    assert_eq!(edge.ask(&Ask::get("/v1/new?explain=1")).status, 403);
    let home = ok(&edge.ask(&Ask::get("/v1/home?limit=64&explain=1&viewer=u000002").preview(PREVIEW)));
    for surface in ["new", "live", "tabs"] {
        for item in home[surface]["items"].as_array().unwrap() {
            let why = &item["why"];
            let parts = why["parts"].as_object().unwrap().values().map(|part| part.as_i64().unwrap());
            assert_eq!(parts.sum::<i64>(), why["total"].as_i64().unwrap(), "{item}");
            assert!(why["text"].as_str().unwrap().ends_with("요."), "{why}");
        }
    }
}

#[test]
fn a_session_moves_the_order_at_once_for_anyone_and_pages_with_it() {
    let mut edge = Edge::with(&published(&Shape::DAY), at(BUILT_AT));
    for user in ["", "u000001"] {
        let ask = |target: &str| if user.is_empty() { Ask::get(target) } else { Ask::get(target).user(user) };
        let before = edge.ask(&ask("/v1/new?limit=5"));
        let all = ids(&ok(&edge.ask(&ask("/v1/new?limit=100"))));
        let (last, other) = (all.last().unwrap(), all.get(all.len() / 2).unwrap());
        let target = format!("/v1/new?limit=5&recent={last},{other},ffffffffffffffff");
        let after = edge.ask(&ask(&target));
        let place = |ids: &[String]| ids.iter().position(|id| id == last).unwrap();
        let moved = ids(&ok(&edge.ask(&ask(&format!("/v1/new?limit=100&recent={last}")))));
        assert!(place(&moved) < place(&all), "from {} to {}", place(&all), place(&moved));
        assert_ne!(before.header("etag"), after.header("etag"));
        assert!(after.header("cache-control").unwrap().starts_with("private"));
        let cursor = json(&after)["next_cursor"].as_str().unwrap().to_owned();
        let next = ids(&ok(&edge.ask(&ask(&format!("{target}&cursor={cursor}")))));
        assert!(next.iter().all(|id| !ids(&json(&after)).contains(id)));
        assert_eq!(edge.ask(&ask(&format!("/v1/new?limit=5&cursor={cursor}"))).status, 400, "of another question");
    }
    let many = vec!["0123456789abcdef"; 21].join(",");
    for bad in ["", "x", "0123456789ABCDEF", "0123456789abcdef,", many.as_str()] {
        assert_eq!(edge.ask(&Ask::get(format!("/v1/new?recent={bad}"))).status, 400, "{bad}");
    }
    let unknown = ids(&ok(&edge.ask(&Ask::get("/v1/new?recent=0000000000000000"))));
    assert_eq!(unknown, ids(&ok(&edge.ask(&Ask::get("/v1/new")))), "a board that knows none keeps its order");
}
