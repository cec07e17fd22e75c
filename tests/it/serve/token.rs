//! Tokens: which are accepted, and the answers to the others.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use jwt_compact::alg::{Es256, SigningKey as _};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmSignature as _};
use serde_json::{Value, json};
use sha2::Sha256;
use sinsang::auth::{BadKey, DEFAULT_MAX_LIFE_S, Verifier};
use sinsang::request::Config;
use sinsang_core::time::{DAY_MS, SECOND_MS};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, hasher, published};
use crate::support::edge::{AUDIENCE, Ask, Edge, HS256_KEY, config, hs256, json as body_of, ok};

type Es256Key = <Es256 as Algorithm>::SigningKey;

fn es256_key(seed: u8) -> Es256Key {
    Es256Key::from_slice(&[seed; 32]).unwrap()
}

fn jwk(key: &Es256Key) -> String {
    serde_json::to_string(&JsonWebKey::from(&key.to_verifying_key())).unwrap()
}

fn part(value: &Value) -> String {
    Base64UrlUnpadded::encode_string(value.to_string().as_bytes())
}

fn es256(header: &Value, claims: &Value, key: &Es256Key) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = Es256.sign(key, signed.as_bytes());
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature.as_bytes()))
}

/// A JWT with the signing input `signed` and a signature by `key`.
fn signed_by(signed: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}

fn edge() -> Edge {
    let mut edge = Edge::with(&published(&Shape::SMALL), at(BUILT_AT));
    edge.config = config(Some(&jwk(&es256_key(7))));
    edge.get("/v1/tabs");
    edge.now = at(BUILT_AT);
    edge
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

/// Valid claims at the tests' time, with `changes`; `null` removes a claim.
fn claims(changes: Value) -> Value {
    let now = at(BUILT_AT).0 / SECOND_MS;
    let mut claims = json!({ "sub": "u000001", "aud": AUDIENCE, "exp": now + 60, "iat": now });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(&name);
        } else {
            claims[&name] = value;
        }
    }
    claims
}

#[track_caller]
fn check(edge: &mut Edge, authorization: &str, refused: Option<&str>) {
    let mut ask = Ask::get("/v1/live");
    ask.authorization = Some(authorization.to_owned());
    let now = edge.now;
    let reply = edge.ask(&ask);
    edge.now = now;
    match refused {
        None => assert_eq!(ok(&reply)["personalized"], true, "{authorization}"),
        Some(why) => {
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            assert_eq!(reply.status, 401, "{authorization}: {text}");
            let challenge = reply.header("WWW-Authenticate").unwrap();
            let expected = format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
            assert_eq!(challenge, expected, "{authorization}");
            let problem = body_of(&reply);
            assert_eq!((&problem["type"], &problem["detail"]), (&json!("/problems/invalid-token"), &json!(why)));
            assert_eq!(reply.header("Cache-Control"), Some("no-store"));
        }
    }
}

const EXPIRED: Option<&str> = Some("the token has expired or has no expiry");
const TOO_FAR: Option<&str> = Some("the token expires too far ahead");
const EXTENSION: Option<&str> = Some("the token demands an unknown extension");
const KIND: Option<&str> = Some("the token is of another type");
const EARLY: Option<&str> = Some("the token is not valid yet");
const AUDIENCES: Option<&str> = Some("the token is for another audience");
const SUBJECT: Option<&str> = Some("the token names no user");
const ALGORITHM: Option<&str> = Some("the token's algorithm is not accepted");
const SIGNATURE: Option<&str> = Some("the token's signature is wrong");
const MALFORMED: Option<&str> = Some("the token is malformed");
const SCHEME: Option<&str> = Some("the Authorization header is not 'Bearer' and a token");

