//! Reused codes: groups the titles of a listing whose code was later given to another product.

use super::compared::Compared;
use super::offer::Offer;
use super::sketch::{Rarity, Sketch};
use super::{Listing, Policy};
use crate::listing::{Features, Lexicon};

/// Titles of one code that are compared; later ones stay with the first group.
const MAX_TITLES: usize = 64;

/// Whether two titles of one code name two things: there is a veto, and little agrees.
fn parts(compared: &Compared<'_>, policy: &Policy) -> bool {
    !compared.sums.vetoes.is_empty() && compared.evidence < policy.min_evidence
}

/// Whether a code was given to two things, from comparisons of all titles of one with all of the
/// other.
pub(super) fn are_two<'a>(compared: impl Iterator<Item = Compared<'a>>, policy: &Policy) -> bool {
    let mut compared = compared.peekable();
    compared.peek().is_some() && compared.all(|compared| parts(&compared, policy))
}

/// A listing's titles grouped by the thing they name: indexes into `listing.titles`, the group of
/// the earliest title first. There is one group, except for the few codes that were clearly reused.
///
/// A caller that gets several groups passes one listing for each, with the same shop and code, to
/// [`super::resolve`].
pub fn title_groups(listing: &Listing, policy: &Policy) -> Vec<Vec<usize>> {
    let lexicon = Lexicon::new(&policy.words);
    let read = |title: &String| Features::read(title, listing.brand.as_deref(), listing.category.as_deref(), &lexicon);
    let rarity = Rarity::default();
    let sketches: Vec<Sketch> =
        listing.titles.iter().take(MAX_TITLES).map(|title| Sketch::new(&read(title), &rarity, policy)).collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let offer = Offer::default();
    for (index, title) in sketches.iter().enumerate().rev() {
        let belongs = |group: &Vec<usize>| {
            group.iter().any(|&member| {
                let other = sketches.get(member);
                other.is_some_and(|other| !parts(&Compared::of((title, offer), (other, offer), policy, true), policy))
            })
        };
        match groups.iter_mut().find(|group| belongs(group)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    let rest = sketches.len()..listing.titles.len();
    match groups.first_mut() {
        Some(group) => group.extend(rest),
        None => groups.push(rest.collect()),
    }
    groups
}
