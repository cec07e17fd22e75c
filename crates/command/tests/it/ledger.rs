//! The ledger end to end: a history added day by day, killed and concurrent runs, repeated and late
//! tables, damage, compaction.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_demo::generate::{self, generate};
use sinsang_demo::table_write::TableFormat;
use sinsang_identity::identity::{Lesson, Policy, ProductId, Resolution};
use sinsang_pipeline::engine;
use sinsang_pipeline::ledger::head::Table;
use sinsang_pipeline::ledger::{self, Error, Extent, Ledger, Report, Step, append, check, compact};
use sinsang_pipeline::read::catalogue::{Catalogue, EntryId};
use sinsang_pipeline::read::history;
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;
use tempfile::TempDir;

const DAYS: i64 = 24;

fn now() -> UnixMillis {
    UnixMillis::parse_rfc3339("2026-11-22T12:00:00+09:00").unwrap()
}

struct World {
    _folder: TempDir,
    tables: PathBuf,
    catalogue: Catalogue,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tables = folder.path().join("tables");
        let mut options = generate::Options::new(&tables, now()).quick();
        (options.days, options.users) = (u32::try_from(DAYS).unwrap(), 1);
        options.broadcasts = TableFormat::parse("parquet").unwrap();
        generate(&options).unwrap();
        let options = history::Options {
            input: tables.clone(),
            rejects: None,
            limit: Limit { max_share: 0.2 },
            zones: Zones::default(),
            policy: Policy::default(),
            engine: engine::Options::default(),
            progress: Progress::hidden(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let catalogue = runtime.block_on(history::tables(&options, now())).unwrap().catalogue;
        World { _folder: folder, tables, catalogue }
    })
}

/// A table with the broadcasts of some days: those that begin after `from` days before the present,
/// up to `to` days before it.
fn days(from: i64, to: i64) -> Catalogue {
    let catalogue = &world().catalogue;
    let (from, to) = (now().plus(-from * DAY_MS), now().plus(-to * DAY_MS));
    let mut part = Catalogue::default();
    let mut places: HashMap<EntryId, EntryId> = HashMap::new();
    let mut airings: Vec<_> =
        catalogue.airings.iter().filter(|airing| airing.starts_at > from && airing.starts_at <= to).collect();
    airings.sort_by_key(|airing| std::cmp::Reverse(airing.starts_at));
    for airing in airings {
        let whole = &catalogue.entries[airing.entry];
        let place = *places.entry(airing.entry).or_insert_with(|| {
            let mut entry = whole.clone();
            entry.listing.titles.clear();
            (entry.listing.first_at, entry.listing.last_at) = (airing.starts_at, airing.starts_at);
            part.entries.push(entry)
        });
        let listing = &mut part.entries[place].listing;
        listing.first_at = listing.first_at.min(airing.starts_at);
        let title = &whole.listing.titles[airing.title];
        let number = listing.titles.iter().position(|known| known == title).unwrap_or_else(|| {
            listing.titles.push(title.clone());
            listing.titles.len() - 1
        });
        let mut airing = airing.clone();
        (airing.entry, airing.title) = (place, number);
        part.airings.push(airing);
    }
    part
}

fn take(folder: &Path, catalogue: &Catalogue) -> (Resolution, Report) {
    let mut ledger = Ledger::lock(folder, now()).unwrap();
    append(&mut ledger, catalogue, &Policy::default(), now(), &|_| Ok(())).unwrap()
}

fn products(catalogue: &Catalogue, resolution: &Resolution) -> BTreeMap<(String, String, String), ProductId> {
    let named = catalogue.entries.iter().zip(&resolution.listings);
    named
        .map(|(entry, resolved)| {
            let listing = &entry.listing;
            (
                (listing.shop.clone(), listing.listing_id.clone(), listing.titles.last().unwrap().clone()),
                resolved.product,
            )
        })
        .collect()
}

/// The ledger's product of each listing: resolves the whole history again, all of which it knows.
fn known(folder: &Path) -> BTreeMap<(String, String, String), ProductId> {
    let all = &world().catalogue;
    let copy = copied(folder);
    products(all, &take(copy.path(), all).0)
}

fn copied(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    copy
}

fn head(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("head.json")).unwrap()).unwrap()
}

fn whole(folder: &Path) {
    let report = check(folder).unwrap();
    assert_eq!(report.problem_count, 0, "{report}");
    assert!(report.rows > 0 && report.files > 3, "{report}");
}

