//! Settings of what one caller may take, and all together.

use clap::Args;

use crate::config::value::{MOST, whole};

/// Settings of rate limits.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct RateConfig {
    /// How many cost points a token, or an address without one, may spend at once; 0 is without a
    /// limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_RATE_POINTS",
        default_value_t = 200_000,
        value_parser = whole::<u64>(0..=MOST),
    )]
    pub(crate) rate_points: u64,
    /// How many cost points come back each second
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_RATE_POINTS_PER_SECOND",
        default_value_t = 2_000,
        value_parser = whole::<u64>(1..=1_000_000_000),
        hide_short_help = true,
    )]
    pub(crate) rate_points_per_second: u64,
    /// How many operations and REST requests one token, or one address without a token, runs at
    /// once; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_CONCURRENT_PER_CALLER",
        default_value_t = 256,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_concurrent_per_caller: usize,
    /// How many bytes of memory requests, queues and snapshots may hold together; beyond it new
    /// work is UNAVAILABLE. 0 is without a limit [default: a quarter of the machine's]
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_MEMORY_BYTES",
        value_parser = whole::<u64>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_memory_bytes: Option<u64>,
    /// How many of them one caller's requests and answers may hold at once, with the rows that are
    /// read for them, and never more than half; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_MEMORY_BYTES_PER_CALLER",
        default_value_t = 134_217_728,
        value_parser = whole::<u64>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_memory_bytes_per_caller: u64,
    /// How many WebSockets one address may have open; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SOCKETS_PER_ADDRESS",
        default_value_t = 500,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_sockets_per_address: usize,
    /// How many subscriptions may run on this server; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SUBSCRIPTIONS",
        default_value_t = 20_000,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_subscriptions: usize,
    /// How many of them one token, or one address without a token, may have; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SUBSCRIPTIONS_PER_CALLER",
        default_value_t = 2_000,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_subscriptions_per_caller: usize,
}
