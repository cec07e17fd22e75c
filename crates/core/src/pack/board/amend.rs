//! A board as operators' overlay leaves it: it shares the published bytes, and has slots, products,
//! candidates, times and directives of its own. So surfaces know nothing of overlays.
//!
//! It is loops over plain arrays rather than chains of iterators, which cost the Worker kilobytes.

use std::cmp::Reverse;

use super::{
    Board, CANDIDATES, FIRST_BROADCAST, HIDDEN, INDEX_BYTES, META, PRODUCT_SLOTS, PRODUCTS, SLOT_BYTES, SLOTS,
    SOLD_OUT, Span, TIMES, to_usize, u32_at,
};
use crate::audience::AudienceSet;
use crate::directive::{Deed, WHOLE};
use crate::json::opened::{self, find};
use crate::overlay::{Change, Entry, SlotKey, Subject, listing_key_of};
use crate::pack::mix::{ABOUT, DIRECTIVE_BYTES, DIRECTIVES, put_directive};
use crate::pack::{Damage, Pack};
use crate::rank::{Keyed, sort};
use crate::time::UnixMillis;
use crate::verdict::VerdictKind;

/// The member of products and broadcasts that are sold out.
const SOLD_OUT_JSON: &[u8] = b",\"sold_out\":true";

/// A slot that changes are made to.
#[derive(Clone, Copy)]
struct Slot {
    product: usize,
    starts_at: UnixMillis,
    ends_at: UnixMillis,
    channel: usize,
    is_first: bool,
    head: Span,
    is_gone: bool,
}

/// The changes to a product.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is set by a change of its own")]
struct Product<'e> {
    is_hidden: bool,
    is_sold_out: bool,
    price: Option<u32>,
    note: &'e str,
    /// Whether a listing of its own is hidden.
    lacks_listings: bool,
    /// Whether its first broadcast is its first one here, which the changes may alter.
    begins_here: bool,
    /// The times of its first broadcast, once they are found.
    first: Option<(UnixMillis, UnixMillis)>,
    has_next: bool,
    slots: u32,
    sold_out_slots: u32,
}

/// The board in progress.
struct Draft<'b, 'e> {
    board: &'b Board,
    text: Vec<u8>,
    slots: Vec<Slot>,
    products: Vec<Product<'e>>,
    /// Keys of listings, and what is done to them.
    listings: Vec<(u64, Change<'e>)>,
    directives: [Vec<u8>; 2],
}

impl Board {
    /// This board with the changes of `entries`, all of which stand at the same time, in their
    /// order: of two that contradict each other, the later one counts. What they say of products,
    /// channels and slots that are not on the board has no effect.
    ///
    /// # Errors
    /// [`Damage`] if the sections do not fit each other, which no overlay brings about.
    #[inline(never)]
    pub fn amended(&self, entries: &[Entry<'_>]) -> Result<Self, Damage> {
        let mut draft = Draft::of(self);
        for entry in entries {
            draft.take(entry);
        }
        draft.mark_slots();
        Self::of(draft.finish())
    }
}

impl<'b, 'e> Draft<'b, 'e> {
    fn of(board: &'b Board) -> Self {
        let mut slots = Vec::with_capacity(board.slot_count());
        for index in 0..board.slot_count() {
            let slot = board.slot(index);
            slots.push(Slot {
                product: slot.product(),
                starts_at: slot.starts_at(),
                ends_at: slot.ends_at(),
                channel: slot.channel(),
                is_first: slot.is_first_broadcast(),
                head: Span::at(slot.record, 16),
                is_gone: false,
            });
        }
        let all = |table: Option<_>| table.map_or_else(Vec::new, |table| board.pack.all(&table).to_vec());
        Self {
            board,
            text: Vec::new(),
            slots,
            products: vec![Product::default(); board.product_count()],
            listings: Vec::new(),
            directives: [all(board.mix.directives), all(board.mix.about)],
        }
    }

