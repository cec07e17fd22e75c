//! Corrections override computed results, both in a whole history and onto known products.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::correction::{Corrections, Decision, Pair};
use sinsang_identity::identity::{
    CORRECTION, Joined, Known, Listing, Policy, ProductId, Resolution, Statistics, resolve, resolve_onto,
};

use crate::listing;

fn parse(text: &str) -> Result<Corrections, String> {
    let now = UnixMillis::parse_rfc3339("2026-11-22T12:00:00+09:00").unwrap();
    Corrections::parse(text, Path::new("c.toml"), now, |name| name.trim().to_owned()).map_err(|error| error.to_string())
}

/// A policy with corrections on listings of the shop GS샵, written as `1=2 3/4`: 1 and 2 are the
/// same, 3 and 4 differ.
fn policy(said: &str) -> Policy {
    let mut text = String::new();
    for (number, pair) in said.split_whitespace().enumerate() {
        let (kind, mark) = if pair.contains('=') { ("same", '=') } else { ("different", '/') };
        let listings: Vec<String> = pair.split(mark).map(|code| format!("\"GS샵:{code}\"")).collect();
        let listings = listings.join(", ");
        let by = format!("who = \"민지\"\nwhy = \"까닭 {number}\"");
        writeln!(text, "[[{kind}]]\nlistings = [{listings}]\n{by}").unwrap();
    }
    Policy { corrections: Arc::new(parse(&text).unwrap()), ..Policy::default() }
}

/// Listings of GS샵 on consecutive days, with codes from 1.
fn listings(titles: &[&str]) -> Vec<Listing> {
    (1..).zip(titles).map(|(day, title)| listing("GS샵", &day.to_string(), title, day)).collect()
}

/// For each listing, the number of the first listing of its product.
fn groups(resolution: &Resolution) -> Vec<usize> {
    let products: Vec<ProductId> = resolution.listings.iter().map(|resolved| resolved.product).collect();
    products.iter().map(|id| 1 + products.iter().position(|other| other == id).unwrap()).collect()
}

const POT: &str = "바른집 무쇠 가마솥 28cm";
const SHOE: &str = "나이키 남성 러닝화 에어맥스";

#[test]
fn a_persons_word_joins_and_parts_whatever_the_titles_say() {
    for (said, titles, expected) in [
        ("", &[POT, POT, SHOE][..], &[1, 1, 3][..]),
        ("1/2", &[POT, POT, SHOE], &[1, 2, 3]),
        ("1=3", &[POT, POT, SHOE], &[1, 1, 1]),
        // A later listing joins one of two separated products and does not merge them.
        ("1/2", &[POT, POT, POT], &[1, 2, 1]),
        ("1/2 2=3", &[POT, POT, POT], &[1, 2, 2]),
        // A listing that is the same as a separated one is separated too, even if no correction
        // names the pair.
        ("1=2 2/3", &[POT, SHOE, POT], &[1, 1, 3]),
        ("1=2 3=4 1/3", &[POT, SHOE, POT, SHOE], &[1, 1, 3, 3]),
        ("1/2/3", &[POT, POT, POT, POT], &[1, 2, 3, 1]),
    ] {
        let listings = listings(titles);
        let resolution = resolve(&listings, &policy(said));
        assert_eq!(groups(&resolution), expected, "{said}");
    }
}

#[test]
fn a_decision_is_told_with_who_and_why() {
    let listings = listings(&[POT, SHOE, POT]);
    let resolution = resolve(&listings, &policy("1=2 1/3"));
    let Joined::Corrected { with: 0, decision } = &resolution.listings[1].joined else {
        panic!("{:?}", resolution.listings[1])
    };
    assert_eq!((decision.who.as_str(), decision.why.as_str()), ("민지", "까닭 0"));
    let parted = &resolution.listings[2];
    let nearest = parted.nearest_other.as_ref().unwrap();
    assert_eq!(
        nearest.score.veto.as_ref().map(|veto| (veto.name, veto.note.as_str())),
        Some((CORRECTION, "민지: 까닭 1"))
    );
    assert!(nearest.score.probability < 1e-9);
    // However similar, a separated listing has not aired as the other.
    assert!(parted.alike.is_empty(), "{:?}", parted.alike);
    assert!(!resolve(&listings, &Policy::default()).listings[2].alike.is_empty());
}

fn known(listings: &[Listing], of: &[(usize, usize)]) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for &(listing, first) in of {
        let first = &listings[first - 1];
        let id = ProductId::of(&first.shop, &first.listing_id);
        let listing = listings[listing - 1].clone();
        match known.iter_mut().find(|product| product.id == id) {
            Some(product) => product.listings.push(listing),
            None => known.push(Known { id, listings: vec![listing] }),
        }
    }
    known
}

