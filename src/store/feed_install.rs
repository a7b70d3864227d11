//! What is ours in a Buildbot master's database, the change feed and the tokens: whether it is
//! there, putting it in, and taking it out again. Nothing but our own tables and the triggers on
//! `steps` is touched, and the master may run meanwhile.

pub(crate) mod catalog;
pub(crate) mod changes;
pub(crate) mod commands;
pub(crate) mod probe;
pub(crate) mod session;
