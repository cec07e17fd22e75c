//! One code, several things: parts the titles of a listing whose code was given to another product later.

use super::compared::Compared;
use super::offer::Offer;
use super::sketch::{Rarity, Sketch};
use super::{Listing, Policy};
use crate::listing::{Features, Lexicon};

/// Titles of one code that are looked at; later ones stay with the first group.
const MAX_TITLES: usize = 64;

/// Whether two titles of one code are two things: something decides against, and next to nothing is shared.
fn parts(compared: &Compared<'_>, policy: &Policy) -> bool {
    !compared.sums.vetoes.is_empty() && compared.evidence < policy.min_evidence
}

/// Whether a code was given to two things, by all titles of one compared with all of the other.
pub(super) fn are_two<'a>(compared: impl Iterator<Item = Compared<'a>>, policy: &Policy) -> bool {
    let mut compared = compared.peekable();
    compared.peek().is_some() && compared.all(|compared| parts(&compared, policy))
}

/// The titles of a listing by the things they name: groups of indices into `listing.titles`, the group of the earliest title
/// first. One group for all but the few codes that were clearly used for several products.
///
/// A caller that finds more than one group gives [`super::resolve`] one listing for each, of the same shop and code.
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
