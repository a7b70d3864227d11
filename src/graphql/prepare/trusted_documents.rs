//! Trusted documents: the operator's file of documents, each validated when the server starts.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    config::limit::LimitConfig,
    domain::command_error::CommandError,
    graphql::{
        prepare::{documents::Documents, type_system::TypeSystem},
        schema::sdl,
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

/// Finds out whether the operator's documents can be run, before there is a server.
///
/// # Errors
/// As for `register_documents`.
pub(crate) fn check_documents(limits: &LimitConfig) -> Result<(), CommandError> {
    if limits.documents.is_none() {
        return Ok(());
    }
    let mut documents = Documents::new(TypeSystem::read(&sdl())?, limits.clone());
    register_documents(&mut documents, limits)
}

/// Registers the operator's documents, if a file of them is configured. Fails if the file
/// cannot be read, or one of its documents cannot be run.
pub(crate) fn register_documents(
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
    for (id, text) in read_file(path).map_err(refuse)? {
        if id.trim().is_empty() {
            return Err(refuse(format!("an id is a text that shows, got {id:?}")));
        }
        documents.register(&id, text).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            refuse(format!("the document {id:?}: {}", errors.join("; ")))
        })?;
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
