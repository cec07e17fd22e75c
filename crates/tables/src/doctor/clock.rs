//! Profiles by hour of the Korean day: how far one is shifted from others, and when nobody is
//! awake.

/// Counts by hour of the Korean day.
pub(super) type Hours = [u64; 24];

/// Korea's offset from UTC, in hours.
pub(super) const KOREA: usize = 9;
/// Fewest non-empty hours of a usable profile: a channel on air only by day, or only by night, has
/// a shape of its own.
const HOURS_MIN: usize = 16;
/// Fewest counts of a usable profile: below that, the shape is noise.
const COUNT_MIN: u64 = 300;
/// Correlation at a nine-hour shift that is not chance: the hours of unrelated profiles correlate
/// by 0.2 (one standard deviation).
const LIKE_MIN: f64 = 0.7;
/// Highest correlation without a shift that leaves no doubt.
const UNLIKE_MAX: f64 = 0.35;
/// Length of the night in hours: people sleep at least as long.
const NIGHT_HOURS: usize = 5;
/// Above this share of an even spread, a night says nothing.
const NIGHT_SHARE: f64 = 0.5;

/// Whether a profile has enough data to be compared.
pub(super) fn is_telling(hours: &Hours) -> bool {
    hours.iter().sum::<u64>() >= COUNT_MIN && hours.iter().filter(|count| **count > 0).count() >= HOURS_MIN
}

/// A profile shifted by nine hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Off {
    /// Hours to add to its times.
    pub(super) hours: i32,
    /// Correlation with the others after adding them.
    pub(super) then: f64,
    /// Correlation without the shift.
    pub(super) now: f64,
}

/// Whether `own` matches the `others`, nine hours early or late. That shift must be the best fit of
/// all, by a wide margin.
pub(super) fn off(own: &Hours, others: &[&Hours]) -> Option<Off> {
    if !is_telling(own) || others.len() < 3 {
        return None;
    }
    let own = shares(own);
    let others: Vec<[f64; 24]> = others.iter().map(|hours| shares(hours)).collect();
    let usual: Vec<f64> = (0..24)
        .map(|hour| {
            let mut at: Vec<f64> = others.iter().filter_map(|shares| shares.get(hour).copied()).collect();
            at.sort_by(f64::total_cmp);
            at.get(at.len() / 2).copied().unwrap_or_default()
        })
        .collect();
    // Shifted by `lag`, the count at hour h + lag moves to h.
    let moved = |lag: usize| own.iter().copied().cycle().skip(lag).take(24).collect::<Vec<f64>>();
    let fits: Vec<f64> = (0..24).map(|lag| correlation(&moved(lag), &usual)).collect();
    let (best, then) = fits.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let now = fits.first().copied()?;
    let hours = match best {
        KOREA => -9,
        lag if lag == 24 - KOREA => 9,
        _ => return None,
    };
    (then >= LIKE_MIN && now <= UNLIKE_MAX).then_some(Off { hours, then, now })
}

#[expect(clippy::cast_precision_loss, reason = "shares for judging")]
fn shares(hours: &Hours) -> [f64; 24] {
    let all = hours.iter().sum::<u64>().max(1) as f64;
    hours.map(|count| count as f64 / all)
}

/// Pearson's correlation of two rows of 24; 0 if one of them is constant.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / 24.0;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        of_a += (a - mean_a).powi(2);
        of_b += (b - mean_b).powi(2);
    }
    let scale = (of_a * of_b).sqrt();
    if scale > 1e-12 { both / scale } else { 0.0 }
}

