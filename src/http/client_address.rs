//! A request's client address: its peer's, or the one that a trusted proxy forwards.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::connection::ConnectionConfig;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Returns the nearest address that is not a trusted proxy's.
///
/// Each proxy appends the address of its peer, so the header is read from its end. Entries before
/// the last untrusted address may be forged by that client. If an entry that is read is malformed,
/// the whole header is ignored.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    config: &ConnectionConfig,
) -> IpAddr {
    // A dual-stack socket reports IPv4 peers as IPv6, which no IPv4 network in the flag contains.
    let peer = peer.to_canonical();
    if !config.trusts(peer) {
        return peer;
    }
    let mut nearest = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        // A line that is not text must fail to parse, like a malformed entry.
        for entry in line.to_str().unwrap_or("unreadable").rsplit(',') {
            let Some(address) = parse(entry.trim()) else {
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

/// Parses an address, which some proxies write in brackets or with a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']'));
    let address = bare.unwrap_or(entry).parse::<IpAddr>();
    let address = address.or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}
