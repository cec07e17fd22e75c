//! The overlay on boards: an amended board answers as one does that was built from what the
//! operators said.

use proptest::prelude::*;
use sinsang_core::directive::Deed;
use sinsang_core::mix::Mix;
use sinsang_core::overlay::{Change, Entry, Replacement, SlotKey, Subject, listing_key, standing};
use sinsang_core::pack::board::Board;
use sinsang_core::pack::board_write::{BoardParts, SlotPart, open_slot, write};
use sinsang_core::pack::mix::DirectivePart;
use sinsang_core::surface::{View, write_items};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, parts};

pub(crate) fn board(parts: &BoardParts) -> Board {
    let (bytes, id) = write(parts).unwrap();
    Board::parse(bytes, id).unwrap()
}

/// An entry that stands for ever.
pub(crate) fn always(id: u32, change: Change<'_>) -> Entry<'_> {
    let (from, until) = (UnixMillis(0), UnixMillis::from_seconds(u32::MAX));
    Entry { id, from, until, since: 1, removed: None, change }
}

/// The key of a slot.
pub(crate) fn key(parts: &BoardParts, slot: &SlotPart) -> SlotKey<'static> {
    let channel = parts.channels[usize::from(slot.channel)].id.clone().leak();
    SlotKey { channel, starts_at: slot.starts_at, product: Some(slot.product) }
}

/// The change that puts `with` in the place of `slot`.
pub(crate) fn replace(parts: &BoardParts, slot: &SlotPart, with: &SlotPart) -> Change<'static> {
    let channel = &parts.channels[usize::from(with.channel)];
    let replacement = Replacement {
        channel: channel.id.clone().leak(),
        product: with.product,
        starts_at: with.starts_at,
        ends_at: with.ends_at,
        head: open_slot(with, channel).leak(),
    };
    Change::Replace(key(parts, slot), replacement)
}

/// An entry of each kind.
pub(crate) fn one_of_each(parts: &BoardParts) -> Vec<Entry<'static>> {
    let (slot, other, product) = (&parts.slots[3], &parts.slots[5], parts.products[1].id);
    let moved =
        SlotPart { starts_at: other.starts_at.plus(HOUR_MS), ends_at: other.ends_at.plus(HOUR_MS), ..other.clone() };
    let listing = &parts.products[2].listings[0];
    let listing = Subject::Listing(listing_key(&listing.shop, &listing.listing_id));
    let changes = [
        Change::Hide(Subject::Product(parts.products[0].id)),
        Change::SoldOut(listing),
        Change::Price(Subject::Product(product), 9_900),
        Change::Note(product, "오늘만"),
        Change::Cancel(key(parts, slot)),
        replace(parts, other, &moved),
        Change::Direct(product, Deed::Weigh(-5), 3, "규칙"),
        Change::Direct(product, Deed::Pin(2), 3, "규칙"),
    ];
    changes.into_iter().zip(1..).map(|(change, id)| always(id, change)).collect()
}

fn surfaces(board: &Board, now: UnixMillis) -> [String; 3] {
    Surface::ALL.map(|surface| {
        let view = View { is_explained: true, ..View::shared(board, now) };
        let mut out = Vec::new();
        write_items(surface, &view, &mut out);
        String::from_utf8(out).unwrap()
    })
}

/// What a build would make of `parts` if `saying` had been in its tables, or `None` if the change
/// can't be told so.
fn build_with(mut parts: BoardParts, saying: &Saying) -> (BoardParts, Change<'static>) {
    let at = |pick: usize, of: usize| pick % of;
    let before = parts.clone();
    let slot_at = at(saying.slot, parts.slots.len());
    let slot = parts.slots[slot_at].clone();
    let product_at = at(saying.product, parts.products.len());
    let product = parts.products[product_at].clone();
    let listing = product.listings[0].clone();
    let change = match saying.what % 7 {
        0 => {
            parts.slots.remove(slot_at);
            Change::Cancel(key(&before, &slot))
        }
        1 => {
            let moved = SlotPart {
                starts_at: slot.starts_at.plus(saying.by_min * MINUTE_MS),
                ends_at: slot.ends_at.plus(saying.by_min * MINUTE_MS),
                channel: u16::try_from(at(saying.product, parts.channels.len())).unwrap(),
                ..slot.clone()
            };
            parts.slots[slot_at] = moved.clone();
            replace(&before, &slot, &moved)
        }
        2 => {
            let longer = SlotPart { ends_at: slot.ends_at.plus(saying.by_min.abs() * MINUTE_MS), ..slot.clone() };
            parts.slots[slot_at] = longer.clone();
            replace(&before, &slot, &longer)
        }
        3 => {
            let given = SlotPart { product: product.id, listing, price: Some(777), ..slot.clone() };
            parts.slots[slot_at] = given.clone();
            replace(&before, &slot, &given)
        }
        4 => {
            parts.slots.retain(|slot| slot.product != product.id);
            Change::Hide(Subject::Product(product.id))
        }
        5 => {
            parts.slots.retain(|slot| slot.listing != listing);
            Change::Hide(Subject::Listing(listing_key(&listing.shop, &listing.listing_id)))
        }
        _ => {
            let name = "규칙";
            let (from, until) = (UnixMillis(0), UnixMillis::from_seconds(u32::MAX));
            let deed = Deed::Pin(u16::try_from(saying.slot % 9).unwrap());
            parts.mix.directives.push(DirectivePart {
                name: name.to_owned(),
                deed,
                surfaces: 3,
                share: sinsang_core::directive::WHOLE,
                audiences: Vec::new(),
                from,
                until,
                products: vec![product.id],
            });
            Change::Direct(product.id, deed, 3, name)
        }
    };
    // A product's first broadcast is its first one on the board, if it has not been on before.
    for product in &mut parts.products {
        let own =
            |parts: &[SlotPart]| parts.iter().filter(|slot| slot.product == product.id).cloned().collect::<Vec<_>>();
        let (was, is) = (own(&before.slots), own(&parts.slots));
        let first = |slots: &[SlotPart]| slots.iter().map(|slot| (slot.starts_at, slot.ends_at)).min();
        let changed = was.len() != is.len() || first(&was) != first(&is);
        if product.verdict != VerdictKind::Repeat
            && changed
            && let Some(first) = first(&is)
        {
            product.first = first;
        }
    }
    let is_left = |id: u64| parts.slots.iter().any(|slot| slot.product == id);
    parts.products.retain(|product| is_left(product.id));
    (parts, change)
}

