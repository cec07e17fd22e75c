//! Publishing through the REST API, to a server that has its limits and fails in all the ways that it may.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::server::{self, Fault, Server};
use crate::support::{NOW, address, options, snapshot, store};
use sinsang::key::{Key, RUNS};
use sinsang::pack::manifest::Manifest;
use sinsang::time::HOUR_MS;
use sinsang_publish::progress::Progress;
use sinsang_publish::{Address, Error, RemoteError, RemoteKv, Store as _, collect, plan, publish, rollback, status};

fn live(server: &Server) -> Option<Manifest> {
    let value = server.state().entries.get(&Key::Live.to_string())?.value.clone();
    Some(Manifest::parse(value).unwrap())
}

#[test]
fn sixty_five_thousand_shards_arrive_whole_through_every_kind_of_failure() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 16, 0, NOW);
    let server = Server::start();
    server.state().faults = BTreeMap::from([
        (0, Fault::Unavailable),
        (3, Fault::TooMany(1)),
        (4, Fault::Partial),
        (5, Fault::Dropped),
        (6, Fault::Internal),
        (7, Fault::DroppedAfter),
        (8, Fault::CutShort),
        (9, Fault::Partial),
        (12, Fault::Partial),
        (30, Fault::CutShort),
        (31, Fault::TooMany(0)),
    ]);
    let report = publish(&first, &mut store(&server), &options(NOW, Some(100))).unwrap();
    assert_eq!((report.packs, report.written, report.read_back), (65_537, 65_537, 100));
    assert_eq!(report.retried, 11, "once for each fault");
    assert_eq!(live(&server).unwrap().snapshot(), first.manifest().unwrap().snapshot());
    {
        let state = server.state();
        // All packs, the manifest twice, and the list of runs.
        assert_eq!(state.entries.len(), 65_537 + 3);
        for key in sinsang_publish::packs(&first.manifest().unwrap()) {
            assert_eq!(state.entries[&key.to_string()].value, first.read(key).unwrap());
        }
        assert!(state.bulks.iter().all(|(pairs, _)| *pairs <= 10_000), "{:?}", state.bulks);
        assert!(state.calls.len() < 200, "{} calls", state.calls.len());
        // Calls that were under way come to their end; then all connections keep still.
        let quiet = state.calls[3..12].windows(2).map(|two| two[1].0.duration_since(two[0].0)).max().unwrap();
        assert!(quiet >= Duration::from_millis(950), "the longest pause is {quiet:?} after a Retry-After of a second");
    }

    // A second snapshot with three other shards: they and the board are all that is written.
    let second = snapshot(&folder.path().join("second"), 16, 3, NOW.plus(HOUR_MS));
    let options = options(NOW.plus(HOUR_MS), Some(100));
    let planned = plan(&second, &mut store(&server), &options).unwrap();
    assert_eq!((planned.keys, planned.read_back, planned.is_live), (4 + 3, 4 + 2, false));
    let bulks = server.state().bulks.len();
    assert_eq!(publish(&second, &mut store(&server), &options).unwrap().written, 4);
    assert_eq!(server.state().bulks[bulks..].iter().map(|(pairs, _)| pairs).sum::<usize>(), planned.keys);
    assert!(publish(&second, &mut store(&server), &options).unwrap().was_live);
    assert!(plan(&second, &mut store(&server), &options).unwrap().is_live);
}

#[test]
fn a_publish_that_dies_half_way_leaves_what_was_live_and_the_next_one_writes_only_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 0, 0, NOW);
    publish(&first, &mut store(&server), &options(NOW, None)).unwrap();
    let second = snapshot(&folder.path().join("second"), 14, 1 << 14, NOW.plus(1));
    // One connection, and a line that is dead from its second bulk write on: a look at what is live and a list come before the first.
    let before = server.state().bulks.len();
    let dead_from = server.state().calls.len() + 3;
    server.state().faults.extend((dead_from..dead_from + 20).map(|call| (call, Fault::Dropped)));
    let mut line = RemoteKv::new(address(&server), 1);
    let died = publish(&second, &mut line, &options(NOW.plus(1), Some(10)));
    assert!(matches!(died, Err(Error::Store { source: RemoteError::Unreachable(_), .. })), "{died:?}");
    assert_eq!(live(&server).unwrap().snapshot(), first.manifest().unwrap().snapshot());
    let arrived: usize = server.state().bulks[before..].iter().map(|(pairs, _)| pairs).sum();
    assert!(arrived > 0 && arrived < 16_385, "{arrived}");
    server.state().faults.clear();
    let done = publish(&second, &mut store(&server), &options(NOW.plus(2), Some(10)));
    assert_eq!(done.unwrap().written, 16_385 - arrived);
    let state = server.state();
    assert!(state.entries.iter().all(|(key, entry)| entry.writes == 1 || !key.starts_with("pack/")));
}

