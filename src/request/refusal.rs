//! Refused requests.

use std::rc::Rc;

use crate::auth::{Refused, Unproven};

/// Why a request does not get its resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The path is unknown.
    NotFound,
    /// The board has no such product, or operators have hidden it.
    NoProduct,
    /// The product has become one with another, at this path.
    Moved(String),
    /// The board has no such channel.
    NoChannel,
    /// The path does not have the method.
    Method,
    /// A CORS preflight: the answer lists what other origins may send.
    Preflight,
    /// Path or query is longer than the limit.
    TooLong,
    /// The parameter, and its expected form.
    Parameter(String, String),
    /// The parameter needs the preview secret.
    PreviewOnly(&'static str),
    /// The cursor's snapshot, tastes or pulse are no longer kept.
    CursorGone,
    /// The snapshot that a preview chose is no longer kept.
    SnapshotGone,
    /// The token is refused.
    Token(Refused),
    /// There is no snapshot to answer from.
    NoData,
    /// One asker or one address has sent too many requests, or the address too many wrong preview
    /// secrets.
    TooMany,
    /// The request has a body.
    Body,
}

/// Why a request does not get its resource, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Refused for good: [`crate::reply`] answers it.
    Refused(Refusal),
    /// The viewer depends on an unchecked signature. The request is parsed again once it is proven.
    Unproven(Rc<Unproven>),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
