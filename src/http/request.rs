//! What is taken as an operation: the same parameters in a JSON body, a URL or a socket's message.

use async_graphql::{Request as Operation, Variables};
use serde_json::{Map, Value as Json};

use super::graphql::Refusal;

/// The one operation of a JSON body.
pub(super) fn from_body(body: &[u8]) -> Result<Operation, Refusal> {
    let json: Json = serde_json::from_slice(body)
        .map_err(|e| Refusal::bad(format!("the body is not JSON: {e}")))?;
    match json {
        Json::Object(parameters) => from_parameters(parameters),
        Json::Array(_) => Err(Refusal::bad(
            "one operation in a JSON object; batches are not taken",
        )),
        _ => Err(Refusal::bad("one operation in a JSON object")),
    }
}

/// The operation of a URL's parameters.
pub(super) fn from_query(query: &str) -> Result<Operation, Refusal> {
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "query" | "operationName" => Json::String(value.into_owned()),
            "variables" | "extensions" if !value.is_empty() => serde_json::from_str(&value)
                .map_err(|e| Refusal::bad(format!("{name}: a JSON object, got no JSON: {e}")))?,
            _ => continue,
        };
        parameters.insert(name.into_owned(), value);
    }
    from_parameters(parameters)
}

/// An operation as every transport takes it.
pub(super) fn from_parameters(mut parameters: Map<String, Json>) -> Result<Operation, Refusal> {
    let wrong = |name: &str, wanted: &str, got: &Json| {
        let got = got.to_string();
        let shown: String = got.chars().take(80).collect();
        Refusal::bad(format!("{name}: {wanted}, got {shown}"))
    };
    let mut operation = match parameters.remove("query") {
        Some(Json::String(query)) => Operation::new(query),
        Some(other) => return Err(wrong("query", "a String", &other)),
        None => return Err(Refusal::bad("query: a GraphQL document is needed")),
    };
    match parameters.remove("variables") {
        None | Some(Json::Null) => {}
        Some(object @ Json::Object(_)) => {
            operation = operation.variables(Variables::from_json(object));
        }
        Some(other) => return Err(wrong("variables", "an object", &other)),
    }
    match parameters.remove("operationName") {
        None | Some(Json::Null) => {}
        // An empty name is what a form without one sends.
        Some(Json::String(name)) if name.is_empty() => {}
        Some(Json::String(name)) => operation = operation.operation_name(name),
        Some(other) => return Err(wrong("operationName", "a String", &other)),
    }
    match parameters.remove("extensions") {
        None | Some(Json::Null | Json::Object(_)) => Ok(operation),
        Some(other) => Err(wrong("extensions", "an object", &other)),
    }
}
