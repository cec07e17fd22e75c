//! Tests of publishing through the REST API, to a server that enforces its limits and fails in
//! every way that it may.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sinsang_core::key::{Key, LEASE, RUNS};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{HOUR_MS, UnixMillis};
use sinsang_publish::{
    Address, CollectOptions, Depth, Error, RemoteError, RemoteKv, Store as _, collect, plan, publish, rollback, status,
};
use sinsang_run::progress::Progress;

use crate::support::server::{self, Fault, Server};
use crate::support::{NOW, address, clock, options, snapshot, store};

fn live(server: &Server) -> Option<Manifest> {
    let value = server.state().entries.get(&Key::Live.to_string())?.value.clone();
    Some(Manifest::parse(value).unwrap())
}

/// Options of a test's collection, which is always due.
fn collecting(at: UnixMillis, is_dry: bool) -> CollectOptions<'static> {
    let progress = Progress::hidden();
    CollectOptions { grace_ms: 0, replayable_ms: 0, is_dry, budget: None, every_ms: 0, at, holder: "a test", progress }
}

/// Expires the lease of a killed run.
fn expire(server: &Server) {
    let mut state = server.state();
    let lease = &mut state.entries.get_mut(LEASE).unwrap().value;
    let mut value: serde_json::Value = serde_json::from_slice(lease).unwrap();
    value["until"] = 1.into();
    *lease = value.to_string().into_bytes();
}

fn packs_there(server: &Server) -> usize {
    server.state().entries.keys().filter(|key| key.starts_with("pack/")).count()
}

