//! The model of tastes: several ways to say what a user will want, distilled into one small vector for each user and product.
//!
//! A user is a sum over their history plus a map of their factors, so that anyone can be folded in at any time, and a product is a
//! vector whether anybody has met it or not. `docs/taste.md` has the formulas.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use faer::Side;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::factor::{FactorOptions, Factors};
use crate::matrix::{Dense, Sparse, add_scaled, dot, product};
use crate::neighbour;

/// Dimensions of a product's and of a user's vector; one byte each.
pub const DIMS: usize = 64;

/// A vector before rounding.
pub type FloatVector = [f64; DIMS];

/// The spread (standard deviation) of a sure user's inner products over the products of a board, where it fits into bytes.
pub(crate) const SPREAD: f64 = 16_384.0;
/// Dimensions that are carried along while the best [`DIMS`] are looked for.
const SPARE_DIMS: usize = 16;
/// Products of the board that are kept for what goes with a trained one.
const NEAR: usize = 60;
/// Rounds of that search.
const SEARCH_ROUNDS: usize = 4;

/// What a model is trained with. Changes of what is measured in `docs/ranking.md` begin here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The factors of interactions.
    pub factors: FactorOptions,
    /// The penalty of EASE, in means of a product's squared weights.
    pub ease_penalty: f64,
    /// The penalty of the map from descriptions to factors.
    pub ridge_penalty: f64,
    /// Products that stand in for one that nobody has met.
    pub neighbours: usize,
    /// Users who must have met a product for it to be half itself and half what its description makes of it.
    pub prior_users: f64,
    /// How much EASE, the factors, the plain likeness of names and the trend count.
    pub shares: [f64; 4],
    /// The most products that interactions are learned of; the most engaged ones are taken.
    pub max_products: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            factors: FactorOptions::default(),
            ease_penalty: 4.0,
            ridge_penalty: 1.0,
            neighbours: 100,
            prior_users: 10.0,
            shares: [1.0, 1.0, 1.0, 0.3],
            max_products: 5_000,
        }
    }
}

/// What a user did with products of the catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// How strongly each product is known to be liked: the tenth purchase says less than the first.
    pub strengths: Vec<(usize, f64)>,
    /// How much was done with each, all of it.
    pub sums: Vec<(usize, f64)>,
}

/// What a model is trained on: users in the same order in both, rows of weights over the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Lessons<'a> {
    /// [`History::strengths`] of users.
    pub strengths: &'a Sparse,
    /// [`History::sums`] of users.
    pub sums: &'a Sparse,
    /// How much everybody did with each product of the catalogue lately.
    pub lately: &'a [f64],
    /// A description of each product of the catalogue.
    pub descriptions: &'a Sparse,
    /// The same by names alone.
    pub names: &'a Sparse,
}

/// A trained model.
#[derive(Clone, Debug)]
pub struct Model {
    /// By product of the catalogue, its row in `history`.
    trained: HashMap<usize, usize>,
    /// The mean weight of a training entry, which makes weights about 1.
    unit: f64,
    /// What each product of a history adds to a user by its strength, and by its sum.
    history: Dense,
    likeness: Dense,
    /// What everyone has.
    bias: FloatVector,
    factors: Factors,
    /// What each factor adds to a user.
    map: Dense,
    /// By product of the catalogue, before and after rounding.
    products: BTreeMap<usize, (FloatVector, [i8; DIMS])>,
    /// How the products' values vary together, which gives the spread of a user's scores.
    covariance: Dense,
    /// What a user of spread 1 is multiplied by.
    gain: f64,
    /// By trained product, what it speaks for most on the board, by row in `history`.
    near: Vec<Vec<(usize, f64)>>,
    /// By row in `history`, the product of the catalogue.
    rows: Vec<usize>,
}

