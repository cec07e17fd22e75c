//! Scores of candidates and tabs, by part, and the sort that surfaces share.
//!
//! All arithmetic is on integers, so that native code, the edge's Wasm and the browser's agree bit
//! for bit. Each part is a weight times a signal within about ±1,024, which makes weights
//! comparable.

use std::cmp::Reverse;

use crate::pack::pulse::Pulse;
use crate::pack::taste::Taste;
use crate::signal::{Score, SurfaceWeights};
use crate::surface_name::{PerSurface, Surface};
use crate::time::{HOUR_MS, UnixMillis};

/// The largest value of a signal.
pub const UNIT: i64 = 1024;
/// How far ahead a broadcast has half the `soon` signal of one on air, in milliseconds.
const SOON_HALF_MS: i64 = 12 * HOUR_MS;
/// The number of stretches of the Korean day that tastes distinguish.
pub const HOUR_BUCKETS: usize = 8;

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

/// The contribution of a viewer's tastes to scores, looked up once for a list.
#[derive(Clone, Debug)]
pub struct Leaning<'a> {
    vector: Widened<'a>,
    weight: i64,
    channels: Vec<i64>,
    buckets: [i64; HOUR_BUCKETS],
}

impl<'a> Leaning<'a> {
    /// Prepares `taste` under `weights`, for a board of `channels` channels.
    pub fn of(taste: &Taste<'a>, weights: &SurfaceWeights, channels: usize) -> Self {
        let mut buckets = [0; HOUR_BUCKETS];
        for (bucket, points) in buckets.iter_mut().enumerate() {
            *points = i64::from(weights.hour) * widen(taste.hour(bucket));
        }
        Self {
            vector: Widened::of(taste.vector),
            weight: weights.taste.into(),
            channels: (0..channels).map(|index| i64::from(weights.channel) * widen(taste.channel(index))).collect(),
            buckets,
        }
    }

    /// The points that the tastes add to the [`score`] of a candidate with this vector, channel and
    /// [`Candidate::bucket`].
    #[inline]
    pub fn points(&self, vector: &[u8], channel: usize, bucket: usize) -> i64 {
        let table = |table: &[i64], index| table.get(index).copied().unwrap_or(0);
        lean(self.weight, self.vector.dot(vector)) + table(&self.channels, channel) + table(&self.buckets, bucket)
    }
}

/// The part of a score that comes from the inner product of two vectors.
fn lean(weight: i64, product: i32) -> i64 {
    // The largest inner product, which few vectors reach, is 64 × 127²; a right shift by 6 keeps it
    // within 16 times the unit.
    (weight * i64::from(product)) >> 6
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
        score.taste = lean(weights.taste.into(), dot(taste.vector, candidate.vector));
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

/// A sort key and a place: larger keys first, then smaller places.
pub type Keyed = (Reverse<i64>, usize);

/// Sorts `list`. All lists of the edge share this function, because each copy of a sort costs two
/// kilobytes of the Worker.
#[inline(never)]
pub fn sort(list: &mut [Keyed]) {
    list.sort_unstable();
}

/// The places of `numbers`, ordered by number, smallest first; ties keep their order.
pub fn ascending(numbers: impl Iterator<Item = i64>) -> impl Iterator<Item = usize> {
    let mut keyed: Vec<Keyed> = numbers.zip(0..).map(|(number, at)| (Reverse(number.saturating_neg()), at)).collect();
    sort(&mut keyed);
    keyed.into_iter().map(|(_, at)| at)
}

/// The inner product of two int8 vectors, over the length of the shorter.
pub fn dot(a: &[u8], b: &[u8]) -> i32 {
    Widened::of(a).dot(b)
}

fn dot_slowly(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(a.cast_signed()) * i32::from(b.cast_signed())).sum()
}

/// The number of dimensions with a fast path.
pub const QUICK_DIMS: usize = 64;

/// An int8 vector to be multiplied with many others: as it is, and as int16 if it has
/// [`QUICK_DIMS`] values.
#[derive(Clone, Debug)]
struct Widened<'a> {
    vector: &'a [u8],
    lanes: Option<quick::Lanes>,
}

impl<'a> Widened<'a> {
    fn of(vector: &'a [u8]) -> Self {
        Self { vector, lanes: vector.try_into().ok().map(quick::lanes) }
    }

    /// The [`dot`] product. Sums of a few int8 products are exact in i32 in any order, so both
    /// paths agree bit for bit.
    #[inline]
    fn dot(&self, vector: &[u8]) -> i32 {
        match (&self.lanes, vector.try_into()) {
            (Some(lanes), Ok(vector)) => quick::dot(lanes, vector),
            _ => dot_slowly(self.vector, vector),
        }
    }
}

