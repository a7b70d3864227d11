//! Parses an operation from a JSON body, a URL's query or a socket's message; all three have the
//! same parameters.

use axum::http::{HeaderMap, HeaderName};
use serde_json::{Map, Value as Json};

use crate::{
    domain::idempotency_key::IdempotencyKey,
    graphql::prepare::{
        document_hash::DocumentHash,
        documents::{DocumentSource, OperationRequest},
    },
    http::graphql::refusal::HttpRefusal,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Parses the single operation of a JSON body.
pub(crate) fn from_body(body: &[u8]) -> Result<OperationRequest, HttpRefusal> {
    let json: Json = serde_json::from_slice(body)
        .map_err(|e| HttpRefusal::bad_request(format!("the body is not JSON: {e}")))?;
    match json {
        Json::Object(parameters) => from_parameters(parameters),
        Json::Array(_) => Err(HttpRefusal::bad_request(
            "one operation in a JSON object; batches are not taken",
        )),
        _ => Err(HttpRefusal::bad_request("one operation in a JSON object")),
    }
}

/// Parses the operation of a URL's parameters. Unknown parameters are ignored.
pub(crate) fn from_query(query: &str) -> Result<OperationRequest, HttpRefusal> {
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "query" | "operationName" | "documentId" => Json::String(value.into_owned()),
            "variables" | "extensions" if !value.is_empty() => serde_json::from_str(&value)
                .map_err(|e| {
                    HttpRefusal::bad_request(format!("{name}: a JSON object, got no JSON: {e}"))
                })?,
            _ => continue,
        };
        parameters.insert(name.into_owned(), value);
    }
    from_parameters(parameters)
}

/// Makes an operation of the parameters that every transport has. A null one counts as absent.
pub(crate) fn from_parameters(
    mut parameters: Map<String, Json>,
) -> Result<OperationRequest, HttpRefusal> {
    let query = text(&mut parameters, "query")?;
    let id = text(&mut parameters, "documentId")?;
    let mut extensions = object(&mut parameters, "extensions")?;
    let hash = persisted(&mut extensions)?;
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
    let key = IdempotencyKey::read(&text)
        .map_err(|rule| HttpRefusal::bad_request(format!("{name}: {rule}")))?;
    let is_other = request.idempotency_key.as_ref().is_some_and(|k| *k != key);
    if is_other || values.next().is_some() {
        let rule = "one key for one operation, got several";
        return Err(HttpRefusal::bad_request(format!("{name}: {rule}")));
    }
    request.idempotency_key = Some(key);
    Ok(())
}

fn idempotency_key(
    extensions: &mut Map<String, Json>,
) -> Result<Option<IdempotencyKey>, HttpRefusal> {
    let Some(text) = text(extensions, "idempotencyKey")? else {
        return Ok(None);
    };
    let key = IdempotencyKey::read(&text)
        .map_err(|rule| HttpRefusal::bad_request(format!("extensions.idempotencyKey: {rule}")))?;
    Ok(Some(key))
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
    let got = got.to_string();
    let shown: String = got.chars().take(80).collect();
    HttpRefusal::bad_request(format!("{name}: {wanted}, got {shown}"))
}