/// Counts pairs of listings that are one product in both maps, in `a`, and in `b`.
fn pairs(
    a: &BTreeMap<(String, String, String), ProductId>,
    b: &BTreeMap<(String, String, String), ProductId>,
) -> [u64; 3] {
    fn count<K: Eq + std::hash::Hash>(groups: impl Iterator<Item = K>) -> u64 {
        let mut sizes: HashMap<K, u64> = HashMap::new();
        groups.for_each(|group| *sizes.entry(group).or_default() += 1);
        sizes.values().map(|size| size * (size - 1) / 2).sum()
    }
    let both = a.iter().filter_map(|(listing, id)| b.get(listing).map(|other| (*id, *other)));
    [count(both), count(a.values()), count(b.values())]
}

#[test]
fn a_history_taken_in_day_by_day_has_the_products_of_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    take(folder.path(), &days(DAYS, 10));
    let mut ids: BTreeMap<(String, String), Vec<ProductId>> = BTreeMap::new();
    for day in (0..10).rev() {
        let today = days(day + 1, day);
        let (resolution, report) = take(folder.path(), &today);
        assert_eq!(report.listings, today.entries.len());
        assert!(report.new_listings < report.listings, "{report}");
        for (entry, resolved) in today.entries.iter().zip(&resolution.listings) {
            let code = (entry.listing.shop.clone(), entry.listing.listing_id.clone());
            ids.entry(code).or_default().push(resolved.product);
        }
    }
    whole(folder.path());
    let ledger = Ledger::open(folder.path()).unwrap();
    assert_eq!(ledger.stats().runs, 11);
    let steady = ids.values().filter(|ids| ids.iter().all(|id| id == &ids[0])).count();
    assert!(steady * 100 >= ids.len() * 99, "{steady} of {} codes kept one id over ten days", ids.len());

    let past = days(DAYS, 0);
    let by_day = copied(folder.path());
    let by_day = products(&past, &take(by_day.path(), &past).0);
    let at_once = tempfile::tempdir().unwrap();
    let at_once = products(&past, &take(at_once.path(), &past).0);
    let [both, of_days, of_once] = pairs(&by_day, &at_once);
    println!("pairs of one product: {both} both ways, {of_days} day by day, {of_once} at once");
    // Word weights are those of the first fortnight, so pairs near the threshold differ.
    assert!(both * 100 >= of_once * 90 && both * 100 >= of_days * 90, "{both} of {of_days} and {of_once}");
    let equal = by_day.iter().filter(|(listing, id)| at_once.get(*listing) == Some(*id)).count();
    println!("listings with one id both ways: {equal} of {}", by_day.len());
    assert!(equal * 100 >= by_day.len() * 95, "{equal} of {}", by_day.len());
}

#[test]
fn a_table_that_comes_twice_changes_nothing_and_a_late_one_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    take(folder.path(), &days(DAYS, 3));
    take(folder.path(), &days(2, 1));
    let before = head(folder.path());
    let (_, again) = take(folder.path(), &days(2, 1));
    assert_eq!((again.listing_rows, again.airing_rows, again.block_rows, again.merges), (0, 0, 0, 0), "{again}");
    assert_eq!(head(folder.path()), before);
    let (_, late) = take(folder.path(), &days(3, 2));
    assert!(late.airing_rows > 0 && late.listing_rows > 0, "{late}");
    let (_, again) = take(folder.path(), &days(3, 1));
    assert_eq!(again.airing_rows, 0, "{again}");
    whole(folder.path());
    // Upcoming broadcasts are resolved and remembered without an airing, so that a slot may still
    // move.
    let ahead = days(0, -2);
    assert!(ahead.airings.len() > 10);
    let (_, report) = take(folder.path(), &ahead);
    assert!(report.airing_rows == 0 && report.listing_rows > 0, "{report}");
}

#[test]
fn a_clock_that_runs_backwards_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    take(folder.path(), &days(DAYS, 3));
    let steady = copied(folder.path());
    take(steady.path(), &days(4, 1));
    // By a clock five days slow, no broadcast of the table has begun.
    let behind = now().plus(-5 * DAY_MS);
    let mut ledger = Ledger::lock(folder.path(), behind).unwrap();
    let (_, report) = append(&mut ledger, &days(4, 1), &Policy::default(), behind, &|_| Ok(())).unwrap();
    assert!(report.airing_rows == 0 && report.listing_rows > 0, "{report}");
    drop(ledger);
    whole(folder.path());
    // With the clock right again, the same table adds what it would have added at once.
    let (_, report) = take(folder.path(), &days(4, 1));
    assert!(report.airing_rows > 0 && report.listing_rows == 0, "{report}");
    let airings = |folder: &Path| {
        let stats = Ledger::open(folder).unwrap().stats();
        let rows = stats.tables.iter().find(|table| table.table == Table::Airing).map(|table| table.rows);
        (rows, stats.products, stats.shops)
    };
    assert_eq!(airings(folder.path()), airings(steady.path()));
    assert_eq!(known(folder.path()), known(steady.path()));
}

