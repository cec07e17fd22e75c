//! Training: the same labels always give the same matcher, and unusable input is reported.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sinsang_core::time::UnixMillis;
use sinsang_identity::correction::Corrections;
use sinsang_identity::identity::matcher::{Error, Matcher};
use sinsang_identity::identity::{Listing, Offer, Policy, same};
use sinsang_identity::listing::{Features, Lexicon};
use sinsang_identity::train::{Labels, Report, train};

use crate::listing;

/// Our labelled pairs as a schedule: one listing per title, with labels by code.
fn schedule() -> (Vec<Listing>, String) {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schedule_pairs.tsv");
    let text = std::fs::read_to_string(table).unwrap();
    let (mut listings, mut labels) = (Vec::new(), "listing_a\tlisting_b\tlabel\tdraw\n".to_owned());
    for (row, line) in (0_i64..).zip(text.lines().skip(1).take(240)) {
        let cells: Vec<&str> = line.split('\t').collect();
        for (side, at) in [(0_i64, 1), (1, 4)] {
            let price = cells[at + 2].parse().ok();
            listings.push(Listing {
                price,
                ..listing(cells[at], &format!("{row}-{side}"), cells[at + 1], row + 600 * side)
            });
        }
        writeln!(labels, "{row}-0\t{row}-1\t{}\t{}", cells[9], if row % 4 == 0 { "hard" } else { "random" }).unwrap();
    }
    (listings, labels)
}

#[test]
fn a_matcher_is_fitted_to_labels_and_is_the_same_each_time() {
    let (listings, labels) = schedule();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let pairs = write("pairs.tsv", &labels);
    // A verdict on the second listing of every tenth pair: it had aired as the first, or it was new
    // despite the similarity.
    let mut verdicts = "listing\tlabel\tsiblings\tseen\tdraw\n".to_owned();
    for (row, line) in labels.lines().skip(1).enumerate().step_by(10) {
        let aired = line.contains("\tsame\t");
        let (label, siblings) = if aired { ("repeat", format!("{row}-0")) } else { ("new", String::new()) };
        writeln!(verdicts, "{row}-1\t{label}\t{siblings}\t{row}-0\trandom").unwrap();
    }
    let labels = Labels { pairs, verdicts: Some(write("verdicts.tsv", &verdicts)), titles: Vec::new() };
    let policy = Policy::default();
    let (matcher, report) = train(&listings, &policy, &labels).unwrap();
    let (again, _) = train(&listings, &policy, &labels).unwrap();
    let text = matcher.model().to_string();
    assert_eq!(text, again.model().to_string());
    assert_eq!(Matcher::read(&text).unwrap(), matcher, "its file says all of it");
    // Evaluated on labels outside the training folds.
    let best = |rows: &[sinsang_identity::train::AtProbability]| {
        rows.iter().filter_map(|row| row.measured.f1).fold(0.0, f64::max)
    };
    println!("{report}");
    assert!(best(&report.pairs) > 0.85, "{report}");
    assert!(best(&report.products) > 0.80, "{report}");
    assert!(report.hard.iter().all(|row| row.measured.confusion.true_same > 0), "{report}");
    assert!(report.reliability.iter().map(|bin| bin.listings).sum::<u32>() >= 20, "{report}");

    // Corrections are learned too, before the labels, but the evaluation ignores them.
    let name = |row: usize, side: usize| format!("{}:{row}-{side}", listings[2 * row + side].shop);
    let (same, different) = ([name(0, 0), name(0, 1), name(7, 0)], [name(1, 0), name(2, 0)]);
    let by = "who = 'a'\nwhy = 'b'\n";
    let said = format!(
        "[[same]]\nlistings = {same:?}\n{by}[[different]]\nlistings = {different:?}\n{by}\
         [[verdict]]\nlisting = {:?}\nverdict = 'new'\n{by}",
        name(8, 1)
    );
    let corrections = Corrections::parse(&said, Path::new("c.toml"), UnixMillis(0), str::to_owned).unwrap();
    let corrected = Policy { corrections: Arc::new(corrections), ..Policy::default() };
    let (taught, learned) = train(&listings, &corrected, &labels).unwrap();
    assert_eq!(learned.rows["corrected pairs"], [4, 3], "{learned}");
    assert!(learned.rows["near-misses of listings corrected to new"][0] > 0, "{learned}");
    assert_ne!(taught.model().to_string(), text);
    let labelled = |report: &Report| report.rows["labelled pairs"][0];
    assert!((1..=2).contains(&(labelled(&report) - labelled(&learned))), "what both say counts once");

    let all_same = write("same.tsv", "listing_a\tlisting_b\tlabel\n0-0\t0-1\tsame\n1-0\t1-1\tsame\n");
    let refused = train(&listings, &policy, &Labels { pairs: all_same, ..Labels::default() }).unwrap_err();
    assert!(refused.to_string().contains("0 labels `different`"), "{refused}");
}

#[test]
fn what_carries_an_answer_is_told() {
    let policy = Policy::default();
    let lexicon = Lexicon::new(&policy.words);
    let read = |title: &str| Features::read(title, None, None, &lexicon);
    let said = |a: &str, b: &str| same(&read(a), Offer::default(), &read(b), Offer::default(), &policy);
    let alike = said("바른집 무쇠 가마솥 28cm", "[특가] 바른집 무쇠가마솥 28cm");
    let apart = said("바른집 무쇠 가마솥", "두레솔 아로니아 발효원액");
    for (score, sign) in [(&alike, 1.0), (&apart, -1.0)] {
        assert_eq!(score.carried_by.len(), 6, "{score:?}");
        assert!(score.carried_by[0].logit * sign > 0.0, "the weightiest speaks for the answer: {score:?}");
    }
}

#[test]
fn what_is_no_matcher_is_refused_with_what_to_do() {
    let shipped = Matcher::shipped().model().to_string();
    assert_eq!(Matcher::read(&shipped).unwrap(), *Matcher::shipped());
    let broken = |from: &str, to: &str| Matcher::read(&shipped.replacen(from, to, 1)).unwrap_err();
    for (error, says) in [
        (broken("\"format\":1", "\"format\":2"), "format 2"),
        (broken("\"name\":\"total\"", "\"name\":\"colour\""), "`colour`"),
        (broken("\"deviation\":", "\"deviation\":-"), "`total`"),
        (broken("\"of\":[\"total\"", "\"of\":[\"nothing\""), "`nothing`"),
        (Matcher::read("{}").unwrap_err(), "sinsang identity train"),
    ] {
        assert!(error.to_string().contains(says), "{error}");
        assert!(matches!(&error, Error::Syntax(_)) || error.to_string().contains("train it again"), "{error}");
    }
}