#[test]
fn claims_decide_under_either_algorithm() {
    let mut edge = edge();
    let now = at(BUILT_AT).0 / SECOND_MS;
    let table = [
        (json!({}), None),
        (json!({ "exp": now - 29 }), None),
        (json!({ "exp": now - 30 }), None),
        (json!({ "exp": now - 31 }), EXPIRED),
        (json!({ "exp": null }), EXPIRED),
        (json!({ "exp": 0 }), EXPIRED),
        (json!({ "exp": -1 }), EXPIRED),
        // The default maximum life of tokens, plus the clock's leeway of 30 seconds.
        (json!({ "exp": now + DEFAULT_MAX_LIFE_S + 30 }), None),
        (json!({ "exp": now + DEFAULT_MAX_LIFE_S + 31 }), TOO_FAR),
        (json!({ "exp": 4_000_000_000_i64 }), TOO_FAR),
        (json!({ "exp": 8_210_266_876_799_i64 }), TOO_FAR),
        (json!({ "exp": i64::MAX }), MALFORMED),
        (json!({ "exp": u64::MAX }), MALFORMED),
        (json!({ "exp": "soon" }), MALFORMED),
        (json!({ "nbf": now + 30 }), None),
        (json!({ "nbf": now + 31 }), EARLY),
        (json!({ "nbf": now + 86_400 }), EARLY),
        (json!({ "nbf": -8_334_601_228_800_i64 }), None),
        (json!({ "nbf": i64::MIN }), MALFORMED),
        (json!({ "aud": "another" }), AUDIENCES),
        (json!({ "aud": null }), AUDIENCES),
        (json!({ "aud": "" }), AUDIENCES),
        (json!({ "aud": ["another", AUDIENCE] }), None),
        (json!({ "aud": ["another"] }), AUDIENCES),
        (json!({ "aud": [] }), AUDIENCES),
        (json!({ "aud": 7 }), MALFORMED),
        (json!({ "sub": null }), SUBJECT),
        (json!({ "sub": "" }), SUBJECT),
        (json!({ "sub": "u".repeat(129) }), SUBJECT),
        // Clients' placeholders for no user would make all strangers one user.
        (json!({ "sub": "undefined" }), SUBJECT),
        (json!({ "sub": "0" }), SUBJECT),
        (json!({ "sub": 1 }), MALFORMED),
        (json!({ "more": { "nested": [1, 2] } }), None),
    ];
    for (changes, refused) in table {
        let claims = claims(changes);
        check(&mut edge, &format!("Bearer {}", hs256(&header(), &claims, HS256_KEY)), refused);
        let token = es256(&json!({ "alg": "ES256" }), &claims, &es256_key(7));
        check(&mut edge, &format!("Bearer {token}"), refused);
    }
}

#[test]
fn only_the_configured_key_of_the_named_algorithm_signs() {
    let mut edge = edge();
    let claims = claims(json!({}));
    let public = jwk(&es256_key(7));
    let unsigned = |alg: &str| format!("{}.{}.", part(&json!({ "alg": alg })), part(&claims));
    let good = hs256(&header(), &claims, HS256_KEY);
    let (head_and_claims, signature) = good.rsplit_once('.').unwrap();
    let other_claims = format!(
        "{}.{}",
        part(&header()),
        part(&json!({ "sub": "u000002", "aud": AUDIENCE, "exp": 4_000_000_000_u64 }))
    );
    let table = [
        (hs256(&header(), &claims, "another key of at least 32 bytes"), SIGNATURE),
        (es256(&json!({ "alg": "ES256" }), &claims, &es256_key(8)), SIGNATURE),
        (format!("{head_and_claims}."), SIGNATURE),
        (format!("{head_and_claims}.{}", &signature[..20]), SIGNATURE),
        (format!("{other_claims}.{signature}"), SIGNATURE),
        // A public key as an HMAC secret, an HMAC under the name of ES256, and the other way round.
        (hs256(&header(), &claims, &public), SIGNATURE),
        (hs256(&json!({ "alg": "ES256" }), &claims, HS256_KEY), SIGNATURE),
        (es256(&header(), &claims, &es256_key(7)), SIGNATURE),
        (unsigned("none"), ALGORITHM),
        (unsigned("None"), ALGORITHM),
        (unsigned(""), ALGORITHM),
        (hs256(&json!({ "alg": "none" }), &claims, HS256_KEY), ALGORITHM),
        (hs256(&json!({ "alg": "HS512" }), &claims, HS256_KEY), ALGORITHM),
        (hs256(&json!({ "alg": "hs256" }), &claims, HS256_KEY), ALGORITHM),
        (hs256(&json!({ "typ": "JWT" }), &claims, HS256_KEY), MALFORMED),
        (hs256(&json!({ "alg": 1 }), &claims, HS256_KEY), MALFORMED),
    ];
    for (token, refused) in table {
        check(&mut edge, &format!("Bearer {token}"), refused);
    }
    edge.config = config(None);
    check(&mut edge, &format!("Bearer {}", es256(&json!({ "alg": "ES256" }), &claims, &es256_key(7))), ALGORITHM);
    edge.config.verifier = None;
    check(&mut edge, &format!("Bearer {good}"), ALGORITHM);
}

