//! Settings of the REST API.

use clap::Args;

use crate::config::value::{MOST, whole};

/// Settings of the REST API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct RestConfig {
    /// How many rows one REST answer holds; what is cut short says so in meta.capped
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_REST_MAX_ROWS",
        default_value_t = 10_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) rest_max_rows: u64,
}
