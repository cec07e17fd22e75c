//! Arranged surfaces: their scores, and what trials, variants and the pulse change.

use super::*;

const BOARD: &[u8] = include_bytes!("../../tests/golden/board.pack");
const TASTES: &[u8] = include_bytes!("../../tests/golden/tastes-1.pack");

fn at(time: &str) -> i64 {
    UnixMillis::parse_rfc3339(time).unwrap().0
}

fn arrange(preview: &mut Preview, question: &Question) -> serde_json::Value {
    serde_json::from_slice(&preview.arrange(question)).unwrap()
}

fn ids(answer: &serde_json::Value) -> Vec<String> {
    let items = answer["new"]["items"].as_array().unwrap();
    items.iter().map(|item| item["product_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn scores_explain_the_order_and_tastes_have_names() {
    let mut preview = Preview::open(BOARD.to_vec()).unwrap();
    assert_eq!(preview.tastes(&Question::default()), "null");
    assert!(preview.seat(Some(TASTES.to_vec())).unwrap());
    let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
    let answer = arrange(&mut preview, &question);
    let totals: Vec<i64> = answer["scores"]["new"]
        .as_array()
        .unwrap()
        .iter()
        .map(|score| score.as_object().unwrap().values().map(|part| part.as_i64().unwrap()).sum())
        .collect();
    assert_eq!(totals.len(), ids(&answer).len());
    assert!(totals.len() > 3 && totals.is_sorted_by(|a, b| a >= b), "{totals:?}");
    let tastes: serde_json::Value = serde_json::from_str(&preview.tastes(&question)).unwrap();
    assert_eq!(tastes["is_of_context"], false);
    assert_eq!(preview.tastes(&Question { is_shared: true, ..question.clone() }), "null", "no leanings by context");
    assert_eq!(tastes["prices"].as_array().unwrap().len(), PRICE_CLASSES);
    let strongest = tastes["categories"].as_array().unwrap().iter().map(|one| one["weight"].as_i64().unwrap().abs());
    assert!(strongest.max() > Some(0), "{tastes}");
    let explained = arrange(&mut preview, &Question { is_explained: true, ..question });
    assert!(explained["new"]["items"][0]["why"]["text"].is_string() && answer["new"]["items"][0]["why"].is_null());
    assert_eq!(tastes["key"].as_str().map(str::len), Some(16));
    assert!(!tastes["categories"].as_array().unwrap().is_empty() && tastes["hours"].as_array().unwrap().len() == 8);
}

#[test]
fn pins_blocks_and_weights_change_the_order_and_nothing_else() {
    let mut preview = Preview::open(BOARD.to_vec()).unwrap();
    let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
    let before = ids(&arrange(&mut preview, &question));
    let (first, last) = (before.first().unwrap().clone(), before.last().unwrap().clone());
    let middle = before.get(2).unwrap().clone();
    let pin = |product_id: &String, place| Pin { product_id: product_id.clone(), place };
    let pins = vec![pin(&middle, 1), pin(&last, 1), pin(&middle, 5)];
    let tried = Question { pins, blocks: vec![first.clone(), "no id".to_owned()], ..question.clone() };
    let after = ids(&arrange(&mut preview, &tried));
    assert_eq!(after.get(1..3), Some([last, middle].as_slice()), "of one place, the later pin comes first");
    assert!(!after.contains(&first));
    assert_eq!(after.len() + 1, before.len());
    let soon = sinsang_core::signal::SurfaceWeights { soon: -1, ..Default::default() };
    let weights = Some(Weights { new: soon, ..Weights::default() });
    let far_first = ids(&arrange(&mut preview, &Question { weights, ..question.clone() }));
    assert_ne!(far_first, before);
    assert_eq!(ids(&arrange(&mut preview, &question)), before, "what was tried is forgotten");
}

#[test]
fn variants_show_what_the_edge_shows_by_them() {
    let tried = include_bytes!("../../tests/golden/experiments.pack");
    let mut preview = Preview::open(tried.to_vec()).unwrap();
    let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
    let surfaces = |preview: &mut Preview, variants: &[&str], weights| {
        let variants = variants.iter().map(|name| (*name).to_owned()).collect();
        let answer = arrange(preview, &Question { weights, variants, ..question.clone() });
        (ids(&answer), answer["scores"]["new"].clone(), answer["scores"]["tabs"].clone())
    };
    let plain = surfaces(&mut preview, &[], None);
    assert_eq!(surfaces(&mut preview, &["soon-first:control", "of:another", "turned:control"], None), plain);
    let (order, new, tabs) = surfaces(&mut preview, &["soon-first:soon"], None);
    assert_eq!(tabs, plain.2);
    assert_ne!(new, plain.1);
    // tests/golden/experiments.tsv has the same order for devices in only this variant.
    let line = include_str!("../../tests/golden/experiments.tsv").lines().next().unwrap();
    let golden: Vec<&str> = line.split('\t').collect();
    assert_eq!(golden.get(1..4), Some(["0", "/v1/new", "soon-first=soon"].as_slice()));
    assert_eq!(serde_json::from_str::<Vec<String>>(golden.last().unwrap()).unwrap(), order);
    let weights = Some(preview.weights());
    assert_eq!(surfaces(&mut preview, &["soon-first:soon"], weights), plain, "weights that are tried count first");
}

#[test]
fn a_snapshot_that_is_too_old_calls_nothing_new() {
    let mut preview = Preview::open(BOARD.to_vec()).unwrap();
    let now_ms = at("2026-11-22T06:00:00+09:00");
    let mut total = |days: i64| {
        let checked_at_ms = now_ms + days * sinsang_core::time::DAY_MS;
        arrange(&mut preview, &Question { now_ms, checked_at_ms, limit: 100, ..Question::default() })["new"].clone()
    };
    assert!(total(1)["total"].as_u64() > Some(3));
    assert_eq!(total(3), json!({ "total": 0, "items": [] }));
}

#[test]
fn every_product_is_listed_with_its_verdict() {
    let preview = Preview::open(BOARD.to_vec()).unwrap();
    let products: serde_json::Value = serde_json::from_slice(&preview.products()).unwrap();
    let products = products.as_array().unwrap();
    assert_eq!(products.len(), preview.board.product_count());
    assert!(products.iter().all(|product| product["verdict"]["kind"].is_string() && product["channels"].is_array()));
}

#[test]
fn a_pulse_lifts_what_is_wanted_until_it_is_taken_away() {
    let mut preview = Preview::open(BOARD.to_vec()).unwrap();
    let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
    let before = arrange(&mut preview, &question);
    let wanted = ids(&before).last().unwrap().clone();
    let counts = sinsang_core::pulse::Counts { purchases: 40 * 16, ..Default::default() };
    let id = u64::from_str_radix(&wanted, 16).unwrap();
    let pulse = sinsang_core::pack::pulse::write(&[(id, counts)], UnixMillis(question.now_ms)).unwrap();
    preview.beat(Some(pulse)).unwrap();
    let lifted = arrange(&mut preview, &question);
    assert_eq!(ids(&lifted).first(), Some(&wanted));
    assert!(lifted["scores"]["new"][0]["pulse"].as_i64().unwrap() > 0);
    assert!(preview.beat(Some(BOARD.to_vec())).is_err(), "no pulse");
    assert_eq!(arrange(&mut preview, &question), before);
}

#[test]
fn damaged_packs_are_refused() {
    for length in [0, 10, 31, 200] {
        assert!(Preview::open(BOARD[..length].to_vec()).is_err());
    }
    let mut preview = Preview::open(BOARD.to_vec()).unwrap();
    assert!(preview.seat(Some(BOARD.to_vec())).is_err());
}
