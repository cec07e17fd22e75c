//! A token in, a viewer out, or a refusal.
//!
//! Tokens are JWTs signed with HS256 or ES256. The algorithm that a token names only selects among the keys that are configured, each of
//! which belongs to one algorithm: a public key never checks an HMAC, and `none` selects nothing. Each algorithm may have two keys, so that
//! keys can be changed while tokens of both are about.
//!
//! An HMAC is checked here. A signature of ES256 is checked by the platform, whose own code takes a tenth of the time and nothing of the
//! Wasm: a token that has one and is not remembered is [`Unproven`] until the shell has asked, and [`Verifier::prove`] takes the answer in.

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

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// Longest user id, in bytes.
pub const MAX_USER_ID_BYTES: usize = 128;
/// Shortest HS256 key: as long as the hash, as RFC 7518 section 3.2 demands.
pub const MIN_HS256_KEY_BYTES: usize = 32;
/// Bytes of an ES256 signature: two numbers of 32 each (RFC 7518 section 3.4), as WebCrypto takes them.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of a public key: a 4, and the point's two coordinates (SEC 1 section 2.3.3), which WebCrypto calls `raw`.
pub const POINT_BYTES: usize = 65;
/// What stands before a token in the header, with room for some spaces.
const SCHEME_BYTES: usize = 16;
/// How far the issuer's clock may be off, in seconds.
const LEEWAY_S: i64 = 30;
/// How far ahead a token may expire where nothing is configured, in seconds: 366 days. What is to hold for ever was not meant to be a session.
pub const DEFAULT_MAX_LIFE_S: i64 = 366 * 86_400;
/// Members of a header by which what is signed would not be the claims as they stand: an unencoded payload (RFC 7797), and what RFC 7516 has for
/// encryption. An issuer of viewers' tokens has no use for them.
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
    /// Its header demands something that is not understood here.
    Extension,
    /// A JWT for something else than access: RFC 8725 section 3.11.
    Kind,
    /// Signed with an algorithm that no key is configured for.
    Algorithm,
    /// The signature is not by the configured key.
    Signature,
    /// Past its time, or without an expiry.
    Expired,
    /// Its expiry is further ahead than is believed here.
    TooFarAhead,
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

/// A secret or a limit of tokens that was configured but can't be used; the deployment should fail its smoke test on it. What comes of it is what
/// [`fmt::Display`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// The HS256 key is shorter than [`MIN_HS256_KEY_BYTES`].
    Hs256TooShort,
    /// The ES256 key is no JWK of a public key on P-256. Whether the point lies on the curve is for the platform to say: where it does not,
    /// the key signs nothing.
    Es256NotJwk,
    /// There is no audience: a token for nobody in particular would be taken for one of ours.
    NoAudience,
    /// The longest life of tokens is no whole number of seconds from 1.
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

/// The public key for P-256 that is a JSON Web Key (RFC 7517, RFC 7518 section 6.2), by its shape.
#[inline(never)]
fn point_of(jwk: &str) -> Option<[u8; POINT_BYTES]> {
    let jwk = Object::parse(jwk.as_bytes())?;
    let text = |name: &str| jwk.text(name).ok()?;
    let coordinate = |name: &str| decode(text(name)?).filter(|bytes| bytes.len() == 32);
    let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let is_for_p256 = text("kty")? == "EC" && text("crv")? == "P-256";
    if is_for_p256 { point.try_into().ok() } else { None }
}

/// Whether a token that says it is of the type `kind` may be a viewer's: a `JWT`, or an access token as RFC 9068 has them, `at+jwt`; each as a media
/// type whose `application/` may be left out, in any case (RFC 7515 section 4.1.9). Others of the same issuer and key, such as `logout+jwt` and
/// `secevent+jwt`, are no proof of who asks.
fn is_access_token(kind: &str) -> bool {
    const TREE: &str = "application/";
    let is_named = kind.get(..TREE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TREE));
    let name = if is_named { kind.get(TREE.len()..).unwrap_or_default() } else { kind };
    ["jwt", "at+jwt"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// What an `Authorization` header comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// It counts, and is this user's.
    User(UserKey),
    /// Whether it counts hangs on its signature.
    Unproven(Unproven),
}

