//! Cache of valid tokens, so that each signature is checked once. Its size is bounded, and an entry
//! is trusted only as far as it was checked.

use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserKey;

/// Tokens that share a place in the table; the least recently used one is evicted.
const WAYS: usize = 4;
/// Places in the table, a power of two.
const PLACES: usize = 1024;
/// Limit on the bytes of remembered tokens; beyond it the cache is emptied. A token has some 200
/// bytes, or some 1,000 with many claims.
pub const MAX_KNOWN_BYTES: usize = 2 * 1024 * 1024;

/// The result of checking a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The token's user.
    pub user: UserKey,
    /// The first instant at which the token is invalid, leeway included.
    pub until: UnixMillis,
}

struct Entry {
    hash: u64,
    token: Box<[u8]>,
    /// When it was checked: before that time it may be invalid.
    from: UnixMillis,
    finding: Finding,
}

/// Valid tokens with the results of their checks.
///
/// A token is looked up by a hash of all of it and then compared in full, in a time that does not
/// depend on where it differs. The hash only selects the place: a collision never makes a token
/// valid.
#[derive(Default)]
pub struct KnownTokens {
    places: Vec<Vec<Entry>>,
    bytes: usize,
}

impl KnownTokens {
    /// The result for `token`, if it is still valid at `now`.
    pub fn find(&mut self, token: &[u8], now: UnixMillis) -> Option<Finding> {
        let hash = hash(token);
        let ways = self.places.get_mut(place(hash))?;
        let at = ways.iter().position(|entry| entry.hash == hash && is_same(&entry.token, token))?;
        let entry = ways.get(at).filter(|entry| entry.from <= now && now < entry.finding.until)?;
        let finding = entry.finding;
        if at > 0 {
            let entry = ways.remove(at);
            ways.insert(0, entry);
        }
        Some(finding)
    }

    /// Remembers the result for `token`, checked at `now`.
    pub fn keep(&mut self, token: &[u8], finding: Finding, now: UnixMillis) {
        if self.bytes.saturating_add(token.len()) > MAX_KNOWN_BYTES {
            *self = Self::default();
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Vec::new);
        }
        let hash = hash(token);
        let Some(ways) = self.places.get_mut(place(hash)) else { return };
        let mut gone = 0;
        ways.retain(|entry| {
            let stays = entry.hash != hash && now < entry.finding.until;
            gone = if stays { gone } else { entry.token.len().saturating_add(gone) };
            stays
        });
        if ways.len() >= WAYS {
            gone = ways.pop().map_or(0, |entry| entry.token.len()).saturating_add(gone);
        }
        ways.insert(0, Entry { hash, token: token.into(), from: now, finding });
        self.bytes = self.bytes.saturating_sub(gone).saturating_add(token.len());
    }

    /// Bytes of remembered tokens.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether both are equal, in a time that depends only on their length: eight bytes at a time,
/// since a byte at a time takes a microsecond.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a_words.iter().zip(b_words).map(|(a, b)| u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b));
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| u64::from(a ^ b));
    let differences = words.fold(0, |all, one| all | one) | rest.fold(0, |all, one| all | one);
    // Keeps the optimiser from stopping at the first difference.
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

fn place(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % PLACES
}

/// A hash of `token` for the table: eight bytes at a time, multiplied and folded.
fn hash(token: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| (hash ^ word).rotate_left(23).wrapping_mul(FACTOR);
    let (words, rest) = token.as_chunks::<8>();
    let hash = words.iter().fold(FACTOR, |hash, word| fold(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| fold(hash, u64::from(*byte)));
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(user: u64, until: i64) -> Finding {
        Finding { user: UserKey(user), until: UnixMillis(until) }
    }

    #[test]
    fn a_token_is_known_from_when_it_was_checked_until_it_holds_no_more() {
        let mut known = KnownTokens::default();
        let at = UnixMillis;
        assert_eq!(known.find(b"a.b.c", at(10)), None);
        known.keep(b"a.b.c", finding(1, 20), at(10));
        assert_eq!(known.find(b"a.b.c", at(10)), Some(finding(1, 20)));
        assert_eq!(known.find(b"a.b.c", at(19)), Some(finding(1, 20)));
        assert_eq!(known.find(b"a.b.c", at(20)), None, "it has run out");
        assert_eq!(known.find(b"a.b.c", at(9)), None, "a clock that goes back proves nothing");
        for other in [&b"a.b.d"[..], b"a.b.", b"a.b.cc", b""] {
            assert_eq!(known.find(other, at(10)), None);
        }
    }

    #[test]
    fn a_token_with_the_hash_of_another_is_not_believed() {
        let mut known = KnownTokens::default();
        known.keep(b"12345678good", finding(1, 20), UnixMillis(0));
        let hash = hash(b"12345678good");
        for ways in &mut known.places {
            for entry in ways {
                entry.token = (*b"12345678evil").into();
            }
        }
        assert!(known.places[place(hash)].iter().any(|entry| entry.hash == hash));
        assert_eq!(known.find(b"12345678good", UnixMillis(1)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_latest_stay() {
        let mut known = KnownTokens::default();
        let token = |number: u32| format!("{number:0>900}");
        for number in 0..20_000 {
            known.keep(token(number).as_bytes(), finding(number.into(), i64::MAX), UnixMillis(0));
            assert!(known.bytes() <= MAX_KNOWN_BYTES);
            assert_eq!(
                known.find(token(number).as_bytes(), UnixMillis(1)).map(|found| found.user.0),
                Some(number.into())
            );
        }
        let counted: usize = known.places.iter().flatten().map(|entry| entry.token.len()).sum();
        assert_eq!(counted, known.bytes());
        assert!(known.places.iter().all(|ways| ways.len() <= WAYS));
        let few: Vec<u32> =
            (0..1024).filter(|number| known.find(token(20_000 + number).as_bytes(), UnixMillis(1)).is_some()).collect();
        assert!(few.is_empty());
    }
}
