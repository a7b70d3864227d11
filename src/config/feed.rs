//! Settings of the change feed.

use std::time::Duration;

use clap::Args;

use crate::config::value::{DAY, MOST, whole};

/// Settings of the change feed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Feed")]
#[expect(
    clippy::struct_field_names,
    reason = "a field is named as its flag, and all flags share a namespace"
)]
pub(crate) struct FeedConfig {
    /// Events older than so many seconds are dropped from the feed
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_KEEP_SECONDS",
        default_value_t = 7 * 86_400,
        value_parser = whole::<i64>(0..=MOST),
    )]
    pub(crate) feed_keep_seconds: i64,
    /// More events than so many are dropped from the feed, oldest first
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_KEEP_EVENTS",
        default_value_t = 1_000_000,
        value_parser = whole::<i64>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) feed_keep_events: i64,
    /// How often old events, idempotency keys and logs are looked for, in seconds
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_PRUNE_SECONDS",
        default_value_t = 60,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) feed_prune_seconds: u64,
    /// How many bytes of answers wait for a subscriber who does not read, before it is cut off with
    /// FEED_LAGGED
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_QUEUE_BYTES",
        default_value_t = 1_048_576,
        value_parser = whole::<usize>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) feed_queue_bytes: usize,
    /// How many builders, builds and steps a snapshot may hold
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_SNAPSHOT_STEPS",
        default_value_t = 50_000,
        value_parser = whole::<u64>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) feed_snapshot_steps: u64,
    /// Subscribers are told UNAVAILABLE when the database has not let the feed be read for so many
    /// seconds
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_STALE_SECONDS",
        default_value_t = 5,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) feed_stale_seconds: u64,
    /// How often, in milliseconds, the database is asked whether another process has written
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_FEED_POLL_MS",
        default_value_t = 25,
        value_parser = whole::<u64>(1..=60_000),
        hide_short_help = true,
    )]
    pub(crate) feed_poll_ms: u64,
}

impl FeedConfig {
    /// The pause between two checks for writes of other processes.
    pub(crate) fn poll(&self) -> Duration {
        // With 0 the feed's tail would poll without a pause.
        Duration::from_millis(self.feed_poll_ms.max(1))
    }

    /// The pause between two prunings.
    pub(crate) fn prune_pause(&self) -> Duration {
        // With 0 there would be none.
        Duration::from_secs(self.feed_prune_seconds.max(1))
    }

    /// How long the feed may be unreadable before subscribers get UNAVAILABLE.
    pub(crate) fn stale(&self) -> Duration {
        Duration::from_secs(self.feed_stale_seconds.max(1))
    }
}
