//! The choice of a recipe by what an operator's own viewers did in the last weeks.
//!
//! The members are fitted to what was known before a day, and their mixtures measured on what was
//! taken in the window after it: on products that nobody had met, and on those that somebody had.
//! Earlier windows choose; the last one chooses nothing, and may only say no. `docs/taste.md` has
//! the rules.

mod choice;
mod choose;
mod cut;
mod past;

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;

use crate::lesson::{Nearest, Recipe, Shares};
use crate::placement::Catalogue;
use crate::tuned::{Judged, Tuned, can_tell};
use choose::Fits;
use cut::{Cut, Window};
pub use past::Past;

/// Lengths of a window in days; the longest that the events reach back six times is taken.
const WINDOWS: [i64; 3] = [30, 14, 7];
/// Lengths of a window that the events must reach back.
const LEAST_WINDOWS: i64 = 6;
/// Windows before the last one, which choose.
const CHOOSING: i64 = 3;
/// What is chosen, in this order.
const SETTINGS: [&str; 5] =
    ["shares for new products", "shares for known products", "recent actions", "penalty of EASE", "half-life in days"];
/// The most products that others are predicted from, and that are trained, while a recipe is
/// chosen: enough to order mixtures, and a fraction of the time.
const MOST_SOURCES: usize = 3_000;
const MOST_PRODUCTS: usize = 5_000;

/// Chooses a recipe and a half-life by `past`, beginning with those given. `catalogue` describes
/// all products of the past; its counts are not looked at. The result does not depend on the number
/// of threads.
pub fn tune(past: &impl Past, catalogue: &Catalogue<'_>, recipe: &Recipe, half_life_days: f64) -> Tuned {
    let mut tuned = Tuned::default_of(*recipe, half_life_days);
    let oldest = past.oldest();
    let Some(days) = WINDOWS.into_iter().find(|days| oldest >= LEAST_WINDOWS * days) else { return tuned };
    let window = |ago: i64| Arc::new(Window::of(past, ago * days..(ago + 1) * days));
    let (last, earlier) = (window(0), (1..=CHOOSING).map(window).collect::<Vec<Arc<Window>>>());
    let takers = |of: fn(&Window) -> usize| [earlier.iter().map(|window| of(window)).sum(), of(&last)];
    let (new_takers, known_takers) = (takers(Window::new_takers), takers(Window::known_takers));
    let all_takers = [0, 1].map(|at| new_takers[at] + known_takers[at]);

    let Tuned { recipe: chosen, report, .. } = &mut tuned;
    report.window_days = days;
    let of_setting = [new_takers, known_takers, known_takers, all_takers, all_takers];
    if !of_setting.into_iter().any(can_tell) {
        report.judged = SETTINGS.iter().zip(of_setting).map(|(what, takers)| Judged::undecided(what, takers)).collect();
        return tuned;
    }
    let fit = |window| fitted(past, catalogue, window, recipe, half_life_days);
    // Side by side, because parts of a fit run on one thread.
    let (earlier, last) = rayon::join(|| earlier.into_par_iter().map(fit).collect(), || fit(last));
    let fits = Fits { earlier, last };
    let (what, tried) = (SETTINGS[0], new_mixtures(recipe.new));
    let found = fits.choose(report, what, &tried, new_takers, Cut::new_products);
    chosen.new = found.unwrap_or(recipe.new);
    let (what, tried) = (SETTINGS[1], known_mixtures(recipe.known));
    let found = fits.choose(report, what, &tried, known_takers, Cut::known_products);
    chosen.known = found.unwrap_or(recipe.known);
    let (what, tried, known) = (SETTINGS[2], nearest_tried(recipe.nearest), chosen.known);
    let found = fits.choose(report, what, &tried, known_takers, |cut, tried| cut.nearest(known, tried));
    chosen.nearest = found.unwrap_or(recipe.nearest);

    // Each of these takes members of its own, with the shares that were chosen above.
    let (new, known) = (chosen.new, chosen.known);
    let both = |cut: &Cut| [cut.new_products(&[new]), cut.known_products(&[known])];
    let (what, tried) = (SETTINGS[3], [0.5, 2.0].map(|times| Times(recipe.ease.penalty, times)));
    let refit = |cut: &Cut, penalty: Times| cut.with_penalty(penalty.product());
    let found = fits.choose_fits(report, what, &tried, all_takers, both, refit);
    chosen.ease.penalty = found.map_or(recipe.ease.penalty, Times::product);
    let (what, tried) = (SETTINGS[4], [0.5, 2.0].map(|times| Times(half_life_days, times)));
    let refit = |cut: &Cut, days: Times| fitted(past, catalogue, cut.window(), recipe, days.product());
    let found = fits.choose_fits(report, what, &tried, all_takers, both, refit);
    tuned.half_life_days = found.map_or(half_life_days, Times::product);
    tuned
}

fn fitted(
    past: &impl Past,
    catalogue: &Catalogue<'_>,
    window: Arc<Window>,
    recipe: &Recipe,
    half_life_days: f64,
) -> Cut {
    let mut recipe = *recipe;
    recipe.ease.sources = recipe.ease.sources.min(MOST_SOURCES);
    recipe.max_products = recipe.max_products.min(MOST_PRODUCTS);
    Cut::fit(past, catalogue, window, &recipe, half_life_days)
}

/// A number and how many times it is tried.
#[derive(Clone, Copy)]
struct Times(f64, f64);

impl Times {
    fn product(self) -> f64 {
        self.0 * self.1
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.product())
    }
}

/// Mixtures for new products that are tried; the first is the default.
fn new_mixtures(default: Shares) -> Vec<Shares> {
    mixtures(default, &[0.0, 0.5, 1.0, 2.0], &[0.0, 0.35, 0.7, 1.4], &[0.0, 0.3, 0.6])
}

/// Mixtures for known products that are tried; the first is the default.
fn known_mixtures(default: Shares) -> Vec<Shares> {
    mixtures(default, &[0.0, 0.5, 1.0], &[0.0, 0.25, 0.5, 1.0, 2.0], &[0.0, 0.3, 0.6, 1.2, 2.4])
}

fn mixtures(default: Shares, factors: &[f64], names: &[f64], trends: &[f64]) -> Vec<Shares> {
    let mut tried = vec![default];
    for factors in factors {
        for names in names {
            for trend in trends {
                tried.push(Shares { factors: *factors, names: *names, trend: *trend, ..default });
            }
        }
    }
    tried
}

/// What is tried for the products nearest to a history; the first is the default.
fn nearest_tried(default: Nearest) -> Vec<Nearest> {
    let mut tried = vec![default];
    for fresh in [0.5, 1.0, 2.0, 4.0] {
        tried.extend([0.0, 1.0, 4.0, 8.0].map(|trend| Nearest { fresh, trend }));
    }
    tried
}
