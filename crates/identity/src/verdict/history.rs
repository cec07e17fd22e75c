//! What verdicts are judged by: a product's broadcasts, what may be one of them, and what a person said.

use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;

/// One broadcast of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Airing<'a> {
    /// Start of the slot.
    pub starts_at: UnixMillis,
    /// End of the slot.
    pub ends_at: UnixMillis,
    /// The shop.
    pub shop: &'a str,
    /// The shop's item code.
    pub listing_id: &'a str,
    /// The TV channel's name.
    pub channel: &'a str,
    /// The title as aired.
    pub title: &'a str,
}

impl<'a> Airing<'a> {
    /// By start; what starts together by all that can differ, so that the order of the broadcasts never shows.
    pub(super) fn order(&self) -> (UnixMillis, UnixMillis, [&'a str; 4]) {
        (self.starts_at, self.ends_at, [self.shop, self.listing_id, self.channel, self.title])
    }
}

/// An earlier listing of another product that may be the same thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likely<'a> {
    /// How likely it is, from 0 to 1, that it is.
    pub probability: f64,
    /// Its first broadcast.
    pub airing: Airing<'a>,
}

/// All that is known of a product's past and schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductHistory<'a> {
    /// All its broadcasts, of all its listings, in any order.
    pub airings: Vec<Airing<'a>>,
    /// The most reviews that any of its listings showed before or at its first broadcast; `None` where none said.
    pub review_count: Option<u32>,
    /// Earlier listings of other products that may be the same thing, in any order.
    pub likely: Vec<Likely<'a>>,
    /// What a person said of it.
    pub given: Option<GivenTo<'a>>,
}

/// A verdict that a person gave on listings of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenTo<'a> {
    /// The verdict.
    pub kind: VerdictKind,
    /// The listings, by shop and code.
    pub listings: Vec<(&'a str, &'a str)>,
}

impl<'a> ProductHistory<'a> {
    /// The broadcasts that count: where a person said that it is new or unknown, only those of the listings that this was said of. What aired
    /// before is then something else.
    pub fn counted(&self) -> impl Iterator<Item = &Airing<'a>> {
        let said_of =
            |airing: &Airing<'_>, given: &GivenTo<'_>| given.listings.contains(&(airing.shop, airing.listing_id));
        let given = self.given.as_ref().filter(|given| {
            given.kind != VerdictKind::Repeat && self.airings.iter().any(|airing| said_of(airing, given))
        });
        self.airings.iter().filter(move |airing| given.is_none_or(|given| said_of(airing, given)))
    }

    /// The earlier listing that it has most likely aired as by `now`.
    pub fn likeliest(&self, now: UnixMillis) -> Option<&Likely<'a>> {
        let aired = self.likely.iter().filter(|likely| likely.airing.ends_at <= now);
        aired.max_by(|a, b| {
            a.probability.total_cmp(&b.probability).then_with(|| b.airing.order().cmp(&a.airing.order()))
        })
    }
}
