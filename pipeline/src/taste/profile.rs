//! From summed engagement to a taste: what a user leans to beyond what everyone does, shrunk by how little is known.

use std::collections::{BTreeMap, HashMap};

use super::space::{self, BLOCKS, DIMS, FloatVector, ProductFeatures, Space};
use super::weight::UNIT;

/// Buckets of the Korean day.
pub const HOUR_BUCKETS: usize = 8;

/// Steps of a published lift in one doubling: 32 is twice the population's share, 127 and -127 about 16 times and a 16th.
pub const LIFT_STEPS: f64 = 32.0;

/// What deviations from the population are multiplied by before rounding. Twice, because people are rarely further than
/// half-way from the population to a single product: bytes are spent where users are.
const VECTOR_GAIN: f64 = 2.0;
/// Views that one product can weigh for one user at most, approached hyperbolically: the hundredth view says less.
const PRODUCT_CAP: i64 = 16 * UNIT;
/// Views that each channel, hour and tab is given beforehand in the population, so that no share is 0.
const SHARE_PRIOR: f64 = 1.0;
/// Parts of a view in [`Population::popularity`].
const POPULARITY_STEPS: i64 = 16;

/// One user's taste as it is published: lean over the population in whole numbers, 0 where nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTaste {
    /// The app's id of the user, in clear: hash it before it reaches a pack.
    pub user_id: String,
    /// The lean in the content space; `dot(vector, product) / 127` is in the unit of an entry.
    pub vector: [i8; DIMS],
    /// Lift of each channel, by [`super::Vocabulary::channels`], [`LIFT_STEPS`] to a doubling.
    pub channels: Vec<i8>,
    /// Lift of each three hours of the Korean day: entry 0 is 00:00 to 03:00.
    pub hours: [i8; HOUR_BUCKETS],
    /// Lift of each tab, by [`super::Vocabulary::tabs`].
    pub tabs: Vec<i8>,
}

/// What everyone together leans to: the shared order's part of a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    /// The mean of engaged products in the content space, with the same gain as a user's vector.
    pub vector: [i8; DIMS],
    /// Lift of each channel over an even spread.
    pub channels: Vec<i8>,
    /// Lift of each three hours of the Korean day over an even spread.
    pub hours: [i8; HOUR_BUCKETS],
    /// Lift of each tab over an even spread.
    pub tabs: Vec<i8>,
    /// Decayed engagement by product, in sixteenths of a view of today. Products without any are left out.
    pub popularity: BTreeMap<u64, u32>,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            vector: [0; DIMS],
            channels: Vec::new(),
            hours: [0; HOUR_BUCKETS],
            tabs: Vec::new(),
            popularity: BTreeMap::new(),
        }
    }
}

/// What one row of engagement says, as the queries give it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row<'a> {
    pub(crate) product: Option<&'a str>,
    /// Whether the event named a product at all, found or not.
    pub(crate) names_product: bool,
    pub(crate) channel: Option<&'a str>,
    pub(crate) tab: Option<&'a str>,
    pub(crate) hour_bucket: i64,
    /// Decayed weight in [`UNIT`]s.
    pub(crate) weight: i64,
    pub(crate) events: u64,
}

/// Products and names that engagement can be about.
pub(crate) struct Catalogue {
    vectors: HashMap<u64, [i8; DIMS]>,
    channels: HashMap<String, usize>,
    tabs: HashMap<String, usize>,
}

impl Catalogue {
    pub(crate) fn new<'a>(space: &Space, products: impl IntoIterator<Item = ProductFeatures<'a>>) -> Self {
        let index = |names: &[String]| names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Self {
            vectors: products.into_iter().map(|product| (product.product, space.product_vector(&product))).collect(),
            channels: index(&space.vocabulary().channels),
            tabs: index(&space.vocabulary().tabs),
        }
    }

    fn product(&self, text: &str) -> Option<u64> {
        let product = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten()?;
        self.vectors.contains_key(&product).then_some(product)
    }
}

