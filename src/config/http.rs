//! Settings of HTTP and WebSockets, and what anonymous callers may do.

use clap::{Args, ValueEnum};

use crate::config::{
    host::AllowedHost,
    listen::ListenAddress,
    origin::AllowedOrigin,
    value::{DAY, MOST, switch, whole},
};

/// Settings of HTTP and WebSockets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct HttpConfig {
    /// Where to listen: an address and a port, such as 127.0.0.1:8020 or localhost:8020; :8020 for
    /// all addresses, 8020 for this machine alone; or unix:FILE
    ///
    /// An IPv6 address stands in brackets. A name stands for each of its addresses. Port 0 takes a
    /// free one. The file of a Unix socket can be connected to by its owner and its group, and a
    /// client counts as 127.0.0.1.
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LISTEN",
        default_value = "127.0.0.1:8020",
        value_name = "ADDRESS"
    )]
    pub(crate) listen: ListenAddress,
    /// Where /metrics and /readyz are to be found instead of at --listen, with /healthz: an address
    /// as --listen takes it
    ///
    /// TLS holds for it too.
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_OPS_LISTEN",
        value_name = "ADDRESS",
        hide_short_help = true
    )]
    pub(crate) ops_listen: Option<ListenAddress>,
    /// Hosts by whose name the server may be asked, such as ci.example.org, *.example.org or an
    /// address; give several with commas; * allows any [default: on a loopback address or with TLS:
    /// addresses, localhost and the certificate's names; else any]
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_ALLOWED_HOST",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub(crate) allowed_host: Vec<AllowedHost>,
    /// What callers without a token may do [default: read; write with --demo on a loopback address]
    #[arg(long, env = "BUILDBOT_GRAPHQL_ANONYMOUS", help_heading = "Tokens")]
    pub(crate) anonymous: Option<Anonymous>,
    /// The largest request body, in bytes; more is refused with 413
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_BODY_BYTES",
        default_value_t = 1_048_576,
        value_parser = whole::<usize>(1..=MOST),
        help_heading = "Limits",
        hide_short_help = true,
    )]
    pub(crate) max_body_bytes: usize,
    /// Pages of this origin, or of any with *, may open sockets and event streams and read /api
    /// too; give several with commas
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) allow_origin: Vec<AllowedOrigin>,
    /// Pages of the origins that --allow-origin names may send cookies, such as those of a proxy
    /// that logs users in; not together with *
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_ALLOW_CREDENTIALS",
        value_parser = switch,
        hide_short_help = true,
    )]
    pub(crate) allow_credentials: bool,
    /// Do not serve the page at /, which shows builders and builds
    #[arg(long, env = "BUILDBOT_GRAPHQL_NO_PAGE", value_parser = switch)]
    pub(crate) no_page: bool,
    /// Do not serve the IDE at /graphiql
    #[arg(long, env = "BUILDBOT_GRAPHQL_NO_GRAPHIQL", value_parser = switch)]
    pub(crate) no_graphiql: bool,
    /// A connection whose client takes nothing of what waits for it is closed after so many seconds
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_WRITE_TIMEOUT_SECONDS",
        default_value_t = 30,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) write_timeout_seconds: u64,
    /// A socket on which no `connection_init` has come after so many seconds is closed
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_SOCKET_INIT_SECONDS",
        default_value_t = 10,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) socket_init_seconds: u64,
    /// A socket on which nothing has come for so many seconds is pinged, and dropped when nothing
    /// comes for as many again; an event stream that is silent for so long gets a comment line
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_SOCKET_PING_SECONDS",
        default_value_t = 15,
        value_parser = whole::<u64>(1..=DAY),
        hide_short_help = true,
    )]
    pub(crate) socket_ping_seconds: u64,
    /// The largest message of a socket's client, in bytes; more closes the socket with 1009
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_MESSAGE_BYTES",
        default_value_t = 1_048_576,
        value_parser = whole::<usize>(1..=MOST),
        help_heading = "Limits",
        hide_short_help = true,
    )]
    pub(crate) max_message_bytes: usize,
    /// How many operations may run on one socket at once
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SOCKET_OPERATIONS",
        default_value_t = 100,
        value_parser = whole::<usize>(1..=MOST),
        help_heading = "Limits",
        hide_short_help = true,
    )]
    pub(crate) max_socket_operations: usize,
}

/// What callers without a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Anonymous {
    /// Queries and subscriptions
    Read,
    /// Mutations too
    Write,
    /// Nothing
    None,
}

impl HttpConfig {
    /// Whether the operator has allowed pages of this origin.
    pub(crate) fn names_origin(&self, origin: &str) -> bool {
        self.allow_origin.iter().any(|allowed| match allowed {
            AllowedOrigin::Any => true,
            AllowedOrigin::Exact(exact) => origin == exact,
        })
    }

    /// Whether pages of this origin may send cookies and read what comes back. The server's own do
    /// so without being allowed to.
    pub(crate) fn allows_credentials(&self, origin: &[u8]) -> bool {
        self.allow_credentials && str::from_utf8(origin).is_ok_and(|o| self.names_origin(o))
    }
}
