//! Token verification: an `Authorization` header in, a viewer or a refusal out.
//!
//! Tokens are JWTs signed with HS256 or ES256. A token's algorithm only selects among the
//! configured keys, each of which belongs to one algorithm: a public key never checks an HMAC, and
//! `none` selects nothing. Each algorithm may have two keys, so that a key can be rotated while
//! tokens of both are in use.
//!
//! This module checks HMACs. The platform checks ES256 signatures: its native code takes a tenth of
//! the time and no space in the Wasm. An ES256 token that is not cached is [`Unproven`] until the
//! shell has asked the platform and passed the answer to [`Verifier::prove`].

use std::fmt;
use std::sync::Mutex;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::token_cache::{Finding, KnownTokens};
use sinsang_core::json::{Object, Unfit};
use sinsang_core::text::is_nobody;
use sinsang_core::time::{SECOND_MS, UnixMillis};
use sinsang_core::viewer::{UserHasher, UserKey};

/// Longest accepted token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// Longest user id, in bytes.
pub const MAX_USER_ID_BYTES: usize = 128;
/// Shortest HS256 key: as long as the hash, as RFC 7518 section 3.2 demands.
pub const MIN_HS256_KEY_BYTES: usize = 32;
/// Bytes of an ES256 signature: two 32-byte numbers (RFC 7518 section 3.4), WebCrypto's format.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of a public key: the byte 4 and the point's two coordinates (SEC 1 section 2.3.3),
/// WebCrypto's `raw` format.
pub const POINT_BYTES: usize = 65;
/// Length of the scheme before a token in the header, with room for some spaces.
const SCHEME_BYTES: usize = 16;
/// Clock skew allowed to the issuer, in seconds.
const LEEWAY_S: i64 = 30;
/// Default limit on how far ahead a token may expire, in seconds: 366 days. A token that lasts for
/// ever was not meant as a session.
pub const DEFAULT_MAX_LIFE_S: i64 = 366 * 86_400;
/// Header members that change what the signature covers: an unencoded payload (RFC 7797) and
/// encryption (RFC 7516). An issuer of viewers' tokens has no use for them.
const OTHER_PAYLOADS: [&str; 3] = ["b64", "enc", "zip"];

/// Why a token was refused: the text is the `error_description` of RFC 6750.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The header is not `Bearer` and a token.
    Scheme,
    /// Longer than [`MAX_TOKEN_BYTES`].
    TooLong,
    /// Not a JWT.
    Malformed,
    /// The header demands an extension, and none is supported.
    Extension,
    /// A JWT for a purpose other than access: RFC 8725 section 3.11.
    Kind,
    /// No key is configured for the algorithm.
    Algorithm,
    /// No configured key made the signature.
    Signature,
    /// Expired, or without an expiry.
    Expired,
    /// Expires further ahead than the configured maximum.
    TooFarAhead,
    /// Not valid yet (`nbf`).
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
            Self::Extension => "the token demands an unknown extension",
            Self::Kind => "the token is of another type",
            Self::Algorithm => "the token's algorithm is not accepted",
            Self::Signature => "the token's signature is wrong",
            Self::Expired => "the token has expired or has no expiry",
            Self::TooFarAhead => "the token expires too far ahead",
            Self::NotYetValid => "the token is not valid yet",
            Self::Audience => "the token is for another audience",
            Self::Subject => "the token names no user",
        })
    }
}

/// An unusable secret or token limit in the configuration; the deployment's smoke test should fail
/// on it. [`fmt::Display`] states the consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// The HS256 key is shorter than [`MIN_HS256_KEY_BYTES`].
    Hs256TooShort,
    /// The ES256 key isn't a JWK of a public key on P-256. Only the platform can tell whether the
    /// point lies on the curve; a point off the curve verifies nothing.
    Es256NotJwk,
    /// The audience is empty: any token of the issuer would be accepted, whatever it was meant for.
    NoAudience,
    /// The maximum life of tokens isn't a whole number of seconds from 1.
    MaxLife,
    /// The preview secret is shorter than [`crate::guess::MIN_SECRET_BYTES`].
    PreviewSecretTooShort,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hs256TooShort => "an HS256 key is shorter than 32 bytes: no token counts",
            Self::Es256NotJwk => "an ES256 key is no JWK of P-256: no token counts",
            Self::NoAudience => "JWT_AUDIENCE is empty: no token counts",
            Self::MaxLife => "JWT_MAX_LIFE_S is no count of seconds: no token counts",
            Self::PreviewSecretTooShort => "PREVIEW_SECRET is shorter than 16 bytes: no preview opens",
        })
    }
}

