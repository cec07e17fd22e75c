//! Redirections of products and listings since their rows were written: merges, and moves by
//! corrections.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::file::Scan;
use super::head::Table;
use super::row::{MergeRow, MoveRow};
use super::{Error, Ledger, upper};

/// The targets of merged products and moved listings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merged {
    into: HashMap<u64, u64>,
    /// Targets of moved listings, by the product that had them and the listing's mark.
    moved: BTreeMap<(u64, u32), u64>,
    /// All ids merged into one product, by the mark of each.
    families: BTreeMap<u32, BTreeSet<u64>>,
    /// Products whose rows include listings of a product, by its mark.
    holders: BTreeMap<u32, BTreeSet<u64>>,
}

impl Ledger {
    /// Reads the merges and moves.
    pub(crate) fn merged(&self) -> Result<Merged, Error> {
        let (mut into, mut moved) = (HashMap::new(), BTreeMap::new());
        for entry in &self.head.merges {
            if entry.table == Table::Move {
                for row in Scan::<MoveRow>::open(&self.folder, entry, &self.tally)? {
                    let row = row?;
                    moved.insert((row.key, row.listing), row.into);
                }
                continue;
            }
            for row in Scan::<MergeRow>::open(&self.folder, entry, &self.tally)? {
                let row = row?;
                into.insert(row.key, row.into);
            }
        }
        Ok(Merged::new(into, moved))
    }
}

impl Merged {
    fn new(into: HashMap<u64, u64>, moved: BTreeMap<(u64, u32), u64>) -> Self {
        let mut merged = Self { into, moved, ..Self::default() };
        let mut members: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let ids: BTreeSet<u64> = merged.into.iter().flat_map(|(&from, &into)| [from, into]).collect();
        for id in ids {
            members.entry(merged.root(id)).or_default().insert(id);
        }
        for family in members.values() {
            for &id in family {
                merged.families.entry(upper(id)).or_default().extend(family);
            }
        }
        // In a chain of moves, the rows of a listing may lie at any earlier place.
        for (&(from, listing), &to) in &merged.moved {
            let is = merged.of(to, listing);
            let of = |id: u64| members.get(&merged.root(id)).cloned().unwrap_or_else(|| BTreeSet::from([id]));
            let rows = of(from);
            for id in of(is).into_iter().chain([to, is]) {
                merged.holders.entry(upper(id)).or_default().extend(rows.iter().chain([&from]));
            }
        }
        merged
    }

    /// The product that `id` was merged into. If the records form a circle, it is the place where
    /// the circle is noticed.
    pub(crate) fn root(&self, mut id: u64) -> u64 {
        for _ in 0..=self.into.len() {
            match self.into.get(&id) {
                Some(&into) => id = into,
                None => break,
            }
        }
        id
    }

    /// The current product of a listing, by its mark, whose rows lie under `id`.
    pub(crate) fn of(&self, mut id: u64, listing: u32) -> u64 {
        if self.moved.is_empty() {
            return self.root(id);
        }
        for _ in 0..=self.into.len() + self.moved.len() {
            match self.next(id, listing) {
                Some(next) => id = next,
                None => break,
            }
        }
        id
    }

    fn next(&self, id: u64, listing: u32) -> Option<u64> {
        let moved = self.moved.get(&(id, listing)).copied().filter(|&into| into != id);
        moved.or_else(|| self.into.get(&id).copied())
    }

    /// Whether merges or moves mention this id as an old id or a target of moves.
    pub(crate) fn knows(&self, id: u64) -> bool {
        self.into.contains_key(&id) || self.moved.values().any(|&into| into == id)
    }

    /// The moves that end circles caused by further merges and moves: the latest move or merge
    /// counts.
    pub(crate) fn rests(&self, into: &BTreeMap<u64, u64>, moved: &BTreeMap<(u64, u32), u64>) -> Vec<MoveRow> {
        if self.moved.is_empty() || (into.is_empty() && moved.is_empty()) {
            return Vec::new();
        }
        let mut after = self.clone();
        after.into.extend(into);
        after.moved.extend(moved);
        let mut rests = Vec::new();
        let mut rest = |after: &mut Self, key: u64, listing: u32| {
            after.moved.insert((key, listing), key);
            rests.push(MoveRow { key, listing, into: key });
        };
        for (&(_, listing), &to) in moved {
            if after.moved.get(&(to, listing)).is_some_and(|&next| next != to) {
                rest(&mut after, to, listing);
            }
        }
        let root = |mut id: u64| {
            while let Some(&next) = into.get(&id) {
                id = next;
            }
            id
        };
        for &(from, listing) in self.moved.keys() {
            let circle = after.circle(from, listing);
            // Only a merge closes a circle here, so all of it belongs to the merged product.
            let merged = circle.iter().find(|id| into.contains_key(id)).map(|&id| root(id));
            if let Some(key) = merged.or(circle.first().copied()) {
                rest(&mut after, key, listing);
            }
        }
        rests
    }

