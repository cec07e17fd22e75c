//! Groups of viewers: `[[audience]]` in the rules file, which directives and experiments name in
//! `for`. They are checked, and resolved to the categories of a board and the keys of their lists.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinsang_core::audience::{MOST_AUDIENCES, MOST_KEYS};
use sinsang_core::context::{Context, DEVICE_CLASSES};
use sinsang_core::experiment::{MAX_ID_BYTES, is_id};
use sinsang_core::pack::audience::AudiencePart;
use sinsang_core::viewer::ViewerName;
use sinsang_run::file::read_text;
use toml::Spanned;

use super::Error;
use super::mistake::{Mistake, folded, mistake};
use crate::read::forgotten::{Forgotten, Whose};
use crate::read::rekey::Renamed;

/// Byte limit of a list of viewers: many times [`MOST_KEYS`] lines.
const LIST_BYTES: u64 = 16 << 20;

/// An audience as written. A viewer must meet every given field, in any of that field's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    name: Spanned<String>,
    /// Provinces, each the two digits of its ISO 3166-2 code.
    region: Option<Spanned<Vec<String>>>,
    /// Classes of device.
    device_class: Option<Spanned<Vec<String>>>,
    /// Whether the viewer has no tastes yet.
    newcomer: Option<Spanned<bool>>,
    /// Categories that are among those that the viewer's tastes lean to most.
    category: Option<Spanned<Vec<String>>>,
    /// A file of viewers' names, one a line, relative to the folder of the tables.
    viewers: Option<Spanned<PathBuf>>,
}

impl Audience {
    pub(super) fn name(&self) -> &str {
        self.name.get_ref()
    }

    pub(super) fn list(&self) -> Option<&Path> {
        self.viewers.as_ref().map(|path| path.get_ref().as_path())
    }

    /// Whether tastes decide who is in it.
    pub(super) fn is_of_tastes(&self) -> bool {
        self.newcomer.is_some() || self.category.is_some()
    }

    fn regions(&self) -> Vec<u8> {
        let names = self.region.iter().flat_map(Spanned::get_ref);
        names.map(|name| Context::of_names(name, "").region).collect()
    }

    fn devices(&self) -> Vec<u8> {
        let names = self.device_class.iter().flat_map(Spanned::get_ref);
        names.map(|name| Context::of_names("", name).device).collect()
    }

    fn is_newcomer(&self) -> Option<bool> {
        self.newcomer.as_ref().map(|newcomer| *newcomer.get_ref())
    }

    /// All mistakes of the audience, which begins at byte `at`.
    fn mistakes(&self, at: usize) -> Vec<Mistake> {
        let mut wrong = Vec::new();
        let name = self.name();
        if !is_id(name) {
            let what =
                format!("'{name}' is not a name: use 1 to {MAX_ID_BYTES} letters, digits, hyphens and underscores");
            wrong.push(mistake(self.name.span().start, what));
        }
        let Self { region, device_class, newcomer, category, viewers, .. } = self;
        if [region, device_class, category].into_iter().all(Option::is_none) && newcomer.is_none() && viewers.is_none()
        {
            let what = "is everybody: give region, device_class, newcomer, category or viewers";
            wrong.push(mistake(at, format!("audience '{name}' {what}")));
        }
        for list in [region, device_class, category].into_iter().flatten() {
            if list.get_ref().iter().all(|value| value.trim().is_empty()) {
                wrong.push(mistake(
                    list.span().start,
                    format!("audience '{name}' has an empty list, which nobody meets"),
                ));
            }
        }
        for (list, numbers, expected) in [
            (
                region,
                self.regions(),
                "the two digits of a Korean province's ISO 3166-2 code, such as \"11\" for Seoul".to_owned(),
            ),
            (device_class, self.devices(), format!("one of {}", DEVICE_CLASSES.join(", "))),
        ] {
            for (value, number) in list.iter().flat_map(Spanned::get_ref).zip(numbers) {
                if number == 0 {
                    let at = list.as_ref().map_or(at, |list| list.span().start);
                    wrong.push(mistake(at, format!("'{value}' of audience '{name}' is not {expected}")));
                }
            }
        }
        if let Some(category) = category.as_ref().filter(|_| self.is_newcomer() == Some(true)) {
            let what = format!("audience '{name}' is nobody: newcomers have no tastes, so they lean to no category");
            wrong.push(mistake(category.span().start, what));
        }
        wrong
    }