impl From<Unfit> for Refused {
    fn from(_: Unfit) -> Self {
        Self::Malformed
    }
}

/// Parses a P-256 public key from a JSON Web Key (RFC 7517, RFC 7518 section 6.2), checking its
/// form only.
#[inline(never)]
fn point_of(jwk: &str) -> Option<[u8; POINT_BYTES]> {
    let jwk = Object::parse(jwk.as_bytes())?;
    let text = |name: &str| jwk.text(name).ok()?;
    let coordinate = |name: &str| decode(text(name)?).filter(|bytes| bytes.len() == 32);
    let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let is_for_p256 = text("kty")? == "EC" && text("crv")? == "P-256";
    if is_for_p256 { point.try_into().ok() } else { None }
}

/// Whether `kind`, a token's type, may be a viewer's: `JWT`, or `at+jwt` for an access token (RFC
/// 9068). Both are media types whose `application/` is optional, in any case (RFC 7515 section
/// 4.1.9). Other types of the same issuer and key, `logout+jwt` and `secevent+jwt` among them, do
/// not identify a viewer.
fn is_access_token(kind: &str) -> bool {
    const TREE: &str = "application/";
    let is_named = kind.get(..TREE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TREE));
    let name = if is_named { kind.get(TREE.len()..).unwrap_or_default() } else { kind };
    ["jwt", "at+jwt"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// The result of checking an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A valid token of this user.
    User(UserKey),
    /// Valid if its signature proves good.
    Unproven(Unproven),
}

/// A token with an unchecked ES256 signature. None of its claims are trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct Unproven {
    token: Box<str>,
    claims: Box<[u8]>,
    signature: [u8; SIGNATURE_BYTES],
    points: Box<[u8]>,
}

impl Unproven {
    /// The signed bytes: header and claims.
    pub fn signed(&self) -> &[u8] {
        self.token.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes()
    }

    /// The signature: two numbers of 32 bytes, IEEE P1363.
    pub fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.signature
    }

    /// The candidate public keys, [`POINT_BYTES`] each, concatenated. One of them must have made
    /// the signature.
    pub fn points(&self) -> &[u8] {
        &self.points
    }
}

impl fmt::Debug for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unproven").finish_non_exhaustive()
    }
}

/// Checks tokens with the configured keys.
pub struct Verifier {
    hs256: Vec<Hmac<Sha256>>,
    es256: Vec<[u8; POINT_BYTES]>,
    audience: String,
    max_life_s: i64,
    users: UserHasher,
    /// Tokens that these keys and this audience have accepted. The lock only makes a verifier
    /// shareable between threads; nobody waits for it.
    known: Mutex<KnownTokens>,
}

impl Verifier {
    /// A verifier for tokens meant for `audience`; `users` hashes user ids as packs do. A token may
    /// be signed with any of the keys. Empty keys are ignored.
    ///
    /// # Errors
    /// [`BadKey`] if `audience` is empty or a given key can't be used.
    pub fn new(hs256: &[&str], es256_jwk: &[&str], audience: String, users: UserHasher) -> Result<Self, BadKey> {
        if audience.is_empty() {
            return Err(BadKey::NoAudience);
        }
        let hs256 = hs256.iter().filter(|key| !key.is_empty()).map(|key| {
            let key = Some(key.as_bytes()).filter(|key| key.len() >= MIN_HS256_KEY_BYTES);
            key.and_then(|key| Hmac::new_from_slice(key).ok()).ok_or(BadKey::Hs256TooShort)
        });
        let es256 = es256_jwk.iter().filter(|jwk| !jwk.is_empty()).map(|jwk| point_of(jwk).ok_or(BadKey::Es256NotJwk));
        let (hs256, es256) = (hs256.collect::<Result<_, _>>()?, es256.collect::<Result<_, _>>()?);
        Ok(Self { hs256, es256, audience, max_life_s: DEFAULT_MAX_LIFE_S, users, known: Mutex::default() })
    }

    /// Limits a token's expiry to `seconds` ahead instead of [`DEFAULT_MAX_LIFE_S`].
    #[must_use]
    pub fn with_max_life(self, seconds: i64) -> Self {
        Self { max_life_s: seconds, ..self }
    }

    /// The key of a user id, for callers that may name users without a token.
    pub fn user(&self, user_id: &str) -> UserKey {
        self.users.key(user_id)
    }

