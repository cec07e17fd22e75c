//! Reports, and how often they cry wolf.

mod level;
mod report;
