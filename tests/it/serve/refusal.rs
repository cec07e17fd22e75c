//! Refusals: every parameter's bad values, unknown paths, wrong methods, and resources behind a
//! secret.

use serde_json::Value;
use sinsang::auth::BadKey;
use sinsang::guess::PreviewSecret;
use sinsang::rate::{Address, Asker};
use sinsang::request::Config;
use sinsang::serve::Serve;

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, hasher, published};
use crate::support::edge::{Ask, Edge, PREVIEW, json};

fn edge() -> Edge {
    Edge::with(&published(&Shape::SMALL), at(BUILT_AT))
}

#[track_caller]
fn check_problem(edge: &mut Edge, ask: &Ask, status: u16, kind: &str, parameter: Option<&str>) {
    let reply = edge.ask(ask);
    let shown = format!("{} {} -> {}", ask.method, ask.target, String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.status, status, "{shown}");
    assert_eq!(reply.header("Content-Type"), Some("application/problem+json; charset=utf-8"), "{shown}");
    assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{shown}");
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{shown}");
    let problem = json(&reply);
    assert_eq!(problem["type"], format!("/problems/{kind}"), "{shown}");
    assert_eq!(problem["status"], status, "{shown}");
    assert!(["title", "detail"].iter().all(|member| problem[member].as_str().is_some_and(|text| !text.is_empty())));
    assert_eq!(problem.get("parameter").and_then(Value::as_str), parameter, "{shown}");
    assert_eq!(edge.cost.reads, 0, "a refusal reads nothing: {shown}");
}

#[test]
fn bad_values_are_refused_by_name() {
    let mut edge = edge();
    let long = "a".repeat(257);
    let table: Vec<(&str, Vec<&str>)> = vec![
        (
            "limit",
            vec![
                "0",
                "101",
                "-1",
                "%2B5",
                "+5",
                "1.5",
                "1e1",
                "",
                "ten",
                "%20",
                "20%20",
                "0x10",
                "٣",
                "18446744073709551617",
                &long,
            ],
        ),
        ("sort", vec!["", "Soonest", "price", "recommended%00", "soonest,recommended", &long]),
        ("category", vec!["", &long]),
        ("channel", vec!["", &long]),
        ("cursor", vec!["", "x", "AAAA", "%F0%9F%98%80", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0", &long]),
    ];
    for (name, values) in table {
        for value in values {
            check_problem(
                &mut edge,
                &Ask::get(format!("/v1/new?{name}={value}")),
                400,
                "invalid-parameter",
                Some(name),
            );
        }
        let twice = format!("/v1/new?{name}=20&limit=20&{name}=20");
        let repeated = edge.get(&twice);
        assert_eq!(repeated.status, 400, "{twice}");
    }
    check_problem(&mut edge, &Ask::get("/v1/home?limit=0"), 400, "invalid-parameter", Some("limit"));
    for name in ["as_of", "viewer"] {
        let values: &[&str] = if name == "as_of" {
            &["", "now", "2026-11-22", "2026-11-22T25:10:00%2B09:00", "2026-13-01T00:00:00Z", "1700000000"]
        } else {
            &["", &long]
        };
        for path in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"] {
            for value in values {
                let ask = Ask::get(format!("{path}?{name}={value}")).preview(PREVIEW);
                check_problem(&mut edge, &ask, 400, "invalid-parameter", Some(name));
            }
        }
    }
}

#[test]
fn good_values_at_the_limits_are_answered() {
    let mut edge = edge();
    let longest = "a".repeat(256);
    for query in [
        "limit=1",
        "limit=100",
        "limit=007",
        "",
        "limit=%35",
        &format!("category={longest}"),
        &format!("channel={longest}"),
        "sort=recommended",
    ] {
        assert_eq!(edge.get(&format!("/v1/new?{query}")).status, 200, "{query}");
    }
    let viewer = "v".repeat(128);
    assert_eq!(edge.ask(&Ask::get(format!("/v1/live?viewer={viewer}")).preview(PREVIEW)).status, 200);
}

#[test]
fn unknown_parameters_are_refused_by_name() {
    let mut edge = edge();
    let table = [
        ("/v1/new?page=2", "page"),
        ("/v1/new?Limit=2", "Limit"),
        ("/v1/new?limit[]=2", "limit[]"),
        ("/v1/home?cursor=x", "cursor"),
        ("/v1/home?sort=soonest", "sort"),
        ("/v1/live?limit=2", "limit"),
        ("/v1/tabs?a", "a"),
        ("/v1/status?limit=1", "limit"),
        ("/healthz?x=1", "x"),
        ("/v1/live?=1", ""),
        ("/v1/live?%EC%8B%A0=1", "신"),
        ("/v1/live?%22%5C%0a=1", "\"\\\n"),
        ("/v1/live?%ff=1", "\u{fffd}"),
    ];
    for (target, name) in table {
        check_problem(&mut edge, &Ask::get(target), 400, "invalid-parameter", Some(name));
    }
    let shortened = "x".repeat(40);
    check_problem(
        &mut edge,
        &Ask::get(format!("/v1/live?{}=1", "x".repeat(900))),
        400,
        "invalid-parameter",
        Some(&shortened),
    );
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let mut edge = edge();
    for path in [
        "/",
        "",
        "/v1",
        "/v1/",
        "/v1/new/",
        "//v1/new",
        "/V1/new",
        "/v1/new%2f",
        "/v2/new",
        "/manifest",
        "/v1/../healthz",
        "/v1/new;x",
    ] {
        check_problem(&mut edge, &Ask::get(path), 404, "not-found", None);
        check_problem(&mut edge, &Ask::get(path).method("POST"), 404, "not-found", None);
    }
    for path in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status", "/healthz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", ""] {
            check_problem(&mut edge, &Ask::get(path).method(method), 405, "method-not-allowed", None);
            let reply = edge.ask(&Ask::get(path).method(method));
            assert_eq!(reply.header("Allow"), Some("GET, HEAD, OPTIONS"));
        }
        let options = edge.ask(&Ask::get(path).method("OPTIONS"));
        assert_eq!((options.status, options.header("Allow")), (204, Some("GET, HEAD, OPTIONS")));
    }
    check_problem(&mut edge, &Ask::get(format!("/{}", "p".repeat(256))), 414, "too-long", None);
    check_problem(&mut edge, &Ask::get(format!("/v1/new?{}", "q".repeat(2049))), 414, "too-long", None);
}

