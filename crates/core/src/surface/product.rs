//! A product's page: its item, its broadcasts before, its lowest price, and products like it.

use super::schedule::write_channel;
use super::{View, append, card, new, write_array, write_number};

/// Appends the product at `index` with its background as a JSON object.
pub fn write(view: &View<'_>, index: usize, out: &mut Vec<u8>) {
    let board = view.board;
    let product = board.product(index);
    new::write_item(view, &product, out);
    let over = product.slots().map(|slot| board.slot(slot)).filter(|slot| slot.ends_at() <= view.now);
    let mut latest: Vec<_> = over.collect();
    latest.reverse();
    let (past, count) = product.past();
    out.extend_from_slice(b",\"past\":[");
    for slot in &latest {
        card::append_broadcast(slot.head_json(), out);
        out.extend_from_slice(b"},");
    }
    for one in &past {
        out.extend_from_slice(b"{\"channel\":");
        write_channel(view, one.channel.into(), out);
        let (starts_at, ends_at) = (one.starts_at.to_kst_rfc3339(), one.ends_at.to_kst_rfc3339());
        for part in [",\"starts_at\":\"", &starts_at, "\",\"ends_at\":\"", &ends_at, "\",\"price\":"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_price(one.price, out);
        out.extend_from_slice(b"},");
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.extend_from_slice(b"],\"past_count\":");
    write_number(latest.len().saturating_add(usize::try_from(count).unwrap_or(usize::MAX)), out);
    out.extend_from_slice(b",\"lowest_price\":");
    match product.lowest() {
        Some(lowest) => {
            out.extend_from_slice(b"{\"price\":");
            write_price(lowest.price, out);
            for part in [",\"at\":\"", &lowest.at.to_kst_rfc3339(), "\",\"channel\":"] {
                out.extend_from_slice(part.as_bytes());
            }
            write_channel(view, lowest.channel.into(), out);
            out.push(b'}');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"near\":");
    let mut near = product.near();
    near.retain(|other| board.product(*other).slots().any(|slot| board.slot(slot).ends_at() > view.now));
    write_items(&View { is_card: true, ..*view }, &near, out);
    out.push(b'}');
}

/// Appends the products at `indexes` as a JSON array, each with its broadcasts on air and to come.
pub fn write_items(view: &View<'_>, indexes: &[usize], out: &mut Vec<u8>) {
    let mut items = view.board.shared().items().try_lock().ok();
    write_array(indexes, out, |index, out| {
        let product = view.board.product(*index);
        if let Some(items) = &mut items {
            append(view, items, *index, out, |out| new::write_whole(view, &product, out));
        } else {
            new::write_whole(view, &product, out);
        }
    });
}

fn write_price(price: u32, out: &mut Vec<u8>) {
    if price == 0 { out.extend_from_slice(b"null") } else { write_number(price, out) }
}
