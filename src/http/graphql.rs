//! GraphQL over HTTP: what is taken as a request, which media type and status the answer has, and what is refused unread.

pub(crate) mod request;
pub(crate) mod sse;

use std::collections::BTreeMap;

use async_graphql::{ServerError, Value};
use axum::{
    Extension,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mime::Mime;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    auth::request_context::RequestContext,
    config::Config,
    domain::error::{Error, ErrorCode},
    graphql::{
        api::Api,
        execute::errors,
        prepare::operation::PreparedOperation,
        subscribe::stream::{Outcome, is_refused},
    },
    http::{
        accept::{self, NotAcceptable},
        cors::ForeignOrigin,
        graphql::request::{from_body, from_query},
        request_context,
        websocket::upgrade,
    },
};

/// The media type whose statuses speak of the GraphQL request; with plain JSON they speak of HTTP alone.
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const EVENT_STREAM: &str = "text/event-stream";
const PREFLIGHT: HeaderName = HeaderName::from_static("graphql-require-preflight");

/// An answer without a GraphQL result.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    status: StatusCode,
    error: Box<ServerError>,
    media: ResponseMedia,
    header: Option<(HeaderName, HeaderValue)>,
}

impl HttpRefusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            error: Box::new(errors::refusal(message, ErrorCode::BadUserInput.name())),
            media: ResponseMedia::Json,
            header: None,
        }
    }

    /// The client has more than its share.
    pub(crate) fn too_many(error: &Error) -> Self {
        Self {
            error: Box::new(errors::from_error(error)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "")
        }
    }

    /// The rest of the body is not read, so the connection cannot be used again.
    fn closing(self) -> Self {
        Self {
            header: Some((header::CONNECTION, HeaderValue::from_static("close"))),
            ..self
        }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// What is wrong.
    pub(crate) fn message(self) -> String {
        self.error.message
    }

    fn answer(self, api: &Api, context: &RequestContext) -> Response {
        let errors = [api.signature(context).signed(*self.error)];
        let mut response = self.media.answer(
            self.status,
            &ResponseBody {
                data: None,
                errors: &errors,
                extensions: None,
            },
        );
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<ForeignOrigin> for HttpRefusal {
    fn from(_: ForeignOrigin) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Origin: only pages of this server and of --allow-origin may do this",
        )
    }
}

/// The body of every answer; `data` is left out where nothing was executed.
#[derive(Serialize)]
struct ResponseBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a BTreeMap<String, Value>>,
}

