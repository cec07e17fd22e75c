//! Int8 vectors: inner products, and sums that decay.

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
pub(crate) struct Widened<'a> {
    vector: &'a [u8],
    lanes: Option<quick::Lanes>,
}

impl<'a> Widened<'a> {
    pub(crate) fn of(vector: &'a [u8]) -> Self {
        Self { vector, lanes: vector.try_into().ok().map(quick::lanes) }
    }

    /// The [`dot`] product. Sums of a few int8 products are exact in i32 in any order, so both
    /// paths agree bit for bit.
    #[inline]
    pub(crate) fn dot(&self, vector: &[u8]) -> i32 {
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
    }
}
