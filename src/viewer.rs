//! Who asks: nobody in particular, or a user by the keyed hash under which packs know them.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The name of a user in packs: 64 bits of an HMAC-SHA256 of the app's user id. Whoever lacks the secret can't tell whose it is.
///
/// At ten million users, two share a key with a probability of 3 in a million (n²/2⁶⁵), and would then share tastes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub u64);

impl UserKey {
    /// The key that [`fmt::Display`] writes as `text`; `None` where it is not 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl fmt::Display for UserKey {
    /// 16 hexadecimal digits in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserKey({:016x})", self.0)
    }
}

/// Makes keys of user ids with the secret that pipeline and edge share.
#[derive(Clone)]
pub struct UserHasher(Hmac<Sha256>);

impl UserHasher {
    /// A hasher with `secret`, which may have any length but should have 32 bytes of entropy. `None` where it is empty.
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(Self)
    }

    /// The key of the viewer who has no token, on the device that is called `id`. No user id gives it unless it begins with `device:`.
    pub fn device(&self, id: &str) -> UserKey {
        self.of(&[b"device:", id.as_bytes()])
    }

    /// The key of `user_id`.
    pub fn key(&self, user_id: &str) -> UserKey {
        self.of(&[user_id.as_bytes()])
    }

    fn of(&self, parts: &[&[u8]]) -> UserKey {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        UserKey(digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
    }
}

impl fmt::Debug for UserHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHasher(secret)")
    }
}

/// Who a request is answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// No token: the shared order.
    Anonymous,
    /// A signed-in user.
    User(UserKey),
}

impl Viewer {
    /// The user's key.
    pub fn key(self) -> Option<UserKey> {
        match self {
            Self::Anonymous => None,
            Self::User(key) => Some(key),
        }
    }
}
