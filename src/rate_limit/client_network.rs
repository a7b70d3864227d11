//! Which addresses count as one client.

use std::net::{IpAddr, Ipv6Addr};

/// The address that stands for all that one customer of a provider has: an IPv6 address without its
/// last 64 bits.
pub(crate) fn client_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}