#[test]
fn sixty_five_thousand_shards_arrive_whole_through_every_kind_of_failure() {
    let folder = tempfile::tempdir().unwrap();
    let first = snapshot(&folder.path().join("first"), 16, 0, NOW);
    let server = Server::start();
    server.state().faults = BTreeMap::from([
        (0, Fault::Unavailable),
        // Four bulk writes follow the initial reads and the lease; 17 and 18 renew it, then three
        // more follow.
        (8, Fault::TooMany(2)),
        (9, Fault::Partial),
        (10, Fault::Dropped),
        (11, Fault::Internal),
        (12, Fault::DroppedAfter),
        (13, Fault::CutShort),
        (14, Fault::Partial),
        (20, Fault::Partial),
        (40, Fault::CutShort),
        (41, Fault::TooMany(0)),
    ]);
    let report = publish(&first, &mut store(&server), &options(NOW, Some(100))).unwrap();
    assert_eq!((report.packs, report.written, report.read_back), (65_537, 65_537, 100));
    assert_eq!(report.retried, 11, "once for each fault");
    assert_eq!(live(&server).unwrap().snapshot(), first.manifest().unwrap().snapshot());
    {
        let state = server.state();
        // All packs, the manifest twice, the lease and the list of runs.
        assert_eq!(state.entries.len(), 65_537 + 4);
        for key in sinsang_publish::packs(&first.manifest().unwrap()) {
            assert_eq!(state.entries[&key.to_string()].value, first.read(key).unwrap());
        }
        assert!(state.bulks.iter().all(|(pairs, _)| *pairs <= 10_000), "{:?}", state.bulks);
        assert!(state.calls.len() < 200, "{} calls", state.calls.len());
        // Calls already under way finish; then all connections pause.
        let quiet = state.calls[8..17].windows(2).map(|two| two[1].0.duration_since(two[0].0)).max().unwrap();
        assert!(quiet >= Duration::from_millis(1_900), "the longest pause is {quiet:?} after a Retry-After of 2 s");
        assert!(state.calls.iter().all(|(_, call)| !call.contains("/keys")), "nothing is listed");
    }

    // A second snapshot with three different shards: only they and the board are written.
    let second = snapshot(&folder.path().join("second"), 16, 3, NOW.plus(HOUR_MS));
    let options = options(NOW.plus(HOUR_MS), Some(100));
    let planned = plan(&second, &mut store(&server), &options).unwrap();
    assert_eq!((planned.keys, planned.read_back, planned.is_live), (4 + 5, 4 + 2, false));
    let bulks = server.state().bulks.len();
    assert_eq!(publish(&second, &mut store(&server), &options).unwrap().written, 4);
    // On a slow machine the lease is renewed once.
    let written = server.state().bulks[bulks..].iter().map(|(pairs, _)| pairs).sum::<usize>();
    assert!((planned.keys..=planned.keys + 1).contains(&written), "{written}, planned {}", planned.keys);
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
    // One connection, and calls slow enough that the lease is renewed after the first bulk write.
    // Before it come a look, the lease in three calls, another look, the live board and its one
    // shard; after it two calls renew the lease, and then the connection is dead.
    server.state().delay = Duration::from_millis(300);
    let dead_from = server.state().calls.len() + 10;
    server.state().faults.extend((dead_from..dead_from + 40).map(|call| (call, Fault::Dropped)));
    let before = packs_there(&server);
    let mut line = RemoteKv::new(address(&server), 1, clock());
    let died = publish(&second, &mut line, &options(NOW.plus(1), Some(10)));
    assert!(matches!(died, Err(Error::Store { source: RemoteError::Unreachable(_), .. })), "{died:?}");
    assert_eq!(live(&server).unwrap().snapshot(), first.manifest().unwrap().snapshot());
    let arrived = packs_there(&server) - before;
    assert_eq!(arrived, 10_000);
    server.state().faults.clear();
    server.state().delay = Duration::ZERO;
    // It could not release its lease.
    let held = publish(&second, &mut store(&server), &options(NOW.plus(2), Some(10)));
    assert!(matches!(held, Err(Error::Held { .. })), "{held:?}");
    expire(&server);
    let done = publish(&second, &mut store(&server), &options(NOW.plus(2), Some(10)));
    // Everything that had not arrived, and the board again.
    assert_eq!(done.unwrap().written, 16_385 - arrived + 1);
    let state = server.state();
    let twice = state.entries.iter().filter(|(key, entry)| entry.writes > 1 && key.starts_with("pack/"));
    assert_eq!(twice.count(), 1);
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
        ("TMPDIR", folder.path().to_str().unwrap()),
    ]);
    let mut publisher = command.spawn().unwrap();
    let begun = Instant::now();
    let is_under_way = || {
        let state = server.state();
        state.entries.get(LEASE).is_some_and(|lease| String::from_utf8_lossy(&lease.value).contains("unfinished"))
    };
    while !is_under_way() && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    publisher.kill().unwrap();
    assert!(!publisher.wait().unwrap().success());
    server.state().delay = Duration::ZERO;
    let arrived = packs_there(&server);
    assert!((10_000..16_385).contains(&arrived) && live(&server).is_none(), "{arrived} packs");
    let held = publish(&first, &mut store(&server), &options(NOW.plus(1), Some(10))).unwrap_err().to_string();
    assert!(held.starts_with("process ") && held.contains(" held this store for publish "), "{held}");
    expire(&server);
    let done = publish(&first, &mut store(&server), &options(NOW.plus(1), Some(10))).unwrap();
    // The board is written again, and writes under way as it died may have arrived after the count.
    assert!(done.written <= 16_385 - 10_000 + 1 && done.written > 0, "{done}");
    assert_eq!(live(&server).unwrap().snapshot(), first.manifest().unwrap().snapshot());
    assert_eq!(server.state().entries.len(), 16_385 + 4);
    let runs = status(&mut store(&server), NOW.plus(1), Depth::Sample).unwrap().runs;
    assert_eq!(runs.iter().map(|run| run.action.as_str()).collect::<Vec<_>>(), ["publish", "refused"]);
}

