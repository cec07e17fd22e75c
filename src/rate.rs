//! Keys by which requests are counted against rate limits. Both Workers use the same keys.
//!
//! Each address has a high limit: a mobile carrier has ten thousand viewers behind one. Below it,
//! each user is counted wherever they are, and each device within its address, since anybody can
//! make up devices.

use std::fmt::{self, Write as _};

use crate::breaker::spread;
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserKey;

/// A request's origin in the network: an IPv4 address, or a /64 of IPv6, the smallest block that a
/// network gives to a site (RFC 6177). One site has 2⁶⁴ addresses.
///
/// An IPv4 address is stored as its 32 bits; no client's /64 has such a first half. All bits are
/// set if the platform gave no address. The parser is handwritten: the standard library's takes a
/// kilobyte of Wasm more, for addresses that the platform has spelled itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(u64);

impl Address {
    /// No known address.
    pub const UNKNOWN: Self = Self(u64::MAX);

    /// Parses the address that the platform wrote as `text`.
    pub fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| if text.contains(':') { v6(text) } else { v4(text) }).map_or(Self::UNKNOWN, Self)
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl fmt::Display for Address {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The 32 bits of an IPv4 address.
fn v4(text: &str) -> Option<u64> {
    let (mut bits, mut parts, mut part, mut digits) = (0, 0_u32, 0_u32, 0_u32);
    for byte in text.bytes().chain([b'.']) {
        if byte == b'.' {
            if digits == 0 || part > 255 {
                return None;
            }
            bits = (bits << 8) | u64::from(part);
            (parts, part, digits) = (parts.wrapping_add(1), 0, 0);
        } else {
            part = part.wrapping_mul(10).wrapping_add(char::from(byte).to_digit(10)?);
            digits = digits.saturating_add(1);
            if digits > 3 {
                return None;
            }
        }
    }
    (parts == 4).then_some(bits)
}

/// The first 64 bits of an IPv6 address (RFC 4291 section 2.2), or the 32 of a mapped IPv4 address.
fn v6(text: &str) -> Option<u64> {
    if let Some(mapped) = text.strip_prefix("::ffff:").filter(|rest| rest.contains('.')) {
        return v4(mapped);
    }
    let (mut groups, mut count, mut gap) = ([0_u32; 8], 0_usize, 8_usize);
    let (mut group, mut digits) = (0_u32, 0_u32);
    for byte in text.bytes().chain([b':']) {
        if byte != b':' {
            group = (group << 4) | char::from(byte).to_digit(16)?;
            digits = digits.saturating_add(1);
            if digits > 4 {
                return None;
            }
        } else if digits == 0 {
            // Two colons: zero groups are omitted here.
            gap = count;
        } else {
            *groups.get_mut(count)? = group;
            (count, group, digits) = (count.saturating_add(1), 0, 0);
        }
    }
    // Groups after the gap fill the end of the eight.
    let left_out = 8_usize.saturating_sub(count);
    let mut bits = 0;
    for place in 0..4_usize {
        let group = if place < gap {
            groups.get(place)
        } else {
            place.checked_sub(left_out).filter(|from| *from >= gap).and_then(|from| groups.get(from))
        };
        bits = (bits << 16) | u64::from(group.copied().unwrap_or(0));
    }
    Some(bits)
}

/// Whom a request is counted for, besides its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The user of a valid token.
    User(UserKey),
    /// An anonymous device, by its key.
    Device(UserKey),
    /// Neither user nor device.
    Nobody,
    /// A sender of the preview secret.
    Preview,
    /// A sender whose request is refused, for a bad token for example. All refused requests of an
    /// address are counted together, apart from good ones.
    Refused,
    /// A browser's preflight, which carries no viewer and isn't counted.
    Browser,
}

impl Asker {
    /// The key that counts this asker's requests at `address`, apart from the address's own limit;
    /// `None` if they aren't counted. If addresses have no limit (`has_ceiling` is false), a device
    /// is counted under its address: anybody can make up any number of devices.
    pub fn key(self, address: Address, has_ceiling: bool) -> Option<String> {
        let of_address = Some(address);
        let (kind, address, key) = match self {
            Self::User(UserKey(key)) => ("u", None, Some(key)),
            Self::Device(UserKey(key)) if has_ceiling => ("d", of_address, Some(key)),
            Self::Device(_) | Self::Nobody => ("a", of_address, None),
            Self::Preview => ("p", of_address, None),
            Self::Refused => ("r", of_address, None),
            Self::Browser => return None,
        };
        let mut text = kind.to_owned();
        for part in [address.map(|address| address.0), key].into_iter().flatten() {
            // Writing to a String can't fail.
            let _ = write!(text, "{part:016x}");
        }
        Some(text)
    }
}

