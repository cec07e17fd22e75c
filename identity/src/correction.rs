//! Corrections: what people decided about listings, which stands above every rule and the matcher.
//!
//! ```toml
//! [[same]]                                     # one product
//! listings = ["GS샵:1001", "CJ온스타일:2002"]
//! who = "minji"
//! why = "the same pan; one title names the lid first"
//! until = 2027-01-01T00:00:00+09:00            # may be left out: for good
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

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang::time::UnixMillis;
use toml::Spanned;

use crate::place::Places;
use crate::verdict::VerdictKind;

/// Listings that one correction may name.
const MOST_LISTINGS: usize = 100;
/// Mistakes of a file that an error tells.
const TOLD: usize = 20;

/// Why a corrections file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML, or with keys that no correction has. The message has line and column.
    #[error("{}: {source}; docs/corrections.md shows the form", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// Corrections that name nothing, or that contradict each other: mend the lines named.
    #[error("{}", told(path, mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them, in the order of the file.
        mistakes: Vec<Mistake>,
    },
}

/// What is wrong with a corrections file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

fn told(path: &Path, mistakes: &[Mistake]) -> String {
    let line = |Mistake { line, column, what }: &Mistake| format!("{}:{line}:{column}: {what}", path.display());
    let mut lines: Vec<String> = mistakes.iter().take(TOLD).map(line).collect();
    if mistakes.len() > TOLD {
        lines.push(format!("{}: {} more", path.display(), mistakes.len() - TOLD));
    }
    lines.join("\n")
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
    /// The `[[same]]`.
    same: Vec<Said>,
    /// The `[[different]]`.
    different: Vec<Said>,
    /// The listings of each group.
    members: BTreeMap<usize, Vec<usize>>,
    /// The groups that each is parted from, with the `[[different]]` that does.
    apart: BTreeMap<usize, BTreeMap<usize, usize>>,
    counts: Counts,
}

/// A listing that a correction names.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    shop: String,
    code: String,
    /// One of the listings that are one product with it, the same for all of them.
    group: usize,
    /// The `[[same]]` that name it.
    same: Vec<usize>,
    verdict: Option<Given>,
}

/// What is said of some listings.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    /// Indexes into `listings`.
    listings: Vec<usize>,
    decision: Decision,
    /// The line of the listings.
    line: usize,
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
    until: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    listing: Spanned<String>,
    #[serde(rename = "verdict")]
    kind: Spanned<VerdictKind>,
    who: Spanned<String>,
    why: Spanned<String>,
    until: Option<Spanned<toml::Value>>,
}