    /// Whether no viewer can be in both at once.
    fn excludes(&self, other: &Self) -> bool {
        let apart = |own: Vec<u8>, others: Vec<u8>| {
            !own.is_empty() && !others.is_empty() && own.iter().all(|value| !others.contains(value))
        };
        apart(self.regions(), other.regions())
            || apart(self.devices(), other.devices())
            || self.is_newcomer().zip(other.is_newcomer()).is_some_and(|(own, other)| own != other)
            || self.is_newcomer() == Some(true) && other.category.is_some()
            || self.category.is_some() && other.is_newcomer() == Some(true)
    }
}

/// All mistakes of audiences.
pub(super) fn mistakes(audiences: &[Spanned<Audience>]) -> Vec<Mistake> {
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for audience in audiences {
        let (own, at) = (audience.get_ref(), audience.span().start);
        wrong.extend(own.mistakes(at));
        if !known.insert(own.name()) {
            wrong.push(mistake(own.name.span().start, format!("two audiences are named '{}'", own.name())));
        }
    }
    if let Some(one_more) = audiences.get(MOST_AUDIENCES) {
        wrong.push(mistake(one_more.span().start, format!("there are more than {MOST_AUDIENCES} audiences")));
    }
    wrong
}

/// The mistakes of `names`, which `what` is for.
pub(super) fn unknown(names: &[Spanned<String>], audiences: &[Spanned<Audience>], what: &str) -> Vec<Mistake> {
    let known: Vec<&str> = audiences.iter().map(|audience| audience.get_ref().name()).collect();
    let unknown = names.iter().filter(|name| !known.contains(&name.get_ref().as_str()));
    let wrong = |name: &Spanned<String>| {
        let known = if known.is_empty() { "declares none".to_owned() } else { format!("has {}", known.join(", ")) };
        let name_of = name.get_ref();
        mistake(
            name.span().start,
            format!("{what} is for audience '{name_of}', but the file {known}: add an [[audience]]"),
        )
    };
    unknown.map(wrong).collect()
}

/// Whether no viewer can be among both lists of audiences at once; an empty list is everybody.
pub(super) fn exclude(own: &[Spanned<String>], other: &[Spanned<String>], audiences: &[Spanned<Audience>]) -> bool {
    let find = |name: &Spanned<String>| audiences.iter().map(Spanned::get_ref).find(|one| one.name() == name.get_ref());
    let apart = |own: &Spanned<String>, other: &Spanned<String>| {
        find(own).zip(find(other)).is_some_and(|(own, other)| own.excludes(other))
    };
    !own.is_empty() && !other.is_empty() && own.iter().all(|own| other.iter().all(|other| apart(own, other)))
}

/// The names of a directive's or an experiment's audiences.
pub(super) fn names(audiences: &[Spanned<String>]) -> Vec<String> {
    audiences.iter().map(|name| name.get_ref().clone()).collect()
}

/// What was made of an audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Viewers of its list, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<usize>,
    /// Lines of the list that name no viewer.
    pub set_aside: usize,
    /// The first of those lines, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_set_aside: Option<usize>,
    /// Viewers of the list who asked to be forgotten.
    pub forgotten: usize,
    /// Categories that the board lacks.
    pub unknown: Vec<String>,
}

impl Found {
    /// Whether there is something to tell of it.
    pub fn is_notable(&self) -> bool {
        self.viewers.is_some() || !self.unknown.is_empty()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audience '{}'", self.name)?;
        if let Some(viewers) = self.viewers {
            write!(f, ": {viewers} viewers listed")?;
        }
        if let Some(line) = self.first_set_aside {
            write!(f, ", {} lines set aside that are no viewer's name (the first is line {line})", self.set_aside)?;
        }
        if self.forgotten > 0 {
            write!(f, ", {} forgotten viewers left out", self.forgotten)?;
        }
        if !self.unknown.is_empty() {
            write!(f, "; the board has no category '{}'", self.unknown.join("', '"))?;
        }
        Ok(())
    }
}

