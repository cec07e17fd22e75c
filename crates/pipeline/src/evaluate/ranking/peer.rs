//! Baselines: other ranking methods, each as simple as its description.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sinsang_taste::judge::Window;
use sinsang_taste::matrix::{add_scaled, dot};
use sinsang_taste::{Dense, FactorOptions, Factors, ProductFeatures, Recipe, Sparse, describe, neighbour, title_words};

use super::shop::Shop;
use super::{Contest, TFIDF};

/// Enters all baselines.
pub(super) fn enter(shop: &Shop, window: &Window, new: &mut Contest, known: &mut Contest) {
    let Window { new_takers, known_takers, .. } = window;
    let features = shop.features();
    let mut rng = ChaCha8Rng::seed_from_u64(30);
    new.enter("random", new_takers, window.new.len(), |_| window.new.iter().map(|_| rng.random::<f64>()).collect());
    let profiled = Profiles::new(window, &features);
    new.enter(TFIDF, new_takers, window.new.len(), |taker| profiled.scores(taker.row, &window.new));
    let learned = Learned::new(window, &features);
    new.enter("feature ALS", new_takers, window.new.len(), |taker| learned.factor_scores(taker.row, &window.new));

    let count = window.known.len();
    let shared = |values: &[f64]| window.known.iter().map(|item| values[*item]).collect::<Vec<f64>>();
    known.enter("popularity", known_takers, count, |taker| window.untaken(taker, shared(&window.done)));
    known.enter("last 30 days", known_takers, count, |taker| window.untaken(taker, shared(&window.done_lately)));
    known.enter(TFIDF, known_takers, count, |taker| window.untaken(taker, profiled.scores(taker.row, &window.known)));
    known.enter("ALS 64", known_takers, count, |taker| {
        window.untaken(taker, learned.factor_scores(taker.row, &window.known))
    });
    known.enter("item-item cosine", known_takers, count, |taker| {
        window.untaken(taker, pick(&learned.cosines(taker.row), &window.known))
    });
    if let Some((name, ease)) = &learned.ease {
        known.enter(name, known_takers, count, |taker| {
            window.untaken(taker, pick(&learned.history_scores(taker.row, ease), &window.known))
        });
    }
}

fn pick(values: &[f64], items: &[usize]) -> Vec<f64> {
    items.iter().map(|item| values[*item]).collect()
}

/// TF-IDF over words and word pairs of titles. A user is the sum of their purchases, with a
/// half-life of 180 days.
struct Profiles {
    words: Sparse,
    users: Vec<Vec<f64>>,
    rows: Vec<usize>,
}

