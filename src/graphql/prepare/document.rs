//! Documents: how a request names one, and the cache of those that were parsed and validated, by
//! their hashes.

use std::{collections::HashMap, fmt, sync::Arc};

use async_graphql::{
    ServerError, Variables,
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
    },
};
use hashlink::LinkedHashMap;
use parking_lot::Mutex;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::{
    config::limit::LimitConfig,
    domain::error::ErrorCode,
    graphql::{
        execute::{errors, response_code::ResponseCode},
        prepare::{
            cost::measure_cost, lexical_limits::check_lexical_limits, schema_types::SchemaTypes,
            validation::validate_document,
        },
    },
};

/// About how much memory a token takes once it is parsed, in bytes.
const TOKEN_BYTES: usize = 256;
/// The bytes that any document is charged, so that small ones are bounded in number.
const DOCUMENT_BYTES: usize = 1_024;

/// An operation as a transport received it.
#[derive(Debug)]
pub(crate) struct OperationRequest {
    /// The document, or what names it.
    pub(crate) source: DocumentSource,
    /// The operation's name in the document.
    pub(crate) name: Option<String>,
    /// Its variables.
    pub(crate) variables: Variables,
}

/// How a request names its document.
#[derive(Debug)]
pub(crate) enum DocumentSource {
    /// By its text.
    Text(String),
    /// By its text, which the client will name by this hash from now on.
    Register(String, DocumentHash),
    /// By the hash of a document that this server should know.
    Known(DocumentHash),
    /// By an id from the operator's file, or by `sha256:` and a hash.
    Id(String),
}

/// The SHA-256 of a document's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DocumentHash([u8; SHA256_OUTPUT_LEN]);

impl fmt::Debug for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl DocumentHash {
    fn of(text: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn read(hex: &str) -> Option<Self> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hex::decode_to_slice(hex, &mut hash).ok()?;
        Some(Self(hash))
    }

    fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// A document that was parsed and validated.
pub(crate) struct Document {
    pub(crate) hash: DocumentHash,
    pub(crate) text: String,
    pub(crate) parsed: ExecutableDocument,
    /// Whether it asks for `eventCursor`.
    pub(crate) wants_cursor: bool,
    /// About how much memory it takes.
    bytes: usize,
}

impl Document {
    /// Parses and validates a text.
    fn read(text: String, types: &SchemaTypes, limits: &LimitConfig) -> Result<Self, ServerError> {
        let size = check_lexical_limits(&text, limits)?;
        let parsed = parse_query(&text).map_err(|e| errors::not_parsed(e.into()))?;
        validate_document(&parsed, types, limits)?;
        let tokens = usize::try_from(size.tokens).unwrap_or(usize::MAX);
        Ok(Self {
            hash: DocumentHash::of(&text),
            wants_cursor: has_root_field(&parsed, "eventCursor"),
            parsed,
            bytes: text.len() + tokens.saturating_mul(TOKEN_BYTES) + DOCUMENT_BYTES,
            text,
        })
    }

    /// The operation of this name or, without a name, the first; `None` where the name fits none.
    pub(crate) fn operation(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        let mut operations = self.parsed.operations.iter();
        let found = match name {
            Some(name) => operations.find(|(n, _)| n.is_some_and(|n| n == name)),
            None => operations.next(),
        };
        found.map(|(_, operation)| &operation.node)
    }
}

/// All documents that this server knows.
pub(crate) struct Documents {
    types: SchemaTypes,
    limits: LimitConfig,
    /// The operator's, by their ids and by their hashes in hexadecimal.
    trusted: HashMap<String, Arc<Document>>,
    cache: Mutex<DocumentCache>,
}

/// The documents that came with requests, the least recently used first.
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
            trusted: HashMap::new(),
            cache: Mutex::default(),
        }
    }

    /// Adds one of the operator's documents. Fails where it is invalid, or too costly even without
    /// variables.
    pub(crate) fn register(
        &mut self,
        id: &str,
        text: String,
    ) -> Result<Arc<Document>, ServerError> {
        let document = Arc::new(Document::read(text, &self.types, &self.limits)?);
        for (_, operation) in document.parsed.operations.iter() {
            let none = Variables::default();
            let (operation, types) = (&operation.node, &self.types);
            measure_cost(&document.parsed, operation, &none, types, &self.limits)?;
        }
        let hash = document.hash.hex();
        self.trusted.insert(hash, document.clone());
        self.trusted.insert(normalize_id(id), document.clone());
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
        let trusted = match &source {
            DocumentSource::Text(_) => None,
            DocumentSource::Register(_, hash) | DocumentSource::Known(hash) => {
                self.trusted.get(&hash.hex())
            }
            DocumentSource::Id(id) => self.trusted.get(&normalize_id(id)),
        };
        if let Some(trusted) = trusted {
            return Ok(trusted.clone());
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
            DocumentSource::Known(hash) => self.cached(hash).ok_or_else(|| {
                // Apollo's clients look for this text, and then send the query.
                errors::request_error(
                    "PersistedQueryNotFound",
                    ResponseCode::PersistedQueryNotFound,
                )
            }),
            DocumentSource::Id(id) => {
                let known =
                    DocumentHash::read(&normalize_id(&id)).and_then(|hash| self.cached(hash));
                known.ok_or_else(|| {
                    let message = "documentId: this server knows no such document";
                    errors::request_error(message, ResponseCode::PersistedQueryNotFound)
                })
            }
        }
    }

    /// Takes a document from the cache, or parses it into the cache.
    fn read(&self, text: String) -> Result<Arc<Document>, ServerError> {
        // A text beyond the limit is refused below, so hashing it is a waste.
        if text.len() as u64 <= self.limits.max_document_bytes
            && let Some(known) = self.cached(DocumentHash::of(&text))
        {
            return Ok(known);
        }
        let document = Arc::new(Document::read(text, &self.types, &self.limits)?);
        let max_bytes = self.limits.document_cache_bytes;
        self.cache.lock().insert(document.clone(), max_bytes);
        Ok(document)
    }

    fn cached(&self, hash: DocumentHash) -> Option<Arc<Document>> {
        self.cache.lock().documents.to_back(&hash).cloned()
    }
}

impl DocumentCache {
    /// Adds a document, and drops the least recently used ones until all fit into `max_bytes`.
    fn insert(&mut self, document: Arc<Document>, max_bytes: usize) {
        self.bytes += document.bytes;
        if let Some(same) = self.documents.insert(document.hash, document) {
            self.bytes -= same.bytes;
        }
        while self.bytes > max_bytes
            && let Some((_, oldest)) = self.documents.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }
}

/// An id without its `sha256:`, if it has one: the hash in lower case.
fn normalize_id(id: &str) -> String {
    match id.strip_prefix("sha256:") {
        Some(hex) => hex.to_ascii_lowercase(),
        None => id.to_owned(),
    }
}

/// Whether a field of this name stands among the outermost selections of any operation or fragment.
fn has_root_field(document: &ExecutableDocument, field: &str) -> bool {
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