#[test]
fn known_products_are_parted_and_merged_as_people_say() {
    let statistics = Statistics { titles: 1, ..Statistics::default() };
    // Products of the known listings; the day's listings and their expected products; the expected
    // moved listings.
    for (said, titles, together, day, expected, moved) in [
        ("", &[POT, POT, POT][..], &[(1, 1), (2, 1)][..], &[3][..], &[1][..], &[][..]),
        ("1/2", &[POT, POT, POT], &[(1, 1), (2, 1)], &[3], &[1], &["2"]),
        ("1/2 2=3", &[POT, POT, SHOE], &[(1, 1), (2, 1)], &[3], &[2], &["2"]),
        // A third listing of the product stays with the similar one.
        (
            "1/2",
            &[POT, SHOE, "[특가] 나이키 남성 러닝화 에어맥스", SHOE],
            &[(1, 1), (2, 1), (3, 1)],
            &[4],
            &[2],
            &["2", "3"],
        ),
        ("1=2", &[POT, SHOE, SHOE], &[(1, 1), (2, 2)], &[3], &[1], &[]),
        // A listing moves to its declared twin and leaves behind the listing of its product that is
        // kept apart from that twin.
        ("1=2 1/3", &[POT, SHOE, SHOE, SHOE], &[(1, 1), (2, 2), (3, 2)], &[4], &[1], &["2"]),
    ] {
        let listings = listings(titles);
        let today: Vec<Listing> = day.iter().map(|day: &usize| listings[day - 1].clone()).collect();
        let mut onto = known(&listings, together);
        let placed = resolve_onto(onto.clone(), &statistics, &today, &policy(said)).resolution;
        let ids: Vec<ProductId> = placed.listings.iter().map(|resolved| resolved.product).collect();
        let wanted: Vec<ProductId> =
            expected.iter().map(|code: &usize| ProductId::of("GS샵", &code.to_string())).collect();
        assert_eq!(ids, wanted, "{said}: {:?}", placed.moved);
        let codes: Vec<&str> = placed.moved.iter().map(|it| it.listing_id.as_str()).collect();
        assert_eq!(codes, moved, "{said}");
        assert!(placed.moved.iter().all(|it| !it.keys.is_empty() && it.from != it.into), "{said}");
        onto.reverse();
        let reversed = resolve_onto(onto, &statistics, &today, &policy(said)).resolution;
        assert_eq!((reversed.listings, reversed.moved), (placed.listings, placed.moved), "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any corrections and titles: listings declared the same share a product, and listings
    /// declared different don't, in any order.
    #[test]
    fn no_correction_is_broken(
        titles in proptest::collection::vec(proptest::sample::select(vec![POT, SHOE, "바른집 무쇠 가마솥", "나이키 러닝화"]), 6),
        same in proptest::collection::vec((1_usize..=6, 1_usize..=6), 0..3),
        apart in proptest::collection::vec((1_usize..=6, 1_usize..=6), 0..4),
    ) {
        let pairs = |pairs: &[(usize, usize)], mark: char| -> Vec<String> {
            pairs.iter().filter(|(a, b)| a != b).map(|(a, b)| format!("{a}{mark}{b}")).collect()
        };
        let said = [pairs(&same, '='), pairs(&apart, '/')].concat().join(" ");
        let listings = listings(&titles);
        let policy = std::panic::catch_unwind(|| policy(&said));
        // Contradictions are refused; `contradictions_are_named_by_line_and_column` tests that.
        prop_assume!(policy.is_ok());
        let policy = policy.unwrap();
        let resolution = resolve(&listings, &policy);
        let groups = groups(&resolution);
        for (pairs, is_same) in [(&same, true), (&apart, false)] {
            for &(a, b) in pairs.iter().filter(|(a, b)| a != b) {
                prop_assert_eq!(groups[a - 1] == groups[b - 1], is_same, "{}: {:?}", said, groups);
            }
        }
        // The same for known listings that all share one product.
        let together: Vec<(usize, usize)> = (1..6).map(|code| (code, 1)).collect();
        let statistics = Statistics { titles: 1, ..Statistics::default() };
        let placed = resolve_onto(known(&listings, &together), &statistics, &listings, &policy).resolution;
        let products: Vec<ProductId> = placed.listings.iter().map(|resolved| resolved.product).collect();
        for (pairs, is_same) in [(&same, true), (&apart, false)] {
            for &(a, b) in pairs.iter().filter(|(a, b)| a != b) {
                prop_assert_eq!(products[a - 1] == products[b - 1], is_same, "{}: {:?}", said, products);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any file gives corrections or an error that names the file, and the output of `review` for
    /// any titles can be read back.
    #[test]
    fn any_text_is_read_or_refused(
        lines in proptest::collection::vec(
            proptest::sample::select(vec![
                "[[same]]", "[[different]]", "[[verdict]]", "listings = ['A:1', 'B:2']", "listings = ['A:1', 'A:1', ':']", "listing = 'A:1'",
                "who = 'a'", "why = \"b\"", "until = '2020-01-01T00:00:00Z'", "verdict = 'new'", "verdict = 3", "é = [", "",
            ]),
            0..12,
        ),
        title in any::<String>(),
        why in "\\PC{1,20}",
    ) {
        if let Err(error) = parse(&lines.join("\n")) {
            prop_assert!(error.starts_with("c.toml"), "{}", error);
        }
        prop_assume!(!why.trim().is_empty());
        let decision = Decision { who: "민지".to_owned(), why: why.trim().to_owned() };
        let entry = Pair::Same.entry(["A:1", "B:2\"']]"], [&title, &title], &decision, UnixMillis(0));
        let read = parse(&format!("# no newline at its end{entry}{entry}")).unwrap();
        prop_assert!(read.decides("A:1", "B:2\"']]"), "{}", entry);
        prop_assert_eq!(read.counts().same, 2);
    }
}

#[test]
fn contradictions_and_mistakes_are_named_by_line_and_column() {
    let by = "who = 'a'\nwhy = 'b'";
    let same = format!("[[same]]\nlistings = ['A:1', 'A:2']\n{by}\n");
    for (text, expected) in [
        (
            format!("{same}[[different]]\nlistings = ['A:2', 'A:1']\n{by}"),
            "c.toml:6:20: A:2 and A:1 are different here, but the same product in line 2",
        ),
        (
            format!(
                "{same}[[same]]\nlistings = ['A:2', 'B:3']\n{by}\n[[different]]\nlistings = ['C:9', 'A:1', 'B:3']\n{by}"
            ),
            "c.toml:10:27: A:1 and B:3 are different here, but the same product in lines 2, 6",
        ),
        (
            format!(
                "{same}[[verdict]]\nlisting = 'A:1'\nverdict = 'new'\n{by}\n[[verdict]]\nlisting = 'A:2'\nverdict = 'repeat'\n{by}"
            ),
            "c.toml:12:11: A:2 is repeat here, but new in line 7",
        ),
        (format!("[[same]]\nlistings = ['A:1']\n{by}"), "c.toml:2:12: a correction needs 2 to 100 listings"),
        (format!("[[same]]\nlistings = ['A:1', 'A:1']\n{by}"), "c.toml:2:20: duplicate listing A:1"),
        (
            format!("[[different]]\nlistings = ['A:1', '77']\n{by}"),
            "c.toml:2:20: \"77\" is not a listing: write SHOP:CODE",
        ),
        (
            "[[same]]\nlistings = ['A:1', 'A:2']\nwho = ' '\nwhy = 'b'".to_owned(),
            "c.toml:3:7: a correction needs a `who`",
        ),
        (format!("{same}until = 'tomorrow'"), "c.toml:5:9: invalid time: write RFC 3339 with an offset"),
        (format!("[[verdict]]\nlisting = 'A:1'\nverdict = 'aired'\n{by}"), "line 3, column 11"),
        (format!("[[sme]]\nlistings = []\n{by}"), "line 1, column 3"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(expected), "{expected}:\n{error}");
        assert!(error.starts_with("c.toml"), "{error}");
    }
}

#[test]
fn a_correction_holds_until_its_time_and_is_then_counted_as_expired() {
    let text = |until: &str| {
        format!(
            "[[same]]\nlistings = ['A:1', 'A:2']\nwho = 'a'\nwhy = 'b'\nuntil = '{until}'\n\
             [[different]]\nlistings = ['A:1', 'A:2']\nwho = 'a'\nwhy = 'c'\n\
             [[verdict]]\nlisting = 'B:1'\nverdict = 'unknown'\nwho = 'a'\nwhy = 'd'"
        )
    };
    let expired = parse(&text("2026-11-22T12:00:00+09:00")).unwrap();
    let counts = expired.counts();
    assert_eq!((counts.same, counts.different, counts.verdicts, counts.expired, counts.listings), (0, 1, 1, 1, 3));
    assert_eq!(expired.verdict("B", "1").map(|given| given.kind), Some(VerdictKind::Unknown));
    assert_eq!(expired.verdict("A", "1"), None);
    assert!(parse(&text("2026-11-22T12:00:01+09:00")).unwrap_err().contains("c.toml:7:20"));
    assert!(parse("").unwrap().is_empty());
}
