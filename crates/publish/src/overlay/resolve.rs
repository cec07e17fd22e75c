//! Statements against the live board: what they mean there, what they touch, and what is wrong with
//! them.

use std::collections::BTreeMap;

use sinsang_core::overlay::{NOTE_CHARS, Subject, listing_key};
use sinsang_core::pack::board::{Board, Slot, product_id};
use sinsang_core::pack::board_write::{ChannelPart, ListingPart, SlotPart, open_slot};
use sinsang_core::time::{DAY_MS, UnixMillis};

use super::log::{Row, slot, subject};
use super::statement::{Deed, MOST_DAYS, Statement, time};

/// The most a broadcast may last, in milliseconds.
const LONGEST_MS: i64 = DAY_MS;
/// How long the change of a broadcast outlasts it if no end is said: longer than any board shows
/// it.
const AFTER_SLOT_MS: i64 = 2 * DAY_MS;
/// Places of lists that may be pinned.
const MOST_PLACE: u16 = 40;

/// The live board, with the slots of each listing by its key: a feed names thousands.
pub(super) struct Live {
    pub(super) board: Board,
    listings: BTreeMap<u64, Vec<usize>>,
}

impl Live {
    pub(super) fn of(board: Board) -> Self {
        let mut listings: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for index in 0..board.slot_count() {
            let ListingPart { shop, listing_id } = listing_of(&board.slot(index));
            listings.entry(listing_key(&shop, &listing_id)).or_default().push(index);
        }
        Self { board, listings }
    }
}

/// A statement that the board confirms, with all that it left open filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) statement: Statement,
    pub(super) title: String,
    pub(super) head: Option<String>,
    pub(super) of: Vec<Row>,
    pub(super) to: Option<Row>,
    /// What it touches, for its author.
    pub(super) touches: String,
}

/// What `statement` means at `now` on the live board.
///
/// # Errors
/// What is wrong with it, for its author.
pub(super) fn resolve(mut statement: Statement, live: &Live, now: UnixMillis) -> Result<Resolved, String> {
    let from = if statement.from.is_empty() { now.floor(1_000) } else { time("from", &statement.from, now)? };
    for (name, text) in [
        ("starts_at", &mut statement.starts_at),
        ("to_starts_at", &mut statement.to_starts_at),
        ("to_ends_at", &mut statement.to_ends_at),
    ] {
        if let Some(text) = text {
            *text = time(name, text, now)?.to_string();
        }
    }
    let found = if statement.deed.is_of_slots() {
        of_slot(&mut statement, &live.board)?
    } else {
        of_product(&statement, live, now)?
    };
    let until = match (statement.until.as_str(), found.ends_at) {
        ("", None) => {
            return Err(format!("`until` is missing: a time at most {MOST_DAYS} days ahead, such as 6h or 2d"));
        }
        ("", Some(ends_at)) => ends_at.plus(AFTER_SLOT_MS),
        (text, _) => time("until", text, now)?,
    };
    if until <= from {
        return Err(format!("it ends at {until}, not after its begin at {from}"));
    }
    if until <= now {
        return Err(format!("it ended at {until}, before now"));
    }
    if until.since(now) > MOST_DAYS * DAY_MS {
        return Err(format!(
            "it ends at {until}, more than {MOST_DAYS} days ahead: what lasts longer belongs into rules or tables"
        ));
    }
    (statement.from, statement.until) = (from.to_string(), until.to_string());
    let Found { title, head, of, to, touches, .. } = found;
    Ok(Resolved { statement, title, head, of, to, touches })
}

/// What a statement names on the board.
struct Found {
    title: String,
    head: Option<String>,
    of: Vec<Row>,
    to: Option<Row>,
    touches: String,
    /// When the broadcast ends that it is about, before or after the change.
    ends_at: Option<UnixMillis>,
}

