//! The taste model: distils several predictors of a user's wishes into one small vector per user
//! and product.
//!
//! A user's vector is a sum over the history plus a map of the user's factors, so any user can be
//! folded in at any time. Every product gets a vector, even one that nobody has met.
//! `docs/taste.md` has the formulas.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::lesson::{History, Lessons};
use crate::matrix::{Dense, dot};
use crate::nearest::{CONSIDERED, boosts, keep_best};
use crate::placement::Catalogue;
use crate::trained::Trained;
use crate::tuned::Tuned;
use crate::vector::{DIMS, FloatVector, largest, round};

/// Board products kept as companions of each trained product.
const NEAR: usize = 60;
/// A trained model applied to a catalogue and a board.
#[derive(Clone, Debug)]
pub struct Model {
    trained: Trained,
    /// Training row by place in the catalogue.
    rows: HashMap<usize, usize>,
    /// Place in the catalogue by training row; `None` if the product is gone.
    places: Vec<Option<usize>>,
    /// Vectors of the board's products before and after rounding, by place in the catalogue.
    products: BTreeMap<usize, (FloatVector, [i8; DIMS])>,
    /// For each training row, its strongest companions on the board, as rows with weights.
    near: Vec<Vec<(usize, f64)>>,
    /// By training row, the factor of recent trend on a companion's score.
    boosts: Vec<f64>,
}

impl Model {
    /// Trains a model with vectors for the products of `board`. The result depends only on the
    /// input, not on the number of threads.
    pub fn train(lessons: &Lessons<'_>, board: &[usize], tuned: &Tuned) -> Self {
        let (trained, vectors) = Trained::train(lessons, board, tuned);
        let places = trained.places(&lessons.catalogue);
        Self::with(trained, places, &vectors, &lessons.catalogue, board)
    }

    /// Applies an earlier training to another day's catalogue and board. Vectors of newer products
    /// come from their descriptions.
    pub fn of(trained: Trained, catalogue: &Catalogue<'_>, board: &[usize]) -> Self {
        let places = trained.places(catalogue);
        let vectors = trained.vectors(&places, catalogue, board);
        Self::with(trained, places, &vectors, catalogue, board)
    }

    fn with(
        trained: Trained,
        places: Vec<Option<usize>>,
        vectors: &Dense,
        catalogue: &Catalogue<'_>,
        board: &[usize],
    ) -> Self {
        let vector = |at: usize| -> FloatVector { std::array::from_fn(|dim| vectors.row(at)[dim]) };
        let products = board.iter().enumerate().map(|(at, place)| (*place, (vector(at), round(&vector(at)))));
        Self {
            products: products.collect(),
            near: near(&trained, &places, board),
            boosts: boosts(&places, catalogue, trained.tuned.recipe.nearest.trend),
            rows: places.iter().enumerate().filter_map(|(row, place)| Some(((*place)?, row))).collect(),
            places,
            trained,
        }
    }

    /// The training result, to be kept for later days.
    pub fn trained(&self) -> &Trained {
        &self.trained
    }

    /// The spread of a sure user's scores over the board, in inner products of bytes; 0 if nothing
    /// was learned.
    pub fn spread(&self) -> f64 {
        self.trained.gain
    }

    /// Converts weights over the catalogue to units and training rows.
    fn known(&self, weights: &[(usize, f64)]) -> Vec<(usize, f64)> {
        let row = |(place, weight): &(usize, f64)| Some((*self.rows.get(place)?, weight / self.trained.unit));
        weights.iter().filter_map(row).collect()
    }

    /// Folds a user in, from weights over the catalogue. Users outside the training are folded in
    /// like everyone else.
    pub fn fold<'a>(&'a self, history: &'a History) -> FoldedIn<'a> {
        let (strengths, sums) = (self.known(&history.strengths), self.known(&history.sums));
        FoldedIn { model: self, history, vector: self.trained.vector(&strengths, &sums) }
    }

    /// A user's vector in bytes. `sureness`, from 0 to 1, scales its length.
    pub fn user(&self, history: &History, sureness: f64) -> [i8; DIMS] {
        round(&self.fold(history).float(sureness))
    }

    /// A board product's vector by place in the catalogue; zeros for other products.
    pub fn product(&self, product: usize) -> [i8; DIMS] {
        self.products.get(&product).map_or([0; DIMS], |(_, bytes)| *bytes)
    }

    /// [`Self::product`] before rounding.
    pub fn product_float(&self, product: usize) -> FloatVector {
        self.products.get(&product).map_or([0.0; DIMS], |(float, _)| *float)
    }
}

/// A user folded into a model.
pub struct FoldedIn<'a> {
    model: &'a Model,
    history: &'a History,
    /// The vector whose inner products with the products' are the ensemble's scores; `None` without
    /// a history that the model knows.
    vector: Option<FloatVector>,
}

