//! Tests of experiments in a rules file: their parts of a board, and every mistake with its place.

use std::path::Path;

use sinsang_core::mix::Mix;
use sinsang_core::time::UnixMillis;

use super::super::Rules;
use super::*;

const GOOD: &str = r#"
[ranking.new]
soon = 30

[experiments]
holdout = 0.02

[[experiment]]
id = "soon-first"
layer = "순서"
traffic = [0.0, 0.5]
from = "2026-11-22T00:00:00+09:00"
until = "2026-12-06T00:00:00+09:00"

[[experiment.variant]]
id = "control"
share = 3

[[experiment.variant]]
id = "soon"
ranking.new.soon = 60
ranking.live.taste = -1
mix.stay = 4

[[experiment]]
id = "next"
layer = "순서"
salt = "soon-first"
traffic = [0.5, 1.0]
variant = [{ id = "control" }, { id = "a", ranking.new.soon = 0 }, { id = "b", share = 0 }]

[[experiment]]
id = "later"
layer = "순서"
from = "2026-12-06T00:00:00+09:00"
variant = [{ id = "control" }, { id = "a" }]
"#;

#[test]
fn what_variants_do_not_name_is_as_the_file_has_it() {
    // Otherwise the third experiment would overlap the second in time.
    let text = GOOD.replace("[0.5, 1.0]", "[0.5, 1.0]\nuntil = \"2026-12-06T00:00:00+09:00\"");
    let rules = Rules::parse(&text, Path::new("rules.toml")).unwrap();
    let mix = Mix { second: 3, ..rules.mix.mix() };
    let parts = rules.experiment_parts(mix);
    let [first, second, third] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((first.id.as_str(), first.layer.as_str(), first.salt.as_str()), ("soon-first", "순서", "soon-first"));
    assert_eq!((first.traffic, second.traffic, third.traffic), ((0, 500_000), (500_000, WHOLE), (0, WHOLE)));
    assert_eq!((second.id.as_str(), second.salt.as_str()), ("next", "soon-first"));
    assert_eq!(first.holdout, 20_000);
    let at = |text| UnixMillis::parse_rfc3339(text).unwrap();
    assert_eq!((first.from, first.until), (at("2026-11-22T00:00:00+09:00"), at("2026-12-06T00:00:00+09:00")));
    assert_eq!((second.from, third.until), (UnixMillis(0), UnixMillis::from_seconds(u32::MAX)));
    let below = |part: &ExperimentPart| part.variants.iter().map(|variant| variant.below).collect::<Vec<_>>();
    assert_eq!(below(first), [750_000, WHOLE]);
    assert_eq!(below(second), [500_000, WHOLE, WHOLE], "nobody is in a variant without a share");
    let [control, soon] = first.variants.as_slice() else { panic!("{first:?}") };
    assert_eq!((control.weights, control.mix), (rules.weights(), mix));
    let mut expected = rules.weights();
    (expected.new.soon, expected.live.taste) = (60, -1);
    assert_eq!((soon.weights, soon.mix), (expected, Mix { stay: 4, ..mix }));
    assert_eq!(control.weights.new.soon, 30);
}

fn lines(text: &str) -> Vec<String> {
    let error = Rules::parse(text, Path::new("my/rules.toml")).unwrap_err().to_string();
    error.lines().map(str::to_owned).collect()
}

#[test]
fn overlaps_are_told_with_both_names_and_the_place() {
    assert_eq!(lines(GOOD), ["my/rules.toml:32:1: 'next' and 'later' overlap in layer '순서' at the same time"]);
    let other = |more: &str| {
        format!(
            "[[experiment]]\nid = 'a'\nlayer = 'x'\nvariant = [{{ id = 'c' }}, {{ id = 'd', mix.stay = 2 }}]\n\
             [[experiment]]\nid = 'b'\nlayer = 'y'\nvariant = [{{ id = 'c' }}, {{ id = 'd', {more} }}]\n"
        )
    };
    assert!(Rules::parse(&other("mix.memory = 2"), Path::new("r")).is_ok());
    let both = "'a' and 'b' both change mix.stay at the same time, in different layers: put them into one";
    assert_eq!(lines(&other("mix.stay = 3")), [format!("my/rules.toml:5:1: {both}")]);
    let salted = other("mix.memory = 2").replace("layer = 'y'", "layer = 'y'\nsalt = 'a'");
    assert!(lines(&salted)[0].starts_with("my/rules.toml:8:8: 'a' and 'b' share the salt 'a'"), "{:?}", lines(&salted));
    assert_eq!(
        lines(&other("mix.memory = 2").replace("id = 'b'", "id = 'a'"))[0],
        "my/rules.toml:6:6: duplicate experiment id 'a'"
    );
}

