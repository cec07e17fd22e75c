//! Evaluation of an experiment: turns events into each variant's metrics, with intervals and
//! p-values that are valid at every look, and past events into how long an experiment must run.
//!
//! [`exposure`] reads events into one record per viewer, [`metric`] says what is measured of each,
//! [`sequence`] has the statistics, [`cuped`] takes away what history explains, [`guardrail`]
//! bounds losses, [`mod@report`] combines them, [`rule`] reports on a measured
//! rule, and [`plot`] draws the result. [`past`] follows the
//! viewers of past days, and [`mod@plan`] tells from them when an effect will be found.

pub mod cuped;
pub mod exposure;
pub mod guardrail;
pub mod line;
pub mod metric;
pub mod past;
pub mod plan;
pub mod plot;
pub mod report;
pub mod rule;
pub mod sequence;
pub mod size;

pub use exposure::{Intake, Viewers};
pub use guardrail::Guardrail;
pub use line::ReadError;
pub use metric::{Metric, REVENUE_CAP_WON};
pub use plan::{Plan, PlanSettings, plan};
pub use report::{Report, Settings, report};
pub use rule::{Finding, RuleReport, rule_report};
pub use size::Size;
