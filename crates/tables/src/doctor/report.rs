//! The doctor's report: the verdict first, then each finding, then the columns of each table.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use sinsang_core::printable::grouped;
use sinsang_core::time::UnixMillis;

use super::audience::Audience;
use super::bar::Bar;
use super::cap::Cap;
use super::column;
use super::day::{Days, day_text};
use super::finding::{Finding, Rule, Severity};
use super::schedule::Schedule;
use super::tally::{self, Example, Tally};
use crate::check::{Events, Repair, Table as _};
use crate::form::Form;
use crate::reject::Reason;
use crate::value::clean;
use crate::{TableReport, TooManyRejects};

/// Characters of an example in the text form; JSON has more.
const SHOWN_CHARS: usize = 28;
/// Findings of one rule that the text form spells out, and further ones that it names.
const TOLD: usize = 4;
const NAMED: usize = 12;

/// The findings in all tables.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst result.
    pub verdict: Verdict,
    /// The reference time, in RFC 3339 with +09:00.
    pub now: String,
    /// What looks wrong, worst first.
    pub findings: Vec<Finding>,
    /// The tables read.
    pub tables: Vec<TableCheck>,
    /// What could not be judged, and why.
    pub not_judged: Vec<String>,
}

/// The worst result of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing looks wrong.
    Well,
    /// Something looks wrong.
    Wrong,
    /// A build would fail.
    Refused,
}

/// The contents of one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableCheck {
    /// The outcome of reading it.
    #[serde(flatten)]
    pub rows: TableReport,
    /// The first and the last day of its rows, `2026-11-22`.
    pub days: Option<(String, String)>,
    /// Numbers of distinct shops, channels or users; users are estimated.
    pub counts: BTreeMap<&'static str, u64>,
    /// The columns, in the order of `docs/input.md`.
    pub columns: Vec<ColumnCheck>,
    /// Rejected rows by reason, each with its first example.
    pub rejects: Vec<SetAside>,
    /// Caps that were reached: whatever is beyond them is not judged.
    pub caps: Vec<Cap>,
}

/// The contents of one column.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnCheck {
    /// The column.
    pub column: &'static str,
    /// Its values by form, most common first.
    pub forms: Vec<FormReport>,
    /// Repairs to values of usable rows, each with its first example.
    pub repairs: Vec<Repaired>,
}

/// Values of one form.
#[derive(Clone, Debug, Serialize)]
pub struct FormReport {
    /// The form.
    pub form: Form,
    /// Number of values.
    pub values: u64,
    /// Up to three distinct examples. Letters and digits of user ids are masked.
    pub examples: Vec<String>,
}

/// Values with one kind of repair.
#[derive(Clone, Debug, Serialize)]
pub struct Repaired {
    /// The repair.
    pub repair: Repair,
    /// Number of rows.
    pub rows: u64,
    /// The first example.
    pub example: Option<Example>,
}

/// Rows rejected for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct SetAside {
    /// The field at fault; `null` if the whole row is.
    pub field: Option<&'static str>,
    /// The reason.
    pub reason: Reason,
    /// Number of rows.
    pub rows: u64,
    /// The first example.
    pub example: Option<Example>,
}

/// The result of reading a table as far as possible.
#[derive(Debug)]
pub struct Read {
    /// The outcome of its rows.
    pub report: TableReport,
    /// Why a build would refuse them.
    pub refusal: Option<TooManyRejects>,
    /// Errors of files that can't be read, or not to their end.
    pub errors: Vec<String>,
}

/// Collects findings, table by table.
#[derive(Debug)]
pub struct Check {
    now: UnixMillis,
    findings: Vec<Finding>,
    tables: Vec<TableCheck>,
    not_judged: Vec<String>,
}

impl Check {
    /// An empty check with the reference time `now`.
    pub fn new(now: UnixMillis) -> Self {
        Self { now, findings: Vec::new(), tables: Vec::new(), not_judged: Vec::new() }
    }

    /// Adds the table `broadcasts`, observed by `schedule`.
    pub fn broadcasts(&mut self, schedule: &mut Schedule, read: &Read) {
        let (shops, channels) = schedule.names();
        let counts = [("shops", shops as u64), ("channels", channels as u64)].into();
        let caps = schedule.caps();
        self.table(&mut schedule.tally, read, Some(&schedule.days), counts, caps);
        if read.report.kept == 0 && read.errors.is_empty() {
            let seen = format!("no usable row out of {}", grouped(read.report.rows));
            self.findings.push(Finding::new(
                read.report.table,
                Rule::NoRows,
                seen,
                json!({ "rows": read.report.rows }),
            ));
        }
        self.findings.extend(schedule.findings(&read.report));
        if !read.errors.is_empty() {
            let table = read.report.table;
            self.not_judged
                .push(format!("{table}: the unreadable rows; days and shops may be missing only because of them"));
        }
    }

