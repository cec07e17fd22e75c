//! Corrections: what people decided about listings, which stands above every rule and the matcher.
//!
//! ```toml
//! [[same]]                                     # one product
//! listings = ["GS샵:1001", "CJ온스타일:2002"]
//! who = "minji"
//! why = "the same pan; one title names the lid first"
//! until = "2027-01-01T00:00:00+09:00"          # may be left out: for good
//!
//! [[different]]                                # no two of them are one product
//! listings = ["GS샵:1001", "GS샵:1003"]
//! who = "minji"
//! why = "28 cm and 32 cm"
//!
//! [[verdict]]
//! listing = "GS샵:1004"
//! verdict = "new"                              # new, repeat or unknown
//! who = "minji"
//! why = "last year's model had another motor"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang::time::UnixMillis;
use toml::Spanned;

use crate::place::line_and_column;
use crate::verdict::VerdictKind;

/// Why a corrections file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML, or with keys that no correction has. The message has line and column.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// Corrections that name nothing, or that contradict each other: mend the lines named.
    #[error("{}", mistakes.join("\n"))]
    Mistakes {
        /// Each with its file, line and column.
        mistakes: Vec<String>,
    },
}

/// Who decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.why)
    }
}

/// A verdict that a person gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The verdict.
    pub kind: VerdictKind,
    /// Who gave it, and why.
    #[serde(flatten)]
    pub decision: Decision,
}

/// How many corrections a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// `[[same]]` in force.
    pub same: usize,
    /// `[[different]]` in force.
    pub different: usize,
    /// `[[verdict]]` in force.
    pub verdicts: usize,
    /// Corrections whose `until` has passed.
    pub expired: usize,
    /// Listings that the corrections in force name.
    pub listings: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { same, different, verdicts, expired, listings } = self;
        write!(
            f,
            "{same} same, {different} different, {verdicts} verdicts, {expired} expired; {listings} listings named"
        )
    }
}

/// The corrections of a file that are in force at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corrections {
    /// The listings named, by shop and code, as indexes into `listings`.
    places: BTreeMap<String, BTreeMap<String, usize>>,
    listings: Vec<Named>,
    /// The `[[same]]`: indexes into `listings`.
    same: Vec<(Vec<usize>, Decision)>,
    /// The decisions that part two groups, the smaller group first.
    apart: BTreeMap<[usize; 2], Decision>,
    counts: Counts,
}

/// A listing that a correction names.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    shop: String,
    code: String,
    /// The smallest index of the listings that are one product with it.
    group: usize,
    verdict: Option<Given>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    same: Vec<Group>,
    #[serde(default)]
    different: Vec<Group>,
    #[serde(default)]
    verdict: Vec<Verdict>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    listings: Spanned<Vec<Spanned<String>>>,
    who: Spanned<String>,
    why: Spanned<String>,
    until: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    listing: Spanned<String>,
    #[serde(rename = "verdict")]
    kind: Spanned<VerdictKind>,
    who: Spanned<String>,
    why: Spanned<String>,
    until: Option<Spanned<String>>,
}

