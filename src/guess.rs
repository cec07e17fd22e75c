//! The preview secret, and rate limits on guessing it: for each address, and for all together.
//!
//! Only wrong guesses count, whichever limiter a deployment has. Each isolate counts separately;
//! against a guesser who reaches many isolates, the secret's length protects.

use std::fmt;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::BadKey;
use crate::rate::Address;
use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Shortest preview secret, in bytes: 16 random letters and digits have 95 bits.
pub const MIN_SECRET_BYTES: usize = 16;
/// Longest guess that is compared, in bytes.
const MAX_GUESS_BYTES: usize = 256;
/// Burst of wrong guesses of one address, and the time until it regains one.
const OF_ADDRESS: Allowance = Allowance { most: 10, every_ms: 6 * SECOND_MS };
/// The same for all addresses together.
const OF_ALL: Allowance = Allowance { most: 200, every_ms: SECOND_MS / 4 };
/// Addresses whose guesses are remembered. When full, the address that guessed least is replaced;
/// [`OF_ALL`] bounds its gain.
const MAX_ADDRESSES: usize = 128;
/// Addresses remembered for the right secret: other addresses' guesses don't lock them out.
const MAX_RIGHT: usize = 8;

/// The verdict on a given secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The secret is right.
    Right,
    /// The secret is wrong, or there is none.
    Wrong,
    /// Too many wrong guesses came before: this one was not compared.
    TooMany,
}

/// The secret that opens previews, stored as its hash.
pub struct PreviewSecret {
    hash: [u8; 32],
    /// The lock only makes a configuration shareable between threads; nobody waits for it.
    guesses: Mutex<Guesses>,
}

impl PreviewSecret {
    /// Takes the secret `text`.
    ///
    /// # Errors
    /// [`BadKey::PreviewSecretTooShort`] if it is shorter than [`MIN_SECRET_BYTES`].
    pub fn new(text: &str) -> Result<Self, BadKey> {
        if text.len() < MIN_SECRET_BYTES {
            return Err(BadKey::PreviewSecretTooShort);
        }
        Ok(Self { hash: Sha256::digest(text).into(), guesses: Mutex::default() })
    }

    /// Whether `given`, sent from `address` at `now`, is the secret.
    ///
    /// Hashes are compared in constant time: the duration reveals neither how much of a guess is
    /// right nor how long the secret is.
    pub fn admit(&self, given: &str, address: Address, now: UnixMillis) -> Admission {
        // The code under the lock neither fails nor locks again.
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

/// A token bucket of `most` that regains one every `every_ms`, stored as the time at which it is
/// full again (GCRA).
#[derive(Clone, Copy)]
struct Allowance {
    most: i64,
    every_ms: i64,
}

impl Allowance {
    /// Whether one may be taken at `now` from a bucket that is full again at `full_at`.
    fn has_one(self, full_at: UnixMillis, now: UnixMillis) -> bool {
        full_at.since(now) <= self.most.saturating_sub(1).saturating_mul(self.every_ms)
    }

    /// When the bucket is full again after one is taken at `now`.
    fn take(self, full_at: UnixMillis, now: UnixMillis) -> UnixMillis {
        full_at.max(now).plus(self.every_ms)
    }
}

/// Recent wrong guesses, and addresses that guessed right.
struct Guesses {
    /// For each address, the time at which its allowance is full again.
    addresses: [(Address, UnixMillis); MAX_ADDRESSES],
    all: UnixMillis,
    right: [Address; MAX_RIGHT],
    /// Index in `right` of the latest entry.
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
        // The address's own entry, or that of the address that guessed least.
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

    /// A distinct address for each number.
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
        /// For any guesses from any addresses, under any clock, the guesses compared are bounded.
        #[test]
        fn guesses_are_bounded(steps in proptest::collection::vec((0_u32..600, -200_i64..500), 1..1_500)) {
            let secret = secret();
            let (mut now, mut least, mut most, mut wrong) = (UnixMillis(50_000), UnixMillis(50_000), UnixMillis(50_000), 0);
            for (address, step) in steps {
                now = now.plus(step);
                (least, most) = (least.min(now), most.max(now));
                wrong += i64::from(secret.admit("wrong", from(address), now) == Admission::Wrong);
            }
            // A clock that goes back grants nothing: the bucket stays full at the same time.
            prop_assert!(wrong <= OF_ALL.most + most.since(least) / OF_ALL.every_ms + 1);
        }
    }
}