/// What tells the viewers of lists.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a> {
    /// The folder of the tables, to which paths are relative.
    pub folder: &'a Path,
    /// Viewers to leave out.
    pub forgotten: &'a Forgotten,
    /// Which names belong to one user.
    pub renamed: &'a Renamed,
}

impl<'a> Lists<'a> {
    /// The lists of a build with tables in `folder`.
    pub fn of(folder: &'a Path, whose: &Whose<'a>) -> Self {
        Self { folder, forgotten: whose.forgotten, renamed: whose.renamed }
    }
}

/// The audiences on a board with these `categories`.
///
/// # Errors
/// [`Error::Read`] if a list can't be read; [`Error::List`] if no line of one names a viewer, or
/// all together are too long.
pub(super) fn resolve(
    audiences: &[Spanned<Audience>],
    categories: &[String],
    lists: Lists<'_>,
) -> Result<(Vec<AudiencePart>, Vec<Found>), Error> {
    let (mut parts, mut found, mut keys) = (Vec::new(), Vec::new(), 0);
    for audience in audiences.iter().map(Spanned::get_ref) {
        let mut own = Found {
            name: audience.name().to_owned(),
            viewers: None,
            set_aside: 0,
            first_set_aside: None,
            forgotten: 0,
            unknown: Vec::new(),
        };
        let index = |name: &String| {
            let at = categories.iter().position(|known| folded(known) == folded(name));
            let at = at.and_then(|at| u16::try_from(at).ok());
            if at.is_none() {
                own.unknown.push(name.clone());
            }
            at
        };
        let indexes = audience.category.as_ref().map(|names| names.get_ref().iter().filter_map(index).collect());
        let listed = match &audience.viewers {
            Some(path) => Some(read_list(&lists.folder.join(path.get_ref()), lists, &mut own)?),
            None => None,
        };
        own.viewers = listed.as_ref().map(Vec::len);
        keys += own.viewers.unwrap_or(0);
        parts.push(AudiencePart {
            name: own.name.clone(),
            regions: audience.regions(),
            devices: audience.devices(),
            is_newcomer: audience.is_newcomer(),
            categories: indexes,
            keys: listed,
        });
        found.push(own);
        if let Some(path) = audience.viewers.as_ref().filter(|_| keys > MOST_KEYS) {
            let what =
                format!("the audiences list {keys} viewers up to here, at most {MOST_KEYS} in all: shorten a list");
            return Err(Error::List { path: lists.folder.join(path.get_ref()), what });
        }
    }
    Ok((parts, found))
}

/// The keys of a list's viewers, ascending. Blank lines and those that begin with `#` don't count.
fn read_list(path: &Path, lists: Lists<'_>, found: &mut Found) -> Result<Vec<u64>, Error> {
    let text = read_text(path, LIST_BYTES).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut keys = BTreeSet::new();
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
    for (text, line) in lines.filter(|(text, _)| !text.is_empty() && !text.starts_with('#')) {
        match ViewerName::parse(text) {
            Some(_) if lists.forgotten.holds(text) => found.forgotten += 1,
            // The edge may hash users with either secret while they are changed.
            Some(ViewerName::User(key)) => keys.extend(lists.renamed.all(key).into_iter().map(|key| key.0)),
            Some(ViewerName::Device(key)) => _ = keys.insert(key.0),
            None => {
                found.set_aside += 1;
                found.first_set_aside = found.first_set_aside.or(Some(line));
            }
        }
    }
    if keys.is_empty() && found.set_aside > 0 {
        let what =
            "no line names a viewer: write the key of a user as events have it, 16 hex digits, or a device's, d and 16";
        return Err(Error::List { path: path.to_owned(), what: what.to_owned() });
    }
    Ok(keys.into_iter().collect())
}

#[cfg(test)]
mod tests;