#[test]
fn a_run_that_dies_at_any_step_leaves_the_ledger_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    take(folder.path(), &days(DAYS, 2));
    let undisturbed = copied(folder.path());
    take(undisturbed.path(), &days(2, 1));
    let before = fs::read(folder.path().join("head.json")).unwrap();
    for death in Step::ALL {
        let mut ledger = Ledger::lock(folder.path(), now()).unwrap();
        let watch = |step| if step == death { Err(Error::Stopped(step)) } else { Ok(()) };
        let error = append(&mut ledger, &days(2, 1), &Policy::default(), now(), &watch).unwrap_err();
        assert!(error.to_string().contains("the ledger is unchanged"), "{error}");
        drop(ledger);
        assert_eq!(fs::read(folder.path().join("head.json")).unwrap(), before, "dead before {death}");
        whole(folder.path());
    }
    let left = check(folder.path()).unwrap().orphans;
    assert!(left.len() >= 3, "{left:?}");
    let mut ledger = Ledger::lock(folder.path(), now()).unwrap();
    let report = compact(&mut ledger, Extent::Late, now(), &|_| Ok(())).unwrap();
    assert_eq!((report.orphans, report.runs_before), (left.len(), 0));
    drop(ledger);
    take(folder.path(), &days(2, 1));
    assert_eq!(head(folder.path()), head(undisturbed.path()), "as if nothing had died");
}

#[test]
fn compaction_changes_no_answer_even_where_it_dies() {
    let folder = tempfile::tempdir().unwrap();
    take(folder.path(), &days(DAYS, 8));
    for day in (2..8).rev() {
        take(folder.path(), &days(day + 1, day));
    }
    let next = days(2, 1);
    let lessons = Ledger::open(folder.path()).unwrap().in_force().unwrap().lessons;
    for lesson in [Lesson::Field, Lesson::Head, Lesson::Follower, Lesson::HeadField, Lesson::Inside, Lesson::Turns] {
        assert!(lessons.keys().filter(|(of, _, _)| *of == lesson).count() > 10, "{lesson:?}");
    }
    let plain = copied(folder.path());
    let expected = take(plain.path(), &next);
    for extent in [Extent::Late, Extent::All] {
        let compacted = copied(folder.path());
        let before = fs::read(compacted.path().join("head.json")).unwrap();
        let calls = Cell::new(0);
        for death in [Step::Airings, Step::Statistics, Step::Head] {
            let mut ledger = Ledger::lock(compacted.path(), now()).unwrap();
            let watch = |step| {
                calls.set(calls.get() + 1);
                if step == death { Err(Error::Stopped(step)) } else { Ok(()) }
            };
            compact(&mut ledger, extent, now(), &watch).unwrap_err();
            drop(ledger);
            assert_eq!(fs::read(compacted.path().join("head.json")).unwrap(), before);
        }
        assert!(calls.get() > 6);
        let mut ledger = Ledger::lock(compacted.path(), now()).unwrap();
        let report = compact(&mut ledger, extent, now(), &|_| Ok(())).unwrap();
        assert!(report.runs_before >= 2 && report.rows_after < report.rows_before, "{report}");
        drop(ledger);
        whole(compacted.path());
        assert!(Ledger::open(compacted.path()).unwrap().in_force().unwrap().lessons == lessons);
        assert!(check(compacted.path()).unwrap().orphans.is_empty());
        let (resolution, report) = take(compacted.path(), &next);
        assert_eq!(resolution, expected.0);
        assert_eq!(
            (report.listing_rows, report.airing_rows, report.new_products),
            (expected.1.listing_rows, expected.1.airing_rows, expected.1.new_products)
        );
    }
    assert!(known(folder.path()).len() > 100);
}

