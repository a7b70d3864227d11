//! The media types of responses, and the choice of the one that a client accepts.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::{
    accept::{self, NotAcceptable},
    graphql::stream_encoding::StreamEncoding,
};

/// The media type whose HTTP status reflects the GraphQL request too; with plain JSON, the status
/// reflects HTTP alone.
pub(crate) const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
/// Apollo's protocol. Without the parameter it would be that of deferred responses.
pub(crate) const MULTIPART: &str = "multipart/mixed;subscriptionspec=1.0";

/// A media type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMedia {
    Json,
    GraphqlResponse,
    /// An event stream. A refusal with an HTTP status is JSON here too.
    EventStream,
    /// The parts of a multipart response; the same holds here.
    Multipart,
}

impl ResponseMedia {
    /// Returns the media type that the client prefers, or plain JSON if it states no preference.
    pub(crate) fn accepted(headers: &HeaderMap) -> Result<Self, NotAcceptable> {
        const OFFERS: [(&str, ResponseMedia); 6] = [
            (GRAPHQL_RESPONSE, ResponseMedia::GraphqlResponse),
            (EVENT_STREAM, ResponseMedia::EventStream),
            (MULTIPART, ResponseMedia::Multipart),
            ("application/json", ResponseMedia::Json),
            ("application/*", ResponseMedia::Json),
            ("*/*", ResponseMedia::Json),
        ];
        accept::choose(headers, &OFFERS).map(|media| media.unwrap_or(Self::Json))
    }

    /// Returns whether the client is a browser that shows a page: it prefers HTML to all of these.
    pub(crate) fn prefers_page(headers: &HeaderMap) -> bool {
        const OFFERS: [(&str, bool); 6] = [
            ("text/html", true),
            (GRAPHQL_RESPONSE, false),
            (EVENT_STREAM, false),
            ("application/json", false),
            ("application/*", false),
            ("*/*", false),
        ];
        accept::choose(headers, &OFFERS) == Ok(Some(true))
    }

    /// How results are written that are sent piece by piece; `None` if they are not.
    pub(crate) fn encoding(self) -> Option<StreamEncoding> {
        match self {
            Self::Json | Self::GraphqlResponse => None,
            Self::EventStream => Some(StreamEncoding::EventStream),
            Self::Multipart => Some(StreamEncoding::Multipart),
        }
    }

    /// The media type of an answer with this status.
    pub(crate) fn of_status(self, status: StatusCode) -> Self {
        match status {
            // Apollo Client reads the GraphQL media type as a result, whatever the status, and does
            // not try again; another status of plain JSON is an error that its retry link sees.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Self::Json,
            _ => self,
        }
    }

    /// The answer with this JSON, with status 200.
    pub(crate) fn json(self, json: Vec<u8>) -> Response {
        let content_type = match self {
            Self::Json | Self::EventStream | Self::Multipart => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        };
        ([(header::CONTENT_TYPE, content_type)], json).into_response()
    }
}