/// The hour opposite to the centre of activity, 0 to 23, and the share of the five hours around it;
/// `None` if the profile has no night.
pub(super) fn night(hours: &Hours) -> Option<(usize, f64)> {
    if hours.iter().sum::<u64>() < COUNT_MIN {
        return None;
    }
    let shares = shares(hours);
    // The circular mean of hours; a night may be long, so its quietest hour need not be its middle.
    let hour_angle = std::f64::consts::TAU / 24.0;
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (share, angle) in shares.iter().zip(std::iter::successors(Some(0.0), |angle| Some(angle + hour_angle))) {
        sine += share * f64::sin(angle);
        cosine += share * f64::cos(angle);
    }
    let middle = (sine.atan2(cosine) / hour_angle + 36.0).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 24 to 48")]
    let middle = middle as usize % 24;
    let share: f64 = shares.iter().cycle().skip(middle + 24 - NIGHT_HOURS / 2).take(NIGHT_HOURS).sum();
    #[expect(clippy::cast_precision_loss, reason = "two small numbers")]
    let even = NIGHT_HOURS as f64 / 24.0;
    (share < even * NIGHT_SHARE).then_some((middle, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Short repeats at night and full hours by day, as channels have.
    const USUAL: Hours =
        [20, 35, 90, 110, 80, 45, 25, 24, 22, 18, 21, 23, 25, 24, 26, 23, 24, 22, 21, 20, 19, 20, 21, 22];

    fn moved(hours: &Hours, by: usize) -> Hours {
        let mut moved = *hours;
        moved.rotate_right(by);
        moved
    }

    /// The same profile with other numbers.
    fn varied(hours: &Hours, seed: u64) -> Hours {
        let mut varied = *hours;
        for (hour, count) in varied.iter_mut().enumerate() {
            *count += (hour as u64 * 7 + seed * 13) % 9;
        }
        varied
    }

    #[test]
    fn a_channel_nine_hours_early_or_late_is_told_by_the_others() {
        let others = [varied(&USUAL, 1), varied(&USUAL, 2), varied(&USUAL, 3), varied(&USUAL, 4)];
        let others: Vec<&Hours> = others.iter().collect();
        assert_eq!(off(&USUAL, &others), None);
        // UTC read as Korean time is nine hours early.
        let early = off(&moved(&USUAL, 15), &others).unwrap();
        assert_eq!(early.hours, 9);
        assert!(early.then > 0.9 && early.now < 0.2, "{early:?}");
        assert_eq!(off(&moved(&USUAL, 9), &others).unwrap().hours, -9);
        for hours in [1, 3, 8, 10, 12, 14, 16, 20] {
            assert_eq!(off(&moved(&USUAL, hours), &others), None, "{hours} hours are another shape, not another zone");
        }
    }

    #[test]
    fn what_says_little_is_not_judged() {
        let others = [varied(&USUAL, 1), varied(&USUAL, 2), varied(&USUAL, 3)];
        let all: Vec<&Hours> = others.iter().collect();
        let early = moved(&USUAL, 15);
        assert!(off(&early, &all).is_some());
        assert_eq!(off(&early, &all[..2]), None, "two others don't agree on anything");
        assert_eq!(off(&early.map(|count| count / 10), &all), None, "too few");
        assert_eq!(off(&[50; 24], &all), None, "even");
        // On air only from 22 to 6: repeats at night are correct.
        let mut by_night = [0; 24];
        for hour in [22, 23, 0, 1, 2, 3, 4, 5] {
            by_night[hour] = 100;
        }
        assert_eq!(off(&by_night, &all), None);
        let mut by_day = [0; 24];
        by_day[8..22].fill(100);
        assert_eq!(off(&by_day, &all), None);
        // The others are constant, so there is nothing to compare with.
        let even = [[50; 24], [51; 24], [52; 24]];
        assert_eq!(off(&early, &even.iter().collect::<Vec<_>>()), None);
    }

    #[test]
    fn night_is_when_nobody_does_anything() {
        let mut awake = [100; 24];
        awake[1..7].fill(10);
        assert!(matches!(night(&awake), Some((3 | 4, share)) if share < 0.05), "{:?}", night(&awake));
        let early = night(&moved(&awake, 15));
        assert!(matches!(early, Some((18 | 19, _))), "UTC taken as Korean time: {early:?}");
        let mut by_day = [0; 24];
        by_day[9..18].fill(50);
        assert!(matches!(night(&by_day), Some((1, _))), "a long night has its middle: {:?}", night(&by_day));
        assert_eq!(night(&[100; 24]), None, "machines do not sleep");
        assert_eq!(night(&[1; 24]), None, "too few");
    }
}
