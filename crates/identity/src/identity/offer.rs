//! What is known of an offer beside its title.

/// An offer beside its title.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// Price in won.
    pub price: Option<u32>,
    /// Address of its picture.
    pub image: Option<&'a str>,
    /// The shop; empty where it is not known.
    pub shop: &'a str,
    /// The schedule's own category.
    pub category: Option<&'a str>,
}