impl Model {
    /// Trains for the products of `board`, which are those that get vectors. The same input gives the same model on however many threads.
    pub fn train(lessons: &Lessons<'_>, board: &[usize], recipe: &Recipe) -> Self {
        let users = lessons.strengths;
        let trained = most_engaged(users, recipe.max_products);
        let index: HashMap<usize, usize> = trained.iter().enumerate().map(|(at, product)| (*product, at)).collect();
        let count = users.values().len().max(1) as f64;
        let unit = users.values().iter().map(|weight| weight.abs()).sum::<f64>() / count;
        let unit = if unit > 0.0 { unit } else { 1.0 };
        let of_trained = |users: &Sparse| {
            let mut rows = Sparse::new(trained.len());
            for user in 0..users.len() {
                rows.push(users.row(user).filter_map(|(product, weight)| Some((*index.get(&product)?, weight / unit))));
            }
            rows
        };
        let known =
            Known { users: of_trained(users), sums: of_trained(lessons.sums), trained: &trained, index: &index };
        let teacher = Teacher::new(known, lessons, board, recipe);
        let distilled = teacher.distil();
        let mut model = Self {
            trained: index,
            unit,
            history: distilled.history,
            likeness: distilled.likeness,
            bias: distilled.bias,
            factors: teacher.factors,
            map: distilled.map,
            products: BTreeMap::new(),
            covariance: covariance(&distilled.products, &teacher.weights),
            gain: 0.0,
            near: teacher.ease.as_ref().map_or_else(Vec::new, |ease| near(ease, &trained, board, lessons.lately)),
            rows: trained,
        };
        model.set_products(board, &distilled.products);
        model.set_gain(lessons);
        model
    }

    /// Rounds products so that all but a fiftieth of them fit whole.
    fn set_products(&mut self, board: &[usize], vectors: &Dense) {
        let mut most: Vec<f64> = (0..board.len()).map(|at| largest(vectors.row(at))).collect();
        most.sort_by(f64::total_cmp);
        let full = most.get(most.len().saturating_sub(1) * 98 / 100).copied().unwrap_or(0.0);
        let scale = if full > 0.0 { 127.0 / full } else { 0.0 };
        for (at, product) in board.iter().enumerate() {
            let float: FloatVector = std::array::from_fn(|dim| vectors.row(at)[dim] * scale);
            self.products.insert(*product, (float, round(&float)));
        }
        for value in &mut self.covariance.values {
            *value *= scale * scale;
        }
    }

    /// The largest gain up to [`SPREAD`] at which 19 of 20 users fit whole.
    fn set_gain(&mut self, lessons: &Lessons<'_>) {
        let mut most: Vec<f64> = (0..lessons.strengths.len())
            .into_par_iter()
            .filter_map(|user| self.unit_vector(&lessons.history(user)))
            .map(|vector| largest(&vector))
            .collect();
        most.sort_by(f64::total_cmp);
        let most = most.get(most.len().saturating_sub(1) * 95 / 100).copied().unwrap_or(0.0);
        self.gain = if most > 0.0 { SPREAD.min(127.0 / most) } else { 0.0 };
    }

    /// The vector of a user from weights over the catalogue, such that the scores of the board spread by 1. `None` where the history
    /// says nothing.
    fn unit_vector(&self, history: &History) -> Option<FloatVector> {
        let known = |row: &[(usize, f64)]| -> Vec<(usize, f64)> {
            row.iter().filter_map(|(product, weight)| Some((*self.trained.get(product)?, weight / self.unit))).collect()
        };
        let (strengths, sums) = (known(&history.strengths), known(&history.sums));
        if strengths.is_empty() {
            return None;
        }
        let mut vector = self.bias;
        for (at, weight) in &strengths {
            add_scaled(&mut vector, *weight, self.history.row(*at));
        }
        for (at, weight) in &sums {
            add_scaled(&mut vector, *weight, self.likeness.row(*at));
        }
        for (factor, value) in self.factors.solve(strengths.iter().copied()).into_iter().enumerate() {
            add_scaled(&mut vector, value, self.map.row(factor));
        }
        let varied: f64 = (0..DIMS).map(|dim| vector[dim] * dot(self.covariance.row(dim), &vector)).sum();
        let spread = varied.max(0.0).sqrt();
        (spread > 1e-9 && spread.is_finite()).then(|| vector.map(|value| value / spread))
    }

