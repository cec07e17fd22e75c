//! A product's history for its verdict: broadcasts, similar earlier listings, and a person's
//! verdict.

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
    /// The title when it aired.
    pub title: &'a str,
}

impl<'a> Airing<'a> {
    /// Sort key: start, then every other field, so that the result doesn't depend on input order.
    pub(super) fn order(&self) -> (UnixMillis, UnixMillis, [&'a str; 4]) {
        (self.starts_at, self.ends_at, [self.shop, self.listing_id, self.channel, self.title])
    }
}

/// An earlier listing of another product that may be the same thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likely<'a> {
    /// Probability, from 0 to 1, that it is the same thing.
    pub probability: f64,
    /// Its first broadcast.
    pub airing: Airing<'a>,
}

/// A product's known past and schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductHistory<'a> {
    /// All broadcasts of all its listings, in any order.
    pub airings: Vec<Airing<'a>>,
    /// The highest review count of its listings up to its first broadcast; `None` if none was
    /// given.
    pub review_count: Option<u32>,
    /// Earlier listings of other products that may be the same thing, in any order.
    pub likely: Vec<Likely<'a>>,
    /// A person's verdict on it.
    pub given: Option<GivenTo<'a>>,
}

/// A person's verdict on listings of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenTo<'a> {
    /// The verdict.
    pub kind: VerdictKind,
    /// The listings, by shop and code.
    pub listings: Vec<(&'a str, &'a str)>,
}

impl<'a> ProductHistory<'a> {
    /// The broadcasts that count: all of them or, if a person said new or unknown, only those of
    /// the listings that the verdict names, because the others must then be of something else.
    pub fn counted(&self) -> impl Iterator<Item = &Airing<'a>> {
        let said_of =
            |airing: &Airing<'_>, given: &GivenTo<'_>| given.listings.contains(&(airing.shop, airing.listing_id));
        let given = self.given.as_ref().filter(|given| {
            given.kind != VerdictKind::Repeat && self.airings.iter().any(|airing| said_of(airing, given))
        });
        self.airings.iter().filter(move |airing| given.is_none_or(|given| said_of(airing, given)))
    }

    /// The likeliest earlier listing that has aired by `now`.
    pub fn likeliest(&self, now: UnixMillis) -> Option<&Likely<'a>> {
        let aired = self.likely.iter().filter(|likely| likely.airing.ends_at <= now);
        aired.max_by(|a, b| {
            a.probability.total_cmp(&b.probability).then_with(|| b.airing.order().cmp(&a.airing.order()))
        })
    }
}
