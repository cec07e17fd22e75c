//! Ids of channels: `[[channel]]` in the rules file, then the trade's list, then the name itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sinsang_core::experiment::{MAX_ID_BYTES, is_id};
use toml::Spanned;

use super::mistake::{Mistake, mistake};

/// The trade's ids, with the names of their channels.
const TRADE: &str = include_str!("../../../data/channels.toml");

/// A channel's id and the names by which tables call it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelRule {
    /// The id in answers, filters and calendars.
    id: Spanned<String>,
    /// Names of the tables. Several are spellings of one channel, the usual one first.
    name: Vec<Spanned<String>>,
}

/// Channels as the trade's file lists them.
#[derive(Deserialize)]
struct Trade {
    channel: Vec<ChannelRule>,
}

static KNOWN: LazyLock<Vec<ChannelRule>> =
    LazyLock::new(|| toml::from_str::<Trade>(TRADE).map(|trade| trade.channel).unwrap_or_default());

/// A channel whose id the operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// The channel's name in the tables.
    pub channel: String,
    /// The id that it goes by.
    pub id: String,
    /// The channel that has the id it would have, if there is one.
    pub taken_by: Option<String>,
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, id, taken_by } = self;
        match taken_by {
            None => write!(
                f,
                "channel '{channel}' is in no list of ids and goes by its name, as '{id}': give it an id in [[channel]] of the rules (docs/rules.md, Channels)"
            ),
            Some(other) => write!(
                f,
                "channel '{channel}' has the id of '{other}' and goes by '{id}': if they are one channel, give them one name in the tables; if not, two ids in [[channel]] of the rules (docs/rules.md, Channels)"
            ),
        }
    }
}

/// A name as channels' names are compared: small letters, digits and plus signs.
fn bare(name: &str) -> String {
    name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric() || *letter == '+').collect()
}

/// The id of the channel `name` by `rules`, and the place of its spelling there: 0 for the usual
/// one.
fn listed<'a>(rules: &'a [ChannelRule], name: &str) -> Option<(&'a str, usize)> {
    let name = bare(name);
    rules.iter().find_map(|rule| {
        let place = rule.name.iter().position(|known| bare(known.get_ref()) == name)?;
        Some((rule.id.get_ref().as_str(), place))
    })
}

/// A name in Latin letters and digits, words joined by hyphens: `hyeondaehomsyoping` of
/// `현대홈쇼핑`.
fn latin(name: &str) -> String {
    let words = deunicode::deunicode(name).to_lowercase();
    let words = words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// How an id was found: the lower, the stronger its claim when two channels would share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// By the rules, with the place of the spelling.
    Rules(usize),
    /// By the trade's list, with the place of the spelling.
    Trade(usize),
    /// By the name's own letters.
    Letters,
}

/// The id of each of `names`, and the channels whose id the operator should look at. No two are the
/// same: of names that would share an id, the one with the strongest claim has it (the rules before
/// the trade's list, usual spellings before others), and the rest add their name's hash. An id
/// depends on `names` only where two would share it.
pub(super) fn ids(rules: &[ChannelRule], names: &[String]) -> (Vec<String>, Vec<Unnamed>) {
    let claims: Vec<(String, Claim)> = names
        .iter()
        .map(|name| {
            let by_rules = listed(rules, name).map(|(id, place)| (id.to_owned(), Claim::Rules(place)));
            let by_trade = || listed(&KNOWN, name).map(|(id, place)| (id.to_owned(), Claim::Trade(place)));
            by_rules.or_else(by_trade).unwrap_or_else(|| (latin(name), Claim::Letters))
        })
        .collect();
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (id, claim)) in claims.iter().enumerate() {
        let owner = owners.entry(id).or_insert(index);
        if (*claim, &names[index]) < (claims[*owner].1, &names[*owner]) {
            *owner = index;
        }
    }
    let mut unnamed = Vec::new();
    let ids = claims.iter().enumerate().map(|(index, (id, claim))| {
        let owner = owners.get(id.as_str()).copied().unwrap_or(index);
        let is_own = owner == index && !id.is_empty();
        let own = if is_own { id.clone() } else { hashed(id, &names[index]) };
        if !is_own || *claim == Claim::Letters {
            let taken_by = (owner != index).then(|| names[owner].clone());
            unnamed.push(Unnamed { channel: names[index].clone(), id: own.clone(), taken_by });
        }
        own
    });
    (ids.collect(), unnamed)
}

/// An id with the start of the name's hash behind it.
fn hashed(id: &str, name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let start = hash.first_chunk().map_or(0, |start| u32::from_be_bytes(*start));
    format!("{id}-{start:08x}").trim_start_matches('-').to_owned()
}

