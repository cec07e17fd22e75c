//! What is known of a request whoever makes it: the part of the week, and from the platform the province and the class of device. Viewers
//! without tastes of their own are shown what others lean to who came in the same context.

use crate::rank::HOUR_BUCKETS;
use crate::time::UnixMillis;

/// Classes of devices, by their number less one.
pub const DEVICE_CLASSES: [&str; 4] = ["phone", "tablet", "desktop", "tv"];
/// Parts of the week: each stretch of the Korean day, of weekdays and of weekends.
pub const WEEK_PARTS: usize = 2 * HOUR_BUCKETS;
/// What a number of [`Context::of_number`] has for each province.
const PROVINCE: u32 = 8;

/// Where a request comes from and on what; 0 where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The Korean province by the digits of its ISO 3166-2 code, such as 11 for Seoul.
    pub region: u8,
    /// The class of device, counted from 1 as [`DEVICE_CLASSES`] has them.
    pub device: u8,
}

impl Context {
    /// The context that the shell tells as one number: eight times the region, and the class of device.
    pub fn of_number(number: u32) -> Self {
        let [region, device] = [number / PROVINCE, number % PROVINCE].map(|part| u8::try_from(part).unwrap_or(0));
        Self { region, device }
    }

    /// The number of [`Self::of_number`].
    pub fn number(self) -> u16 {
        u16::from(self.region).wrapping_mul(8) | u16::from(self.device)
    }

    /// The province's digits and the class of device, where they are known.
    pub fn names(self) -> (Option<String>, Option<&'static str>) {
        let region = (self.region > 0).then(|| self.region.to_string());
        let class = usize::from(self.device).checked_sub(1).and_then(|at| DEVICE_CLASSES.get(at));
        (region, class.copied())
    }

    /// The context that names tell, as a preview chooses it: a province's two digits and a class of device. Names that are not known are passed over.
    pub fn of_names(region: &str, device: &str) -> Self {
        let region = Some(region).filter(|digits| is_region(digits)).and_then(|digits| digits.parse().ok());
        let device = (1..).zip(DEVICE_CLASSES).find(|(_, class)| *class == device);
        Self { region: region.unwrap_or(0), device: device.map_or(0, |(number, _)| number) }
    }
}

/// Whether `text` may be the digits of a province's code.
pub fn is_region(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'9', b'0'..=b'9'])
}

/// The part of the week of `at`, below [`WEEK_PARTS`]: stretches of three hours of the Korean day, those of Saturday and Sunday after those of the other days.
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
        // A Friday, the Saturday after it, and the Monday after that.
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
