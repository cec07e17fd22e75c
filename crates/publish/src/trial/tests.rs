//! Tests of trials in an in-memory store that can fail after some writes.

use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::time::HOUR_MS;

use super::*;
use crate::publication::{Options, plan, publish};
use crate::rollback::rollback;
use crate::run::runs;
use crate::shelf::{Shelf, options, snapshot};
use crate::snapshot::Snapshot;
use crate::status::{Depth, status};

const FIVE: &str = "5%";

fn to(text: &str) -> ViewerShare {
    text.parse().unwrap()
}

fn tried<'a>(at: i64, text: &str) -> Options<'a> {
    Options { share: Some(to(text)), ..options(at, false) }
}

fn changed<'a>() -> ShareOptions<'a> {
    ShareOptions { at: UnixMillis(9), holder: "a test", limits: Limits::default(), is_forced: false }
}

fn name(snapshot: &Snapshot) -> String {
    snapshot.manifest().unwrap().snapshot().to_string()
}

/// What the live manifest keeps: names and shares in millionths.
fn beside_live(store: &Shelf) -> Vec<(String, Option<u32>)> {
    store.live().beside().map(|one| (one.snapshot.to_string(), one.share)).collect()
}

/// A store in which the first of three snapshots is live.
fn shop() -> (tempfile::TempDir, Shelf, [Snapshot; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = [1, 2, 3].map(|at| snapshot(&folder.path().join(at.to_string()), at, 1, 1));
    let mut store = Shelf::new();
    publish(&snapshots[0], &mut store, &options(1, false)).unwrap();
    (folder, store, snapshots)
}

#[test]
fn a_trial_is_begun_widened_narrowed_and_made_live_by_one_command_each() {
    let (_folder, mut store, [first, second, _]) = shop();
    let planned = plan(&second, &mut store, &tried(2, FIVE)).unwrap();
    let writes = store.calls;
    let report = publish(&second, &mut store, &tried(2, FIVE)).unwrap();
    assert_eq!((planned.share, report.share, report.written), (Some(to(FIVE)), Some(to(FIVE)), 1));
    assert!(writes < store.calls);
    assert_eq!(store.live().snapshot().to_string(), name(&first), "the live one stays live");
    assert_eq!(beside_live(&store), [(name(&second), Some(50_000))]);
    assert!(report.to_string().contains("on trial for 5% of viewers"), "{report}");

    for (text, before) in [("50%", FIVE), ("12.5%", "50%"), ("100%", "12.5%")] {
        let lists = store.lists;
        let report = share(&mut store, to(text), &changed()).unwrap();
        assert_eq!((report.before, report.share), (to(before), to(text)));
        assert_eq!((report.snapshot, report.live), (name(&second), name(&first)));
        assert_eq!(store.lists, lists, "nothing is listed");
    }
    assert_eq!(store.live().snapshot().to_string(), name(&second));
    assert_eq!(beside_live(&store), [(name(&first), None)], "the earlier one was live");
    assert!(matches!(share(&mut store, to(FIVE), &changed()), Err(Error::NoTrial)));
    let told: Vec<_> = runs(&mut store).unwrap().into_iter().map(|run| (run.action, run.share)).collect();
    let expected = [
        ("publish", Some("100%")),
        ("share", Some("12.5%")),
        ("share", Some("50%")),
        ("share", Some(FIVE)),
        ("publish", None),
    ];
    assert_eq!(told, expected.map(|(action, share)| (action.to_owned(), share.map(to))));
}

#[test]
fn what_is_withdrawn_is_kept_for_its_lists_and_never_a_target_of_rollback() {
    let (_folder, mut store, [first, second, third]) = shop();
    publish(&second, &mut store, &tried(2, FIVE)).unwrap();
    let report = share(&mut store, ViewerShare::NONE, &changed()).unwrap();
    assert!(report.to_string().contains("withdrawn"), "{report}");
    assert_eq!(beside_live(&store), [(name(&second), Some(0))]);
    assert_eq!(store.live().trial(), None);
    assert!(matches!(share(&mut store, to(FIVE), &changed()), Err(Error::NoTrial)));
    // Its manifest and packs are there.
    let kept = store.live().beside().next().unwrap();
    assert!(store.values.contains_key(&Key::Pack(Kind::Manifest, kept.manifest).to_string()));
    assert!(store.values.contains_key(&Key::Pack(Kind::Board, second.manifest().unwrap().board()).to_string()));
    assert!(rollback(&mut store, None, UnixMillis(5), "a test").is_err(), "nothing was live before");
    publish(&third, &mut store, &options(3, false)).unwrap();
    assert_eq!(beside_live(&store), [(name(&first), None), (name(&second), Some(0))]);
    assert_eq!(rollback(&mut store, None, UnixMillis(5), "a test").unwrap().snapshot, name(&first));
    // The same folder can be tried again.
    publish(&second, &mut store, &tried(6, FIVE)).unwrap();
    assert_eq!(beside_live(&store).first(), Some(&(name(&second), Some(50_000))));
    assert_eq!(beside_live(&store).len(), 2);
}

#[test]
fn another_publish_or_a_rollback_ends_a_trial_and_says_so() {
    let (_folder, store, [first, second, third]) = shop();
    let mut begun = store.cut(1000);
    publish(&second, &mut begun, &tried(2, FIVE)).unwrap();

    let mut other = begun.cut(1000);
    let report = publish(&third, &mut other, &options(3, false)).unwrap();
    assert_eq!(report.withdrawn, Some(name(&second)));
    assert!(report.to_string().contains("ended"), "{report}");
    assert_eq!(beside_live(&other), [(name(&first), None), (name(&second), Some(0))]);
    rollback(&mut other, None, UnixMillis(4), "a test").unwrap();
    assert_eq!(other.live().trial(), None);

    let mut tried_instead = begun.cut(1000);
    let report = publish(&third, &mut tried_instead, &tried(3, "1%")).unwrap();
    assert_eq!(report.withdrawn, Some(name(&second)));
    assert_eq!(beside_live(&tried_instead), [(name(&third), Some(10_000)), (name(&second), Some(0))]);

    // Publishing what is on trial makes it live.
    let report = publish(&second, &mut begun, &options(3, false)).unwrap();
    assert_eq!((report.written, report.withdrawn, report.share), (0, None, None));
    assert_eq!(beside_live(&begun), [(name(&first), None)]);
}

#[test]
fn a_trial_that_fails_at_any_write_leaves_the_live_manifest() {
    let (_folder, store, [_, second, _]) = shop();
    let live = store.values[&Key::Live.to_string()].clone();
    // The lease, the board, its manifest and the live manifest as packs, then the live manifest.
    for cut in 0..5 {
        let mut store = store.cut(cut);
        assert!(publish(&second, &mut store, &tried(2, FIVE)).is_err(), "{cut}");
        assert_eq!(store.values[&Key::Live.to_string()], live, "cut at write {cut}");
    }
    let mut begun = store.cut(5);
    publish(&second, &mut begun, &tried(2, FIVE)).unwrap();
    let live = begun.values[&Key::Live.to_string()].clone();
    for cut in 0..3 {
        let mut store = begun.cut(cut);
        store.now += crate::lease::LEASE_MS;
        assert!(share(&mut store, to("50%"), &changed()).is_err(), "{cut}");
        assert_eq!(store.values[&Key::Live.to_string()], live, "cut at write {cut}");
    }
}

#[test]
fn more_viewers_get_a_snapshot_only_if_it_is_whole_and_not_over() {
    let (_folder, mut store, [_, second, _]) = shop();
    publish(&second, &mut store, &tried(2, FIVE)).unwrap();
    let late = ShareOptions { at: UnixMillis(1000 * HOUR_MS), ..changed() };
    assert!(matches!(share(&mut store, to("50%"), &late), Err(Error::Refused { .. })));
    let forced = share(&mut store, to("50%"), &ShareOptions { is_forced: true, ..late }).unwrap();
    assert!(!forced.forced.is_empty());
    share(&mut store, to("1%"), &late).unwrap();
    store.values.remove(&Key::Pack(Kind::Board, second.manifest().unwrap().board()).to_string());
    assert!(matches!(share(&mut store, to("50%"), &changed()), Err(Error::TrialIncomplete { missing: 1, .. })));
    share(&mut store, ViewerShare::NONE, &changed()).unwrap();
}

#[test]
fn a_trial_needs_another_live_snapshot() {
    let (_folder, mut store, [first, second, _]) = shop();
    let is_live = publish(&first, &mut store, &tried(2, FIVE)).unwrap_err();
    assert!(matches!(&is_live, Error::IsLive { .. }), "{is_live}");
    assert!(plan(&first, &mut store, &tried(2, FIVE)).is_err());
    assert!(matches!(publish(&second, &mut Shelf::new(), &tried(2, FIVE)), Err(Error::NothingLive)));
    assert!(matches!(share(&mut Shelf::new(), to(FIVE), &changed()), Err(Error::NothingLive)));
    store.values.insert(Key::Live.to_string(), vec![1, 2, 3]);
    assert!(matches!(publish(&second, &mut store, &tried(2, FIVE)), Err(Error::Unread { .. })));
    assert!(matches!(share(&mut store, to(FIVE), &changed()), Err(Error::Unread { .. })));
}

#[test]
fn status_names_the_trial_and_what_was_withdrawn() {
    let (_folder, mut store, [_, second, third]) = shop();
    publish(&second, &mut store, &tried(2, FIVE)).unwrap();
    publish(&third, &mut store, &tried(3, "20%")).unwrap();
    let report = status(&mut store, UnixMillis(4), Depth::Full).unwrap();
    let text = report.to_string();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("trial").contains(&name(&third)) && line("trial").ends_with("for 20% of viewers"), "{text}");
    assert!(line("tried").contains(&name(&second)) && line("tried").ends_with("withdrawn"), "{text}");
    assert!(line("run").contains(", 20% of viewers"), "{text}");
    assert_eq!(report.all.map(|all| all.unnamed), Some(2), "only the manifests that were live before");
}

