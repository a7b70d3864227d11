//! What an operation asks of the schema itself, answered from the SDL by `apollo-compiler`:
//! async-graphql 7.2 tells of no interfaces where an interface has none.

use std::{collections::HashMap, sync::Arc};

use apollo_compiler::{
    executable::Operation,
    introspection::{check_max_depth, partial_execute},
    response::JsonMap,
    validation::Valid,
};
use async_graphql::{ServerError, Value, parser::types::OperationDefinition, to_value};

use crate::{
    domain::error::Error,
    graphql::{
        execute::errors,
        prepare::{
            canonical::root_fields, document::Document, type_system::TypeSystem,
            variables::Variables,
        },
    },
};

/// An operation with `__schema` or `__type` at its root.
pub(crate) struct Introspection {
    document: Arc<Document>,
    name: Option<String>,
    variables: JsonMap,
}

impl Introspection {
    /// The introspection of an operation; `None` if it asks for nothing of the schema. Fails where
    /// lists nest so deep in one another that the answer would grow out of bounds.
    pub(crate) fn of(
        document: &Arc<Document>,
        operation: &Operation,
        canonical: &OperationDefinition,
        variables: &Variables,
    ) -> Result<Option<Self>, ServerError> {
        let is_asked = root_fields(canonical)
            .any(|field| matches!(field.node.name.node.as_str(), "__schema" | "__type"));
        if !is_asked {
            return Ok(None);
        }
        if let Err(refusal) = check_max_depth(&document.executable, operation) {
            let at = document.positions.start(refusal.location());
            return Err(errors::introspection_too_deep(at));
        }
        Ok(Some(Self {
            document: document.clone(),
            name: operation.name.as_ref().map(ToString::to_string),
            variables: variables
                .values
                .iter()
                .filter_map(|(name, value)| {
                    let value = value.clone().into_json().ok()?;
                    Some((name.as_str().into(), value.into()))
                })
                .collect(),
        }))
    }

    /// The values of its introspecting root fields, by their response keys.
    pub(crate) fn answer(&self, types: &TypeSystem) -> Result<IntrospectedFields, Error> {
        let document = &self.document.executable;
        let operation = document.operations.get(self.name.as_deref());
        let operation =
            operation.map_err(|e| Error::internal(Unanswered(e.message().to_string())))?;
        let variables = Valid::assume_valid_ref(&self.variables);
        let answer = partial_execute(types, types.implementers(), document, operation, variables);
        let answer = answer.map_err(|e| Error::internal(Unanswered(e.message().to_string())))?;
        let fields = answer.data.into_iter().flatten();
        let fields = fields.filter_map(|(key, json)| {
            let value = to_value(json).ok()?;
            Some((key.as_str().to_owned(), value))
        });
        Ok(IntrospectedFields(fields.collect()))
    }
}

/// The values of introspecting root fields, by their response keys.
pub(crate) struct IntrospectedFields(HashMap<String, Value>);

impl IntrospectedFields {
    /// The value of a root field; null for a type that there is not.
    pub(crate) fn value(&self, key: &str) -> Value {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

/// Why the compiler does not answer an operation that it has validated.
#[derive(Debug, thiserror::Error)]
#[error("introspection failed: {0}")]
struct Unanswered(String);
