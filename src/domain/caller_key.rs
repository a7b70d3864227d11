//! Who a caller is to limits: what it uses is counted under this key.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

/// How many times the share of one IPv6 network a whole site may have.
pub(crate) const SITE_SHARES: usize = 16;

/// Who a caller is to limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CallerKey {
    /// Everybody of this IPv4 address or IPv6 network of /64, which providers assign as a whole.
    Address(IpAddr),
    /// Everybody of this IPv6 network of /48, the most that one customer is usually assigned.
    Site(Ipv6Addr),
    /// Every caller with a token of this name, from any address.
    Token(Arc<str>),
    /// Every caller with a JWT of this subject, from any address.
    Subject(Arc<str>),
}

impl CallerKey {
    /// The key of an address.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => network(v6, 64).into(),
        })
    }

    /// The site that an IPv6 network belongs to; `None` for all others.
    pub(crate) fn site(&self) -> Option<Self> {
        match self {
            Self::Address(IpAddr::V6(v6)) => Some(Self::Site(network(*v6, 48))),
            _ => None,
        }
    }
}

/// The first address of the network with a prefix of so many bits.
fn network(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    let mask = u128::MAX << (u128::BITS - bits);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_caller_and_belongs_to_a_site() {
        let of = |text: &str| CallerKey::of_address(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:7::1"), of("2001:db8:7::ffff:2"));
        assert_ne!(of("2001:db8:7::1"), of("2001:db8:7:1::1"));
        assert_eq!(of("2001:db8:7::1").site(), of("2001:db8:7:1::1").site());
        assert_ne!(of("2001:db8:7::1").site(), of("2001:db8:8::1").site());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1").site(), None);
        assert_eq!(CallerKey::Token("a".into()).site(), None);
    }
}