/// All mistakes of channels.
pub(super) fn mistakes(channels: &[ChannelRule]) -> Vec<Mistake> {
    let (mut wrong, mut ids, mut names) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    for ChannelRule { id, name } in channels {
        let (at, id) = (id.span().start, id.get_ref());
        if !is_id(id) {
            let what = format!("'{id}' is not an id: use 1 to {MAX_ID_BYTES} letters, digits, hyphens and underscores");
            wrong.push(mistake(at, what));
        }
        if !ids.insert(id.to_lowercase()) {
            wrong.push(mistake(at, format!("two channels have the id '{id}': list all names of a channel in one")));
        }
        if name.is_empty() {
            wrong.push(mistake(at, format!("channel '{id}' has no name: give those of the tables")));
        }
        for name in name {
            let (at, name) = (name.span().start, name.get_ref());
            match bare(name) {
                bare if bare.is_empty() => {
                    wrong.push(mistake(at, format!("'{name}' of channel '{id}' has no letters or digits")));
                }
                bare => {
                    if let Some(other) = names.insert(bare, id) {
                        wrong.push(mistake(at, format!("'{name}' is a name of channel '{other}' and of '{id}'")));
                    }
                }
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Rules;
    use super::*;

    fn told(rules: &str, names: &[&str]) -> (Vec<String>, Vec<Unnamed>) {
        let rules = Rules::parse(rules, Path::new("rules.toml")).unwrap();
        rules.channel_ids(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn channels_have_the_ids_of_the_trade_whatever_their_spelling() {
        for (name, id) in [
            ("롯데홈쇼핑", "lotte"),
            ("현대홈쇼핑", "hyundai"),
            ("현대홈쇼핑+샵", "hyundai-plus"),
            ("GS샵 LIVE", "gs"),
            ("gs shop", "gs"),
            ("CJ온스타일", "cj"),
            ("CJ온스타일+", "cj-plus"),
            ("CJ 온스타일 플러스", "cj-plus"),
            ("NS Shop+", "ns-plus"),
            ("K쇼핑", "ktalpha"),
            ("hmallplus", "hyundai-plus"),
        ] {
            assert_eq!(told("", &[name]), (vec![id.to_owned()], vec![]), "{name}");
        }
        let known: Vec<&str> = KNOWN.iter().map(|rule| rule.id.get_ref().as_str()).collect();
        assert!(known.len() >= 17 && mistakes(&KNOWN).is_empty(), "{known:?}: {:?}", mistakes(&KNOWN));
    }

    #[test]
    fn the_rules_come_before_the_trade_and_the_name_is_the_last_resort() {
        let rules = "[[channel]]\nid = 'lotte-tv'\nname = ['롯데홈쇼핑']\n[[channel]]\nid = 'gs'\nname = ['우리 채널']";
        let (ids, unnamed) = told(rules, &["롯데홈쇼핑", "우리채널", "GS샵", "새 채널"]);
        assert_eq!(ids[..2], ["lotte-tv", "gs"]);
        // The rules gave the trade's id away.
        assert!(ids[2].starts_with("gs-") && ids[2].len() == 11, "{ids:?}");
        assert_eq!(ids[3], "sae-caeneol");
        let told: Vec<String> = unnamed.iter().map(Unnamed::to_string).collect();
        assert!(told[0].contains("'GS샵' has the id of '우리채널' and goes by 'gs-"), "{told:?}");
        assert!(told[1].contains("'새 채널' is in no list") && told[1].contains("'sae-caeneol'"), "{told:?}");
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn no_two_channels_share_an_id() {
        let names = ["GS SHOP", "GS샵", "GS샵 LIVE", "★", "☆", "gs", "상점", "상★점"];
        let (ids, unnamed) = told("", &names);
        assert_eq!(ids[1], "gs", "the usual spelling has it");
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{ids:?}");
        assert!(ids.iter().all(|id| is_id(id)), "{ids:?}");
        assert_eq!(unnamed.len(), 7, "{unnamed:?}");
        // Whatever the order of the names.
        let mut turned = names;
        turned.reverse();
        let (mut again, _) = told("", &turned);
        again.reverse();
        assert_eq!(again, ids);
    }

    #[test]
    fn mistakes_name_their_place() {
        for (text, expected) in [
            ("[[channel]]\nid = 'a b'\nname = ['x']", "2:6: 'a b' is not an id"),
            ("[[channel]]\nid = 'a'\nname = []", "2:6: channel 'a' has no name"),
            ("[[channel]]\nid = 'a'\nname = ['★']", "3:9: '★' of channel 'a' has no letters"),
            (
                "[[channel]]\nid = 'a'\nname = ['X 1']\n[[channel]]\nid = 'b'\nname = ['y', 'x1']",
                "6:14: 'x1' is a name of channel 'a' and of 'b'",
            ),
            (
                "[[channel]]\nid = 'a'\nname = ['x']\n[[channel]]\nid = 'A'\nname = ['y']",
                "5:6: two channels have the id",
            ),
        ] {
            let error = Rules::parse(text, Path::new("rules.toml")).unwrap_err().to_string();
            assert!(error.contains(&format!("rules.toml:{expected}")), "{text}: {error}");
        }
    }
}
