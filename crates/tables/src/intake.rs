//! The intake of a table's rows: each is checked and counted, then passed on or rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinsang_core::time::UnixMillis;

use crate::check::{Fields, Refusal, Repair, Table};
use crate::column::shown;
use crate::doctor::finding::Finding;
use crate::reject::{Limit, Reason, ReasonCount, Reject, RejectsFile, Tally};
use crate::value::{Value, Zone};
use crate::zones::Zones;
use crate::{Error, MAX_COLUMNS, TooManyRejects};

/// Reasons named in an error about too many rejects.
const NAMED_REASONS: usize = 3;
/// Fewest rows of the operator's own, beside the public's, from which a share of them is
/// meaningful.
const FEW_ROWS: u64 = 50;
/// Shops whose damaged rows are counted separately.
pub const NAMED_SHOPS: usize = 200;

/// How many rows had one repair to one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairCount {
    /// The field.
    pub field: &'static str,
    /// The repair.
    pub repair: Repair,
    /// Number of rows.
    pub rows: u64,
}

/// A column with another name in a file than in `docs/input.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// The column.
    pub column: &'static str,
    /// Its name in the file.
    pub from: String,
}

/// The outcome of reading a table.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: &'static str,
    /// Files read.
    pub files: usize,
    /// Rows read.
    pub rows: u64,
    /// Usable rows.
    pub kept: u64,
    /// Columns with another name.
    pub renamed: Vec<Renamed>,
    /// Rejected rows by field and reason, most frequent first.
    pub set_aside: Vec<ReasonCount>,
    /// Damaged rows that the public sent, which count towards no limit.
    pub public_faults: u64,
    /// Damaged rows of the operator's own, by the shop, or else the channel, that they name; "" if
    /// they name none or can't be parsed. Beyond [`NAMED_SHOPS`] names, rows with further names
    /// count under "".
    pub set_aside_by_shop: BTreeMap<String, u64>,
    /// Repairs to the kept rows by field.
    pub repaired: Vec<RepairCount>,
    /// Path of the rejects file, if any rows were written.
    pub rejects: Option<PathBuf>,
    /// Warnings about the table as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Finding>,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        write!(f, "{}: {} rows in {} {files}, {} kept", self.table, self.rows, self.files, self.kept)?;
        if !self.renamed.is_empty() {
            let names: Vec<String> =
                self.renamed.iter().map(|name| format!("{} from \"{}\"", name.column, name.from)).collect();
            write!(f, "\n  columns read under another name: {}", names.join(", "))?;
        }
        if !self.set_aside.is_empty() {
            let reasons: Vec<String> = self.set_aside.iter().map(ToString::to_string).collect();
            write!(f, "\n  set aside {}: {}", self.rows - self.kept, reasons.join(", "))?;
            if let Some(path) = &self.rejects {
                write!(f, "; see {}", path.display())?;
            }
            if self.public_faults > 0 {
                write!(f, "\n  warning: {} of these are unusable events sent by apps", self.public_faults)?;
            }
        }
        if !self.repaired.is_empty() {
            let repairs: Vec<String> = self
                .repaired
                .iter()
                .map(|count| format!("{} {} ({})", count.field, count.repair, count.rows))
                .collect();
            write!(f, "\n  repaired: {}", repairs.join(", "))?;
        }
        for Finding { subject, seen, advice, .. } in &self.warnings {
            write!(f, "\n  warning: {}: {seen}; {advice}", subject.as_deref().unwrap_or(self.table))?;
        }
        Ok(())
    }
}

/// The place of a row in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Row number from 1, not counting a CSV header.
    pub row: u64,
    /// The line on which a text row begins, from 1.
    pub line: Option<u64>,
}

/// Why a row can't be parsed into fields.
pub struct Fault {
    /// The field at fault; `None` if the whole row is.
    pub field: Option<&'static str>,
    /// The reason.
    pub reason: Reason,
    /// Further detail, if any.
    pub detail: Option<String>,
    /// The value at fault, or its start.
    pub value: Option<String>,
}

