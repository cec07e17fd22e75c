//! Identity as a whole, and day by day.

mod corpus;
mod day;
mod resolve;