    /// Adds a text, and says where it is.
    #[inline(never)]
    fn put(&mut self, text: &[u8]) -> Span {
        let start = self.board.pack.text_end(&self.board.text).saturating_add(narrow(self.text.len()));
        self.text.extend_from_slice(text);
        Span { start, length: narrow(text.len()) }
    }

    /// The text at `span`: the board's or an added one.
    #[inline(never)]
    fn at(&self, span: Span) -> &[u8] {
        let pack = &self.board.pack;
        match span.start.checked_sub(pack.text_end(&self.board.text)) {
            None => pack.span(&self.board.text, span).unwrap_or_default(),
            Some(start) => {
                let start = to_usize(start);
                self.text.get(start..start.saturating_add(to_usize(span.length))).unwrap_or_default()
            }
        }
    }

    fn take(&mut self, entry: &Entry<'e>) {
        match entry.change {
            Change::Hide(Subject::Listing(key))
            | Change::SoldOut(Subject::Listing(key))
            | Change::Price(Subject::Listing(key), _) => self.listings.push((key, entry.change)),
            Change::Cancel(key) => {
                for index in self.matching(key) {
                    self.begin_anew(index);
                    if let Some(slot) = self.slots.get_mut(index) {
                        slot.is_gone = true;
                    }
                }
            }
            Change::Replace(key, with) => {
                let Some(index) = self.matching(key).next() else { return };
                self.begin_anew(index);
                let found = self.board.find_product(with.product).zip(self.board.find_channel(with.channel));
                let head = self.put(with.head.as_bytes());
                let Some(slot) = self.slots.get_mut(index) else { return };
                slot.is_gone = found.is_none();
                if let Some((product, channel)) = found {
                    let (starts_at, ends_at) = (with.starts_at, with.ends_at);
                    *slot = Slot { product, channel, starts_at, ends_at, head, is_first: false, is_gone: false };
                }
                // The product that takes over a slot may begin with it.
                self.begin_anew(index);
            }
            Change::Hide(Subject::Product(id))
            | Change::SoldOut(Subject::Product(id))
            | Change::Price(Subject::Product(id), _)
            | Change::Note(id, _)
            | Change::Direct(id, ..) => {
                let Some(index) = self.board.find_product(id) else { return };
                let Some(product) = self.products.get_mut(index) else { return };
                match entry.change {
                    Change::Hide(_) => product.is_hidden = true,
                    Change::SoldOut(_) => product.is_sold_out = true,
                    Change::Price(_, won) => product.price = Some(won),
                    Change::Note(_, note) => product.note = note,
                    Change::Direct(_, deed, surfaces, name) => self.direct(name, deed, surfaces, &[narrow(index)]),
                    _ => {}
                }
            }
        }
    }

