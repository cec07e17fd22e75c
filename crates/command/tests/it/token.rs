//! `sinsang token`: what it refuses to sign, and with which keys it signs. That a Worker takes the
//! tokens is shown in workerd (`tests/edge/viewer.test.mjs`).

use std::fs;

use assert_cmd::Command;
use jwt_compact::Algorithm;
use jwt_compact::alg::Es256;
use jwt_compact::jwk::JsonWebKey;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

const HS256: (&str, &str) = ("SINSANG_JWT_HS256_KEY", "a key of the tests that has over 32 bytes");
const ES256: &str = "SINSANG_JWT_ES256_KEY";

/// A private key on P-256, as a JWK.
fn jwk() -> String {
    let key = <Es256 as Algorithm>::SigningKey::from_slice(&[7; 32]).unwrap();
    serde_json::to_string(&JsonWebKey::from(&key)).unwrap()
}

fn token(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.arg("token").args(arguments).env_remove(HS256.0).env_remove(ES256);
    command.envs(environment.iter().copied());
    command
}

/// Arguments, environment, and what the error says.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

fn written(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".dev.vars");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_token_is_signed_with_either_key_or_that_of_the_file_of_secrets() {
    let jwk = jwk();
    for key in [HS256, (ES256, &jwk)] {
        let told = token(&["--viewer", "u000002"], &[key]).assert().success().stderr("");
        let told = String::from_utf8(told.get_output().stdout.clone()).unwrap();
        assert_eq!(told.trim_end().split('.').count(), 3, "{told}");
        let json = token(&["--viewer", "u000002", "--hours", "48", "--format", "json"], &[key]).assert().success();
        let json: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
        assert_eq!((&json["viewer"], &json["audience"]), (&"u000002".into(), &"sinsang".into()));
    }
    let (_folder, path) = written(&format!("# made up\nJWT_HS256_KEY=\"{}\"\nJWT_AUDIENCE='of the file'\n", HS256.1));
    let json = token(&["--viewer", "u000002", "--dev-vars", &path, "--format", "json"], &[]).assert().success();
    let json: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(json["audience"], "of the file");
}

#[test]
fn what_the_edge_would_refuse_is_not_signed_and_the_error_says_what_to_do() {
    let (_short, short) = written("JWT_HS256_KEY=short\n");
    let (_none, none) = written("USER_KEY=abc\n");
    let (jwk, long) = (jwk(), "u".repeat(129));
    let es256 = (ES256, jwk.as_str());
    let cases: [Case<'_>; 9] = [
        (&["--viewer", "u1"], &[], "set SINSANG_JWT_HS256_KEY to the Worker's JWT_HS256_KEY, or"),
        (&["--viewer", "u1"], &[HS256, es256], "are both set"),
        (&["--viewer", "u1"], &[(HS256.0, "short")], "shorter than 32 bytes"),
        (&["--viewer", "u1"], &[(ES256, r#"{"kty":"EC","crv":"P-256"}"#)], "is no private key on P-256"),
        (&["--viewer", "u1", "--dev-vars", &short], &[HS256], "shorter than 32 bytes"),
        (&["--viewer", "u1", "--dev-vars", &none], &[HS256], "has no JWT_HS256_KEY"),
        (&["--viewer", "guest"], &[HS256], "the edge would refuse the token: the token names no user"),
        (&["--viewer", &long], &[es256], "the token names no user"),
        (&["--viewer", "u1", "--audience", ""], &[HS256], "JWT_AUDIENCE is empty"),
    ];
    for (arguments, environment, expected) in cases {
        token(arguments, environment).assert().code(1).stdout("").stderr(contains(expected));
    }
    for hours in ["0", "8785", "soon"] {
        token(&["--viewer", "u1", "--hours", hours], &[HS256]).assert().code(2);
    }
}
