//! Host names: those that the operator gives this server, and the one that a request asks.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A host as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostName {
    Ip(IpAddr),
    /// In lower case, without the dot that may end it.
    Name(String),
}

impl HostName {
    /// Whether it stands for this machine wherever it is asked.
    pub(crate) fn is_localhost(&self) -> bool {
        match self {
            Self::Ip(_) => false,
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl FromStr for HostName {
    type Err = ();

    /// Reads a host without a port; an IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(address) = text.strip_prefix('[') {
            let address = address.strip_suffix(']').ok_or(())?;
            let address = address.parse::<Ipv6Addr>().map_err(|_| ())?;
            return Ok(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(IpAddr::V4(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if name.split('.').all(is_part) {
            Ok(Self::Name(name.to_ascii_lowercase()))
        } else {
            Err(())
        }
    }
}

/// A host and the port that is given with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: HostName,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// The port, or the one of this scheme.
    pub(crate) fn port_or_default(&self, scheme: &str) -> u16 {
        self.port
            .unwrap_or(if scheme == "https" { 443 } else { 80 })
    }
}

impl FromStr for Authority {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // A colon within brackets is an address's.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (text, ""),
        };
        let is_number = port.bytes().all(|b| b.is_ascii_digit());
        let port = match port {
            "" => None,
            _ if is_number => Some(port.parse().map_err(|_| ())?),
            _ => return Err(()),
        };
        let host = host.parse()?;
        Ok(Self { host, port })
    }
}

/// A host that the operator gives this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedHost {
    /// Every host.
    Any,
    /// This one, with any port.
    Exact(HostName),
    /// Every name below this one.
    Below(String),
}

impl AllowedHost {
    pub(crate) fn matches(&self, host: &HostName) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(parent), HostName::Name(name)) => name
                .strip_suffix(parent.as_str())
                .is_some_and(|rest| rest.ends_with('.')),
            (Self::Below(_), HostName::Ip(_)) => false,
        }
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "a host is like ci.example.org, *.example.org, 192.0.2.1, [2001:db8::1] or *, without \
                    a scheme and a port: any port is taken";
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Exact(HostName::Ip(address)));
        }
        let (name, is_parent) = text
            .strip_prefix("*.")
            .map_or((text, false), |name| (name, true));
        match (name.parse(), is_parent) {
            (Ok(HostName::Name(name)), true) => Ok(Self::Below(name)),
            (Ok(host), false) => Ok(Self::Exact(host)),
            _ => Err(rule.to_owned()),
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(HostName::Ip(address)) => address.fmt(f),
            Self::Exact(HostName::Name(name)) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_however_it_is_written() {
        for (text, host, port) in [
            ("CI.Example.org.", "ci.example.org", None),
            ("ci.example.org:", "ci.example.org", None),
            ("localhost:8020", "localhost", Some(8020)),
            ("192.0.2.1:1", "192.0.2.1", Some(1)),
            ("[0:0::1]:65535", "[::1]", Some(65535)),
            ("[::1]", "[::1]", None),
            ("a_b-c", "a_b-c", None),
        ] {
            let read: Authority = text.parse().expect(text);
            let host = host.parse().expect(host);
            assert_eq!(read, Authority { host, port }, "{text}");
        }
        for bad in [
            "",
            ":80",
            ".",
            "a..b",
            ".a",
            "a b",
            "u@a",
            "a%2eb",
            "a/b",
            "::1",
            "[::1",
            "[a]",
            "[127.0.0.1]",
            "[fe80::1%1]",
            "a:b",
            "a:65536",
            "a:+1",
            "a:1:2",
            "é",
        ] {
            assert_eq!(bad.parse::<Authority>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn an_allowed_host_is_exact_or_a_parent() {
        let allows = |allowed: &str, host: &str| {
            let allowed: AllowedHost = allowed.parse().expect(allowed);
            allowed.matches(&host.parse().expect(host))
        };
        for (allowed, host, wanted) in [
            ("ci.example.org", "CI.example.org.", true),
            ("ci.example.org", "a.ci.example.org", false),
            ("ci.example.org", "xci.example.org", false),
            ("*.example.org", "a.b.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "evilexample.org", false),
            ("*.2.1", "192.0.2.1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("2001:db8::1", "[2001:db8:0::1]", true),
            ("[::1]", "[::1]", true),
            ("*", "anything", true),
        ] {
            assert_eq!(allows(allowed, host), wanted, "{allowed} {host}");
        }
        for bad in [
            "",
            "https://a",
            "a:80",
            "*.",
            "*a",
            "a.*",
            "*.[::1]",
            "a/",
            "a b",
        ] {
            assert!(bad.parse::<AllowedHost>().is_err(), "{bad}");
        }
    }
}
