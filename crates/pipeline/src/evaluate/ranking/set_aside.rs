//! Counts of the rows that an evaluation does without.

use std::fmt;

use serde::Serialize;

/// Rows of a table of acts that are set aside, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Rows without a user, an item or a time.
    pub incomplete: u64,
    /// Rows of a kind that events don't have.
    pub of_unknown_kind: u64,
    /// Rows of a kind that says no wish.
    pub of_no_wish: u64,
    /// Rows of devices without a signed-in user.
    pub of_devices: u64,
    /// Rows of no product, or of one that the schedule doesn't have.
    pub of_unknown_products: u64,
    /// Further rows of a user on an item in one order.
    pub repeated: u64,
    /// Rows of items that fewer users than the mapping's `least_users` acted on.
    pub of_rare_items: u64,
    /// Prices that are no numbers; the rows are kept without.
    pub unread_prices: u64,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = [
            (self.incomplete, "without a user, an item or a time"),
            (self.of_unknown_kind, "of an unknown kind"),
            (self.of_no_wish, "of a kind that says no wish"),
            (self.of_devices, "of devices without a signed-in user"),
            (self.of_unknown_products, "of no product of the schedule"),
            (self.repeated, "further ones of a user on an item in one order"),
            (self.of_rare_items, "of items with fewer users than least_users"),
            (self.unread_prices, "kept without a price that is no number"),
        ];
        let told: Vec<String> =
            reasons.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if told.is_empty() { f.write_str("no row set aside") } else { write!(f, "rows set aside: {}", told.join(", ")) }
    }
}