impl FoldedIn<'_> {
    /// The user's vector before rounding. `sureness`, from 0 to 1, scales its length.
    pub fn float(&self, sureness: f64) -> FloatVector {
        let trained = &self.model.trained;
        let Some(vector) = self.vector.and_then(|vector| trained.unit_spread(&vector)) else { return [0.0; DIMS] };
        let scale = trained.gain.min(127.0 / largest(&vector)) * sureness;
        vector.map(|value| value * scale)
    }

    /// At most `most` board products, by place in the catalogue, that best match the history and
    /// are not in it, the nearest first: by the ensemble, by what goes with recent actions, and by
    /// recent trend. A vector of [`DIMS`] numbers keeps the general taste, but loses which single
    /// products go together.
    pub fn nearest(&self, most: usize) -> Vec<(usize, f64)> {
        let Self { model, history, .. } = *self;
        let Some(taste) = self.vector else { return Vec::new() };
        let mut fresh = vec![0.0; model.places.len()];
        for (row, weight) in model.known(&history.fresh) {
            for (other, value) in model.near.get(row).into_iter().flatten() {
                if let Some(sum) = fresh.get_mut(*other) {
                    *sum += weight * value;
                }
            }
        }
        for (product, _) in history.strengths.iter().chain(&history.sums) {
            if let Some(sum) = model.rows.get(product).and_then(|row| fresh.get_mut(*row)) {
                *sum = 0.0;
            }
        }
        // Rows with what goes with recent actions, as it is wanted lately.
        let liked = fresh.into_iter().enumerate().filter(|(_, fresh)| *fresh > 0.0);
        let mut liked: Vec<(usize, f64)> = liked.map(|(row, fresh)| (row, fresh * model.boosts[row])).collect();
        keep_best(&mut liked, most * CONSIDERED);
        // Both in the units of the ensemble's scores.
        let share = model.trained.tuned.recipe.nearest.fresh * model.trained.shares[1][0];
        let score = |(row, fresh): (usize, f64)| {
            let place = (*model.places.get(row)?)?;
            let own = dot(&taste, &model.products.get(&place)?.0) / model.trained.scale;
            Some((place, model.boosts[row] * own + share * fresh))
        };
        let mut nearest: Vec<(usize, f64)> = liked.into_iter().filter_map(score).collect();
        nearest.retain(|(_, score)| *score > 0.0);
        keep_best(&mut nearest, most);
        nearest
    }
}

/// For each trained product, its [`NEAR`] board products with the largest weights.
fn near(trained: &Trained, places: &[Option<usize>], board: &[usize]) -> Vec<Vec<(usize, f64)>> {
    let on_board: BTreeSet<usize> = board.iter().copied().collect();
    let on_board: Vec<bool> = places.iter().map(|place| place.is_some_and(|at| on_board.contains(&at))).collect();
    let row = |weights: &Vec<(usize, f64)>| {
        let weights = weights.iter().filter(|(row, _)| on_board.get(*row).copied().unwrap_or(false));
        let mut weights: Vec<(usize, f64)> = weights.copied().collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        weights.truncate(NEAR);
        weights
    };
    trained.strongest.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::Recipe;
    use crate::matrix::Sparse;

    /// Two kinds of products with one feature each, the last of each kind unmet; each user likes
    /// one kind.
    fn world() -> (Sparse, Sparse, Vec<usize>) {
        let mut descriptions = Sparse::new(2);
        (0..12).for_each(|product| descriptions.push([(product % 2, 1.0)]));
        let mut users = Sparse::new(12);
        for user in 0..30 {
            users.push((0..5).filter(|at| (user / 2 + at) % 5 != 0).map(|at| (2 * at + user % 2, 1.0)));
        }
        (users, descriptions, (0..12).collect())
    }

    const IDS: [u64; 12] = [70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81];

    fn catalogue<'a>(descriptions: &'a Sparse, fortnight: &'a [f64]) -> Catalogue<'a> {
        Catalogue { ids: &IDS, descriptions, names: descriptions, month: fortnight, fortnight }
    }

    fn history(row: &[(usize, f64)]) -> History {
        History { strengths: row.to_vec(), sums: row.to_vec(), fresh: row.to_vec() }
    }

    fn bytes(users: &Sparse, descriptions: &Sparse, board: &[usize], threads: usize) -> (Model, Vec<[i8; DIMS]>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let catalogue = catalogue(descriptions, &[]);
        let lessons = Lessons { strengths: users, sums: users, catalogue };
        let model = pool.install(|| Model::train(&lessons, board, &Tuned::default_of(Recipe::default(), 30.0)));
        let vectors = (0..12).map(|product| model.product(product)).collect();
        (model, vectors)
    }

    #[test]
    fn the_nearest_are_of_the_kind_and_not_of_the_history_and_what_was_wanted_lately_comes_first() {
        let (users, descriptions, board) = world();
        let near = |lately: &[f64], board: &[usize]| {
            let lessons = Lessons { strengths: &users, sums: &users, catalogue: catalogue(&descriptions, lately) };
            let model = Model::train(&lessons, board, &Tuned::default_of(Recipe::default(), 30.0));
            let nearest = model.fold(&history(&[(0, 1.0), (2, 1.0)])).nearest(3);
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
            // A user outside the training, with two products of the kind.
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
