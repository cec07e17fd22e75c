//! What `sinsang why` takes.

use clap::Args;
use sinsang_core::time::UnixMillis;

use super::Judging;
use super::value::time;
use crate::why::Surface;

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The listings: each by its code, SHOP:CODE, or the 16 hex digits of its product.
    #[arg(required = true, value_name = "LISTING")]
    pub(crate) listings: Vec<String>,
    /// Tell where the products stand for this user, and why: --input is then the folder of a snapshot, and SINSANG_USER_KEY has the secret that it was
    /// built with.
    #[arg(long, value_name = "USER")]
    pub(crate) viewer: Option<String>,
    /// The time that the surface is looked at, as RFC 3339 [default: --now, or the present].
    #[arg(long, value_name = "TIME", value_parser = time, requires = "viewer")]
    pub(crate) at: Option<UnixMillis>,
    /// The surface.
    #[arg(long, value_enum, default_value = "new", requires = "viewer")]
    pub(crate) surface: Surface,
    #[command(flatten)]
    pub(crate) judging: Judging,
}