/// Events that named what the catalogue or the vocabulary does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) products: u64,
    pub(crate) channels: u64,
    pub(crate) tabs: u64,
}

/// Summed weights of a user, or of everyone, in [`UNIT`]s. Integer sums: the order of rows cannot show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engagement {
    products: BTreeMap<u64, i64>,
    channels: Vec<i64>,
    hours: [i64; HOUR_BUCKETS],
    tabs: Vec<i64>,
    pub(crate) events: u64,
    pub(crate) unknown: Unknown,
}

impl Engagement {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        Self {
            products: BTreeMap::new(),
            channels: vec![0; catalogue.channels.len()],
            hours: [0; HOUR_BUCKETS],
            tabs: vec![0; catalogue.tabs.len()],
            events: 0,
            unknown: Unknown::default(),
        }
    }

    pub(crate) fn add(&mut self, row: &Row<'_>, catalogue: &Catalogue) {
        self.events += row.events;
        match row.product.and_then(|text| catalogue.product(text)) {
            Some(product) => add_to(Some(self.products.entry(product).or_default()), row.weight),
            None if row.names_product => self.unknown.products += row.events,
            None => {}
        }
        if let Some(channel) = row.channel {
            match catalogue.channels.get(channel) {
                Some(&at) => add_to(self.channels.get_mut(at), row.weight),
                None => self.unknown.channels += row.events,
            }
        }
        if let Some(tab) = row.tab {
            match catalogue.tabs.get(tab) {
                Some(&at) => add_to(self.tabs.get_mut(at), row.weight),
                None => self.unknown.tabs += row.events,
            }
        }
        add_to(usize::try_from(row.hour_bucket).ok().and_then(|at| self.hours.get_mut(at)), row.weight);
    }
}

fn add_to(sum: Option<&mut i64>, weight: i64) {
    if let Some(sum) = sum {
        *sum = sum.saturating_add(weight);
    }
}

/// What users are compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    vector: FloatVector,
    channels: Vec<f64>,
    hours: Vec<f64>,
    tabs: Vec<f64>,
}

impl Baseline {
    pub(crate) fn of(everyone: &Engagement, catalogue: &Catalogue) -> Self {
        let (sum, weight) =
            weighted_sum(everyone.products.iter().map(|(&product, &weight)| (product, weight)), catalogue);
        let total = weight.max(1) as f64;
        Self {
            vector: sum.map(|value| value as f64 / total),
            channels: shares(&everyone.channels),
            hours: shares(&everyone.hours),
            tabs: shares(&everyone.tabs),
        }
    }

    /// The baseline as it is published, with the popularity that it was made of.
    pub(crate) fn population(&self, everyone: &Engagement) -> Population {
        let over_even = |shares: &[f64]| {
            let even = 1.0 / shares.len().max(1) as f64;
            shares.iter().map(|share| lift(*share, even)).collect::<Vec<i8>>()
        };
        let popularity = everyone.products.iter().filter_map(|(&product, &weight)| {
            let steps = u32::try_from((weight.max(0) / (UNIT / POPULARITY_STEPS)).min(i64::from(u32::MAX))).ok()?;
            (steps > 0).then_some((product, steps))
        });
        let mut hours = [0; HOUR_BUCKETS];
        hours.iter_mut().zip(over_even(&self.hours)).for_each(|(to, from)| *to = from);
        Population {
            vector: quantise(&self.vector.map(|value| value * VECTOR_GAIN)),
            channels: over_even(&self.channels),
            hours,
            tabs: over_even(&self.tabs),
            popularity: popularity.collect(),
        }
    }