#[test]
fn what_the_api_refuses_is_not_tried_again_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 1, 0, NOW);
    for (address, expected) in [
        (Address { token: "another".to_owned(), ..address(&server) }, "may edit the Workers KV storage"),
        (Address { namespace: "another".to_owned(), ..address(&server) }, "SINSANG_KV_NAMESPACE_ID is a namespace"),
    ] {
        let calls = server.state().calls.len();
        let error =
            publish(&first, &mut RemoteKv::new(address, 4, clock()), &options(NOW, None)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("another"), "a secret in {error}");
        assert_eq!(server.state().calls.len(), calls + 1);
    }
    server.state().always = Some(Fault::Internal);
    let error = publish(&first, &mut store(&server), &options(NOW, None)).unwrap_err().to_string();
    assert!(error.contains("answered 500") && error.contains("the live snapshot is unchanged"), "{error}");
    let set = |name: &str| (name != "CLOUDFLARE_API_TOKEN").then(|| "x".to_owned());
    let error = Address::from_variables(set).unwrap_err().to_string();
    assert!(error.starts_with("set CLOUDFLARE_API_TOKEN in"), "{error}");
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
    // The released lease is visible by then.
    server.state().stale.clear();
    // From the second read on, only the old manifest is visible: the first read is the publish's
    // own, of the live manifest.
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
    assert_eq!((packs_there(&server), live(&server).is_none()), (0, true));
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
    let report = rollback(&mut store, None, now, "a test").unwrap();
    assert_eq!((report.snapshot, report.from), (name(6), name(7)));
    assert_eq!(live(&server).unwrap().snapshot(), snapshots[6].manifest().unwrap().snapshot());
    let looked = status(&mut store, now, Depth::Full).unwrap();
    assert_eq!(
        looked.live.as_ref().map(|live| (live.snapshot.clone(), live.age_minutes, live.missing)),
        Some((name(6), 120, 0))
    );
    let kept: Vec<String> = looked.kept.iter().map(|kept| kept.snapshot.clone()).collect();
    assert_eq!(kept, [name(7), name(5), name(4), name(3)]);
    // Formats alternate, which no code above depends on.
    let formats: Vec<_> = looked.live.iter().chain(&looked.kept).map(|stored| stored.pack_format.unwrap()).collect();
    assert!(formats[0] != formats[1] && formats[1] == formats[2] && formats[2] != formats[3], "{formats:?}");
    assert_eq!(looked.runs.iter().map(|run| run.action.as_str()).collect::<Vec<_>>()[..2], ["rollback", "publish"]);
    // 4 shards shared by all, 8 times 4 others and a board, 8 manifests and that of the rollback.
    let all = looked.all.unwrap();
    assert_eq!((all.packs, all.unnamed), (4 + 8 * 5 + 9, 3 * 6 + 1));
    assert!(all.bytes > 0 && looked.to_string().contains("rollback"), "{looked}");

    // First nothing is old enough, then everything unnamed is.
    let young = collect(&mut store, &collecting(NOW.plus(5 * HOUR_MS), false)).unwrap();
    assert_eq!((young.pass.removed, young.pass.in_grace), (0, 19));
    let dry = collect(&mut store, &collecting(now.plus(24 * HOUR_MS), true)).unwrap();
    assert_eq!((dry.pass.removed, store.packs().unwrap().len()), (19, all.packs));
    // Before it come five reads of the kept manifests, the place, a page, the lease in three calls,
    // and five reads again.
    server.fail(15, Fault::Partial);
    let retries = store.retries();
    let done = collect(&mut store, &collecting(now.plus(24 * HOUR_MS), false)).unwrap();
    assert_eq!((done.pass.removed, done.pass.named), (19, all.packs - 19));
    assert_eq!(store.retries() - retries, 1);
    let after = status(&mut store, now.plus(24 * HOUR_MS), Depth::Full).unwrap();
    let left = after.all.unwrap();
    assert_eq!((left.packs, left.unnamed), (all.packs - 19, 0));
    assert!(after.kept.iter().chain(&after.live).all(|stored| stored.missing == 0), "{after}");
    assert!(
        rollback(&mut store, snapshots[3].manifest().ok().map(|manifest| manifest.snapshot()), now, "a test").is_ok()
    );

    // A rollback to a missing snapshot fails, and nothing moves.
    let error = rollback(&mut store, snapshots[0].manifest().ok().map(|manifest| manifest.snapshot()), now, "a test")
        .unwrap_err();
    assert!(matches!(error, Error::NotKept { .. }), "{error}");
    let board = sinsang_publish::packs(&snapshots[7].manifest().unwrap()).next().unwrap();
    server.state().entries.remove(&board.to_string());
    let error = rollback(&mut store, snapshots[7].manifest().ok().map(|manifest| manifest.snapshot()), now, "a test")
        .unwrap_err();
    assert!(matches!(error, Error::Incomplete { missing: 1, .. }), "{error}");
    assert_eq!(live(&server).unwrap().snapshot(), snapshots[3].manifest().unwrap().snapshot());

    // If a kept manifest is missing, no pack can be proved unnamed.
    let manifest = live(&server).unwrap().previous().next().unwrap().manifest;
    server.state().entries.remove(&Key::Pack(sinsang_core::pack::Kind::Manifest, manifest).to_string());
    collect(&mut store, &collecting(now.plus(99 * HOUR_MS), false)).unwrap_err();
    server.state().entries.insert(RUNS.to_owned(), server::Entry { value: b"no JSON".to_vec(), ..Default::default() });
    assert!(status(&mut store, now, Depth::Full).unwrap().runs.is_empty());
}