    /// The vector of a user from weights over the catalogue, before rounding; `sureness` from 0 to 1 is how much of its full length it
    /// has. Whoever was not trained on is folded in as everyone else is.
    pub fn user_float(&self, history: &History, sureness: f64) -> FloatVector {
        let Some(vector) = self.unit_vector(history) else { return [0.0; DIMS] };
        let scale = self.gain.min(127.0 / largest(&vector)) * sureness;
        vector.map(|value| value * scale)
    }

    /// [`Self::user_float`] in bytes.
    pub fn user(&self, history: &History, sureness: f64) -> [i8; DIMS] {
        round(&self.user_float(history, sureness))
    }

    /// The products of the board, by place in the catalogue, that a history speaks for most and that are not in it: `most` of them at most, the
    /// nearest first, by EASE and by what was wanted lately. A vector of [`DIMS`] numbers keeps the drift of a taste, and loses which single thing goes with which.
    pub fn nearest(&self, history: &History, most: usize) -> Vec<(usize, f64)> {
        let mut scores = vec![0.0; self.rows.len()];
        for (product, weight) in &history.strengths {
            let Some(near) = self.trained.get(product).and_then(|at| self.near.get(*at)) else { continue };
            for (other, value) in near {
                if let Some(score) = scores.get_mut(*other) {
                    *score += weight / self.unit * value;
                }
            }
        }
        for (product, _) in history.strengths.iter().chain(&history.sums) {
            if let Some(score) = self.trained.get(product).and_then(|at| scores.get_mut(*at)) {
                *score = 0.0;
            }
        }
        let liked = scores.into_iter().zip(&self.rows).filter(|(score, _)| *score > 0.0);
        let mut nearest: Vec<(usize, f64)> = liked.map(|(score, product)| (*product, score)).collect();
        let best_first = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if nearest.len() > most {
            nearest.select_nth_unstable_by(most, best_first);
            nearest.truncate(most);
        }
        nearest.sort_by(best_first);
        nearest
    }

    /// The vector of a product of the board by its place in the catalogue; 0 for others.
    pub fn product(&self, product: usize) -> [i8; DIMS] {
        self.products.get(&product).map_or([0; DIMS], |(_, bytes)| *bytes)
    }

    /// [`Self::product`] before rounding.
    pub fn product_float(&self, product: usize) -> FloatVector {
        self.products.get(&product).map_or([0.0; DIMS], |(float, _)| *float)
    }
}

/// The [`NEAR`] products of the board with the largest weights of each trained product, up to twice as large for what was wanted lately.
fn near(ease: &Dense, trained: &[usize], board: &[usize], lately: &[f64]) -> Vec<Vec<(usize, f64)>> {
    let on_board: BTreeSet<usize> = board.iter().copied().collect();
    let trend = |product: &usize| lately.get(*product).copied().unwrap_or(0.0).max(0.0).ln_1p();
    let most = trained.iter().map(trend).fold(f64::MIN_POSITIVE, f64::max);
    let row = |at: usize| {
        let weights = trained.iter().enumerate().zip(ease.row(at));
        let weights = weights.filter(|((_, product), weight)| **weight > 0.0 && on_board.contains(product));
        let mut weights: Vec<(usize, f64)> =
            weights.map(|((row, product), weight)| (row, *weight * (1.0 + trend(product) / most))).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        weights.truncate(NEAR);
        weights
    };
    (0..trained.len()).map(row).collect()
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

/// Rounds to the nearest whole number within an `i8`, never -128: negating a vector stays possible.
pub fn round(vector: &FloatVector) -> [i8; DIMS] {
    vector.map(to_i8)
}

/// The nearest whole number from -127 to 127.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8 before")]
pub fn to_i8(value: f64) -> i8 {
    value.round().clamp(-127.0, 127.0) as i8
}

impl Lessons<'_> {
    /// The history of a user.
    pub fn history(&self, user: usize) -> History {
        History { strengths: self.strengths.row(user).collect(), sums: self.sums.row(user).collect() }
    }
}

