//! Settings of what one caller may take, and all together.

use clap::{Args, value_parser};

/// Settings of rate limits.
#[derive(Args, Clone, Debug)]
pub(crate) struct RateConfig {
    /// How many cost points a token, or an address without one, may spend at once; 0 is without a
    /// limit
    #[arg(long, env = "BUILDBOT_GRAPHQL_RATE_POINTS", default_value_t = 200_000)]
    pub(crate) rate_points: u64,
    /// How many cost points come back each second
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_RATE_POINTS_PER_SECOND",
        default_value_t = 2_000,
        value_parser = value_parser!(u64).range(1..=1_000_000_000)
    )]
    pub(crate) rate_points_per_second: u64,
    /// How many WebSockets one address may have open; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SOCKETS_PER_ADDRESS",
        default_value_t = 500
    )]
    pub(crate) max_sockets_per_address: usize,
    /// How many subscriptions may run on this server; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SUBSCRIPTIONS",
        default_value_t = 20_000
    )]
    pub(crate) max_subscriptions: usize,
}