impl Corrections {
    /// Reads the text of the file `path`, for a run at `now`. A correction is in force before its `until`; expired ones are only counted.
    ///
    /// # Errors
    /// [`enum@Error`] with all that is wrong, each with file, line and column.
    pub fn parse(text: &str, path: &Path, now: UnixMillis) -> Result<Self, Error> {
        let file: File =
            toml::from_str(text).map_err(|source| Error::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let mut reader = Reader { text, path, now, mistakes: Vec::new(), found: Self::default(), lines: Vec::new() };
        reader.read(&file);
        let Reader { mut mistakes, mut found, .. } = reader;
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| mistake.0);
            return Err(Error::Mistakes { mistakes: mistakes.into_iter().map(|(_, text)| text).collect() });
        }
        found.counts.listings = found.listings.len();
        Ok(found)
    }

    /// Whether none is in force.
    pub fn is_empty(&self) -> bool {
        self.listings.is_empty()
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The listings named, each by shop and code.
    pub fn listings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.listings.iter().map(|named| (named.shop.as_str(), named.code.as_str()))
    }

    fn place(&self, shop: &str, code: &str) -> Option<usize> {
        self.places.get(shop)?.get(code).copied()
    }

    /// The number of the listings that are one product with this one; `None` where no correction names it.
    pub(crate) fn group(&self, shop: &str, code: &str) -> Option<usize> {
        Some(self.listings.get(self.place(shop, code)?)?.group)
    }

    /// The listings that are one product with this one, or another product than it, by any correction.
    pub(crate) fn mates(&self, shop: &str, code: &str) -> impl Iterator<Item = (&str, &str)> {
        let group = self.group(shop, code);
        let concerns = move |named: &&Named| {
            group.is_some_and(|group| named.group == group || self.apart(group, named.group).is_some())
        };
        self.listings.iter().filter(concerns).map(|named| (named.shop.as_str(), named.code.as_str()))
    }

    /// The decision that makes two listings of one group one product.
    pub(crate) fn joining(&self, a: (&str, &str), b: (&str, &str)) -> Option<&Decision> {
        let (a, b) = (self.place(a.0, a.1)?, self.place(b.0, b.1)?);
        let of = |listing: usize| self.same.iter().find(move |(listings, _)| listings.contains(&listing));
        let both = self.same.iter().find(|(listings, _)| listings.contains(&a) && listings.contains(&b));
        both.or_else(|| of(a)).or_else(|| of(b)).map(|(_, decision)| decision)
    }

    /// The decision that parts two groups.
    pub(crate) fn apart(&self, a: usize, b: usize) -> Option<&Decision> {
        self.apart.get(&[a.min(b), a.max(b)])
    }

    /// The verdict that a person gave on a listing.
    pub fn verdict(&self, shop: &str, code: &str) -> Option<&Given> {
        self.listings.get(self.place(shop, code)?)?.verdict.as_ref()
    }

    /// Whether two listings, each as `SHOP:CODE`, are one product or two by corrections.
    pub fn decides(&self, a: &str, b: &str) -> bool {
        let group = |name: &str| name.split_once(':').and_then(|(shop, code)| self.group(shop, code));
        group(a).zip(group(b)).is_some_and(|(a, b)| a == b || self.apart(a, b).is_some())
    }

    /// Pairs of listings that are one product or two, as labels: whether they are one.
    pub(crate) fn pairs(&self) -> Vec<([(&str, &str); 2], bool)> {
        let mut pairs = Vec::new();
        for (at, a) in self.listings.iter().enumerate() {
            for b in self.listings.iter().skip(at + 1) {
                let is_same = a.group == b.group;
                if is_same || self.apart(a.group, b.group).is_some() {
                    pairs.push(([(a.shop.as_str(), a.code.as_str()), (b.shop.as_str(), b.code.as_str())], is_same));
                }
            }
        }
        pairs
    }

    /// The verdicts that people gave, by shop and code.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = ((&str, &str), VerdictKind)> {
        let of = |named: &Named| named.verdict.as_ref().map(|given| given.kind);
        self.listings.iter().filter_map(move |it| Some(((it.shop.as_str(), it.code.as_str()), of(it)?)))
    }
}

/// What a person says of two listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// They are one product.
    Same,
    /// They are two.
    Different,
}

impl Pair {
    /// The correction that says so, to be appended to a file: `listings` as `SHOP:CODE`, with their titles for whoever reads it.
    pub fn entry(self, listings: [&str; 2], titles: [&str; 2], decision: &Decision, now: UnixMillis) -> String {
        let table = match self {
            Self::Same => "same",
            Self::Different => "different",
        };
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let plain = |title: &str| title.split(char::is_control).collect::<Vec<_>>().join(" ");
        let [a, b] = listings.map(quoted);
        let [first, second] = titles.map(plain);
        let (who, why, at) = (quoted(&decision.who), quoted(&decision.why), now.to_kst_rfc3339());
        format!("\n[[{table}]] # {at}\n# {first}\n# {second}\nlistings = [{a}, {b}]\nwho = {who}\nwhy = {why}\n")
    }
}

struct Reader<'t> {
    text: &'t str,
    path: &'t Path,
    now: UnixMillis,
    /// What is wrong, with the byte it is at.
    mistakes: Vec<(usize, String)>,
    found: Corrections,
    /// The line of the first `[[same]]` that names each listing.
    lines: Vec<Option<usize>>,
}

