//! Served experiments: the assignment of viewers to variants, each variant's agreement with its
//! rules, and who may learn of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use sinsang_core::audience::AudienceSet;
use sinsang_core::crowd::Asked;
use sinsang_core::directive::{self, Deed};
use sinsang_core::experiment::{HeldBack, WHOLE};
use sinsang_core::key::Key;
use sinsang_core::mix::Floor;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::experiment::{ExperimentPart, VariantPart};
use sinsang_core::pack::mix::DirectivePart;
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::surface::new::RANK_STEP_MS;
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{HOUR_MS, MINUTE_MS, UnixMillis};

use crate::support::at;
use crate::support::board::{BUILT_AT, Shape, hasher, parts, publish, published_after, widths};
use crate::support::edge::{Ask, Edge, PREVIEW, ids, json as body_of, ok};
use crate::support::experiment::{experiments, published_tried, tried};

const SURFACES: [&str; 4] = ["/v1/new?limit=100", "/v1/live", "/v1/tabs", "/v1/home?limit=100"];
const SOON_CONTROL: &str = "soon-first=control";
const SOON: &str = "soon-first=soon";

/// An edge two hours after the build, while both experiments run.
fn edge() -> Edge {
    Edge::with(&published_tried(&Shape::DAY), at(BUILT_AT).plus(2 * HOUR_MS))
}

fn device(number: usize) -> String {
    format!("device-{number:012}")
}

/// A list's items, without the metadata of their source.
fn shown(body: &Value) -> Value {
    let part = |value: &Value| value["items"].clone();
    json!([part(body), part(&body["tabs"]), part(&body["live"]), part(&body["new"])])
}

/// One device for each combination of variants.
fn devices(edge: &mut Edge) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for id in (0..200).map(device) {
        let reply = edge.ask(&Ask::get("/v1/tabs").device(&id));
        found.entry(reply.header("Sinsang-Experiments").unwrap_or_default().to_owned()).or_insert(id);
    }
    found
}

/// The parts of a board whose rules are those of the variants in `header`.
fn as_rules(header: &str) -> BoardParts {
    let mut parts = parts(&Shape::DAY);
    for (id, variant) in header.split(", ").filter_map(|one| one.split_once('=')) {
        let tried = experiments(&parts).into_iter().find(|experiment| experiment.id == id).unwrap();
        let variant = tried.variants.into_iter().find(|known| known.id == variant).unwrap();
        parts.weights.new.soon = if id == "soon-first" { variant.weights.new.soon } else { parts.weights.new.soon };
        if id == "turned" {
            (parts.weights.live, parts.weights.tabs, parts.mix.mix) =
                (variant.weights.live, variant.weights.tabs, variant.mix);
        }
    }
    parts
}

#[test]
fn each_variant_on_each_surface_is_what_rules_of_its_own_would_show() {
    let mut edge = edge();
    let found = devices(&mut edge);
    assert_eq!(found.len(), 9, "none, and either of two in two layers: {found:?}");
    let (mut orders, mut etags) = (BTreeSet::new(), BTreeSet::new());
    for (header, device) in &found {
        let parts = as_rules(header);
        let plain = publish(&parts, &Shape::DAY, &widths(&parts), Vec::new());
        let mut as_rules = Edge::with(&plain, edge.now);
        for target in SURFACES {
            let reply = edge.ask(&Ask::get(target).device(device));
            let body = ok(&reply);
            assert_eq!(shown(&body), shown(&ok(&as_rules.get(target))), "{header} {target}");
            let told: Value = header.split(", ").filter_map(|one| one.split_once('=')).collect();
            assert_eq!(body.get("experiments").unwrap_or(&json!({})), &told);
            assert_eq!(reply.header("Sinsang-Experiments").unwrap_or_default(), header);
            assert!(etags.insert(reply.header("ETag").unwrap().to_owned()), "{header} {target} has another's ETag");
            orders.insert((target, shown(&body).to_string()));
        }
    }
    // `new` differs by the first experiment and by exploration, `live` and `tabs` by the second.
    assert_eq!(orders.iter().filter(|(target, _)| target.starts_with("/v1/new")).count(), 4);
    assert_eq!(orders.iter().filter(|(target, _)| *target == "/v1/live").count(), 2);
    assert_eq!(orders.iter().filter(|(target, _)| *target == "/v1/tabs").count(), 2);
}

