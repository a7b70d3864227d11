//! Subscriptions: each subscriber has its own stream for what it has missed, then shares one with
//! all who ask the same.

pub(crate) mod encode;
pub(crate) mod event_source;
pub(crate) mod group_key;
pub(crate) mod joiner;
pub(crate) mod shared_run;
pub(crate) mod shared_subscription;
pub(crate) mod stream;
pub(crate) mod stream_state;