/// A token whose ES256 signature nobody has checked yet. Nothing of what it says is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Unproven {
    token: Box<str>,
    claims: Box<[u8]>,
    signature: [u8; SIGNATURE_BYTES],
    points: Box<[u8]>,
}

impl Unproven {
    /// What is signed.
    pub fn signed(&self) -> &[u8] {
        self.token.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes()
    }

    /// The signature: two numbers of 32 bytes, IEEE P1363.
    pub fn signature(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.signature
    }

    /// The keys of which one has to have signed it: points of [`POINT_BYTES`] each, one after another.
    pub fn points(&self) -> &[u8] {
        &self.points
    }
}

impl fmt::Debug for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unproven").finish_non_exhaustive()
    }
}

/// Checks tokens with the keys that are configured.
pub struct Verifier {
    hs256: Vec<Hmac<Sha256>>,
    es256: Vec<[u8; POINT_BYTES]>,
    audience: String,
    max_life_s: i64,
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
        let es256 = es256_jwk.iter().filter(|jwk| !jwk.is_empty()).map(|jwk| point_of(jwk).ok_or(BadKey::Es256NotJwk));
        let (hs256, es256) = (hs256.collect::<Result<_, _>>()?, es256.collect::<Result<_, _>>()?);
        Ok(Self { hs256, es256, audience, max_life_s: DEFAULT_MAX_LIFE_S, users, known: Mutex::default() })
    }

    /// The same, for tokens that expire at most `seconds` ahead: [`DEFAULT_MAX_LIFE_S`] otherwise.
    #[must_use]
    pub fn with_max_life(self, seconds: i64) -> Self {
        Self { max_life_s: seconds, ..self }
    }

    /// The key of a user id, for whoever may name users without a token.
    pub fn user(&self, user_id: &str) -> UserKey {
        self.users.key(user_id)
    }

    /// The user of an `Authorization` header, as far as the token's signature need not be proven first.
    ///
    /// # Errors
    /// [`Refused`] says why the token does not count.
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

    /// The user of a token of which the platform now says whether one of its keys signed it.
    ///
    /// # Errors
    /// [`Refused`] says why the token does not count.
    pub fn prove(&self, unproven: &Unproven, is_signed: bool, now: UnixMillis) -> Result<UserKey, Refused> {
        if !is_signed {
            return Err(Refused::Signature);
        }
        self.believe(&unproven.token, &unproven.claims, now)
    }

    /// The user of a token whose signature is good. It is remembered where its claims are good, too.
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
        // What of a header counts: RFC 7515 section 4.1.
        let header = Object::parse(&header).ok_or(Refused::Malformed)?;
        if header.text("cty")?.is_some_and(|content| !content.eq_ignore_ascii_case("json")) {
            return Err(Refused::Malformed);
        }
        // Whatever it lists, none of it is understood here; and a list that is empty or none is a mistake (section 4.1.11).
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
                // One of another length is none, whatever a platform would make of it.
                signature: signature.try_into().map_err(|_| Refused::Signature)?,
                points: self.es256.concat().into(),
            })),
            _ => Err(Refused::Algorithm),
        }
    }

    /// What of the claims counts: RFC 7519 section 4.1.
    fn check(&self, claims: &Object<'_>, now: UnixMillis) -> Result<Finding, Refused> {
        let (user, audiences) = (claims.text("sub")?, claims.texts("aud")?);
        let (expiry, not_before) = (claims.date("exp")?, claims.date("nbf")?);
        // It says nothing to us, but has to be a date.
        claims.date("iat")?;
        // The last millisecond at which it holds is that of its expiry and the leeway.
        let instant = |seconds: i64| UnixMillis(seconds.saturating_mul(SECOND_MS));
        let expiry = expiry.ok_or(Refused::Expired)?;
        let until = instant(expiry.saturating_add(LEEWAY_S)).plus(1);
        if now >= until {
            return Err(Refused::Expired);
        }
        // What is believed at one time is believed until it expires: by then less of its life is left.
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
