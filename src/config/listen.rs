//! Where a server listens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

/// What is said of a text that is none of these.
const RULE: &str = "an address such as 127.0.0.1:8020, [::1]:8020, localhost:8020, :8020 (all addresses), 8020 \
                    (this machine alone) or unix:/run/buildbot-graphql.sock";

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// One address.
    Ip(SocketAddr),
    /// The loopback addresses, of IPv4 and IPv6.
    Loopback(u16),
    /// Every address, of IPv4 and IPv6.
    All(u16),
    /// Each address that a name resolves to.
    Name(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether clients of this machine alone can connect.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().is_loopback(),
            Self::Loopback(_) | Self::Unix(_) => true,
            Self::All(_) | Self::Name(..) => false,
        }
    }

    /// Whether the system chooses the port.
    pub(crate) fn takes_free_port(&self) -> bool {
        match self {
            Self::Ip(address) => address.port() == 0,
            Self::Loopback(port) | Self::All(port) | Self::Name(_, port) => *port == 0,
            Self::Unix(_) => false,
        }
    }

    /// Whether clients connect over TCP, and none of another machine: no proxy elsewhere is in
    /// between.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_local() && !matches!(self, Self::Unix(_))
    }

    /// The addresses that are known without asking a resolver.
    pub(crate) fn loopback(port: u16) -> [SocketAddr; 2] {
        let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        addresses.map(|address| SocketAddr::new(address, port))
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            // Some write it as a URL.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("a path after unix:, such as unix:/run/buildbot-graphql.sock".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
        let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        if !is_number {
            return Err(RULE.to_owned());
        }
        let port = port.parse();
        let port = port.map_err(|_| "a port is a number from 0 to 65535".to_owned())?;
        match host {
            "" | "*" => Ok(Self::All(port)),
            _ if host.eq_ignore_ascii_case("localhost") => Ok(Self::Loopback(port)),
            _ if is_name(host) => Ok(Self::Name(host.to_owned(), port)),
            _ => Err(RULE.to_owned()),
        }
    }
}

/// Whether a resolver may be asked for it. What ends in a number is meant as an IPv4 address, which
/// resolvers complete: 127.1 is 127.0.0.1 to them.
fn is_name(host: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let last = host.trim_end_matches('.').rsplit('.').next();
    host.bytes().all(is_part) && last.is_some_and(|last| last.parse::<u64>().is_err())
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Loopback(port) => write!(f, "localhost:{port}"),
            Self::All(port) => write!(f, ":{port}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_is_read() {
        let ip = |text: &str| ListenAddress::Ip(text.parse().expect("an address"));
        for (text, wanted, is_local) in [
            ("127.0.0.1:8020", ip("127.0.0.1:8020"), true),
            ("[::1]:0", ip("[::1]:0"), true),
            ("0.0.0.0:1", ip("0.0.0.0:1"), false),
            ("[::]:1", ip("[::]:1"), false),
            ("localhost:8020", ListenAddress::Loopback(8020), true),
            ("LocalHost:1", ListenAddress::Loopback(1), true),
            ("8020", ListenAddress::Loopback(8020), true),
            (":8020", ListenAddress::All(8020), false),
            ("*:8020", ListenAddress::All(8020), false),
            (
                "ci-1.example.org:1",
                ListenAddress::Name("ci-1.example.org".into(), 1),
                false,
            ),
            (
                "unix:/run/x.sock",
                ListenAddress::Unix("/run/x.sock".into()),
                true,
            ),
            (
                "unix:///run/x.sock",
                ListenAddress::Unix("/run/x.sock".into()),
                true,
            ),
            ("unix:x.sock", ListenAddress::Unix("x.sock".into()), true),
        ] {
            let read: ListenAddress = text.parse().expect(text);
            assert_eq!(read, wanted, "{text}");
            assert_eq!(read.is_local(), is_local, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (bad, word) in [
            ("", "[::1]:8020"),
            ("localhost", "[::1]:8020"),
            ("127.0.0.1", "[::1]:8020"),
            ("127.0.0.1:", "[::1]:8020"),
            ("127.1:8020", "[::1]:8020"),
            ("256.0.0.1:8020", "[::1]:8020"),
            ("::1:8020", "[::1]:8020"),
            ("[::1]", "[::1]:8020"),
            ("[localhost]:8020", "[::1]:8020"),
            ("http://localhost:8020", "[::1]:8020"),
            ("localhost:http", "[::1]:8020"),
            ("localhost:+1", "[::1]:8020"),
            ("-1", "[::1]:8020"),
            ("a b:1", "[::1]:8020"),
            ("65536", "65535"),
            (":99999999999999999999", "65535"),
            ("unix:", "a path"),
            ("unix://", "a path"),
        ] {
            let refused = bad.parse::<ListenAddress>().expect_err(bad);
            assert!(refused.contains(word), "{bad}: {refused}");
        }
    }
}
