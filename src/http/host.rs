//! The layer that requires of each HTTP/1.1 request the one `Host` that RFC 9112 requires.

use axum::{
    extract::Request,
    http::{StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Refuses a request without `Host`, unless it is HTTP/1.0, and one with several.
pub(crate) async fn require_host(request: Request, next: Next) -> Response {
    let given = request.headers().get_all(header::HOST).iter().count();
    let is_optional = request.version() == Version::HTTP_10;
    if given == 1 || (given == 0 && is_optional) {
        return next.run(request).await;
    }
    let message = format!("Host: one is needed, got {given}\n");
    (StatusCode::BAD_REQUEST, message).into_response()
}
