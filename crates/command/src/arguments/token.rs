//! The arguments of `sinsang token`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use sinsang::auth::DEFAULT_MAX_LIFE_S;

/// The most hours of a token: what the edge accepts where nothing else is configured.
const MOST_HOURS: i64 = DEFAULT_MAX_LIFE_S / 3600;

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The viewer whom the token names, by the app's id, as in the table `events`.
    #[arg(long, value_name = "USER")]
    pub(crate) viewer: String,
    /// Hours until the token expires.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = value_parser!(i64).range(1..=MOST_HOURS))]
    pub(crate) hours: i64,
    /// The Worker's JWT_AUDIENCE [default: that of --dev-vars, or sinsang].
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
    /// Sign with the JWT_HS256_KEY of this file, which holds a Worker's secrets as Wrangler reads
    /// them; `make run` writes .dev.vars.
    #[arg(long, value_name = "FILE")]
    pub(crate) dev_vars: Option<PathBuf>,
}
