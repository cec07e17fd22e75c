//! Arguments of `sinsang experiment`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use sinsang_experiment::{Guardrail, Metric, PlanSettings, REVENUE_CAP_WON, Size, plan, report};

use super::value::{amount, effect, level, power, traffic, variant};

#[derive(Debug, Subcommand)]
pub(crate) enum ExperimentCommand {
    /// Report each variant's rates, with intervals and p-values that hold at every look, the ratio
    /// of viewers, and novelty (docs/experiments.md).
    Report(ExperimentReport),
    /// Say how long an experiment must run for the smallest effect that matters, from past events
    /// (docs/experiments.md).
    Plan(ExperimentPlan),
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentReport {
    /// The experiment's name.
    pub(crate) experiment: String,
    /// Files of events, plain or gzipped NDJSON, or folders of them such as the table `events`.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,
    /// A variant and its share of traffic, such as fresh=0.5; the first is the control.
    #[arg(long = "variant", required = true, value_name = "NAME=SHARE", value_parser = variant)]
    pub(super) variants: Vec<(String, f64)>,
    /// Viewers, in a variant and the control together, at which the intervals are narrowest.
    #[arg(long, value_name = "N", default_value_t = 20_000.0, value_parser = amount)]
    pub(super) planned: f64,
    /// The significance level: the share of experiments without a difference that may come out
    /// significant at any look.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = level)]
    pub(super) alpha: f64,
    /// Include devices besides signed-in viewers. Anybody who invents devices can then decide the
    /// result.
    #[arg(long)]
    pub(super) devices: bool,
    /// The most that one viewer's revenue counts, in won.
    #[arg(long, value_name = "WON", default_value_t = REVENUE_CAP_WON, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) cap_revenue: u32,
    /// Days before a viewer's first exposure whose events adjust the metrics; 0 adjusts nothing.
    #[arg(long, value_name = "DAYS", default_value_t = report::BEFORE_DAYS, value_parser = clap::value_parser!(u32).range(0..=366))]
    pub(crate) before: u32,
    /// The most that a variant may take from a metric, such as 'clicked>=-2%' of the control's
    /// value or 'bought>=-0.005'. A broken one gives exit code 3.
    #[arg(long = "guardrail", value_name = "METRIC>=BOUND")]
    pub(super) guardrails: Vec<Guardrail>,
    /// Write a picture of the report, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

impl ExperimentReport {
    /// # Errors
    /// If the variants are not a control and others, each named once.
    pub(crate) fn settings(&self) -> Result<sinsang_experiment::Settings, String> {
        distinct(&self.variants)?;
        if self.variants.len() < 2 {
            return Err("name the control and at least one other variant with --variant".to_owned());
        }
        Ok(sinsang_experiment::Settings {
            experiment: self.experiment.clone(),
            variants: self.variants.clone(),
            planned: self.planned,
            alpha: self.alpha,
            devices: self.devices,
            cap_won: self.cap_revenue,
            before_days: self.before,
            guardrails: self.guardrails.clone(),
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentPlan {
    /// Files of past events, plain or gzipped NDJSON, or folders of them such as the table
    /// `events`.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,
    /// The metric that decides: clicked, alarm, bought, clicks or revenue.
    #[arg(long, default_value = Metric::Clicked.id(), value_parser = Metric::parse)]
    pub(super) metric: Metric,
    /// The smallest effect that matters: a share of the past's mean, such as 2%, or a number in the
    /// metric's unit, such as 0.005, which counts as that share.
    #[arg(long, value_name = "SIZE", value_parser = effect)]
    pub(super) effect: Size,
    /// The share of experiments that find the effect by then.
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = power)]
    pub(super) power: f64,
    /// The significance level of the report.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = level)]
    pub(super) alpha: f64,
    /// A variant and its share, such as fresh=0.5; the first is the control. Without any, two
    /// halves.
    #[arg(long = "variant", value_name = "NAME=SHARE", value_parser = variant)]
    pub(super) variants: Vec<(String, f64)>,
    /// The share of all viewers who are in the experiment.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = traffic)]
    pub(super) traffic: f64,
    /// The report's --planned; by default, what the plan advises.
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(super) planned: Option<f64>,
    /// Include devices besides signed-in viewers, as the report will.
    #[arg(long)]
    pub(super) devices: bool,
    /// The most that one viewer's revenue counts, in won.
    #[arg(long, value_name = "WON", default_value_t = REVENUE_CAP_WON, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) cap_revenue: u32,
    /// Days before the last event that count as the past.
    #[arg(long, value_name = "DAYS", default_value_t = plan::PAST_DAYS, value_parser = clap::value_parser!(u32).range(2..=366))]
    pub(super) past: u32,
}

impl ExperimentPlan {
    /// # Errors
    /// If two variants have one name.
    pub(crate) fn settings(&self) -> Result<PlanSettings, String> {
        distinct(&self.variants)?;
        let halves = || [("control".to_owned(), 0.5), ("variant".to_owned(), 0.5)].into();
        Ok(PlanSettings {
            metric: self.metric,
            effect: self.effect,
            power: self.power,
            alpha: self.alpha,
            variants: if self.variants.is_empty() { halves() } else { self.variants.clone() },
            traffic: self.traffic,
            planned: self.planned,
            devices: self.devices,
            cap_won: self.cap_revenue,
            past_days: self.past,
        })
    }
}

fn distinct(variants: &[(String, f64)]) -> Result<(), String> {
    let twice = variants.iter().enumerate().find(|(at, (name, _))| variants.iter().take(*at).any(|one| one.0 == *name));
    twice.map_or(Ok(()), |(_, (name, _))| Err(format!("variant {name} is named twice")))
}
