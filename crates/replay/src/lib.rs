//! Answers of the edge given again: the very bytes, from the snapshots, pulses and overlays that a
//! store keeps, and why each place was so.
//!
//! The edge is a state machine that says what to read ([`sinsang::serve`]). A replay hands it what
//! an isolate had at that time, with the clock of then, and so runs the edge's own code:
//!
//! 1. `candidate` finds what an isolate may have used then: what was newest, and what was newest
//!    until shortly before, since isolates look at the store once in a while.
//! 2. `past` reads those values, each once.
//! 3. `isolate` answers the request from one choice of them.
//! 4. `replay` takes the choice whose answer has the ETag that the app logged, or the most likely
//!    one, and reports what else was possible.
//!
//! Nothing is written, and nothing that was shown to a user who asked to be forgotten is replayed.

mod candidate;
mod error;
mod isolate;
mod past;
mod place;
mod question;
mod replay;
mod report;

pub use error::Error;
pub use place::Place;
pub use question::{Path, Question};
pub use replay::replay;
pub use report::{Choice, Possible, Report, Standing};
pub use sinsang::reply::Rung;