#[test]
fn previews_need_the_secret_of_the_deployment() {
    let mut edge = edge();
    let cut = PREVIEW.get(..PREVIEW.len() - 1).unwrap();
    let [spaced, capital, nul] = [format!("{PREVIEW} "), PREVIEW.to_uppercase(), format!("{PREVIEW}\0")];
    let long = PREVIEW.repeat(20);
    let given = [None, Some(""), Some(cut), Some(&spaced), Some(&capital), Some(&nul), Some(&long)];
    let mut address = 0;
    for path in ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"] {
        for (name, value) in [("as_of", "2026-11-22T20:00:00Z"), ("viewer", "u000001"), ("as_of", "rubbish")] {
            // Each guess comes from another address, because guesses of one address are limited.
            address += 1;
            for secret in given {
                let mut ask = Ask::get(format!("{path}?{name}={value}"));
                ask.preview = secret.map(str::to_owned);
                ask.address = Address::parse(Some(&format!("192.0.2.{address}")));
                check_problem(&mut edge, &ask, 403, "preview-only", Some(name));
            }
        }
    }
    edge.config.preview_secret = None;
    for given in ["", PREVIEW] {
        check_problem(
            &mut edge,
            &Ask::get("/v1/live?viewer=u000001").preview(given),
            403,
            "preview-only",
            Some("viewer"),
        );
    }
    edge.config.preview_secret = PreviewSecret::new(PREVIEW).ok();
    edge.config.verifier = None;
    check_problem(
        &mut edge,
        &Ask::get("/v1/live?viewer=u000001").preview(PREVIEW),
        400,
        "invalid-parameter",
        Some("viewer"),
    );
}

