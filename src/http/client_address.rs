//! Where a request came from: the peer, or who a trusted proxy says it was.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::connection::ConnectionConfig;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The nearest address that is no trusted proxy's. Every proxy adds whom it heard from at the end; what stands before the
/// first stranger, that stranger may have written. What cannot be read is not believed at all.
pub(crate) fn of_client(peer: IpAddr, headers: &HeaderMap, config: &ConnectionConfig) -> IpAddr {
    let peer = peer.to_canonical();
    if !config.trusts(peer) {
        return peer;
    }
    let mut nearest = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for entry in line.to_str().unwrap_or("unreadable").rsplit(',') {
            let Some(address) = read(entry.trim()) else {
                return peer;
            };
            nearest = address;
            if !config.trusts(address) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address, in brackets or with a port too, as some proxies write it.
fn read(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']'));
    let address = bare.unwrap_or(entry).parse::<IpAddr>();
    let address = address.or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}