    /// The taste of a user. `pseudo_weight`, in views, is how much engagement moves a user half-way from the population
    /// to what the engagement says.
    pub(crate) fn taste(
        &self,
        user_id: String,
        user: &Engagement,
        catalogue: &Catalogue,
        pseudo_weight: f64,
    ) -> UserTaste {
        let mut hours = [0; HOUR_BUCKETS];
        hours.iter_mut().zip(lifts(&user.hours, &self.hours, pseudo_weight)).for_each(|(to, from)| *to = from);
        UserTaste {
            user_id,
            vector: quantise(&self.lean(user, catalogue, pseudo_weight)),
            channels: lifts(&user.channels, &self.channels, pseudo_weight),
            hours,
            tabs: lifts(&user.tabs, &self.tabs, pseudo_weight),
        }
    }

    /// `gain × Σ w (v − mean) / (Σ |w| + pseudo-weight)`, before rounding.
    pub(crate) fn lean(&self, user: &Engagement, catalogue: &Catalogue, pseudo_weight: f64) -> FloatVector {
        let saturated: Vec<(u64, i64)> =
            user.products.iter().map(|(&product, &weight)| (product, saturate(weight))).collect();
        let magnitude: i64 = saturated.iter().map(|(_, weight)| weight.abs()).sum();
        let (sum, weight) = weighted_sum(saturated.into_iter(), catalogue);
        let scale = VECTOR_GAIN / (magnitude as f64 + pseudo_weight * UNIT as f64);
        std::array::from_fn(|at| (sum[at] as f64 - weight as f64 * self.vector[at]) * scale)
    }
}

/// `Σ weight × vector` and `Σ weight` over known products.
fn weighted_sum(products: impl Iterator<Item = (u64, i64)>, catalogue: &Catalogue) -> ([i128; DIMS], i64) {
    let mut sum = [0_i128; DIMS];
    let mut total = 0_i64;
    for (product, weight) in products {
        if let Some(vector) = catalogue.vectors.get(&product) {
            total = total.saturating_add(weight);
            for (sum, &value) in sum.iter_mut().zip(vector) {
                *sum += i128::from(weight) * i128::from(value);
            }
        }
    }
    (sum, total)
}

/// `w × cap / (cap + |w|)`: a weight far below the cap stays as it is, none passes the cap.
fn saturate(weight: i64) -> i64 {
    let (weight, cap) = (i128::from(weight), i128::from(PRODUCT_CAP));
    i64::try_from(weight * cap / (cap + weight.abs())).unwrap_or(0)
}

/// Rounds a lean to bytes. A block that would overflow is scaled down as a whole: its direction is what it says.
pub(crate) fn quantise(lean: &FloatVector) -> [i8; DIMS] {
    let mut vector = *lean;
    for block in BLOCKS {
        let values = &mut vector[block.range()];
        let most = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        if most > 127.0 {
            for value in values {
                *value *= 127.0 / most;
            }
        }
    }
    space::round(&vector)
}

fn shares(weights: &[i64]) -> Vec<f64> {
    let prior = SHARE_PRIOR * UNIT as f64;
    let total: f64 = weights.iter().map(|&weight| weight.max(0) as f64 + prior).sum();
    weights.iter().map(|&weight| (weight.max(0) as f64 + prior) / total).collect()
}

/// The lift of each of a user's shares over the population's, after `pseudo_weight` views of the population's own shares.
fn lifts(weights: &[i64], population: &[f64], pseudo_weight: f64) -> Vec<i8> {
    let pseudo = pseudo_weight * UNIT as f64;
    let total: f64 = weights.iter().map(|&weight| weight.max(0) as f64).sum::<f64>() + pseudo;
    let shrunk = weights.iter().zip(population).map(|(&weight, share)| (weight.max(0) as f64 + pseudo * share) / total);
    shrunk.zip(population).map(|(share, &expected)| lift(share, expected)).collect()
}

