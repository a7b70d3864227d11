//! Documents: how a request names one, and those that were read and checked, kept by their hashes to be used again.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex},
};

use async_graphql::{
    ServerError, Variables,
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
    },
};
use hashlink::LinkedHashMap;
use sha2::{Digest, Sha256};

use crate::{
    config::limit::LimitConfig,
    domain::error::ErrorCode,
    graphql::{
        execute::{errors, response_code::ResponseCode},
        lock::lock,
        prepare::{cost::cost, lexical_limits::scan, schema_types::SchemaTypes, validation},
    },
};

/// What a token takes in memory once it is parsed, in bytes, about.
const TOKEN_BYTES: usize = 256;
/// What any document takes: so small ones are bounded in number.
const DOCUMENT_BYTES: usize = 1_024;

/// An operation as a transport has received it.
#[derive(Debug)]
pub(crate) struct OperationRequest {
    /// The document, or what stands for it.
    pub(crate) source: DocumentSource,
    /// The operation's name in the document.
    pub(crate) name: Option<String>,
    /// Its variables.
    pub(crate) variables: Variables,
}

/// What stands for a document.
#[derive(Debug)]
pub(crate) enum DocumentSource {
    /// Its text.
    Text(String),
    /// Its text, which is to be known by this hash from now on.
    Register(String, DocumentHash),
    /// The hash of one that this server knows.
    Known(DocumentHash),
    /// An id from the operator's file, or `sha256:` and a hash.
    Id(String),
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DocumentHash([u8; 32]);

impl std::fmt::Debug for DocumentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

impl DocumentHash {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn read(hex: &str) -> Option<Self> {
        let digits: Vec<u8> = hex
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| d.try_into().ok()))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|d| d[0] << 4 | d[d.len() - 1])
            .collect();
        (digits.len() == 64)
            .then(|| bytes.try_into().ok())?
            .map(Self)
    }

    fn hex(self) -> String {
        self.0.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// A document that was read and checked.
pub(crate) struct Document {
    pub(crate) hash: DocumentHash,
    pub(crate) text: String,
    pub(crate) parsed: ExecutableDocument,
    /// It asks for `eventCursor`.
    pub(crate) wants_cursor: bool,
    /// What it takes in memory, about.
    bytes: usize,
}

impl Document {
    fn read(text: String, types: &SchemaTypes, limits: &LimitConfig) -> Result<Self, ServerError> {
        let size = scan(&text, limits)?;
        let parsed = parse_query(&text).map_err(|e| errors::not_parsed(e.into()))?;
        validation::document(&parsed, types, limits)?;
        let tokens = usize::try_from(size.tokens).unwrap_or(usize::MAX);
        Ok(Self {
            hash: DocumentHash::of(&text),
            wants_cursor: asks_for(&parsed, "eventCursor"),
            parsed,
            bytes: text.len() + tokens.saturating_mul(TOKEN_BYTES) + DOCUMENT_BYTES,
            text,
        })
    }

    /// The operation that would run; none where the document does not say which.
    pub(crate) fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        let mut operations = self.parsed.operations.iter();
        let found = match name {
            Some(name) => operations.find(|(n, _)| n.is_some_and(|n| n == name)),
            None => operations.next(),
        };
        found.map(|(_, operation)| &operation.node)
    }
}

/// All documents that are known.
pub(crate) struct Documents {
    types: SchemaTypes,
    limits: LimitConfig,
    /// The operator's, by their ids and by their hashes in hexadecimal.
    registered: HashMap<String, Arc<Document>>,
    kept: Mutex<DocumentCache>,
}

/// Those that came with requests, the one that was used last at the end.
#[derive(Default)]
struct DocumentCache {
    documents: LinkedHashMap<DocumentHash, Arc<Document>>,
    bytes: usize,
}

impl Documents {
    pub(crate) fn new(types: SchemaTypes, limits: LimitConfig) -> Self {
        Self {
            types,
            limits,
            registered: HashMap::new(),
            kept: Mutex::default(),
        }
    }

