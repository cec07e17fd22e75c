//! Tests of comparing snapshots in folders and stores, of the gate on it, and of the page.

use std::path::Path;

use sinsang_core::pack::board_write::{self, BoardParts};
use sinsang_core::pack::manifest::ManifestParts;
use sinsang_core::pack::taste::{self, Widths};
use sinsang_core::time::{DAY_MS, HOUR_MS};
use sinsang_core::verdict::VerdictKind;

use super::*;
use crate::hindsight::{Judgement, Ranks};
use crate::publication::{plan, publish};
use crate::shelf::{Shelf, board, options, snapshot};

const BUILT: i64 = 1_795_305_600_000;

fn located(place: &Place, store: &mut Shelf) -> Located {
    Located::find(place, Some(store)).unwrap()
}

fn folder(path: &Path) -> Place {
    Place::Folder(path.to_owned())
}

/// Writes a snapshot of `parts` in which all viewers lean to `lean`, in two shards.
fn written(path: &Path, parts: &BoardParts, lean: i8) -> Snapshot {
    let (bytes, board) = board_write::write(parts).unwrap();
    let vocabulary = Board::parse(bytes.clone(), board).unwrap().vocabulary();
    let mut packs = BTreeMap::from([(board, bytes)]);
    let shards = [0, 1_u64 << 63].map(|first| {
        let users: Vec<_> = (1..=40).map(|user| (first | user << 50, vec![lean.cast_unsigned(), 1])).collect();
        let widths = Widths { vocabulary, vector: 2, ..Widths::default() };
        let (bytes, id) = taste::write(&widths, &users).unwrap();
        packs.insert(id, bytes);
        id
    });
    let manifest = ManifestParts {
        built_at: parts.built_at,
        board,
        format: parts.format,
        users: 80,
        shards: shards.to_vec(),
        beside: Vec::new(),
    };
    let snapshot = Snapshot::at(path);
    snapshot.write(&packs, &manifest.write().unwrap().0).unwrap();
    snapshot
}

fn parts(hours: i64) -> BoardParts {
    let mut parts = board(UnixMillis(BUILT), 60);
    parts.built_at = UnixMillis(BUILT + hours * HOUR_MS);
    parts.blocks = vec![sinsang_core::pack::board::Block { name: "words".to_owned(), start: 0, length: 2 }];
    parts.weights.new.taste = 1_000;
    for (product, place) in parts.products.iter_mut().zip(0_i8..) {
        product.vector = vec![place * 2 - 60, 1];
    }
    parts
}

#[test]
fn the_gate_passes_a_normal_day_and_refuses_churn_and_turned_verdicts() {
    let work = tempfile::tempdir().unwrap();
    let repeats = |parts: &mut BoardParts, count: usize| {
        parts.products.iter_mut().take(count).for_each(|product| product.verdict = VerdictKind::Repeat);
    };
    let mut live = parts(0);
    repeats(&mut live, 12);
    let live = written(&work.path().join("live"), &live, 90);
    let mut store = Shelf::new();
    publish(&live, &mut store, &options(BUILT, false)).unwrap();
    let mut told = |name: &str, next: &BoardParts, lean: i8| -> Vec<&'static str> {
        let next = written(&work.path().join(name), next, lean);
        let refusal = plan(&next, &mut store, &options(BUILT + HOUR_MS, false)).unwrap().refusal;
        refusal.reasons.iter().map(|reason| reason.rule).collect()
    };
    let mut normal = parts(1);
    repeats(&mut normal, 10);
    assert_eq!(told("normal", &normal, 85), Vec::<&str>::new());
    assert_eq!(told("churned", &normal, -90), ["most_churn"]);
    assert_eq!(told("turned", &parts(1), 90), ["most_turned"]);
}

#[test]
fn tastes_of_the_live_snapshot_that_cannot_be_read_are_a_reason_and_few_are_read() {
    let work = tempfile::tempdir().unwrap();
    let [first, second] = [1, 2].map(|at| snapshot(&work.path().join(at.to_string()), BUILT + at, 40, 64));
    let mut store = Shelf::new();
    publish(&first, &mut store, &options(BUILT + 1, false)).unwrap();
    let calls = store.calls;
    assert!(plan(&second, &mut store, &options(BUILT + 2, false)).unwrap().refusal.is_empty());
    // The manifest, a look at packs, the board, and the drawn shards.
    let most = 24 + 4 + crate::comparison::MOST_SHARDS as u64;
    assert!(store.calls - calls <= most, "{} calls", store.calls - calls);

    let draw = Draw::of(&second.manifest().unwrap(), &first.manifest().unwrap());
    let drawn: Vec<PackId> = draw.shards(&first.manifest().unwrap()).into_iter().collect();
    store.values.remove(&Key::Pack(Kind::Tastes, drawn[0]).to_string());
    store.values.get_mut(&Key::Pack(Kind::Tastes, drawn[1]).to_string()).unwrap()[50] ^= 1;
    let refusal = plan(&second, &mut store, &options(BUILT + 2, false)).unwrap().refusal;
    let live = first.manifest().unwrap().snapshot();
    let expected = format!(
        "the taste shard {} of snapshot {live} can't be read (it is missing), so the two can't be compared",
        drawn[0]
    );
    assert_eq!((refusal.reasons.len(), refusal.texts()[0].as_str()), (2, expected.as_str()));
    assert_eq!(refusal.reasons[1].rule, "unread");
    publish(&second, &mut store, &options(BUILT + 2, true)).unwrap();
}

