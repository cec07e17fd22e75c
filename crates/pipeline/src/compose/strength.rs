//! How much tastes weigh on a board: as the rules say, however far vectors spread in their bytes.

use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::rank::Weights;

/// Spread of a sure viewer's inner products that the rules' weights of `taste` are meant for: at
/// the default, 800, a standard deviation of such a taste is 800 × 3,200 / 64 = 40,000 points.
const USUAL_SPREAD: f64 = 3_200.0;
/// Bounds on the factor, so that a model that tells hardly anything apart is not blown up.
const FACTORS: std::ops::RangeInclusive<f64> = 0.25..=8.0;

/// The weights, with those of `taste` on lists of products multiplied by what `spread`, that of the
/// board's vectors, lacks. Vectors fit into bytes by their largest products; where a few products
/// are wanted by everybody, all others have small numbers.
pub(crate) fn calibrated(mut weights: Weights, spread: f64) -> Weights {
    if spread > 0.0 {
        let factor = (USUAL_SPREAD / spread).clamp(*FACTORS.start(), *FACTORS.end());
        for taste in [&mut weights.new.taste, &mut weights.live.taste] {
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
            let weighed = (f64::from(*taste) * factor).round() as i32;
            *taste = weighed;
        }
    }
    weights
}

/// [`calibrated`] for all weights of a board.
pub(super) fn calibrate(parts: &mut BoardParts, spread: f64) {
    parts.weights = calibrated(parts.weights, spread);
    for variant in parts.mix.experiments.iter_mut().flat_map(|experiment| &mut experiment.variants) {
        variant.weights = calibrated(variant.weights, spread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tastes_weigh_the_same_however_far_their_vectors_spread() {
        let mut weights = Weights::default();
        (weights.new.taste, weights.live.taste, weights.tabs.taste, weights.new.pulse) = (800, -40, 100, 7);
        let of = |spread| {
            let Weights { new, live, tabs, .. } = calibrated(weights, spread);
            (new.taste, live.taste, tabs.taste, new.pulse)
        };
        assert_eq!(of(3_200.0), (800, -40, 100, 7));
        assert_eq!(of(1_000.0), (2_560, -128, 100, 7));
        assert_eq!(of(1.0), (6_400, -320, 100, 7), "at most eight times");
        assert_eq!(of(0.0), (800, -40, 100, 7), "nothing was learned");
    }
}
