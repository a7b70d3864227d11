//! Trusted documents: the operator's file of documents, each validated when the server starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_graphql::{
    Request, ServerError, ValidationResult, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
};
use serde::Deserialize;

use crate::{
    config::limit::LimitConfig,
    domain::command_error::CommandError,
    graphql::{
        prepare::document::{Document, Documents},
        schema::{GraphqlSchema, build_limited_schema},
    },
};

/// The format of Apollo's manifests, as they name it.
const MANIFEST_FORMAT: &str = "apollo-persisted-query-manifest";

/// A file of documents.
#[derive(Deserialize)]
#[serde(untagged)]
enum DocumentsFile {
    /// Apollo's manifest.
    Manifest {
        format: String,
        operations: Vec<ManifestOperation>,
    },
    /// Documents by their ids.
    Plain(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct ManifestOperation {
    id: String,
    body: String,
}

/// Registers the operator's documents, if a file of them is configured. Fails if the file
/// cannot be read, or one of its documents cannot be run.
pub(crate) async fn register_documents(
    documents: &mut Documents,
    limits: &LimitConfig,
) -> Result<(), CommandError> {
    let Some(path) = &limits.documents else {
        return Ok(());
    };
    let refuse = |reason: String| CommandError::Documents {
        file: path.display().to_string(),
        reason,
    };
    // The schema that serves has no extension: each would run at every field.
    let schema = build_limited_schema(limits).extension(ValidateOnly);
    let schema = schema.finish();
    for (id, text) in read_file(path).map_err(refuse)? {
        register(documents, &schema, &id, text)
            .await
            .map_err(|error| refuse(format!("the document {id:?}: {error}")))?;
    }
    Ok(())
}

/// The ids and texts of the documents in a file.
fn read_file(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    match serde_json::from_str(&text) {
        Ok(DocumentsFile::Plain(documents)) => Ok(documents.into_iter().collect()),
        Ok(DocumentsFile::Manifest { format, operations }) if format == MANIFEST_FORMAT => {
            let operations = operations.into_iter();
            Ok(operations.map(|o| (o.id, o.body)).collect())
        }
        Ok(DocumentsFile::Manifest { format, .. }) => Err(format!(
            "the format {MANIFEST_FORMAT} is known, got {format:?}"
        )),
        Err(_) => {
            let rule = "a JSON object of documents by their ids, or Apollo's manifest of persisted queries, is needed";
            Err(rule.to_owned())
        }
    }
}

async fn register(
    documents: &mut Documents,
    schema: &GraphqlSchema,
    id: &str,
    text: String,
) -> Result<(), ServerError> {
    let document = documents.register(id, text)?;
    validate(schema, &document).await
}

/// Whether the library takes a document. The schema has to carry `ValidateOnly`.
async fn validate(schema: &GraphqlSchema, document: &Document) -> Result<(), ServerError> {
    let mut request = Request::new("");
    request.set_parsed_query(document.parsed.clone());
    let errors = Box::pin(schema.execute(request)).await.errors;
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// Ends every request after its validation, with the errors that this found, if any.
struct ValidateOnly;

impl ExtensionFactory for ValidateOnly {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for ValidateOnly {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await?;
        // A refusal without an error: nothing is executed, and the response has none either.
        Err(Vec::new())
    }
}
