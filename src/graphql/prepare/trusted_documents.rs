//! The operator's documents: the file that they stand in, and whether the schema takes them.

use std::{collections::BTreeMap, path::Path};

use async_graphql::{Request, ServerError};
use serde::Deserialize;

use crate::{
    config::limit::LimitConfig,
    domain::command_error::CommandError,
    graphql::{prepare::document::Document, schema::GraphqlSchema},
};

/// What Apollo's tools call their manifest.
const MANIFEST: &str = "apollo-persisted-query-manifest";
/// A name that no operation has.
const NOBODY: &str = "-";

/// A file with documents.
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

/// The ids and texts of the operator's documents; none where no file is given.
pub(crate) fn read(limits: &LimitConfig) -> Result<Vec<(String, String)>, CommandError> {
    let Some(path) = &limits.documents else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(path).map_err(|e| cannot(limits, &e.to_string()))?;
    match serde_json::from_str(&text) {
        Ok(DocumentsFile::Plain(documents)) => Ok(documents.into_iter().collect()),
        Ok(DocumentsFile::Manifest { format, operations }) if format == MANIFEST => {
            let operations = operations.into_iter();
            Ok(operations.map(|o| (o.id, o.body)).collect())
        }
        Ok(DocumentsFile::Manifest { format, .. }) => {
            let rule = format!("the format {MANIFEST} is known, got {format:?}");
            Err(cannot(limits, &rule))
        }
        Err(_) => {
            let rule = "a JSON object of documents by their ids, or Apollo's manifest of persisted queries, is needed";
            Err(cannot(limits, rule))
        }
    }
}

/// Why the server cannot start with these documents.
pub(crate) fn cannot(limits: &LimitConfig, reason: &str) -> CommandError {
    let path = limits.documents.as_deref().unwrap_or(Path::new(""));
    CommandError::Documents {
        file: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

/// Why the schema does not take a document. The library looks at all of it before it finds that there is nothing to run.
pub(crate) async fn refusal(schema: &GraphqlSchema, document: &Document) -> Option<ServerError> {
    let mut request = Request::new("").operation_name(NOBODY);
    request.set_parsed_query(document.parsed.clone());
    let errors = Box::pin(schema.execute(request)).await.errors;
    errors
        .into_iter()
        .find(|error| !error.message.starts_with("Unknown operation named"))
}
