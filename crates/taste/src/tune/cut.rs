//! One window: members fitted to what came before it, and what users took in it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::choice::Measured;
use super::past::Past;
use crate::judge::ndcg;
use crate::lesson::{History, Lessons, Nearest, Recipe, Shares};
use crate::matrix::{Dense, Sparse, dot};
use crate::members::Members;
use crate::nearest::{CONSIDERED, boosts, keep_best};
use crate::neighbour::{self, EaseOptions};
use crate::placement::{Catalogue, Placement};
use crate::teacher::Teacher;

/// The most users of a window whose lists are measured, for each kind of products.
const MOST_TAKERS: usize = 600;
/// The most known products that are ranked: those that most users took.
const MOST_KNOWN: usize = 2_000;
/// Products nearest to a history that are measured: as many as a record has notes.
const NEAREST: usize = 16;
/// Days of the counts that the trend and the boosts are made of.
const TREND_DAYS: [i64; 2] = [30, 14];

/// A user and what they took, by place among the candidates of one kind.
struct Taker {
    user: usize,
    wanted: BTreeSet<usize>,
}

/// Products of one kind that are ranked, and for whom.
struct Side {
    /// Rows of the board.
    rows: Range<usize>,
    takers: Vec<Taker>,
}

/// What users took in a window, whatever is learned from what came before it.
pub(super) struct Window {
    /// Ages in days.
    days: Range<i64>,
    /// New products, then known ones, by place in the catalogue.
    board: Vec<usize>,
    /// By place in the catalogue, the row on the board.
    row_of: Vec<Option<usize>>,
    new: Side,
    known: Side,
}

impl Window {
    /// The window of these ages.
    pub(super) fn of(past: &impl Past, days: Range<i64>) -> Self {
        let first = past.first();
        let met = past.taken(days.end..i64::MAX);
        let taken = past.taken(days.clone());
        let mut times = vec![0_usize; first.len()];
        taken.iter().flatten().for_each(|product| times[*product] += 1);
        let of_kind = |is_new: bool| -> Vec<usize> {
            let is_of_kind = |place: &usize| first[*place].is_some_and(|first| (first < days.end) == is_new);
            (0..first.len()).filter(|place| times[*place] > 0 && is_of_kind(place)).collect()
        };
        let (new, mut known) = (of_kind(true), of_kind(false));
        known.sort_by(|a, b| times[*b].cmp(&times[*a]).then(a.cmp(b)));
        known.truncate(MOST_KNOWN);
        known.sort_unstable();
        let board = [new.as_slice(), &known].concat();
        let mut row_of = vec![None; first.len()];
        board.iter().zip(0..).for_each(|(place, row)| row_of[*place] = Some(row));
        let side = |rows: Range<usize>| {
            let takers = taken.iter().zip(&met).enumerate().filter_map(|(user, (taken, met))| {
                let wanted = taken.iter().filter(|product| met.binary_search(product).is_err());
                let wanted = wanted.filter_map(|product| row_of[*product]).filter(|at| rows.contains(at));
                let wanted: BTreeSet<usize> = wanted.map(|at| at - rows.start).collect();
                // Without a history there is no taste to be measured.
                (!wanted.is_empty() && !met.is_empty()).then_some(Taker { user, wanted })
            });
            let takers: Vec<Taker> = takers.collect();
            let every = takers.len().div_ceil(MOST_TAKERS).max(1);
            Side { rows: rows.clone(), takers: takers.into_iter().step_by(every).collect() }
        };
        Self { new: side(0..new.len()), known: side(new.len()..board.len()), board, row_of, days }
    }

    /// Users who took new products.
    pub(super) fn new_takers(&self) -> usize {
        self.new.takers.len()
    }

    /// Users who took known products that they had not taken.
    pub(super) fn known_takers(&self) -> usize {
        self.known.takers.len()
    }
}

