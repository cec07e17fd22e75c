//! Integration tests of reports and plans: how they read events, and on generated experiments whose
//! truth is known, how often they cry wolf and how often they see one.

mod aa;
mod guardrail;
mod level;
mod power;
mod report;
mod rule;
mod world;
