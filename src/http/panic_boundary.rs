//! The panic boundary: a panic is logged and answered with 500, and the connection stays open.
//! The panic's text goes to the log alone, because it may hold anything.

use std::any::Any;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

use crate::graphql::execute::panic_boundary::Panic;

/// The boundary for GraphQL over HTTP.
pub(crate) fn graphql() -> CatchPanicLayer<impl ResponseForPanic<ResponseBody = Body>> {
    layer(
        "application/json; charset=utf-8",
        r#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#,
    )
}

/// The boundary for the REST API.
pub(crate) fn rest() -> CatchPanicLayer<impl ResponseForPanic<ResponseBody = Body>> {
    layer(
        "application/json; charset=utf-8",
        r#"{"error":"internal error"}"#,
    )
}

/// The boundary for all other routes and for the layers.
pub(crate) fn plain() -> CatchPanicLayer<impl ResponseForPanic<ResponseBody = Body>> {
    layer("text/plain; charset=utf-8", "internal error\n")
}

fn layer(
    content_type: &'static str,
    body: &'static str,
) -> CatchPanicLayer<impl ResponseForPanic<ResponseBody = Body>> {
    CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| -> Response {
        tracing::error!(error = %Panic::new(&*panic), "a request panicked");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
    })
}
