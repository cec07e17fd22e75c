//! Arguments of `sinsang rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sinsang_experiment::REVENUE_CAP_WON;
use sinsang_pipeline::read::rules::{Measured, WITH, WITHOUT};

use super::value::{amount, level};

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check a rules file: errors with line and column, and contradictory directives; with tables,
    /// also how many viewers of the last week each audience, directive and experiment would have
    /// met.
    Check(RulesCheck),
    /// Report what measured rules did: exposures, clicks, alarms and purchases of viewers with and
    /// without each directive or floor that has `measure` (docs/experiments.md).
    Report(RulesReport),
}

#[derive(Debug, Args)]
pub(crate) struct RulesCheck {
    /// The rules file.
    pub(crate) file: PathBuf,
    /// The folder of a build's tables, whose events tell the viewers of the last week.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) tables: Option<PathBuf>,
    /// The folder of a snapshot, whose tastes tell newcomers and what viewers lean to.
    #[arg(long, value_name = "FOLDER", requires = "tables")]
    pub(crate) snapshot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RulesReport {
    /// The rules file.
    pub(crate) file: PathBuf,
    /// The name of a directive, or `floor` and the shop [default: all that are measured].
    pub(crate) rule: Option<String>,
    /// Files of events, plain or gzipped NDJSON, or folders of them such as the table `events`.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,
    /// Viewers at which the intervals are narrowest; below it, no difference counts as too early to
    /// tell.
    #[arg(long, value_name = "N", default_value_t = 20_000.0, value_parser = amount)]
    planned: f64,
    /// The significance level: the share of rules without an effect that may seem to have one at
    /// any look.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = level)]
    alpha: f64,
    /// Include devices besides signed-in viewers. Anybody who invents devices can then decide the
    /// result.
    #[arg(long)]
    devices: bool,
}

impl RulesReport {
    /// The settings of the report on `rule`; the control goes without it.
    pub(crate) fn settings(&self, rule: &Measured) -> sinsang_experiment::Settings {
        let variants = vec![(WITHOUT.to_owned(), rule.share), (WITH.to_owned(), 1.0 - rule.share)];
        sinsang_experiment::Settings {
            experiment: rule.id.clone(),
            variants,
            planned: self.planned,
            alpha: self.alpha,
            devices: self.devices,
            cap_won: REVENUE_CAP_WON,
            before_days: 0,
            guardrails: Vec::new(),
        }
    }
}
