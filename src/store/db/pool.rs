//! Pools of connections: what they are for, how they are opened, and how a session begins.

pub(crate) mod abandoned;
pub(crate) mod open;
pub(crate) mod pooler;
pub(crate) mod purpose;
pub(crate) mod session;
pub(crate) mod sqlite;
