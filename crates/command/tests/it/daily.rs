//! Days resolved and built against a ledger, compared with the same days from the whole history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use sinsang_command::resolve;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::time::UnixMillis;
use sinsang_demo::generate::{self, generate};
use sinsang_demo::table_write::TableFormat;
use sinsang_identity::identity::Policy;
use sinsang_identity::verdict;
use sinsang_pipeline::ledger::{self, Error, Ledger, Step, check};
use sinsang_pipeline::read::history::{self, History};
use sinsang_pipeline::report::built::Report;
use sinsang_pipeline::{build, engine};
use sinsang_publish::snapshot::Snapshot;
use sinsang_run::progress::Progress;
use sinsang_tables::Zones;
use sinsang_tables::reject::Limit;
use tempfile::TempDir;

/// The days of November that are added one by one, after a history up to the day before.
const DAYS: std::ops::RangeInclusive<u32> = 20..=21;

/// Noon of a day of November.
fn noon(day: u32) -> UnixMillis {
    UnixMillis::parse_rfc3339(&format!("2026-11-{day:02}T12:00:00+09:00")).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

/// The generated tables, their broadcasts by day, and a ledger of everything before the days.
struct World {
    folder: TempDir,
    rows: Vec<(String, String)>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tables = folder.path().join("tables");
        let mut options = generate::Options::new(&tables, noon(*DAYS.end())).quick();
        (options.days, options.users) = (34, 30);
        options.broadcasts = TableFormat::parse("ndjson").unwrap();
        generate(&options).unwrap();
        let text = fs::read_to_string(tables.join("broadcasts.ndjson")).unwrap();
        let rows = text.lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            (row["starts_at"].as_str().unwrap()[..10].to_owned(), line.to_owned())
        });
        let world = World { rows: rows.collect(), folder };
        for day in DAYS {
            // A day's run gets the broadcasts from two days before to two days ahead; the whole
            // history gets all that is known by then.
            world.write(&format!("day-{day}"), &date(day - 2), &date(day + 2));
            world.write(&format!("whole-{day}"), "2026-01-01", &date(day + 2));
        }
        let first = *DAYS.start();
        let past = world.write("past", "2026-01-01", &date(first - 1));
        let report = wait(ledger::update(&against(&world.folder.path().join("ledger"), &past), noon(first))).unwrap();
        assert!(report.new_products > 1_000, "{report}");
        world
    })
}

/// A day of November as tables write it.
fn date(day: u32) -> String {
    format!("2026-11-{day:02}")
}

impl World {
    /// Makes a folder of tables with the broadcasts from one day to another and all other tables
    /// whole.
    fn write(&self, name: &str, from: &str, to: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let rows = self.rows.iter().filter(|(day, _)| (from..=to).contains(&day.as_str()));
        let rows: Vec<&str> = rows.map(|(_, row)| row.as_str()).collect();
        assert!(rows.len() > 500, "{} rows", rows.len());
        fs::write(folder.join("broadcasts.ndjson"), rows.join("\n")).unwrap();
        for table in ["events.parquet", "tabs.csv"] {
            fs::copy(self.folder.path().join("tables").join(table), folder.join(table)).unwrap();
        }
        folder
    }

    fn day(&self, day: u32) -> PathBuf {
        self.folder.path().join(format!("day-{day}"))
    }

    fn whole(&self, day: u32) -> PathBuf {
        self.folder.path().join(format!("whole-{day}"))
    }
}

fn options(input: &Path) -> history::Options {
    history::Options {
        input: input.to_owned(),
        rejects: None,
        limit: Limit { max_share: 0.2 },
        zones: Zones::default(),
        policy: Policy::default(),
        engine: engine::Options::default(),
        progress: Progress::hidden(),
    }
}

fn against(ledger: &Path, input: &Path) -> ledger::Options {
    ledger::Options { ledger: ledger.to_owned(), history: options(input) }
}

/// A copy of the ledger that the days start from.
fn begun(folder: &Path) -> PathBuf {
    let ledger = folder.join("ledger");
    fs::create_dir(&ledger).unwrap();
    for file in fs::read_dir(world().folder.path().join("ledger")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), ledger.join(file.file_name())).unwrap();
    }
    ledger
}

/// A history's resolved lines by shop, code and title.
fn lines(history: &History, output: &Path, now: UnixMillis) -> BTreeMap<String, Value> {
    resolve::resolve(history, &verdict::Policy::default(), output, true, now).unwrap();
    let text = fs::read_to_string(output).unwrap();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        (format!("{}:{} {}", line["shop"], line["listing_id"], line["title"]), line)
    });
    lines.collect()
}