#[test]
fn snapshots_are_found_in_folders_and_by_id_and_errors_say_what_to_name() {
    let work = tempfile::tempdir().unwrap();
    let [first, second] = [1, 2].map(|at| snapshot(&work.path().join(at.to_string()), BUILT + at, 40, 2));
    let mut store = Shelf::new();
    assert!(matches!(Located::find(&Place::Live, Some(&mut store)), Err(CompareError::NothingLive)));
    publish(&first, &mut store, &options(BUILT + 1, false)).unwrap();
    publish(&second, &mut store, &options(BUILT + 2, false)).unwrap();
    let ids = [&first, &second].map(|one| one.manifest().unwrap().snapshot());
    let next = located(&folder(&work.path().join("2")), &mut store);
    for (place, expected) in [(Place::Live, ids[1]), (Place::Kept(ids[0]), ids[0]), (Place::Kept(ids[1]), ids[1])] {
        let before = located(&place, &mut store);
        assert_eq!(before.manifest.snapshot(), expected);
        let at = UnixMillis(BUILT + 3);
        let in_store = compare([&next, &before], Some(&mut store), &Limits::default(), at).unwrap();
        assert!(in_store.refusal.is_empty(), "{}", in_store.refusal);
        // The same from folders alone.
        let path = work.path().join(if expected == ids[0] { "1" } else { "2" });
        let before = located(&folder(&path), &mut store);
        assert_eq!(compare([&next, &before], None::<&mut Shelf>, &Limits::default(), at).unwrap(), in_store);
    }
    let mut told =
        |place: Place, in_store: bool| Located::find(&place, in_store.then_some(&mut store)).unwrap_err().to_string();
    let unknown = SnapshotId(7);
    assert!(told(Place::Live, false).starts_with("nothing to compare with: name a second snapshot, or the store"));
    assert!(told(Place::Kept(ids[0]), false).contains("no store is named: add --local FOLDER or --remote"));
    let expected = format!("this store has no snapshot 0000000000000007, only {}, {}: name one", ids[1], ids[0]);
    assert!(told(Place::Kept(unknown), true).starts_with(&expected));
    assert!(
        told(folder(&work.path().join("none")), true)
            .contains("none is neither a snapshot's folder nor the 16 hex digits")
    );
    store.values.remove(&Key::Pack(Kind::Board, second.manifest().unwrap().board()).to_string());
    let live = located(&Place::Live, &mut store);
    let error = compare([&next, &live], Some(&mut store), &Limits::default(), UnixMillis(BUILT)).unwrap_err();
    assert!(error.to_string().contains("can't be read (it is missing); look with `sinsang status`"), "{error}");
}

/// A report with hostile titles, shops and channels, more products than the text lists, and
/// hindsight.
fn hostile() -> CompareReport {
    let work = tempfile::tempdir().unwrap();
    let mut next = parts(1);
    for product in &mut next.products {
        product.id += 100;
        product.title = r#"<script>alert("1")</script> & 'quoted'"#.to_owned();
        product.listings[0].shop = "<b>샵".to_owned();
        product.verdict_first = r#"{"kind":"new","evidence":{"reason":"near_miss","text":"<img src=x>",
            "nearest":{"title":"\"onload=1"}}}"#
            .to_owned();
    }
    next.slots.iter_mut().for_each(|slot| slot.product += 100);
    next.channels[0].name = "</style>".to_owned();
    written(&work.path().join("next"), &next, 90);
    written(&work.path().join("before"), &parts(0), 90);
    let [next, before] = ["next", "before"].map(|name| located(&folder(&work.path().join(name)), &mut Shelf::new()));
    let at = UnixMillis(BUILT + HOUR_MS);
    let mut report = compare([&next, &before], None::<&mut Shelf>, &Limits::default(), at).unwrap();
    let ranks = Ranks { deeds: 12, reciprocal: 0.25, shared_reciprocal: 0.2, first: 0.5, shared_first: 0.4 };
    let judgement = |learned| Judgement { new: ranks, live: ranks, learned };
    let until = at.to_kst_rfc3339();
    let since = at.plus(-DAY_MS).to_kst_rfc3339();
    let (before, next) = (judgement(0.0), judgement(1.0));
    report.hindsight = Some(Hindsight { since, until, first_new: 10, first_live: 3, before, next });
    report
}

#[test]
fn the_page_escapes_every_text_and_takes_nothing_from_elsewhere() {
    let page = hostile().page();
    for raw in ["<script", "<b>", "<img", "\"onload", "'quoted'", "</style></p>"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;quoted&#39;"));
    assert_eq!(page.matches("<style>").count(), 1);
    assert_eq!(page.matches("</style>").count(), 1);
    for outside in ["http:", "https:", " src=\"", "url(", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("width=device-width"));
    assert!(page.contains("무쇠솥 1"), "Korean titles stay as they are");
    assert!(page.contains("<h2>Hindsight</h2>") && page.contains("has learned from it"));
}

#[test]
fn the_text_fits_a_terminal_and_says_how_much_it_leaves_out() {
    let report = hostile();
    let text = report.to_string();
    assert!(text.lines().count() <= 60, "{text}");
    assert_eq!(text.matches("… 56 more (--format json has all)").count(), 2, "{text}");
    assert!(text.contains("60 come to the tab new: 60 not on the board before"), "{text}");
    assert!(text.contains("has learned from it: 0.0 % of these for before, 100.0 % for next"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["newcomers"].as_array().unwrap().len(), 60);
    assert_eq!(json["before"]["built_at"], UnixMillis(BUILT).to_kst_rfc3339());
    let without = CompareReport { hindsight: None, ..report };
    assert!(without.to_string().contains("hindsight: name the tables of a build with --tables FOLDER"));
    assert!(without.page().contains("--tables FOLDER"));
    assert!(serde_json::to_value(&without).unwrap().get("hindsight").is_none());
}
