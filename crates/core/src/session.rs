//! The effect of a session: the products that a viewer has just looked at, which the app sends with
//! a request, shift the taste vector at once. Nothing is stored.

use crate::pack::board::Board;
use crate::pack::taste::Taste;

/// The most products that a request may name.
pub const MOST_RECENT: usize = 20;
/// The number of dimensions of a vector.
pub const DIMS: usize = 64;
/// The largest absolute value in a vector that a session makes alone.
const FULL: i32 = 96;
/// The largest absolute value that a session adds to a viewer's own vector.
const BESIDE: i32 = 48;
/// The number of known products at which a session has its full effect; fewer have proportionally
/// less.
const SURE: i32 = 4;

/// The vector of `taste`, shifted by `recent`, product ids with the latest first; `None` if the
/// board knows none of them. A session counts for more if the viewer has no tastes of their own.
#[allow(clippy::arithmetic_side_effects, reason = "sums of at most twenty int8 values times twenty")]
pub fn shifted(board: &Board, taste: Option<&Taste<'_>>, is_own: bool, recent: &[u64]) -> Option<[u8; DIMS]> {
    let mut sum = [0_i32; DIMS];
    let mut known = 0;
    for (weight, id) in (1..=20).rev().zip(recent) {
        let Some(index) = board.find_product(*id) else { continue };
        known += 1;
        for (sum, value) in sum.iter_mut().zip(board.product(index).vector()) {
            *sum += weight * i32::from(value.cast_signed());
        }
    }
    let most = sum.iter().map(|value| value.abs()).max().filter(|most| *most > 0)?;
    let reach = if is_own { BESIDE } else { FULL } * known.min(SURE) / SURE;
    let own = taste.map_or(&[][..], |taste| taste.vector);
    let mut vector = [0; DIMS];
    for (at, (to, value)) in vector.iter_mut().zip(sum).enumerate() {
        let before = own.get(at).map_or(0, |byte| i32::from(byte.cast_signed()));
        // Clamped to the range of an int8.
        let [byte, ..] = (before + value * reach / most).clamp(-127, 127).to_le_bytes();
        *to = byte;
    }
    Some(vector)
}
