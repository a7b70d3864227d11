//! Limits a request's head exactly: hyper's own limits are those of its buffers, which take more
//! where it arrives at once.

use axum::{
    extract::Request,
    http::{StatusCode, Version},
    response::{IntoResponse, Response},
};

/// The largest head of a request, in bytes: over HTTP/1 as it is written, over HTTP/2 as its fields
/// count (RFC 9113, section 6.5.2: 32 for each, beside its name and value).
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// Refuses a larger head with 431.
pub(crate) fn refuse_long_head(request: &Request) -> Option<Response> {
    if head_length(request) <= MAX_HEAD {
        return None;
    }
    let message = format!("the head of a request may have {MAX_HEAD} bytes\n");
    Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message).into_response())
}

fn head_length(request: &Request) -> usize {
    let uri = request.uri();
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri
        .authority()
        .map_or(0, |authority| authority.as_str().len());
    let scheme = uri.scheme_str().map_or(0, str::len);
    let target = request.method().as_str().len() + path + authority + scheme;
    let is_http2 = request.version() == Version::HTTP_2;
    // Of each field: `: ` and a line's end.
    let of_field = if is_http2 { 32 } else { 4 };
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + of_field);
    let rest = if is_http2 {
        [":method", ":path", ":authority", ":scheme"]
            .map(str::len)
            .iter()
            .sum::<usize>()
            + 4 * 32
    } else {
        let separator = if scheme > 0 { "://".len() } else { 0 };
        "  HTTP/1.1\r\n\r\n".len() + separator
    };
    target + rest + fields.sum::<usize>()
}
