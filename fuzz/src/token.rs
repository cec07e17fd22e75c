//! Tokens of any bytes: none counts that the configured key has not signed, and of those only one
//! that is for us, in time, and names a user.

use std::sync::LazyLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use sinsang::auth::{Bearer, Refused};
use sinsang::request::Config;
use sinsang_core::time::SECOND_MS;

use crate::support::at;
use crate::support::board::BUILT_AT;
use crate::support::edge::{AUDIENCE, HS256_KEY, config, is_signed};

/// With the public key of RFC 7515, appendix A.3, besides.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    config(Some(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    ))
});

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// What is asked of claims. Others may hold what no value can, such as 1e9999.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    exp: f64,
    nbf: Option<f64>,
}

/// The first byte says what the rest is. `r`: a whole header. `s`: a JWT's header and claims, a
/// line each, which are then signed with the right key; `w`: with a wrong one; `n`: with none.
pub(crate) fn token(bytes: &[u8]) {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let now = at(BUILT_AT);
    let verifier = CONFIG.verifier.as_ref().expect("a verifier is configured");
    let check = |authorization: &str| match verifier.user_of(authorization, now)? {
        Bearer::User(user) => Ok(user),
        Bearer::Unproven(token) => {
            assert_eq!(verifier.prove(&token, false, now), Err(Refused::Signature));
            verifier.prove(&token, is_signed(&token), now)
        }
    };
    if *mode == b'r' {
        assert!(check(&text).is_err(), "{text:?}");
        assert!(check(&format!("Bearer {text}")).is_err(), "{text:?}");
        return;
    }
    let (header, claims) = text.split_once('\n').unwrap_or((&text, "{}"));
    let part = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = match mode {
        b's' => sign(&signed, HS256_KEY),
        b'w' => sign(&signed, "another key, of 32 bytes or more"),
        _ => String::new(),
    };
    let outcome = check(&format!("Bearer {signed}.{signature}"));
    assert!(outcome.is_err() || *mode == b's', "{header} {claims}");
    if outcome.is_ok() {
        let Header { alg } = serde_json::from_str(header).expect("a JSON header");
        let claims: Claims = serde_json::from_str(claims).expect("JSON claims");
        assert_eq!(alg, "HS256", "{claims:?}");
        assert!((1..=128).contains(&claims.sub.len()), "{claims:?}");
        let is_for_us = |audience: &Value| audience == AUDIENCE;
        assert!(
            is_for_us(&claims.aud) || claims.aud.as_array().is_some_and(|all| all.iter().any(is_for_us)),
            "{claims:?}"
        );
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
        let now = (now.0 / SECOND_MS) as f64;
        assert!(claims.exp + 31.0 >= now, "{claims:?}");
        assert!(claims.nbf.is_none_or(|nbf| nbf - 31.0 <= now), "{claims:?}");
    }
}

fn sign(text: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key will do");
    mac.update(text.as_bytes());
    Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())
}
