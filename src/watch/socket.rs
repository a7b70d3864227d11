//! A WebSocket to a server: TCP, TLS where the address says so, and the upgrade.

use std::{io, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
    },
};

use crate::{auth::jwks::tls_config, config::watch::ServerAddress, watch::setback::Setback};

/// How long a connection may take to be opened, and a message to be sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The subprotocol.
const PROTOCOL: HeaderValue = HeaderValue::from_static("graphql-transport-ws");

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open socket.
pub(crate) struct WatchSocket(WebSocketStream<Box<dyn ByteStream>>);

impl WatchSocket {
    /// Opens a socket.
    ///
    /// # Errors
    /// The server cannot be reached, or speaks something else.
    pub(crate) async fn open(address: &ServerAddress) -> Result<Self, Setback> {
        let opened = timeout(PATIENCE, connect(address)).await;
        opened.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Setback::Unreachable(format!(
                "it did not answer within {seconds} seconds"
            )))
        })
    }

    /// Sends a text.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn send(&mut self, text: String) -> Result<(), Setback> {
        match timeout(PATIENCE, self.0.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(|error| Setback::lost(error.to_string())),
            Err(_) => Err(Setback::lost("the server takes nothing")),
        }
    }

    /// The next text; `None` for what is none, such as a ping.
    ///
    /// # Errors
    /// The connection is lost, or the server closed it.
    pub(crate) async fn receive(&mut self) -> Result<Option<String>, Setback> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Ok(Some(text.to_string())),
            Some(Ok(Message::Close(Some(frame)))) => {
                Err(Setback::from_close(frame.code.into(), &frame.reason))
            }
            Some(Ok(Message::Close(None))) | None => {
                Err(Setback::lost("the server closed the connection"))
            }
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(Setback::lost(error.to_string())),
        }
    }
}

async fn connect(address: &ServerAddress) -> Result<WatchSocket, Setback> {
    let unreachable = |error: io::Error| Setback::Unreachable(error.to_string());
    let tcp = TcpStream::connect((&*address.host, address.port)).await;
    let tcp = tcp.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let stream: Box<dyn ByteStream> = if address.is_secure {
        let config = tls_config().map_err(|error| Setback::Refused(error.to_string()))?;
        let name = ServerName::try_from(address.host.clone());
        let name = name.map_err(|error| Setback::Refused(error.to_string()))?;
        let connector = TlsConnector::from(Arc::new(config));
        // rustls says so of what it cannot accept, such as an unknown certificate.
        let tls = connector.connect(name, tcp).await;
        Box::new(tls.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Setback::Refused(format!("TLS: {error}")),
            _ => Setback::Unreachable(format!("TLS: {error}")),
        })?)
    } else {
        Box::new(tcp)
    };
    let refused = |error: Error| Setback::Refused(error.to_string());
    let mut request = address
        .socket
        .as_str()
        .into_client_request()
        .map_err(refused)?;
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(WatchSocket(socket)),
        Err(Error::Http(response)) => Err(Setback::from_status(response.status().as_u16())),
        Err(Error::Io(error)) => Err(unreachable(error)),
        Err(error @ Error::Protocol(_)) => Err(Setback::Refused(format!(
            "{error}: is this the address of a buildbot-graphql?"
        ))),
        Err(error) => Err(Setback::Unreachable(error.to_string())),
    }
}
