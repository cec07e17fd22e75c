//! A log of what users did with products, and its division at a time into what was known and what
//! came after.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::matrix::Sparse;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Days that count as lately.
const LATELY_DAYS: i64 = 30;

/// When a product is on offer; times in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its first broadcast or sale.
    pub first_at: i64,
    /// The starts of its broadcasts, ascending; `None` for what is on offer ever since.
    pub airings: Option<Vec<i64>>,
}

impl Offered {
    /// Whether it is on offer at some time in `range`.
    fn within(&self, range: &Range<i64>) -> bool {
        let Some(airings) = &self.airings else { return self.first_at < range.end };
        airings.get(airings.partition_point(|at| *at < range.start)).is_some_and(|at| *at < range.end)
    }
}

/// Something that a user did with a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Act {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Number of the user, from 0.
    pub user: usize,
    /// Place of the product in [`Log::products`].
    pub product: usize,
}

/// What users did with products.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// When each product is on offer.
    pub products: Vec<Offered>,
    /// The acts, in any order.
    pub acts: Vec<Act>,
}

/// A user who wanted at least one candidate in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taker {
    /// The user's place in [`Window::users`].
    pub row: usize,
    /// Places of what was wanted among the candidates.
    pub wanted: BTreeSet<usize>,
    /// The user's first act in the window, at which the list would have been shown.
    pub came_at: i64,
}

/// A cut in time, with the knowledge before it and the acts after it.
#[derive(Clone, Debug)]
pub struct Window {
    /// Users known before the cut, ascending.
    pub users: Vec<usize>,
    /// Products first on offer within the window.
    pub new: Vec<usize>,
    /// Products on offer before the cut, and again in the window.
    pub known: Vec<usize>,
    /// Users who wanted new products.
    pub new_takers: Vec<Taker>,
    /// Users who wanted known products with which they had done nothing before.
    pub known_takers: Vec<Taker>,
    /// By user, decayed acts on each product: the sum, and the root of the summed squares.
    pub sums: Sparse,
    /// See [`Self::sums`].
    pub strengths: Sparse,
    /// By product, all acts before the cut, and those of the last 30 days.
    pub done: Vec<f64>,
    /// See [`Self::done`].
    pub done_lately: Vec<f64>,
    /// Each user's first act on each new product, as product, time and user, by time.
    pub debuts: Vec<(usize, i64, usize)>,
}

impl Log {
    /// The knowledge before `cut`, an act halved every `half_life_days`, and the acts of the `days`
    /// after it.
    pub fn window(&self, cut: i64, days: i64, half_life_days: f64) -> Window {
        let range = cut..cut + days * DAY_MS;
        let before = || self.acts.iter().filter(|act| act.at < cut);
        let users: Vec<usize> = before().map(|act| act.user).collect::<BTreeSet<_>>().into_iter().collect();
        let row_of: HashMap<usize, usize> = users.iter().enumerate().map(|(row, user)| (*user, row)).collect();
        let mut decayed: Vec<BTreeMap<usize, (f64, f64)>> = vec![BTreeMap::new(); users.len()];
        let (mut done, mut done_lately) = (vec![0.0; self.products.len()], vec![0.0; self.products.len()]);
        for act in before() {
            let weight = (-((cut - act.at) as f64) / (half_life_days * DAY_MS as f64)).exp2();
            if let Some(row) = row_of.get(&act.user) {
                let (sum, squares) = decayed[*row].entry(act.product).or_default();
                *sum += weight;
                *squares += weight * weight;
            }
            done[act.product] += 1.0;
            done_lately[act.product] += if cut - act.at < LATELY_DAYS * DAY_MS { 1.0 } else { 0.0 };
        }
        let (mut sums, mut strengths) = (Sparse::new(self.products.len()), Sparse::new(self.products.len()));
        for row in &decayed {
            sums.push(row.iter().map(|(product, (sum, _))| (*product, *sum)));
            strengths.push(row.iter().map(|(product, (_, squares))| (*product, squares.sqrt())));
        }
        let offered = |wanted: &dyn Fn(&Offered) -> bool| -> Vec<usize> {
            (0..self.products.len()).filter(|at| wanted(&self.products[*at])).collect()
        };
        let new = offered(&|product| range.contains(&product.first_at));
        let known = offered(&|product| product.first_at < cut && product.within(&range));
        let mut came: BTreeMap<usize, i64> = BTreeMap::new();
        let mut taken: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut debuts: BTreeMap<(usize, usize), i64> = BTreeMap::new();
        for act in self.acts.iter().filter(|act| range.contains(&act.at)) {
            if let Some(row) = row_of.get(&act.user) {
                let first = came.entry(*row).or_insert(act.at);
                *first = act.at.min(*first);
                taken.entry(*row).or_default().insert(act.product);
            }
            if self.products[act.product].first_at >= cut {
                let first = debuts.entry((act.product, act.user)).or_insert(act.at);
                *first = act.at.min(*first);
            }
        }
        let of = |products: &[usize], is_wanted: &dyn Fn(usize, usize) -> bool| -> Vec<Taker> {
            let place: HashMap<usize, usize> =
                products.iter().enumerate().map(|(at, product)| (*product, at)).collect();
            let takers = taken.iter().map(|(row, taken)| {
                let wanted = taken.iter().filter(|product| is_wanted(*row, **product));
                let wanted = wanted.filter_map(|product| place.get(product).copied()).collect();
                Taker { row: *row, wanted, came_at: came.get(row).copied().unwrap_or(cut) }
            });
            takers.filter(|taker| !taker.wanted.is_empty()).collect()
        };
        let mut debuts: Vec<(usize, i64, usize)> =
            debuts.into_iter().map(|((product, user), at)| (product, at, user)).collect();
        debuts.sort_unstable_by_key(|(product, at, user)| (*at, *product, *user));
        Window {
            new_takers: of(&new, &|_, _| true),
            known_takers: of(&known, &|row, product| !decayed[row].contains_key(&product)),
            users,
            new,
            known,
            sums,
            strengths,
            done,
            done_lately,
            debuts,
        }
    }
}

