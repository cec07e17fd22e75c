//! A token in, a viewer out, or a refusal.
//!
//! Tokens are JWTs signed with HS256 or ES256. The algorithm that a token names only selects among the keys that are configured, each of
//! which belongs to one algorithm: a public key never checks an HMAC, and `none` selects nothing. Each algorithm may have two keys, so that
//! keys can be changed while tokens of both are about.

use std::fmt;
use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};
use jwt_compact::alg::{Es256, Hs256, Hs256Key};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt, Claims, TimeOptions, Token, UntrustedToken, ValidationError};
use serde::Deserialize;

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

type Es256Key = <Es256 as Algorithm>::VerifyingKey;

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

#[derive(Deserialize)]
struct Custom {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    aud: Option<Audience>,
}

/// `aud` is one string or several (RFC 7519 section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// Checks tokens with the keys that are configured.
pub struct Verifier {
    hs256: Vec<Hs256Key>,
    es256: Vec<Es256Key>,
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
            if key.len() < MIN_HS256_KEY_BYTES {
                Err(BadKey::Hs256TooShort)
            } else {
                Ok(Hs256Key::from(key.as_bytes()))
            }
        });
        let es256 = es256_jwk.iter().filter(|jwk| !jwk.is_empty()).map(|jwk| {
            let jwk: JsonWebKey<'_> = serde_json::from_str(jwk).map_err(|_| BadKey::Es256NotJwk)?;
            Es256Key::try_from(&jwk).map_err(|_| BadKey::Es256NotJwk)
        });
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
        let untrusted = UntrustedToken::new(token).map_err(|_| Refused::Malformed)?;
        let token = match untrusted.algorithm() {
            "HS256" => first(&self.hs256, |key| Hs256.validator::<Custom>(key).validate(&untrusted)),
            "ES256" => first(&self.es256, |key| Es256.validator::<Custom>(key).validate(&untrusted)),
            _ => Err(Refused::Algorithm),
        }?;
        let user = self.check(token.claims(), now)?;
        // The last millisecond at which it holds is that of its expiry and the leeway.
        let expiry = token.claims().expiration.map_or(0, |expiry| expiry.timestamp());
        let until = expiry.saturating_add(LEEWAY_S).saturating_mul(SECOND_MS).saturating_add(1);
        Ok(Finding { user, until: UnixMillis(until) })
    }

    fn check(&self, claims: &Claims<Custom>, now: UnixMillis) -> Result<UserKey, Refused> {
        let now = DateTime::<Utc>::from_timestamp_millis(now.0).ok_or(Refused::Expired)?;
        let options = TimeOptions::new(Duration::seconds(LEEWAY_S), move || now);
        claims.validate_expiration(&options).map_err(|_| Refused::Expired)?;
        // Not `validate_maturity`, which subtracts the leeway from `nbf` and panics at the far end of what a date can be.
        let latest = now.checked_add_signed(options.leeway).unwrap_or(DateTime::<Utc>::MAX_UTC);
        if claims.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(Refused::NotYetValid);
        }
        if !claims.custom.aud.as_ref().is_some_and(|audience| audience.contains(&self.audience)) {
            return Err(Refused::Audience);
        }
        match &claims.custom.sub {
            Some(user) if !user.is_empty() && user.len() <= MAX_USER_ID_BYTES => Ok(self.users.key(user)),
            _ => Err(Refused::Subject),
        }
    }
}

/// The token as the first of `keys` that signed it reads it.
fn first<K>(
    keys: &[K],
    validate: impl Fn(&K) -> Result<Token<Custom>, ValidationError>,
) -> Result<Token<Custom>, Refused> {
    let mut refused = Refused::Algorithm;
    for key in keys {
        match validate(key) {
            Ok(token) => return Ok(token),
            Err(ValidationError::MalformedClaims(_)) => return Err(Refused::Malformed),
            Err(_) => refused = Refused::Signature,
        }
    }
    Err(refused)
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("audience", &self.audience).finish_non_exhaustive()
    }
}