impl Profiles {
    fn new(window: &Window, features: &[ProductFeatures<'_>]) -> Self {
        // Only items known by the end of the window count for document frequency.
        let mut items: Vec<usize> = window.known.iter().chain(&window.new).copied().collect();
        items.sort_unstable();
        let offered: Vec<ProductFeatures<'_>> = items.iter().map(|item| features[*item]).collect();
        let offered = title_words(&offered);
        let mut words = Sparse::new(offered.width());
        let mut next = 0;
        for item in 0..features.len() {
            if items.get(next) == Some(&item) {
                words.push(offered.row(next));
                next += 1;
            } else {
                words.push([]);
            }
        }
        let mut rows: Vec<usize> =
            window.new_takers.iter().chain(&window.known_takers).map(|taker| taker.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let profile = |row: &usize| {
            let mut profile = vec![0.0; words.width()];
            for (item, weight) in window.sums.row(*row) {
                words.row(item).for_each(|(word, value)| profile[word] += weight * value);
            }
            profile
        };
        let users = rows.iter().map(profile).collect();
        Self { words, users, rows }
    }

    fn scores(&self, row: usize, items: &[usize]) -> Vec<f64> {
        let Some(profile) = self.rows.binary_search(&row).ok().and_then(|at| self.users.get(at)) else {
            return vec![0.0; items.len()];
        };
        items.iter().map(|item| self.words.row(*item).map(|(word, value)| profile[word] * value).sum()).collect()
    }
}

/// The components of our ensemble, each alone.
struct Learned<'a> {
    window: &'a Window,
    users: Dense,
    items: Dense,
    /// Users by items, the transpose, and the items' lengths.
    rows: Sparse,
    by_item: Sparse,
    lengths: Vec<f64>,
    ease: Option<(&'static str, Ease)>,
}

impl<'a> Learned<'a> {
    fn new(window: &'a Window, features: &[ProductFeatures<'_>]) -> Self {
        let unit = mean_weight(window);
        let mut rows = Sparse::new(features.len());
        for row in 0..window.strengths.len() {
            rows.push(window.strengths.row(row).map(|(item, weight)| (item, weight / unit)));
        }
        let factors = Factors::fit(&rows, FactorOptions::default());
        let described = describe(features);
        let (mut known, mut fresh) = (Sparse::new(described.width()), Sparse::new(described.width()));
        let mut targets = Dense::zeros(0, factors.products.width);
        for item in &window.known {
            known.push(described.row(*item));
            targets.values.extend_from_slice(factors.products.row(*item));
        }
        window.new.iter().for_each(|item| fresh.push(described.row(*item)));
        let counts: Vec<f64> = window.known.iter().map(|item| window.done[*item].ln_1p()).collect();
        let mapped = neighbour::ridge(&known, &targets, &counts, Recipe::default().ridge_penalty, &fresh);
        let mut items = factors.products.clone();
        for (at, item) in window.new.iter().enumerate() {
            items.row_mut(*item).copy_from_slice(mapped.row(at));
        }
        let users = factors.solve_all(&rows);
        let by_item = rows.transposed();
        let length = |item: usize| by_item.row(item).map(|(_, weight)| weight * weight).sum::<f64>().sqrt().max(1e-9);
        let lengths = (0..features.len()).map(length).collect();
        let ease = Ease::fit(&rows, &window.done);
        Self { window, users, items, rows, by_item, lengths, ease }
    }

    fn factor_scores(&self, row: usize, items: &[usize]) -> Vec<f64> {
        items.iter().map(|item| dot(self.users.row(row), self.items.row(*item))).collect()
    }

    /// For each item, the cosines with those of a history, weighed by its strengths. A square of
    /// all items would not fit for some logs; what an item has in common with itself counts too,
    /// and is on nobody's list.
    fn cosines(&self, row: usize) -> Vec<f64> {
        let mut by_user = vec![0.0; self.rows.len()];
        for (item, weight) in self.window.strengths.row(row) {
            self.by_item.row(item).for_each(|(user, value)| by_user[user] += weight * value / self.lengths[item]);
        }
        let mut scores = vec![0.0; self.lengths.len()];
        for (user, weight) in by_user.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            self.rows.row(user).for_each(|(item, value)| scores[item] += weight * value / self.lengths[item]);
        }
        scores
    }

    fn history_scores(&self, row: usize, ease: &Ease) -> Vec<f64> {
        let mut sums = vec![0.0; ease.items.len()];
        for (item, weight) in self.window.strengths.row(row) {
            if let Ok(at) = ease.items.binary_search(&item) {
                add_scaled(&mut sums, weight, ease.weights.row(at));
            }
        }
        let mut scores = vec![0.0; self.lengths.len()];
        ease.items.iter().zip(sums).for_each(|(item, sum)| scores[*item] = sum);
        scores
    }
}

/// Items that EASE is fitted to as a whole: two squares of 1.2 GB.
const MOST_WHOLE: usize = 12_000;

/// EASE of all items, or of as many of the most taken ones as fit.
struct Ease {
    /// The items, ascending.
    items: Vec<usize>,
    weights: Dense,
}

impl Ease {
    fn fit(rows: &Sparse, done: &[f64]) -> Option<(&'static str, Self)> {
        let mut items: Vec<usize> = (0..rows.width()).collect();
        let is_whole = items.len() <= MOST_WHOLE;
        if !is_whole {
            items.sort_by(|a, b| done[*b].total_cmp(&done[*a]).then(a.cmp(b)));
            items.truncate(MOST_WHOLE);
            items.sort_unstable();
        }
        let mut of = Sparse::new(items.len());
        for row in 0..rows.len() {
            let entries = rows.row(row).filter_map(|(item, weight)| Some((items.binary_search(&item).ok()?, weight)));
            of.push(entries);
        }
        let weights = neighbour::whole_ease(&of, Recipe::default().ease.penalty)?;
        Some((if is_whole { "EASE" } else { "EASE of the 12,000 most taken" }, Self { items, weights }))
    }
}

/// The mean weight, which normalises weights to about 1.
fn mean_weight(window: &Window) -> f64 {
    let values = window.strengths.values();
    let unit = values.iter().sum::<f64>() / values.len().max(1) as f64;
    if unit > 0.0 { unit } else { 1.0 }
}
