//! The rows of the input tables, each field declared once: what reads, stages and writes a table
//! follows. `docs/input.md` is the contract.

use sinsang_core::event::EventKind;
use sinsang_core::time::UnixMillis;

use crate::row::row;

row! {
    /// One slot of a schedule: a listing on a channel for a time. Both the schedule to come and the
    /// whole history.
    ///
    /// A checked row has a code and times; [`BroadcastText`] has them as schedules spell them.
    #[derive(Default)]
    pub struct Broadcast<Code = String, At = UnixMillis> {
        /// The shop's own item code. If the schedule has none, `~` and 16 hex digits made from the
        /// title.
        pub listing_id: Code,
        /// The selling shop; `listing_id` is unique only within a shop.
        pub shop: String,
        /// The TV channel's name.
        pub channel: String,
        /// The title as aired, with its decoration.
        pub title: String,
        /// The brand; `None` if the schedule has none or a placeholder for "no brand".
        pub brand: Option<String>,
        /// The schedule's own category name.
        pub category: Option<String>,
        /// Price in won, above 0.
        pub price: Option<u32>,
        /// Price before the discount in won, above 0.
        pub list_price: Option<u32>,
        /// Address of a picture.
        pub image: Option<String>,
        /// Address of the item's page.
        pub url: Option<String>,
        /// Start of the slot.
        pub starts_at: At,
        /// End of the slot; `None` until the schedule is repaired.
        pub ends_at: Option<At>,
        /// Number of reviews that the shop showed when the row was collected.
        pub review_count: Option<u32>,
        /// When the row was collected; of two rows for one slot the later one counts.
        pub collected_at: Option<At>,
    }
}

/// A row of `broadcasts` as a shop's schedule spells it: its code may be missing, texts may be
/// placeholders, and times are written in ways that are still to be repaired.
pub type BroadcastText = Broadcast<Option<String>, String>;

row! {
    /// One action of a user on a listing (with its shop), a product, a tab or a channel.
    pub struct Event {
        /// The user: the viewer's name if the table was read with a key or contains it (16 hex
        /// digits of the keyed hash; `d` before them for a device), otherwise the app's user id in
        /// clear.
        pub user_id: String,
        /// Time of the event.
        pub at: UnixMillis,
        /// The kind of action.
        pub kind: EventKind,
        /// The shop of `listing_id`; may be missing if listing ids are unique across shops.
        pub shop: Option<String>,
        /// The listing.
        pub listing_id: Option<String>,
        /// The product, as a build printed it: 16 hex digits.
        pub product_id: Option<String>,
        /// The tab.
        pub tab_id: Option<String>,
        /// The channel, by the name used in `broadcasts`.
        pub channel: Option<String>,
        /// The user's Korean province: the two digits of its ISO 3166-2 code.
        pub region: Option<String>,
        /// The class of the user's device, one of [`sinsang_core::context::DEVICE_CLASSES`].
        pub device_class: Option<&'static str>,
        /// The amount of a purchase in won, at most [`sinsang_core::event::AMOUNT_MAX`].
        pub amount: Option<u32>,
    }
}

row! {
    /// One tab of the top bar.
    pub struct Tab {
        /// The app's id of the tab.
        pub tab_id: String,
        /// The text that the app shows.
        pub label: String,
        /// Position in the shared order, from 0.
        pub position: u16,
        /// A pinned tab keeps its position for everyone.
        pub pinned: bool,
        /// The tab's target: an app route or an address.
        pub target: String,
    }
}