#[derive(Clone, Debug)]
struct Saying {
    what: usize,
    slot: usize,
    product: usize,
    by_min: i64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn an_amended_board_answers_as_one_built_from_what_was_said(
        seed in 0_u64..8,
        sayings in proptest::collection::vec((0_usize..7, any::<usize>(), any::<usize>(), -300_i64..300), 1..6),
    ) {
        let mut parts = parts(&Shape { seed, ..Shape::SMALL });
        parts.mix.mix = Mix { window: 5, category: 2, ..Mix::default() };
        let plain = board(&parts);
        let (mut built, mut entries) = (parts, Vec::new());
        for ((what, slot, product, by_min), id) in sayings.into_iter().zip(1..) {
            let saying = Saying { what, slot, product, by_min };
            if built.slots.is_empty() || built.products.is_empty() {
                break;
            }
            // Each change is told of the slots that are there: of a changed slot no other one.
            let untouched = built.clone();
            let (next, change) = build_with(built, &saying);
            let names_changed = entries.iter().any(|entry: &Entry<'_>| touches(&entry.change, &change));
            if names_changed {
                built = untouched;
                continue;
            }
            entries.push(always(id, change));
            built = next;
        }
        let amended = plain.amended(&entries).unwrap();
        let built = board(&built);
        for half_hours in -6..24 {
            let now = at(BUILT_AT).plus(half_hours * 30 * MINUTE_MS + 1);
            prop_assert_eq!(surfaces(&amended, now), surfaces(&built, now), "{:?}", &entries);
            // It may have more boundaries: those that the published board has.
            let next = built.boundaries(now).1;
            prop_assert!(next.is_none() || amended.boundaries(now).1 <= next, "{:?}", &entries);
        }
        prop_assert_eq!(amended.pack().bytes(), plain.pack().bytes(), "published bytes are shared");
    }
}

/// Whether two changes are about the same slots, products or listings.
fn touches(a: &Change<'_>, b: &Change<'_>) -> bool {
    // Slots that were moved or given to a product are named by what the board says of them.
    let moves = |change: &Change<'_>| matches!(change, Change::Replace(..) | Change::Cancel(_));
    let hides = |change: &Change<'_>| matches!(change, Change::Hide(_));
    (moves(a) && (moves(b) || hides(b))) || (hides(a) && (moves(b) || hides(b)))
}

#[test]
fn prices_notes_and_marks_stand_on_cards_and_what_is_sold_out_comes_last() {
    let parts = parts(&Shape::DAY);
    let board = board(&parts);
    let now = at(BUILT_AT).plus(6 * HOUR_MS);
    let items = |board: &Board, surface: usize| {
        let json: Vec<serde_json::Value> = serde_json::from_str(&surfaces(board, now)[surface]).unwrap();
        json
    };
    let ids = |items: &[serde_json::Value]| -> Vec<String> {
        items.iter().map(|item| item["product_id"].as_str().unwrap().to_owned()).collect()
    };
    for surface in [0, 1] {
        let before = items(&board, surface);
        let first = &before[0];
        let id = u64::from_str_radix(first["product_id"].as_str().unwrap(), 16).unwrap();
        let listing = &first["listings"][0];
        let listing = listing_key(listing["shop"].as_str().unwrap(), listing["listing_id"].as_str().unwrap());
        for subject in [Subject::Product(id), Subject::Listing(listing)] {
            let entries = [
                always(1, Change::SoldOut(subject)),
                always(2, Change::Price(subject, 12_340)),
                always(3, Change::Note(id, "오늘만 \"무이자\"")),
            ];
            let amended = board.amended(&entries).unwrap();
            let after = items(&amended, surface);
            assert_eq!(ids(&after).last(), first["product_id"].as_str().map(str::to_owned).as_ref(), "{subject:?}");
            let mut sorted = [ids(&before), ids(&after)];
            for ids in &mut sorted {
                ids.sort();
            }
            assert_eq!(sorted[0], sorted[1], "nothing is hidden");
            let card = after.last().unwrap();
            assert_eq!(card["sold_out"], true);
            assert_eq!(card["note"], "오늘만 \"무이자\"");
            assert_eq!(card["price"], 12_340);
            assert!(card["list_price"].as_u64().is_none_or(|list_price| list_price > 12_340), "{card}");
            let broadcast = if surface == 0 { &card["broadcasts"][0] } else { &card["broadcast"] };
            assert_eq!(broadcast["price"], 12_340, "{card}");
            assert_eq!(broadcast["sold_out"].as_bool().is_some(), matches!(subject, Subject::Listing(_)));
            assert_eq!(card["why"]["rules"][0]["name"], "sold out");
        }
    }
    let mut parts = parts;
    parts.mix.sold_out_stays = Surface::Live.bit();
    let board = self::board(&parts);
    let first = items(&board, 1)[0]["product_id"].as_str().unwrap().to_owned();
    let entry = always(1, Change::SoldOut(Subject::Product(u64::from_str_radix(&first, 16).unwrap())));
    let after = items(&board.amended(&[entry]).unwrap(), 1);
    assert_eq!((&after[0]["product_id"], &after[0]["sold_out"]), (&first.into(), &true.into()), "it keeps its place");
}

#[test]
fn a_listing_that_is_hidden_leaves_its_product_to_the_other_shops() {
    let mut parts = parts(&Shape::DAY);
    let product = parts.products.iter_mut().find(|product| product.verdict == VerdictKind::New).unwrap();
    let mut other = product.listings[0].clone();
    other.shop = "다른 \"샵\"}, {".to_owned();
    product.listings.push(other.clone());
    let product = product.clone();
    let slot = parts.slots.iter_mut().find(|slot| slot.product == product.id && slot.starts_at == product.first.0);
    slot.unwrap().listing = other.clone();
    let board = board(&parts);
    let hide = |shop: &str| always(1, Change::Hide(Subject::Listing(listing_key(shop, &other.listing_id))));
    let listings = |shop: &str| {
        let amended = board.amended(&[hide(shop)]).unwrap();
        let head = amended.product(amended.find_product(product.id).unwrap()).head_json();
        let head: serde_json::Value = serde_json::from_slice(&[head, b"}"].concat()).unwrap();
        let shops = head["listings"].as_array().unwrap().iter().map(|one| one["shop"].as_str().unwrap().to_owned());
        shops.collect::<Vec<_>>()
    };
    assert_eq!(listings(&other.shop), [product.listings[0].shop.clone()]);
    let expected = if parts.slots.iter().any(|slot| slot.listing == product.listings[0]) {
        vec![other.shop.clone()]
    } else {
        vec![product.listings[0].shop.clone(), other.shop.clone()]
    };
    assert_eq!(listings(&product.listings[0].shop), {
        let mut sorted = expected;
        sorted.sort();
        sorted
    });
}

#[test]
fn what_stands_depends_on_the_time_and_on_the_revision_that_is_known() {
    let note = Change::Note(1, "x");
    let hour = |hours: i64| UnixMillis(hours * HOUR_MS);
    let entry = |id, from, until, since, removed| Entry {
        id,
        from: hour(from),
        until: hour(until),
        since,
        removed,
        change: note,
    };
    let all = [entry(1, 0, 10, 1, None), entry(2, 5, 10, 2, Some(4)), entry(3, 20, 30, 3, None)];
    let ids = |at: i64, revision: u32| -> Vec<u32> {
        standing(all.into_iter(), hour(at), revision).entries.iter().map(|entry| entry.id).collect()
    };
    assert_eq!([ids(0, 0), ids(0, 1), ids(5, 1)], [vec![], vec![1], vec![1]]);
    assert_eq!(
        [ids(5, 2), ids(5, 3), ids(5, 4), ids(10, 3), ids(20, 3)],
        [vec![1, 2], vec![1, 2], vec![1], vec![], vec![3]]
    );
    let between = standing(all.into_iter(), hour(12), 9);
    assert_eq!((between.print, between.from, between.until), (0, hour(10), hour(20)));
    assert_ne!(standing(all.into_iter(), hour(5), 3).print, standing(all.into_iter(), hour(5), 4).print);
    assert_eq!(
        standing(all.into_iter(), hour(5), 4).print,
        standing(all.into_iter(), hour(0), 4).print,
        "the same entry stands"
    );
    assert_eq!(standing([].into_iter(), hour(5), 4).until, UnixMillis(i64::MAX));
    assert!(entry(1, 0, 10, 1, None).until.plus(DAY_MS) > hour(10));
}