fn head(ledger: &Path) -> Vec<u8> {
    fs::read(ledger.join("head.json")).unwrap()
}

/// Counts of equal lines between a ledger's day and the whole history.
#[derive(Debug, Default)]
struct Same {
    lines: usize,
    product: usize,
    verdict: usize,
    /// Equal reason, text, history, earlier broadcast, and broadcast of judgement.
    evidence: usize,
}

impl Same {
    fn count(&mut self, day: &BTreeMap<String, Value>, whole: &BTreeMap<String, Value>) {
        for (listing, line) in day {
            let other = whole.get(listing).unwrap_or_else(|| panic!("{listing} is not in the whole history"));
            let same = |fields: &[&str]| fields.iter().all(|field| line[field] == other[field]);
            self.lines += 1;
            self.product += usize::from(same(&["product_id"]));
            self.verdict += usize::from(same(&["verdict"]));
            // The probability of having aired depends on word frequencies, which the ledger counts
            // a little later.
            let evidence = |line: &Value| {
                let mut evidence = line["evidence"].clone();
                evidence.as_object_mut().and_then(|evidence| evidence.remove("aired_probability"));
                evidence
            };
            let told = same(&["verdict", "as_of", "channel", "upcoming"]) && evidence(line) == evidence(other);
            self.evidence += usize::from(told);
        }
    }

    /// Requires the shares of equal lines to be at least `share`.
    #[track_caller]
    fn at_least(&self, share: [f64; 3]) {
        println!("{self:?}");
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        for (same, share) in [self.product, self.verdict, self.evidence].into_iter().zip(share) {
            assert!(same as f64 >= share * self.lines as f64, "{self:?}");
        }
    }
}

#[test]
fn days_against_a_ledger_judge_as_the_whole_history_does() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = begun(folder.path());
    let output = folder.path().join("lines.ndjson");
    let mut same = Same::default();
    let mut again = Same::default();
    for day in DAYS {
        let (now, tables) = (noon(day), world().day(day));
        let (history, run) = wait(ledger::read(&against(&ledger, &tables), now)).unwrap();
        let of_day = lines(&history, &output, now);
        let before = head(&ledger);
        let report = run.append(now).unwrap();
        assert!(report.new_listings > 50 && report.new_listings < report.listings, "{report}");
        assert_ne!(before, head(&ledger));
        assert!(of_day.values().any(|line| line["joined"] == "same_code"), "a code that the ledger knew");

        let whole = wait(history::read(&options(&world().whole(day)), now)).unwrap();
        let of_whole = lines(&whole, &output, now);
        same.count(&of_day, &of_whole);
        // Resolves again, with everything in the ledger.
        let (history, run) = wait(ledger::read(&against(&ledger, &tables), now)).unwrap();
        again.count(&lines(&history, &output, now), &of_day);
        let (report, head_before) = (run.append(now).unwrap(), head(&ledger));
        assert_eq!((report.airing_rows, report.new_products), (0, 0), "{report}");
        assert_eq!(head(&ledger), head_before);
    }
    assert_eq!(check(&ledger).unwrap().problem_count, 0);

    // Yesterday's table again today, also with every row doubled: nothing is new, and both answers
    // are equal.
    let (first, now, kept) = (*DAYS.start(), noon(*DAYS.end()), head(&ledger));
    let late = |input: &Path| {
        let (history, run) = wait(ledger::read(&against(&ledger, input), now)).unwrap();
        let lines = lines(&history, &output, now);
        let report = run.append(now).unwrap();
        assert_eq!((report.airing_rows, report.listing_rows, report.block_rows), (0, 0, 0), "{report}");
        assert_eq!(head(&ledger), kept);
        (history.schedule.duplicates, lines)
    };
    let (duplicates, once) = late(&world().day(first));
    let text = fs::read_to_string(world().day(first).join("broadcasts.ndjson")).unwrap();
    let doubled = folder.path().join("doubled");
    fs::create_dir(&doubled).unwrap();
    fs::write(doubled.join("broadcasts.ndjson"), format!("{text}\n{text}\n")).unwrap();
    let (more, twice) = late(&doubled);
    assert_eq!(more, duplicates + u64::try_from(text.lines().count()).unwrap());
    assert!(once == twice);

    // Words are weighed by what was known at the start of a run, so pairs near the threshold
    // differ.
    same.at_least([0.98, 0.99, 0.98]);
    again.at_least([0.999, 0.999, 0.999]);
}

fn building(input: &Path, output: &Path, ledger: Option<&Path>) -> build::Options {
    let (limit, ledger) = (Limit { max_share: 0.2 }, ledger.map(Path::to_owned));
    build::Options { limit, ledger, ..crate::world::options(input, output) }
}