fn lift(share: f64, expected: f64) -> i8 {
    space::to_i8((share / expected).log2() * LIFT_STEPS)
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::super::Vocabulary;
    use super::*;

    struct World {
        titles: Vec<(String, String, String, u32)>,
        space: Space,
    }

    impl World {
        /// 600 products: 10 categories of 6 brands each, prices by category, titles of a category's and common words.
        fn new() -> Self {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let mut titles = Vec::new();
            for at in 0..600_u32 {
                let (category, brand) = (at % 10, at % 10 * 6 + rng.random_range(0..6));
                let title = format!("낱말{category}{} 공통{}", rng.random_range(0..8), rng.random_range(0..12));
                let price = 10_000 + 15_000 * category + rng.random_range(0..30_000);
                titles.push((title, format!("상표{brand}"), format!("분류{category}"), price));
            }
            let categories = (0..10).map(|category| format!("분류{category}")).collect();
            let vocabulary = Vocabulary { channels: names("채널", 4), tabs: names("tab", 3), categories };
            let mut world = Self { titles, space: Space::fit([], Vocabulary::default()) };
            world.space = Space::fit(world.products(), vocabulary);
            world
        }

        fn products(&self) -> impl Iterator<Item = ProductFeatures<'_>> {
            self.titles.iter().enumerate().map(|(at, (title, brand, category, price))| ProductFeatures {
                product: at as u64,
                title,
                brand: Some(brand),
                category: Some(category),
                price: Some(*price),
            })
        }

        fn catalogue(&self) -> Catalogue {
            Catalogue::new(&self.space, self.products())
        }
    }

    fn names(stem: &str, count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{stem}{at}")).collect()
    }

    fn engagement(catalogue: &Catalogue, views: &[(u64, i64)]) -> Engagement {
        let mut engagement = Engagement::new(catalogue);
        for &(product, views) in views {
            let product = format!("{product:016x}");
            let row =
                Row { product: Some(&product), names_product: true, weight: views * UNIT, events: 1, ..Row::default() };
            engagement.add(&Row { channel: Some("채널1"), tab: Some("tab2"), hour_bucket: 6, ..row }, catalogue);
        }
        engagement
    }

    fn ndcg(scores: &[f64], gains: &[f64], depth: usize) -> f64 {
        let discounted = |order: &[usize]| -> f64 {
            order.iter().take(depth).enumerate().map(|(rank, &at)| gains[at] / (rank as f64 + 2.0).log2()).sum()
        };
        let sorted = |by: &[f64]| {
            let mut order: Vec<usize> = (0..by.len()).collect();
            order.sort_by(|&a, &b| by[b].total_cmp(&by[a]).then(a.cmp(&b)));
            order
        };
        discounted(&sorted(scores)) / discounted(&sorted(gains))
    }

    /// Users of two liked categories and a brand; what they engage with follows the gains that are ranked against.
    #[test]
    fn rounding_to_bytes_costs_less_than_one_per_cent_of_ndcg() {
        let (world, mut rng) = (World::new(), ChaCha8Rng::seed_from_u64(11));
        let catalogue = world.catalogue();
        let users: Vec<(Vec<f64>, Engagement)> = (0..150)
            .map(|_| {
                let (first, second) = (rng.random_range(0..10), rng.random_range(0..10));
                let brand = first * 6 + rng.random_range(0..6);
                let gains: Vec<f64> = (world.titles.iter())
                    .map(|(_, of_brand, category, _)| {
                        let liked = 3 * i32::from(*category == format!("분류{first}"))
                            + i32::from(*category == format!("분류{second}"))
                            + 2 * i32::from(*of_brand == format!("상표{brand}"));
                        f64::from(liked).exp2() - 0.9
                    })
                    .collect();
                let pick = rand_distr::weighted::WeightedIndex::new(&gains).unwrap();
                let views: Vec<(u64, i64)> =
                    (0..12).map(|_| (rng.sample(&pick) as u64, rng.random_range(1..9))).collect();
                (gains, engagement(&catalogue, &views))
            })
            .collect();
        let mut everyone = Engagement::new(&catalogue);
        for (_, user) in &users {
            for (&product, &weight) in &user.products {
                add_to(Some(everyone.products.entry(product).or_default()), weight);
            }
        }
        let baseline = Baseline::of(&everyone, &catalogue);
        let rounded: Vec<[i8; DIMS]> = world.products().map(|product| world.space.product_vector(&product)).collect();
        let exact: Vec<FloatVector> = world.products().map(|product| world.space.float_vector(&product)).collect();
        let (mut in_bytes, mut in_floats) = (0.0, 0.0);
        for (gains, user) in &users {
            let taste = baseline.taste(String::new(), user, &catalogue, 20.0);
            let lean = baseline.lean(user, &catalogue, 20.0);
            let bytes: Vec<f64> = (rounded.iter())
                .map(|vector| taste.vector.iter().zip(vector).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum())
                .collect();
            let floats: Vec<f64> =
                exact.iter().map(|vector| lean.iter().zip(vector).map(|(a, b)| a * b).sum()).collect();
            in_bytes += ndcg(&bytes, gains, 20) / users.len() as f64;
            in_floats += ndcg(&floats, gains, 20) / users.len() as f64;
        }
        println!("NDCG@20 in bytes {in_bytes:.4}, in floats {in_floats:.4}");
        assert!(in_floats > 0.6, "the floats rank at {in_floats}");
        assert!(in_bytes > 0.99 * in_floats, "bytes {in_bytes} against floats {in_floats}");
    }

    #[test]
    fn a_user_who_does_what_everyone_does_has_no_lean() {
        let world = World::new();
        let catalogue = world.catalogue();
        let everyone = engagement(&catalogue, &[(1, 3), (2, 3), (3, 3)]);
        let baseline = Baseline::of(&everyone, &catalogue);
        let taste = baseline.taste("u".to_owned(), &everyone, &catalogue, 1e-6);
        assert!(taste.vector.iter().all(|value| value.abs() <= 1), "{:?}", taste.vector);
        // The population's shares are smoothed by a view each, so that a sure user still leans a little.
        assert!(taste.channels.iter().all(|&lift| lift < 32), "{:?}", taste.channels);
    }

    #[test]
    fn values_grow_with_what_is_known_and_stay_within_bytes() {
        let world = World::new();
        let catalogue = world.catalogue();
        let baseline =
            Baseline::of(&engagement(&catalogue, &(0..600).map(|at| (at, 2)).collect::<Vec<_>>()), &catalogue);
        let most = |views: &[(u64, i64)]| {
            let taste = baseline.taste(String::new(), &engagement(&catalogue, views), &catalogue, 20.0);
            taste.vector.iter().map(|value| value.unsigned_abs()).max().unwrap()
        };
        let (one, some, many) =
            (most(&[(0, 1)]), most(&[(0, 2), (10, 2), (20, 2)]), most(&[(0, 1_000_000), (10, 1_000_000)]));
        assert!(0 < one && one < 16 && one < some && some < many, "{one} {some} {many}");
    }

    #[test]
    fn what_is_passed_over_sinks() {
        let world = World::new();
        let catalogue = world.catalogue();
        let baseline =
            Baseline::of(&engagement(&catalogue, &(0..600).map(|at| (at, 2)).collect::<Vec<_>>()), &catalogue);
        let taste = baseline.taste(String::new(), &engagement(&catalogue, &[(0, -5), (10, -5)]), &catalogue, 20.0);
        assert!(taste.vector[0] < -10, "category 0 at {}", taste.vector[0]);
        assert!(taste.channels.iter().all(|&lift| lift == 0));
    }

    #[test]
    fn a_lift_of_32_is_a_doubling() {
        assert_eq!([0.2, 0.1, 0.05, 0.0].map(|share| lift(share, 0.1)), [32, 0, -32, -127]);
    }
}
