//! Tests of the rules file.

use super::*;

#[test]
fn the_file_that_is_shown_says_what_holds_without_one() {
    assert_eq!(Rules::parse(DEFAULT, Path::new("rules.toml")).unwrap(), Rules::default());
    assert_eq!(Rules::parse("", Path::new("rules.toml")).unwrap(), Rules::default());
}

#[test]
fn errors_name_the_file_and_the_place() {
    let cases = [
        ("[ranking.new]\ntaste = 'much'", "line 2, column 9"),
        ("[rankings]\n", "line 1, column 2"),
        ("[ranking.new]\ntaste = 2000000", "ranking.new.taste is 2000000"),
        ("[window]\nahead_days = 0", "window.ahead_days is 0"),
        ("[taste]\nhalf_life_days = nan", "taste.half_life_days is NaN"),
        ("[mix]\nwindow = 40", "mix.window is 40"),
        ("[publish]\nleast_users = 1.5", "publish.least_users is 1.5"),
        ("[publish]\nmost_new = 0.5", "publish.most_new is 0.5"),
        ("[publish]\nleast_ahead_hours = 745", "publish.least_ahead_hours is 745"),
        ("[publish]\nleast_shops = 0.5", "line 2, column 1"),
    ];
    for (text, expected) in cases {
        let error = Rules::parse(text, Path::new("my/rules.toml")).unwrap_err().to_string();
        assert!(error.contains("my/rules.toml") && error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_the_first_format_can_not_hold_is_told_by_name() {
    let told = |text: &str| {
        let rules = Rules::parse(text, Path::new("rules.toml")).unwrap();
        rules.fit(Format::Two).unwrap();
        rules.fit(Format::One).err().map(|error| error.to_string())
    };
    assert_eq!(told(DEFAULT), None);
    assert_eq!(told("[ranking.new]\npulse = 300\ntaste = 5\n[ranking.tabs]\npulse = 0"), None);
    let variants = "[[experiment]]\nid = 'e'\nlayer = 'l'\n[[experiment.variant]]\nid = 'a'\nranking.new.pulse = 300\n\
        [[experiment.variant]]\nid = 'b'\nranking.live.pulse = 40\n[ranking.new]\npulse = 0";
    assert_eq!(
        told(variants).unwrap(),
        "pack format 1 can't hold ranking.new.pulse = 0 (fixed at 300), ranking.live.pulse = 40 of variant 'b' of \
         experiment 'e' (fixed at 300): write format 2 (--pack-format 2), once all edges read it \
         (docs/operations.md, Migrations)"
    );
}

const DIRECTIVES: &str = r#"
[[directive]]
name = "추석 선물전"
do = "pin"
place = 1
category = ["식품"]
title = ["한우 선물세트"]
from = "2026-09-20T00:00:00+09:00"
until = "2026-09-27T00:00:00+09:00"

[[directive]]
name = "리콜"
do = "hide"
product = ["0123456789abcdef"]

[[directive]]
name = "반값"
do = "boost"
points = 5000
product = ["0123456789ABCDEF"]
share = 0.5
on = ["new", "live"]

[[directive]]
name = "둘째"
do = "pin"
place = 1
channel = ["NS홈쇼핑"]
from = "2026-09-26T00:00:00+09:00"

[[floor]]
shop = "NS홈쇼핑"
least = 2
"#;

#[test]
fn directives_that_contradict_each_other_are_told_with_their_place() {
    let rules = Rules::parse(DIRECTIVES, Path::new("rules.toml")).unwrap();
    let conflicts = rules.conflicts(DIRECTIVES, Path::new("rules.toml"));
    assert_eq!(conflicts.len(), 2, "{conflicts:?}");
    assert!(conflicts[0].starts_with("rules.toml:24:1: '추석 선물전' and '둘째' pin the same place"), "{conflicts:?}");
    assert!(conflicts[1].contains("'리콜' and '반값' hide and show the same"), "{conflicts:?}");
}

#[test]
fn every_mistake_of_directives_is_told_with_line_and_column() {
    let wrong = r#"
[[directive]]
name = "a"
do = "pin"
place = 0
product = ["0123456789abcdef", "x"]
until = "tomorrow"

[[directive]]
name = "b"
do = "hide"
on = ["live"]
points = 3
share = 1.5

[[floor]]
shop = "GS"
least = 11
"#;
    let error = Rules::parse(wrong, Path::new("my/rules.toml")).unwrap_err().to_string();
    let expected = [
        "my/rules.toml:5:9: a place is from 1 to 100",
        "my/rules.toml:6:32: product 'x' is not an id",
        "my/rules.toml:7:9: expected an RFC 3339 time",
        "hides on live",
        "directive 'b' matches nothing",
        "my/rules.toml:13:10: only boost and bury take points",
        "my/rules.toml:14:9: a share is above 0",
        "my/rules.toml:18:9: a floor must be at least 1",
    ];
    for line in expected {
        assert!(error.contains(line), "{line}:\n{error}");
    }
    assert_eq!(error.lines().count(), expected.len());
    let error = Rules::parse("[[directive]]\nname = 'a'\ndo = 'push'", Path::new("r.toml")).unwrap_err();
    assert!(error.to_string().contains("line 3, column 6"), "{error}");
}

#[test]
fn a_measured_rule_is_an_experiment_whose_control_goes_without_it() {
    let text = r#"
[[directive]]
name = "앞자리"
do = "pin"
place = 1
product = ["0123456789abcdef"]

[[directive]]
name = "추석 선물전"
do = "boost"
category = ["식품"]
measure = 0.1
until = "2026-09-27T00:00:00+09:00"

[[floor]]
shop = "NS홈쇼핑"
least = 1
measure = 0.25

[[experiment]]
id = "soon-first"
layer = "new order"
[[experiment.variant]]
id = "control"
[[experiment.variant]]
id = "soon"
"#;
    let rules = Rules::parse(text, Path::new("rules.toml")).unwrap();
    let [boost, floor] = <[_; 2]>::try_from(rules.measured()).unwrap();
    assert_eq!((boost.name.as_str(), boost.share), ("추석 선물전", 0.1));
    assert_eq!((floor.name.as_str(), floor.share), ("floor NS홈쇼핑", 0.25));
    let parts = rules.experiment_parts(MixRules::default().mix());
    let told: Vec<_> = parts.iter().map(|part| (part.id.as_str(), part.rule.as_deref())).collect();
    let (of_boost, of_floor) = (boost.id.as_str(), floor.id.as_str());
    let named = |id, name| (id, Some(name));
    assert_eq!(told, [("soon-first", None), named(of_boost, "추석 선물전"), named(of_floor, "floor NS홈쇼핑")]);
    assert!(of_boost.starts_with("rule-") && of_boost.len() == 13 && of_boost != of_floor);
    let [without, with] = parts[1].variants.as_slice() else { panic!("two variants") };
    assert_eq!((without.id.as_str(), without.below, without.held_back.directives), (WITHOUT, 100_000, 0b10));
    assert_eq!((with.id.as_str(), with.below, with.held_back.directives), (WITH, 1_000_000, 0));
    assert_eq!((parts[2].variants[0].held_back.floors, parts[2].variants[0].below), (1, 250_000));
    assert_eq!(parts[1].until.to_kst_rfc3339(), "2026-09-27T00:00:00+09:00");
    assert_ne!(parts[1].layer, parts[2].layer, "measured apart from each other");

    let many = |count: usize| -> String {
        let one = |at| format!("[[directive]]\nname = '{at}'\ndo = 'bury'\ntitle = ['a']\nmeasure = 0.1\n");
        (0..count).map(one).collect()
    };
    for (text, expected) in [
        (
            text.replace("measure = 0.1", "measure = 0.6"),
            "rules.toml:12:11: measure is 0.6, expected a share of viewers from 0.001 to 0.5",
        ),
        (text.replace("measure = 0.25", "measure = 0.0"), "rules.toml:18:11: measure is 0, expected"),
        (text.replace("measure = 0.1", "measure = 0.1\nshare = 0.5"), "rules.toml:13:9: share and measure exclude"),
        (text.replace("soon-first", of_boost), "two measured rules are named '추석 선물전'"),
        (format!("{text}{}", many(14)), "there are more than 16 experiments and measured rules"),
    ] {
        let error = Rules::parse(&text, Path::new("rules.toml")).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}:\n{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert_eq!(Rules::parse(&many(16), Path::new("rules.toml")).unwrap().measured().len(), 16);
}
