//! The rows of the input tables once they are checked and repaired; `docs/input.md` is the contract they are read under.

use sinsang_core::event::EventKind;
use sinsang_core::time::UnixMillis;

/// One slot of a schedule: a listing on a channel for a time. Both the schedule to come and the whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The shop's own item code. Where a schedule gives none, `~` and 16 hex digits made from the title.
    pub listing_id: String,
    /// The shop that sells it; `listing_id` is unique within a shop only.
    pub shop: String,
    /// The TV channel's name.
    pub channel: String,
    /// The title as aired, decoration and all.
    pub title: String,
    /// `None` where the schedule gives none or a placeholder for "no brand".
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
    pub starts_at: UnixMillis,
    /// End of the slot; `None` until the schedule is repaired.
    pub ends_at: Option<UnixMillis>,
    /// Reviews the shop showed when the row was collected.
    pub review_count: Option<u32>,
    /// When the row was collected; of two rows for one slot the later one counts.
    pub collected_at: Option<UnixMillis>,
}

/// One thing a user did, with what it concerned: a listing (with its shop) or product, a tab, or a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who did it: the viewer's name where the table was read with a key or has it itself (16 hex digits of the keyed hash; `d` before them
    /// for a device), otherwise the app's id of the user in clear.
    pub user_id: String,
    /// When it happened.
    pub at: UnixMillis,
    /// What was done.
    pub kind: EventKind,
    /// The shop of `listing_id`; may be missing where listing ids are unique across shops.
    pub shop: Option<String>,
    /// The listing concerned.
    pub listing_id: Option<String>,
    /// The product concerned, as a build printed it: 16 hex digits.
    pub product_id: Option<String>,
    /// The tab concerned.
    pub tab_id: Option<String>,
    /// The channel concerned, by the name that `broadcasts` uses.
    pub channel: Option<String>,
    /// The Korean province that it came from: the two digits of its ISO 3166-2 code.
    pub region: Option<String>,
    /// The class of device that it came from, of [`sinsang_core::context::DEVICE_CLASSES`].
    pub device_class: Option<&'static str>,
}

/// One tab of the top bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab {
    /// The app's id of the tab.
    pub tab_id: String,
    /// What the app shows.
    pub label: String,
    /// Position in the shared order, from 0.
    pub position: u16,
    /// A pinned tab keeps its position for everyone.
    pub pinned: bool,
    /// Where the tab leads: an app route or an address.
    pub target: String,
}
