//! The surfaces of the app whose order operators may change, each by its name.

/// Surfaces that directives are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// The new-product tab.
    New,
    /// The live order.
    Live,
}

impl Surface {
    /// Its bit in packs.
    pub fn bit(self) -> u8 {
        match self {
            Self::New => 1,
            Self::Live => 2,
        }
    }
}
