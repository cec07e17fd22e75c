//! `sinsang rules`: checks and reports.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;
use sinsang_experiment::{RuleReport, exposure, rule_report};
use sinsang_pipeline::read::past_events;
use sinsang_pipeline::read::rules::{self, Rules};
use sinsang_pipeline::report;
use sinsang_pipeline::report::met::Met;
use sinsang_publish::snapshot::Snapshot;

use super::{NOT_WHOLE, Outcome, Surroundings, print, runtime};
use crate::arguments::{Arguments, Format, RulesCheck, RulesReport};

/// A checked rules file, and whom its rules would have met.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    check: rules::Check,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<Met>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.check)?;
        self.met.iter().try_for_each(|met| write!(f, "\n{met}"))
    }
}

/// Checks a rules file.
pub(super) fn check_rules(asked: &RulesCheck, arguments: &Arguments, surroundings: Surroundings) -> Outcome {
    let (rules, check) = rules::check(&asked.file)?;
    let mut met = None;
    if let Some(tables) = &asked.tables {
        let tables = past_events::Asked {
            tables: tables.clone(),
            user_key: (surroundings.user_key)(),
            until: (surroundings.clock)(),
            progress: arguments.progress(),
        };
        let snapshot = asked.snapshot.as_deref().map(Snapshot::at);
        met = Some(runtime()?.block_on(report::met::met(&rules, &tables, snapshot.as_ref()))?);
    }
    print(arguments.format, &Checked { check, met })?;
    Ok(ExitCode::SUCCESS)
}

/// Reports on several rules.
#[derive(Serialize)]
#[serde(transparent)]
struct Reports(Vec<RuleReport>);

impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, report) in self.0.iter().enumerate() {
            let gap = if place > 0 { "\n\n" } else { "" };
            write!(f, "{gap}{report}")?;
        }
        Ok(())
    }
}

/// Prints what measured rules did.
pub(super) fn of_rules(asked: &RulesReport, format: Format) -> Outcome {
    let mut measured = Rules::read(&asked.file)?.measured();
    let known: Vec<String> = measured.iter().map(|rule| format!("'{}'", rule.name)).collect();
    if let Some(name) = &asked.rule {
        measured.retain(|rule| rule.name == *name);
    }
    if measured.is_empty() {
        let file = asked.file.display();
        let message = match &asked.rule {
            Some(name) if !known.is_empty() => format!("{file} measures no rule '{name}', only {}", known.join(", ")),
            _ => format!("{file} measures no rule: give a directive or a floor `measure = 0.1`, build and publish"),
        };
        return Err(message.into());
    }
    let mut reports = Reports(Vec::new());
    let mut nothing = None;
    for rule in &measured {
        let (viewers, intake) = exposure::read(&asked.events, &rule.id, 0)?;
        nothing = nothing.or_else(|| intake.nothing(&rule.id));
        reports.0.push(rule_report(&rule.name, &viewers, intake, &asked.settings(rule)));
    }
    if let Some(nothing) = nothing.filter(|_| reports.0.iter().all(|one| one.report.intake.rows == 0)) {
        return Err(nothing.into());
    }
    print(format, &reports)?;
    let is_broken = reports.0.iter().any(|one| one.report.is_ratio_broken);
    Ok(if is_broken { ExitCode::from(NOT_WHOLE) } else { ExitCode::SUCCESS })
}
