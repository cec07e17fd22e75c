//! Reader of a corrections file: checks names, times and contradictions row by row.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use toml::Spanned;

use super::{Corrections, Decision, Given, Mistake, Named, Said};
use crate::place::Places;

/// Listings allowed in one correction.
const MOST_LISTINGS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
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

/// Reads `file`, parsed from `text`, into its corrections and mistakes.
pub(super) fn read(
    file: &File,
    text: &str,
    now: UnixMillis,
    clean: &dyn Fn(&str) -> String,
) -> (Corrections, Vec<Mistake>) {
    let mut reader =
        Reader { places: Places::new(text), now, clean, mistakes: Vec::new(), found: Corrections::default() };
    reader.read(file);
    (reader.found, reader.mistakes)
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
        // Line and kind of each group's verdict.
        let mut given: BTreeMap<usize, (usize, VerdictKind)> = BTreeMap::new();
        for verdict in &file.verdict {
            self.read_verdict(verdict, &mut given);
        }
    }

    fn mistake(&mut self, at: usize, what: impl fmt::Display) {
        let (line, column) = self.places.of(at);
        self.mistakes.push(Mistake { line, column, what: what.to_string() });
    }

    /// Assigns one group number to all listings linked by `[[same]]` corrections.
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

    /// Separates the groups of a `[[different]]`, whose listings are at the offsets `at` of the
    /// text.
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
                        format_args!("{one} and {two} are different here, but the same product in {lines}"),
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
                self.mistake(at, format_args!("{name} is {kind} here, but {known} in line {other}"));
            }
            _ => drop(given.insert(self.found.listings[listing].group, (line, kind))),
        }
        self.found.listings[listing].verdict.get_or_insert(Given { kind, decision });
    }

    /// A `[[same]]` or `[[different]]` in force, with the text offset of each of its listings.
    fn said(&mut self, group: &Group) -> Option<(Vec<usize>, Said)> {
        let is_in_force = self.is_in_force(group.until.as_ref());
        let decision = self.decision(&group.who, &group.why);
        let (at, named) = (group.listings.span().start, group.listings.get_ref());
        if !(2..=MOST_LISTINGS).contains(&named.len()) {
            self.mistake(at, format_args!("a correction needs 2 to {MOST_LISTINGS} listings"));
            return None;
        }
        let (mut places, mut listings) = (Vec::new(), Vec::new());
        for name in named {
            let at = name.span().start;
            let Some(listing) = self.listing(name, is_in_force) else { continue };
            if listings.contains(&listing) {
                let name = self.name(listing);
                self.mistake(at, format_args!("duplicate listing {name}"));
                continue;
            }
            places.push(at);
            listings.push(listing);
        }
        is_in_force.then(|| (places, Said { listings, decision, line: self.places.of(at).0 }))
    }

    /// Whether a correction is in force; counts an expired one.
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
                    "invalid time: write RFC 3339 with an offset, such as 2026-11-22T20:00:00+09:00",
                );
                false
            }
        }
    }

    fn decision(&mut self, who: &Spanned<String>, why: &Spanned<String>) -> Decision {
        let mut said = [(who, "who"), (why, "why")].map(|(text, what)| {
            let said = (self.clean)(text.get_ref());
            if said.is_empty() {
                self.mistake(text.span().start, format_args!("a correction needs a `{what}`"));
            }
            said
        });
        Decision { who: std::mem::take(&mut said[0]), why: std::mem::take(&mut said[1]) }
    }

    /// The index of the listing called `name`; `None` if the name is malformed or not `wanted`.
    fn listing(&mut self, name: &Spanned<String>, wanted: bool) -> Option<usize> {
        let parts = name.get_ref().split_once(':').map(|(shop, code)| ((self.clean)(shop), (self.clean)(code)));
        let Some((shop, code)) = parts.filter(|(shop, code)| !shop.is_empty() && !code.is_empty()) else {
            let what = format!("{:?} is not a listing: write SHOP:CODE, as for `sinsang why`", name.get_ref());
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