/// The products with the largest sums of weights, in ascending order.
fn most_engaged(users: &Sparse, limit: usize) -> Vec<usize> {
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    for user in 0..users.len() {
        for (product, weight) in users.row(user) {
            *sums.entry(product).or_default() += weight.abs();
        }
    }
    let mut products: Vec<(usize, f64)> = sums.into_iter().filter(|(_, sum)| *sum > 0.0).collect();
    products.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    products.truncate(limit);
    let mut products: Vec<usize> = products.into_iter().map(|(product, _)| product).collect();
    products.sort_unstable();
    products
}

/// The weighted covariance of rows.
fn covariance(rows: &Dense, weights: &[f64]) -> Dense {
    let mut mean = vec![0.0; rows.width];
    let total: f64 = weights.iter().map(|weight| weight * weight).sum();
    let total = if total > 0.0 { total } else { 1.0 };
    for (at, weight) in weights.iter().enumerate() {
        add_scaled(&mut mean, weight * weight / total, rows.row(at));
    }
    let mut centred = rows.clone();
    for (row, weight) in centred.rows_mut().zip(weights) {
        add_scaled(row, -1.0, &mean);
        for value in row.iter_mut() {
            *value *= weight / total.sqrt();
        }
    }
    product(centred.view().transpose(), centred.view())
}

/// The ensemble that is distilled: scores of every user for every product of the board, never written out.
struct Teacher {
    users: Sparse,
    sums: Sparse,
    solved: Dense,
    ease: Option<Dense>,
    factors: Factors,
    /// Names of what was trained on, and of the board.
    known: Sparse,
    board: Sparse,
    /// For each product of the board what stands for it in EASE: itself, or those described alike.
    stands_for: Sparse,
    board_factors: Dense,
    /// How much what is described like a product of the board was wanted lately, by everybody.
    trend: Dense,
    /// How much each product of the board counts: those that somebody has met and those that nobody has, half of all each.
    weights: Vec<f64>,
    /// What each member's scores are multiplied by.
    shares: [f64; 4],
}

/// What was trained on: users by trained products.
struct Known<'a> {
    users: Sparse,
    sums: Sparse,
    trained: &'a [usize],
    index: &'a HashMap<usize, usize>,
}

/// What is left of the ensemble.
struct Distilled {
    history: Dense,
    likeness: Dense,
    bias: FloatVector,
    map: Dense,
    products: Dense,
}