    /// Makes one of the operator's documents known.
    pub(crate) fn register(
        &mut self,
        id: &str,
        text: String,
    ) -> Result<Arc<Document>, ServerError> {
        let document = Arc::new(Document::read(text, &self.types, &self.limits)?);
        for (_, operation) in document.parsed.operations.iter() {
            // With its variables it may still cost too much.
            let none = Variables::default();
            let (operation, types) = (&operation.node, &self.types);
            cost(&document.parsed, operation, &none, types, &self.limits)?;
        }
        let hash = document.hash.hex();
        self.registered.insert(hash, document.clone());
        self.registered.insert(bare(id), document.clone());
        Ok(document)
    }

    /// The document that a request names.
    pub(crate) fn find(&self, source: DocumentSource) -> Result<Arc<Document>, ServerError> {
        if let DocumentSource::Register(text, hash) = &source
            && DocumentHash::of(text) != *hash
        {
            let message = "persistedQuery.sha256Hash: it is not the SHA-256 of query";
            return Err(errors::request_error(
                message,
                ErrorCode::BadUserInput.into(),
            ));
        }
        let known = match &source {
            DocumentSource::Text(_) => None,
            DocumentSource::Register(_, hash) | DocumentSource::Known(hash) => {
                self.registered.get(&hash.hex())
            }
            DocumentSource::Id(id) => self.registered.get(&bare(id)),
        };
        if let Some(known) = known {
            return Ok(known.clone());
        }
        if self.limits.only_documents {
            let message = "this server runs its registered documents only: send the id of one as documentId, \
                           or its SHA-256 in extensions.persistedQuery";
            return Err(errors::request_error(
                message,
                ResponseCode::PersistedQueryOnly,
            ));
        }
        match source {
            DocumentSource::Text(text) | DocumentSource::Register(text, _) => self.read(text),
            DocumentSource::Known(hash) => self.kept(hash).ok_or_else(|| {
                // Apollo's clients know it by this text, and send the query.
                errors::request_error(
                    "PersistedQueryNotFound",
                    ResponseCode::PersistedQueryNotFound,
                )
            }),
            DocumentSource::Id(id) => {
                let known = DocumentHash::read(&bare(&id)).and_then(|hash| self.kept(hash));
                known.ok_or_else(|| {
                    let message = "documentId: this server knows no such document";
                    errors::request_error(message, ResponseCode::PersistedQueryNotFound)
                })
            }
        }
    }

    /// Reads a document, or finds it among those that were read.
    fn read(&self, text: String) -> Result<Arc<Document>, ServerError> {
        // Not worth a hash.
        if text.len() as u64 <= self.limits.max_document_bytes
            && let Some(known) = self.kept(DocumentHash::of(&text))
        {
            return Ok(known);
        }
        let document = Arc::new(Document::read(text, &self.types, &self.limits)?);
        lock(&self.kept).keep(document.clone(), self.limits.document_cache_bytes);
        Ok(document)
    }

    fn kept(&self, hash: DocumentHash) -> Option<Arc<Document>> {
        lock(&self.kept).documents.to_back(&hash).cloned()
    }
}

impl DocumentCache {
    /// Keeps one more document, and those that were used last, in so many bytes.
    fn keep(&mut self, document: Arc<Document>, max: usize) {
        self.bytes += document.bytes;
        if let Some(same) = self.documents.insert(document.hash, document) {
            self.bytes -= same.bytes;
        }
        while self.bytes > max
            && let Some((_, oldest)) = self.documents.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }
}

/// An id without the word that says what it is.
fn bare(id: &str) -> String {
    match id.strip_prefix("sha256:") {
        Some(hex) => hex.to_ascii_lowercase(),
        None => id.to_owned(),
    }
}

/// One of the outermost selections is a field of this name.
fn asks_for(document: &ExecutableDocument, field: &str) -> bool {
    fn in_set(set: &SelectionSet, field: &str) -> bool {
        set.items.iter().any(|item| match &item.node {
            Selection::Field(f) => f.node.name.node == field,
            Selection::InlineFragment(f) => in_set(&f.node.selection_set.node, field),
            Selection::FragmentSpread(_) => false,
        })
    }
    let operations = document
        .operations
        .iter()
        .map(|(_, o)| &o.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|f| &f.node.selection_set.node);
    operations.chain(fragments).any(|set| in_set(set, field))
}
