//! Parses an operation from a JSON body, a URL's query or a socket's message; all three have the
//! same parameters.

use std::fmt::{self, Write as _};

use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Map, Value as Json};

use crate::{
    domain::idempotency_key::IdempotencyKey,
    graphql::prepare::{
        document_hash::DocumentHash,
        documents::{DocumentSource, OperationRequest},
    },
    http::{
        graphql::{
            json::{self, JsonError},
            refusal::HttpRefusal,
        },
        query_string::decode,
    },
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How much of the caller's input an error quotes, in characters.
const MAX_QUOTE: usize = 80;

/// Parses a body that has at most `max_values`.
pub(crate) fn parse_body(body: &[u8], max_values: u64) -> Result<Json, HttpRefusal> {
    json::parse(body, max_values).map_err(|error| refused_json(error, "the body is not JSON"))
}

fn refused_json(error: JsonError, what: &str) -> HttpRefusal {
    match error {
        JsonError::Syntax(error) => HttpRefusal::bad_request(format!("{what}: {error}")),
        JsonError::TooManyValues(error) => HttpRefusal::from_error(StatusCode::BAD_REQUEST, &error),
    }
}

/// Makes an operation of a JSON object.
pub(crate) fn from_json(json: Json) -> Result<OperationRequest, HttpRefusal> {
    match json {
        Json::Object(parameters) => from_parameters(parameters),
        _ => Err(HttpRefusal::bad_request("one operation in a JSON object")),
    }
}

/// Whether a URL's parameters name a document.
pub(crate) fn names_document(query: &str) -> bool {
    pairs(query).any(|(name, _)| ["query", "documentId", "extensions"].contains(&&*name))
}

/// Parses the operation of a URL's parameters, each with at most `max_values`. Unknown parameters
/// are ignored.
pub(crate) fn from_query(query: &str, max_values: u64) -> Result<OperationRequest, HttpRefusal> {
    let mut parameters = Map::new();
    for (name, value) in pairs(query) {
        let decoded = || {
            let decoded = decode(value);
            decoded.map_err(|_| HttpRefusal::bad_request(format!("{name}: it is not UTF-8")))
        };
        let value = match &*name {
            "query" | "operationName" | "documentId" => Json::String(decoded()?),
            "variables" | "extensions" if !value.is_empty() => {
                let what = format!("{name}: a JSON object, got no JSON");
                json::parse(decoded()?.as_bytes(), max_values)
                    .map_err(|error| refused_json(error, &what))?
            }
            _ => continue,
        };
        parameters.insert(name, value);
    }
    from_parameters(parameters)
}

/// A URL's parameters, their names decoded. A name that is not UTF-8 is none that is known here.
fn pairs(query: &str) -> impl Iterator<Item = (String, &str)> {
    let pairs = query.split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter_map(|(name, value)| Some((decode(name).ok()?, value)))
}

/// Makes an operation of the parameters that every transport has. A null one counts as absent.
pub(crate) fn from_parameters(
    mut parameters: Map<String, Json>,
) -> Result<OperationRequest, HttpRefusal> {
    let query = text(&mut parameters, "query")?;
    let id = text(&mut parameters, "documentId")?;
    let mut extensions = object(&mut parameters, "extensions")?;
    let hash = persisted(&mut extensions)?;
    // A client whose library wants a document sends an empty one beside what names it.
    let is_named = id.is_some() || hash.is_some();
    let query = query.filter(|query| !(is_named && query.is_empty()));
    let source = match (query, id, hash) {
        (Some(query), None, None) => DocumentSource::Text(query),
        (Some(query), None, Some(hash)) => DocumentSource::Register(query, hash),
        (None, None, Some(hash)) => DocumentSource::Known(hash),
        (None, Some(id), None) => DocumentSource::Id(id),
        (None, None, None) => {
            return Err(HttpRefusal::bad_request(
                "query: a GraphQL document is needed",
            ));
        }
        (_, Some(_), _) => {
            let message = "documentId: not together with query or extensions.persistedQuery";
            return Err(HttpRefusal::bad_request(message));
        }
    };
    Ok(OperationRequest {
        source,
        variables: object(&mut parameters, "variables")?,
        idempotency_key: idempotency_key(&mut extensions)?,
        // A form without a name sends an empty one.
        name: text(&mut parameters, "operationName")?.filter(|name| !name.is_empty()),
    })
}

/// Takes the key from a request's headers too, which must not contradict its extensions.
pub(crate) fn add_idempotency_key(
    request: &mut OperationRequest,
    headers: &HeaderMap,
) -> Result<(), HttpRefusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    let name = "Idempotency-Key";
    let text = String::from_utf8_lossy(value.as_bytes());
    let key = read_key(name, &text)?;
    let is_other = request.idempotency_key.as_ref().is_some_and(|k| *k != key);
    if is_other || values.next().is_some() {
        let rule = "one key for one operation, got several";
        return Err(HttpRefusal::bad_request(format!("{name}: {rule}")));
    }
    request.idempotency_key = Some(key);
    Ok(())
}

