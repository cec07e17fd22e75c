//! The position where a page ended, as an opaque text bound to the snapshot, the query and the
//! viewer.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::audience::AudienceSet;
use crate::context::Context;
use crate::pack::manifest::SnapshotId;
use crate::time::UnixMillis;

/// The version of a cursor for a list without a pulse. A pulse's number adds 1, a context 2, an
/// overlay's revision with the audiences 4.
const VERSION: u8 = 1;
/// The size of a cursor in bytes, before the pulse's number, the context and the checksum.
const BYTES: usize = 26;
const PULSE_BYTES: usize = 4;
const CONTEXT_BYTES: usize = 2;
/// An overlay's revision and the audiences.
const OVERLAY_BYTES: usize = 8;
const CHECK_BYTES: usize = 4;
/// The longest text that is decoded, in bytes.
pub const MAX_CURSOR_BYTES: usize = 64;

/// A position in a frozen list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The snapshot of the list.
    pub snapshot: SnapshotId,
    /// When the list was frozen, in whole seconds.
    pub frozen_at: UnixMillis,
    /// The number of places passed so far.
    pub offset: u32,
    /// The [`binding`] of the query, the viewer and the viewer's variants.
    pub binding: u64,
    /// Whether the list is in the viewer's own order. Later pages must be personal too, or shared
    /// too.
    pub is_personal: bool,
    /// The number of the pulse that orders the list, 0 for none. Later pages use the same pulse.
    pub pulse: u32,
    /// The revision of the overlay that the list was frozen under, 0 for none.
    pub overlay: u32,
    /// The audiences that the viewer was in when the list was frozen.
    pub audiences: AudienceSet,
    /// The context that orders the list, if one does; the next request may come in another context.
    pub context: Option<Context>,
}

/// The error for a text that is not a cursor, or a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl Cursor {
    /// Encodes the cursor as 40 to 59 characters that need no escaping in an address.
    pub fn encode(&self) -> String {
        let mut bytes =
            Vec::with_capacity(BYTES.saturating_add(PULSE_BYTES + OVERLAY_BYTES + CONTEXT_BYTES + CHECK_BYTES));
        bytes.push(version(self.pulse != 0, self.context.is_some(), self.has_overlay()));
        bytes.extend_from_slice(&self.snapshot.0.to_le_bytes());
        bytes.extend_from_slice(&self.frozen_at.to_seconds().to_le_bytes());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.binding.to_le_bytes());
        bytes.push(u8::from(self.is_personal));
        if self.pulse != 0 {
            bytes.extend_from_slice(&self.pulse.to_le_bytes());
        }
        if self.has_overlay() {
            bytes.extend_from_slice(&self.overlay.to_le_bytes());
            bytes.extend_from_slice(&self.audiences.0.to_le_bytes());
        }
        if let Some(Context { region, device }) = self.context {
            bytes.extend_from_slice(&[region, device]);
        }
        bytes.extend_from_slice(&check(&bytes));
        Base64UrlUnpadded::encode_string(&bytes)
    }

    fn has_overlay(&self) -> bool {
        self.overlay != 0 || self.audiences.0 != 0
    }

    /// Decodes a cursor. The caller must check that its `binding` matches the request.
    ///
    /// # Errors
    /// [`BadCursor`] if the text is not a cursor or is damaged.
    pub fn decode(text: &str) -> Result<Self, BadCursor> {
        if text.len() > MAX_CURSOR_BYTES {
            return Err(BadCursor);
        }
        let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| BadCursor)?;
        let (body, sum) =
            bytes.len().checked_sub(CHECK_BYTES).and_then(|at| bytes.split_at_checked(at)).ok_or(BadCursor)?;
        let rest = body.len().checked_sub(BYTES).ok_or(BadCursor)?;
        let has_pulse = rest & PULSE_BYTES != 0;
        let has_overlay = rest & OVERLAY_BYTES != 0;
        let overlay_at = BYTES.saturating_add(if has_pulse { PULSE_BYTES } else { 0 });
        let context = match body.split_last_chunk() {
            Some((_, &[region, device])) if rest & CONTEXT_BYTES != 0 => Some(Context { region, device }),
            _ => None,
        };
        let is_whole = rest & !(PULSE_BYTES | OVERLAY_BYTES | CONTEXT_BYTES) == 0;
        if !is_whole || body.first() != Some(&version(has_pulse, context.is_some(), has_overlay)) || check(body) != sum
        {
            return Err(BadCursor);
        }
        let number = |at: usize| {
            body.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |part| u32::from_le_bytes(*part))
        };
        let long = |at: usize| {
            body.get(at..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |part| u64::from_le_bytes(*part))
        };
        Ok(Self {
            snapshot: SnapshotId(long(1)),
            frozen_at: UnixMillis::from_seconds(number(9)),
            offset: number(13),
            binding: long(17),
            is_personal: body.get(25) == Some(&1),
            pulse: if has_pulse { number(BYTES) } else { 0 },
            overlay: if has_overlay { number(overlay_at) } else { 0 },
            audiences: AudienceSet(if has_overlay { number(overlay_at.saturating_add(4)) } else { 0 }),
            context,
        })
    }
}

fn version(has_pulse: bool, has_context: bool, has_overlay: bool) -> u8 {
    let parts = u8::from(has_pulse) | u8::from(has_context) << 1 | u8::from(has_overlay) << 2;
    VERSION.wrapping_add(parts)
}

/// A checksum against damage in transit, not against forgery: a forged cursor moves within a list
/// that its maker may see anyway, or sees the places of another audience.
fn check(bytes: &[u8]) -> [u8; 4] {
    Sha256::digest(bytes).first_chunk().copied().unwrap_or_default()
}

/// A hash of the `parts` of a query and its viewer, each with its length.
pub fn binding(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_survives_the_way_and_damage_does_not(
            snapshot in any::<u64>(), seconds in any::<u32>(), offset in any::<u32>(), binding in any::<u64>(), is_personal in any::<bool>(), pulse in prop_oneof![Just(0), any::<u32>()], overlay in prop_oneof![Just(0), any::<u32>()], audiences in prop_oneof![Just(0), any::<u32>()], context in any::<Option<(u8, u8)>>(), place in 0_usize..40,
        ) {
            let cursor = Cursor { snapshot: SnapshotId(snapshot), frozen_at: UnixMillis::from_seconds(seconds), offset, binding, is_personal, pulse, overlay, audiences: AudienceSet(audiences), context: context.map(|(region, device)| Context { region, device }) };
            let text = cursor.encode();
            prop_assert_eq!(Cursor::decode(&text), Ok(cursor));
            let mut damaged = text.into_bytes();
            damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(Cursor::decode(&String::from_utf8(damaged).unwrap()), Err(BadCursor));
        }

        #[test]
        fn no_text_makes_decoding_panic(text in ".{0,80}") {
            prop_assert!(Cursor::decode(&text).is_err());
        }
    }
}