impl Teacher {
    fn new(lore: Known<'_>, lessons: &Lessons<'_>, board: &[usize], recipe: &Recipe) -> Self {
        let Known { users, sums, trained, index } = lore;
        let factors = Factors::fit(&users, recipe.factors);
        let solved = factors.solve_all(&users);
        let rows_of = |all: &Sparse, products: &[usize]| {
            let mut rows = Sparse::new(all.width());
            for product in products {
                rows.push(all.row(*product));
            }
            rows
        };
        let (known, described) = (rows_of(lessons.descriptions, trained), rows_of(lessons.descriptions, board));
        let (mut engaged, mut buyers) = (vec![0.0_f64; known.len()], vec![0.0_f64; known.len()]);
        for user in 0..users.len() {
            for (product, weight) in users.row(user) {
                engaged[product] += weight.abs();
                buyers[product] += 1.0;
            }
        }
        let counts: Vec<f64> = engaged.iter().map(|sum| sum.ln_1p()).collect();
        let mut board_factors = neighbour::ridge(&known, &factors.products, &counts, recipe.ridge_penalty, &described);
        let alike = neighbour::alike(&described, &known, recipe.neighbours);
        let mut stands_for = Sparse::new(known.len());
        let mut met = Vec::with_capacity(board.len());
        for (at, product) in board.iter().enumerate() {
            let own = index.get(product).copied();
            met.push(own.is_some());
            // Few have met it: it goes on being what its description makes of it, and becomes itself with each who does.
            let own_share = own.map_or(0.0, |own| buyers[own] / (buyers[own] + recipe.prior_users));
            let mut parts: BTreeMap<usize, f64> =
                alike.row(at).map(|(row, share)| (row, share * (1.0 - own_share))).collect();
            let factors_of = board_factors.row_mut(at);
            for value in factors_of.iter_mut() {
                *value *= 1.0 - own_share;
            }
            if let Some(own) = own {
                *parts.entry(own).or_insert(0.0) += own_share;
                add_scaled(factors_of, own_share, factors.products.row(own));
            }
            stands_for.push(parts);
        }
        let of_kind = |is_met: bool| met.iter().filter(|met| **met == is_met).count().max(1) as f64;
        let weights = met.iter().map(|met| (1.0 / of_kind(*met)).sqrt()).collect();
        let ease = neighbour::ease(&users, recipe.ease_penalty);
        let mut lately = Dense::zeros(known.len(), 1);
        for (row, product) in lately.rows_mut().zip(trained) {
            row[0] = lessons.lately.get(*product).copied().unwrap_or(0.0).max(0.0).ln_1p();
        }
        let mut teacher = Self {
            trend: stands_for.times(&lately),
            users,
            sums,
            solved,
            ease,
            factors,
            known: rows_of(lessons.names, trained),
            board: rows_of(lessons.names, board),
            stands_for,
            board_factors,
            weights,
            shares: [1.0; 4],
        };
        teacher.balance(recipe.shares);
        teacher
    }

    /// Brings the members' scores to one size before they are added, by random probes.
    fn balance(&mut self, shares: [f64; 4]) {
        let probe = self.probe(SPARE_DIMS);
        for (at, scores) in self.members(&probe).iter().enumerate() {
            let size = scores.squares().sqrt();
            self.shares[at] = if size > 0.0 { shares[at] / size } else { 0.0 };
        }
    }

    fn probe(&self, width: usize) -> Dense {
        let mut rng = ChaCha8Rng::seed_from_u64(0x00d1_5711);
        let mut probe = Dense::zeros(self.board.len(), width);
        for value in &mut probe.values {
            *value = rng.random_range(-1.0..1.0);
        }
        probe
    }

    /// Rows times the weight of their product.
    fn weighted(&self, rows: &Dense) -> Dense {
        let mut rows = rows.clone();
        for (row, weight) in rows.rows_mut().zip(&self.weights) {
            for value in row.iter_mut() {
                *value *= weight;
            }
        }
        rows
    }

    /// What each product of a history contributes to weighted sums over the board, by EASE and by description.
    fn histories(&self, weighted: &Dense) -> [Dense; 2] {
        let stands = self.stands_for.transposed_times(weighted);
        let ease = match &self.ease {
            Some(ease) => product(ease.view(), stands.view()),
            None => Dense::zeros(self.known.len(), weighted.width),
        };
        [ease, self.known.times(&self.board.transposed_times(weighted))]
    }

    /// Each member's scores, as weighted sums over the board.
    fn members(&self, columns: &Dense) -> [Dense; 4] {
        let weighted = self.weighted(columns);
        let [ease, content] = self.histories(&weighted);
        let map = product(self.board_factors.view().transpose(), weighted.view());
        let trend = product(self.trend.view().transpose(), weighted.view());
        let mut alike = Dense::zeros(self.users.len(), weighted.width);
        alike.rows_mut().for_each(|row| row.copy_from_slice(trend.row(0)));
        [self.users.times(&ease), product(self.solved.view(), map.view()), self.sums.times(&content), alike]
    }

    /// The ensemble's scores times columns.
    fn times(&self, columns: &Dense) -> Dense {
        let [mut sum, factors, content, trend] = self.members(columns);
        for value in &mut sum.values {
            *value *= self.shares[0];
        }
        for (share, scores) in self.shares[1..].iter().zip([factors, content, trend]) {
            sum.add(*share, &scores);
        }
        sum
    }

