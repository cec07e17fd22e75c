//! The context of a request: the part of the week, and the province and device class that the
//! platform reports. Viewers without tastes see the preferences of viewers who came in the same
//! context.

use crate::rank::HOUR_BUCKETS;
use crate::time::UnixMillis;

/// Device classes; a class's number is its index plus one.
pub const DEVICE_CLASSES: [&str; 4] = ["phone", "tablet", "desktop", "tv"];
/// Number of parts of the week: the 3-hour stretches of the Korean day, once for weekdays and once
/// for weekends.
pub const WEEK_PARTS: usize = 2 * HOUR_BUCKETS;
/// The factor of the region in the number of [`Context::of_number`].
const PROVINCE: u32 = 8;

/// The origin of a request: its province and device class, each 0 if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The Korean province, as the digits of its ISO 3166-2 code: 11 is Seoul.
    pub region: u8,
    /// The device class, numbered from 1 in the order of [`DEVICE_CLASSES`].
    pub device: u8,
}

impl Context {
    /// The context that the shell passes as one number: eight times the region, plus the device
    /// class.
    pub fn of_number(number: u32) -> Self {
        let [region, device] = [number / PROVINCE, number % PROVINCE].map(|part| u8::try_from(part).unwrap_or(0));
        Self { region, device }
    }

    /// The inverse of [`Self::of_number`].
    pub fn number(self) -> u16 {
        u16::from(self.region).wrapping_mul(8) | u16::from(self.device)
    }

    /// The province's digits and the device class, each `None` if unknown.
    pub fn names(self) -> (Option<String>, Option<&'static str>) {
        let region = (self.region > 0).then(|| self.region.to_string());
        let class = usize::from(self.device).checked_sub(1).and_then(|at| DEVICE_CLASSES.get(at));
        (region, class.copied())
    }

    /// The context by name, for previews: a province's two digits and a device class. Unknown names
    /// are ignored.
    pub fn of_names(region: &str, device: &str) -> Self {
        let region = Some(region).filter(|digits| is_region(digits)).and_then(|digits| digits.parse().ok());
        let device = (1..).zip(DEVICE_CLASSES).find(|(_, class)| *class == device);
        Self { region: region.unwrap_or(0), device: device.map_or(0, |(number, _)| number) }
    }
}

/// Whether `text` has the form of a province code: two digits, the first not 0.
pub fn is_region(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'9', b'0'..=b'9'])
}

/// The part of the week of `at`, below [`WEEK_PARTS`]: the 3-hour stretches of the Korean day,
/// first those of weekdays, then those of Saturday and Sunday.
pub fn week_part(at: UnixMillis) -> u8 {
    // 1970-01-01 was a Thursday.
    let is_weekend = matches!(at.kst_day().wrapping_add(4).rem_euclid(7), 0 | 6);
    (at.kst_hour() / 3) | u8::from(is_weekend) << 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_week_turn_with_the_korean_day() {
        let part = |text: &str| week_part(UnixMillis::parse_rfc3339(text).unwrap());
        // A Friday, the next Saturday, and the following Monday.
        assert_eq!(part("2026-11-20T20:59:59+09:00"), 6);
        assert_eq!(part("2026-11-20T21:00:00+09:00"), 7);
        assert_eq!(part("2026-11-21T00:00:00+09:00"), 8);
        assert_eq!(part("2026-11-22T14:59:59Z"), 15);
        assert_eq!(part("2026-11-22T15:00:00Z"), 0);
        assert!([i64::MIN, i64::MAX, -1].map(UnixMillis).into_iter().all(|at| usize::from(week_part(at)) < WEEK_PARTS));
    }

    #[test]
    fn numbers_and_names_say_the_same() {
        assert_eq!(Context::of_number(11 * 8 + 1), Context::of_names("11", "phone"));
        assert_eq!(Context::of_number(4), Context::of_names("KR", "tv"));
        assert_eq!(Context::of_names("05", "watch"), Context::default());
        let _ = Context::of_number(u32::MAX);
    }
}