/// The verdicts of a snapshot's products.
fn verdicts(snapshot: &Path) -> BTreeMap<u64, (Value, Value)> {
    let snapshot = Snapshot::at(snapshot);
    let id = snapshot.manifest().unwrap().board();
    let board = snapshot.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id)).unwrap();
    let verdict = |json: &[u8]| {
        let mut verdict = serde_json::from_slice::<Value>(json).unwrap();
        verdict["evidence"].as_object_mut().unwrap().remove("aired_probability");
        verdict
    };
    let products = (0..board.product_count()).map(|index| board.product(index));
    products.map(|one| (one.id(), (verdict(one.verdict_json(true)), verdict(one.verdict_json(false))))).collect()
}

#[test]
fn a_build_against_a_ledger_has_the_verdicts_and_tastes_of_a_whole_build() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = begun(folder.path());
    let (day, now) = (world().day(20), noon(20));
    let (of_day, of_whole) = (folder.path().join("of-day"), folder.path().join("of-whole"));
    let untouched = head(&ledger);

    // A build appends last: one that can't write its snapshot leaves the ledger unchanged.
    let blocked = folder.path().join("a-file");
    fs::write(&blocked, "in the way").unwrap();
    wait(build::build(&building(&day, &blocked.join("snapshot"), Some(&ledger)), now)).unwrap_err();
    assert_eq!(head(&ledger), untouched);

    let report = wait(build::build(&building(&day, &of_day, Some(&ledger)), now)).unwrap();
    let appended = report.ledger.as_ref().unwrap();
    assert!(appended.airing_rows > 100 && appended.version == 2, "{appended}");
    assert!(report.to_string().contains("ledger: "), "{report}");
    let whole = wait(build::build(&building(&world().whole(20), &of_whole, None), now)).unwrap();
    assert!(whole.ledger.is_none() && whole.listings > report.listings);

    let (products, expected) = (verdicts(&of_day), verdicts(&of_whole));
    let ids: BTreeSet<u64> = products.keys().chain(expected.keys()).copied().collect();
    let equal =
        ids.iter().filter(|id| products.get(id).is_some_and(|verdict| expected.get(id) == Some(verdict))).count();
    println!("{equal} of {} products have equal verdicts, {:?} and {:?}", ids.len(), report.verdicts, whole.verdicts);
    assert!(equal * 100 >= ids.len() * 95, "{equal} of {}", ids.len());

    // Events of products outside the day's tables are looked up in the ledger.
    assert_eq!(report.tastes.users, whole.tastes.users);
    assert_eq!(report.tastes.events_used, whole.tastes.events_used);
    let unknown = |report: &Report| report.tastes.events_of_unknown_products;
    println!(
        "events of unknown products: {} and {}, of {}",
        unknown(&report),
        unknown(&whole),
        whole.tastes.events_used
    );
    assert_eq!(unknown(&report), unknown(&whole));
}

#[test]
fn a_run_that_dies_anywhere_leaves_the_ledger_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = begun(folder.path());
    let (tables, now, untouched) = (world().day(20), noon(20), head(&ledger));
    let options = against(&ledger, &tables);
    for death in [None, Some(Step::Statistics)] {
        let (history, run) = wait(ledger::read(&options, now)).unwrap();
        assert!(history.catalogue.entries.len() > history.listed);
        let error = wait(ledger::read(&options, now)).err().unwrap();
        assert!(error.to_string().contains("in use"), "{error}");
        match death {
            None => drop(run),
            Some(death) => {
                let watch = |step| if step == death { Err(Error::Stopped(step)) } else { Ok(()) };
                run.append_watched(now, &watch).unwrap_err();
            }
        }
        assert_eq!(head(&ledger), untouched, "dead at {death:?}");
    }
    assert_eq!(check(&ledger).unwrap().problem_count, 0);

    // A process, killed while it works.
    let output = folder.path().join("lines.ndjson");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinsang"));
    command.args(["resolve", "--now", "2026-11-20T12:00:00+09:00", "--max-rejects", "0.2"]);
    command.arg("--input").arg(&tables).arg("--ledger").arg(&ledger).arg("--output").arg(&output);
    for wait_ms in [50, 300] {
        let mut run = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(output.exists() || head(&ledger) == untouched);
        assert_eq!(check(&ledger).unwrap().problem_count, 0);
    }
    assert!(command.output().unwrap().status.success());
    assert_ne!(head(&ledger), untouched);
    assert!(fs::read_to_string(&output).unwrap().lines().count() > 500);
    let stats = Ledger::open(&ledger).unwrap().stats();
    assert!(stats.products > 1_000);
}
