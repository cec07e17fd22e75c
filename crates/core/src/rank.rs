//! Scores of candidates and tabs, by part, and the sort that surfaces share.
//!
//! All arithmetic is on integers, so that native code, the edge's Wasm and the browser's agree bit
//! for bit. Each part is a weight times a signal within about ±1,024, which makes weights
//! comparable.

use std::cmp::Reverse;

use sinsang_kernel::leaning::points;

use crate::pack::pulse::Pulse;
use crate::pack::taste::Taste;
use crate::signal::{Score, SurfaceWeights};
use crate::surface_name::{PerSurface, Surface};
use crate::time::{HOUR_MS, UnixMillis};

pub use sinsang_kernel::leaning::{HOUR_BUCKETS, Head, Leaning};
pub use sinsang_kernel::list::{First, Keyed, sort};
pub use sinsang_kernel::vector::{QUICK_DIMS, Trail, dot};

/// The largest value of a signal.
pub const UNIT: i64 = 1024;
/// How far ahead a broadcast has half the `soon` signal of one on air, in milliseconds.
const SOON_HALF_MS: i64 = 12 * HOUR_MS;

/// The weights of all surfaces.
pub type Weights = PerSurface<SurfaceWeights>;

impl SurfaceWeights {
    /// Copies the weights in which `own` differs from `base`.
    #[inline(never)]
    fn take_changes(&mut self, base: &Self, own: &Self) {
        let fields = self.fields_mut().into_iter().zip(base.fields()).zip(own.fields());
        fields.filter(|((_, base), own)| base != own).for_each(|((field, _), own)| *field = own);
    }

    /// These weights with the viewer-dependent ones set to 0. If they are equal, so are candidates'
    /// shared scores.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { taste: 0, channel: 0, hour: 0, ..self }
    }
}

impl Weights {
    /// Copies the weights in which `own` differs from `base`.
    pub fn take_changes(&mut self, base: &Self, own: &Self) {
        for (surface, weights) in self.each_mut() {
            weights.take_changes(base.get(surface), own.get(surface));
        }
    }
}

/// A product to be scored, with the broadcast that it is shown for.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The product's vector, int8.
    pub vector: &'a [u8],
    /// The index of the broadcast's channel.
    pub channel: usize,
    /// When the broadcast starts.
    pub starts_at: UnixMillis,
    /// When the broadcast ends.
    pub ends_at: UnixMillis,
    /// The demand for the product, from 0 to [`UNIT`].
    pub popularity: u32,
}

impl Candidate<'_> {
    /// The stretch of the Korean day in which its broadcast starts.
    pub fn bucket(&self) -> usize {
        usize::from(self.starts_at.kst_hour()) * HOUR_BUCKETS / 24
    }
}

/// Prepares `taste` under `weights`, for a board of `channels` channels.
pub fn leaning<'a>(taste: &Taste<'a>, weights: &SurfaceWeights, channels: usize) -> Leaning<'a> {
    let mut buckets = [0; HOUR_BUCKETS];
    for (bucket, points) in buckets.iter_mut().enumerate() {
        *points = i64::from(weights.hour) * widen(taste.hour(bucket));
    }
    let channels = (0..channels).map(|index| i64::from(weights.channel) * widen(taste.channel(index))).collect();
    Leaning::new(taste.vector, weights.taste.into(), channels, buckets)
}

/// The score of a candidate at `now`; without `taste`, the shared score.
pub fn score(candidate: &Candidate<'_>, taste: Option<&Taste<'_>>, weights: &SurfaceWeights, now: UnixMillis) -> Score {
    let mut score = Score {
        soon: i64::from(weights.soon) * soon(candidate.starts_at.since(now)),
        on_air: if candidate.starts_at <= now && now < candidate.ends_at {
            i64::from(weights.on_air) * UNIT
        } else {
            0
        },
        popularity: i64::from(weights.popularity) * i64::from(candidate.popularity).min(UNIT),
        ..Score::default()
    };
    if let Some(taste) = taste {
        score.taste = points(weights.taste.into(), dot(taste.vector, candidate.vector));
        score.channel = i64::from(weights.channel) * widen(taste.channel(candidate.channel));
        score.hour = i64::from(weights.hour) * widen(taste.hour(candidate.bucket()));
    }
    score
}

/// The score of the tab at `place` of `count` in the shared order; `index` is its index in tastes.
pub fn score_tab(
    index: usize,
    place: usize,
    count: usize,
    taste: Option<&Taste<'_>>,
    weights: &SurfaceWeights,
) -> Score {
    let (place, count) = (i64::try_from(place).unwrap_or(i64::MAX), i64::try_from(count.max(1)).unwrap_or(i64::MAX));
    Score {
        taste: taste.map_or(0, |taste| i64::from(weights.taste) * widen(taste.tab(index))),
        position: i64::from(weights.position) * (count.saturating_sub(place)).saturating_mul(UNIT).div_euclid(count),
        ..Score::default()
    }
}

/// Scales an int8 weight to the unit of the signals.
fn widen(weight: i8) -> i64 {
    i64::from(weight) * 8
}

