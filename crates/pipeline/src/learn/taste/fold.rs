//! Folding of users into a trained model: vectors without training.

use sinsang_core::viewer::device_of;
use sinsang_taste::{FloatVector, Model};

use super::Run;
use super::deed::Deed;
use super::profile::{self, UserTaste};
use super::profile::{Baseline, Engagement};
use super::spill::BucketUser;
use super::weight::Decay;

/// The most notes of a user, before the widths of a shard limit them further.
const MOST_NOTES: usize = 16;
/// Steps of a note for each further impression without an action.
const STEPS_A_SHOW: i64 = 4;
/// Steps of the nearest product to a user's actions.
const NEAREST_STEPS: i8 = 31;
/// The most steps for impressions.
const MOST_STEPS: i8 = 32;

/// The result for one user.
pub(super) enum Folded {
    /// A bot, a device, a forgotten user, or a user without actions.
    Nobody,
    /// A user with too few events.
    TooThin,
    Taste(Box<(UserTaste, FloatVector)>),
}

/// The inputs of folding in.
pub(super) struct Fold<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) baseline: &'a Baseline,
    pub(super) model: &'a Model,
    pub(super) decay: &'a Decay,
}

impl Fold<'_> {
    pub(super) fn user(&self, user: &BucketUser<'_>) -> Folded {
        let options = self.run.options;
        // A device has no place in a pack, and so no taste.
        if self.run.is_bot(user) || self.run.is_forgotten(user) || device_of(user.id).is_some() {
            return Folded::Nobody;
        }
        let engagement = Engagement::of(user.deeds, self.run.catalogue, self.decay);
        // Impressions alone are not actions.
        if engagement.events == 0 {
            return Folded::Nobody;
        }
        if engagement.events < options.min_events_per_user {
            return Folded::TooThin;
        }
        let (history, pseudo_weight) = (engagement.history(), options.pseudo_weight);
        let folded = self.model.fold(&history);
        let float = folded.float(profile::sureness(&history, pseudo_weight));
        let taste = self.baseline.taste(user.id.to_owned(), &engagement, &float, pseudo_weight);
        let near = self.near(&folded.nearest(MOST_NOTES));
        Folded::Taste(Box::new((UserTaste { notes: self.passed_over(user.deeds), near, ..taste }, float)))
    }

    /// Products of the catalogue with their nearness, nearest first, as notes: the nearest has the
    /// most steps, and the others their share of them.
    pub(super) fn near(&self, nearest: &[(usize, f64)]) -> Vec<(u64, i8)> {
        let most = nearest.first().map_or(1.0, |(_, value)| *value);
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and the share is at most 1")]
        let steps = |value: f64| ((value / most * f64::from(NEAREST_STEPS)).round() as i8).max(1);
        let note = |(place, value): &(usize, f64)| (self.run.offer.products[*place].product, steps(*value));
        nearest.iter().map(note).collect()
    }

    /// Products that a user was shown without acting, as notes, most often shown first.
    pub(super) fn passed_over(&self, deeds: &[Deed]) -> Vec<(u64, i8)> {
        let offer = self.run.offer;
        let note = |(place, shown): (usize, i64)| {
            let id = offer.products.get(place).map(|product| product.product).filter(|id| offer.board.contains(id))?;
            let steps = i8::try_from(shown.saturating_mul(STEPS_A_SHOW)).unwrap_or(i8::MAX).min(MOST_STEPS);
            Some((id, -steps))
        };
        let passed = profile::passed_over(deeds).into_iter().filter(|(_, shown)| *shown > 1);
        let mut notes: Vec<(u64, i8)> = passed.filter_map(note).collect();
        notes.sort_by_key(|(product, steps)| (*steps, *product));
        notes.truncate(MOST_NOTES);
        notes
    }
}
