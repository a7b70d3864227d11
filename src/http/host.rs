//! The host that a request names. A name that anybody can point at this server's address must not
//! pass for its own: pages of that name would be of its origin (DNS rebinding).

use std::{fmt::Display, net::SocketAddr, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, Version, header, uri},
    response::{IntoResponse, Response},
};

use crate::{
    config::{
        Config,
        host::{Authority, HostName},
    },
    http::listener::tls::Tls,
};

/// What probes ask, by whatever name or address they know a server.
const PROBED: [&str; 2] = ["/healthz", "/readyz"];

/// The names that a listening address is asked by.
pub(crate) struct HostCheck {
    pub(crate) config: Arc<Config>,
    /// Whether any host is taken on this address.
    pub(crate) takes_any: bool,
    pub(crate) tls: Option<Tls>,
}

impl HostCheck {
    /// Whether a request from this peer may name this host.
    fn allows(&self, host: &HostName, peer: SocketAddr) -> bool {
        let allowed = &self.config.http.allowed_host;
        if !allowed.is_empty() {
            return allowed.iter().any(|allowed| allowed.matches(host));
        }
        // A proxy is asked by names that it knows and this server does not.
        if self.takes_any || self.config.connection.trusts(peer.ip().to_canonical()) {
            return true;
        }
        // A page whose host is an address was not led here by a name.
        matches!(host, HostName::Ip(_))
            || host.is_localhost()
            || self.tls.as_ref().is_some_and(|tls| tls.names(host))
    }
}

/// Refuses a request that names no host, several, or one that is not this server's. Only HTTP/1.0
/// needs none. Whatever the version, the header `Host` has it afterwards.
pub(crate) fn refuse_host(
    check: &HostCheck,
    peer: SocketAddr,
    request: &mut Request,
) -> Option<Response> {
    let authority = match named_host(request) {
        Ok(authority) => authority?,
        Err(message) => return Some(refuse(StatusCode::BAD_REQUEST, message)),
    };
    if PROBED.contains(&request.uri().path()) || check.allows(&authority.host, peer) {
        return None;
    }
    let message = "Host: this server is not asked by that name; --allowed-host gives it names";
    Some(refuse(StatusCode::MISDIRECTED_REQUEST, message))
}

/// Returns the host that a request names, and leaves it in its header.
fn named_host(request: &mut Request) -> Result<Option<Authority>, String> {
    let version = request.version();
    let mut given = request.headers().get_all(header::HOST).iter();
    let (header, others) = (given.next(), given.count());
    // Of HTTP/2, or of a request that is written for a proxy.
    let target = request.uri().authority().map(uri::Authority::as_str);
    let count = usize::from(header.is_some()) + others;
    let text = match (header, target) {
        _ if others > 0 => return Err(format!("Host: one is needed, got {count}")),
        (Some(header), _) => header.to_str().ok(),
        (None, Some(target)) if version == Version::HTTP_2 => Some(target),
        (None, _) if version == Version::HTTP_10 => return Ok(None),
        (None, _) => return Err("Host: one is needed, got 0".to_owned()),
    };
    let Some(authority) = text.and_then(|text| text.parse::<Authority>().ok()) else {
        return Err("Host: a name or an address is needed, with or without a port".to_owned());
    };
    if let Some(target) = target {
        let scheme = request.uri().scheme_str().unwrap_or("http");
        let is_same = target.parse::<Authority>().is_ok_and(|target| {
            target.host == authority.host
                && target.port_or_default(scheme) == authority.port_or_default(scheme)
        });
        if !is_same {
            return Err("Host: it must name what the request's target names".to_owned());
        }
        if let Ok(value) = HeaderValue::from_str(text.unwrap_or_default()) {
            request.headers_mut().insert(header::HOST, value);
        }
    }
    Ok(Some(authority))
}

fn refuse(status: StatusCode, message: impl Display) -> Response {
    (status, format!("{message}\n")).into_response()
}
