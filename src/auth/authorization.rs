//! The token in an `Authorization` header, or in a WebSocket's `connection_init`.

use crate::{
    auth::rejection::{NO_TOKEN, NOT_TEXT, OTHER_SCHEME, SEVERAL_HEADERS},
    domain::error::Result,
};

/// The token in a request's headers; `None` where there is no such header, or only empty ones,
/// which clients send that have no token.
pub(crate) fn token_from_headers<'v>(
    values: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Option<&'v str>> {
    let mut values = values.into_iter().filter(|value| !is_empty(value));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = str::from_utf8(value).map_err(|_| NOT_TEXT)?;
            token_from_text(text).map(Some)
        }
        (Some(_), Some(_)) => Err(SEVERAL_HEADERS),
    }
}

/// Whether a value of `Authorization` is empty, and so counts as none.
pub(crate) fn is_empty(value: &[u8]) -> bool {
    value.trim_ascii().is_empty()
}

/// The token in the payload of a `connection_init`, which may leave out `Bearer`. A value that is
/// not a string is `None`; empty ones must have been left out.
pub(crate) fn token_from_payload(values: &[Option<String>]) -> Result<&str> {
    match values {
        [Some(value)] => match value.trim() {
            // Unlike in a header, the scheme may be left out; a lone `Bearer` is a scheme.
            word if !word.contains(' ') && !word.eq_ignore_ascii_case("Bearer") => Ok(word),
            value => token_from_text(value),
        },
        [None] => Err(NOT_TEXT),
        _ => Err(SEVERAL_HEADERS),
    }
}

fn token_from_text(value: &str) -> Result<&str> {
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    match token.trim() {
        _ if !scheme.eq_ignore_ascii_case("Bearer") => Err(OTHER_SCHEME),
        "" => Err(NO_TOKEN),
        token => Ok(token),
    }
}