impl Corrections {
    /// Reads the text of the file `path`, for a run at `now`. A correction is in force before its `until`; expired ones are only counted.
    /// `clean` brings names to the form that tables have them in.
    ///
    /// # Errors
    /// [`enum@Error`] with all that is wrong, each with file, line and column.
    pub fn parse(text: &str, path: &Path, now: UnixMillis, clean: impl Fn(&str) -> String) -> Result<Self, Error> {
        let file: File =
            toml::from_str(text).map_err(|source| Error::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let mut reader =
            Reader { places: Places::new(text), now, clean: &clean, mistakes: Vec::new(), found: Self::default() };
        reader.read(&file);
        let Reader { mut mistakes, mut found, .. } = reader;
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            return Err(Error::Mistakes { path: path.to_owned(), mistakes });
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
        self.listings.iter().map(Named::name)
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
        let parted = group.and_then(|group| self.apart.get(&group)).into_iter().flat_map(BTreeMap::keys).copied();
        let groups = group.into_iter().chain(parted);
        groups.filter_map(|group| self.members.get(&group)).flatten().map(|&listing| self.listings[listing].name())
    }

    /// The decision that makes two listings of one group one product.
    pub(crate) fn joining(&self, a: (&str, &str), b: (&str, &str)) -> Option<&Decision> {
        let (a, b) = (&self.listings[self.place(a.0, a.1)?], self.place(b.0, b.1)?);
        let both = a.same.iter().find(|&&said| self.same[said].listings.contains(&b));
        let said = both.or(a.same.first()).or(self.listings[b].same.first())?;
        Some(&self.same[*said].decision)
    }

    /// The decision that parts two groups.
    pub(crate) fn apart(&self, a: usize, b: usize) -> Option<&Decision> {
        Some(&self.different[*self.apart.get(&a)?.get(&b)?].decision)
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

    /// Pairs of listings that one correction names, as labels: whether they are one product.
    pub(crate) fn pairs(&self) -> Vec<([(&str, &str); 2], bool)> {
        let said = self.same.iter().map(|said| (said, true)).chain(self.different.iter().map(|said| (said, false)));
        let mut pairs = Vec::new();
        for (said, is_same) in said {
            for (place, &b) in said.listings.iter().enumerate() {
                let named = |listing: usize| self.listings[listing].name();
                pairs.extend(said.listings.iter().take(place).map(|&a| ([named(a), named(b)], is_same)));
            }
        }
        pairs
    }

    /// The verdicts that people gave, by shop and code.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = ((&str, &str), VerdictKind)> {
        self.listings.iter().filter_map(|it| Some((it.name(), it.verdict.as_ref()?.kind)))
    }

    /// The lines of the `[[same]]` that lead from one listing to another of its group.
    fn chain(&self, from: usize, to: usize) -> Vec<usize> {
        let mut came: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut next = VecDeque::from([from]);
        while let Some(at) = next.pop_front().filter(|_| !came.contains_key(&to)) {
            for &said in &self.listings[at].same {
                for &other in self.same[said].listings.iter().filter(|&&other| other != from) {
                    came.entry(other).or_insert_with(|| {
                        next.push_back(other);
                        (at, said)
                    });
                }
            }
        }
        let mut lines = Vec::new();
        let mut at = to;
        while let Some(&(before, said)) = came.get(&at) {
            lines.push(self.same[said].line);
            at = before;
        }
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

impl Named {
    fn name(&self) -> (&str, &str) {
        (&self.shop, &self.code)
    }
}

/// Whether a character moves the cursor, or turns the text around it: U+061C, U+200E and U+200F, U+202A to U+202E, U+2066 to U+2069.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        let plain = |title: &str| title.split(is_unprintable).collect::<Vec<_>>().join(" ");
        let [a, b] = listings.map(quoted);
        let [first, second] = titles.map(plain);
        let (who, why, at) = (quoted(&decision.who), quoted(&decision.why), now.to_kst_rfc3339());
        format!("\n[[{table}]] # {at}\n# {first}\n# {second}\nlistings = [{a}, {b}]\nwho = {who}\nwhy = {why}\n")
    }
}

struct Reader<'t> {
    places: Places<'t>,
    now: UnixMillis,
    clean: &'t dyn Fn(&str) -> String,
    mistakes: Vec<Mistake>,
    found: Corrections,
}