impl Window {
    /// Scores of the known products, with those that the user had taken before out of the list.
    #[must_use]
    pub fn untaken(&self, taker: &Taker, mut scores: Vec<f64>) -> Vec<f64> {
        let before: BTreeSet<usize> = self.sums.row(taker.row).map(|(product, _)| product).collect();
        for (score, product) in scores.iter_mut().zip(&self.known) {
            if before.contains(product) {
                *score = f64::NEG_INFINITY;
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_knows_what_came_before_its_cut_and_wants_what_came_within_its_days() {
        let day = |day: i64| day * DAY_MS;
        let always = |first: i64| Offered { first_at: day(first), airings: None };
        let aired =
            |days: &[i64]| Offered { first_at: day(days[0]), airings: Some(days.iter().map(|at| day(*at)).collect()) };
        // On sale since day 0 and day 12; on air on days 1 and 11, on day 1 alone, on day 14, on
        // 31.
        let products = vec![always(0), always(12), aired(&[1, 11]), aired(&[1]), aired(&[14]), aired(&[31])];
        let act = |at: i64, user: usize, product: usize| Act { at: day(at), user, product };
        let acts = vec![
            act(8, 7, 0),
            act(9, 7, 0),
            act(11, 7, 0),
            act(15, 7, 4),
            act(12, 7, 2),
            act(14, 8, 4),
            act(9, 5, 2),
            act(25, 5, 1),
            act(31, 5, 5),
        ];
        let window = Log { products, acts }.window(day(10), 20, 1.0);
        assert_eq!((&window.users, &window.new, &window.known), (&vec![5, 7], &vec![1, 4], &vec![0, 2]));
        let taker = |row, wanted: [usize; 1], at| Taker { row, wanted: BTreeSet::from(wanted), came_at: day(at) };
        assert_eq!(window.new_takers, [taker(0, [0], 25), taker(1, [1], 11)]);
        assert_eq!(window.known_takers, [taker(1, [1], 11)], "what one took before is not looked for");
        assert_eq!(
            window.sums.row(1).collect::<Vec<_>>(),
            [(0, 0.75)],
            "half a day ago, and a quarter of the one before"
        );
        assert!((window.strengths.row(1).next().unwrap().1 - 0.3125_f64.sqrt()).abs() < 1e-12);
        assert_eq!((window.done[0], window.done[4]), (2.0, 0.0));
        assert_eq!(window.debuts, [(4, day(14), 8), (4, day(15), 7), (1, day(25), 5)]);
        assert_eq!(window.untaken(&window.known_takers[0], vec![2.0, 1.0]), [f64::NEG_INFINITY, 1.0]);
    }
}