/// Refuses a batch whose headers carry a key: each operation has its own, in its extensions.
pub(crate) fn refuse_idempotency_key(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let rule =
            "one key for one operation; in a batch each has its own, in extensions.idempotencyKey";
        return Err(HttpRefusal::bad_request(format!("Idempotency-Key: {rule}")));
    }
    Ok(())
}

fn idempotency_key(
    extensions: &mut Map<String, Json>,
) -> Result<Option<IdempotencyKey>, HttpRefusal> {
    let text = text(extensions, "idempotencyKey")?;
    text.map(|text| read_key("extensions.idempotencyKey", &text))
        .transpose()
}

fn read_key(argument: &str, text: &str) -> Result<IdempotencyKey, HttpRefusal> {
    IdempotencyKey::read(text)
        .map_err(|rule| HttpRefusal::bad_request(format!("{argument}: {rule}")))
}

/// Reads the hash of Apollo's persisted queries. It replaces a document, or comes with one to
/// register it.
fn persisted(extensions: &mut Map<String, Json>) -> Result<Option<DocumentHash>, HttpRefusal> {
    let persisted = match extensions.remove("persistedQuery") {
        None | Some(Json::Null) => return Ok(None),
        Some(persisted) => persisted,
    };
    if persisted["version"] != 1 {
        let version = &persisted["version"];
        return Err(wrong("persistedQuery.version", "1", version));
    }
    let hash = &persisted["sha256Hash"];
    let read = hash.as_str().and_then(DocumentHash::read);
    let wanted = "64 hexadecimal digits";
    read.map(Some)
        .ok_or_else(|| wrong("persistedQuery.sha256Hash", wanted, hash))
}

/// Removes an object; null counts as an empty one.
fn object(
    parameters: &mut Map<String, Json>,
    name: &str,
) -> Result<Map<String, Json>, HttpRefusal> {
    match parameters.remove(name) {
        None | Some(Json::Null) => Ok(Map::new()),
        Some(Json::Object(object)) => Ok(object),
        Some(other) => Err(wrong(name, "an object", &other)),
    }
}

/// Removes a string parameter; null counts as absent.
fn text(parameters: &mut Map<String, Json>, name: &str) -> Result<Option<String>, HttpRefusal> {
    match parameters.remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(name, "a String", &other)),
    }
}

fn wrong(name: &str, wanted: &str, got: &Json) -> HttpRefusal {
    HttpRefusal::bad_request(format!("{name}: {wanted}, got {}", start_of(got)))
}

/// The beginning of a value as JSON: what is longer is not written first.
fn start_of(json: &Json) -> String {
    let mut start = Start(String::new());
    // An error means that there was more.
    let _ = write!(start, "{json}");
    start.0
}

/// A text that ends where a quoted value is cut.
struct Start(String);

impl fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = MAX_QUOTE - self.0.chars().count();
        self.0.extend(text.chars().take(left));
        if text.chars().nth(left).is_some() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