    /// The indexes of the board's slots that `key` names.
    fn matching(&self, key: SlotKey<'_>) -> impl Iterator<Item = usize> + use<'b> {
        let board = self.board;
        let channel = board.find_channel(key.channel);
        let product = key.product.map(|id| board.find_product(id));
        let first = board.first_slot_after(key.starts_at.plus(-1));
        let end = board.first_slot_after(key.starts_at);
        (first..end).filter(move |index| {
            let slot = board.slot(*index);
            Some(slot.channel()) == channel && product.is_none_or(|product| product == Some(slot.product()))
        })
    }

    /// Notes that the first broadcast of a slot's product may be another one now. A first broadcast
    /// from before the board stays where it was.
    #[inline(never)]
    fn begin_anew(&mut self, index: usize) {
        let Some(slot) = self.slots.get(index) else { return };
        let on_board = self.board.product(slot.product);
        let is_here = on_board.slots().any(|slot| self.board.slot(slot).is_first_broadcast());
        if on_board.verdict() != VerdictKind::Repeat
            && (is_here || slot.starts_at < on_board.first_starts_at())
            && let Some(product) = self.products.get_mut(slot.product)
        {
            product.begins_here = true;
        }
    }

    /// Adds a directive for as long as this board stands.
    fn direct(&mut self, name: &str, deed: Deed, surfaces: u8, products: &[u32]) {
        let always = (UnixMillis(0), UnixMillis::from_seconds(u32::MAX));
        let name = bytes_of(self.put(name.as_bytes()));
        let [records, about] = &mut self.directives;
        put_directive(name, deed, (surfaces, WHOLE, AudienceSet::default()), always, products, [records, about]);
    }

    /// Hides, marks and prices the slots, by their products and listings.
    #[inline(never)]
    fn mark_slots(&mut self) {
        let mut keys: Vec<Keyed> = Vec::new();
        for (at, (key, _)) in self.listings.iter().enumerate() {
            keys.push((Reverse(key.cast_signed()), at));
        }
        sort(&mut keys);
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index).copied().filter(|slot| !slot.is_gone) else { continue };
            let Some(product) = self.products.get(slot.product) else { continue };
            let (is_hidden, mut is_sold_out, mut price) = (product.is_hidden, false, product.price);
            let mut lacks_listing = false;
            if !keys.is_empty() {
                let key = Reverse(listing_key_of(opened::listing(self.at(slot.head))).cast_signed());
                let first = keys.partition_point(|(known, _)| *known < key);
                for (known, at) in keys.get(first..).unwrap_or_default() {
                    if *known != key {
                        break;
                    }
                    match self.listings.get(*at) {
                        Some((_, Change::Hide(_))) => lacks_listing = true,
                        Some((_, Change::SoldOut(_))) => is_sold_out = true,
                        Some((_, Change::Price(_, won))) => price = Some(*won),
                        _ => {}
                    }
                }
            }
            let is_gone = is_hidden || lacks_listing;
            let mut head = slot.head;
            if is_gone {
                self.begin_anew(index);
            } else if is_sold_out || price.is_some() {
                let text = amended_head(self.at(head), price, is_sold_out, "");
                head = self.put(&text);
            }
            if let Some(slot) = self.slots.get_mut(index) {
                (slot.is_gone, slot.head) = (is_gone, head);
            }
            let Some(product) = self.products.get_mut(slot.product) else { continue };
            product.lacks_listings |= lacks_listing;
            if !is_gone {
                // As the build does, a product shows the price of its next broadcast.
                if !product.has_next && slot.ends_at > self.board.built_at() {
                    product.has_next = true;
                    product.price = product.price.or(price);
                }
                product.slots = product.slots.saturating_add(1);
                product.sold_out_slots = product.sold_out_slots.saturating_add(is_sold_out.into());
            }
        }
    }

    #[inline(never)]
    fn finish(mut self) -> Pack {
        let mut order: Vec<Keyed> = Vec::new();
        let mut meta = self.board.meta().to_vec();
        let mut longest = u32_at(&meta, 40);
        let mut times: Vec<Keyed> = Vec::new();
        for index in 0..self.board.times.count {
            times.push(earliest(self.board.time(index), 0));
        }
        for (index, slot) in self.slots.iter().enumerate().filter(|(_, slot)| !slot.is_gone) {
            order.push(earliest(slot.starts_at, index));
            times.extend([earliest(slot.starts_at, 0), earliest(slot.ends_at, 0)]);
            longest = longest.max(slot.ends_at.to_seconds().saturating_sub(slot.starts_at.to_seconds()));
        }
        sort(&mut order);
        sort(&mut times);
        times.dedup();
        let times = bytes(times.iter().map(|(Reverse(ms), _)| UnixMillis(ms.saturating_neg()).to_seconds()));
        let slots = self.put_slots(&order);
        let (products, lists) = self.put_products(&order);
        let candidates = self.candidates();
        overwrite(&mut meta, 40, &longest.to_le_bytes());
        let [directives, about] = self.directives;
        let sections = vec![
            (META, meta.len(), meta),
            (SLOTS, SLOT_BYTES, slots),
            (PRODUCT_SLOTS, INDEX_BYTES, lists),
            (PRODUCTS, self.board.products.stride, products),
            (CANDIDATES, INDEX_BYTES, candidates),
            (TIMES, INDEX_BYTES, times),
            (DIRECTIVES, DIRECTIVE_BYTES, directives),
            (ABOUT, INDEX_BYTES, about),
        ];
        self.board.pack.amended(self.text, sections)
    }

