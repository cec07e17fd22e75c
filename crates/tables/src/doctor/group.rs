//! Named things, shops and channels, up to a cap.

use std::collections::{BTreeMap, HashMap};

use crate::column::fold;

/// Most shops, and most channels, tracked by name.
pub(super) const NAMES_MAX: usize = 500;

/// Values by name.
#[derive(Debug)]
pub(super) struct Groups<G> {
    index: HashMap<String, usize>,
    named: Vec<(String, G)>,
    /// The place of the latest name: rows of one name are often adjacent.
    last: usize,
    most: usize,
    /// Rows whose names are beyond the cap.
    pub(super) beyond: u64,
}

impl<G: Default> Groups<G> {
    /// An empty group of at most `most` names.
    pub(super) fn new(most: usize) -> Self {
        Self { index: HashMap::new(), named: Vec::new(), last: 0, most, beyond: 0 }
    }

    /// The value of `name`, and its place in order of appearance; `None` beyond the cap.
    pub(super) fn named(&mut self, name: &str) -> Option<(usize, &mut G)> {
        if self.named.get(self.last).is_none_or(|(last, _)| last != name) {
            self.last = match self.index.get(name) {
                Some(place) => *place,
                None if self.named.len() >= self.most => {
                    self.beyond += 1;
                    return None;
                }
                None => {
                    self.index.insert(name.to_owned(), self.named.len());
                    self.named.push((name.to_owned(), G::default()));
                    self.named.len() - 1
                }
            };
        }
        let place = self.last;
        self.named.get_mut(place).map(|(_, group)| (place, group))
    }

    /// All names and values, in order of appearance.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &G)> + Clone {
        self.named.iter().map(|(name, group)| (name.as_str(), group))
    }

    /// The name at `place`.
    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.named.get(place).map(|(name, _)| name.as_str())
    }

    /// The number of names.
    pub(super) fn len(&self) -> usize {
        self.named.len()
    }

    /// Whether `name` is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Names that differ only in case, spaces and punctuation.
    pub(super) fn alike(&self) -> Vec<Vec<&str>> {
        let mut by_fold: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, _) in self.all() {
            by_fold.entry(fold(name)).or_default().push(name);
        }
        by_fold.retain(|folded, names| !folded.is_empty() && names.len() > 1);
        by_fold.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_capped_and_alike_ones_are_told() {
        let mut groups: Groups<u32> = Groups::new(3);
        for name in ["GS샵", "gs 샵", "현대", "롯데", "GS샵", "롯데"] {
            if let Some((_, count)) = groups.named(name) {
                *count += 1;
            }
        }
        let counts: Vec<(&str, u32)> = groups.all().map(|(name, count)| (name, *count)).collect();
        assert_eq!(counts, [("GS샵", 2), ("gs 샵", 1), ("현대", 1)]);
        assert_eq!((groups.beyond, groups.has("롯데"), groups.name(2)), (2, false, Some("현대")));
        assert_eq!(groups.alike(), [["GS샵", "gs 샵"]]);
    }
}
