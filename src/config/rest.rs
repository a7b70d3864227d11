//! Settings of the REST API.

use clap::{Args, value_parser};

/// Settings of the REST API.
#[derive(Args, Clone, Debug)]
pub(crate) struct RestConfig {
    /// How many rows one REST answer holds; what is cut short says so in meta.capped
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_REST_MAX_ROWS",
        default_value_t = 10_000,
        value_parser = value_parser!(u64).range(1..)
    )]
    pub(crate) rest_max_rows: u64,
}
