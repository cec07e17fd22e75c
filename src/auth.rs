//! A token in, a viewer out, or a refusal.
//!
//! Tokens are JWTs signed with HS256 or ES256. The algorithm that a token names only selects among the keys that are configured, each of
//! which belongs to one algorithm: a public key never checks an HMAC, and `none` selects nothing. Each algorithm may have two keys, so that
//! keys can be changed while tokens of both are about.

use std::fmt;
use std::sync::Mutex;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, Mac as _};
use p256::EncodedPoint;
use p256::ecdsa::signature::DigestVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::de::{self, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de::Error as _};
use sha2::{Digest as _, Sha256};

use crate::known::{Finding, KnownTokens};
use crate::time::{SECOND_MS, UnixMillis};
use crate::viewer::{UserHasher, UserKey};

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// Longest user id, in bytes.
pub const MAX_USER_ID_BYTES: usize = 128;
/// Shortest HS256 key: as long as the hash, as RFC 7518 section 3.2 demands.
pub const MIN_HS256_KEY_BYTES: usize = 32;
/// What stands before a token in the header, with room for some spaces.
const SCHEME_BYTES: usize = 16;
/// How far the issuer's clock may be off, in seconds.
const LEEWAY_S: i64 = 30;

/// Seconds that a date may have: some 260,000 years to either side of the epoch. What lies beyond is no date.
const DATES: std::ops::RangeInclusive<i64> = -8_334_601_228_800..=8_210_266_876_799;

/// Why a token was refused: the text is the `error_description` of RFC 6750.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The header is not `Bearer` and a token.
    Scheme,
    /// Longer than [`MAX_TOKEN_BYTES`].
    TooLong,
    /// Not a JWT.
    Malformed,
    /// Signed with an algorithm that no key is configured for.
    Algorithm,
    /// The signature is not by the configured key.
    Signature,
    /// Past its time, or without an expiry.
    Expired,
    /// Before its time.
    NotYetValid,
    /// For another audience.
    Audience,
    /// Without a usable `sub`.
    Subject,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the Authorization header is not 'Bearer' and a token",
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token's algorithm is not accepted",
            Self::Signature => "the token's signature is wrong",
            Self::Expired => "the token has expired or has no expiry",
            Self::NotYetValid => "the token is not valid yet",
            Self::Audience => "the token is for another audience",
            Self::Subject => "the token names no user",
        })
    }
}

/// A key that was configured but can't be used; the deployment should fail its smoke test on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// The HS256 key is shorter than [`MIN_HS256_KEY_BYTES`].
    Hs256TooShort,
    /// The ES256 key is no JWK of a public key on P-256.
    Es256NotJwk,
    /// There is no audience: a token for nobody in particular would be taken for one of ours.
    NoAudience,
}

/// What of a token's header counts (RFC 7515 section 4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    cty: Option<String>,
}

/// What of a token's claims counts (RFC 7519 section 4.1).
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "date")]
    exp: Option<i64>,
    #[serde(default, deserialize_with = "date")]
    nbf: Option<i64>,
    /// Says nothing to us, but has to be a date.
    #[serde(default, deserialize_with = "date", rename = "iat")]
    _iat: Option<i64>,
}

/// Reads a date: seconds since the epoch, of which parts don't count.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct Date;
    impl Visitor<'_> for Date {
        type Value = i64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a date")
        }
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<i64, E> {
            if DATES.contains(&value) { Ok(value) } else { Err(E::custom("no date")) }
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
            self.visit_i64(i64::try_from(value).map_err(|_| E::custom("no date"))?)
        }
        #[expect(clippy::cast_possible_truncation, reason = "what it saturates to is no date")]
        fn visit_f64<E: de::Error>(self, value: f64) -> Result<i64, E> {
            self.visit_i64(value as i64)
        }
    }
    deserializer.deserialize_i64(Date).map(Some)
}

/// `aud` is one string or several (RFC 7519 section 4.1.3).
struct Audience(Vec<String>);

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|one| one == audience)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Audience;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or several")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Audience, E> {
                Ok(Audience(vec![value.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut several: A) -> Result<Audience, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = several.next_element()? {
                    all.push(one);
                }
                Ok(Audience(all))
            }
        }
        deserializer.deserialize_any(OneOrSeveral)
    }
}

/// A public key on P-256 as a JSON Web Key (RFC 7517, RFC 7518 section 6.2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: Coordinate,
    y: Coordinate,
}

struct Coordinate([u8; 32]);

impl<'de> Deserialize<'de> for Coordinate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = decode(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("no base64"))?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("no 32 bytes"))
    }
}

