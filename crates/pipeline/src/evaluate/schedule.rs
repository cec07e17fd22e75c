//! `sinsang evaluate schedule`: a whole schedule, resolved once, and compared with labels of its
//! pairs and of its new listings.

use std::collections::BTreeMap;
use std::path::Path;

use sinsang_core::time::UnixMillis;
use sinsang_identity::evaluate::schedule::{Listing, Report, measure};
use sinsang_identity::identity::whole_codes;
use sinsang_identity::label::Error;
use sinsang_identity::listing::Lexicon;
use sinsang_identity::verdict;

use crate::read::history::History;

/// Measures the products and verdicts of `history` on labelled `pairs` and `verdicts`. Listings are
/// judged as of the first broadcast that ends after `now`, or else as of their first of all.
///
/// # Errors
/// [`Error`] if a file of labels can't be read, or has no listing of the schedule.
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
        let Some((airing, _)) = history.judged_by(index, now) else { continue };
        let product = history.product_of(index);
        let past = histories.entry(product.id).or_insert_with(|| product.history(&history.catalogue, &history.likely));
        let listing = &history.entry(index).listing;
        let aired = history
            .likely
            .of(index)
            .iter()
            .filter(|likely| history.catalogue.airings[likely.airing].ends_at <= airing.starts_at);
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
    order.sort_by_key(|index| starts[*index]);
    for (place, index) in order.into_iter().enumerate() {
        listings[index].place = place;
    }
    listings
}
