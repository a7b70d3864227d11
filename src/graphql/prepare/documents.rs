//! Documents: how a request names one, and the cache of those that were parsed and validated, by
//! their hashes.

use std::{collections::HashMap, sync::Arc};

use async_graphql::ServerError;
use hashlink::LinkedHashMap;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};

use crate::{
    config::limit::LimitConfig,
    domain::{error::ErrorCode, idempotency_key::IdempotencyKey},
    graphql::{
        execute::{errors, response_code::ResponseCode},
        prepare::{
            canonical::lower, cost::measure_cost, document::Document, document_hash::DocumentHash,
            last_prepared::LastPrepared, type_system::TypeSystem, variables::Variables,
        },
    },
};

/// An operation as a transport received it.
#[derive(Debug)]
pub(crate) struct OperationRequest {
    /// The document, or what names it.
    pub(crate) source: DocumentSource,
    /// The operation's name in the document.
    pub(crate) name: Option<String>,
    /// Its variables, and whatever else came with them.
    pub(crate) variables: Map<String, Json>,
    /// What names it, so that a repetition of a mutation does no harm; a query ignores it.
    pub(crate) idempotency_key: Option<IdempotencyKey>,
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

/// A document, and what its last request became.
pub(crate) struct KnownDocument {
    pub(crate) document: Arc<Document>,
    pub(crate) last: LastPrepared,
}

/// All documents that this server knows.
pub(crate) struct Documents {
    types: TypeSystem,
    limits: LimitConfig,
    /// The operator's, by their ids and by their hashes in hexadecimal.
    trusted: HashMap<String, Arc<KnownDocument>>,
    cache: Mutex<DocumentCache>,
}

/// The documents that came with requests, the least recently used first.
#[derive(Default)]
struct DocumentCache {
    documents: LinkedHashMap<DocumentHash, Arc<KnownDocument>>,
    bytes: usize,
}

impl Documents {
    pub(crate) fn new(types: TypeSystem, limits: LimitConfig) -> Self {
        Self {
            types,
            limits,
            trusted: HashMap::new(),
            cache: Mutex::default(),
        }
    }

    /// Adds one of the operator's documents. Fails where it is invalid, or too costly even without
    /// variables.
    pub(crate) fn register(&mut self, id: &str, text: String) -> Result<(), Vec<ServerError>> {
        let types = &self.types;
        let none = Variables::new(HashMap::new(), self.limits.max_document_bytes);
        let known = KnownDocument::read(text, types, &self.limits)?;
        let document = &known.document;
        for operation in document.executable.operations.iter() {
            let lowered = lower(document, operation, &none, types);
            let cost = lowered.and_then(|lowered| measure_cost(&lowered, types, &self.limits));
            cost.map_err(|error| vec![error])?;
        }
        let hash = document.hash.hex();
        self.trusted.insert(hash, known.clone());
        self.trusted.insert(normalize_id(id), known);
        Ok(())
    }

    /// The document that a request names.
    pub(crate) fn find(
        &self,
        source: DocumentSource,
    ) -> Result<Arc<KnownDocument>, Vec<ServerError>> {
        if let DocumentSource::Register(text, hash) = &source
            && DocumentHash::of(text) != *hash
        {
            let message = "persistedQuery.sha256Hash: it is not the SHA-256 of query";
            let code = ErrorCode::BadUserInput.into();
            return Err(vec![errors::request_error(message, code)]);
        }
        let trusted = match &source {
            DocumentSource::Text(text) if self.limits.only_documents => self.trusted_text(text),
            // It is cached like any other.
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
            return Err(unregistered(&source));
        }
        match source {
            DocumentSource::Text(text) | DocumentSource::Register(text, _) => self.read(text),
            // Apollo's clients look for this text, and then send the query.
            DocumentSource::Known(hash) => self
                .cached(hash)
                .ok_or_else(|| not_found("PersistedQueryNotFound")),
            DocumentSource::Id(id) => {
                let known =
                    DocumentHash::read(&normalize_id(&id)).and_then(|hash| self.cached(hash));
                known.ok_or_else(|| {
                    not_found(&format!(
                        "documentId: the id of a document that this server knows, got {id:?}"
                    ))
                })
            }
        }
    }

    /// The operator's document with exactly this text.
    fn trusted_text(&self, text: &str) -> Option<&Arc<KnownDocument>> {
        // None of them is longer, so hashing a longer text is a waste.
        let may_be = text.len() as u64 <= self.limits.max_document_bytes;
        let hash = may_be.then(|| DocumentHash::of(text).hex())?;
        self.trusted.get(&hash)
    }

    /// Takes a document from the cache, or parses it into the cache.
    fn read(&self, text: String) -> Result<Arc<KnownDocument>, Vec<ServerError>> {
        // A text beyond the limit is refused below, so hashing it is a waste.
        if text.len() as u64 <= self.limits.max_document_bytes
            && let Some(known) = self.cached(DocumentHash::of(&text))
        {
            return Ok(known);
        }
        let document = KnownDocument::read(text, &self.types, &self.limits)?;
        let max_bytes = self.limits.document_cache_bytes;
        self.cache.lock().insert(document.clone(), max_bytes);
        Ok(document)
    }

    fn cached(&self, hash: DocumentHash) -> Option<Arc<KnownDocument>> {
        self.cache.lock().documents.to_back(&hash).cloned()
    }
}

impl KnownDocument {
    fn read(
        text: String,
        types: &TypeSystem,
        limits: &LimitConfig,
    ) -> Result<Arc<Self>, Vec<ServerError>> {
        Ok(Arc::new(Self {
            document: Arc::new(Document::read(text, types, limits)?),
            last: LastPrepared::default(),
        }))
    }
}

impl DocumentCache {
    /// Adds a document, and drops the least recently used ones until all fit into `max_bytes`.
    fn insert(&mut self, known: Arc<KnownDocument>, max_bytes: usize) {
        self.bytes += known.document.bytes;
        if let Some(same) = self.documents.insert(known.document.hash, known) {
            self.bytes -= same.document.bytes;
        }
        while self.bytes > max_bytes
            && let Some((_, oldest)) = self.documents.pop_front()
        {
            self.bytes -= oldest.document.bytes;
        }
    }
}

/// The refusal of a document where only the operator's run.
fn unregistered(source: &DocumentSource) -> Vec<ServerError> {
    let rule = "this server runs its registered documents only: send the id of one as documentId, \
                its SHA-256 in extensions.persistedQuery, or its exact text";
    let message = match source {
        DocumentSource::Id(id) => format!("{rule}; got the unknown documentId {id:?}"),
        _ => rule.to_owned(),
    };
    let code = ResponseCode::PersistedQueryOnly;
    vec![errors::request_error(message, code)]
}

fn not_found(message: &str) -> Vec<ServerError> {
    let code = ResponseCode::PersistedQueryNotFound;
    vec![errors::request_error(message, code)]
}

/// An id without its `sha256:`, if it has one: the hash in lower case.
fn normalize_id(id: &str) -> String {
    match id.strip_prefix("sha256:") {
        Some(hex) => hex.to_ascii_lowercase(),
        None => id.to_owned(),
    }
}
