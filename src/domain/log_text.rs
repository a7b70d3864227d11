//! The text of logs, as chunks hold it: how it is packed, split into lines and searched.

pub(crate) mod codec;
pub(crate) mod lines;
pub(crate) mod search;