    /// The ensemble's scores, rows for columns, times a matrix by user.
    fn transposed_times(&self, by_user: &Dense) -> Dense {
        let histories = self.users.transposed_times(by_user);
        let mut sum = Dense::zeros(self.board.len(), by_user.width);
        if let Some(ease) = &self.ease {
            sum.add(self.shares[0], &self.stands_for.times(&product(ease.view().transpose(), histories.view())));
        }
        let factors = product(self.solved.view().transpose(), by_user.view());
        sum.add(self.shares[1], &product(self.board_factors.view(), factors.view()));
        let profiles = self.sums.transposed_times(by_user);
        sum.add(self.shares[2], &self.board.times(&self.known.transposed_times(&profiles)));
        let mut all = Dense::zeros(1, by_user.width);
        (0..by_user.len()).for_each(|user| add_scaled(&mut all.values, 1.0, by_user.row(user)));
        sum.add(self.shares[3], &product(self.trend.view(), all.view()));
        self.weighted(&sum)
    }

    /// The best [`DIMS`] dimensions of the scores, by subspace iteration: Halko, Martinsson and Tropp, "Finding structure with randomness"
    /// (2011), doi 10.1137/090771806.
    fn distil(&self) -> Distilled {
        let empty = Distilled {
            history: Dense::zeros(self.known.len(), DIMS),
            likeness: Dense::zeros(self.known.len(), DIMS),
            bias: [0.0; DIMS],
            map: Dense::zeros(self.factors.products.width, DIMS),
            products: Dense::zeros(self.board.len(), DIMS),
        };
        let width = (DIMS + SPARE_DIMS).min(self.board.len()).min(self.users.len());
        if width == 0 || self.known.is_empty() {
            return empty;
        }
        let mut basis = self.probe(width).orthonormal();
        for _ in 0..SEARCH_ROUNDS {
            basis = self.transposed_times(&self.times(&basis).orthonormal()).orthonormal();
        }
        let scores = self.times(&basis);
        let gram = product(scores.view().transpose(), scores.view());
        let Ok(eigen) = gram.view().self_adjoint_eigen(Side::Lower) else { return empty };
        let values = eigen.S().column_vector();
        let kept = DIMS.min(width);
        let mut directions = Dense::zeros(width, DIMS);
        let mut sizes = [0.0; DIMS];
        for (dim, size) in sizes.iter_mut().enumerate().take(kept) {
            // Eigenvalues ascend.
            let from = width - 1 - dim;
            if values[from] > 1e-9 * values[width - 1] {
                *size = values[from].sqrt();
                for row in 0..width {
                    directions.row_mut(row)[dim] = eigen.U()[(row, from)];
                }
            }
        }
        // scores = (T V s^-1/2) (V s^1/2)': both sides get the same share of a dimension's size.
        let basis = product(basis.view(), directions.view());
        let (mut users, mut products) = (basis.clone(), basis);
        for row in users.rows_mut() {
            row.iter_mut()
                .zip(&sizes)
                .for_each(|(value, size)| *value *= if *size > 0.0 { size.powf(-0.5) } else { 0.0 });
        }
        for (row, weight) in products.rows_mut().zip(&self.weights) {
            row.iter_mut().zip(&sizes).for_each(|(value, size)| *value *= size.sqrt() / weight);
        }
        let weighted = self.weighted(&users);
        let [history, likeness] = self.histories(&weighted);
        let map = product(self.board_factors.view().transpose(), weighted.view());
        let trend = product(self.trend.view().transpose(), weighted.view());
        let bias = std::array::from_fn(|dim| self.shares[3] * trend.row(0)[dim]);
        let [history, map, likeness] = [(history, 0), (map, 1), (likeness, 2)].map(|(mut part, at)| {
            part.values.iter_mut().for_each(|value| *value *= self.shares[at]);
            part
        });
        Distilled { history, likeness, bias, map, products }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two kinds of products with a feature each, the last of a kind met by nobody; users of one kind each.
    fn world() -> (Sparse, Sparse, Vec<usize>) {
        let mut descriptions = Sparse::new(2);
        (0..12).for_each(|product| descriptions.push([(product % 2, 1.0)]));
        let mut users = Sparse::new(12);
        for user in 0..30 {
            users.push((0..5).filter(|at| (user / 2 + at) % 5 != 0).map(|at| (2 * at + user % 2, 1.0)));
        }
        (users, descriptions, (0..12).collect())
    }

    fn history(row: &[(usize, f64)]) -> History {
        History { strengths: row.to_vec(), sums: row.to_vec() }
    }

    fn bytes(users: &Sparse, descriptions: &Sparse, board: &[usize], threads: usize) -> (Model, Vec<[i8; DIMS]>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let lessons = Lessons { strengths: users, sums: users, lately: &[], descriptions, names: descriptions };
        let model = pool.install(|| Model::train(&lessons, board, &Recipe::default()));
        let vectors = (0..12).map(|product| model.product(product)).collect();
        (model, vectors)
    }

    #[test]
    fn the_nearest_are_of_the_kind_and_not_of_the_history_and_what_was_wanted_lately_comes_first() {
        let (users, descriptions, board) = world();
        let near = |lately: &[f64], board: &[usize]| {
            let lessons =
                Lessons { strengths: &users, sums: &users, lately, descriptions: &descriptions, names: &descriptions };
            let model = Model::train(&lessons, board, &Recipe::default());
            let nearest = model.nearest(&history(&[(0, 1.0), (2, 1.0)]), 3);
            assert!(
                nearest.is_sorted_by(|a, b| a.1 >= b.1) && nearest.iter().all(|(_, value)| *value > 0.0),
                "{nearest:?}"
            );
            nearest.into_iter().map(|(product, _)| product).collect::<Vec<usize>>()
        };
        let mut all = near(&[], &board);
        all.sort_unstable();
        assert_eq!(all, [4, 6, 8], "what others of the kind have met, and the history has not");
        assert_eq!(near(&[], &[0, 1, 2, 3, 6]), [6], "what is not on the board has no place");
        for wanted in [4, 8] {
            let mut lately = vec![0.0; 12];
            lately[wanted] = 100.0;
            assert_eq!(near(&lately, &board)[0], wanted);
        }
    }

    #[test]
    fn a_product_that_nobody_has_met_is_found_by_those_who_like_its_kind() {
        let (users, descriptions, board) = world();
        let (model, vectors) = bytes(&users, &descriptions, &board, 2);
        assert_eq!(bytes(&users, &descriptions, &board, 1).1, vectors, "the number of threads does not show");
        for kind in 0..2 {
            // Somebody who was not trained on, with two products of the kind.
            let newcomer = model.user(&history(&[(kind, 1.0), (kind + 4, 1.0)]), 1.0);
            let score = |product: usize| -> i32 {
                vectors[product].iter().zip(newcomer).map(|(a, b)| i32::from(*a) * i32::from(b)).sum()
            };
            assert!(score(10 + kind) > score(11 - kind) && score(2 + kind) > score(3 - kind), "kind {kind}");
        }
    }

    #[test]
    fn nothing_to_learn_from_and_histories_of_strangers_give_no_taste() {
        let (users, descriptions, board) = world();
        let (model, _) = bytes(&users, &descriptions, &board, 1);
        assert_eq!(model.user(&history(&[(10, 5.0), (99, 1.0)]), 1.0), [0; DIMS]);
        assert_eq!(model.user(&History::default(), 1.0), [0; DIMS]);
        assert_eq!(model.product(99), [0; DIMS]);
        for (users, board) in [(Sparse::new(12), board), (users, Vec::new())] {
            let (model, vectors) = bytes(&users, &descriptions, &board, 1);
            assert!(vectors.iter().all(|vector| *vector == [0; DIMS]));
            assert_eq!(model.user(&history(&[(0, 1.0)]), 1.0), [0; DIMS]);
        }
    }
}
