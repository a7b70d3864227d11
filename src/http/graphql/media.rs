//! The media types of responses, and which one a client accepts.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use mime::Mime;

use crate::http::graphql::response_body::ResponseBody;

/// The media type whose statuses speak of the GraphQL request; with plain JSON they speak of HTTP
/// alone.
pub(crate) const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// A media type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMedia {
    Json,
    GraphqlResponse,
    /// An event stream; refusals are JSON here too.
    EventStream,
}

impl ResponseMedia {
    /// The media type that the client likes best, and plain JSON where it has no wish; `None` where
    /// it accepts nothing that this server has.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
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
                    EVENT_STREAM => Self::EventStream,
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
        let unasked = (!any_wish).then_some(Self::Json);
        best.map(|(_, media)| media).or(unasked)
    }

    /// A body in this media type, with status 200.
    pub(crate) fn json(self, body: &ResponseBody<'_>) -> Response {
        let content_type = match self {
            Self::Json | Self::EventStream => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        };
        match serde_json::to_vec(body) {
            Ok(body) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