fn of_product(statement: &Statement, live: &Live, now: UnixMillis) -> Result<Found, String> {
    let board = &live.board;
    if let Some(text) = &statement.product
        && product_id(text).is_none()
    {
        return Err(format!("product '{text}' is no id: expected 16 hex digits, as answers show them"));
    }
    let (indexes, slots): (Vec<usize>, Vec<usize>) = match subject(statement) {
        Some(Subject::Product(id)) => {
            let index = board.find_product(id).ok_or_else(|| unknown_product(id))?;
            (vec![index], board.product(index).slots().collect())
        }
        Some(Subject::Listing(key)) => {
            let Some(slots) = live.listings.get(&key) else {
                let (shop, code) = (&statement.shop, &statement.listing_id);
                let [shop, code] = [shop, code].map(|text| text.as_deref().unwrap_or_default());
                return Err(format!("no broadcast of the live board sells listing {code} of {shop}"));
            };
            let mut indexes: Vec<usize> = slots.iter().map(|slot| board.slot(*slot).product()).collect();
            indexes.sort_unstable();
            indexes.dedup();
            (indexes, slots.clone())
        }
        None => return Err("it names neither a product nor a listing".to_owned()),
    };
    check_values(statement)?;
    let title = indexes.first().map_or_else(String::new, |index| title_of(board, *index));
    let coming: Vec<Slot<'_>> =
        slots.iter().map(|slot| board.slot(*slot)).filter(|slot| slot.ends_at() > now).collect();
    let next = coming.first().map_or_else(String::new, |slot| {
        format!(", the next on {} at {}", board.channel_id(slot.channel()), slot.starts_at())
    });
    let touches = format!("'{title}': {} broadcasts to come{next}", coming.len());
    Ok(Found { title, head: None, of: Vec::new(), to: None, touches, ends_at: None })
}

fn unknown_product(id: u64) -> String {
    format!("product {id:016x} is not on the live board: nothing of it can be shown")
}

fn check_values(statement: &Statement) -> Result<(), String> {
    if let Some(text) = &statement.text {
        let count = text.chars().count();
        if !(1..=NOTE_CHARS).contains(&count) || text.chars().any(char::is_control) {
            return Err(format!("text is 1 to {NOTE_CHARS} characters without line breaks, and this is {count}"));
        }
    }
    if let Some(place) = statement.place.filter(|place| !(1..=MOST_PLACE).contains(place)) {
        return Err(format!("place {place} is not from 1 to {MOST_PLACE}"));
    }
    if let Some(points) = statement.points.filter(|points| *points <= 0) {
        return Err(format!("points are above 0, not {points}: boost adds them, bury takes them"));
    }
    if statement.price == Some(0) {
        return Err("price is 0: name the price in won".to_owned());
    }
    statement.surfaces().map(|_| ())
}

fn of_slot(statement: &mut Statement, board: &Board) -> Result<Found, String> {
    let key = slot(statement).ok_or("product is no id: expected 16 hex digits, as answers show them")?;
    if board.find_channel(key.channel).is_none() {
        let known: Vec<&str> = (0..board.channel_count()).map(|index| board.channel_id(index)).collect();
        return Err(format!("channel '{}' is none of {}", key.channel, known.join(", ")));
    }
    let same_time: Vec<Slot<'_>> = (0..board.slot_count())
        .map(|index| board.slot(index))
        .filter(|slot| slot.starts_at() == key.starts_at && board.channel_id(slot.channel()) == key.channel)
        .collect();
    let of_key = |slot: &&Slot<'_>| key.product.is_none_or(|id| board.product(slot.product()).id() == id);
    let matching: Vec<Slot<'_>> = same_time.iter().filter(of_key).copied().collect();
    let Some(slot) = matching.first() else {
        let what = match (key.product, same_time.len()) {
            (Some(id), 1..) => format!("sells product {id:016x} then"),
            _ => "starts then".to_owned(),
        };
        return Err(format!("no broadcast of the live board on {} at {} {what}", key.channel, key.starts_at));
    };
    if matching.len() > 1 && statement.deed != Deed::Cancel {
        let ids: Vec<String> =
            matching.iter().map(|slot| format!("{:016x}", board.product(slot.product()).id())).collect();
        return Err(format!("{} products are sold then: name one of {} as `product`", ids.len(), ids.join(", ")));
    }
    let title = title_of(board, slot.product());
    let was = format!("{} {} to {} '{title}'", key.channel, slot.starts_at(), slot.ends_at());
    if statement.deed == Deed::Cancel {
        let ends_at = matching.iter().map(Slot::ends_at).max();
        let more = if matching.len() > 1 { format!(" and {} more", matching.len() - 1) } else { String::new() };
        let of = matching.iter().map(|slot| row_of(board, slot)).collect();
        return Ok(Found { title, head: None, of, to: None, touches: format!("{was}{more}"), ends_at });
    }
    check_values(statement)?;
    let with = replacement(statement, board, slot)?;
    let channel = channel_part(board, slot, usize::from(with.channel));
    let head = open_slot(&with, &channel);
    let product = board.product(slot.product()).id();
    statement.product = Some(format!("{product:016x}"));
    statement.to_starts_at = Some(with.starts_at.to_string());
    statement.to_ends_at = Some(with.ends_at.to_string());
    statement.to_channel = Some(channel.id.clone());
    statement.to_product = Some(format!("{:016x}", with.product));
    let to = board.find_product(with.product).map_or_else(String::new, |index| title_of(board, index));
    let touches = format!("{was}, now {} {} to {} '{to}'", channel.id, with.starts_at, with.ends_at);
    let row = Row { channel: channel.name, shop: with.listing.shop, listing_id: with.listing.listing_id };
    let ends_at = Some(slot.ends_at().max(with.ends_at));
    Ok(Found { title, head: Some(head), of: vec![row_of(board, slot)], to: Some(row), touches, ends_at })
}

