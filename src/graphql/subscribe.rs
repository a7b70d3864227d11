//! Subscriptions: each subscriber reads what it missed from a stream of its own, then shares one
//! stream with everyone who runs the same operation.

pub(crate) mod encode;
pub(crate) mod event_source;
pub(crate) mod group_key;
pub(crate) mod joiner;
pub(crate) mod shared_run;
pub(crate) mod shared_subscription;
pub(crate) mod stream;
pub(crate) mod stream_state;
