//! Viewers: anonymous, or known by the keyed hash that packs store.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::text::is_token;

/// A user's name in packs: 64 bits of an HMAC-SHA256 of the app's user id. Without the secret,
/// nobody can tell whose it is.
///
/// Among ten million users, the probability that two share a key, and thus tastes, is 3 in a
/// million (n²/2⁶⁵).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub u64);

impl UserKey {
    /// Parses 16 hexadecimal digits, the form that [`fmt::Display`] writes; `None` for anything
    /// else.
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

/// Whether `name` is a pseudonymous viewer name: a user's key as 16 lower-case hexadecimal digits,
/// or `d` and the 16 digits of a device's key.
pub fn is_viewer_name(name: &str) -> bool {
    let digits = device_of(name).unwrap_or(name);
    digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The digits of the key in a device's viewer name; `None` for a user's name, which may also begin
/// with `d`.
pub fn device_of(name: &str) -> Option<&str> {
    name.strip_prefix('d').filter(|digits| digits.len() == 16)
}

/// A device id sent by an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceId<'a> {
    /// An id that identifies one device.
    Of(&'a str),
    /// A placeholder from a platform that gives no id: all digits alike, for example
    /// `00000000-0000-0000-0000-000000000000` from iOS without consent, or an id shared by whole
    /// makes of phones. Its sender is anonymous.
    Nobody,
}

impl<'a> DeviceId<'a> {
    /// The Android id that phones of several makers share (Android's issue 10603).
    const SHARED: &'static str = "9774d56d682e549c";

    /// Parses a device id; `None` if it is not 16 to 64 of `A-Za-z0-9_-`.
    pub fn parse(id: &'a str) -> Option<Self> {
        if !is_token(id, 16..=64) {
            return None;
        }
        let mut digits = id.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        let first = digits.next();
        let is_blank = digits.all(|digit| Some(digit) == first);
        Some(if is_blank || id.eq_ignore_ascii_case(Self::SHARED) { Self::Nobody } else { Self::Of(id) })
    }

    /// The id, unless it is a placeholder.
    pub fn id(self) -> Option<&'a str> {
        match self {
            Self::Of(id) => Some(id),
            Self::Nobody => None,
        }
    }
}

/// A viewer name in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewerName {
    /// A signed-in user: 16 hexadecimal digits, the first of which may be `d`.
    User(UserKey),
    /// A device without a token: `d` and 16 hexadecimal digits.
    Device(UserKey),
}

impl ViewerName {
    /// The viewer named `text`; `None` if the name is invalid.
    pub fn parse(text: &str) -> Option<Self> {
        match device_of(text) {
            Some(digits) => UserKey::parse(digits).map(Self::Device),
            None => UserKey::parse(text).map(Self::User),
        }
    }
}

impl fmt::Display for ViewerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(key) => key.fmt(f),
            Self::Device(key) => write!(f, "d{key}"),
        }
    }
}

/// Computes keys from user ids, with the secret that the pipeline and the edge share.
#[derive(Clone)]
pub struct UserHasher(Hmac<Sha256>);

impl UserHasher {
    /// A hasher with `secret`, of any length but ideally with 32 bytes of entropy. `None` if it is
    /// empty.
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(Self)
    }

    /// The key of a viewer without a token on the device `id`. It equals no user's key, unless that
    /// user's id begins with `device:`.
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

/// The viewer that a request is answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A viewer without a token, who gets the shared order.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_whose_id_tells_it_from_others() {
        let long = "x0".repeat(33);
        for id in [&long[..16], &long[..64], "0123456789abcdef-_AZ", "00000000-0000-0000-0000-000000000001"] {
            assert_eq!(DeviceId::parse(id).and_then(DeviceId::id), Some(id));
        }
        for id in ["", &long[..15], &long, "0123456789abcde ", "0123456789abcdé"] {
            assert_eq!(DeviceId::parse(id), None, "{id}");
        }
        for id in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-FFFF-ffff-ffff-ffffffffffff",
            "xxxxxxxxxxxxxxxx",
            "----------------",
            "9774D56D682E549C",
        ] {
            assert_eq!(DeviceId::parse(id), Some(DeviceId::Nobody), "{id}");
        }
    }

    #[test]
    fn a_name_is_a_users_key_or_a_devices() {
        assert_eq!(device_of("dd123456789abcdef"), Some("d123456789abcdef"));
        assert_eq!(device_of("d123456789abcdef"), None, "a user's, whose first digit is a d");
        for name in ["0123456789abcdef", "d123456789abcdef", "dd123456789abcdef"] {
            assert!(is_viewer_name(name), "{name}");
        }
        for name in ["", "0123456789ABCDEF", "x0123456789abcdef", "d0123456789abcde ", "0123456789abcde"] {
            assert!(!is_viewer_name(name), "{name}");
        }
    }
}