#[test]
fn a_signed_in_viewer_is_known_by_the_token_on_any_device() {
    let mut edge = edge();
    let told = |edge: &mut Edge, ask: &Ask| edge.ask(ask).header("Sinsang-Experiments").map(str::to_owned);
    let mut seen = BTreeSet::new();
    for user in (0..40).map(|number| format!("u{number:06}")) {
        let own = told(&mut edge, &Ask::get("/v1/new").user(&user));
        for number in 0..3 {
            assert_eq!(told(&mut edge, &Ask::get("/v1/new").user(&user).device(&device(number))), own);
        }
        seen.insert(own);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn a_device_is_known_by_the_name_that_events_have_for_it() {
    let mut edge = edge();
    let published = published_tried(&Shape::DAY);
    let bytes = published.pack(Key::Pack(Kind::Board, published.board)).to_vec();
    let board = Board::parse(bytes, published.board).unwrap();
    for id in (0..50).map(device) {
        let key = hasher().key(&format!("device:{id}"));
        let chosen = board.experiments().chosen((Some(key), AudienceSet::default()), &[], edge.now);
        let expected = board.experiments().assign(&chosen, board.weights(), board.mix()).map(|own| own.header);
        let told = edge.ask(&Ask::get("/v1/live").device(&id)).header("Sinsang-Experiments").map(str::to_owned);
        assert_eq!(told, expected);
    }
    edge.config.devices = None;
    assert_eq!(edge.ask(&Ask::get("/v1/live").device(&device(1))).header("Sinsang-Experiments"), None);
}

#[test]
fn what_hangs_on_a_device_is_private_and_all_else_is_shared_as_before() {
    let mut edge = edge();
    let plain = parts(&Shape::DAY);
    let plain = publish(&plain, &Shape::DAY, &widths(&plain), Vec::new());
    let mut untried = Edge::with(&plain, edge.now);
    for target in SURFACES {
        edge.get(target);
        untried.get(target);
        let own = edge.ask(&Ask::get(target).device(&device(3)));
        assert_eq!((own.header("Cache-Control"), own.stands_until), (Some("private, no-cache"), None), "{target}");
        let shared = edge.get(target);
        assert!(shared.header("Cache-Control").unwrap().starts_with("public") && shared.stands_until.is_some());
        for reply in [&own, &shared] {
            assert_eq!(reply.header("Vary"), Some("Authorization, Origin, Sinsang-Device, Sinsang-Preview"));
        }
        assert_eq!(shared.header("Sinsang-Experiments"), None);
        // Without a running experiment, a device changes nothing.
        let (with, without) = (untried.ask(&Ask::get(target).device(&device(3))), untried.get(target));
        assert_eq!((&with.headers, &with.body), (&without.headers, &without.body), "{target}");
        assert_eq!(without.header("Vary"), Some("Authorization, Origin, Sinsang-Preview"));
        assert_eq!(shown(&ok(&shared)), shown(&ok(&without)), "{target}");
        let unchanged = edge.ask(&Ask::get(target).device(&device(3)).if_none_match(own.header("ETag").unwrap()));
        assert_eq!(
            (unchanged.status, unchanged.header("Sinsang-Experiments"), unchanged.header("Cache-Control")),
            (304, own.header("Sinsang-Experiments"), own.header("Cache-Control"))
        );
    }
}

#[test]
fn an_answer_is_kept_no_longer_than_until_an_experiment_begins_or_ends() {
    let mut parts = tried(&Shape::DAY);
    parts.mix.experiments.remove(0);
    let begins = parts.mix.experiments[0].from.plus(7 * MINUTE_MS + 13_000);
    parts.mix.experiments[0].from = begins;
    let published = publish(&parts, &Shape::DAY, &widths(&parts), Vec::new());
    let mut edge = Edge::with(&published, begins.plus(-20_000));
    let reply = edge.get("/v1/tabs");
    let age: i64 = reply.header("Cache-Control").unwrap().strip_prefix("public, max-age=").unwrap().parse().unwrap();
    assert!(edge.now.plus(age * 1_000) <= begins && age > 10, "{age}");
    let before = edge.ask(&Ask::get("/v1/tabs").device(&device(1)));
    assert!(before.header("Cache-Control").unwrap().starts_with("public"), "no experiment runs yet");
    edge.now = begins;
    let after = edge.ask(&Ask::get("/v1/tabs").device(&device(1)));
    assert_eq!(after.header("Cache-Control"), Some("private, no-cache"));
    assert_ne!(after.header("ETag"), before.header("ETag"));
}

#[test]
fn a_list_goes_on_in_the_variant_that_it_began_in_whatever_begins_ends_or_is_published() {
    let mut edge = edge();
    for (header, id) in devices(&mut edge) {
        for begins_at in ["2026-11-22T06:58:00+09:00", "2026-11-22T08:57:00+09:00"] {
            let first = published_tried(&Shape::DAY);
            let mut edge = Edge::with(&first, at(begins_at));
            let ask = |target: &str| Ask::get(target).device(&id);
            let reply = edge.ask(&ask("/v1/new?limit=100"));
            let (whole, told) = (ids(&ok(&reply)), reply.header("Sinsang-Experiments").map(str::to_owned));
            let (mut seen, mut target, mut pages) = (Vec::new(), "/v1/new?limit=3".to_owned(), 0);
            loop {
                let reply = edge.ask(&ask(&target));
                assert_eq!(reply.header("Sinsang-Experiments").map(str::to_owned), told, "{header}");
                assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
                let body = ok(&reply);
                seen.extend(ids(&body));
                let Some(cursor) = body["next_cursor"].as_str() else { break };
                target = format!("/v1/new?limit=3&cursor={cursor}");
                // The second experiment begins at seven and ends at nine; then a snapshot without
                // experiments follows.
                edge.pass(MINUTE_MS);
                pages += 1;
                if pages == 4 {
                    edge.store.publish(&published_after(&Shape::DAY, &first));
                    edge.pass(10 * MINUTE_MS);
                }
            }
            let ended = whole.iter().filter(|id| !seen.contains(id)).count();
            let left: Vec<_> = whole.into_iter().filter(|id| seen.contains(id)).collect();
            assert_eq!(seen, left, "{header}");
            assert!(pages > 4 && ended < left.len(), "{pages} pages, {ended} ended");
        }
    }
}

#[test]
fn a_cursor_of_another_variant_is_refused() {
    let mut edge = edge();
    let found = devices(&mut edge);
    let first = ok(&edge.ask(&Ask::get("/v1/new?limit=3").device(&found[SOON])));
    let next = format!("/v1/new?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(edge.ask(&Ask::get(&next).device(&found[SOON])).status, 200);
    for other in [Ask::get(&next), Ask::get(&next).device(&found[SOON_CONTROL]), Ask::get(&next).user("u000001")] {
        let reply = edge.ask(&other);
        assert_eq!((reply.status, body_of(&reply)["parameter"].as_str()), (400, Some("cursor")));
    }
}

#[test]
fn a_preview_chooses_among_the_variants_that_there_are_and_is_told_why() {
    let mut edge = edge();
    let preview = |target: &str| Ask::get(target).preview(PREVIEW);
    for target in ["/v1/new?", "/v1/live?", "/v1/tabs?", "/v1/home?"] {
        let both = format!("{target}variant=turned:turned&variant=soon-first:soon&explain=1");
        assert_eq!(edge.ask(&Ask::get(&both)).status, 403);
        let reply = edge.ask(&preview(&both));
        assert_eq!(reply.header("Sinsang-Experiments"), Some("soon-first=soon, turned=turned"));
        assert_eq!(reply.header("Cache-Control"), Some("no-store"));
        let body = ok(&reply);
        let told = json!({ "soon-first": "soon", "turned": "turned" });
        assert_eq!(body["experiments"], told);
        let items = body["items"].as_array().or_else(|| body["new"]["items"].as_array()).unwrap();
        assert!(!items.is_empty() && items.iter().all(|item| item["why"]["experiments"] == told), "{target}");
    }
    // A preview may choose a variant before its experiment runs, and for viewers of another
    // variant.
    edge.now = at(BUILT_AT);
    for viewer in ["u000001", "u000002", "u000003"] {
        let reply = edge.ask(&preview(&format!("/v1/tabs?variant=turned:control&viewer={viewer}")));
        assert!(reply.header("Sinsang-Experiments").unwrap().ends_with("turned=control"));
    }
    for wrong in ["turned", "turned:", "turned:other", "other:soon", "", "turned:turned&variant=turned:control"] {
        let reply = edge.ask(&preview(&format!("/v1/new?variant={wrong}")));
        assert_eq!((reply.status, body_of(&reply)["parameter"].as_str()), (400, Some("variant")), "{wrong}");
    }
    let reply = edge.ask(&preview("/v1/new?variant=a:b"));
    let known = "soon-first:control, soon-first:soon, turned:control, turned:turned";
    assert!(body_of(&reply)["detail"].as_str().unwrap().ends_with(known));
    let many = "variant=turned:turned&".repeat(40);
    assert_eq!(edge.ask(&preview(&format!("/v1/new?{}", many.trim_end_matches('&')))).status, 400);
    assert_eq!(edge.ask(&preview("/v1/status?variant=turned:turned")).status, 400, "status has no such parameter");
    let plain = parts(&Shape::SMALL);
    let mut untried = Edge::with(&publish(&plain, &Shape::SMALL, &widths(&plain), Vec::new()), at(BUILT_AT));
    assert_eq!(untried.ask(&preview("/v1/new?variant=turned:turned")).status, 400);
}

#[test]
fn a_device_that_is_none_is_refused_whether_experiments_run_or_not() {
    let plain = parts(&Shape::SMALL);
    let plain = publish(&plain, &Shape::SMALL, &widths(&plain), Vec::new());
    for mut edge in [edge(), Edge::with(&plain, at(BUILT_AT))] {
        for wrong in ["", "short", "0123456789abcde ", &"x".repeat(65), "device:0123456789"] {
            let reply = edge.ask(&Ask::get("/v1/new").device(wrong));
            assert_eq!((reply.status, body_of(&reply)["parameter"].as_str()), (400, Some("Sinsang-Device")), "{wrong}");
            assert_eq!(reply.header("Cache-Control"), Some("no-store"));
        }
    }
}

#[test]
fn status_lists_what_is_tried() {
    let mut edge = edge();
    let listed = &ok(&edge.get("/v1/status"))["experiments"];
    assert_eq!(
        listed[1],
        json!({
            "id": "turned", "layer": "mixing", "traffic": [0.1, 1.0], "from": "2026-11-22T07:00:00+09:00",
            "until": "2026-11-22T09:00:00+09:00", "variants": ["control", "turned"],
        })
    );
    assert_eq!((&listed[0]["from"], &listed[0]["until"]), (&Value::Null, &Value::Null));
}

#[test]
fn variants_share_what_is_worked_out_for_a_step_and_do_not_push_each_other_out() {
    let published = published_tried(&Shape::DAY);
    let bytes = published.pack(Key::Pack(Kind::Board, published.board)).to_vec();
    let board = Board::parse(bytes, published.board).unwrap();
    let base = board.weights().new;
    let soon = board.experiments().iter().next().unwrap().variants[1].weights.new;
    let tastes = SurfaceWeights { taste: base.taste + 5, hour: 3, ..base };
    let step = at(BUILT_AT).floor(RANK_STEP_MS);
    let steps = [step, step.plus(-RANK_STEP_MS)];
    let crowds = || {
        steps
            .map(|ranked_at| [base, soon, tastes].map(|weights| board.crowd(Asked { weights, ranked_at, pulse: None })))
    };
    let (first, bytes) = (crowds(), board.shared().bytes());
    for _ in 0..3 {
        for (again, before) in crowds().as_flattened().iter().zip(first.as_flattened()) {
            assert!(Arc::ptr_eq(again, before), "a crowd was worked out anew");
        }
    }
    assert!(Arc::ptr_eq(&first[0][0], &first[0][2]), "tastes do not count for the shared part");
    assert!(!Arc::ptr_eq(&first[0][0], &first[0][1]));
    for step in 0..50 {
        let ranked_at = steps[0].plus(step * RANK_STEP_MS);
        board.crowd(Asked { weights: soon, ranked_at, pulse: None });
    }
    assert_eq!(board.shared().bytes(), bytes, "no more are kept than run");
}

/// A boost, a burial and a floor, of which the boost and the floor are measured.
fn measured() -> BoardParts {
    let mut parts = parts(&Shape::DAY);
    let directive = |name: &str, points: i32, of: usize| DirectivePart {
        name: name.to_owned(),
        deed: Deed::Weigh(points),
        surfaces: Surface::New.bit() | Surface::Live.bit(),
        share: directive::WHOLE,
        audiences: Vec::new(),
        from: UnixMillis::from_seconds(0),
        until: UnixMillis::from_seconds(u32::MAX),
        products: parts.products.iter().skip(of).step_by(3).map(|product| product.id).collect(),
    };
    parts.mix.directives = vec![directive("a boost", 200_000, 0), directive("a burial", -200_000, 1)];
    (parts.mix.mix.window, parts.mix.floors) = (5, vec![Floor { channels: 0b1000, least: 4 }]);
    let experiment = |id: &str, held_back: HeldBack| {
        let variant = |id: &str, below, held_back| VariantPart {
            id: id.to_owned(),
            below,
            weights: parts.weights,
            mix: parts.mix.mix,
            held_back,
        };
        let own = ExperimentPart {
            id: id.to_owned(),
            layer: id.to_owned(),
            salt: id.to_owned(),
            ..experiments(&parts)[0].clone()
        };
        let variants = vec![variant("without", WHOLE / 2, held_back), variant("with", WHOLE, HeldBack::default())];
        ExperimentPart { traffic: (0, WHOLE), holdout: 0, rule: Some("a rule".to_owned()), variants, ..own }
    };
    let boost = experiment("rule-1", HeldBack { directives: 1, floors: 0 });
    let floor = experiment("rule-2", HeldBack { directives: 0, floors: 1 });
    parts.mix.experiments = vec![boost, floor];
    parts
}

#[test]
fn viewers_without_a_measured_rule_see_what_a_board_without_it_shows() {
    let all = measured();
    let board = publish(&all, &Shape::DAY, &widths(&all), Vec::new());
    let mut edge = Edge::with(&board, at(BUILT_AT).plus(2 * HOUR_MS));
    let found = devices(&mut edge);
    assert_eq!(found.len(), 4, "{found:?}");
    let mut orders = BTreeSet::new();
    for (header, device) in &found {
        let mut parts = measured();
        parts.mix.experiments.clear();
        if header.contains("rule-1=without") {
            parts.mix.directives.remove(0);
        }
        if header.contains("rule-2=without") {
            parts.mix.floors.clear();
        }
        let plain = publish(&parts, &Shape::DAY, &widths(&parts), Vec::new());
        let mut as_rules = Edge::with(&plain, edge.now);
        for target in SURFACES {
            let shown_here = shown(&ok(&edge.ask(&Ask::get(target).device(device))));
            assert_eq!(shown_here, shown(&ok(&as_rules.get(target))), "{header} {target}");
            orders.insert((target, shown_here.to_string()));
        }
    }
    assert_eq!(orders.iter().filter(|(target, _)| target.starts_with("/v1/new")).count(), 4, "each rule shows");
    assert_eq!(orders.iter().filter(|(target, _)| *target == "/v1/live").count(), 2, "floors are for new");
    // Nobody can draw a viewer without a name: rules apply to them.
    let mut parts = measured();
    parts.mix.experiments.clear();
    let plain = publish(&parts, &Shape::DAY, &widths(&parts), Vec::new());
    assert_eq!(shown(&ok(&edge.get("/v1/new"))), shown(&ok(&Edge::with(&plain, edge.now).get("/v1/new"))));
}