    /// Checks an `Authorization` header. An ES256 token that isn't cached comes back as
    /// [`Bearer::Unproven`].
    ///
    /// # Errors
    /// [`Refused`] states why the token is invalid.
    pub fn user_of(&self, authorization: &str, now: UnixMillis) -> Result<Bearer, Refused> {
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
            return Ok(Bearer::User(finding.user));
        }
        self.examine(token, now)
    }

    /// The user of an unproven token; `is_signed` is the platform's verdict on the signature.
    ///
    /// # Errors
    /// [`Refused`] states why the token is invalid.
    pub fn prove(&self, unproven: &Unproven, is_signed: bool, now: UnixMillis) -> Result<UserKey, Refused> {
        if !is_signed {
            return Err(Refused::Signature);
        }
        self.believe(&unproven.token, &unproven.claims, now)
    }

    /// The user of a token with a good signature. If its claims are good too, the token is cached.
    fn believe(&self, token: &str, claims: &[u8], now: UnixMillis) -> Result<UserKey, Refused> {
        let finding = self.check(&Object::parse(claims).ok_or(Refused::Malformed)?, now)?;
        if let Ok(mut known) = self.known.try_lock() {
            known.keep(token.as_bytes(), finding, now);
        }
        Ok(finding.user)
    }

    #[inline(never)]
    fn examine(&self, token: &str, now: UnixMillis) -> Result<Bearer, Refused> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes();
        let decoded = (decode(header), decode(claims), decode(signature));
        let (Some(header), Some(claims), Some(signature)) = decoded else { return Err(Refused::Malformed) };
        // The header members that are checked: RFC 7515 section 4.1.
        let header = Object::parse(&header).ok_or(Refused::Malformed)?;
        if header.text("cty")?.is_some_and(|content| !content.eq_ignore_ascii_case("json")) {
            return Err(Refused::Malformed);
        }
        // No extension is supported, and an empty or malformed list is invalid anyway (section
        // 4.1.11).
        if header.has("crit") || OTHER_PAYLOADS.iter().any(|name| header.has(name)) {
            return Err(Refused::Extension);
        }
        if header.text("typ")?.is_some_and(|kind| !is_access_token(kind)) {
            return Err(Refused::Kind);
        }
        match header.text("alg")?.ok_or(Refused::Malformed)? {
            "HS256" if !self.hs256.is_empty() => {
                let signs = |key: &Hmac<Sha256>| key.clone().chain_update(signed).verify_slice(&signature).is_ok();
                if !self.hs256.iter().any(signs) {
                    return Err(Refused::Signature);
                }
                self.believe(token, &claims, now).map(Bearer::User)
            }
            "ES256" if !self.es256.is_empty() => Ok(Bearer::Unproven(Unproven {
                token: token.into(),
                claims: claims.into(),
                // A signature of another length is invalid, whatever a platform would make of it.
                signature: signature.try_into().map_err(|_| Refused::Signature)?,
                points: self.es256.concat().into(),
            })),
            _ => Err(Refused::Algorithm),
        }
    }

    /// Checks the claims: RFC 7519 section 4.1.
    fn check(&self, claims: &Object<'_>, now: UnixMillis) -> Result<Finding, Refused> {
        let (user, audiences) = (claims.text("sub")?, claims.texts("aud")?);
        let (expiry, not_before) = (claims.date("exp")?, claims.date("nbf")?);
        // `iat` is unused, but must be a date.
        claims.date("iat")?;
        // The token is valid through the millisecond of its expiry plus the leeway.
        let instant = |seconds: i64| UnixMillis(seconds.saturating_mul(SECOND_MS));
        let expiry = expiry.ok_or(Refused::Expired)?;
        let until = instant(expiry.saturating_add(LEEWAY_S)).plus(1);
        if now >= until {
            return Err(Refused::Expired);
        }
        // A token accepted once stays accepted until it expires: its remaining life only shrinks.
        if instant(expiry) > now.plus(self.max_life_s.saturating_add(LEEWAY_S).saturating_mul(SECOND_MS)) {
            return Err(Refused::TooFarAhead);
        }
        if not_before.is_some_and(|not_before| instant(not_before) > now.plus(LEEWAY_S.saturating_mul(SECOND_MS))) {
            return Err(Refused::NotYetValid);
        }
        if !audiences.contains(&self.audience.as_str()) {
            return Err(Refused::Audience);
        }
        match user {
            Some(user) if !user.is_empty() && user.len() <= MAX_USER_ID_BYTES && !is_nobody(user) => {
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