impl Reader<'_> {
    fn read(&mut self, file: &File) {
        for group in &file.same {
            if let Some((_, said)) = self.said(group) {
                self.found.counts.same += 1;
                for &listing in &said.listings {
                    self.found.listings[listing].same.push(self.found.same.len());
                }
                self.found.same.push(said);
            }
        }
        self.group_listings();
        for group in &file.different {
            if let Some((at, said)) = self.said(group) {
                self.found.counts.different += 1;
                self.part(&at, said);
            }
        }
        // Where each group's verdict stands.
        let mut given: BTreeMap<usize, (usize, VerdictKind)> = BTreeMap::new();
        for verdict in &file.verdict {
            self.read_verdict(verdict, &mut given);
        }
    }

    fn mistake(&mut self, at: usize, what: impl fmt::Display) {
        let (line, column) = self.places.of(at);
        self.mistakes.push(Mistake { line, column, what: what.to_string() });
    }

    /// Gives the listings that `[[same]]` lead to from one another one group.
    fn group_listings(&mut self) {
        self.found.members.clear();
        let mut seen = vec![false; self.found.listings.len()];
        for first in 0..seen.len() {
            let mut next = vec![first];
            while let Some(at) = next.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                let found = &mut self.found;
                found.listings[at].group = first;
                found.members.entry(first).or_default().push(at);
                next.extend(found.listings[at].same.iter().flat_map(|&said| &found.same[said].listings));
            }
        }
    }

    /// Parts the groups of the listings of a `[[different]]`, which stand `at` places of the text.
    fn part(&mut self, at: &[usize], said: Said) {
        let number = self.found.different.len();
        for (place, &listing) in said.listings.iter().enumerate() {
            for &other in said.listings.iter().take(place) {
                let (a, b) = (self.found.listings[other].group, self.found.listings[listing].group);
                if a == b {
                    let lines: Vec<String> = self.found.chain(other, listing).iter().map(ToString::to_string).collect();
                    let lines = if lines.len() > 1 {
                        format!("lines {}", lines.join(", "))
                    } else {
                        format!("line {}", lines.concat())
                    };
                    let (one, two) = (self.name(other), self.name(listing));
                    self.mistake(
                        at[place],
                        format_args!("{one} and {two} are different here, and one product by {lines}"),
                    );
                    continue;
                }
                for (a, b) in [(a, b), (b, a)] {
                    self.found.apart.entry(a).or_default().entry(b).or_insert(number);
                }
            }
        }
        self.found.different.push(said);
    }

    fn read_verdict(&mut self, verdict: &Verdict, given: &mut BTreeMap<usize, (usize, VerdictKind)>) {
        let is_in_force = self.is_in_force(verdict.until.as_ref());
        let decision = self.decision(&verdict.who, &verdict.why);
        let Some(listing) = self.listing(&verdict.listing, is_in_force) else { return };
        self.found.counts.verdicts += 1;
        let (at, kind) = (verdict.kind.span().start, *verdict.kind.get_ref());
        let line = self.places.of(at).0;
        match given.get(&self.found.listings[listing].group) {
            Some(&(other, known)) if known != kind => {
                let (name, kind, known) = (self.name(listing), kind.as_str(), known.as_str());
                self.mistake(at, format_args!("{name} is {kind} here, and {known} by line {other}"));
            }
            _ => drop(given.insert(self.found.listings[listing].group, (line, kind))),
        }
        self.found.listings[listing].verdict.get_or_insert(Given { kind, decision });
    }

    /// What a `[[same]]` or `[[different]]` in force says, with the place in the text of each of its listings.
    fn said(&mut self, group: &Group) -> Option<(Vec<usize>, Said)> {
        let is_in_force = self.is_in_force(group.until.as_ref());
        let decision = self.decision(&group.who, &group.why);
        let (at, named) = (group.listings.span().start, group.listings.get_ref());
        if !(2..=MOST_LISTINGS).contains(&named.len()) {
            self.mistake(at, format_args!("a correction names 2 to {MOST_LISTINGS} listings"));
            return None;
        }
        let (mut places, mut listings) = (Vec::new(), Vec::new());
        for name in named {
            let at = name.span().start;
            let Some(listing) = self.listing(name, is_in_force) else { continue };
            if listings.contains(&listing) {
                let name = self.name(listing);
                self.mistake(at, format_args!("{name} is named twice"));
                continue;
            }
            places.push(at);
            listings.push(listing);
        }
        is_in_force.then(|| (places, Said { listings, decision, line: self.places.of(at).0 }))
    }

    /// Whether a correction is in force; an expired one is counted.
    fn is_in_force(&mut self, until: Option<&Spanned<toml::Value>>) -> bool {
        let Some(until) = until else { return true };
        let text = match until.get_ref() {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match UnixMillis::parse_rfc3339(&text) {
            Some(until) if until.0 > self.now.0 => true,
            Some(_) => {
                self.found.counts.expired += 1;
                false
            }
            None => {
                self.mistake(
                    until.span().start,
                    "a time is RFC 3339 with an offset, such as 2026-11-22T20:00:00+09:00",
                );
                false
            }
        }
    }

    fn decision(&mut self, who: &Spanned<String>, why: &Spanned<String>) -> Decision {
        let [said_who, said_why] = [who, why].map(|text| (self.clean)(text.get_ref()));
        for (said, text, what) in [(&said_who, who, "who says so"), (&said_why, why, "why")] {
            if said.is_empty() {
                self.mistake(text.span().start, format_args!("a correction tells {what}"));
            }
        }
        Decision { who: said_who, why: said_why }
    }

    /// The listing that `name` means; `None` where it is no name, and where it is not `wanted`.
    fn listing(&mut self, name: &Spanned<String>, wanted: bool) -> Option<usize> {
        let parts = name.get_ref().split_once(':').map(|(shop, code)| ((self.clean)(shop), (self.clean)(code)));
        let Some((shop, code)) = parts.filter(|(shop, code)| !shop.is_empty() && !code.is_empty()) else {
            let what = format!("{:?} names no listing: write SHOP:CODE, as `sinsang why` takes it", name.get_ref());
            self.mistake(name.span().start, what);
            return None;
        };
        if !wanted {
            return None;
        }
        let Corrections { places, listings, members, .. } = &mut self.found;
        let place = *places.entry(shop.clone()).or_default().entry(code.clone()).or_insert(listings.len());
        if place == listings.len() {
            listings.push(Named { shop, code, group: place, same: Vec::new(), verdict: None });
            members.insert(place, vec![place]);
        }
        Some(place)
    }

    fn name(&self, listing: usize) -> String {
        let (shop, code) = self.found.listings[listing].name();
        format!("{shop}:{code}")
    }
}