#[test]
fn the_header_decides_what_a_token_is_for_under_either_algorithm() {
    let mut edge = edge();
    let table = [
        // RFC 7515 section 4.1.11: an unknown critical extension refuses the token, and so does a
        // malformed list.
        (json!({ "crit": ["exp"] }), EXTENSION),
        (json!({ "crit": ["exp"], "exp": 1 }), EXTENSION),
        (json!({ "crit": ["b64"], "b64": false }), EXTENSION),
        (json!({ "crit": ["http://example.com/UNDEFINED"], "http://example.com/UNDEFINED": true }), EXTENSION),
        (json!({ "crit": [] }), EXTENSION),
        (json!({ "crit": "exp" }), EXTENSION),
        (json!({ "crit": null }), EXTENSION),
        (json!({ "crit": false }), EXTENSION),
        // These would make the signature cover something other than the claims.
        (json!({ "b64": false }), EXTENSION),
        (json!({ "b64": true }), EXTENSION),
        (json!({ "zip": "DEF" }), EXTENSION),
        (json!({ "enc": "A256GCM" }), EXTENSION),
        (json!({ "cty": "JWT" }), MALFORMED),
        (json!({ "cty": "json" }), None),
        // RFC 8725 section 3.11: a token of the same issuer for another purpose does not identify a
        // viewer.
        (json!({}), None),
        (json!({ "typ": "JWT" }), None),
        (json!({ "typ": "jwt" }), None),
        (json!({ "typ": "at+jwt" }), None),
        (json!({ "typ": "AT+JWT" }), None),
        (json!({ "typ": "application/at+jwt" }), None),
        (json!({ "typ": "Application/JWT" }), None),
        (json!({ "typ": "logout+jwt" }), KIND),
        (json!({ "typ": "secevent+jwt" }), KIND),
        (json!({ "typ": "id_token" }), KIND),
        (json!({ "typ": "dpop+jwt" }), KIND),
        (json!({ "typ": "JOSE" }), KIND),
        (json!({ "typ": "" }), KIND),
        (json!({ "typ": "application/" }), KIND),
        (json!({ "typ": "application/application/jwt" }), KIND),
        (json!({ "typ": "신jwt" }), KIND),
        (json!({ "typ": "JWT " }), KIND),
        (json!({ "typ": 1 }), MALFORMED),
        (json!({ "typ": ["JWT"] }), MALFORMED),
        // Further members that an issuer may set.
        (json!({ "kid": "2026", "x5t": "abc", "jku": "https://evil.example/keys" }), None),
    ];
    for (more, refused) in table {
        let header = |alg: &str| {
            let mut header = json!({ "alg": alg });
            header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            header
        };
        let claims = claims(json!({ "jti": more.to_string() }));
        check(&mut edge, &format!("Bearer {}", hs256(&header("HS256"), &claims, HS256_KEY)), refused);
        check(&mut edge, &format!("Bearer {}", es256(&header("ES256"), &claims, &es256_key(7))), refused);
        if refused.is_some() {
            assert_eq!(edge.cost.proofs, 0, "{more}: no signature is looked at");
        }
    }
    // A repeated member is invalid, whichever value a reader takes.
    let twice = r#"{"alg":"HS256","typ":"logout+jwt","typ":"JWT"}"#;
    let signed = format!("{}.{}", Base64UrlUnpadded::encode_string(twice.as_bytes()), part(&claims(json!({}))));
    check(&mut edge, &format!("Bearer {}", signed_by(&signed, HS256_KEY)), MALFORMED);
}

