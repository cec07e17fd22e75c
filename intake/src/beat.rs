//! What of a batch of events counts for the pulse, on its way from the queue's consumer to the one who counts.

use sinsang::pulse::{Deed, Happening};
use sinsang::time::{HOUR_MS, UnixMillis};

use crate::event::{Event, Kind, device_of};

/// An event that an app kept for longer than this says nothing of what is wanted now. Milliseconds.
const MAX_KEPT_MS: i64 = HOUR_MS;
/// Bytes of a happening: product, viewer, time, and what it was by whom.
const BYTES: usize = 25;
const SIGNED: u8 = 0x80;

/// The event as something that counts. Impressions say what was shown and not what is wanted, and what names no product counts for none.
pub fn of(event: &Event) -> Option<Happening> {
    let deed = match event.kind {
        Kind::View | Kind::Click | Kind::LiveEnter => Deed::Look,
        Kind::Alarm => Deed::Alarm,
        Kind::Purchase => Deed::Purchase,
        Kind::Impression | Kind::TabOpen => return None,
    };
    let product = u64::from_str_radix(event.product_id.as_deref()?, 16).ok()?;
    let device = device_of(&event.viewer);
    let viewer = u64::from_str_radix(device.unwrap_or(&event.viewer), 16).ok()?;
    let at = UnixMillis::parse_rfc3339(&event.received_at)?;
    let happened_at = UnixMillis::parse_rfc3339(&event.at)?;
    (at.since(happened_at) <= MAX_KEPT_MS).then_some(Happening {
        product,
        viewer,
        is_signed: device.is_none(),
        deed,
        at,
    })
}

/// Happenings as bytes, one after the other.
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

/// Reads back what [`write`] wrote; what is no happening is passed over.
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

    const LINE: &str = r#"{"event_id":"event-0001","viewer":"d0123456789abcdef","kind":"click","at":"2026-11-22T13:05:00.000Z","received_at":"2026-11-22T13:05:07.250Z","product_id":"fedcba9876543210"}"#;

    #[test]
    fn clicks_alarms_and_purchases_of_products_count_by_the_time_of_receipt() {
        let of = |line: &str| of(&Event::parse(line).unwrap());
        let device = of(LINE).unwrap();
        let at = UnixMillis::parse_rfc3339("2026-11-22T13:05:07.250Z").unwrap();
        let expected = Happening {
            product: 0xfedc_ba98_7654_3210,
            viewer: 0x0123_4567_89ab_cdef,
            is_signed: false,
            deed: Deed::Look,
            at,
        };
        assert_eq!(device, expected);
        let user = of(&LINE.replace("\"d0123", "\"0123").replace("click", "purchase")).unwrap();
        assert_eq!(user, Happening { is_signed: true, deed: Deed::Purchase, ..expected });
        let user = of(&LINE.replace("d0123456789abcdef", "d123456789abcdef")).unwrap();
        assert_eq!((user.viewer, user.is_signed), (0xd123_4567_89ab_cdef, true));
        assert_eq!(of(&LINE.replace("click", "impression")), None);
        assert_eq!(of(&LINE.replace("product_id\":\"fedcba9876543210", "listing_id\":\"7")), None);
        assert_eq!(
            of(&LINE.replace("\"at\":\"2026-11-22T13", "\"at\":\"2026-11-22T12")),
            None,
            "kept for over an hour"
        );
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
