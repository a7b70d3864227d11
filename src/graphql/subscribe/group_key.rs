//! Which subscribers share a subscription: those with the same canonical operation, in whatever
//! words they asked for it, wherever each of them starts.

use crate::{
    auth::{caller::Caller, scope::Scope},
    graphql::prepare::{canonical_text::canonical_text_without, operation::PreparedOperation},
};

/// The arguments of the root field that only say where to start.
const START: [&str; 2] = ["after", "snapshot"];

/// What the members of a shared subscription have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    /// The canonical operation as text, without where to start.
    operation: String,
    /// The only property of a caller that its responses depend on.
    scope: Option<Scope>,
}

impl GroupKey {
    pub(crate) fn new(operation: &PreparedOperation, caller: &Caller) -> Self {
        Self {
            operation: canonical_text_without(&operation.canonical, &START),
            scope: caller.scope(),
        }
    }

    /// About how many bytes a subscription keeps for its operation: as text, and as values once for
    /// itself and once for the library.
    pub(crate) fn bytes(&self) -> usize {
        4 * self.operation.len()
    }
}