#[test]
fn a_token_that_expires_too_far_ahead_counts_when_less_of_its_life_is_left_and_is_not_remembered_before() {
    let mut edge = edge();
    let now = edge.now;
    let exp = now.0 / SECOND_MS + 7_200;
    let tokens = [
        hs256(&header(), &claims(json!({ "exp": exp })), HS256_KEY),
        es256(&json!({ "alg": "ES256" }), &claims(json!({ "exp": exp })), &es256_key(7)),
    ];
    edge.config.verifier = edge.config.verifier.map(|verifier| verifier.with_max_life(3_600));
    for token in &tokens {
        for (ms, refused) in [
            (0, TOO_FAR),
            (0, TOO_FAR),
            (3_569 * SECOND_MS, TOO_FAR),
            (3_570 * SECOND_MS, None),
            // A cached token: before the time of its check, when the clock goes back, it is checked
            // again.
            (3_569 * SECOND_MS, TOO_FAR),
            (7_200 * SECOND_MS, None),
            (7_231 * SECOND_MS, EXPIRED),
        ] {
            edge.now = now.plus(ms);
            check(&mut edge, &format!("Bearer {token}"), refused);
        }
    }
}

#[test]
fn how_far_ahead_tokens_may_expire_is_configured_and_a_limit_that_is_none_refuses_all() {
    let of = |max_life: &'static str| {
        Config::of(move |name| match name {
            "USER_KEY" => Some("a user key of the tests".to_owned()),
            "JWT_HS256_KEY" => Some(HS256_KEY.to_owned()),
            "JWT_AUDIENCE" => Some(AUDIENCE.to_owned()),
            "JWT_MAX_LIFE_S" => Some(max_life.to_owned()),
            _ => None,
        })
    };
    let now = at(BUILT_AT);
    let lives = |config: &Config, seconds: i64| {
        let token = hs256(&header(), &claims(json!({ "exp": now.0 / SECOND_MS + seconds })), HS256_KEY);
        config.verifier.as_ref().unwrap().user_of(&format!("Bearer {token}"), now).is_ok()
    };
    for (given, life_s) in [("", DEFAULT_MAX_LIFE_S), ("3600", 3_600), ("31622401", 31_622_401)] {
        let (config, bad) = of(given);
        assert_eq!(bad, vec![], "{given:?}");
        assert!(lives(&config, life_s + 30) && !lives(&config, life_s + 31), "{given:?}");
    }
    for given in ["0", "-1", "1.5", "1h", "9223372036854775808", " "] {
        let (config, bad) = of(given);
        assert_eq!((config.verifier.is_none(), bad), (true, vec![BadKey::MaxLife]), "{given:?}");
    }
    assert!(lives(&of("9223372036854775807").0, 8_000_000_000_000));
}

