//! An operation that may run.

use std::sync::Arc;

use async_graphql::{
    Positioned, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
};

use crate::{
    graphql::{
        execute::response::ResponseShaper,
        prepare::{cost::Cost, document::Document, schema_types::SchemaTypes},
    },
    metrics::labels::OperationLabel,
};

/// An operation whose document, variables and cost were checked.
pub(crate) struct PreparedOperation {
    pub(crate) document: Arc<Document>,
    /// The name by which the request chose it; `None` where the document has only one.
    pub(crate) name: Option<String>,
    pub(crate) variables: Variables,
    pub(crate) types: SchemaTypes,
    pub(crate) cost: Cost,
}

impl PreparedOperation {
    pub(crate) fn is_mutation(&self) -> bool {
        self.is(OperationType::Mutation)
    }

    pub(crate) fn is_subscription(&self) -> bool {
        self.is(OperationType::Subscription)
    }

    fn is(&self, kind: OperationType) -> bool {
        self.definition().is_some_and(|o| o.ty == kind)
    }

    /// The operation as the document defines it; `None` if the name fits none.
    pub(crate) fn definition(&self) -> Option<&OperationDefinition> {
        self.document.operation(self.name.as_deref())
    }

    /// The first field of the root; a subscription has only one.
    pub(crate) fn root_field(&self) -> Option<&Positioned<Field>> {
        let first = self.definition()?.selection_set.node.items.first()?;
        match &first.node {
            Selection::Field(field) => Some(field),
            _ => None,
        }
    }

    /// The operation's name for the log and for traces, if it has one.
    pub(crate) fn display_name(&self) -> Option<&str> {
        let first = || Some(self.document.parsed.operations.iter().next()?.0?.as_str());
        self.name.as_deref().or_else(first)
    }

    /// The operation's label in the metrics.
    pub(crate) fn label(&self) -> OperationLabel {
        match self.definition().map(|operation| operation.ty) {
            Some(OperationType::Query) => OperationLabel::Query,
            Some(OperationType::Mutation) => OperationLabel::Mutation,
            Some(OperationType::Subscription) => OperationLabel::Subscription,
            None => OperationLabel::Unknown,
        }
    }

    /// Shapes the responses to this operation, one after the other.
    pub(crate) fn shaper(&self) -> Option<ResponseShaper<'_>> {
        let fragments = &self.document.parsed.fragments;
        let definition = self.definition()?;
        Some(ResponseShaper::new(definition, fragments, &self.types))
    }
}
