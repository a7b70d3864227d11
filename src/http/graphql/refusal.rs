//! HTTP requests that are refused before they become a GraphQL operation.

use async_graphql::ServerError;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    auth::request_context::RequestContext,
    domain::error::{Error, ErrorCode},
    graphql::{
        api::Api,
        execute::answer::refusal_json,
        execute::errors::{from_error, request_error},
    },
    http::{
        cors::ForeignOrigin,
        error_status::{retry_after, status_of_error},
        graphql::media::ResponseMedia,
    },
};

/// A refusal: its status, its one error, and at most one extra header.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    status: StatusCode,
    error: Box<ServerError>,
    media: ResponseMedia,
    header: Option<(HeaderName, HeaderValue)>,
}

impl HttpRefusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let error = request_error(message, ErrorCode::BadUserInput.into());
        Self {
            status,
            error: Box::new(error),
            media: ResponseMedia::Json,
            header: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A refusal with this error.
    pub(crate) fn from_error(status: StatusCode, error: &Error) -> Self {
        Self {
            error: Box::new(from_error(error)),
            header: retry_after(error).map(|after| (header::RETRY_AFTER, after)),
            ..Self::new(status, "")
        }
    }

    /// Closes the connection, which cannot be reused because the rest of the body is not read.
    pub(crate) fn closing_connection(self) -> Self {
        self.with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    pub(crate) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    /// Returns the same refusal, to be sent in this media type.
    pub(crate) fn in_media(self, media: ResponseMedia) -> Self {
        Self { media, ..self }
    }

    pub(crate) fn into_message(self) -> String {
        self.error.message
    }

    /// The error alone, for an answer that has others beside it.
    pub(crate) fn into_error(self) -> ServerError {
        *self.error
    }

    pub(crate) fn into_response(self, api: &Api, context: &RequestContext) -> Response {
        let errors = [api.error_signer(context).signed(*self.error)];
        let body = self
            .media
            .of_status(self.status)
            .json(refusal_json(&errors));
        let mut response = (self.status, body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<Error> for HttpRefusal {
    fn from(error: Error) -> Self {
        Self::from_error(status_of_error(&error), &error)
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
