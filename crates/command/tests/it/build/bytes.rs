//! The bytes of a snapshot: equal for equal tables, verified, and without users.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sinsang_command::verify::verify;
use sinsang_core::pack::Damage;
use sinsang_core::verdict::VerdictKind;
use sinsang_publish::snapshot::{self, Snapshot};

use super::board;
use crate::world::{self, now, world};

#[test]
fn the_snapshot_verifies_and_damage_to_it_does_not() {
    let world = world();
    let report = verify(&Snapshot::at(&world.snapshot), now()).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.packs, report.surfaces > 0), (world.report.packs, true));

    let folder = tempfile::tempdir().unwrap();
    let files = world::files(&world.snapshot);
    let write = |files: &BTreeMap<String, Vec<u8>>| {
        let _ = fs::remove_dir_all(folder.path().join("pack"));
        fs::create_dir_all(folder.path().join("pack")).unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        verify(&Snapshot::at(folder.path()), now())
    };
    for (name, bytes) in &files {
        // A bit in the header, in the middle and at the end.
        for at in [0, 9, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= 1;
            // Damage is found before the surfaces are rendered, so this is quick.
            let error = write(&damaged).unwrap_err();
            assert!(matches!(error, snapshot::Error::Damaged { .. }), "{name} at {at}: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let mut missing = files.clone();
        missing.remove(name);
        let _ = fs::remove_file(folder.path().join(name));
        let error = write(&missing).unwrap_err();
        assert!(matches!(error, snapshot::Error::Io { .. }) && error.to_string().contains(name), "{name}: {error}");
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    // An intact pack under another pack's name is damage too.
    let mut packs = files.keys().filter(|name| name.starts_with("pack/"));
    let (one, other) = (packs.next().unwrap(), packs.next().unwrap());
    let mut swapped = files.clone();
    swapped.insert(one.clone(), files[other].clone());
    let error = write(&swapped).unwrap_err();
    let is_told = |damage: &Damage| matches!(damage, Damage::WrongId | Damage::WrongKind(_));
    assert!(matches!(&error, snapshot::Error::Damaged { damage, .. } if is_told(damage)), "{error}");
    // An unreferenced pack.
    let mut foreign = files.clone();
    let name = "0123456789abcdef0123456789abcdef";
    foreign.insert(format!("pack/{name}"), files[one].clone());
    let problems = write(&foreign).unwrap().problems;
    assert!(problems.len() == 1 && problems[0].contains(name), "{problems:?}");
}

#[test]
fn no_pack_says_who_its_users_are() {
    let world = world();
    let users: HashSet<&[u8]> = world.users.iter().map(|user| user.user_id.as_bytes()).collect();
    assert!(users.len() == 300 && users.iter().all(|user| user.len() == 7));
    for (name, bytes) in world::files(&world.snapshot) {
        let found = bytes.windows(7).find(|window| users.contains(window));
        assert!(found.is_none(), "{name} holds {:?}", found.map(String::from_utf8_lossy));
    }
    let known = world.users.iter().filter(|user| world.taste(&user.user_id).is_some()).count();
    assert!(known > 250, "{known}");
}

/// Writes the rows of `from` to `to` as CSV, in another order.
fn as_csv(from: &Path, to: &Path, seed: u64) {
    let mut rows = world::lines(from);
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let columns: Vec<String> = rows[0].as_object().unwrap().keys().cloned().collect();
    let mut writer = csv::Writer::from_path(to).unwrap();
    writer.write_record(&columns).unwrap();
    for row in rows {
        let cell = |column: &String| match &row[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writer.write_record(columns.iter().map(cell)).unwrap();
    }
    writer.flush().unwrap();
}

#[test]
fn equal_tables_make_equal_bytes_whatever_their_order_and_format() {
    let folder = tempfile::tempdir().unwrap();
    let [input, other, first, second, bare] =
        ["input", "other", "first", "second", "bare"].map(|name| folder.path().join(name));
    world::tables(&input, 35, 60);
    let report = world::build(&input, &first);
    assert!(report.verdicts.new > 0 && report.tastes.users > 0, "{report}");
    let files = world::files(&first);
    assert_eq!(files.len(), report.packs + 1);

    // Rows in another order and format, more partitions, and an output folder that holds a snapshot
    // already.
    fs::create_dir_all(&other).unwrap();
    for (seed, table) in (1..).zip(["broadcasts", "events"]) {
        as_csv(&input.join(format!("{table}.ndjson")), &other.join(format!("{table}.csv")), seed);
    }
    fs::copy(input.join("tabs.csv"), other.join("tabs.csv")).unwrap();
    // The schedule alone gives the surfaces' own two tabs, and no tastes.
    fs::create_dir_all(&bare).unwrap();
    fs::copy(input.join("broadcasts.ndjson"), bare.join("broadcasts.ndjson")).unwrap();
    fs::write(bare.join("rules.toml"), "[new_tab]\nshow_unknown = true\n").unwrap();
    let alone = world::build(&bare, &second);
    // The new-product tab shows new products and, if the rules ask for it, those of unknown
    // verdict.
    assert!(alone.verdicts.unknown > 0, "{alone}");
    for (snapshot, with_unknown) in [(&first, false), (&second, true)] {
        let board = board(snapshot);
        for product in (0..board.product_count()).map(|index| board.product(index)) {
            let listed = match product.verdict() {
                VerdictKind::New => true,
                VerdictKind::Unknown => with_unknown,
                VerdictKind::Repeat => false,
            };
            assert_eq!(product.is_listed(), listed, "{:016x} is {:?}", product.id(), product.verdict());
        }
    }
    assert_eq!((alone.tables.len(), alone.tastes.users, alone.packs), (1, 0, 1), "{alone}");
    assert_eq!(alone.verdicts, report.verdicts);
    assert_eq!(verify(&Snapshot::at(&second), now()).unwrap().problems, Vec::<String>::new());

    let mut options = world::options(&other, &second);
    options.engine.partitions = NonZeroUsize::new(5);
    let again = world::build_with(&options);
    assert_eq!(again.snapshot, report.snapshot);
    assert!(world::files(&second) == files, "{again}");
}