#[test]
fn a_publisher_that_is_killed_half_way_is_followed_by_one_that_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 14, 0, NOW);
    server.state().delay = Duration::from_millis(300);
    let example = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("publish");
    let mut command = std::process::Command::new(example);
    command.args([folder.path().join("first").to_str().unwrap(), &NOW.0.to_string()]).env_clear().envs([
        ("CLOUDFLARE_ACCOUNT_ID", server::ACCOUNT),
        ("SINSANG_KV_NAMESPACE_ID", server::NAMESPACE),
        ("CLOUDFLARE_API_TOKEN", server::TOKEN),
        ("CLOUDFLARE_API_BASE_URL", &server.base()),
    ]);
    let mut publisher = command.spawn().unwrap();
    let begun = Instant::now();
    while server.state().bulks.is_empty() && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    publisher.kill().unwrap();
    assert!(!publisher.wait().unwrap().success());
    server.state().delay = Duration::ZERO;
    let arrived = server.state().entries.len();
    assert!((10_000..16_385).contains(&arrived) && live(&server).is_none(), "{arrived} keys");
    let done = publish(&first, &mut store(&server), &options(NOW.plus(1), Some(10))).unwrap();
    // What was on its way as it died may have arrived after it was counted.
    assert!(done.written <= 16_385 - arrived && done.written > 0, "{done}");
    assert_eq!(live(&server).unwrap().snapshot(), first.manifest().unwrap().snapshot());
    assert_eq!(server.state().entries.len(), 16_385 + 3);
}

#[test]
fn what_the_api_refuses_is_not_tried_again_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 1, 0, NOW);
    for (address, expected) in [
        (Address { token: "another".to_owned(), ..address(&server) }, "permission to edit Workers KV"),
        (Address { namespace: "another".to_owned(), ..address(&server) }, "is SINSANG_KV_NAMESPACE_ID a namespace"),
    ] {
        let calls = server.state().calls.len();
        let error = publish(&first, &mut RemoteKv::new(address, 4), &options(NOW, None)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("another"), "a secret in {error}");
        assert_eq!(server.state().calls.len(), calls + 1);
    }
    server.state().always = Some(Fault::Internal);
    let error = publish(&first, &mut store(&server), &options(NOW, None)).unwrap_err().to_string();
    assert!(error.contains("answered 500") && error.contains("nothing that was live has changed"), "{error}");
    let set = |name: &str| (name != "CLOUDFLARE_API_TOKEN").then(|| "x".to_owned());
    let error = Address::from_variables(set).unwrap_err().to_string();
    assert!(error.starts_with("CLOUDFLARE_API_TOKEN must be set"), "{error}");
}

#[test]
fn writes_that_show_late_are_waited_for_and_one_that_never_shows_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 2, 0, NOW);
    let second = snapshot(&folder.path().join("second"), 2, 1, NOW.plus(1));
    server.state().reads_until_shown = 3;
    publish(&first, &mut store(&server), &options(NOW, None)).unwrap();
    server.state().reads_until_shown = 0;
    // The old manifest is all that is read from the second reading on: the first is the publish's own, of what is live.
    let old = server.state().entries[&Key::Live.to_string()].value.clone();
    server.state().stale.insert(Key::Live.to_string(), (Some(old), 1_000));
    let outcome = publish(&second, &mut store(&server), &options(NOW.plus(1), None));
    assert!(matches!(outcome, Err(Error::Unconfirmed { .. })), "{outcome:?}");
    server.state().stale.clear();
    assert_eq!(live(&server).unwrap().snapshot(), second.manifest().unwrap().snapshot());
}

#[test]
fn damaged_files_are_never_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 1, 0, NOW);
    let shard = sinsang_publish::packs(&first.manifest().unwrap()).nth(1).unwrap();
    let mut bytes = first.read(shard).unwrap();
    bytes[40] ^= 1;
    std::fs::write(first.file(shard), bytes).unwrap();
    let error = publish(&first, &mut store(&server), &options(NOW, None)).unwrap_err().to_string();
    assert!(error.contains(&shard.to_string()), "{error}");
    assert!(server.state().entries.is_empty());
}

