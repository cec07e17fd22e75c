//! `sinsang evaluate schedule`: a whole schedule resolved once, and held against labels of its pairs and of its new listings.

use std::collections::BTreeMap;
use std::path::Path;

use sinsang_core::time::UnixMillis;
use sinsang_identity::evaluate::schedule::{Listing, Report, measure};
use sinsang_identity::identity::whole_codes;
use sinsang_identity::label::Error;
use sinsang_identity::listing::Lexicon;
use sinsang_identity::verdict;

use crate::read::history::History;

/// Measures the products and verdicts of `history` on labelled `pairs` and `verdicts`. Listings are judged as of their first broadcast, those with one
/// that has not ended by `now` as of that.
///
/// # Errors
/// [`Error`] where a file of labels can't be read or has none of the schedule's listings.
pub fn schedule(
    history: &History,
    policy: &verdict::Policy,
    now: UnixMillis,
    pairs: &Path,
    verdicts: Option<&Path>,
) -> Result<Report, Error> {
    measure(&listings(history, *policy, now), pairs, verdicts)
}

fn listings(history: &History, policy: verdict::Policy, now: UnixMillis) -> Vec<Listing> {
    let lexicon = Lexicon::new(&history.policy.words);
    let mut histories = BTreeMap::new();
    let mut listings = Vec::new();
    let mut starts = Vec::new();
    for index in history.in_order() {
        let (Some(entry), Some(product), Some((airing, _))) =
            (history.catalogue.entries.get(index), history.product_of(index), history.judged_by(index, now))
        else {
            continue;
        };
        let past = histories.entry(product.id).or_insert_with(|| product.history(&history.catalogue, &history.likely));
        let listing = &entry.listing;
        let aired = history.likely.of(index).iter().filter(|likely| {
            history.catalogue.airings.get(likely.airing).is_some_and(|other| other.ends_at <= airing.starts_at)
        });
        starts.push(listing.first_at);
        listings.push(Listing {
            listing_id: listing.listing_id.clone(),
            shop: listing.shop.clone(),
            title: listing.titles.first().cloned().unwrap_or_default(),
            codes: listing
                .features(&history.policy, &lexicon)
                .iter()
                .flat_map(|title| whole_codes(title).map(str::to_owned))
                .collect(),
            product: product.id,
            verdict: verdict::judge(past, &history.reach, &policy, airing.starts_at).kind,
            aired: aired.map(|likely| likely.probability).fold(0.0, f64::max),
            reviews: listing.review_count.map_or(0, u64::from),
            place: 0,
        });
    }
    let mut order: Vec<usize> = (0..listings.len()).collect();
    order.sort_by_key(|index| starts.get(*index));
    for (place, index) in order.into_iter().enumerate() {
        if let Some(listing) = listings.get_mut(index) {
            listing.place = place;
        }
    }
    listings
}