/// Seconds after which a client refused at `now` should retry: from `least_s` to twice that, spread
/// so that clients refused together don't return together.
pub fn retry_after_s(least_s: i64, now: UnixMillis) -> i64 {
    spread(u64::from_ne_bytes(now.0.to_ne_bytes()), least_s, least_s.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_an_ipv4_or_a_64_of_ipv6() {
        let parse = |text| Address::parse(Some(text));
        assert_eq!(parse("192.0.2.1"), Address(0xc000_0201));
        assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"), "one client, however it is written");
        assert_eq!(parse("2001:db8:1:2::1"), Address(0x2001_0db8_0001_0002));
        assert_eq!(parse("2001:db8:1:2:ffff:ffff:ffff:ffff"), parse("2001:DB8:1:2::"));
        assert_eq!(parse("2001:db8::"), Address(0x2001_0db8_0000_0000));
        assert_ne!(parse("2001:db8:1:3::1"), parse("2001:db8:1:2::1"));
        for none in
            ["", "example", "192.0.2.1:80", "[::1]", " 192.0.2.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "fffff::", "x::"]
        {
            assert_eq!(parse(none), Address::UNKNOWN, "{none}");
        }
        assert_eq!(Address::parse(None), Address::UNKNOWN);
    }

    #[test]
    fn users_count_anywhere_and_devices_within_their_address() {
        let [here, there] = ["192.0.2.1", "198.51.100.1"].map(|text| Address::parse(Some(text)));
        let (one, two) = (UserKey(1), UserKey(2));
        assert_eq!(Asker::User(one).key(here, true), Asker::User(one).key(there, false));
        assert_ne!(Asker::Device(one).key(here, true), Asker::Device(two).key(here, true));
        assert_ne!(Asker::Device(one).key(here, true), Asker::Device(one).key(there, true));
        assert_eq!(
            Asker::Device(one).key(here, false),
            Asker::Device(two).key(here, false),
            "made-up devices have no end"
        );
        let all = [Asker::User(one), Asker::Device(one), Asker::Nobody, Asker::Preview, Asker::Refused];
        let keys: BTreeMap<String, Asker> =
            all.into_iter().filter_map(|asker| Some((asker.key(here, true)?, asker))).collect();
        assert_eq!(keys.len(), all.len(), "{keys:?}");
        assert_eq!(Asker::Browser.key(here, true), None);
    }

    #[test]
    fn those_who_are_turned_away_together_come_back_apart() {
        let mut seconds = BTreeMap::new();
        for ms in 0..1_000 {
            let wait = retry_after_s(30, UnixMillis(1_795_000_000_000 + ms));
            assert!((30..=60).contains(&wait), "{wait}");
            *seconds.entry(wait).or_insert(0) += 1;
        }
        assert_eq!(seconds.len(), 31);
        assert!(seconds.values().all(|count| *count < 100), "{seconds:?}");
    }

    proptest! {
        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(bits: u128, mask in proptest::collection::vec(any::<bool>(), 8)) {
            // Groups of zeros, so that every abbreviated form is tried.
            let mut groups = Ipv6Addr::from_bits(bits).segments();
            for (group, is_zero) in groups.iter_mut().zip(mask) {
                *group = if is_zero { 0 } else { *group };
            }
            let address = Ipv6Addr::from(groups);
            let expected = match address.to_ipv4_mapped() {
                Some(mapped) => u64::from(mapped.to_bits()),
                None => u64::try_from(address.to_bits() >> 64).unwrap(),
            };
            let full: Vec<String> = groups.iter().map(|group| format!("{group:04X}")).collect();
            prop_assert_eq!(Address::parse(Some(&address.to_string())), Address(expected), "{}", address);
            if address.to_ipv4_mapped().is_none() {
                prop_assert_eq!(Address::parse(Some(&full.join(":"))), Address(expected));
            }
            let v4 = Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap());
            prop_assert_eq!(Address::parse(Some(&v4.to_string())), Address(v4.to_bits().into()));
        }

        #[test]
        fn no_text_makes_it_panic_and_a_key_is_short(text in ".{0,80}", user: u64) {
            let address = Address::parse(Some(&text));
            let key = Asker::Device(UserKey(user)).key(address, true);
            prop_assert!(key.is_some_and(|key| key.len() <= 34));
        }
    }
}
