//! Settings of connections: TLS, how many, how long, and which proxies are trusted.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;
use ipnet::IpNet;

use crate::config::value::{DAY, MOST, whole};

/// Settings of connections.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct ConnectionConfig {
    /// Speak TLS with this certificate, a file in PEM that begins with the server's own; it is read
    /// anew on SIGHUP
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_TLS_CERT",
        value_name = "FILE",
        help_heading = "TLS"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, a file in PEM; it is read anew on SIGHUP
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_TLS_KEY",
        value_name = "FILE",
        help_heading = "TLS"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// A request's body, or a TLS handshake, that is not all there after so many seconds is given
    /// up
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_READ_TIMEOUT_SECONDS",
        default_value_t = 30,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) read_timeout_seconds: u64,
    /// A connection that has sent no whole head of a next request for so many seconds is closed
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_IDLE_TIMEOUT_SECONDS",
        default_value_t = 75,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) idle_timeout_seconds: u64,
    /// How many connections there may be at once; 0 is without a limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_CONNECTIONS",
        default_value_t = 50_000,
        value_parser = whole::<usize>(0..=MOST),
        help_heading = "Limits",
        hide_short_help = true,
    )]
    pub(crate) max_connections: usize,
    /// How many connections one address may have at once, a trusted proxy excepted; 0 is without a
    /// limit
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_CONNECTIONS_PER_ADDRESS",
        default_value_t = 1_000,
        value_parser = whole::<usize>(0..=MOST),
        help_heading = "Limits",
        hide_short_help = true,
    )]
    pub(crate) max_connections_per_address: usize,
    /// Proxies whose X-Forwarded-For is believed, such as 127.0.0.1 or 10.0.0.0/8; give several
    /// with commas
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_TRUSTED_PROXY",
        value_name = "NETWORK",
        value_delimiter = ',',
        value_parser = network,
    )]
    pub(crate) trusted_proxy: Vec<IpNet>,
}

impl ConnectionConfig {
    /// Whether connections are encrypted.
    #[must_use]
    pub(crate) fn is_tls(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Whether this address is a trusted proxy's.
    #[must_use]
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxy.iter().any(|net| net.contains(&address))
    }

    /// How long a request body or a TLS handshake may take.
    #[must_use]
    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_secs(self.read_timeout_seconds)
    }
}

/// Parses a network, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "an address or a network is like 127.0.0.1, 10.0.0.0/8 or fd00::/8".to_owned())
}