impl<'a> ResponseBody<'a> {
    fn of(response: &'a async_graphql::Response) -> Self {
        Self {
            data: (!is_refused(response)).then_some(&response.data),
            errors: &response.errors,
            extensions: (!response.extensions.is_empty()).then_some(&response.extensions),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseMedia {
    Json,
    GraphqlResponse,
    /// What is refused is JSON here too.
    EventStream,
}

impl ResponseMedia {
    /// The one of ours that the client prefers; plain JSON where it states no preference.
    fn accepted(headers: &HeaderMap) -> Result<Self, HttpRefusal> {
        const OFFERS: [(&str, ResponseMedia); 5] = [
            (GRAPHQL_RESPONSE, ResponseMedia::GraphqlResponse),
            (EVENT_STREAM, ResponseMedia::EventStream),
            ("application/json", ResponseMedia::Json),
            ("application/*", ResponseMedia::Json),
            ("*/*", ResponseMedia::Json),
        ];
        match accept::choose(headers, &OFFERS) {
            Ok(media) => Ok(media.unwrap_or(Self::Json)),
            Err(NotAcceptable) => Err(HttpRefusal::new(
                StatusCode::NOT_ACCEPTABLE,
                format!(
                    "Accept: {GRAPHQL_RESPONSE}, application/json or {EVENT_STREAM} is what this server answers"
                ),
            )),
        }
    }

    fn answer(self, status: StatusCode, answer: &ResponseBody<'_>) -> Response {
        let content_type = match self {
            Self::Json | Self::EventStream => "application/json; charset=utf-8",
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
pub(crate) async fn post(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
    request: Request<Body>,
) -> Response {
    let answer = async {
        let (parts, body) = request.into_parts();
        let media = ResponseMedia::accepted(&parts.headers)?;
        let in_media = |refusal: HttpRefusal| HttpRefusal { media, ..refusal };
        check_content_type(&parts.headers).map_err(in_media)?;
        let body = read(body, &parts.headers, &api.app().config);
        let body = body.await.map_err(in_media)?;
        let operation = from_body(&body).map_err(in_media)?;
        let asked = api.open(operation, &context);
        respond(&api, &context, media, &parts.headers, asked).await
    };
    let answer = answer.await;
    answer.unwrap_or_else(|refusal| refusal.answer(&api, &context))
}

/// GET: one query in the URL, or a WebSocket.
pub(crate) async fn get(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
    request: Request<Body>,
) -> Response {
    let answer = async {
        if upgrade::is_upgrade(request.headers()) {
            return upgrade::upgrade(api.clone(), context.clone(), request).await;
        }
        let media = ResponseMedia::accepted(request.headers())?;
        let in_media = |refusal: HttpRefusal| HttpRefusal { media, ..refusal };
        // An EventSource cannot send a header of ours; which page it belongs to is looked at instead.
        if media != ResponseMedia::EventStream {
            check_preflight(request.headers()).map_err(in_media)?;
        }
        let operation = from_query(request.uri().query().unwrap_or_default()).map_err(in_media)?;
        let asked = api.open(operation, &context);
        if asked.as_ref().is_ok_and(PreparedOperation::is_mutation) {
            return Err(HttpRefusal {
                header: Some((header::ALLOW, HeaderValue::from_static("POST"))),
                ..in_media(HttpRefusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "a mutation goes over POST",
                ))
            });
        }
        respond(&api, &context, media, request.headers(), asked).await
    };
    let answer = answer.await;
    answer.unwrap_or_else(|refusal| refusal.answer(&api, &context))
}

async fn respond(
    api: &Api,
    context: &RequestContext,
    media: ResponseMedia,
    headers: &HeaderMap,
    asked: Result<PreparedOperation, ServerError>,
) -> Result<Response, HttpRefusal> {
    let refused = |error| async_graphql::Response::from_errors(vec![error]);
    if media != ResponseMedia::EventStream {
        let response = match asked {
            Ok(asked) => api.execute(asked, context).await,
            Err(error) => refused(error),
        };
        return Ok(answer(media, context, &response));
    }
    let mut wish = sse::Wish::read(headers, api.app())?;
    let outcome = match asked {
        Ok(asked) => api.run(asked, context, wish.resume.take()).await,
        Err(error) => Outcome::Answer(Box::new(refused(error))),
    };
    Ok(match outcome {
        Outcome::Stream(updates) => sse::stream(api, context, updates),
        Outcome::Answer(response) if status_of(context, &response).is_some() => {
            answer(media, context, &response)
        }
        // Also where it was refused: who reads a stream sees nothing else.
        Outcome::Answer(response) => {
            let payload = serde_json::to_string(&ResponseBody::of(&response));
            sse::once(&payload.unwrap_or_default())
        }
    })
}

/// The status of what was refused because of who asks or how much, whichever media type was asked for.
fn status_of(context: &RequestContext, response: &async_graphql::Response) -> Option<StatusCode> {
    if retry_after(response).is_some() {
        return Some(StatusCode::TOO_MANY_REQUESTS);
    }
    request_context::refusal(context).map(|(status, _)| status)
}

fn answer(
    media: ResponseMedia,
    context: &RequestContext,
    response: &async_graphql::Response,
) -> Response {
    let status = match (status_of(context, response), media) {
        (Some(status), _) => status,
        (None, ResponseMedia::GraphqlResponse) if is_refused(response) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut answer = media.answer(status, &ResponseBody::of(response));
    if status == StatusCode::TOO_MANY_REQUESTS {
        let after = retry_after(response).map(|after| (header::RETRY_AFTER, after));
        answer.headers_mut().extend(after);
    }
    answer
}

/// When there are points enough, in seconds.
fn retry_after(response: &async_graphql::Response) -> Option<HeaderValue> {
    let mut extensions = response.errors.iter().filter_map(|e| e.extensions.as_ref());
    let seconds = extensions.find_map(|x| x.get("retryAfter").cloned())?;
    seconds.to_string().try_into().ok()
}

/// Only JSON: every other type a page of another site may post without asking first.
fn check_content_type(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let is_json = given.and_then(|v| v.parse::<Mime>().ok()).is_some_and(|m| {
        m.essence_str() == "application/json"
            && m.get_param(mime::CHARSET).is_none_or(|c| c == mime::UTF_8)
    });
    if is_json {
        return check_content_encoding(headers);
    }
    let got = given.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
    Err(HttpRefusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("Content-Type: application/json is needed, got {got}"),
    ))
}

fn check_content_encoding(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let mut given = headers.get_all(header::CONTENT_ENCODING).iter();
    match given.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        None => Ok(()),
        Some(encoding) => Err(HttpRefusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Encoding: a body is not compressed here, got {encoding:?}"),
        )),
    }
}

/// A query in a URL needs a sign that no other site's page or image tag has made the browser send it.
fn check_preflight(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let accepts = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|v| v.to_str().is_ok_and(|v| v.contains(GRAPHQL_RESPONSE)));
    if accepts || headers.contains_key(PREFLIGHT) {
        return Ok(());
    }
    Err(HttpRefusal::bad(format!(
        "a GET needs `Accept: {GRAPHQL_RESPONSE}` or the header `GraphQL-Require-Preflight: 1`; the playground is at /graphiql"
    )))
}

async fn read(body: Body, headers: &HeaderMap, config: &Config) -> Result<Bytes, HttpRefusal> {
    let limit = config.http.max_body_bytes;
    let too_large = || {
        HttpRefusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("max-body-bytes is {limit}, and this body is larger"),
        )
        .closing()
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let Ok(read) = timeout(config.connection.read_timeout(), to_bytes(body, limit)).await else {
        let seconds = config.connection.read_timeout_seconds;
        return Err(HttpRefusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("read-timeout-seconds is {seconds}, and the body was not all there by then"),
        )
        .closing());
    };
    read.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return too_large();
            }
            cause = error.source();
        }
        HttpRefusal::bad("the body broke off")
    })
}
