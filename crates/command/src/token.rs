//! `sinsang token`: a JWT that names a viewer, as the app's own backend signs it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jwt_compact::alg::{Es256, Hs256, Hs256Key, SigningKey as _};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt as _, Claims, CreationError, Header};
use serde::Serialize;
use sinsang::auth::{BadKey, Bearer, Refused, Verifier};
use sinsang_core::time::{HOUR_MS, SECOND_MS, UnixMillis};
use sinsang_core::viewer::UserHasher;

use crate::arguments::Token;

/// The variable of the HS256 key: the Worker's `JWT_HS256_KEY`.
const HS256_KEY: &str = "SINSANG_JWT_HS256_KEY";
/// The variable of the ES256 key, a JWK: the private half of the Worker's `JWT_ES256_PUBLIC_KEY`.
const ES256_KEY: &str = "SINSANG_JWT_ES256_KEY";
/// The Worker's name of the HS256 key, in its file of secrets.
const JWT_HS256_KEY: &str = "JWT_HS256_KEY";
/// The Worker's name of the audience.
const JWT_AUDIENCE: &str = "JWT_AUDIENCE";
/// The audience of `wrangler.toml`.
const AUDIENCE: &str = "sinsang";

type Es256Key = <Es256 as Algorithm>::SigningKey;

/// Why no token was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no key to sign with: set {HS256_KEY} to the Worker's JWT_HS256_KEY, or {ES256_KEY} to the private JWK of its JWT_ES256_PUBLIC_KEY, or name its file of secrets with --dev-vars"
    )]
    NoKey,
    #[error("{HS256_KEY} and {ES256_KEY} are both set: unset the one that the Worker does not know")]
    TwoKeys,
    #[error("{ES256_KEY} is no private key on P-256, as a JWK with the members kty, crv, x, y and d")]
    NotJwk,
    #[error("{}: {source}", path.display())]
    DevVars {
        path: PathBuf,
        #[source]
        source: dotenvy::Error,
    },
    #[error("{} has no {JWT_HS256_KEY}; `make run` adds one", path.display())]
    NotInDevVars { path: PathBuf },
    #[error("{0}")]
    Key(BadKey),
    #[error("the token can't be made: {0}")]
    Creation(CreationError),
    #[error("the edge would refuse the token: {0}")]
    Refused(Refused),
}

/// The claims that the edge checks (docs/security.md).
#[derive(Serialize)]
struct Named<'a> {
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// A token; as text, the token alone.
#[derive(Debug, Serialize)]
pub(crate) struct Signed {
    token: String,
    viewer: String,
    audience: String,
    /// RFC 3339, in Korean time.
    expires_at: String,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token)
    }
}

/// The key that signs, as text.
enum Key {
    Hs256(String),
    Es256(String),
}

/// Signs the token that is `asked` for, with the key of the file or else of the environment.
///
/// # Errors
/// [`Error`] if there is no one usable key, or the edge would refuse the token.
pub(crate) fn sign(asked: &Token, variable: fn(&str) -> Option<String>, now: UnixMillis) -> Result<Signed, Error> {
    let vars = dev_vars(asked)?;
    let key = key(asked, &vars, variable)?;
    let audience = asked.audience.clone().or_else(|| vars.get(JWT_AUDIENCE).cloned());
    let audience = audience.unwrap_or_else(|| AUDIENCE.to_owned());
    let expires_at = now.plus(asked.hours * HOUR_MS);
    let claims = Claims::new(Named {
        sub: &asked.viewer,
        aud: &audience,
        iat: now.0 / SECOND_MS,
        exp: expires_at.0 / SECOND_MS,
    });
    let header = Header::empty().with_token_type("JWT");
    let (token, hs256, jwk) = match key {
        Key::Hs256(key) => {
            let token = Hs256.token(&header, &claims, &Hs256Key::new(key.as_bytes()));
            (token.map_err(Error::Creation)?, key, String::new())
        }
        Key::Es256(jwk) => {
            let key = private_key(&jwk).ok_or(Error::NotJwk)?;
            let public = key.to_verifying_key();
            let public = serde_json::to_string(&JsonWebKey::from(&public)).map_err(|_| Error::NotJwk)?;
            (Es256.token(&header, &claims, &key).map_err(Error::Creation)?, String::new(), public)
        }
    };
    // The rules of tokens stand once, at the edge. How it hashes users does not matter here.
    let users = UserHasher::new(AUDIENCE.as_bytes()).ok_or(Error::NoKey)?;
    let edge = Verifier::new(&[&hs256], &[&jwk], audience.clone(), users).map_err(Error::Key)?;
    match edge.user_of(&format!("Bearer {token}"), now).map_err(Error::Refused)? {
        Bearer::User(_) => {}
        Bearer::Unproven(unproven) => drop(edge.prove(&unproven, true, now).map_err(Error::Refused)?),
    }
    Ok(Signed { token, viewer: asked.viewer.clone(), audience, expires_at: expires_at.to_kst_rfc3339() })
}

/// The assignments of the file of secrets, if one is named.
fn dev_vars(asked: &Token) -> Result<BTreeMap<String, String>, Error> {
    let Some(path) = &asked.dev_vars else { return Ok(BTreeMap::new()) };
    let failed = |source| Error::DevVars { path: path.clone(), source };
    dotenvy::from_path_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
}

fn key(asked: &Token, vars: &BTreeMap<String, String>, variable: fn(&str) -> Option<String>) -> Result<Key, Error> {
    if let Some(path) = &asked.dev_vars {
        let key = vars.get(JWT_HS256_KEY).filter(|key| !key.is_empty());
        return key.cloned().map(Key::Hs256).ok_or_else(|| Error::NotInDevVars { path: path.clone() });
    }
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    match (given(HS256_KEY), given(ES256_KEY)) {
        (None, None) => Err(Error::NoKey),
        (Some(_), Some(_)) => Err(Error::TwoKeys),
        (Some(key), None) => Ok(Key::Hs256(key)),
        (None, Some(jwk)) => Ok(Key::Es256(jwk)),
    }
}

fn private_key(jwk: &str) -> Option<Es256Key> {
    Es256Key::try_from(&serde_json::from_str::<JsonWebKey<'_>>(jwk).ok()?).ok()
}
