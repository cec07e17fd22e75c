//! What a viewer's tastes add to the scores of many candidates.

use std::ops::Range;

use crate::vector::{QUICK_DIMS, Widened};

/// The number of stretches of the Korean day that tastes distinguish.
pub const HOUR_BUCKETS: usize = 8;

/// The contribution of a viewer's tastes to scores, looked up once for a list.
#[derive(Clone, Debug)]
pub struct Leaning<'a> {
    vector: Widened<'a>,
    weight: i64,
    channels: Vec<i64>,
    buckets: [i64; HOUR_BUCKETS],
}

/// A candidate's inputs to its score, except its vector.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The viewer-independent part of its score.
    pub shared: i64,
    /// The index of its first slot's channel; past the last channel if it has none.
    pub channel: u16,
    /// The stretch of the day in which its first broadcast starts, below [`HOUR_BUCKETS`].
    pub bucket: u8,
}

impl<'a> Leaning<'a> {
    /// Tastes with this vector, whose inner products count by `weight`, and with points for each
    /// channel and each stretch of the day.
    pub fn new(vector: &'a [u8], weight: i64, channels: Vec<i64>, buckets: [i64; HOUR_BUCKETS]) -> Self {
        Self { vector: Widened::of(vector), weight, channels, buckets }
    }

    /// The points that the tastes add to the score of a candidate with this vector, channel and
    /// stretch of the day.
    #[inline]
    pub fn points(&self, vector: &[u8], channel: usize, bucket: usize) -> i64 {
        let table = |table: &[i64], index| table.get(index).copied().unwrap_or(0);
        points(self.weight, self.vector.dot(vector)) + table(&self.channels, channel) + table(&self.buckets, bucket)
    }

    /// The scores of the candidates `heads`, whose vectors of `dimensions` values lie one after
    /// another. The values `counted` of each vector count.
    pub fn scores(&self, heads: &[Head], vectors: &[u8], dimensions: usize, counted: Range<usize>) -> Vec<i64> {
        let score = |head: &Head, vector: &[u8]| {
            head.shared.wrapping_add(self.points(vector, head.channel.into(), head.bucket.into()))
        };
        // This loop does nothing else, so the viewer's vector stays in registers; at this width no
        // cut is needed either.
        match vectors.as_chunks() {
            (vectors, []) if dimensions == QUICK_DIMS && counted == (0..QUICK_DIMS) => {
                let vectors: &[[u8; QUICK_DIMS]] = vectors;
                heads.iter().zip(vectors).map(|(head, vector)| score(head, vector)).collect()
            }
            _ => {
                let vectors = vectors.chunks_exact(dimensions.max(1));
                let counted = counted.start.min(dimensions)..counted.end.min(dimensions);
                let score =
                    |(head, vector): (&Head, &[u8])| score(head, vector.get(counted.clone()).unwrap_or_default());
                heads.iter().zip(vectors).map(score).collect()
            }
        }
    }
}

/// The part of a score that comes from the inner product of two vectors.
#[inline]
pub fn points(weight: i64, product: i32) -> i64 {
    // The largest inner product, which few vectors reach, is 64 × 127²; a right shift by 6 keeps it
    // within 16 times the unit.
    (weight * i64::from(product)) >> 6
}
