//! Corrections: people's decisions about listings, which override every rule and the matcher.
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

mod reader;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::printable::is_unprintable;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;

/// Mistakes listed in one error message.
const TOLD: usize = 20;

/// Why a corrections file is unusable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML, or with an unknown key. The message has line and column.
    #[error("{}: {source}; see docs/corrections.md for the format", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's error, with its position.
        source: Box<toml::de::Error>,
    },
    /// Corrections with errors, or that contradict each other: fix the listed lines.
    #[error("{}", told(path, mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All mistakes, in file order.
        mistakes: Vec<Mistake>,
    },
}

/// A mistake in a corrections file, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Description of the mistake.
    pub what: String,
}

fn told(path: &Path, mistakes: &[Mistake]) -> String {
    let line = |Mistake { line, column, what }: &Mistake| format!("{}:{line}:{column}: {what}", path.display());
    let mut lines: Vec<String> = mistakes.iter().take(TOLD).map(line).collect();
    if mistakes.len() > TOLD {
        lines.push(format!("{}: {} more mistakes", path.display(), mistakes.len() - TOLD));
    }
    lines.join("\n")
}

/// A person's decision and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The person.
    pub who: String,
    /// The reason.
    pub why: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.why)
    }
}

/// A verdict given by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The verdict.
    pub kind: VerdictKind,
    /// Its author and reason.
    #[serde(flatten)]
    pub decision: Decision,
}

/// Counts of a file's corrections.
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
    /// Distinct listings named by the corrections in force.
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

/// A file's corrections in force at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corrections {
    /// Indexes into `listings`, by shop and code.
    places: BTreeMap<String, BTreeMap<String, usize>>,
    listings: Vec<Named>,
    /// The `[[same]]`.
    same: Vec<Said>,
    /// The `[[different]]`.
    different: Vec<Said>,
    /// Listings of each group, as indexes into `listings`.
    members: BTreeMap<usize, Vec<usize>>,
    /// For each group, the groups that it must stay apart from, each with its `[[different]]`.
    apart: BTreeMap<usize, BTreeMap<usize, usize>>,
    counts: Counts,
}

/// A listing named by a correction.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    shop: String,
    code: String,
    /// Number of its group: the listings that `[[same]]` corrections make one product with it.
    group: usize,
    /// The `[[same]]` corrections that name it.
    same: Vec<usize>,
    verdict: Option<Given>,
}

/// A `[[same]]` or `[[different]]`.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    /// Indexes into `listings`.
    listings: Vec<usize>,
    decision: Decision,
    /// The line of its listings.
    line: usize,
}

impl Corrections {
    /// Parses `text`, the content of the file `path`, for a run at `now`. A correction is in force
    /// before its `until`; expired ones are only counted. `clean` normalises shops and codes to
    /// their form in tables.
    ///
    /// # Errors
    /// [`enum@Error`] with every mistake, each with file, line and column.
    pub fn parse(text: &str, path: &Path, now: UnixMillis, clean: impl Fn(&str) -> String) -> Result<Self, Error> {
        let file: reader::File =
            toml::from_str(text).map_err(|source| Error::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let (mut found, mut mistakes) = reader::read(&file, text, now, &clean);
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            return Err(Error::Mistakes { path: path.to_owned(), mistakes });
        }
        found.counts.listings = found.listings.len();
        Ok(found)
    }

    /// Whether no correction is in force.
    pub fn is_empty(&self) -> bool {
        self.listings.is_empty()
    }

    /// Counts of the corrections.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The named listings, as shop and code.
    pub fn listings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.listings.iter().map(Named::name)
    }

    fn place(&self, shop: &str, code: &str) -> Option<usize> {
        self.places.get(shop)?.get(code).copied()
    }

    /// The listing's group number; `None` if no correction names it.
    pub(crate) fn group(&self, shop: &str, code: &str) -> Option<usize> {
        Some(self.listings.get(self.place(shop, code)?)?.group)
    }

    /// The listings of this listing's group and of the groups kept apart from it, as shop and code.
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

    /// The decision that separates two groups.
    pub(crate) fn apart(&self, a: usize, b: usize) -> Option<&Decision> {
        Some(&self.different[*self.apart.get(&a)?.get(&b)?].decision)
    }

    /// The verdict that a person gave on the listing.
    pub fn verdict(&self, shop: &str, code: &str) -> Option<&Given> {
        self.listings.get(self.place(shop, code)?)?.verdict.as_ref()
    }

    /// Whether corrections decide if two listings, each as `SHOP:CODE`, are one product.
    pub fn decides(&self, a: &str, b: &str) -> bool {
        let group = |name: &str| name.split_once(':').and_then(|(shop, code)| self.group(shop, code));
        group(a).zip(group(b)).is_some_and(|(a, b)| a == b || self.apart(a, b).is_some())
    }

    /// Labelled pairs of listings named by one correction: `true` means one product.
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

    /// Verdicts given by people, by shop and code.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = ((&str, &str), VerdictKind)> {
        self.listings.iter().filter_map(|it| Some((it.name(), it.verdict.as_ref()?.kind)))
    }

    /// The lines of the `[[same]]` corrections that link one listing to another of its group.
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

/// A person's answer on two listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// One product.
    Same,
    /// Two products.
    Different,
}

impl Pair {
    /// The correction in TOML, to append to a file: `listings` as `SHOP:CODE`, with their titles as
    /// comments for the reader.
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
