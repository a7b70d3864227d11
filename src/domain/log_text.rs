//! The text of logs, as chunks hold it: how it is packed, split into lines and searched.

pub(crate) mod codec;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod lines;
pub(crate) mod search;

/// The most lines that are asked for at once.
pub(crate) const MAX_LINES: u64 = 10_000;
/// How many lines are given where it is not said how many.
pub(crate) const DEFAULT_LINES: u64 = 1_000;
/// How many lines a search finds where it is not said how many.
pub(crate) const DEFAULT_MATCHES: u64 = 100;
