//! What looks wrong with a table's columns and rows, whichever table it is.

use std::collections::BTreeMap;

use serde_json::json;
use sinsang_core::printable::grouped;

use super::finding::{Finding, Rule, Severity};
use super::tally::{Tally, is_loss};
use crate::check::Repair;
use crate::form::Form;
use crate::reject::share;
use crate::{Shape, TableReport, TooManyRejects};

/// Rows from which on a share of them says something.
const ROWS_MIN: u64 = 20;
/// The share of a column's values that are dropped.
const DROPPED_SHARE: f64 = 0.5;
/// The share of a table's rows that are set aside, below what a build refuses.
const SET_ASIDE_SHARE: f64 = 0.01;
/// The share of times in the rarer of two forms.
const MIXED_SHARE: f64 = 0.01;

/// Reasons that a finding names.
const NAMED_REASONS: usize = 3;

/// What looks wrong with the columns of the table that `tally` and `report` are of.
pub(super) fn findings(tally: &Tally, report: &TableReport, refusal: Option<&TooManyRejects>) -> Vec<Finding> {
    let mut found = Vec::new();
    let table = report.table;
    let faults = || report.set_aside.iter().filter(|count| count.reason.is_fault());
    let named: Vec<String> = faults().take(NAMED_REASONS).map(ToString::to_string).collect();
    let named = named.join(", ");
    let part =
        |rows, of| format!("{} of {} rows can't be used ({:.1} %", grouped(rows), grouped(of), share(rows, of) * 100.0);
    if let Some(TooManyRejects { faults, rows, max_share, .. }) = refusal {
        let seen = format!("{}, at most {} % may be): {named}", part(*faults, *rows), max_share * 100.0);
        let numbers = json!({ "rows": faults, "of": rows, "most_share": max_share });
        found.push(Finding::new(table, Rule::TooManySetAside, seen, numbers));
    }
    let lost = faults().map(|count| count.rows).sum::<u64>().saturating_sub(report.public_faults);
    if refusal.is_none() && share(lost, report.rows) >= SET_ASIDE_SHARE {
        let seen = format!("{}): {named}", part(lost, report.rows));
        found.push(Finding::new(table, Rule::SetAside, seen, json!({ "rows": lost, "of": report.rows })));
    }
    for (file, rows) in &tally.barren {
        let seen = format!("none of its {} rows can be used", grouped(*rows));
        found.push(Finding::new(table, Rule::BarrenFile, seen, json!({ "rows": rows })).of(file.as_str()));
    }
    dropped(tally, report, &mut found);
    mixed(tally, report, &mut found);
    let empty = tally.columns.iter().zip(&tally.forms).filter(|(_, counts)| filled(*counts) == 0);
    let empty: Vec<&str> = empty.map(|(column, _)| column.name).collect();
    if report.rows > 0 && !empty.is_empty() {
        let seen = format!("no row has {}", empty.join(", "));
        found.push(Finding::new(table, Rule::NeverFilled, seen, json!({ "columns": empty })));
    }
    found
}

fn filled(counts: &[super::tally::FormCount]) -> u64 {
    Form::ALL.iter().zip(counts).filter(|(form, _)| form.is_value()).map(|(_, count)| count.values).sum()
}

fn dropped(tally: &Tally, report: &TableReport, found: &mut Vec<Finding>) {
    let mut losses: BTreeMap<&str, Vec<(Repair, u64)>> = BTreeMap::new();
    for count in report.repaired.iter().filter(|count| is_loss(count.repair)) {
        losses.entry(count.field).or_default().push((count.repair, count.rows));
    }
    for (column, counts) in tally.columns.iter().zip(&tally.forms) {
        let Some(losses) = losses.get(column.name) else { continue };
        let dropped: u64 = losses.iter().map(|(_, rows)| rows).sum();
        let all = filled(counts).max(dropped);
        if all < ROWS_MIN || share(dropped, all) < DROPPED_SHARE {
            continue;
        }
        let ways: Vec<String> = losses.iter().map(|(repair, rows)| format!("{repair} ({})", grouped(*rows))).collect();
        let seen = format!("{} of {} values are lost: {}", grouped(dropped), grouped(all), ways.join(", "));
        let finding =
            Finding::new(report.table, Rule::MostlyDropped, seen, json!({ "dropped": dropped, "values": all }))
                .of(column.name);
        let main = losses.iter().max_by_key(|(_, rows)| *rows).map(|(repair, _)| *repair);
        found.push(match main {
            // Sources that write a word where they have nothing have nothing.
            Some(Repair::Placeholder) => finding.weighing(Severity::Note),
            Some(Repair::EndBeforeStart) => {
                finding.advising("give an end past midnight the next day's date, or an hour from 24 to 29")
            }
            Some(Repair::BelowPrice) => finding.advising("look whether price and list_price are the wrong way round"),
            _ => finding,
        });
    }
}

/// Times of one column with and without an offset.
fn mixed(tally: &Tally, report: &TableReport, found: &mut Vec<Finding>) {
    // Advised of all alike, by the first.
    let mut first = None;
    for (column, counts) in tally.columns.iter().zip(&tally.forms).filter(|(column, _)| column.shape == Shape::Time) {
        let of = |form: Form| counts.get(form as usize).map_or(0, |count| count.values);
        let with = of(Form::TimeWithOffset) + of(Form::Timestamp);
        let without = of(Form::TimeWithoutOffset);
        let rarer = with.min(without);
        if rarer == 0 || share(rarer, with + without) < MIXED_SHARE {
            continue;
        }
        let seen = format!("{} times have an offset and {} have none", grouped(with), grouped(without));
        let first = first.get_or_insert(column.name);
        let advice = format!(
            "nothing, if those without are Korean time; if they are UTC, name the zone of the column, such as --timezone {}.{first}=UTC",
            report.table
        );
        let numbers = json!({ "with_offset": with, "without_offset": without });
        found.push(Finding::new(report.table, Rule::MixedOffsets, seen, numbers).of(column.name).advising(advice));
    }
}
