//! The preview secret, and how often it may be guessed at: by an address, and by all of them together.
//!
//! What is counted are wrong guesses, and they are counted whatever limiter a deployment has. An isolate counts for itself; what that leaves
//! to somebody who reaches many of them is held by the secret's length.

use std::fmt;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::BadKey;
use crate::rate::Address;
use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Shortest preview secret, in bytes: 16 random letters and digits have 95 bits.
pub const MIN_SECRET_BYTES: usize = 16;
/// Longest guess that is looked at, in bytes.
const MAX_GUESS_BYTES: usize = 256;
/// Wrong guesses of an address at once, and how long it takes until it has one more.
const OF_ADDRESS: Allowance = Allowance { most: 10, every_ms: 6 * SECOND_MS };
/// The same of all addresses together.
const OF_ALL: Allowance = Allowance { most: 200, every_ms: SECOND_MS / 4 };
/// Addresses whose guesses are remembered. Of more the one that guessed least gives way, and [`OF_ALL`] bounds what it gains by that.
const MAX_ADDRESSES: usize = 128;
/// Addresses that are remembered for having sent the right secret: what others guess is nothing to them.
const MAX_RIGHT: usize = 8;

/// What somebody who sent a secret may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The secret is right.
    Right,
    /// The secret is wrong, or there is none.
    Wrong,
    /// Too many wrong ones came before: this one was not looked at.
    TooMany,
}

/// The secret that opens previews, by its hash.
pub struct PreviewSecret {
    hash: [u8; 32],
    /// Behind a lock only so that a configuration can be shared between threads; nobody waits for it.
    guesses: Mutex<Guesses>,
}

impl PreviewSecret {
    /// The secret `text`.
    ///
    /// # Errors
    /// [`BadKey::PreviewSecretTooShort`] where it is shorter than [`MIN_SECRET_BYTES`].
    pub fn new(text: &str) -> Result<Self, BadKey> {
        if text.len() < MIN_SECRET_BYTES {
            return Err(BadKey::PreviewSecretTooShort);
        }
        Ok(Self { hash: Sha256::digest(text).into(), guesses: Mutex::default() })
    }

    /// Whether `given`, which came from `address` at `now`, is the secret.
    ///
    /// Hashes are compared, in constant time, so that how long it takes tells neither how much of a guess is right nor how long the secret is.
    pub fn admit(&self, given: &str, address: Address, now: UnixMillis) -> Admission {
        // Nothing is done while it is locked that could fail or lock it again.
        let Ok(mut guesses) = self.guesses.try_lock() else { return Admission::TooMany };
        if !guesses.may_guess(address, now) {
            return Admission::TooMany;
        }
        let is_right = given.len() <= MAX_GUESS_BYTES && bool::from(Sha256::digest(given).ct_eq(&self.hash));
        if is_right {
            guesses.right(address);
            Admission::Right
        } else {
            guesses.wrong(address, now);
            Admission::Wrong
        }
    }
}

impl fmt::Debug for PreviewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreviewSecret(secret)")
    }
}

/// So many at once, and one more each time that so long has passed: a token bucket, kept as the time at which it is full again (GCRA).
#[derive(Clone, Copy)]
struct Allowance {
    most: i64,
    every_ms: i64,
}

impl Allowance {
    /// Whether one more may come at `now`, where the bucket is full again at `full_at`.
    fn has_one(self, full_at: UnixMillis, now: UnixMillis) -> bool {
        full_at.since(now) <= self.most.saturating_sub(1).saturating_mul(self.every_ms)
    }

    /// When it is full again, one more being taken at `now`.
    fn take(self, full_at: UnixMillis, now: UnixMillis) -> UnixMillis {
        full_at.max(now).plus(self.every_ms)
    }
}

/// Wrong guesses of late, and who guessed right.
struct Guesses {
    /// When each address may guess as if it never had.
    addresses: [(Address, UnixMillis); MAX_ADDRESSES],
    all: UnixMillis,
    right: [Address; MAX_RIGHT],
    /// The place of the next that is right.
    next: usize,
}

impl Default for Guesses {
    fn default() -> Self {
        let never = UnixMillis(i64::MIN);
        Self {
            addresses: [(Address::UNKNOWN, never); MAX_ADDRESSES],
            all: never,
            right: [Address::UNKNOWN; MAX_RIGHT],
            next: 0,
        }
    }
}

