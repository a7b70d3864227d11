//! Which addresses count as one client.

use std::net::{IpAddr, Ipv6Addr};

/// The address that stands for all addresses of one customer: with IPv6 a /64, which providers
/// assign as a whole.
pub(crate) fn client_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}
