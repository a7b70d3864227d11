//! An operation that may run.

use std::sync::Arc;

use async_graphql::{
    Positioned,
    parser::types::{Field, OperationDefinition, OperationType},
};

use crate::{
    domain::idempotency_key::IdempotencyKey,
    graphql::prepare::{
        canonical::root_fields, cost::Cost, introspection::Introspection, plans::Plans,
    },
    metrics::labels::OperationLabel,
};

/// What a field of an answer takes while it is made, in bytes.
const VALUE_BYTES: usize = 192;

/// An operation that was lowered and whose cost was measured.
pub(crate) struct PreparedOperation {
    /// Its name, for the log and for traces.
    pub(crate) name: Option<String>,
    pub(crate) canonical: OperationDefinition,
    /// How its selections are written.
    pub(crate) plans: Arc<Plans>,
    /// What it asks of the schema itself, if anything.
    pub(crate) introspection: Option<Introspection>,
    pub(crate) cost: Cost,
    /// What names it, if it is a mutation whose repetition must do no harm.
    pub(crate) idempotency_key: Option<IdempotencyKey>,
}

impl PreparedOperation {
    pub(crate) fn is_mutation(&self) -> bool {
        self.canonical.ty == OperationType::Mutation
    }

    pub(crate) fn is_subscription(&self) -> bool {
        self.canonical.ty == OperationType::Subscription
    }

    /// About how much memory its answer takes at most while it is made, in bytes.
    pub(crate) fn answer_bytes(&self) -> usize {
        let values = usize::try_from(self.cost.values).unwrap_or(usize::MAX);
        values.saturating_mul(VALUE_BYTES)
    }

    /// The fields of the root.
    pub(crate) fn root_fields(&self) -> impl Iterator<Item = &Positioned<Field>> {
        root_fields(&self.canonical)
    }

    pub(crate) fn has_root_field(&self, name: &str) -> bool {
        self.root_fields().any(|field| field.node.name.node == name)
    }

    /// The operation's label in the metrics.
    pub(crate) fn label(&self) -> OperationLabel {
        match self.canonical.ty {
            OperationType::Query => OperationLabel::Query,
            OperationType::Mutation => OperationLabel::Mutation,
            OperationType::Subscription => OperationLabel::Subscription,
        }
    }
}
