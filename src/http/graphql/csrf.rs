//! Cross-site requests: what a GET must carry, because a link, a form or an image of another site
//! cannot make a browser send it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use mime::Mime;

use crate::{
    auth::request_context::RequestSite,
    http::graphql::{media::GRAPHQL_RESPONSE, refusal::HttpRefusal},
};

/// Headers that a browser sends for another site's page only after a preflight. The first two are
/// Apollo's.
const PREFLIGHTED: [HeaderName; 3] = [
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("x-apollo-operation-name"),
    HeaderName::from_static("graphql-require-preflight"),
];

/// The types of a form, which need no preflight.
const SIMPLE: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// Requires such a header, or `Accept` of a client that is no other site's page: a script of any
/// page may set that one.
pub(crate) fn check_get(headers: &HeaderMap, site: RequestSite) -> Result<(), HttpRefusal> {
    let is_preflighted = |name| headers.get(name).is_some_and(|value| !value.is_empty());
    if PREFLIGHTED.iter().any(is_preflighted) || has_preflighted_type(headers) {
        return Ok(());
    }
    let accepted = headers.get_all(header::ACCEPT).iter();
    let accepts = accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains(GRAPHQL_RESPONSE));
    let may_be_foreign = match site {
        RequestSite::Trusted => false,
        RequestSite::Foreign => true,
        RequestSite::Unknown => may_be_browser(headers),
    };
    if accepts && !may_be_foreign {
        return Ok(());
    }
    let accept = if may_be_foreign {
        String::new()
    } else {
        format!("`Accept: {GRAPHQL_RESPONSE}`, ")
    };
    Err(HttpRefusal::bad_request(format!(
        "a GET needs {accept}`Content-Type: application/json` or the header \
         `GraphQL-Require-Preflight: 1`; the playground is at /graphiql"
    )))
}

/// Whether a browser may have sent it that does not say whose page asks: to plain HTTP none does.
fn may_be_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    // What every browser's begins with. A page can neither change nor leave out the header.
    let is_browser = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    is_browser || headers.contains_key(header::COOKIE)
}

/// Whether there is one `Content-Type`, and it is none of a form's.
fn has_preflighted_type(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    // What is no media type proves nothing: browsers may read it in another way.
    parse(only).is_some_and(|media| !SIMPLE.contains(&media.essence_str()))
}

fn parse(value: &HeaderValue) -> Option<Mime> {
    value.to_str().ok()?.parse().ok()
}