    /// Adds the table `tabs`, observed by `bar`.
    pub fn tabs(&mut self, bar: &mut Bar, read: &Read) {
        self.table(&mut bar.tally, read, None, BTreeMap::new(), Vec::new());
    }

    /// Adds the table `events`, observed by `audience`.
    pub fn events(&mut self, audience: &mut Audience<'_>, read: &Read) {
        let counts = [("users", audience.users())].into();
        let caps = audience.caps();
        self.table(&mut audience.tally, read, Some(&audience.days), counts, caps);
        self.findings.extend(audience.findings());
        if let Some(why) = audience.not_joined() {
            self.not_judged.push(format!("{}: {why}", Events::NAME));
        }
    }

    /// Adds an unreadable `table` and its error.
    pub fn unreadable(&mut self, table: &'static str, error: &str) {
        self.findings.push(Finding::new(table, Rule::Unreadable, error.to_owned(), json!({})));
    }

    /// Adds a note about something that was not judged.
    pub fn not_judged(&mut self, what: String) {
        self.not_judged.push(what);
    }

    fn table(
        &mut self,
        tally: &mut Tally,
        read: &Read,
        days: Option<&Days>,
        counts: BTreeMap<&'static str, u64>,
        caps: Vec<Cap>,
    ) {
        tally.end_file();
        let table = read.report.table;
        for error in &read.errors {
            self.unreadable(table, error);
        }
        self.findings.extend(column::findings(tally, &read.report, read.refusal.as_ref()));
        let days = days.and_then(|days| Some((day_text(days.first()?), day_text(days.last(i64::MAX)?))));
        let columns = tally.columns.iter().zip(&tally.forms).enumerate();
        let columns = columns.map(|(place, (column, counts))| ColumnCheck {
            column: column.name,
            forms: forms(counts),
            repairs: repairs(tally, &read.report, place),
        });
        let rejects = read.report.set_aside.iter().map(|count| SetAside {
            field: count.field,
            reason: count.reason,
            rows: count.rows,
            example: tally.rejects.get(&(count.field, count.reason)).cloned(),
        });
        let (columns, rejects) = (columns.collect(), rejects.collect());
        self.tables.push(TableCheck { rows: read.report.clone(), days, counts, columns, rejects, caps });
    }

    /// Builds the report.
    pub fn finish(mut self) -> Report {
        self.findings.sort_by_key(|finding| finding.severity);
        let verdict = match self.findings.first().map(|finding| finding.severity) {
            Some(Severity::Refused) => Verdict::Refused,
            Some(Severity::Wrong) => Verdict::Wrong,
            Some(Severity::Note) | None => Verdict::Well,
        };
        let now = self.now.to_kst_rfc3339();
        Report { verdict, now, findings: self.findings, tables: self.tables, not_judged: self.not_judged }
    }
}

fn forms(counts: &[tally::FormCount]) -> Vec<FormReport> {
    let met = Form::ALL.iter().copied().zip(counts).filter(|(_, count)| count.values > 0);
    let mut forms: Vec<FormReport> =
        met.map(|(form, count)| FormReport { form, values: count.values, examples: count.examples.clone() }).collect();
    forms.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.form.cmp(&b.form)));
    forms
}

fn repairs(tally: &Tally, report: &TableReport, place: usize) -> Vec<Repaired> {
    let field = tally.columns.get(place).map(|column| column.name);
    let of_column = report.repaired.iter().filter(|count| Some(count.field) == field);
    let repaired = of_column.map(|count| Repaired {
        repair: count.repair,
        rows: count.rows,
        example: tally.repairs.get(&(place, count.repair)).cloned(),
    });
    repaired.collect()
}

/// A value in quotes, on one line.
fn shown(value: &str) -> String {
    let (value, _) = clean(value);
    match value.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(value) = &self.value {
            write!(f, "{} in ", shown(value))?;
        }
        let name =
            Path::new(&self.file).file_name().map_or(self.file.clone(), |name| name.to_string_lossy().into_owned());
        let (name, _) = clean(&name);
        match self.line {
            Some(line) => write!(f, "{name} line {line}"),
            None => write!(f, "{name} row {}", self.row),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (refused, wrong, notes) = (count(Severity::Refused), count(Severity::Wrong), count(Severity::Note));
        let rows = self.tables.iter().map(|table| format!("{} rows of {}", grouped(table.rows.rows), table.rows.table));
        let rows = rows.collect::<Vec<_>>().join(", ");
        let rows = if rows.is_empty() { "no table".to_owned() } else { rows };
        match (refused, wrong) {
            (0, 0) => write!(f, "Nothing looks wrong in {rows}")?,
            (0, wrong) => write!(f, "{} in {rows}", things(wrong, "looks", "look"))?,
            (refused, 0) => write!(f, "A build would fail for {} in {rows}", reasons(refused))?,
            (refused, wrong) => {
                write!(
                    f,
                    "A build would fail for {}, and {} in {rows}",
                    reasons(refused),
                    things(wrong, "looks", "look")
                )?;
            }
        }
        match notes {
            0 => writeln!(f, ".")?,
            1 => writeln!(f, "; one note.")?,
            notes => writeln!(f, "; {notes} notes.")?,
        }
        let mut left: &[Finding] = &self.findings;
        while let Some(first) = left.first() {
            let is_alike = |finding: &Finding| {
                (finding.severity, finding.rule, finding.table) == (first.severity, first.rule, first.table)
                    && finding.advice == first.advice
            };
            let alike = left.iter().take_while(|finding| is_alike(finding)).count();
            let (group, rest) = left.split_at(alike);
            tell(f, group)?;
            left = rest;
        }
        for table in &self.tables {
            write!(f, "\n{table}")?;
        }
        for (place, what) in self.not_judged.iter().enumerate() {
            let gap = if place == 0 { "\n" } else { "" };
            writeln!(f, "{gap}not judged: {what}")?;
        }
        Ok(())
    }
}