    /// The slots' records in their new order. Finds the products' first broadcasts.
    fn put_slots(&mut self, order: &[Keyed]) -> Vec<u8> {
        let mut records = Vec::new();
        for (_, index) in order {
            let Some(slot) = self.slots.get(*index) else { continue };
            let Some(product) = self.products.get_mut(slot.product) else { continue };
            let mut is_first = slot.is_first;
            if product.begins_here {
                is_first = product.first.is_none();
                product.first.get_or_insert((slot.starts_at, slot.ends_at));
            }
            let flags = u32::from(if is_first { FIRST_BROADCAST } else { 0 });
            let channel = narrow(slot.channel) | flags << 16;
            for number in [narrow(slot.product), slot.starts_at.to_seconds(), slot.ends_at.to_seconds(), channel] {
                records.extend_from_slice(&number.to_le_bytes());
            }
            records.extend_from_slice(&bytes_of(slot.head));
        }
        records
    }

    /// The products' records, and their slots' places.
    fn put_products(&mut self, order: &[Keyed]) -> (Vec<u8>, Vec<u8>) {
        let table = self.board.products;
        let mut records = self.board.pack.all(&table).to_vec();
        // Slots by product, then by start: an index into `order` for each.
        let mut own: Vec<Keyed> = Vec::new();
        for (place, (_, index)) in order.iter().enumerate() {
            let product = self.slots.get(*index).map_or(0, |slot| slot.product);
            own.push((Reverse(i64::try_from(product).unwrap_or(0).saturating_neg()), place));
        }
        sort(&mut own);
        let mut start = 0_u32;
        for index in 0..table.count {
            let Some(product) = self.products.get(index).copied() else { continue };
            let at = index.saturating_mul(table.stride);
            let mut set = |field: usize, bytes: &[u8]| overwrite(&mut records, at.saturating_add(field), bytes);
            set(40, &start.to_le_bytes());
            set(44, &u16::try_from(product.slots).unwrap_or(u16::MAX).to_le_bytes());
            start = start.saturating_add(product.slots);
            if let Some((starts_at, ends_at)) = product.first {
                set(32, &starts_at.to_seconds().to_le_bytes());
                set(36, &ends_at.to_seconds().to_le_bytes());
            }
            if let Some(price) = product.price {
                set(52, &price.to_le_bytes());
            }
            let is_sold_out = product.is_sold_out || (product.slots > 0 && product.slots == product.sold_out_slots);
            let is_hidden = product.is_hidden || (product.slots == 0 && product.lacks_listings);
            if let Some(flags) = records.get_mut(at.saturating_add(60)) {
                *flags |= if is_sold_out { SOLD_OUT } else { 0 } | if is_hidden { HIDDEN } else { 0 };
            }
            if is_sold_out || product.price.is_some() || !product.note.is_empty() || product.lacks_listings {
                let mut head = self.board.product(index).head_json().to_vec();
                if product.lacks_listings {
                    head = self.without_hidden(&head);
                }
                let head = amended_head(&head, product.price, is_sold_out, product.note);
                let span = bytes_of(self.put(&head));
                overwrite(&mut records, at.saturating_add(8), &span);
            }
        }
        (records, bytes(own.iter().map(|(_, place)| narrow(*place))))
    }

