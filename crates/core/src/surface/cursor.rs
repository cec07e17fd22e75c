//! The place where a page ended, as an opaque text that is bound to the snapshot, the question and the viewer.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::pack::manifest::SnapshotId;
use crate::time::UnixMillis;

/// Of a list without a pulse; one with a pulse has its number besides. A list that is ordered by a context has that too, and a version two higher.
const VERSION: u8 = 1;
/// Bytes of a cursor before the number of a pulse, the context and the check.
const BYTES: usize = 26;
const PULSE_BYTES: usize = 4;
const CONTEXT_BYTES: usize = 2;
const CHECK_BYTES: usize = 4;
/// Longest text that is looked at.
pub const MAX_CURSOR_BYTES: usize = 64;

/// A place in a frozen list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The snapshot of the list.
    pub snapshot: SnapshotId,
    /// When the list was frozen, to the second.
    pub frozen_at: UnixMillis,
    /// Places passed so far.
    pub offset: u32,
    /// Identifies the question, the viewer and the variants that the viewer is in, from [`binding`].
    pub binding: u64,
    /// Whether the list is in the viewer's own order: its later pages must be too, and those of a shared order must not.
    pub is_personal: bool,
    /// The number of the pulse that the list is ordered by, 0 for none: its later pages are ordered by the same.
    pub pulse: u32,
    /// The context that the list is ordered by, where it is by one: the next request may come in another.
    pub context: Option<Context>,
}

/// A text that is no cursor, or a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl Cursor {
    /// The cursor as text, 40 to 48 characters that need no escaping in an address.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES.saturating_add(PULSE_BYTES + CONTEXT_BYTES + CHECK_BYTES));
        bytes.push(version(self.pulse != 0, self.context.is_some()));
        bytes.extend_from_slice(&self.snapshot.0.to_le_bytes());
        bytes.extend_from_slice(&self.frozen_at.to_seconds().to_le_bytes());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.binding.to_le_bytes());
        bytes.push(u8::from(self.is_personal));
        if self.pulse != 0 {
            bytes.extend_from_slice(&self.pulse.to_le_bytes());
        }
        if let Some(Context { region, device }) = self.context {
            bytes.extend_from_slice(&[region, device]);
        }
        bytes.extend_from_slice(&check(&bytes));
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// Reads a cursor. Whether its `binding` is that of who asks is for the caller to see.
    ///
    /// # Errors
    /// [`BadCursor`] where it is damaged.
    pub fn decode(text: &str) -> Result<Self, BadCursor> {
        if text.len() > MAX_CURSOR_BYTES {
            return Err(BadCursor);
        }
        let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| BadCursor)?;
        let (body, sum) =
            bytes.len().checked_sub(CHECK_BYTES).and_then(|at| bytes.split_at_checked(at)).ok_or(BadCursor)?;
        let rest = body.len().checked_sub(BYTES).ok_or(BadCursor)?;
        let has_pulse = rest & PULSE_BYTES != 0;
        let context = match body.split_last_chunk() {
            Some((_, &[region, device])) if rest & CONTEXT_BYTES != 0 => Some(Context { region, device }),
            _ => None,
        };
        let is_whole = rest & !(PULSE_BYTES | CONTEXT_BYTES) == 0;
        if !is_whole || body.first() != Some(&version(has_pulse, context.is_some())) || check(body) != sum {
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
            context,
        })
    }
}

fn version(has_pulse: bool, has_context: bool) -> u8 {
    VERSION.wrapping_add(u8::from(has_pulse)).wrapping_add(u8::from(has_context) << 1)
}

/// Guards against damage on the way, not against forgery: a made-up cursor only moves its maker about in a list that is theirs to see.
fn check(bytes: &[u8]) -> [u8; 4] {
    Sha256::digest(bytes).first_chunk().copied().unwrap_or_default()
}

/// Identifies a question and its asker by its `parts`.
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
            snapshot in any::<u64>(), seconds in any::<u32>(), offset in any::<u32>(), binding in any::<u64>(), is_personal in any::<bool>(), pulse in prop_oneof![Just(0), any::<u32>()], context in any::<Option<(u8, u8)>>(), place in 0_usize..40,
        ) {
            let cursor = Cursor { snapshot: SnapshotId(snapshot), frozen_at: UnixMillis::from_seconds(seconds), offset, binding, is_personal, pulse, context: context.map(|(region, device)| Context { region, device }) };
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
