//! A listing's data other than its title.

/// A listing's data other than its title.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// Price in won.
    pub price: Option<u32>,
    /// URL of its picture.
    pub image: Option<&'a str>,
    /// The shop; empty if unknown.
    pub shop: &'a str,
    /// The category given by the schedule.
    pub category: Option<&'a str>,
}