impl Jwk {
    fn key(&self) -> Option<VerifyingKey> {
        let point = EncodedPoint::from_affine_coordinates(&self.x.0.into(), &self.y.0.into(), false);
        (self.kty == "EC" && self.crv == "P-256").then(|| VerifyingKey::from_encoded_point(&point).ok())?
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// A JSON object as `T`. An array of its fields is none, though serde would take it for one.
fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

/// Checks tokens with the keys that are configured.
pub struct Verifier {
    hs256: Vec<Hmac<Sha256>>,
    es256: Vec<VerifyingKey>,
    audience: String,
    users: UserHasher,
    /// Those that were found good by these keys and for this audience. Behind a lock only so that a verifier can be shared between threads;
    /// nobody waits for it.
    known: Mutex<KnownTokens>,
}

impl Verifier {
    /// A verifier for tokens meant for `audience`, whose users are known in packs by `users`. A token counts that any of the keys has signed.
    /// Keys that are empty are none.
    ///
    /// # Errors
    /// [`BadKey`] where a key that is given can't be used.
    pub fn new(hs256: &[&str], es256_jwk: &[&str], audience: String, users: UserHasher) -> Result<Self, BadKey> {
        if audience.is_empty() {
            return Err(BadKey::NoAudience);
        }
        let hs256 = hs256.iter().filter(|key| !key.is_empty()).map(|key| {
            let key = Some(key.as_bytes()).filter(|key| key.len() >= MIN_HS256_KEY_BYTES);
            key.and_then(|key| Hmac::new_from_slice(key).ok()).ok_or(BadKey::Hs256TooShort)
        });
        let es256 = es256_jwk
            .iter()
            .filter(|jwk| !jwk.is_empty())
            .map(|jwk| object::<Jwk>(jwk.as_bytes()).and_then(|jwk| jwk.key()).ok_or(BadKey::Es256NotJwk));
        let (hs256, es256) = (hs256.collect::<Result<_, _>>()?, es256.collect::<Result<_, _>>()?);
        Ok(Self { hs256, es256, audience, users, known: Mutex::default() })
    }

    /// The key of a user id, for whoever may name users without a token.
    pub fn user(&self, user_id: &str) -> UserKey {
        self.users.key(user_id)
    }

    /// The user of an `Authorization` header.
    ///
    /// # Errors
    /// [`Refused`] says why the token does not count.
    pub fn user_of(&self, authorization: &str, now: UnixMillis) -> Result<UserKey, Refused> {
        if authorization.len() > MAX_TOKEN_BYTES.saturating_add(SCHEME_BYTES) {
            return Err(Refused::TooLong);
        }
        let (scheme, token) = authorization.split_once(' ').ok_or(Refused::Scheme)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Scheme);
        }
        let token = token.trim();
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TooLong);
        }
        if let Ok(mut known) = self.known.try_lock()
            && let Some(finding) = known.find(token.as_bytes(), now)
        {
            return Ok(finding.user);
        }
        let finding = self.examine(token, now)?;
        if let Ok(mut known) = self.known.try_lock() {
            known.keep(token.as_bytes(), finding, now);
        }
        Ok(finding.user)
    }

    fn examine(&self, token: &str, now: UnixMillis) -> Result<Finding, Refused> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes();
        let decoded = (decode(header), decode(claims), decode(signature));
        let (Some(header), Some(claims), Some(signature)) = decoded else { return Err(Refused::Malformed) };
        let header: Header = object(&header).ok_or(Refused::Malformed)?;
        if header.cty.is_some_and(|content| !content.eq_ignore_ascii_case("json")) {
            return Err(Refused::Malformed);
        }
        let (has_key, is_signed) = match header.alg.as_str() {
            "HS256" => {
                let signs = |key: &Hmac<Sha256>| key.clone().chain_update(signed).verify_slice(&signature).is_ok();
                (!self.hs256.is_empty(), self.hs256.iter().any(signs))
            }
            "ES256" => {
                let signature = Signature::from_slice(&signature).ok();
                let signs = |key: &VerifyingKey| {
                    let digest = Sha256::new_with_prefix(signed);
                    signature.is_some_and(|signature| key.verify_digest(digest, &signature).is_ok())
                };
                (!self.es256.is_empty(), self.es256.iter().any(signs))
            }
            _ => (false, false),
        };
        if !has_key {
            return Err(Refused::Algorithm);
        }
        if !is_signed {
            return Err(Refused::Signature);
        }
        self.check(&object(&claims).ok_or(Refused::Malformed)?, now)
    }

    fn check(&self, claims: &Claims, now: UnixMillis) -> Result<Finding, Refused> {
        // The last millisecond at which it holds is that of its expiry and the leeway.
        let instant = |seconds: i64| UnixMillis(seconds.saturating_mul(SECOND_MS));
        let until = instant(claims.exp.ok_or(Refused::Expired)?.saturating_add(LEEWAY_S)).plus(1);
        if now >= until {
            return Err(Refused::Expired);
        }
        if claims.nbf.is_some_and(|not_before| instant(not_before) > now.plus(LEEWAY_S.saturating_mul(SECOND_MS))) {
            return Err(Refused::NotYetValid);
        }
        if !claims.aud.as_ref().is_some_and(|audience| audience.contains(&self.audience)) {
            return Err(Refused::Audience);
        }
        match &claims.sub {
            Some(user) if !user.is_empty() && user.len() <= MAX_USER_ID_BYTES => {
                Ok(Finding { user: self.users.key(user), until })
            }
            _ => Err(Refused::Subject),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("audience", &self.audience).finish_non_exhaustive()
    }
}
