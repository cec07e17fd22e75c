//! Tests of audiences in a rules file: their mistakes, whom they exclude, and their lists.

use std::fs;

use super::super::Rules;
use super::*;

const AUDIENCES: &str = r#"
[[audience]]
name = "seoul"
region = ["11", "41"]

[[audience]]
name = "busan"
region = ["26"]
device_class = ["phone"]

[[audience]]
name = "first-visits"
newcomer = true

[[audience]]
name = "tea"
category = ["식품 ", "없는 것"]
"#;

fn directive(name: &str, of: &str) -> String {
    format!("[[directive]]\nname = '{name}'\ndo = 'pin'\nplace = 1\ntitle = ['{name}']\nfor = {of}\n")
}

fn parse(text: &str) -> Result<Rules, String> {
    Rules::parse(text, Path::new("rules.toml")).map_err(|error| error.to_string())
}

#[test]
fn every_mistake_is_told_with_line_and_column() {
    let cases = [
        ("name = 'two words'\nregion = ['11']", "2:8: 'two words' is not a name"),
        ("name = 'a'", "1:1: audience 'a' is everybody: give region"),
        ("name = 'a'\nregion = []", "3:10: audience 'a' has an empty list, which nobody meets"),
        ("name = 'a'\nregion = ['11', '서울']", "3:10: '서울' of audience 'a' is not the two digits"),
        ("name = 'a'\ndevice_class = ['watch']", "'watch' of audience 'a' is not one of phone, tablet, desktop, tv"),
        ("name = 'a'\nnewcomer = true\ncategory = ['식품']", "4:12: audience 'a' is nobody: newcomers have no tastes"),
        ("name = 'a'\nage = 30", "unknown field `age`"),
    ];
    for (text, expected) in cases {
        let error = parse(&format!("[[audience]]\n{text}")).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let twice =
        parse("[[audience]]\nname = 'a'\nnewcomer = true\n[[audience]]\nname = 'a'\nnewcomer = false").unwrap_err();
    assert!(twice.contains("rules.toml:5:8: two audiences are named 'a'"), "{twice}");
    let unknown = parse(&format!("{AUDIENCES}{}", directive("x", "['seoul', 'jeju']"))).unwrap_err();
    let expected =
        "directive 'x' is for audience 'jeju', but the file has seoul, busan, first-visits, tea: add an [[audience]]";
    assert!(unknown.contains(expected), "{unknown}");
    let none = parse(
        "[[experiment]]\nid = 'e'\nlayer = 'l'\nfor = ['a']\n[[experiment.variant]]\nid = 'b'\n[[experiment.variant]]\nid = 'c'",
    );
    let none = none.unwrap_err();
    assert!(none.contains("rules.toml:4:8: experiment 'e' is for audience 'a', but the file declares none"), "{none}");
    let many = (0..32).fold(String::new(), |all, at| all + &format!("[[audience]]\nname = 'a{at}'\nnewcomer = true\n"));
    assert!(parse(&many).unwrap_err().contains("there are more than 31 audiences"));
}

#[test]
fn directives_for_viewers_who_are_never_the_same_are_no_conflict() {
    let conflicts = |one: &str, other: &str| {
        let text = format!("{AUDIENCES}{}{}", directive("x", one), directive("y", other));
        parse(&text).unwrap().conflicts(&text, Path::new("rules.toml")).len()
    };
    for (one, other, expected) in [
        ("[]", "[]", 1),
        ("['seoul']", "[]", 1),
        ("['seoul']", "['busan']", 0),
        ("['seoul']", "['seoul', 'busan']", 1),
        ("['seoul']", "['first-visits']", 1),
        ("['tea']", "['first-visits']", 0),
        ("['tea', 'seoul']", "['first-visits']", 1),
    ] {
        assert_eq!(conflicts(one, other), expected, "{one} {other}");
    }
}

#[test]
fn parts_name_their_audiences_and_a_measured_rule_measures_its_own() {
    let variants = "[[experiment.variant]]\nid = 'b'\n[[experiment.variant]]\nid = 'c'\n";
    let text = format!(
        "{AUDIENCES}{}measure = 0.1\n[[experiment]]\nid = 'e'\nlayer = 'l'\nfor = ['tea']\n{variants}",
        directive("x", "['seoul', 'busan']")
    );
    let rules = parse(&text).unwrap();
    let parts = rules.experiment_parts(sinsang_core::mix::Mix::default());
    let told: Vec<_> = parts.iter().map(|part| (part.rule.as_deref(), part.audiences.join(" "))).collect();
    assert_eq!(told, [(None, "tea".to_owned()), (Some("x"), "seoul busan".to_owned())]);
}

#[test]
fn lists_keep_the_good_lines_count_the_others_and_leave_out_the_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{AUDIENCES}[[audience]]\nname = 'panel'\nviewers = 'panel.txt'\n");
    let rules = parse(&text).unwrap();
    let categories = ["뷰티".to_owned(), "식품".to_owned()];
    fs::write(folder.path().join("forgotten.txt"), "00000000000000ff").unwrap();
    let (forgotten, renamed) = (Forgotten::read(folder.path()).unwrap(), Renamed::read(folder.path()).unwrap());
    let lists = Lists { folder: folder.path(), forgotten: &forgotten, renamed: &renamed };
    let resolve = || rules.audience_parts(&categories, lists).map_err(|error| error.to_string());
    let path = folder.path().join("panel.txt");
    let missing = resolve().unwrap_err();
    assert!(missing.contains("panel.txt"), "{missing}");

    let lines =
        "\u{feff}# a panel\n0000000000000009\r\n\nu000001\n00000000000000ff\nd0000000000000003\n0000000000000009\nFF\n";
    fs::write(&path, lines).unwrap();
    let (parts, found) = resolve().unwrap();
    assert_eq!(parts[4].keys.as_deref(), Some(&[3, 9][..]));
    assert_eq!(parts[3].categories.as_deref(), Some(&[1][..]));
    assert_eq!((parts[0].regions.as_slice(), parts[1].devices.as_slice()), (&[11, 41][..], &[1][..]));
    assert_eq!((parts[2].is_newcomer, parts[0].is_newcomer), (Some(true), None));
    assert_eq!(found[3].to_string(), "audience 'tea'; the board has no category '없는 것'");
    assert_eq!(
        found[4].to_string(),
        "audience 'panel': 2 viewers listed, 2 lines set aside that are no viewer's name (the first is line 4), \
         1 forgotten viewers left out"
    );

    fs::write(&path, "u000001\nu000002\n").unwrap();
    let wrong = resolve().unwrap_err();
    assert!(wrong.contains("panel.txt: no line names a viewer: write the key of a user"), "{wrong}");
    let many = (0..MOST_KEYS + 2).fold(String::new(), |all, key| all + &format!("{key:016x}\n"));
    fs::write(&path, many).unwrap();
    let long = resolve().unwrap_err();
    assert!(long.contains("the audiences list 50001 viewers up to here, at most 50000 in all"), "{long}");
}
