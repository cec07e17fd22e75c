//! Items and broadcasts cut down to what a card shows, out of the JSON that a build has rendered.

use crate::json::opened::{find, listing};

/// The members of a product that a card leaves out, each with the member that follows it.
const LEFT_OUT: [(&[u8], &[u8]); 2] = [(b",\"brand\":", b",\"price\":"), (b",\"url\":", b"")];
/// The members that an overlay adds after the listings.
const ADDED: [&[u8]; 2] = [b",\"sold_out\":", b",\"note\":"];

/// Appends a product's opened JSON without brand, category, address and listings.
#[inline(never)]
pub(super) fn append_product(head: &[u8], out: &mut Vec<u8>) {
    let mut rest = head;
    for (name, next) in LEFT_OUT {
        let Some(from) = find(rest, name) else { break };
        let (kept, left_out) = rest.split_at_checked(from).unwrap_or_default();
        out.extend_from_slice(kept);
        let end =
            if next.is_empty() { ADDED.iter().find_map(|name| find(left_out, name)) } else { find(left_out, next) };
        rest = end.and_then(|end| left_out.get(end..)).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Appends a broadcast's opened JSON from its channel on, without shop and listing.
#[inline(never)]
pub(super) fn append_broadcast(head: &[u8], out: &mut Vec<u8>) {
    // The listing stands between the brace and the comma before the channel.
    let rest = head.get(listing(head).len().saturating_add(2)..).unwrap_or_default();
    out.push(b'{');
    out.extend_from_slice(rest);
}

/// The opening of a verdict's JSON object, up to its kind.
pub(super) fn kind(verdict: &[u8]) -> &[u8] {
    find(verdict, b",\"evidence\":").and_then(|end| verdict.get(..end)).unwrap_or(b"{\"kind\":\"unknown\"")
}