/// A consumer of a file's rows, in the order of reading.
pub trait Rows {
    /// Takes a row, with its fields in the order of the table's columns.
    ///
    /// # Errors
    /// If the consumer can't continue.
    fn row(&mut self, place: Place, values: &[Value<'_>]) -> Result<(), Error>;

    /// Takes a row that can't be parsed.
    ///
    /// # Errors
    /// If the consumer can't continue.
    fn fault(&mut self, place: Place, fault: Fault) -> Result<(), Error>;

    /// Records that the current file has `column` under another name.
    fn renamed(&mut self, column: &'static str, from: &str);
}

/// An observer of each row's outcome, beside the consumer. `()` observes nothing at no cost, as in
/// a build.
pub trait Observer<R> {
    /// Begins the rows of the file `path`.
    fn begin_file(&mut self, _path: &Path) {}

    /// A usable row, as its file had it and as it was typed.
    fn kept(&mut self, _place: Place, _values: &[Value<'_>], _row: &R, _repairs: &[(usize, Repair)]) {}

    /// A rejected row; without values if it can't be parsed.
    fn set_aside(&mut self, _place: Place, _values: &[Value<'_>], _fault: &Fault) {}
}

impl<R> Observer<R> for () {}

impl<R, O: Observer<R>> Observer<R> for &mut O {
    fn begin_file(&mut self, path: &Path) {
        (**self).begin_file(path);
    }

    fn kept(&mut self, place: Place, values: &[Value<'_>], row: &R, repairs: &[(usize, Repair)]) {
        (**self).kept(place, values, row, repairs);
    }

    fn set_aside(&mut self, place: Place, values: &[Value<'_>], fault: &Fault) {
        (**self).set_aside(place, values, fault);
    }
}

/// Checks the rows of a table, passes the usable ones on and rejects the others.
pub struct Intake<'i, T: Table, O = ()> {
    table: T,
    observer: O,
    now: UnixMillis,
    zones: [Option<Zone>; MAX_COLUMNS],
    keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
    rejects: &'i mut RejectsFile,
    file: String,
    files: usize,
    rows: u64,
    tally: Tally,
    /// Rows that can't be parsed, so nobody can tell whether the operator or the public sent them.
    torn: u64,
    /// Rows that the public sent, and the damaged ones among them.
    public_rows: u64,
    public_faults: u64,
    shops: BTreeMap<String, u64>,
    /// Repairs of the current row, by position of the column.
    repairs: Vec<(usize, Repair)>,
    repaired: BTreeMap<(usize, Repair), u64>,
    renamed: BTreeSet<(&'static str, String)>,
}

impl<'i, T: Table> Intake<'i, T> {
    /// Usable rows go to `keep`, rejected ones to `rejects`. `now` is the time of the run; `zones`
    /// has the zones of times without an offset.
    pub fn new(
        table: T,
        now: UnixMillis,
        zones: &Zones,
        rejects: &'i mut RejectsFile,
        keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
    ) -> Self {
        Self::observed(table, now, zones, rejects, keep, ())
    }
}

impl<'i, T: Table, O: Observer<T::Row>> Intake<'i, T, O> {
    /// As [`Intake::new`], with an `observer` of every row.
    pub fn observed(
        table: T,
        now: UnixMillis,
        zones: &Zones,
        rejects: &'i mut RejectsFile,
        keep: &'i mut dyn FnMut(T::Row) -> Result<(), Error>,
        observer: O,
    ) -> Self {
        Self {
            table,
            observer,
            now,
            zones: zones.of::<T>(),
            keep,
            rejects,
            file: String::new(),
            files: 0,
            rows: 0,
            tally: Tally::default(),
            torn: 0,
            public_rows: 0,
            public_faults: 0,
            shops: BTreeMap::new(),
            repairs: Vec::new(),
            repaired: BTreeMap::new(),
            renamed: BTreeSet::new(),
        }
    }

    /// Begins the rows of the file `path`.
    pub fn begin_file(&mut self, path: &Path) {
        self.file = path.display().to_string();
        self.files += 1;
        self.observer.begin_file(path);
    }

    /// Why a build refuses the rows so far, if more are unusable than `limit` allows. Faulty rows
    /// of the public are rejected, counted and reported; only the operator's own can fail a build.
    pub fn refusal(&self, limit: Limit) -> Option<TooManyRejects> {
        let limits = self.judged();
        let (faults, rows) = limits.into_iter().find(|&(faults, rows)| limit.is_passed(faults, rows))?;
        let mut commonest = self.tally.commonest();
        commonest.retain(|count| count.reason.is_fault());
        commonest.truncate(NAMED_REASONS);
        let rejects = self.report().rejects;
        Some(TooManyRejects { table: T::NAME, faults, rows, max_share: limit.max_share, commonest, rejects })
    }

    /// The counts that a limit judges: pairs of damaged rows and all rows. The public's rows never
    /// fail a table. The operator's own do, however many good rows of the public surround them.
    /// Rows whose sender is unknown are judged against all rows, as are the operator's if there are
    /// few: one cut line among a million of the public's is not a damaged table, and neither are a
    /// few rows made by hand.
    fn judged(&self) -> [(u64, u64); 2] {
        let faults = self.tally.faults().saturating_sub(self.public_faults);
        let own = self.rows.saturating_sub(self.public_rows + self.torn);
        let own_faults = faults.saturating_sub(self.torn);
        [(own_faults, if own < FEW_ROWS { self.rows } else { own }), (faults, self.rows)]
    }

    /// Ends the table, and reports its outcome.
    ///
    /// # Errors
    /// [`Error::TooManyRejects`] if more than `limit` allows was rejected; [`Error::Rejects`] if
    /// the rejects file can't be written.
    pub fn finish(self, limit: Limit) -> Result<TableReport, Error> {
        self.rejects.flush()?;
        match self.refusal(limit) {
            Some(refusal) => Err(Error::TooManyRejects(Box::new(refusal))),
            None => Ok(self.report()),
        }
    }
}

impl<T: Table, O: Observer<T::Row>> Intake<'_, T, O> {
    fn set_aside(&mut self, place: Place, fault: Fault) -> Result<(), Error> {
        let nth = self.tally.add(fault.field, fault.reason);
        let reject = Reject {
            table: T::NAME,
            file: &self.file,
            row: place.row,
            line: place.line,
            field: fault.field,
            reason: fault.reason,
            detail: fault.detail,
            value: fault.value,
        };
        Ok(self.rejects.write(&reject, nth)?)
    }

    /// Counts an unusable row for the shop, or else the channel, that it names.
    fn blame(&mut self, reason: Reason, values: &[Value<'_>]) {
        let named = |wanted: &str| {
            let column = T::COLUMNS.iter().position(|column| column.name == wanted)?;
            values.get(column).and_then(Value::excerpt)
        };
        if !reason.is_fault() || !T::COLUMNS.iter().any(|column| column.name == "shop") {
            return;
        }
        let shop = named("shop").or_else(|| named("channel")).unwrap_or_default();
        let is_counted = self.shops.len() < NAMED_SHOPS || self.shops.contains_key(&shop);
        *self.shops.entry(if is_counted { shop } else { String::new() }).or_default() += 1;
    }

    fn report(&self) -> TableReport {
        let repaired = self.repaired.iter().filter_map(|(&(column, repair), &rows)| {
            Some(RepairCount { field: T::COLUMNS.get(column)?.name, repair, rows })
        });
        TableReport {
            table: T::NAME,
            files: self.files,
            rows: self.rows,
            kept: self.rows - self.tally.rows(),
            renamed: self.renamed.iter().map(|(column, from)| Renamed { column, from: from.clone() }).collect(),
            set_aside: self.tally.commonest(),
            public_faults: self.public_faults,
            set_aside_by_shop: self.shops.clone(),
            repaired: repaired.collect(),
            rejects: self.rejects.written_path().filter(|_| self.tally.rows() > 0).map(Path::to_path_buf),
            warnings: Vec::new(),
        }
    }
}

impl<T: Table, O: Observer<T::Row>> Rows for Intake<'_, T, O> {
    fn row(&mut self, place: Place, values: &[Value<'_>]) -> Result<(), Error> {
        self.rows += 1;
        let is_public = T::is_public(values);
        self.public_rows += u64::from(is_public);
        let not_utf8 = values.iter().position(|value| matches!(value, Value::NotUtf8(_)));
        self.repairs.clear();
        let checked = match not_utf8 {
            Some(column) => Err(Refusal { column: Some(column), reason: Reason::NotUtf8 }),
            None => self.table.check(&mut Fields::new(values, &self.zones, &mut self.repairs, self.now)),
        };
        match checked {
            Ok(row) => {
                let decoded = |(column, value): (usize, &Value<'_>)| {
                    matches!(value, Value::Decoded(_)).then_some((column, Repair::Decoded))
                };
                self.repairs.extend(values.iter().enumerate().filter_map(decoded));
                for repair in &self.repairs {
                    *self.repaired.entry(*repair).or_default() += 1;
                }
                self.observer.kept(place, values, &row, &self.repairs);
                (self.keep)(row)
            }
            Err(refusal) => {
                if is_public {
                    self.public_faults += u64::from(refusal.reason.is_fault());
                } else {
                    self.blame(refusal.reason, values);
                }
                let field = refusal.column.and_then(|column| T::COLUMNS.get(column)).map(|column| column.name);
                let value = refusal.column.and_then(|column| values.get(column)).and_then(Value::excerpt);
                let fault = Fault { field, reason: refusal.reason, detail: None, value };
                self.observer.set_aside(place, values, &fault);
                self.set_aside(place, fault)
            }
        }
    }

    fn fault(&mut self, place: Place, fault: Fault) -> Result<(), Error> {
        self.rows += 1;
        self.torn += 1;
        self.blame(fault.reason, &[]);
        self.observer.set_aside(place, &[], &fault);
        self.set_aside(place, fault)
    }

    fn renamed(&mut self, column: &'static str, from: &str) {
        self.renamed.insert((column, shown(from)));
    }
}