#[test]
fn a_pack_that_nothing_names_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let first = snapshot(&folder.path().join("first"), 2, 4, NOW);
    publish(&first, &mut store(&server), &options(NOW, None)).unwrap();
    // Without the manifest, no packs are named.
    server.state().entries.remove(&Key::Live.to_string());
    assert_eq!(publish(&first, &mut store(&server), &options(NOW.plus(HOUR_MS), None)).unwrap().written, 5);
}

#[test]
fn what_kept_snapshots_name_is_relied_on_without_a_list_unless_a_look_finds_it_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let [first, second, third] =
        [0, 1, 2].map(|at| snapshot(&folder.path().join(at.to_string()), 3, 2, NOW.plus(at * HOUR_MS)));
    publish(&first, &mut store(&server), &options(NOW, None)).unwrap();
    assert_eq!(publish(&second, &mut store(&server), &options(NOW.plus(HOUR_MS), None)).unwrap().written, 3);
    let listed = |server: &Server| server.state().calls.iter().filter(|(_, call)| call.contains("/keys")).count();
    rollback(&mut store(&server), None, NOW.plus(HOUR_MS), "a test").unwrap();
    status(&mut store(&server), NOW.plus(HOUR_MS), Depth::Sample).unwrap();
    assert_eq!(listed(&server), 0);
    // Somebody else removes one pack that all snapshots share, and damages another.
    let shared: Vec<Key> = sinsang_publish::packs(&first.manifest().unwrap())
        .filter(|key| sinsang_publish::packs(&third.manifest().unwrap()).any(|other| other == *key))
        .collect();
    assert_eq!(shared.len(), 6);
    server.state().entries.remove(&shared[0].to_string());
    server.state().entries.get_mut(&shared[1].to_string()).unwrap().value[40] ^= 1;
    let looked = status(&mut store(&server), NOW.plus(HOUR_MS), Depth::Sample).unwrap();
    assert_eq!(looked.live.map(|live| (live.looked_at, live.missing)), Some((9, 2)));
    let report = publish(&third, &mut store(&server), &options(NOW.plus(2 * HOUR_MS), None)).unwrap();
    assert_eq!((report.written, listed(&server)), (3 + 2, 1));
    for key in sinsang_publish::packs(&third.manifest().unwrap()) {
        assert_eq!(server.state().entries[&key.to_string()].value, third.read(key).unwrap());
    }
}
