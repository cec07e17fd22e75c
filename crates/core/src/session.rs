//! The order of a session: what a viewer has just looked at, as the app tells with a request, shifts the vector at once. Nothing is stored.

use crate::pack::board::Board;
use crate::pack::taste::Taste;

/// Most products that a request may name.
pub const MOST_RECENT: usize = 20;
/// Dimensions of a vector.
pub const DIMS: usize = 64;
/// The largest value of a vector that a session makes by itself.
const FULL: i32 = 96;
/// The largest value that a session adds to a viewer's own vector.
const BESIDE: i32 = 48;
/// Products after which a session says all that it can: fewer say less.
const SURE: i32 = 4;

/// The vector of `taste` after `recent`, ids of products with the latest first; `None` where the board knows none of them. A session says more
/// of who has no tastes of their own.
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
