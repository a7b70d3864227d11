//! GraphQL over HTTP: what is taken as a request, which media type and status the answer has, and what is refused unread.

use async_graphql::{
    Request as Operation, ServerError, Value, Variables, parser::types::OperationType,
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mime::Mime;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::ws;
use crate::{
    error::Code,
    graphql::{self, Api, error, live::is_refused},
};

/// The media type whose statuses speak of the GraphQL request; with plain JSON they speak of HTTP alone.
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const PREFLIGHT: HeaderName = HeaderName::from_static("graphql-require-preflight");

/// An answer without a GraphQL result.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    media: Media,
    allow: Option<HeaderValue>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            media: Media::Json,
            allow: None,
        }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let errors = [error::refusal(self.message, Code::BadUserInput.name())];
        let mut response = self.media.answer(
            self.status,
            &Answer {
                data: None,
                errors: &errors,
            },
        );
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// The body of every answer; `data` is left out where nothing was executed.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    GraphqlResponse,
}

impl Media {
    /// The one of ours that the client likes best; plain JSON where it has no wish.
    fn accepted(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut best: Option<(f32, Self)> = None;
        let mut any_wish = false;
        for range in headers.get_all(header::ACCEPT) {
            for range in range.to_str().unwrap_or_default().split(',') {
                let Ok(range) = range.trim().parse::<Mime>() else {
                    continue;
                };
                any_wish = true;
                let q = range
                    .get_param("q")
                    .and_then(|q| q.as_str().parse().ok())
                    .unwrap_or(1.0);
                let media = match range.essence_str() {
                    GRAPHQL_RESPONSE => Self::GraphqlResponse,
                    "application/json" | "application/*" | "*/*" => Self::Json,
                    _ => continue,
                };
                let utf8 = range
                    .get_param(mime::CHARSET)
                    .is_none_or(|c| c == mime::UTF_8);
                if utf8 && q > 0.0 && best.is_none_or(|(most, _)| q > most) {
                    best = Some((q, media));
                }
            }
        }
        match best {
            Some((_, media)) => Ok(media),
            None if !any_wish => Ok(Self::Json),
            None => Err(Refusal::new(
                StatusCode::NOT_ACCEPTABLE,
                format!(
                    "Accept: {GRAPHQL_RESPONSE} or application/json is what this server answers"
                ),
            )),
        }
    }

    fn answer(self, status: StatusCode, answer: &Answer<'_>) -> Response {
        let content_type = match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        };
        match serde_json::to_vec(answer) {
            Ok(body) => (status, [(header::CONTENT_TYPE, content_type)], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// POST: one operation in a JSON body.
pub(super) async fn post(State(api): State<Api>, request: Request<Body>) -> Response {
    let answer = async {
        let (parts, body) = request.into_parts();
        let media = Media::accepted(&parts.headers)?;
        let in_media = |refusal: Refusal| Refusal { media, ..refusal };
        check_content_type(&parts.headers).map_err(in_media)?;
        let limit = api.app().config.http.max_body_bytes;
        let body = read(body, &parts.headers, limit).await.map_err(in_media)?;
        let operation = from_body(&body).map_err(in_media)?;
        Ok(execute(&api, media, operation).await)
    };
    answer.await.unwrap_or_else(Refusal::into_response)
}

/// GET: one query in the URL, or a WebSocket.
pub(super) async fn get(State(api): State<Api>, request: Request<Body>) -> Response {
    let answer = async {
        if ws::is_upgrade(request.headers()) {
            return ws::upgrade(api, request).await;
        }
        let media = Media::accepted(request.headers())?;
        let in_media = |refusal: Refusal| Refusal { media, ..refusal };
        check_preflight(request.headers()).map_err(in_media)?;
        let mut operation =
            from_query(request.uri().query().unwrap_or_default()).map_err(in_media)?;
        let name = operation.operation_name.clone();
        // A document that cannot be read is for `execute` to refuse.
        if let Ok(document) = operation.parsed_query()
            && graphql::operation(document, name.as_deref()).map(|o| o.ty)
                == Some(OperationType::Mutation)
        {
            return Err(Refusal {
                allow: Some(HeaderValue::from_static("POST")),
                ..in_media(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "a mutation goes over POST",
                ))
            });
        }
        Ok(execute(&api, media, operation).await)
    };
    answer.await.unwrap_or_else(Refusal::into_response)
}

async fn execute(api: &Api, media: Media, operation: Operation) -> Response {
    let response = api.execute(operation).await;
    let refused = is_refused(&response);
    let is_stranger = || {
        let code = |e: &ServerError| e.extensions.as_ref().and_then(|x| x.get("code").cloned());
        response
            .errors
            .iter()
            .any(|e| code(e) == Some(Code::Unauthenticated.name().into()))
    };
    let status = match (refused, media) {
        (true, _) if is_stranger() => StatusCode::UNAUTHORIZED,
        (true, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let answer = Answer {
        data: (!refused).then_some(&response.data),
        errors: &response.errors,
    };
    let mut answer = media.answer(status, &answer);
    if status == StatusCode::UNAUTHORIZED {
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Only JSON: every other type a page of another site may post without asking first.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let is_json = given.and_then(|v| v.parse::<Mime>().ok()).is_some_and(|m| {
        m.essence_str() == "application/json"
            && m.get_param(mime::CHARSET).is_none_or(|c| c == mime::UTF_8)
    });
    if is_json {
        return Ok(());
    }
    let got = given.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("Content-Type: application/json is needed, got {got}"),
    ))
}

/// A query in a URL needs a sign that no other site's page or image tag has made the browser send it.
fn check_preflight(headers: &HeaderMap) -> Result<(), Refusal> {
    let accepts = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|v| v.to_str().is_ok_and(|v| v.contains(GRAPHQL_RESPONSE)));
    if accepts || headers.contains_key(PREFLIGHT) {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "a GET needs `Accept: {GRAPHQL_RESPONSE}` or the header `GraphQL-Require-Preflight: 1`; the playground is at /graphiql"
    )))
}

async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("max-body-bytes is {limit}, and this body is larger"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    to_bytes(body, limit).await.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return too_large();
            }
            cause = error.source();
        }
        Refusal::bad("the body broke off")
    })
}

fn from_body(body: &[u8]) -> Result<Operation, Refusal> {
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

fn from_query(query: &str) -> Result<Operation, Refusal> {
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

fn from_parameters(mut parameters: Map<String, Json>) -> Result<Operation, Refusal> {
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
