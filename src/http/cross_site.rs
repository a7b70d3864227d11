//! Whose page a request comes from, as far as its browser says so.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    auth::request_context::RequestSite,
    config::{Config, host::Authority},
};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whose page makes the request, as its browser says: one of this server or one that the operator
/// has allowed, or another.
pub(crate) fn site_of(headers: &HeaderMap, peer: SocketAddr, config: &Config) -> RequestSite {
    let text = |name| {
        headers
            .get(name)
            .map(|v: &HeaderValue| v.to_str().unwrap_or_default())
    };
    // A page cannot set this header.
    let is_other_site = match text(SITE) {
        Some("same-origin" | "none") => Some(false),
        Some("same-site" | "cross-site") => Some(true),
        _ => None,
    };
    if let Some(origin) = text(header::ORIGIN) {
        let is_own = is_other_site != Some(true) && is_own_origin(origin, headers, peer, config);
        return if is_own || config.http.names_origin(origin) {
            RequestSite::Trusted
        } else {
            RequestSite::Foreign
        };
    }
    match is_other_site {
        Some(false) => RequestSite::Trusted,
        // A link may lead here from anywhere; the page that has it learns nothing.
        Some(true) if text(MODE) != Some("navigate") && !config.http.names_origin("*") => {
            RequestSite::Foreign
        }
        Some(true) | None => RequestSite::Unknown,
    }
}

/// Whether this is the origin of the server's own pages: its scheme, host and port.
fn is_own_origin(origin: &str, headers: &HeaderMap, peer: SocketAddr, config: &Config) -> bool {
    let Some((scheme @ ("http" | "https"), from)) = origin.split_once("://") else {
        return false;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let (Ok(from), Some(Ok(host))) = (from.parse::<Authority>(), host.map(str::parse::<Authority>))
    else {
        return false;
    };
    from.host == host.host
        && from.port_or_default(scheme) == host.port_or_default(scheme)
        && own_scheme(headers, peer, config).is_none_or(|own| own == scheme)
}

/// The scheme by which clients know this server; `None` where a proxy may end their TLS and does
/// not say so.
fn own_scheme<'h>(headers: &'h HeaderMap, peer: SocketAddr, config: &Config) -> Option<&'h str> {
    if config.connection.trusts(peer.ip().to_canonical()) {
        let lines = headers.get_all(FORWARDED_PROTO);
        let last = lines
            .iter()
            .next_back()?
            .to_str()
            .ok()?
            .rsplit(',')
            .next()?;
        return Some(last.trim());
    }
    if config.connection.is_tls() {
        return Some("https");
    }
    config.http.listen.is_loopback().then_some("http")
}
