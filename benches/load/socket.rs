//! A WebSocket client that costs as little as possible: it takes whole frames out of a shared
//! buffer and keeps only incomplete ones.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

use crate::Result;

/// How many bytes are read from a socket at once.
pub(crate) const BUFFER: usize = 64 * 1024;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A socket that speaks graphql-transport-ws.
pub(crate) struct Socket {
    stream: TcpStream,
    /// The start of a frame whose end has not arrived.
    rest: Vec<u8>,
}

impl Socket {
    /// Opens a socket and waits for the acknowledgement.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        // The key may be any 16 bytes, because no caching proxy is involved.
        let request = format!(
            "GET /graphql HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self {
            stream,
            rest: Vec::new(),
        };
        socket.end_of_head().await?;
        socket.send(TEXT, br#"{"type":"connection_init"}"#).await?;
        let mut buffer = vec![0; BUFFER];
        let mut acknowledged = false;
        while !acknowledged {
            poll_fn(|context| {
                socket.poll_take(context, &mut buffer, |message| {
                    acknowledged = message.contains("connection_ack");
                    Ok(())
                })
            })
            .await?;
        }
        Ok(socket)
    }

    async fn end_of_head(&mut self) -> Result<()> {
        loop {
            if self.stream.read_buf(&mut self.rest).await? == 0 {
                return Err("the server refused the socket".into());
            }
            if let Some(end) = self.rest.windows(4).position(|w| w == b"\r\n\r\n") {
                if !self.rest.starts_with(b"HTTP/1.1 101") {
                    let head = String::from_utf8_lossy(&self.rest[..end]);
                    return Err(format!("not a socket: {head}").into());
                }
                self.rest.drain(..end + 4);
                return Ok(());
            }
        }
    }

    /// Starts an operation.
    pub(crate) async fn subscribe(&mut self, query: &str, variables: &Value) -> Result<()> {
        let payload = json!({ "query": query, "variables": variables });
        let message = json!({ "id": "1", "type": "subscribe", "payload": payload });
        self.send(TEXT, message.to_string().as_bytes()).await
    }

    /// Reads what has arrived and passes each whole message to the callback. `poll_read` makes one
    /// system call; `try_read` would need a second to learn that nothing is left.
    pub(crate) fn poll_take(
        &mut self,
        context: &mut Context,
        buffer: &mut [u8],
        mut each: impl FnMut(&str) -> Result<()>,
    ) -> Poll<Result<()>> {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Err("the server closed the connection".into()));
        }
        Poll::Ready(self.take(read.filled(), &mut each))
    }

    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut answers = Vec::new();
        if self.rest.is_empty() {
            let used = frames(bytes, &mut answers, each)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let used = frames(&self.rest, &mut answers, each)?;
            self.rest.drain(..used);
        }
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        if !answers.is_empty() {
            self.stream.try_write(&answers)?;
        }
        Ok(())
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(&frame(opcode, payload)).await?)
    }
}

/// A client frame, masked with zeros, which leave the payload unchanged.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(n @ 0..126) => frame.push(0x80 | n.to_le_bytes()[0]),
        Ok(n) => {
            frame.push(0xFE);
            frame.extend(n.to_be_bytes());
        }
        Err(_) => unreachable!("a request is short"),
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Passes on the messages of all whole frames, collects the replies to pings, and returns how many
/// bytes the frames had.
fn frames(
    bytes: &[u8],
    answers: &mut Vec<u8>,
    each: &mut impl FnMut(&str) -> Result<()>,
) -> Result<usize> {
    let mut at = 0;
    while let [head, len, tail @ ..] = &bytes[at..] {
        let (prefix, len) = match (len, tail) {
            (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            (126, _) => break,
            (127.., _) => return Err("a frame of more than 64 KiB, or one that is masked".into()),
            (short, _) => (2, usize::from(*short)),
        };
        let Some(payload) = bytes.get(at + prefix..at + prefix + len) else {
            break;
        };
        match head {
            0x81 if payload == br#"{"type":"ping"}"# => {
                answers.extend(frame(TEXT, br#"{"type":"pong"}"#));
            }
            0x81 => each(std::str::from_utf8(payload)?)?,
            h if h & 15 == CLOSE => {
                let why = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                return Err(format!("the server closed the socket: {why}").into());
            }
            h if h & 15 == PING => answers.extend(frame(PONG, payload)),
            h if h & 15 == PONG => {}
            h => return Err(format!("a frame of an unknown kind, {h:#04x}").into()),
        }
        at += prefix + len;
    }
    Ok(at)
}
