//! Arguments of `sinsang why`.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::UnixMillis;

use super::Judging;
use super::value::time;

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The listings: a code, SHOP:CODE, or the 16 hex digits of a product each.
    #[arg(required = true, value_name = "LISTING")]
    pub(crate) listings: Vec<String>,
    /// Tell the products' places for this user, and why: --input is then a snapshot's folder, and
    /// SINSANG_USER_KEY holds the secret that the snapshot was built with.
    #[arg(long, value_name = "USER")]
    pub(crate) viewer: Option<String>,
    /// The time at which the user looks at the surface, as RFC 3339 [default: --now, or the
    /// present].
    #[arg(long, value_name = "TIME", value_parser = time, requires = "viewer")]
    pub(crate) at: Option<UnixMillis>,
    /// The surface to look at.
    #[arg(long, value_parser = surface(), default_value = "new", requires = "viewer")]
    pub(crate) surface: Surface,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// Parses the name of a surface that shows products.
fn surface() -> impl TypedValueParser<Value = Surface> {
    let names = PossibleValuesParser::new(Surface::of_products().map(Surface::as_str));
    names.try_map(|name| Surface::parse(&name).ok_or("not a surface"))
}