    /// A product's opened JSON without the listings that are hidden.
    fn without_hidden(&self, head: &[u8]) -> Vec<u8> {
        // No text holds these, as quotes in texts are escaped.
        const OPENS: &[u8] = b",\"listings\":[";
        const NEXT: &[u8] = b"},{\"";
        let Some(begin) = find(head, OPENS).map(|at| at.saturating_add(OPENS.len())) else { return head.to_vec() };
        let (opening, mut rest) = head.split_at_checked(begin).unwrap_or((head, b""));
        let mut out = opening.to_vec();
        while let [b'{', members @ ..] = rest {
            // An object ends before the next one, or before the list does.
            let end = find(members, NEXT).unwrap_or_else(|| members.len().saturating_sub(2));
            let (own, after) = members.split_at_checked(end).unwrap_or_default();
            let key = listing_key_of(own);
            if !self.listings.iter().any(|(hidden, change)| *hidden == key && matches!(change, Change::Hide(_))) {
                if out.len() > begin {
                    out.push(b',');
                }
                out.push(b'{');
                out.extend_from_slice(own);
                out.push(b'}');
            }
            rest = after.get(2..).unwrap_or_default();
        }
        out.push(b']');
        out
    }

    /// The candidates' records: products that may be new and still have a broadcast.
    fn candidates(&self) -> Vec<u8> {
        let mut found: Vec<Keyed> = Vec::new();
        for index in self.board.candidates() {
            if let Some(product) = self.products.get(index).filter(|product| product.slots > 0) {
                let first = product.first.map_or_else(|| self.board.product(index).first_starts_at(), |first| first.0);
                found.push(earliest(first, index));
            }
        }
        sort(&mut found);
        bytes(found.iter().map(|(_, index)| narrow(*index)))
    }
}

/// A key by which the earliest comes first.
fn earliest(time: UnixMillis, index: usize) -> Keyed {
    (Reverse(time.0.saturating_neg()), index)
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn bytes(numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn bytes_of(span: Span) -> [u8; 8] {
    (u64::from(span.start) | u64::from(span.length) << 32).to_le_bytes()
}

#[inline(never)]
fn overwrite(record: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = record.get_mut(at..at.saturating_add(bytes.len())) {
        field.copy_from_slice(bytes);
    }
}

/// An opened JSON object with another price, marked as sold out, and with a note if it is not
/// empty.
#[inline(never)]
fn amended_head(head: &[u8], price: Option<u32>, is_sold_out: bool, note: &str) -> Vec<u8> {
    let mut out = head.to_vec();
    if let Some(price) = price {
        let digits = itoa::Buffer::new().format(price).to_owned();
        replace_number(&mut out, b",\"price\":", |_| Some(&digits));
        // As in a build, the price before a discount is shown only if it is higher.
        let is_higher = |known: &str| known.parse().is_ok_and(|known: u32| known > price);
        replace_number(&mut out, b",\"list_price\":", |known| if is_higher(known) { None } else { Some("null") });
    }
    if is_sold_out {
        out.extend_from_slice(SOLD_OUT_JSON);
    }
    if !note.is_empty() {
        out.extend_from_slice(b",\"note\":");
        out.extend_from_slice(serde_json::to_string(note).unwrap_or_default().as_bytes());
    }
    out
}

/// Replaces the number, or null, that follows `name` in an opened JSON object, unless `by` keeps
/// it. The name with its comma and quotes occurs in no text, in which quotes are escaped.
fn replace_number<'n>(json: &mut Vec<u8>, name: &[u8], by: impl FnOnce(&str) -> Option<&'n str>) {
    let Some(from) = find(json, name).map(|at| at.saturating_add(name.len())) else { return };
    let (before, rest) = json.split_at_checked(from).unwrap_or_default();
    let length = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
    let (known, after) = rest.split_at_checked(length).unwrap_or_default();
    if let Some(new) = by(std::str::from_utf8(known).unwrap_or_default()) {
        *json = [before, new.as_bytes(), after].concat();
    }
}