#[test]
fn what_ends_a_trial_or_leaves_it_says_so() {
    let (_folder, mut store, [first, second, third]) = shop();
    publish(&second, &mut store, &options(2, false)).unwrap();
    publish(&third, &mut store, &tried(3, FIVE)).unwrap();
    let again = publish(&second, &mut store, &options(4, false)).unwrap();
    assert_eq!((again.was_live, again.trial.as_deref()), (true, Some(name(&third).as_str())));
    assert!(again.to_string().contains("stays on trial"), "{again}");
    let target = third.manifest().unwrap().snapshot();
    let refused = rollback(&mut store, Some(target), UnixMillis(5), "a test").unwrap_err().to_string();
    assert!(refused.contains("`sinsang share 100%` makes it live"), "{refused}");
    let back = rollback(&mut store, None, UnixMillis(5), "a test").unwrap();
    assert_eq!(
        (back.snapshot.as_str(), back.withdrawn.as_deref()),
        (name(&first).as_str(), Some(name(&third).as_str()))
    );
    assert!(back.to_string().contains("ended: nobody gets it any more"), "{back}");
    let refused = rollback(&mut store, Some(target), UnixMillis(5), "a test").unwrap_err().to_string();
    assert!(refused.contains("publish its folder again"), "{refused}");
}