#[test]
fn headers_that_are_no_bearer_token_are_refused() {
    let mut edge = edge();
    let good = hs256(&header(), &claims(json!({})), HS256_KEY);
    let oversize = hs256(&header(), &claims(json!({ "pad": "x".repeat(4_000) })), HS256_KEY);
    let table = [
        (format!("bearer {good}"), None),
        (format!("BEARER   {good} "), None),
        (good.clone(), SCHEME),
        (format!("Basic {good}"), SCHEME),
        ("Bearer".to_owned(), SCHEME),
        (String::new(), SCHEME),
        ("Bearer ".to_owned(), MALFORMED),
        ("Bearer x".to_owned(), MALFORMED),
        ("Bearer a.b.c".to_owned(), MALFORMED),
        ("Bearer ..".to_owned(), MALFORMED),
        (format!("Bearer {good}.{good}"), MALFORMED),
        (format!("Bearer {good} {good}"), MALFORMED),
        (format!("Bearer 신{good}"), MALFORMED),
        (format!("Bearer {oversize}"), Some("the token is too long")),
    ];
    for (authorization, refused) in table {
        check(&mut edge, &authorization, refused);
    }
}

#[test]
fn a_bad_token_is_refused_on_every_surface_and_is_no_matter_to_health() {
    let mut edge = edge();
    for path in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"] {
        assert_eq!(edge.ask(&Ask::get(path).bearer("x.y.z")).status, 401, "{path}");
        let head = edge.ask(&Ask::get(path).method("HEAD").bearer("x.y.z"));
        assert_eq!((head.status, head.body.len()), (401, 0), "{path}");
    }
    assert_eq!(edge.ask(&Ask::get("/healthz").bearer("x.y.z")).status, 200);
}

#[test]
fn a_shifted_clock_moves_the_schedule_and_not_the_tokens() {
    let mut edge = edge();
    let real = at(BUILT_AT);
    edge.config.clock_offset_ms = -400 * DAY_MS;
    edge.now = real.plus(-400 * DAY_MS);
    check(&mut edge, &format!("Bearer {}", hs256(&header(), &claims(json!({})), HS256_KEY)), None);
    let by_platform = |claims: &Value| format!("Bearer {}", es256(&json!({ "alg": "ES256" }), claims, &es256_key(7)));
    check(&mut edge, &by_platform(&claims(json!({}))), None);
    let stale = claims(json!({ "exp": edge.now.0 / SECOND_MS + 60 }));
    check(&mut edge, &format!("Bearer {}", hs256(&header(), &stale, HS256_KEY)), EXPIRED);
    check(&mut edge, &by_platform(&stale), EXPIRED);
}

#[test]
fn two_keys_of_an_algorithm_count_while_they_are_changed_and_no_third() {
    let mut edge = edge();
    let next = "fedcba9876543210fedcba9876543210";
    let (old_pair, new_pair) = (es256_key(7), es256_key(8));
    let verifier = |hs256: &[&str], es256: &[&Es256Key]| {
        let es256: Vec<String> = es256.iter().map(|key| jwk(key)).collect();
        let es256: Vec<&str> = es256.iter().map(String::as_str).collect();
        Verifier::new(hs256, &es256, AUDIENCE.to_owned(), hasher()).unwrap()
    };
    let good = claims(json!({}));
    let es_header = json!({ "alg": "ES256", "typ": "JWT" });
    edge.config.verifier = Some(verifier(&[HS256_KEY, next], &[&old_pair, &new_pair]));
    for key in [HS256_KEY, next] {
        check(&mut edge, &format!("Bearer {}", hs256(&header(), &good, key)), None);
    }
    for key in [&old_pair, &new_pair] {
        check(&mut edge, &format!("Bearer {}", es256(&es_header, &good, key)), None);
    }
    let third = hs256(&header(), &good, "a third key that nobody configured");
    check(&mut edge, &format!("Bearer {third}"), Some("the token's signature is wrong"));
    edge.config.verifier = Some(verifier(&["", next], &[&new_pair]));
    let old = hs256(&header(), &good, HS256_KEY);
    check(&mut edge, &format!("Bearer {old}"), Some("the token's signature is wrong"));
    let old = es256(&es_header, &good, &old_pair);
    check(&mut edge, &format!("Bearer {old}"), Some("the token's signature is wrong"));
}