/// Members fitted to what came before a window.
pub(super) struct Cut {
    window: Arc<Window>,
    members: Members,
    ease: EaseOptions,
    /// EASE weights by the product that predicts.
    from: Sparse,
    /// The users' factors.
    solved: Dense,
    /// The window's board.
    placement: Placement,
    /// The same, with members' scores at one size.
    board: Placement,
    /// The board's products by trained row.
    row_on_board: Vec<Option<usize>>,
    /// By user, recent strengths by trained row, in units.
    fresh: Sparse,
    /// By trained row, how much it was wanted lately, from 0 to 1.
    wanted: Vec<f64>,
    /// What a score of EASE is multiplied by to be of the members' size.
    ease_size: f64,
}

impl Cut {
    /// Fits the members to what came before the window.
    pub(super) fn fit(
        past: &impl Past,
        described: &Catalogue<'_>,
        window: Arc<Window>,
        recipe: &Recipe,
        half_life_days: f64,
    ) -> Self {
        let width = described.ids.len();
        let before = window.days.end;
        let histories = past.histories(before, half_life_days);
        let rows = |of: fn(&History) -> &Vec<(usize, f64)>| {
            let mut rows = Sparse::new(width);
            for history in &histories {
                rows.push(of(history).iter().copied());
            }
            rows
        };
        let (strengths, sums) = (rows(|history| &history.strengths), rows(|history| &history.sums));
        let [month, fortnight] = TREND_DAYS.map(|lately| {
            let mut counts = vec![0.0; width];
            for product in past.taken(before..before + lately).into_iter().flatten() {
                counts[product] += 1.0;
            }
            counts
        });
        let catalogue = Catalogue { month: &month, fortnight: &fortnight, ..*described };
        let members = Members::fit(&Lessons { strengths: &strengths, sums: &sums, catalogue }, recipe);
        let placement = members.placement(&catalogue, &window.board, recipe);
        let mut row_of = vec![None; width];
        members.places.iter().zip(0..).for_each(|(place, row)| row_of[*place] = Some(row));
        let mut fresh = Sparse::new(members.places.len());
        for history in &histories {
            let row = |(place, weight): &(usize, f64)| Some((row_of[*place]?, weight / members.unit));
            fresh.push(history.fresh.iter().filter_map(row));
        }
        let places: Vec<Option<usize>> = members.places.iter().copied().map(Some).collect();
        let wanted = boosts(&places, &catalogue, 1.0).into_iter().map(|boost| boost - 1.0).collect();
        let row_on_board = members.places.iter().map(|place| window.row_of[*place]).collect();
        Self::of(window, members, recipe.ease, placement, (row_on_board, fresh, wanted))
    }

    /// The same with another penalty of EASE.
    pub(super) fn with_penalty(&self, penalty: f64) -> Self {
        let ease = neighbour::ease(&self.members.users, EaseOptions { penalty, ..self.ease });
        let members = Members { ease, ..self.members.clone() };
        let lately = (self.row_on_board.clone(), self.fresh.clone(), self.wanted.clone());
        Self::of(self.window(), members, self.ease, self.placement.clone(), lately)
    }

    /// The window.
    pub(super) fn window(&self) -> Arc<Window> {
        Arc::clone(&self.window)
    }

    fn of(
        window: Arc<Window>,
        members: Members,
        ease: EaseOptions,
        placement: Placement,
        (row_on_board, fresh, wanted): (Vec<Option<usize>>, Sparse, Vec<f64>),
    ) -> Self {
        let even = Shares { ease: 1.0, factors: 1.0, names: 1.0, trend: 1.0 };
        let (teacher, shares) = Teacher::new(&members, placement.clone(), [even, even]);
        let Teacher { from, solved, board, .. } = teacher;
        let ease_size = shares[1][0];
        Self { window, members, ease, from, solved, placement, board, row_on_board, fresh, wanted, ease_size }
    }

    /// NDCG of new products, by user and mixture.
    pub(super) fn new_products(&self, mixtures: &[Shares]) -> Measured {
        self.measured(&self.window.new, mixtures)
    }

    /// NDCG of known products that the user had not taken, by user and mixture.
    pub(super) fn known_products(&self, mixtures: &[Shares]) -> Measured {
        self.measured(&self.window.known, mixtures)
    }