#[test]
fn guesses_at_the_preview_secret_are_bounded_on_every_path_and_whatever_is_asked() {
    for path in [
        "/v1/new",
        "/v1/live?viewer=u000001",
        "/v1/tabs",
        "/v1/home?as_of=2026-11-22T20:00:00Z",
        "/v1/status",
        "/preview/board",
        "/preview/tastes?viewer=u000001",
        "/preview/snapshots",
    ] {
        let mut edge = edge();
        edge.get("/v1/tabs");
        let from = |address: &str, secret: &str| {
            let ask = Ask::get(path).preview(secret);
            Ask { address: Address::parse(Some(address)), ..ask }
        };
        let statuses = |edge: &mut Edge, address: &str, secret: &str, count: usize| -> Vec<u16> {
            let now = edge.now;
            let ask = |_| {
                edge.now = now;
                edge.ask(&from(address, secret)).status
            };
            (0..count).map(ask).collect()
        };
        let guessed = statuses(&mut edge, "2001:db8:1:2::1", "a guess at the secret", 450);
        let looked_at = guessed.iter().take_while(|status| **status != 429).count();
        assert_eq!(looked_at, 10, "{path}: {guessed:?}");
        assert!(guessed.iter().skip(looked_at).all(|status| *status == 429), "{path}: {guessed:?}");
        check_problem(&mut edge, &from("2001:db8:1:2::1", "another guess"), 429, "too-many-requests", None);
        let wait: i64 = edge.ask(&from("2001:db8:1:2:3::", "x")).header("Retry-After").unwrap().parse().unwrap();
        assert!((10..=20).contains(&wait), "{path}: {wait} s, and all of a /64 are one address");
        assert_eq!(statuses(&mut edge, "2001:db8:1:2::9", PREVIEW, 1), [429], "{path}: not even the right one");
        let others = statuses(&mut edge, "2001:db8:1:3::1", PREVIEW, 40);
        assert!(others.iter().all(|status| *status == 200), "{path}: {others:?}");
        let without = edge.ask(&Ask { preview: None, ..from("2001:db8:1:2::1", "") });
        assert!([200, 403].contains(&without.status), "{path}: whoever sends no secret guesses at none");
        edge.pass(6_000);
        assert_eq!(statuses(&mut edge, "2001:db8:1:2::9", PREVIEW, 2), [200, 200], "{path}: and then it is open again");
    }
}

#[test]
fn a_short_preview_secret_opens_nothing_and_the_log_is_told() {
    let of = |secret: &'static str| Config::of(move |name| (name == "PREVIEW_SECRET").then(|| secret.to_owned()));
    let mut edge = edge();
    for (secret, opens) in [("0123456789abcdef", true), ("0123456789abcde", false), ("x", false)] {
        let (config, bad) = of(secret);
        assert_eq!(bad, if opens { vec![] } else { vec![BadKey::PreviewSecretTooShort] }, "{secret}");
        assert!(bad.iter().all(|one| !one.to_string().contains(secret) && one.to_string().contains("16 bytes")));
        edge.config = config;
        let status = edge.ask(&Ask::get("/preview/snapshots").preview(secret)).status;
        assert_eq!(status, if opens { 200 } else { 403 }, "{secret}");
    }
    let (config, bad) = of("");
    assert!(config.preview_secret.is_none() && bad.is_empty(), "none is no mistake");
}

#[test]
fn a_request_is_counted_for_whoever_proved_to_ask_and_never_for_whom_a_preview_chose() {
    let edge = edge();
    let asker = |ask: &Ask| Serve::begin(ask.raw(), &edge.config, edge.now).asker();
    let user = Asker::User(hasher().key("u000001"));
    assert_eq!(asker(&Ask::get("/v1/home").user("u000001")), Some(user));
    assert_eq!(asker(&Ask::get("/v1/home")), Some(Asker::Nobody));
    let device = Ask::get("/v1/home").device("a-device-of-the-tests");
    assert_eq!(asker(&device), Some(Asker::Device(hasher().device("a-device-of-the-tests"))));
    assert_eq!(asker(&device.clone().user("u000001")), Some(user), "a token counts before a device");
    for refused in [
        Ask::get("/v1/home").bearer("x.y.z"),
        device.clone().bearer("x.y.z"),
        Ask::get("/v1/home").device("short"),
        Ask::get("/v1/home?limit=0").user("u000001"),
        Ask::get("/v1/home?viewer=u000001").preview("a guess at the secret"),
        Ask::get("/v1/none"),
    ] {
        assert_eq!(asker(&refused), Some(Asker::Refused), "{refused:?}");
    }
    for preview in [Ask::get("/v1/home?viewer=u000001"), Ask::get("/v1/home").user("u000001")] {
        assert_eq!(asker(&preview.preview(PREVIEW)), Some(Asker::Preview));
    }
    assert_eq!(asker(&Ask::get("/v1/home").method("OPTIONS")), Some(Asker::Browser));
}