#[test]
fn the_platform_checks_a_signature_once_for_a_good_token_and_every_time_for_a_bad_one() {
    let mut edge = edge();
    let header = json!({ "alg": "ES256" });
    let mut proofs = |token: &str, target: &str| {
        let now = edge.now;
        let status = edge.ask(&Ask::get(target).bearer(token)).status;
        edge.now = now;
        (status, edge.cost.proofs)
    };
    let good = es256(&header, &claims(json!({})), &es256_key(7));
    assert_eq!(proofs(&good, "/v1/live"), (200, 1));
    for target in ["/v1/live", "/v1/new", "/v1/home"] {
        assert_eq!(proofs(&good, target), (200, 0), "{target}");
    }
    let stranger = es256(&header, &claims(json!({})), &es256_key(8));
    let stale = es256(&header, &claims(json!({ "exp": 0 })), &es256_key(7));
    for bad in [&stranger, &stale, &stranger, &stale] {
        assert_eq!(proofs(bad, "/v1/live"), (401, 1), "nothing of it is remembered");
    }
    // A token that no signature could make valid is refused without a check.
    let (signed, signature) = stranger.rsplit_once('.').unwrap();
    for bad in [
        format!("{signed}."),
        format!("{signed}.{}", &signature[..84]),
        format!("{signed}.{signature}AA"),
        format!("{}.e.{signature}", part(&header)),
    ] {
        assert_eq!(proofs(&bad, "/v1/live"), (401, 0), "{bad}");
    }
    assert_eq!(proofs(&stranger, "/healthz"), (200, 0));
    assert_eq!(proofs(&stranger, "/v1/none"), (404, 0));
    assert_eq!(proofs(&stranger, "/v1/new?limit=20&limit=20"), (400, 0));
    // Identity is checked before parameters.
    let unasked = es256(&header, &claims(json!({ "jti": "1" })), &es256_key(7));
    assert_eq!(proofs(&stranger, "/v1/new?limit=x"), (401, 1));
    assert_eq!(proofs(&unasked, "/v1/new?limit=x"), (400, 1));
    assert_eq!(proofs(&unasked, "/v1/new"), (200, 0), "what was proven stays so, whatever was asked");
}

#[test]
fn keys_that_can_not_be_used_are_refused_when_they_are_configured() {
    let make = |hs256: Option<&str>, es256: Option<&str>| {
        let keys = |key: Option<&str>| key.unwrap_or_default().to_owned();
        Verifier::new(&[&keys(hs256)], &[&keys(es256)], AUDIENCE.to_owned(), hasher()).err()
    };
    let public = jwk(&es256_key(7));
    assert_eq!(make(Some(HS256_KEY), Some(&public)), None);
    assert_eq!(make(Some(""), Some("")), None, "empty is not configured");
    assert_eq!(make(Some(&HS256_KEY[1..]), None), Some(BadKey::Hs256TooShort));
    let nobody = Verifier::new(&[HS256_KEY], &[], String::new(), hasher()).err();
    assert_eq!(nobody, Some(BadKey::NoAudience));
    let too_long = public.replace("\"x\":\"", "\"x\":\"AAAA");
    let of_another_curve = public.replace("P-256", "P-384");
    for bad in ["{}", "x", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", &too_long, &of_another_curve] {
        assert_eq!(make(None, Some(bad)), Some(BadKey::Es256NotJwk), "{bad}");
    }
    // A point off the curve has the form of a key. The platform finds out, and then it verifies
    // nothing.
    let mut off_the_curve: Value = serde_json::from_str(&public).unwrap();
    off_the_curve["y"] = off_the_curve["x"].clone();
    let mut edge = edge();
    edge.config = config(Some(&off_the_curve.to_string()));
    let token = es256(&json!({ "alg": "ES256" }), &claims(json!({})), &es256_key(7));
    check(&mut edge, &format!("Bearer {token}"), SIGNATURE);
}
