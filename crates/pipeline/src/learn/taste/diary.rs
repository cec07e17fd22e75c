//! What users did lately, for choosing how tastes are trained.

use std::ops::Range;

use rayon::prelude::*;
use sinsang_taste::{History, Past};

use super::deed::{Age, Deed};
use super::profile::{Catalogue, Engagement};
use super::weight::Decay;

/// Users whose deeds are kept: enough to order what is tried.
pub(super) const USERS: usize = 5_000;
/// The most deeds of a user that are kept, the latest ones.
const MOST_DEEDS: usize = 1_000;
/// The most products of all diaries; those in most of them are kept.
const MOST_PRODUCTS: usize = 20_000;

/// The deeds of some users.
pub(super) struct Diaries<'a> {
    catalogue: &'a Catalogue,
    /// The half-life in days that the deeds' weights were read with.
    half_life_days: f64,
    users: Vec<Vec<Deed>>,
    /// By place in the catalogue, the age of anybody's first act.
    first: Vec<Option<i64>>,
}

/// What is kept of a user's deeds: the latest that say something of a product.
pub(super) fn kept(deeds: &[Deed]) -> Vec<Deed> {
    let mut kept: Vec<Deed> = deeds.iter().copied().filter(|deed| deed.weight != 0 && deed.place().is_some()).collect();
    kept.sort_unstable_by_key(|deed| deed.age_order());
    kept.truncate(MOST_DEEDS);
    kept
}

impl<'a> Diaries<'a> {
    /// The diaries of `users`. `first` has the age of anybody's first act on each product.
    pub(super) fn new(
        catalogue: &'a Catalogue,
        half_life_days: f64,
        mut users: Vec<Vec<Deed>>,
        first: &[Option<Age>],
    ) -> Self {
        let mut times = vec![0_u32; first.len()];
        for place in users.iter().flatten().filter_map(|deed| deed.place()) {
            times[place] += 1;
        }
        let mut products: Vec<usize> = (0..times.len()).filter(|place| times[*place] > 0).collect();
        products.sort_by(|a, b| times[*b].cmp(&times[*a]).then(a.cmp(b)));
        for place in products.into_iter().skip(MOST_PRODUCTS) {
            times[place] = 0;
        }
        for deeds in &mut users {
            deeds.retain(|deed| deed.place().is_some_and(|place| times[place] > 0));
        }
        let first = first.iter().zip(&times).map(|(age, times)| age.filter(|_| *times > 0).map(Age::days)).collect();
        Self { catalogue, half_life_days, users, first }
    }

    /// Places of the products in the diaries, ascending.
    pub(super) fn products(&self) -> impl Iterator<Item = usize> + '_ {
        self.first.iter().enumerate().filter(|(_, age)| age.is_some()).map(|(place, _)| place)
    }
}

impl Past for Diaries<'_> {
    fn oldest(&self) -> i64 {
        self.users.iter().flatten().map(|deed| deed.age().days()).max().unwrap_or(0)
    }

    fn first(&self) -> &[Option<i64>] {
        &self.first
    }

    fn histories(&self, before: i64, half_life_days: f64) -> Vec<History> {
        let decay = Decay::new(self.half_life_days, half_life_days, before);
        let history = |deeds: &Vec<Deed>| {
            let known: Vec<Deed> = deeds.iter().copied().filter(|deed| deed.age().days() >= before).collect();
            Engagement::of(&known, self.catalogue, &decay).history()
        };
        self.users.par_iter().map(history).collect()
    }

    fn taken(&self, days: Range<i64>) -> Vec<Vec<usize>> {
        let of = |deeds: &Vec<Deed>| {
            let within = deeds.iter().filter(|deed| deed.weight > 0 && days.contains(&deed.age().days()));
            let mut places: Vec<usize> =
                within.filter(|deed| !deed.is_impression()).filter_map(|deed| deed.place()).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        self.users.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use sinsang_core::event::EventKind;

    use super::super::deed::Row;
    use super::super::profile::Vocabulary;
    use super::super::weight::{Weights, decayed};
    use super::*;

    /// A purchase of a product some days ago, as it is read with a half-life of thirty days.
    fn bought(catalogue: &Catalogue, product: u64, age_days: i64) -> Deed {
        let id = format!("{product:016x}");
        let weights = decayed(&Weights::default(), 30.0).unwrap();
        let weight = weights.iter().find(|line| line.kind == EventKind::Purchase && line.age_days == age_days);
        let weight = weight.unwrap().weight;
        catalogue.deed(&Row { product: Some(&id), weight, age_days, ..Row::default() })
    }

    #[test]
    fn a_history_of_another_day_and_half_life_is_what_would_have_been_learned_then() {
        let catalogue = Catalogue::new(&Vocabulary::default(), vec![70, 80, 90]);
        let deeds = [(70, 70), (80, 10), (90, 9), (70, 3)].map(|(product, age)| bought(&catalogue, product, age));
        let first = [Some(Age::of(70)), Some(Age::of(12)), None];
        let diaries = Diaries::new(&catalogue, 30.0, vec![kept(&deeds)], &first);
        let histories = diaries.histories(10, 60.0);
        let History { strengths, sums, fresh } = &histories[0];
        // A half-life before that day, and the day itself; three half-lives of the short memory.
        for (row, expected) in [(strengths, [4.0, 8.0]), (sums, [4.0, 8.0]), (fresh, [1.0, 8.0])] {
            let places: Vec<usize> = row.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, [0, 1], "what came on later days is not known");
            assert!(row.iter().zip(expected).all(|((_, own), value)| (own - value).abs() < 1e-3), "{row:?}");
        }
        assert_eq!(diaries.taken(0..10), [[0, 2]]);
        assert_eq!((diaries.oldest(), diaries.first()), (70, &[Some(70), Some(12), None][..]));
        assert_eq!(diaries.products().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_diary_keeps_the_latest_deeds_on_products() {
        let catalogue = Catalogue::new(&Vocabulary::default(), vec![70]);
        let many: Vec<Deed> = (0..2_000).map(|at| bought(&catalogue, 70, at % 100)).collect();
        let elsewhere = [bought(&catalogue, 99, 0)];
        let kept = kept(&[many.as_slice(), &elsewhere].concat());
        assert_eq!((kept.len(), kept.last().unwrap().age().days()), (1_000, 49));
        assert!(kept.iter().all(|deed| deed.place() == Some(0)));
    }
}
