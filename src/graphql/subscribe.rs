//! Subscriptions: one stream for all who ask the same.

pub(crate) mod group_key;
pub(crate) mod shared_subscription;
pub(crate) mod stream;
