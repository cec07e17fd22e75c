//! The doctor's record of the table `tabs`.

use std::collections::BTreeSet;
use std::path::Path;

use super::tally::Tally;
use crate::check::{Repair, Table as _, Tabs};
use crate::intake::Observer;
use crate::table::Tab;
use crate::value::Value;
use crate::{Fault, Place};

/// An observer of the rows of `tabs`, whose number the table itself caps.
#[derive(Debug)]
pub struct Bar {
    pub(super) tally: Tally,
    ids: BTreeSet<String>,
}

impl Default for Bar {
    fn default() -> Self {
        Self { tally: Tally::new(Tabs::COLUMNS, &[]), ids: BTreeSet::new() }
    }
}

impl Bar {
    /// Whether the bar has the tab `id`.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Whether the bar has any tab.
    pub(super) fn knows_any(&self) -> bool {
        !self.ids.is_empty()
    }
}

impl Observer<Tab> for Bar {
    fn begin_file(&mut self, path: &Path) {
        self.tally.begin_file(path);
    }

    fn kept(&mut self, place: Place, values: &[Value<'_>], row: &Tab, repairs: &[(usize, Repair)]) {
        self.tally.kept(place, values, repairs);
        self.ids.insert(row.tab_id.clone());
    }

    fn set_aside(&mut self, place: Place, values: &[Value<'_>], fault: &Fault) {
        self.tally.set_aside(place, values, fault);
    }
}
