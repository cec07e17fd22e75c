//! A batch's events that count for the pulse, as sent from the queue's consumer to the counter.

use sinsang_core::event::{Event, EventKind};
use sinsang_core::pulse::{Deed, Happening};
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_core::viewer::device_of;

use crate::listing::Listings;

/// Limit on the delay between an event and its receipt, in milliseconds: an older event says
/// nothing about present demand.
const MAX_KEPT_MS: i64 = HOUR_MS;
/// Bytes of a happening: product, viewer, time, and one byte for its kind and the sort of viewer.
const BYTES: usize = 25;
const SIGNED: u8 = 0x80;

/// The counted deed of an event. Impressions show what was displayed, not demand.
fn deed(kind: EventKind) -> Option<Deed> {
    match kind {
        EventKind::View | EventKind::Click | EventKind::LiveEnter => Some(Deed::Look),
        EventKind::Alarm => Some(Deed::Alarm),
        EventKind::Purchase => Some(Deed::Purchase),
        EventKind::Impression | EventKind::TabOpen => None,
    }
}

/// Whether the event counts, provided that the live board has its product.
pub fn may_count(event: &Event) -> bool {
    deed(event.kind).is_some()
}

/// The event's product: by its listing first, as in a build, since an app may hold a product id
/// from an older one.
fn product(event: &Event, board: &Listings) -> Option<u64> {
    let of_listing = event.listing_id.as_deref().and_then(|code| board.product(event.shop.as_deref(), code));
    of_listing.or_else(|| u64::from_str_radix(event.product_id.as_deref()?, 16).ok().filter(|id| board.has(*id)))
}

/// The event as a happening; `None` if it doesn't count or `board` lacks its product.
pub fn of(event: &Event, board: &Listings) -> Option<Happening> {
    let deed = deed(event.kind)?;
    let product = product(event, board)?;
    let device = device_of(&event.viewer);
    let viewer = u64::from_str_radix(device.unwrap_or(&event.viewer), 16).ok()?;
    let at = UnixMillis::parse_rfc3339(event.received_at.as_deref()?)?;
    let happened_at = UnixMillis::parse_rfc3339(&event.at)?;
    (at.since(happened_at) <= MAX_KEPT_MS).then_some(Happening {
        product,
        viewer,
        is_signed: device.is_none(),
        deed,
        at,
    })
}

/// Serialises happenings, one after the other.
pub fn write(happenings: impl Iterator<Item = Happening>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in happenings {
        bytes.extend_from_slice(&one.product.to_le_bytes());
        bytes.extend_from_slice(&one.viewer.to_le_bytes());
        bytes.extend_from_slice(&one.at.0.to_le_bytes());
        let deed = Deed::ALL.iter().position(|deed| *deed == one.deed).and_then(|place| u8::try_from(place).ok());
        bytes.push(deed.unwrap_or(0) | if one.is_signed { SIGNED } else { 0 });
    }
    bytes
}

/// Reads the output of [`fn@write`]; invalid records are skipped.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = Happening> {
    let (records, _) = bytes.as_chunks::<BYTES>();
    records.iter().filter_map(|record| {
        let number = |at: usize| record.get(at..)?.first_chunk().map(|part| u64::from_le_bytes(*part));
        let what = *record.last()?;
        Some(Happening {
            product: number(0)?,
            viewer: number(8)?,
            at: UnixMillis(number(16)?.cast_signed()),
            is_signed: what & SIGNED != 0,
            deed: *Deed::ALL.get(usize::from(what & !SIGNED))?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sinsang_core::pack::board::Board;
    use sinsang_core::pack::{Kind, Pack};

    /// The golden board, its fourth product, and a look at that product by a device.
    fn wanted() -> (Listings, Board, u64, String) {
        let bytes = include_bytes!("../../../tests/golden/board.pack").to_vec();
        let id = Pack::parse(bytes.clone(), Kind::Board).unwrap().id();
        let listings = Listings::parse(bytes.clone(), id).unwrap();
        let board = Board::parse(bytes, id).unwrap();
        let product = board.product(3).id();
        let line = format!(
            r#"{{"event_id":"event-0001","viewer":"d0123456789abcdef","kind":"click","at":"2026-11-22T13:05:00.000Z","received_at":"2026-11-22T13:05:07.250Z","product_id":"{product:016x}"}}"#
        );
        (listings, board, product, line)
    }

    #[test]
    fn clicks_alarms_and_purchases_of_products_count_by_the_time_of_receipt() {
        let (listings, _, product, click) = wanted();
        let of = |line: &str| of(&Event::parse(line).unwrap().0, &listings);
        let device = of(&click).unwrap();
        let at = UnixMillis::parse_rfc3339("2026-11-22T13:05:07.250Z").unwrap();
        let expected = Happening { product, viewer: 0x0123_4567_89ab_cdef, is_signed: false, deed: Deed::Look, at };
        assert_eq!(device, expected);
        let user = of(&click.replace("\"d0123", "\"0123").replace("click", "purchase")).unwrap();
        assert_eq!(user, Happening { is_signed: true, deed: Deed::Purchase, ..expected });
        let user = of(&click.replace("d0123456789abcdef", "d123456789abcdef")).unwrap();
        assert_eq!((user.viewer, user.is_signed), (0xd123_4567_89ab_cdef, true));
        assert_eq!(of(&click.replace("click", "impression")), None);
        assert_eq!(of(&click.replace(&format!("{product:016x}"), "fedcba9876543210")), None, "nothing of the board");
        assert_eq!(
            of(&click.replace("\"at\":\"2026-11-22T13", "\"at\":\"2026-11-22T12")),
            None,
            "kept for over an hour"
        );
        assert_eq!(of(&click.replace("\"received_at\":\"2026-11-22T13:05:07.250Z\",", "")), None, "never received");
    }

    #[test]
    fn a_listing_counts_for_its_product_and_before_an_id_that_may_be_old() {
        let (listings, board, product, click) = wanted();
        let named = format!("\"product_id\":\"{product:016x}\"");
        let head: serde_json::Value = serde_json::from_slice(&[board.product(3).head_json(), b"}"].concat()).unwrap();
        let (shop, code) = (&head["listings"][0]["shop"], &head["listings"][0]["listing_id"]);
        let counted = |with: &str| {
            let event = Event::parse(&click.replace(&named, with)).unwrap().0;
            assert!(may_count(&event));
            of(&event, &listings).map(|one| one.product)
        };
        let listing = format!("\"shop\":{shop},\"listing_id\":{code}");
        assert_eq!(counted(&listing), Some(product));
        for (id, expected) in
            [("fedcba9876543210".to_owned(), product), (format!("{:016x}", board.product(5).id()), product)]
        {
            assert_eq!(counted(&format!("{listing},\"product_id\":\"{id}\"")), Some(expected), "{id}");
        }
        assert_eq!(counted("\"listing_id\":\"of another time\""), None);
        let both = format!("\"listing_id\":\"of another time\",{named}");
        assert_eq!(counted(&both), Some(product), "a listing that the board lacks, of a product that it has");
    }

    proptest! {
        #[test]
        fn happenings_survive_the_way_and_noise_is_passed_over(
            all in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<bool>(), 0_usize..3, any::<i64>()), 0..20), noise in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let all: Vec<Happening> = all
                .into_iter()
                .map(|(product, viewer, is_signed, deed, at)| Happening { product, viewer, is_signed, deed: Deed::ALL[deed], at: UnixMillis(at) })
                .collect();
            prop_assert_eq!(read(&write(all.iter().copied())).collect::<Vec<_>>(), all);
            let _ = read(&noise).count();
        }
    }
}
