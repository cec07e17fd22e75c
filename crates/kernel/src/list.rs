//! Lists of sort keys: their order, and the best of many.

use std::cmp::Reverse;

/// A sort key and a place: larger keys first, then smaller places.
pub type Keyed = (Reverse<i64>, usize);

/// Sorts `list`. All lists of the edge share this function, because each copy of a sort costs two
/// kilobytes of the Worker.
#[inline(never)]
pub fn sort(list: &mut [Keyed]) {
    list.sort_unstable();
}

/// The best of many entries that are offered in turn, by ascending place.
#[derive(Debug)]
pub struct First {
    most: usize,
    /// The capacity of `entries`. Cutting it down to the best is cheap if done rarely.
    room: usize,
    entries: Vec<Keyed>,
    /// The threshold so far: `most` entries have a higher total, or the same and an earlier place.
    enough: Option<i64>,
}

impl First {
    /// Collects the best `most` of at most `offered` entries.
    pub fn new(most: usize, offered: usize) -> Self {
        let room = most.saturating_mul(4).min(offered);
        Self { most, room, entries: Vec::with_capacity(room), enough: None }
    }

    /// Takes `entry` if it may be among the best.
    #[inline]
    pub fn offer(&mut self, entry: Keyed) {
        if self.enough.is_some_and(|enough| entry.0.0 <= enough) {
            return;
        }
        if self.entries.len() >= self.room && self.room > self.most {
            self.cut(self.most);
            self.enough = self.entries.last().map(|last| last.0.0);
        }
        self.entries.push(entry);
    }

    /// Keeps the best `most`, with the least of them at the end.
    #[inline(never)]
    fn cut(&mut self, most: usize) {
        if most > 0 && most < self.entries.len() {
            self.entries.select_nth_unstable(most.saturating_sub(1));
        }
        self.entries.truncate(most);
    }

    /// The best `most` of all, sorted.
    pub fn into_sorted(mut self, most: usize) -> Vec<Keyed> {
        self.cut(most.min(self.most));
        sort(&mut self.entries);
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_are_those_of_a_whole_sort(
            // Few distinct totals, so that many are equal.
            totals in proptest::collection::vec(prop_oneof![-3_i64..3, any::<i64>()], 0..300),
            bound in 0_usize..40,
            fewer in 0_usize..10,
        ) {
            let most = bound.saturating_sub(fewer);
            let mut first = First::new(bound, totals.len());
            let entries: Vec<Keyed> = totals.into_iter().map(Reverse).zip(0..).collect();
            for entry in &entries {
                first.offer(*entry);
            }
            let mut sorted = entries;
            sorted.sort();
            sorted.truncate(most);
            prop_assert_eq!(first.into_sorted(most), sorted);
        }
    }
}
