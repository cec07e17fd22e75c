//! What is remembered of the table `tabs` while it is read.

use std::collections::BTreeSet;
use std::path::Path;

use super::tally::Tally;
use crate::check::{Repair, Table as _, Tabs};
use crate::intake::Observer;
use crate::table::Tab;
use crate::value::Value;
use crate::{Fault, Place};

/// Listens to the rows of `tabs`, of which the table itself has a cap.
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
    /// Whether a tab is in the bar.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Whether there is a tab at all.
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
