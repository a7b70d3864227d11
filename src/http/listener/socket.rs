//! The sockets that a server listens on: TCP, on one or several addresses, or a Unix socket.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdTcpListener},
};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};
use tokio_util::either::Either;

use crate::{
    config::listen::ListenAddress,
    domain::command_error::CommandError,
    http::listener::unix_socket::{self, BACKLOG, SocketFile},
};

/// A connection, as it was accepted.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

/// The client's address over a Unix socket, which has none: it is on this machine.
const UNIX_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket that has its address. Over TCP nobody can connect yet: a client, or the proxy in front,
/// is to try another server meanwhile.
pub(crate) enum BoundSocket {
    Tcp(Socket, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// A socket that clients can connect to.
pub(crate) enum ListeningSocket {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// Takes the address that is configured, which may stand for several.
///
/// # Errors
/// `CommandError::Listen`.
pub(crate) async fn bind(listen: &ListenAddress) -> Result<Vec<BoundSocket>, CommandError> {
    let refuse = |source| CommandError::Listen {
        address: listen.to_string(),
        source,
    };
    let addresses: Vec<SocketAddr> = match listen {
        ListenAddress::Unix(path) => {
            let (listener, file) = unix_socket::bind(path).map_err(refuse)?;
            return Ok(vec![BoundSocket::Unix(listener, file)]);
        }
        ListenAddress::All(port) => return Ok(vec![bind_all(*port).map_err(refuse)?]),
        ListenAddress::Ip(address) => vec![*address],
        ListenAddress::Loopback(port) => ListenAddress::loopback(*port).into(),
        ListenAddress::Name(name, port) => {
            let found = lookup_host((&**name, *port)).await.map_err(refuse)?;
            found.collect()
        }
    };
    bind_each(addresses).map_err(|(address, source)| CommandError::Listen {
        address: match address {
            Some(address) => address.to_string(),
            None => listen.to_string(),
        },
        source,
    })
}

/// Finds out whether an address could be taken, without leaving anything behind.
///
/// # Errors
/// As for `bind`.
pub(crate) async fn check(listen: &ListenAddress) -> Result<(), CommandError> {
    match listen {
        ListenAddress::Unix(path) => {
            unix_socket::check(path).map_err(|source| CommandError::Listen {
                address: listen.to_string(),
                source,
            })
        }
        _ => bind(listen).await.map(drop),
    }
}

/// Binds to every address of this machine.
fn bind_all(port: u16) -> io::Result<BoundSocket> {
    match bind_tcp((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if is_absent(&error) => bind_tcp((Ipv4Addr::UNSPECIFIED, port).into()),
        bound => bound,
    }
}

/// Binds to each address; all get the same port. Of several, those that this machine does not have
/// are left out, such as that of IPv6 where it is turned off.
fn bind_each(
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<BoundSocket>, (Option<SocketAddr>, io::Error)> {
    addresses.sort_unstable();
    addresses.dedup();
    let mut bound: Vec<BoundSocket> = Vec::new();
    let mut absent = (None, ErrorKind::AddrNotAvailable.into());
    let count = addresses.len();
    for mut address in addresses {
        if let Some(BoundSocket::Tcp(_, first)) = bound.first() {
            address.set_port(first.port());
        }
        match bind_tcp(address) {
            Ok(socket) => bound.push(socket),
            Err(error) if count > 1 && is_absent(&error) => absent = (Some(address), error),
            Err(error) => return Err((Some(address), error)),
        }
    }
    if bound.is_empty() {
        return Err(absent);
    }
    Ok(bound)
}

fn bind_tcp(address: SocketAddr) -> io::Result<BoundSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // IPv4 too where the address stands for all, however the system is set.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Connections of the previous server may still occupy the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let local = socket.local_addr()?;
    // With the port that the system chose.
    let local = local.as_socket().unwrap_or(address);
    Ok(BoundSocket::Tcp(socket, local))
}

/// Whether an error says that this machine does not have an address.
fn is_absent(error: &io::Error) -> bool {
    // Without IPv6 in the kernel there are no sockets for it.
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// "Address family not supported by protocol", which has no `ErrorKind`.
const EAFNOSUPPORT: i32 = 97;

impl BoundSocket {
    /// Lets clients connect.
    ///
    /// # Errors
    /// `CommandError::Listen`: another server took the address in the same moment.
    pub(crate) fn listen(self) -> Result<ListeningSocket, CommandError> {
        match self {
            Self::Unix(listener, file) => Ok(ListeningSocket::Unix(listener, file)),
            Self::Tcp(socket, address) => {
                let listener = socket.listen(BACKLOG);
                let listener = listener
                    .and_then(|()| TcpListener::from_std(StdTcpListener::from(socket)))
                    .map_err(|source| CommandError::Listen {
                        address: address.to_string(),
                        source,
                    })?;
                Ok(ListeningSocket::Tcp(listener, address))
            }
        }
    }
}

impl ListeningSocket {
    /// Waits for a connection. Returns it with its client's address.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(listener, _) => {
                let (tcp, peer) = listener.accept().await?;
                // An event is one small frame, which Nagle's algorithm would delay.
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%error, "a connection without TCP_NODELAY");
                }
                Ok((Either::Left(tcp), peer))
            }
            Self::Unix(listener, _) => {
                let (unix, _) = listener.accept().await?;
                Ok((Either::Right(unix), UNIX_PEER))
            }
        }
    }

    /// The base of URLs of this server: its scheme, and the address that a client of this machine
    /// connects to. `None` for a Unix socket.
    pub(crate) fn base_url(&self, scheme: &str) -> Option<String> {
        match self {
            Self::Tcp(_, address) if address.ip().is_unspecified() => {
                Some(format!("{scheme}://localhost:{}", address.port()))
            }
            Self::Tcp(_, address) => Some(format!("{scheme}://{address}")),
            Self::Unix(..) => None,
        }
    }
}

impl fmt::Display for ListeningSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => address.fmt(f),
            Self::Unix(_, file) => file.fmt(f),
        }
    }
}