    /// The products on a listing's circle from `from` back to it; empty if its moves end.
    fn circle(&self, from: u64, listing: u32) -> Vec<u64> {
        let (mut circle, mut id) = (vec![from], from);
        while let Some(next) = self.next(id, listing) {
            if next == from {
                return circle;
            }
            if circle.contains(&next) {
                break;
            }
            circle.push(next);
            id = next;
        }
        Vec::new()
    }

    /// The moved listings in circles, by product and mark: a valid ledger has none.
    pub(crate) fn circles(&self) -> impl Iterator<Item = (u64, u32)> {
        self.moved.keys().copied().filter(|&(from, listing)| !self.circle(from, listing).is_empty())
    }

    /// The ids of merged products, in ascending order.
    pub(crate) fn gone(&self) -> Vec<u64> {
        let mut gone: Vec<u64> = self.into.keys().copied().collect();
        gone.sort_unstable();
        gone
    }

    /// The marks under which rows of the products with `marks` may lie.
    pub(crate) fn all_marks(&self, marks: &[u32]) -> Vec<u32> {
        let holders = |mark: &u32| self.holders.get(mark).into_iter().flatten().map(|&id| upper(id));
        let held: Vec<u32> = marks.iter().flat_map(holders).collect();
        self.own_marks(&[marks, &held].concat())
    }

    /// The marks in blocking keys of the products with `marks`.
    pub(crate) fn own_marks(&self, marks: &[u32]) -> Vec<u32> {
        let family = |mark: &u32| self.families.get(mark).into_iter().flatten().map(|&id| upper(id));
        let mut all: Vec<u32> = marks.iter().flat_map(|mark| family(mark).chain([*mark]).collect::<Vec<_>>()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(into: &[(u64, u64)], moved: &[(u64, u32, u64)]) -> Merged {
        let moved = moved.iter().map(|&(from, listing, into)| ((from, listing), into)).collect();
        Merged::new(into.iter().copied().collect(), moved)
    }

    const P: u64 = 1 << 32;
    const Q: u64 = 2 << 32;
    const X: u64 = 3 << 32;
    const R: u64 = 4 << 32;

    #[test]
    fn a_moved_listing_leaves_the_products_its_rows_stand_under() {
        // X was merged into P before a listing of P was moved to Q; then P was merged into R.
        let merged = merged(&[(X, P), (P, R)], &[(P, 7, Q)]);
        for id in [X, P] {
            assert_eq!((merged.of(id, 7), merged.of(id, 8)), (Q, R));
        }
        assert_eq!(merged.all_marks(&[2]), [1, 2, 3, 4]);
        assert_eq!(merged.own_marks(&[2]), [2]);
        assert_eq!(merged.all_marks(&[1]), [1, 3, 4]);
        assert!(merged.knows(Q) && merged.knows(P) && !merged.knows(R));
    }

    #[test]
    fn a_product_that_is_merged_back_takes_its_moved_listings_along() {
        let before = merged(&[], &[(P, 7, Q)]);
        let rests = before.rests(&BTreeMap::from([(Q, P)]), &BTreeMap::new());
        assert_eq!(rests, [MoveRow { key: P, listing: 7, into: P }]);
        let after = merged(&[(Q, P)], &[(P, 7, P)]);
        assert_eq!((after.of(P, 7), after.of(Q, 7), after.of(Q, 9)), (P, P, P));
        assert_eq!(before.rests(&BTreeMap::from([(P, Q)]), &BTreeMap::new()), []);
        // A circle over several products, closed by merging the last into the first.
        let before = merged(&[], &[(P, 7, Q), (Q, 7, X)]);
        let rests = before.rests(&BTreeMap::from([(X, R), (R, P)]), &BTreeMap::new());
        assert_eq!(rests, [MoveRow { key: P, listing: 7, into: P }]);
    }

    #[test]
    fn a_listing_that_is_moved_to_and_fro_rests_where_it_was_moved_last() {
        let mut moved = vec![(P, 7, Q)];
        for (from, to) in [(Q, P), (P, Q), (Q, X), (X, P), (P, X)] {
            let before = merged(&[], &moved);
            assert_eq!(before.of(P, 7), from);
            moved.push((from, 7, to));
            let rests = before.rests(&BTreeMap::new(), &BTreeMap::from([((from, 7), to)]));
            moved.extend(rests.iter().map(|row| (row.key, row.listing, row.into)));
            let after = merged(&[], &moved);
            // Wherever its rows lie.
            for id in [P, Q, X].into_iter().filter(|&id| id == P || moved.iter().any(|it| it.2 == id)) {
                assert_eq!(after.of(id, 7), to, "{moved:?} from {id:x}");
            }
            assert_eq!(after.circles().count(), 0);
        }
        assert_eq!(merged(&[], &[(P, 7, Q), (Q, 7, P)]).circles().count(), 2);
    }
}