/// The slot as the table of broadcasts names it.
fn row_of(board: &Board, slot: &Slot<'_>) -> Row {
    let listing = listing_of(slot);
    let channel = channel_part(board, slot, slot.channel()).name;
    Row { channel, shop: listing.shop, listing_id: listing.listing_id }
}

/// The broadcast in place of `slot`.
fn replacement(statement: &Statement, board: &Board, slot: &Slot<'_>) -> Result<SlotPart, String> {
    let at = |text: &Option<String>| text.as_deref().and_then(UnixMillis::parse_rfc3339);
    let starts_at = at(&statement.to_starts_at).unwrap_or_else(|| slot.starts_at());
    let moved_ms = starts_at.since(slot.starts_at());
    let ends_at = at(&statement.to_ends_at).unwrap_or_else(|| slot.ends_at().plus(moved_ms));
    if !(1..=LONGEST_MS).contains(&ends_at.since(starts_at)) {
        return Err(format!("it would last from {starts_at} to {ends_at}: a broadcast lasts at most a day"));
    }
    let channel = match &statement.to_channel {
        None => slot.channel(),
        Some(id) => {
            board.find_channel(id).ok_or_else(|| format!("to_channel '{id}' is no channel of the live board"))?
        }
    };
    let own = listing_of(slot);
    let was = board.product(slot.product()).id();
    let price = price_in(slot.head_json());
    let (product, listing, price) = match &statement.to_product {
        None => (was, own, price),
        Some(text) => {
            let id = product_id(text).ok_or_else(|| format!("to_product '{text}' is no id"))?;
            let index = board.find_product(id).ok_or_else(|| unknown_product(id))?;
            let listings = listings_of(board.product(index).head_json());
            // A shop sells its own listing, if it has one.
            let of_shop = listings.iter().find(|listing| listing.shop == own.shop);
            let listing = of_shop.or(listings.first()).cloned().ok_or("that product has no listing on the board")?;
            (id, listing, statement.price.or_else(|| board.product(index).price()))
        }
    };
    let narrow = u16::try_from(channel).map_err(|_| "too many channels".to_owned())?;
    Ok(SlotPart { product, channel: narrow, starts_at, ends_at, listing, price })
}

/// A slot's listing.
fn listing_of(slot: &Slot<'_>) -> ListingPart {
    listing(&serde_json::from_slice(&[slot.head_json(), b"}"].concat()).unwrap_or_default())
}

fn listing(object: &serde_json::Value) -> ListingPart {
    let of = |name: &str| object.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    ListingPart { shop: of("shop"), listing_id: of("listing_id") }
}

/// A member of an opened JSON object.
fn member(head: &[u8], name: &str) -> Option<serde_json::Value> {
    let whole = [head, b"}"].concat();
    serde_json::from_slice::<serde_json::Value>(&whole).ok()?.get_mut(name).map(serde_json::Value::take)
}

fn price_in(head: &[u8]) -> Option<u32> {
    member(head, "price")?.as_u64().and_then(|price| u32::try_from(price).ok())
}

fn listings_of(head: &[u8]) -> Vec<ListingPart> {
    let list = member(head, "listings");
    let list = list.as_ref().and_then(serde_json::Value::as_array);
    list.into_iter().flatten().map(listing).collect()
}

fn title_of(board: &Board, index: usize) -> String {
    let title = member(board.product(index).head_json(), "title");
    title.and_then(|title| title.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The channel at `index` as answers name it: by another slot's JSON, or by its id alone.
fn channel_part(board: &Board, slot: &Slot<'_>, index: usize) -> ChannelPart {
    let slots = std::iter::once(*slot).chain((0..board.slot_count()).map(|slot| board.slot(slot)));
    let name = slots.filter(|slot| slot.channel() == index).find_map(|slot| {
        let channel = member(slot.head_json(), "channel")?;
        channel.get("name")?.as_str().map(str::to_owned)
    });
    let id = board.channel_id(index).to_owned();
    ChannelPart { name: name.unwrap_or_else(|| id.clone()), id, shop: String::new() }
}