fn things(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("one thing {one} wrong") } else { format!("{count} things {many} wrong") }
}

fn reasons(count: usize) -> String {
    if count == 1 { "one reason".to_owned() } else { format!("{count} reasons") }
}

/// Writes the findings of one rule and one advice.
fn tell(f: &mut fmt::Formatter<'_>, group: &[Finding]) -> fmt::Result {
    let Some(first) = group.first() else { return Ok(()) };
    let label = match first.severity {
        Severity::Refused => "REFUSED",
        Severity::Wrong => "wrong  ",
        Severity::Note => "note   ",
    };
    write!(f, "\n{label} {}", first.table)?;
    for (place, finding) in group.iter().take(TOLD).enumerate() {
        if place > 0 {
            write!(f, "\n        also")?;
        }
        match &finding.subject {
            Some(subject) => write!(f, " {subject}: {}", finding.seen)?,
            None => write!(f, ": {}", finding.seen)?,
        }
    }
    if let Some(rest) = group.get(TOLD..).filter(|rest| !rest.is_empty()) {
        let names: Vec<&str> = rest.iter().take(NAMED).filter_map(|finding| finding.subject.as_deref()).collect();
        write!(f, "\n        and {} more", rest.len())?;
        if !names.is_empty() {
            write!(f, ": {}{}", names.join("; "), if rest.len() > NAMED { "; …" } else { "" })?;
        }
    }
    writeln!(f, "\n        why: {}\n        do:  {}", first.why, first.advice)
}

impl fmt::Display for TableCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TableReport { table, files, rows, kept, .. } = &self.rows;
        let files = if *files == 1 { "one file".to_owned() } else { format!("{files} files") };
        let used = if rows == kept { "all used".to_owned() } else { format!("{} used", grouped(*kept)) };
        write!(f, "{table}: {} rows in {files}, {used}", grouped(*rows))?;
        if let Some((first, last)) = &self.days {
            write!(f, "; {first} to {last}")?;
        }
        for (what, count) in &self.counts {
            write!(f, ", {} {what}", grouped(*count))?;
        }
        writeln!(f)?;
        for column in &self.columns {
            let forms: Vec<String> = column.forms.iter().map(ToString::to_string).collect();
            writeln!(f, "  {:<14}{}", column.column, forms.join("; "))?;
            if let Some(name) = self.rows.renamed.iter().find(|name| name.column == column.column) {
                writeln!(f, "    from {:?}", name.from)?;
            }
            for repaired in &column.repairs {
                write!(f, "    {}: {}", repaired.repair, grouped(repaired.rows))?;
                write_example(f, repaired.example.as_ref())?;
            }
        }
        for reject in &self.rejects {
            let field = reject.field.map(|field| format!("{field} ")).unwrap_or_default();
            write!(f, "  set aside, {field}{}: {}", reject.reason, grouped(reject.rows))?;
            write_example(f, reject.example.as_ref())?;
        }
        for cap in &self.caps {
            let Cap { of, most, rows_beyond, is_sampled } = cap;
            let (most, rows) = (grouped(*most as u64), grouped(*rows_beyond));
            if *is_sampled {
                writeln!(f, "  estimated from a sample of at most {most} {of}, out of {rows} rows")?;
            } else {
                writeln!(f, "  limited to {most} {of}; {rows} rows of others are not judged")?;
            }
        }
        Ok(())
    }
}

fn write_example(f: &mut fmt::Formatter<'_>, example: Option<&Example>) -> fmt::Result {
    match example {
        Some(example) => writeln!(f, ", first {example}"),
        None => writeln!(f),
    }
}

impl fmt::Display for FormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.form, grouped(self.values))?;
        if !self.examples.is_empty() {
            let examples: Vec<String> = self.examples.iter().map(|example| shown(example)).collect();
            let mut list = String::new();
            write!(list, " ({})", examples.join(", "))?;
            f.write_str(&list)?;
        }
        Ok(())
    }
}
