//! TODO.

use crate::{
    graphql::{
        execute::response::ResponseShaper,
        prepare::{cost::Cost, document::Document, schema_types::SchemaTypes},
    },
    metrics::labels::OperationLabel,
};
use async_graphql::{
    Positioned, Response, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
};
use std::sync::Arc;

/// What was asked, and was found to be worth an answer.
pub(crate) struct PreparedOperation {
    pub(crate) document: Arc<Document>,
    pub(crate) operation: Option<String>,
    pub(crate) variables: Variables,
    pub(crate) types: SchemaTypes,
    pub(crate) cost: Cost,
}

impl PreparedOperation {
    /// It is a mutation.
    pub(crate) fn is_mutation(&self) -> bool {
        self.is(OperationType::Mutation)
    }

    pub(crate) fn is(&self, kind: OperationType) -> bool {
        self.operation().is_some_and(|o| o.ty == kind)
    }

    pub(crate) fn operation(&self) -> Option<&OperationDefinition> {
        self.document.operation(self.operation.as_deref())
    }

    /// The first of the outermost fields; a subscription has only one.
    pub(crate) fn root_field(&self) -> Option<&Positioned<Field>> {
        let first = self.operation()?.selection_set.node.items.first()?;
        match &first.node {
            Selection::Field(field) => Some(field),
            _ => None,
        }
    }

    /// What the operation is called, if it has a name.
    pub(crate) fn name(&self) -> Option<&str> {
        let first = || Some(self.document.parsed.operations.iter().next()?.0?.as_str());
        self.operation.as_deref().or_else(first)
    }

    /// What it is in the metrics.
    pub(crate) fn kind(&self) -> OperationLabel {
        match self.operation().map(|operation| operation.ty) {
            Some(OperationType::Query) => OperationLabel::Query,
            Some(OperationType::Mutation) => OperationLabel::Mutation,
            Some(OperationType::Subscription) => OperationLabel::Subscription,
            None => OperationLabel::Unknown,
        }
    }

    /// What brings one answer after the other into its final form.
    pub(crate) fn form(&self) -> impl FnMut(Response) -> Response {
        let operation = self.operation();
        let mut form =
            operation.map(|o| ResponseShaper::new(o, &self.document.parsed.fragments, &self.types));
        move |mut response| {
            crate::graphql::execute::errors::finish(&mut response);
            if let Some(form) = &mut form {
                form.finish(&mut response);
            }
            response
        }
    }

    pub(crate) fn finish(&self, response: Response) -> Response {
        self.form()(response)
    }
}