/// Inner products with Wasm's SIMD instructions.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod quick {
    use core::arch::wasm32::{
        i16x8_add, i16x8_extend_low_i8x16, i16x8_shr, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane, i32x4_shuffle,
        i32x4_splat, u64x2, v128,
    };

    use super::QUICK_DIMS;

    /// Eight int16 values each.
    pub(super) type Lanes = [v128; QUICK_DIMS / 8];

    pub(super) fn lanes(vector: &[u8; QUICK_DIMS]) -> Lanes {
        let mut lanes = [i32x4_splat(0); QUICK_DIMS / 8];
        lanes.iter_mut().zip(vector.as_chunks().0).for_each(|(lane, bytes)| *lane = widened(*bytes));
        lanes
    }

    fn widened(bytes: [u8; 8]) -> v128 {
        i16x8_extend_low_i8x16(u64x2(u64::from_le_bytes(bytes), 0))
    }

    /// Halves `lanes` and adds `vector`.
    pub(super) fn fade(lanes: &mut Lanes, vector: &[u8; QUICK_DIMS]) {
        lanes
            .iter_mut()
            .zip(vector.as_chunks().0)
            .for_each(|(lane, bytes)| *lane = i16x8_add(i16x8_shr(*lane, 1), widened(*bytes)));
    }

    #[inline]
    #[expect(clippy::many_single_char_names, reason = "eight lanes of each vector, in their order")]
    pub(super) fn dot([a, b, c, d, e, f, g, h]: &Lanes, vector: &[u8; QUICK_DIMS]) -> i32 {
        let Ok([i, j, k, l, m, n, o, p]) = <&[[u8; 8]; QUICK_DIMS / 8]>::try_from(vector.as_chunks().0) else {
            return 0;
        };
        // Unrolled by hand: a loop costs as much as its body, and a build for size does not unroll
        // it.
        let product = |lane: &v128, bytes: &[u8; 8]| i32x4_dot_i16x8(*lane, widened(*bytes));
        let ab = i32x4_add(product(a, i), product(b, j));
        let cd = i32x4_add(product(c, k), product(d, l));
        let ef = i32x4_add(product(e, m), product(f, n));
        let gh = i32x4_add(product(g, o), product(h, p));
        let sums = i32x4_add(i32x4_add(ab, cd), i32x4_add(ef, gh));
        let sums = i32x4_add(sums, i32x4_shuffle::<2, 3, 0, 1>(sums, sums));
        i32x4_extract_lane::<0>(sums) + i32x4_extract_lane::<1>(sums)
    }
}

/// The scalar twin, which compilers vectorise themselves.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod quick {
    use super::QUICK_DIMS;

    pub(super) type Lanes = [i16; QUICK_DIMS];

    pub(super) fn lanes(vector: &[u8; QUICK_DIMS]) -> Lanes {
        vector.map(|byte| byte.cast_signed().into())
    }

    pub(super) fn fade(lanes: &mut Lanes, vector: &[u8; QUICK_DIMS]) {
        lanes
            .iter_mut()
            .zip(vector)
            .for_each(|(lane, value)| *lane = (*lane >> 1).wrapping_add(value.cast_signed().into()));
    }

    #[inline]
    pub(super) fn dot(lanes: &Lanes, vector: &[u8; QUICK_DIMS]) -> i32 {
        let vector = self::lanes(vector);
        lanes.iter().zip(vector).map(|(lane, value)| i32::from(*lane) * i32::from(value)).sum()
    }
}

/// A decaying sum of int8 vectors: the last one counts in full, the one before it half, and so on.
/// Only the first [`QUICK_DIMS`] values of a vector count.
#[derive(Clone, Debug)]
pub struct Trail(quick::Lanes);

impl Default for Trail {
    fn default() -> Self {
        Self(quick::lanes(&[0; QUICK_DIMS]))
    }
}

impl Trail {
    /// Adds `vector` as the last one. An empty vector changes nothing.
    pub fn take(&mut self, vector: &[u8]) {
        match vector.first_chunk() {
            Some(vector) => quick::fade(&mut self.0, vector),
            None if vector.is_empty() => {}
            None => quick::fade(&mut self.0, &filled(vector)),
        }
    }

    /// The inner product with `vector`. The sums stay within 2 × 128, so the result fits i32.
    #[inline]
    pub fn dot(&self, vector: &[u8]) -> i32 {
        match vector.first_chunk() {
            Some(vector) => quick::dot(&self.0, vector),
            None => quick::dot(&self.0, &filled(vector)),
        }
    }
}

/// Pads a short vector with zeros.
#[inline(never)]
fn filled(vector: &[u8]) -> [u8; QUICK_DIMS] {
    let mut filled = [0; QUICK_DIMS];
    filled.iter_mut().zip(vector).for_each(|(to, value)| *to = *value);
    filled
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
        fn a_trail_is_the_sum_that_it_says(
            vectors in proptest::sample::select(vec![3_usize, 64, 128])
                .prop_flat_map(|width| proptest::collection::vec(proptest::collection::vec(any::<u8>(), width), 1..40)),
        ) {
            let mut trail = Trail::default();
            let mut sums = [0_i64; QUICK_DIMS];
            for vector in &vectors {
                trail.take(vector);
                trail.take(&[]);
                for (sum, value) in sums.iter_mut().zip(vector) {
                    *sum = (*sum >> 1) + i64::from(value.cast_signed());
                }
            }
            let last = vectors.last().unwrap();
            let product: i64 = sums.iter().zip(last).map(|(sum, value)| sum * i64::from(value.cast_signed())).sum();
            prop_assert_eq!(i64::from(trail.dot(last)), product);
        }

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
            let leaning = Leaning::of(&taste, &weights, 4);
            prop_assert_eq!(shared + leaning.points(&vector, candidate.channel, candidate.bucket()), total);
        }
    }
}