/// [`UNIT`] for a broadcast that has begun, half of it at [`SOON_HALF_MS`] ahead, and falling like
/// 1/t beyond.
fn soon(ahead_ms: i64) -> i64 {
    UNIT * SOON_HALF_MS / ahead_ms.max(0).saturating_add(SOON_HALF_MS)
}

/// The weights that a pack of the first format does not store, as it means them for `surface`; the
/// others are 0.
pub fn default_weights(surface: Surface) -> SurfaceWeights {
    SurfaceWeights { pulse: pulse_weight(surface), ..SurfaceWeights::default() }
}

/// The weight of a [`pulse`] on `surface` for packs of the first version, which don't store it, and
/// for surfaces that the rules don't name.
pub fn pulse_weight(surface: Surface) -> i32 {
    if surface.lists_products() { 300 } else { 0 }
}

/// A product's current demand, from 0 to [`UNIT`]: the logarithm of one more than `interest`, which
/// counts viewers in sixteenths like [`crate::pulse::Counts::interest`]. It reaches [`UNIT`] at
/// 1,023 viewers and is linear between powers of two, so that no float is needed.
pub fn pulse(interest: u32) -> i64 {
    let one = u64::from(crate::pulse::VIEWER);
    let count = u64::from(interest).saturating_add(one);
    let power = count.ilog2();
    let part = ((count << 10) >> power) & 1023;
    let doublings = i64::from(power.saturating_sub(one.ilog2()));
    let thousandths = doublings.saturating_mul(1024).saturating_add(i64::try_from(part).unwrap_or(0));
    thousandths.div_euclid(10).min(UNIT)
}

/// The part of a score that comes from the pulse. Demand is everybody's, so it does not depend on
/// the viewer's tastes.
pub fn pulse_points(pulse: Option<&Pulse>, product: u64, weights: &SurfaceWeights) -> i64 {
    let counts = pulse.and_then(|pulse| pulse.find(product));
    counts.map_or(0, |counts| i64::from(weights.pulse) * self::pulse(counts.interest()))
}

/// The places of `numbers`, ordered by number, smallest first; ties keep their order.
pub fn ascending(numbers: impl Iterator<Item = i64>) -> impl Iterator<Item = usize> {
    let mut keyed: Vec<Keyed> = numbers.zip(0..).map(|(number, at)| (Reverse(number.saturating_neg()), at)).collect();
    sort(&mut keyed);
    keyed.into_iter().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nearer_broadcasts_score_higher_and_begun_ones_highest() {
        let signals: Vec<i64> =
            [-HOUR_MS, 0, HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS, i64::MAX].into_iter().map(soon).collect();
        assert_eq!(signals.first(), Some(&UNIT));
        assert!(signals.is_sorted_by(|a, b| a >= b), "{signals:?}");
        assert_eq!(soon(SOON_HALF_MS), UNIT / 2);
    }

    #[test]
    fn a_pulse_grows_with_each_doubling_and_never_passes_the_unit() {
        assert_eq!([0, 16, 48, 112, 16_368, u32::MAX].map(pulse), [0, 102, 204, 307, UNIT, UNIT]);
        assert_eq!([1, 4, 8].map(pulse), [6, 25, 51]);
        assert!((0..5_000).map(pulse).is_sorted());
    }

    #[test]
    fn without_tastes_only_shared_parts_count() {
        let weights =
            SurfaceWeights { taste: 9, channel: 9, hour: 9, soon: 1, on_air: 1, popularity: 1, position: 0, pulse: 9 };
        let candidate = Candidate {
            vector: &[100; 64],
            channel: 0,
            starts_at: UnixMillis(0),
            ends_at: UnixMillis(HOUR_MS),
            popularity: 10,
        };
        let shared = score(&candidate, None, &weights, UnixMillis(0));
        assert_eq!(shared, Score { soon: UNIT, on_air: UNIT, popularity: 10, ..Score::default() });
        let taste = Taste { vector: &[100; 64], channels: &[1], hours: &[0, 0, 0, 2], ..Taste::default() };
        let personal = score(&candidate, Some(&taste), &weights, UnixMillis(0));
        // 1970-01-01T00:00Z is nine in the morning in Korea, in the fourth stretch of the day.
        assert_eq!(personal, Score { taste: (9 * 640_000) >> 6, channel: 9 * 8, hour: 9 * 16, ..shared });
    }

    proptest! {
        #[test]
        fn scores_never_overflow(
            vector in proptest::collection::vec(any::<u8>(), 0..80),
            weights in proptest::array::uniform8(any::<i32>()),
            times in proptest::array::uniform3(any::<i64>()),
            popularity in any::<u32>(),
        ) {
            let weights = SurfaceWeights::from_fields(weights);
            let [starts_at, ends_at, now] = times.map(UnixMillis);
            let candidate = Candidate { vector: &vector, channel: 3, starts_at, ends_at, popularity };
            let taste = Taste { vector: &[128; 64], channels: &[127; 4], hours: &[127; 8], ..Taste::default() };
            let total = score(&candidate, Some(&taste), &weights, now).total();
            let shared = score(&candidate, None, &weights, now).total();
            let leaning = leaning(&taste, &weights, 4);
            prop_assert_eq!(shared + leaning.points(&vector, candidate.channel, candidate.bucket()), total);
        }
    }
}
