//! The query of a URL.

use std::{borrow::Cow, str::Utf8Error};

use percent_encoding::percent_decode_str;

/// Decodes a name or a value.
///
/// # Errors
/// It is not UTF-8: replacing what is not would ask for something else.
pub(crate) fn decode(text: &str) -> Result<String, Utf8Error> {
    // Before the percent-decoding, so that `%2B` stays a plus.
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(Cow::into_owned)
}
