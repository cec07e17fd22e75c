//! Rules on the columns and rows of any table.

use std::collections::BTreeMap;

use serde_json::json;
use sinsang_core::printable::grouped;

use super::finding::{Finding, Rule, Severity};
use super::tally::{Tally, is_loss};
use crate::check::Repair;
use crate::form::Form;
use crate::reject::share;
use crate::{Shape, TableReport, TooManyRejects};

/// Fewest rows from which a share of them is meaningful.
const ROWS_MIN: u64 = 20;
/// The share of a column's values dropped that is too large.
const DROPPED_SHARE: f64 = 0.5;
/// The share of a table's rows rejected that is suspicious, below a build's limit.
const SET_ASIDE_SHARE: f64 = 0.01;
/// The share of times in the rarer of two forms that is suspicious.
const MIXED_SHARE: f64 = 0.01;

/// Reasons that a finding names.
const NAMED_REASONS: usize = 3;

/// What looks wrong with the columns of the table described by `tally` and `report`.
pub(super) fn findings(tally: &Tally, report: &TableReport, refusal: Option<&TooManyRejects>) -> Vec<Finding> {
    let mut found = Vec::new();
    let table = report.table;
    let faults = || report.set_aside.iter().filter(|count| count.reason.is_fault());
    let named: Vec<String> = faults().take(NAMED_REASONS).map(ToString::to_string).collect();
    let named = named.join(", ");
    let part =
        |rows, of| format!("{} of {} rows are unusable ({:.1} %", grouped(rows), grouped(of), share(rows, of) * 100.0);
    if let Some(TooManyRejects { faults, rows, max_share, .. }) = refusal {
        let seen = format!("{}, limit {} %): {named}", part(*faults, *rows), max_share * 100.0);
        let numbers = json!({ "rows": faults, "of": rows, "most_share": max_share });
        found.push(Finding::new(table, Rule::TooManySetAside, seen, numbers));
    }
    let lost = faults().map(|count| count.rows).sum::<u64>().saturating_sub(report.public_faults);
    if refusal.is_none() && share(lost, report.rows) >= SET_ASIDE_SHARE {
        let seen = format!("{}): {named}", part(lost, report.rows));
        found.push(Finding::new(table, Rule::SetAside, seen, json!({ "rows": lost, "of": report.rows })));
    }
    for (file, rows) in &tally.barren {
        let seen = format!("no usable row out of {}", grouped(*rows));
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
        let seen = format!("{} of {} values are dropped: {}", grouped(dropped), grouped(all), ways.join(", "));
        let finding =
            Finding::new(report.table, Rule::MostlyDropped, seen, json!({ "dropped": dropped, "values": all }))
                .of(column.name);
        let main = losses.iter().max_by_key(|(_, rows)| *rows).map(|(repair, _)| *repair);
        found.push(match main {
            // Sources that write a placeholder have no value.
            Some(Repair::Placeholder) => finding.weighing(Severity::Note),
            Some(Repair::EndBeforeStart) => {
                finding.advising("write an end past midnight with the next day's date, or with an hour from 24 to 29")
            }
            Some(Repair::BelowPrice) => finding.advising("check whether price and list_price are swapped"),
            _ => finding,
        });
    }
}

/// Finds columns with times both with and without an offset.
fn mixed(tally: &Tally, report: &TableReport, found: &mut Vec<Finding>) {
    // The advice is the same for all columns, and given with the first.
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
            "nothing if times without an offset are Korean; if they are UTC, set the column's zone, such as --timezone {}.{first}=UTC",
            report.table
        );
        let numbers = json!({ "with_offset": with, "without_offset": without });
        found.push(Finding::new(report.table, Rule::MixedOffsets, seen, numbers).of(column.name).advising(advice));
    }
}