#[test]
fn operators_go_back_look_and_collect() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let mut store = store(&server);
    let snapshots: Vec<_> =
        (0..8_i64).map(|at| snapshot(&folder.path().join(at.to_string()), 3, 4, NOW.plus(at * HOUR_MS))).collect();
    for (at, one) in (0..).zip(&snapshots) {
        publish(one, &mut store, &options(NOW.plus(at * HOUR_MS), None)).unwrap();
    }
    let name = |at: usize| snapshots[at].manifest().unwrap().snapshot().to_string();
    let now = NOW.plus(8 * HOUR_MS);
    server.fail(2, Fault::CutShort);
    let report = rollback(&mut store, None, now).unwrap();
    assert_eq!((report.snapshot, report.from), (name(6), name(7)));
    assert_eq!(live(&server).unwrap().snapshot(), snapshots[6].manifest().unwrap().snapshot());
    let looked = status(&mut store, now).unwrap();
    assert_eq!(
        looked.live.as_ref().map(|live| (live.snapshot.clone(), live.age_minutes, live.missing)),
        Some((name(6), 120, 0))
    );
    let kept: Vec<String> = looked.kept.iter().map(|kept| kept.snapshot.clone()).collect();
    assert_eq!(kept, [name(7), name(5), name(4), name(3)]);
    // Formats alternate, and nothing above minds.
    let formats: Vec<_> = looked.live.iter().chain(&looked.kept).map(|stored| stored.pack_format.unwrap()).collect();
    assert!(formats[0] != formats[1] && formats[1] == formats[2] && formats[2] != formats[3], "{formats:?}");
    assert_eq!(looked.runs.iter().map(|run| run.action.as_str()).collect::<Vec<_>>()[..2], ["rollback", "publish"]);
    // 4 shards that all share, 8 times 4 others and a board, 8 manifests and that of the rollback.
    assert_eq!((looked.packs, looked.unnamed), (4 + 8 * 5 + 9, 3 * 6 + 1));
    assert!(looked.bytes > 0 && looked.to_string().contains("rollback"), "{looked}");

    // Nothing is old enough, then all that is unnamed is.
    let young = collect(&mut store, 0, false, NOW.plus(5 * HOUR_MS), Progress::hidden()).unwrap();
    assert_eq!((young.removed, young.in_grace), (0, 19));
    let dry = collect(&mut store, 0, true, now.plus(24 * HOUR_MS), Progress::hidden()).unwrap();
    assert_eq!((dry.removed, store.packs().unwrap().len()), (19, looked.packs));
    server.fail(12, Fault::Partial);
    let done = collect(&mut store, 0, false, now.plus(24 * HOUR_MS), Progress::hidden()).unwrap();
    assert_eq!((done.removed, done.named), (19, looked.packs - 19));
    let after = status(&mut store, now.plus(24 * HOUR_MS)).unwrap();
    assert_eq!((after.packs, after.unnamed), (looked.packs - 19, 0));
    assert!(after.kept.iter().chain(&after.live).all(|stored| stored.missing == 0), "{after}");
    assert!(rollback(&mut store, snapshots[3].manifest().ok().map(|manifest| manifest.snapshot()), now).is_ok());

    // What is not there can't be gone back to, and nothing moves.
    let error =
        rollback(&mut store, snapshots[0].manifest().ok().map(|manifest| manifest.snapshot()), now).unwrap_err();
    assert!(matches!(error, Error::NotKept { .. }), "{error}");
    let board = sinsang_publish::packs(&snapshots[7].manifest().unwrap()).next().unwrap();
    server.state().entries.remove(&board.to_string());
    let error =
        rollback(&mut store, snapshots[7].manifest().ok().map(|manifest| manifest.snapshot()), now).unwrap_err();
    assert!(matches!(error, Error::Incomplete { missing: 1, .. }), "{error}");
    assert_eq!(live(&server).unwrap().snapshot(), snapshots[3].manifest().unwrap().snapshot());

    // Without a manifest that is kept nothing can be told to be unnamed.
    let manifest = live(&server).unwrap().previous().next().unwrap().manifest;
    server.state().entries.remove(&Key::Pack(sinsang::pack::Kind::Manifest, manifest).to_string());
    collect(&mut store, 0, false, now.plus(99 * HOUR_MS), Progress::hidden()).unwrap_err();
    server.state().entries.insert(RUNS.to_owned(), server::Entry { value: b"no JSON".to_vec(), ..Default::default() });
    assert!(status(&mut store, now).unwrap().runs.is_empty());
}

#[test]
fn a_pack_that_nothing_names_is_written_again_unless_it_is_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 2, 4, NOW);
    let begun = Instant::now();
    publish(&first, &mut store(&server), &options(NOW, None)).unwrap();
    // Nothing names them once the manifest is gone.
    server.state().entries.remove(&Key::Live.to_string());
    assert_eq!(publish(&first, &mut store(&server), &options(NOW.plus(HOUR_MS), None)).unwrap().written, 0);
    server.state().entries.remove(&Key::Live.to_string());
    assert_eq!(publish(&first, &mut store(&server), &options(NOW.plus(4 * HOUR_MS), None)).unwrap().written, 5);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
