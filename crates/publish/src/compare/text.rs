//! A comparison as text for a terminal. Lists are cut, and say how many they leave out.

use std::fmt;

use sinsang_core::printable::grouped;

use super::{CompareReport, word};
use crate::comparison::{Cause, Comparison, FIRST, Movement};
use crate::hindsight::Hindsight;

/// The most shops listed.
const SHOPS: usize = 8;
/// The most newcomers, and the most leavers, listed.
const MOVEMENTS: usize = 4;

impl fmt::Display for CompareReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refusal, comparison, hindsight } = self;
        if refusal.is_empty() {
            writeln!(f, "publish would accept it")?;
        } else {
            writeln!(f, "publish would refuse it:\n{refusal}")?;
        }
        let (before, next) = (&comparison.before.snapshot, &comparison.next.snapshot);
        writeln!(f, "\nsnapshot {before} → {next}, both ranked at {}", comparison.at)?;
        for (name, [before, next]) in word::sizes(comparison) {
            let arrow = if before == next { String::new() } else { format!(" → {next}") };
            writeln!(f, "  {name:<20} {before}{arrow}")?;
        }
        shops(f, comparison)?;
        writeln!(f, "  {}", word::turns(comparison))?;
        movements(f, "come to the tab new", &comparison.newcomers)?;
        movements(f, "leave it", &comparison.leavers)?;
        churn(f, comparison)?;
        match hindsight {
            None => write!(f, "\nhindsight: {}", word::NO_HINDSIGHT),
            Some(hindsight) => of_hindsight(f, hindsight),
        }
    }
}

fn shops(f: &mut fmt::Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    writeln!(
        f,
        "\n{:>15} {:>15} {:>15} {:>15}  verdicts of the whole board, by shop",
        "products", "new", "repeat", "unknown"
    )?;
    let all = [&comparison.before, &comparison.next].map(word::total);
    let rows = word::shops(comparison);
    let left_out = rows.len().saturating_sub(SHOPS);
    for (shop, [before, next]) in std::iter::once(("all", all)).chain(rows.into_iter().take(SHOPS)) {
        let [products, new, repeat, unknown] = word::counts(before, next);
        writeln!(f, "{products:>15} {new:>15} {repeat:>15} {unknown:>15}  {shop}")?;
    }
    if left_out > 0 { writeln!(f, "  … {left_out} more shops (--format json has all)") } else { Ok(()) }
}

fn movements(f: &mut fmt::Formatter<'_>, what: &str, movements: &[Movement]) -> fmt::Result {
    let causes = word::causes(movements);
    let colon = if causes.is_empty() { "" } else { ": " };
    writeln!(f, "\n{} {what}{colon}{causes}", grouped(movements.len() as u64))?;
    for movement in movements.iter().take(MOVEMENTS) {
        let Movement { title, shop, channel, first_starts_at, .. } = movement;
        writeln!(f, "  {} {shop} · {channel} · {title}", word::minute(*first_starts_at))?;
        if movement.cause == Cause::Over {
            continue;
        }
        let told = [("was", &movement.before), ("is", &movement.next)];
        let told = told.iter().filter_map(|(when, verdict)| Some((when, verdict.as_ref()?)));
        let told: Vec<String> = told.map(|(when, verdict)| format!("{when} {}", word::verdict(verdict))).collect();
        writeln!(f, "      {}", told.join(" → "))?;
    }
    let left_out = movements.len().saturating_sub(MOVEMENTS);
    if left_out > 0 { writeln!(f, "  … {left_out} more (--format json has all)") } else { Ok(()) }
}

fn churn(f: &mut fmt::Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    let churn = &comparison.churn;
    writeln!(f, "\nchurn of the first {FIRST} places of new, for {} drawn viewers with tastes", churn.viewers)?;
    let [before, next] = churn.listed;
    if before == 0 && next == 0 {
        writeln!(f, "  neither lists anything at that moment: choose another with --at")?;
    }
    if churn.viewers > 0 {
        writeln!(f, "  other products: {}", word::distribution(&churn.changed))?;
        writeln!(f, "  among products of both lists: {}", word::distribution(&churn.reordered))?;
    }
    let [changed, reordered] = [churn.shared_changed, churn.shared_reordered].map(word::percent);
    writeln!(f, "  shared order: {changed} other products, {reordered} among products of both lists")
}

fn of_hindsight(f: &mut fmt::Formatter<'_>, hindsight: &Hindsight) -> fmt::Result {
    let Hindsight { since, until, first_new, first_live, before, next } = hindsight;
    let (new, live) = (next.new.deeds, next.live.deeds);
    writeln!(f, "\nhindsight: {new} actions on products of new and {live} of live, {since} to {until}")?;
    if new + live == 0 {
        return write!(f, "  {}", word::NO_ACTIONS);
    }
    for (name, judgement) in [("before", before), ("next", next)] {
        writeln!(f, "  {name:<6} new   {}", word::ranks(&judgement.new, *first_new))?;
        writeln!(f, "         live  {}", word::ranks(&judgement.live, *first_live))?;
    }
    let [of_before, of_next] = [before, next].map(|one| word::percent(one.learned));
    write!(f, "  {}: {of_before} of these for before, {of_next} for next", word::LEARNED)
}
