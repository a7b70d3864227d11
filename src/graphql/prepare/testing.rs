//! Prepares documents for tests, over the schema that is served.

use std::sync::LazyLock;

use async_graphql::{ServerError, parser::types::OperationDefinition};
use serde_json::Value as Json;

use crate::{
    config::limit::LimitConfig,
    graphql::{
        prepare::{
            canonical::lower,
            document::Document,
            type_system::TypeSystem,
            variables::{Variables, coerce_variables},
        },
        schema::sdl,
    },
};

/// Flags with which no limit matters to a generated document.
pub(crate) const WITHOUT_LIMITS: [&str; 10] = [
    "--max-tokens",
    "100000",
    "--max-nesting",
    "64",
    "--max-fields",
    "100000",
    "--max-depth",
    "64",
    "--max-directives",
    "100000",
];

/// The types of the schema.
pub(crate) fn types() -> &'static TypeSystem {
    static TYPES: LazyLock<TypeSystem> =
        LazyLock::new(|| TypeSystem::read(&sdl()).expect("a schema"));
    &TYPES
}

/// Lowers the only operation of a document, or returns what is wrong.
pub(crate) fn prepare(
    text: &str,
    variables: &Json,
    flags: &[&str],
) -> Result<OperationDefinition, Vec<ServerError>> {
    let document = Document::read(text.to_owned(), types(), &LimitConfig::of(flags))?;
    let operation = document.operation(None).map_err(|error| vec![error])?;
    let given = variables.as_object().cloned().unwrap_or_default();
    let variables = coerce_variables(operation, &given, types(), true, &document.positions);
    let lowered = variables.and_then(|values| {
        let max = LimitConfig::of(flags).max_document_bytes;
        lower(&document, operation, &Variables::new(values, max), types())
    });
    lowered.map_err(|error| vec![error])
}
