//! The same tables in both pack formats: equal answers if rules agree, and an error that names what
//! the first format can't hold.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use sinsang_command::inspect;
use sinsang_command::verify::verify;
use sinsang_core::pack::Format;
use sinsang_pipeline::build::Options;
use sinsang_publish::snapshot::Snapshot;

use crate::world::{USER_KEY, board, build_with, now, options, tables};

#[test]
fn a_migration_changes_the_board_alone_and_what_the_first_format_can_not_hold_is_an_error() {
    let work = tempfile::tempdir().unwrap();
    let [input, first, second, third] = ["tables", "first", "second", "third"].map(|name| work.path().join(name));
    tables(&input, 45, 30);
    let built = [(&first, Format::One), (&second, Format::Two)].map(|(output, format)| {
        let report = build_with(&Options { format, ..options(&input, output) });
        assert_eq!(report.pack_format, format.version());
        let snapshot = Snapshot::at(output);
        let checked = verify(&snapshot, now()).unwrap();
        assert!(checked.problems.is_empty(), "{checked}");
        assert_eq!(inspect::snapshot(&snapshot).unwrap()["board"]["format"], format.version());
        snapshot.manifest().unwrap().parts()
    });
    // Taste packs keep their names, so a publish in the other format writes only the board and two
    // manifests.
    let [one, two] = &built;
    assert_eq!((&one.shards, one.users), (&two.shards, two.users));
    assert_ne!(one.board, two.board);
    let [one, two] = [board(&first), board(&second)];
    assert_eq!((one.weights(), one.product_count()), (two.weights(), two.product_count()));
    assert_eq!(one.counts_json(), two.counts_json());
    for index in 0..one.product_count() {
        let (one, two) = (one.product(index), two.product(index));
        assert_eq!(
            (one.head_json(), one.verdict_json(true), one.vector()),
            (two.head_json(), two.verdict_json(true), two.vector())
        );
    }

    fs::write(input.join("rules.toml"), "[ranking.live]\npulse = 50\n").unwrap();
    let sinsang = |more: &[&str]| {
        let paths = [input.to_str().unwrap(), third.to_str().unwrap()];
        Command::new(env!("CARGO_BIN_EXE_sinsang"))
            .args(["build", "--input", paths[0], "--output", paths[1], "--now", "2026-11-22T12:34:56+09:00"])
            .args(more)
            .env("SINSANG_USER_KEY", USER_KEY)
            .output()
            .unwrap()
    };
    let refused = sinsang(&["--pack-format", "1"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("ranking.live.pulse = 50 (fixed at 300): write format 2 (--pack-format 2)"), "{told}");
    assert!(!third.exists());
    let written = sinsang(&["--pack-format", "2"]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let weights = board(&third).weights();
    assert_eq!((weights.new.pulse, weights.live.pulse, weights.tabs.pulse), (300, 50, 0));
    assert_eq!(sinsang(&["--pack-format", "3"]).status.code(), Some(2));
    let names: BTreeSet<_> = Snapshot::at(&third).manifest().unwrap().parts().shards.into_iter().collect();
    assert_eq!(names, built[0].shards.iter().copied().collect(), "rules of ranking are no matter of tastes");
}