#[test]
fn every_mistake_is_told_with_line_and_column() {
    let wrong = r#"
[experiments]
holdout = 0.1

[[experiment]]
id = "a b"
layer = ""
traffic = [0.5, 0.5]
from = "soon"
variant = [{ id = "control" }]

[[experiment]]
id = "b"
layer = "x"
from = "2026-11-22T00:00:00+09:00"
until = "2026-11-21T00:00:00+09:00"

[[experiment.variant]]
id = "c"
share = -1
ranking.new.soon = 2000000
mix.window = 1
[[experiment.variant]]
id = "c"
share = 0
mix.tab_margin = -1

[[floor]]
shop = "GS"
least = 2
"#;
    let expected = [
        "my/rules.toml:6:6: 'a b' is not an id",
        "my/rules.toml:7:9: a layer and a salt have from 1 to 80 bytes",
        "my/rules.toml:8:11: traffic is a range within 0 to 1",
        "my/rules.toml:9:8: expected an RFC 3339 time",
        "my/rules.toml:5:1: experiment 'a b' has 1 variants, expected from 2 to 8",
        "my/rules.toml:16:9: it ends before it begins",
        "my/rules.toml:20:9: a variant's share is 0 or more",
        "my/rules.toml:21:20: ranking.new.soon is 2000000, expected from -1000000 to 1000000",
        "my/rules.toml:22:14: mix.window is 1, expected from 2 to 32, because of the floors",
        "my/rules.toml:26:18: mix.tab_margin is -1, expected from 0 to 1000000",
        "my/rules.toml:24:6: experiment 'b' has two variants 'c'",
        "the shares of experiment 'b' sum to 0",
    ];
    let lines = lines(wrong);
    for text in expected {
        assert!(lines.iter().any(|line| line.contains(text)), "{text}:\n{lines:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
}

#[test]
fn names_that_are_none_and_values_of_other_types_are_told_with_their_place() {
    let start = "[[experiment]]\nid = 'a'\nlayer = 'x'\n";
    let cases = [
        ("variant = [{ id = 'c', ranking.new.sooon = 1 }]", "line 4, column 36"),
        ("variant = [{ id = 'c', mix.second = 1 }]", "line 4, column 28"),
        ("variant = [{ id = 'c', mix.window = 300 }]", "line 4"),
        ("variant = [{ share = 1 }]", "line 4"),
        ("weight = 1", "line 4, column 1"),
        ("traffic = 0.5", "line 4, column 11"),
        ("traffic = [0.1, 0.2, 0.3]", "r.toml:4:11: traffic is a range"),
    ];
    for (text, place) in cases {
        let error = Rules::parse(&format!("{start}{text}\n"), Path::new("r.toml")).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains("r.toml"), "{text}: {error}");
    }
    let error = Rules::parse("[experiments]\nholdout = 1.0", Path::new("r.toml")).unwrap_err().to_string();
    assert!(error.contains("experiments.holdout is 1"), "{error}");
    let many: Vec<String> = (0..17)
        .map(|index| {
            let from = f64::from(index) / 17.0;
            format!("[[experiment]]\nid = 'e{index}'\nlayer = 'x'\ntraffic = [{from}, {}]\nvariant = [{{ id = 'a' }}, {{ id = 'b' }}]\n", from + 0.05)
        })
        .collect();
    assert_eq!(lines(&many.concat()), ["my/rules.toml:81:1: there are more than 16 experiments"]);
}

#[test]
fn a_variant_chooses_what_of_the_lab_counts_where_there_is_any() {
    let text = "[lab]\nusers = 'u'\nproducts = 'p'\nlists = 'l'\non = ['live']\n[[experiment]]\nid = 'a'\nlayer = 'x'\n\
                variant = [{ id = 'b' }, { id = 'c', lab = { on = [], lists = false } }, { id = 'd', lab.on = ['new', 'live'] }]\n";
    let rules = Rules::parse(text, Path::new("rules.toml")).unwrap();
    let part = rules.experiment_parts(Mix { second: 2, near: 0, ..rules.mix.mix() }).remove(0);
    let lab: Vec<_> = part.variants.iter().map(|variant| (variant.mix.second, variant.mix.near)).collect();
    assert_eq!(lab, [(2, 0), (0, 1), (3, 0)]);
    let without = text.split_once("[[").map(|(_, rest)| format!("[[{rest}")).unwrap();
    let lines = lines(&without);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("lab.on needs vectors") || line.contains("lab.lists needs lists")));
}

#[test]
fn the_demonstration_is_built_with_rules_that_hold() {
    let text = include_str!("../../../../../../scripts/demo-rules.toml");
    let rules = Rules::parse(text, Path::new("demo-rules.toml")).unwrap();
    let parts = rules.experiment_parts(rules.mix.mix());
    assert_eq!(
        (parts.len(), Rules { experiment: Vec::new(), experiments: ExperimentRules::default(), ..rules }),
        (1, Rules::default())
    );
}