impl Reader<'_> {
    fn read(&mut self, file: &File) {
        for group in &file.same {
            self.read_same(group);
        }
        for group in &file.different {
            self.read_different(group);
        }
        // Where each group's verdict stands.
        let mut given: BTreeMap<usize, (usize, VerdictKind)> = BTreeMap::new();
        for verdict in &file.verdict {
            self.read_verdict(verdict, &mut given);
        }
    }

    fn line(&self, at: usize) -> usize {
        line_and_column(self.text, at).0
    }

    fn mistake(&mut self, at: usize, what: impl fmt::Display) {
        let (line, column) = line_and_column(self.text, at);
        self.mistakes.push((at, format!("{}:{line}:{column}: {what}", self.path.display())));
    }

    fn read_same(&mut self, group: &Group) {
        let Some((named, decision)) = self.group(group) else { return };
        self.found.counts.same += 1;
        let line = self.line(group.listings.span().start);
        for &(_, listing) in &named {
            self.lines[listing].get_or_insert(line);
        }
        let groups: BTreeSet<usize> = named.iter().map(|&(_, listing)| self.found.listings[listing].group).collect();
        let first = groups.first().copied().unwrap_or(0);
        for listing in &mut self.found.listings {
            if groups.contains(&listing.group) {
                listing.group = first;
            }
        }
        self.found.same.push((named.into_iter().map(|(_, listing)| listing).collect(), decision));
    }

    fn read_different(&mut self, group: &Group) {
        let Some((named, decision)) = self.group(group) else { return };
        self.found.counts.different += 1;
        for (place, &(at, listing)) in named.iter().enumerate() {
            for &(_, other) in named.iter().take(place) {
                let (a, b) = (self.found.listings[other].group, self.found.listings[listing].group);
                if a == b {
                    let line = self.lines[listing].unwrap_or(0);
                    let (one, two) = (self.name(other), self.name(listing));
                    self.mistake(
                        at,
                        format_args!("{one} and {two} are different here, and one product by line {line}"),
                    );
                } else {
                    self.found.apart.entry([a.min(b), a.max(b)]).or_insert_with(|| decision.clone());
                }
            }
        }
    }

    fn read_verdict(&mut self, verdict: &Verdict, given: &mut BTreeMap<usize, (usize, VerdictKind)>) {
        let is_in_force = self.is_in_force(verdict.until.as_ref());
        let decision = self.decision(&verdict.who, &verdict.why);
        let Some(listing) = self.listing(&verdict.listing, is_in_force) else { return };
        self.found.counts.verdicts += 1;
        let (at, kind) = (verdict.kind.span().start, *verdict.kind.get_ref());
        let line = self.line(at);
        let group = self.found.listings[listing].group;
        match given.get(&group) {
            Some(&(other, known)) if known != kind => {
                let (name, kind, known) = (self.name(listing), kind.as_str(), known.as_str());
                self.mistake(at, format_args!("{name} is {kind} here, and {known} by line {other}"));
            }
            _ => drop(given.insert(group, (line, kind))),
        }
        self.found.listings[listing].verdict.get_or_insert(Given { kind, decision });
    }

    /// The listings of a `[[same]]` or `[[different]]` in force, each with its place in the text.
    fn group(&mut self, group: &Group) -> Option<(Vec<(usize, usize)>, Decision)> {
        let is_in_force = self.is_in_force(group.until.as_ref());
        let decision = self.decision(&group.who, &group.why);
        let said = group.listings.get_ref();
        if said.len() < 2 {
            self.mistake(group.listings.span().start, "a correction names two listings or more");
        }
        let mut named: Vec<(usize, usize)> = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for name in said {
            let at = name.span().start;
            if !seen.insert(name.get_ref().trim()) {
                self.mistake(at, format_args!("{} is named twice", name.get_ref()));
                continue;
            }
            named.extend(self.listing(name, is_in_force).map(|listing| (at, listing)));
        }
        is_in_force.then_some((named, decision))
    }

    /// Whether a correction is in force; an expired one is counted.
    fn is_in_force(&mut self, until: Option<&Spanned<String>>) -> bool {
        let Some(until) = until else { return true };
        match UnixMillis::parse_rfc3339(until.get_ref()) {
            Some(until) if until.0 > self.now.0 => true,
            Some(_) => {
                self.found.counts.expired += 1;
                false
            }
            None => {
                self.mistake(until.span().start, "a time is RFC 3339 in quotes, such as '2026-11-22T20:00:00+09:00'");
                false
            }
        }
    }

    fn decision(&mut self, who: &Spanned<String>, why: &Spanned<String>) -> Decision {
        for (text, what) in [(who, "who says so"), (why, "why")] {
            if text.get_ref().trim().is_empty() {
                self.mistake(text.span().start, format_args!("a correction tells {what}"));
            }
        }
        Decision { who: who.get_ref().trim().to_owned(), why: why.get_ref().trim().to_owned() }
    }

    /// The listing that `name` means; `None` where it is no name, and where it is not `wanted`.
    fn listing(&mut self, name: &Spanned<String>, wanted: bool) -> Option<usize> {
        let parts = name.get_ref().split_once(':').map(|(shop, code)| (shop.trim(), code.trim()));
        let Some((shop, code)) = parts.filter(|(shop, code)| !shop.is_empty() && !code.is_empty()) else {
            let what = format!("{:?} names no listing: write SHOP:CODE, as `sinsang why` takes it", name.get_ref());
            self.mistake(name.span().start, what);
            return None;
        };
        if !wanted {
            return None;
        }
        let Corrections { places, listings, .. } = &mut self.found;
        let place = places.entry(shop.to_owned()).or_default().entry(code.to_owned()).or_insert(listings.len());
        if *place == listings.len() {
            listings.push(Named { shop: shop.to_owned(), code: code.to_owned(), group: *place, verdict: None });
            self.lines.push(None);
        }
        Some(*place)
    }

    fn name(&self, listing: usize) -> String {
        self.found.listings.get(listing).map(|named| format!("{}:{}", named.shop, named.code)).unwrap_or_default()
    }
}