    /// NDCG of the known products nearest to the history, by user and setting.
    pub(super) fn nearest(&self, shares: Shares, tried: &[Nearest]) -> Measured {
        let side = &self.window.known;
        let of = |taker: &Taker| {
            let own = mixed(&self.scores(taker.user, &side.rows), shares);
            let mut fresh = vec![0.0; self.members.places.len()];
            for (row, weight) in self.fresh.row(taker.user) {
                for (other, value) in self.from.row(row).filter(|(_, value)| *value > 0.0) {
                    fresh[other] += weight * value;
                }
            }
            for (row, _) in self.members.users.row(taker.user) {
                fresh[row] = 0.0;
            }
            // A product that is new to everyone may be trained: its weights may all be negative.
            let at = |row: usize| self.row_on_board[row].and_then(|at| at.checked_sub(side.rows.start));
            let of = |nearest: &Nearest| {
                let boost = |row: usize| 1.0 + nearest.trend * self.wanted[row];
                let liked = fresh.iter().enumerate().filter(|(row, fresh)| **fresh > 0.0 && at(*row).is_some());
                let mut liked: Vec<(usize, f64)> = liked.map(|(row, fresh)| (row, fresh * boost(row))).collect();
                keep_best(&mut liked, NEAREST * CONSIDERED);
                let share = nearest.fresh * shares.ease * self.ease_size;
                let mut scores = vec![f64::NEG_INFINITY; own.len()];
                for (row, fresh) in liked {
                    if let Some(at) = at(row) {
                        scores[at] = boost(row) * own[at] + share * fresh;
                    }
                }
                ndcg(&scores, &taker.wanted)
            };
            tried.iter().map(of).collect()
        };
        side.takers.par_iter().map(of).collect()
    }

    fn measured(&self, side: &Side, mixtures: &[Shares]) -> Measured {
        let of = |taker: &Taker| {
            let scores = self.scores(taker.user, &side.rows);
            mixtures.iter().map(|shares| ndcg(&mixed(&scores, *shares), &taker.wanted)).collect()
        };
        side.takers.par_iter().map(of).collect()
    }

    /// Each member's scores of some rows of the board for a user, at one size; nothing for what
    /// the user had met.
    fn scores(&self, user: usize, rows: &Range<usize>) -> [Vec<f64>; 4] {
        let Self { members, board, .. } = self;
        let mut ease = vec![0.0; members.places.len()];
        for (row, weight) in members.users.row(user) {
            for (other, value) in self.from.row(row) {
                ease[other] += weight * value;
            }
        }
        let mut words = vec![0.0; board.names.width()];
        for (row, sum) in members.sums.row(user) {
            for (word, value) in board.known_names.row(row) {
                words[word] += sum * value;
            }
        }
        let met: BTreeSet<usize> = members.users.row(user).filter_map(|(row, _)| self.row_on_board[row]).collect();
        let summed = |weights: &[f64], row: &mut dyn Iterator<Item = (usize, f64)>| -> f64 {
            row.map(|(at, value)| value * weights[at]).sum()
        };
        let solved = self.solved.row(user);
        let each = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
            rows.clone().map(|at| if met.contains(&at) { f64::NEG_INFINITY } else { of(at) }).collect()
        };
        [
            each(&|at| summed(&ease, &mut board.stands_for.row(at))),
            each(&|at| dot(board.factors.row(at), solved)),
            each(&|at| summed(&words, &mut board.names.row(at))),
            each(&|at| board.trend.row(at)[0]),
        ]
    }
}

/// The sum of members' scores by their shares.
fn mixed(scores: &[Vec<f64>; 4], shares: Shares) -> Vec<f64> {
    let mut sum = vec![0.0; scores[0].len()];
    for (scores, share) in scores.iter().zip(shares.members()) {
        // What was met has no score in any member, and no share makes it a number.
        for (sum, score) in sum.iter_mut().zip(scores) {
            *sum = if *score == f64::NEG_INFINITY { f64::NEG_INFINITY } else { *sum + share * score };
        }
    }
    sum
}
