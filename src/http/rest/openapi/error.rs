//! The answers that are errors.

use utoipa::openapi::{
    Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, path::OperationBuilder,
};

use crate::http::rest::{
    openapi::schema::{object, text},
    response::MEDIA,
};

/// Each error's status, name and meaning.
const ERRORS: [(&str, &str, &str); 8] = [
    (
        "400",
        "BadRequest",
        "A parameter breaks a rule, something is not UTF-8, or the Origin may not ask",
    ),
    (
        "401",
        "Unauthenticated",
        "The token is not good, or there is none and callers without one may do nothing here",
    ),
    ("403", "Forbidden", "The token may not read"),
    ("404", "NotFound", "There is no such path, or no such row"),
    ("405", "MethodNotAllowed", "Only GET, HEAD and OPTIONS"),
    (
        "429",
        "TooMany",
        "The caller has spent its points; the header Retry-After says for how many seconds",
    ),
    (
        "500",
        "Internal",
        "A fault of the server's; the reason is in its log",
    ),
    (
        "503",
        "Unavailable",
        "The database does not answer, or not in time; try again",
    ),
];

/// The body of every error.
pub(crate) fn error_schema() -> ObjectBuilder {
    object().property("error", text()).required("error")
}

/// The errors by name.
pub(crate) fn error_responses() -> Vec<(&'static str, Response)> {
    let response = |description| {
        let schema: RefOr<Schema> = Ref::from_schema_name("Problem").into();
        ResponseBuilder::new()
            .description(description)
            .content(MEDIA, Content::new(Some(schema)))
            .build()
    };
    ERRORS
        .map(|(_, name, description)| (name, response(description)))
        .into()
}

/// Adds every error to an operation's responses.
pub(crate) fn with_errors(operation: OperationBuilder) -> OperationBuilder {
    ERRORS
        .iter()
        .fold(operation, |operation, (status, name, _)| {
            operation.response(*status, Ref::from_response_name(*name))
        })
}