impl Guesses {
    fn may_guess(&self, address: Address, now: UnixMillis) -> bool {
        let own = self.addresses.iter().find(|(one, _)| *one == address);
        own.is_none_or(|(_, full_at)| OF_ADDRESS.has_one(*full_at, now))
            && (OF_ALL.has_one(self.all, now) || self.right.contains(&address))
    }

    fn wrong(&mut self, address: Address, now: UnixMillis) {
        self.all = OF_ALL.take(self.all, now);
        // Its own place, or that of whoever guessed least.
        let place =
            |(one, full_at): &&mut (Address, UnixMillis)| if *one == address { UnixMillis(i64::MIN) } else { *full_at };
        if let Some(entry) = self.addresses.iter_mut().min_by_key(place) {
            let full_at = if entry.0 == address { entry.1 } else { now };
            *entry = (address, OF_ADDRESS.take(full_at, now));
        }
    }

    fn right(&mut self, address: Address) {
        if !self.right.contains(&address) {
            self.next = self.next.wrapping_add(1) % MAX_RIGHT;
            if let Some(place) = self.right.get_mut(self.next) {
                *place = address;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "0123456789abcdef";

    fn secret() -> PreviewSecret {
        PreviewSecret::new(SECRET).unwrap()
    }

    /// One address for each number.
    fn from(number: u32) -> Address {
        Address::parse(Some(&std::net::Ipv4Addr::from_bits(number).to_string()))
    }

    #[test]
    fn a_secret_has_a_least_length_and_is_shown_nowhere() {
        assert_eq!(PreviewSecret::new(&SECRET[1..]).err(), Some(BadKey::PreviewSecretTooShort));
        assert_eq!(PreviewSecret::new("").err(), Some(BadKey::PreviewSecretTooShort));
        assert!(!format!("{:?}", secret()).contains(SECRET));
    }

    #[test]
    fn an_address_that_guesses_is_not_looked_at_until_time_has_passed_and_others_are() {
        let (secret, start) = (secret(), UnixMillis(1_000_000));
        let (one, other) = (from(1), from(2));
        for _ in 0..OF_ADDRESS.most {
            assert_eq!(secret.admit("wrong", one, start), Admission::Wrong);
        }
        for guess in ["wrong", SECRET] {
            assert_eq!(secret.admit(guess, one, start.plus(OF_ADDRESS.every_ms - 1)), Admission::TooMany, "{guess}");
        }
        assert_eq!(secret.admit(SECRET, other, start), Admission::Right);
        let later = start.plus(OF_ADDRESS.every_ms);
        assert_eq!(secret.admit(SECRET, one, later), Admission::Right, "nobody is locked out for good");
        assert_eq!(secret.admit(SECRET, one, later), Admission::Right, "what is right is not counted");
        assert_eq!(secret.admit("wrong", one, later), Admission::Wrong);
        assert_eq!(secret.admit("wrong", one, later), Admission::TooMany);
    }

    #[test]
    fn many_addresses_together_are_bounded_and_who_was_right_goes_on() {
        let (secret, start) = (secret(), UnixMillis(1_000_000));
        let operator = from(700_000);
        assert_eq!(secret.admit(SECRET, operator, start), Admission::Right);
        let looked_at = (0..100_000_u32).filter(|n| secret.admit("wrong", from(*n), start) == Admission::Wrong);
        assert_eq!(looked_at.count(), 200);
        assert_eq!(secret.admit(SECRET, operator, start), Admission::Right);
        assert_eq!(secret.admit(SECRET, from(700_001), start), Admission::TooMany);
        assert_eq!(secret.admit(SECRET, from(700_001), start.plus(SECOND_MS)), Admission::Right);
    }

    proptest! {
        /// Whoever guesses, from wherever, and whatever the clock does: what is looked at and what is remembered are bounded.
        #[test]
        fn guesses_are_bounded(steps in proptest::collection::vec((0_u32..600, -200_i64..500), 1..1_500)) {
            let secret = secret();
            let (mut now, mut least, mut most, mut wrong) = (UnixMillis(50_000), UnixMillis(50_000), UnixMillis(50_000), 0);
            for (address, step) in steps {
                now = now.plus(step);
                (least, most) = (least.min(now), most.max(now));
                wrong += i64::from(secret.admit("wrong", from(address), now) == Admission::Wrong);
            }
            // A clock that goes back gives nothing: the bucket is full at the time that it was.
            prop_assert!(wrong <= OF_ALL.most + most.since(least) / OF_ALL.every_ms + 1);
        }
    }
}