#[test]
fn damage_is_named_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    take(folder.path(), &days(DAYS, 2));
    let file = |start: &str| {
        let mut names: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        names.sort();
        names.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).unwrap()
    };
    let next = days(2, 1);
    let outcome = |copy: &Path| -> Result<Report, Error> {
        append(&mut Ledger::lock(copy, now())?, &next, &Policy::default(), now(), &|_| Ok(())).map(|(_, report)| report)
    };
    for start in ["listing", "block", "airing", "word"] {
        let name = file(start).file_name().unwrap().to_owned();
        let named = |error: &str| assert!(error.contains(name.to_str().unwrap()), "{error}");
        let bytes = fs::read(file(start)).unwrap();
        let broken = copied(folder.path());
        let path = broken.path().join(&name);
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        named(&outcome(broken.path()).unwrap_err().to_string());
        fs::remove_file(&path).unwrap();
        named(&outcome(broken.path()).unwrap_err().to_string());
        named(&check(broken.path()).unwrap().problems[0]);
        fs::write(&path, vec![7; bytes.len()]).unwrap();
        named(&outcome(broken.path()).unwrap_err().to_string());
        let mut flipped = bytes.clone();
        flipped[40] ^= 0x55;
        fs::write(&path, flipped).unwrap();
        named(&check(broken.path()).unwrap().problems[0]);
    }
    // Another table's file that happens to have the right length.
    let broken = copied(folder.path());
    let (word, block) = (file("word"), file("block"));
    let mut changed = head(folder.path());
    let entry = changed["runs"][0]["files"].as_array_mut().unwrap();
    let place = entry.iter().position(|entry| entry["table"] == "block").unwrap();
    entry[place]["file"] = word.file_name().unwrap().to_str().unwrap().into();
    entry[place]["bytes"] = fs::metadata(&word).unwrap().len().into();
    fs::write(broken.path().join("head.json"), changed.to_string()).unwrap();
    let error = outcome(broken.path()).unwrap_err().to_string();
    assert!(error.contains("table block"), "{error}");
    drop(block);

    for (text, says) in [
        ("{", "not the head"),
        ("[]", "not the head"),
        (&*head(folder.path()).to_string().replace("\"format\":2", "\"format\":9"), "format 9"),
        (&*head(folder.path()).to_string().replace("\"format\":2", "\"format\":1"), "rebuild the ledger"),
        (&*head(folder.path()).to_string().replace("listing-", "../listing-"), "not a ledger file"),
    ] {
        fs::write(broken.path().join("head.json"), text).unwrap();
        let error = outcome(broken.path()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    take(folder.path(), &next);
    fs::remove_file(folder.path().join("head.json")).unwrap();
    assert!(outcome(folder.path()).unwrap_err().to_string().contains("no head.json"));
}

fn sinsang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn the_command_refuses_a_second_run_and_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let (tables, ledger_text) = (world().tables.to_str().unwrap(), ledger.to_str().unwrap());
    let update = [
        "ledger",
        "update",
        "--input",
        tables,
        "--ledger",
        ledger_text,
        "--now",
        "2026-11-22T12:00:00+09:00",
        "--max-rejects",
        "0.2",
    ];
    for wait_ms in [30, 400] {
        let mut run = sinsang(&update).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(!ledger.join("head.json").exists() || check(&ledger).unwrap().problem_count == 0);
    }
    let held = Ledger::lock(&ledger, now()).unwrap();
    let refused = sinsang(&update).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains(&std::process::id().to_string()) && said.contains(ledger_text), "{said}");
    drop(held);

    let json = |arguments: &[&str], code: i32| -> Value {
        let done = sinsang(arguments).args(["--format", "json"]).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    };
    let report = json(&update, 0);
    assert!(report["new_products"].as_u64().unwrap() > 100, "{report}");
    let again = json(&update, 0);
    assert_eq!((&again["version"], &again["airing_rows"]), (&report["version"], &0.into()));
    let stats = json(&["ledger", "stats", ledger_text], 0);
    assert_eq!(stats["products"], report["products"]);
    assert!(stats["shops"].as_object().unwrap().len() > 5, "{stats}");
    assert_eq!(json(&["ledger", "check", ledger_text], 0)["problem_count"], 0);
    assert_eq!(json(&["ledger", "compact", ledger_text], 0)["runs_before"], 0);
    let block = fs::read_dir(&ledger).unwrap().map(|file| file.unwrap().path());
    let block = block.into_iter().find(|path| path.to_str().unwrap().contains("block-")).unwrap();
    let mut bytes = fs::read(&block).unwrap();
    bytes[100] ^= 1;
    fs::write(&block, bytes).unwrap();
    assert_eq!(json(&["ledger", "check", ledger_text], 3)["problem_count"], 1);
    let _ = ledger::check(&ledger);
}
