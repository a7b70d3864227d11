//! The protocol of a socket as a state machine without I/O: it takes a client's message, and
//! returns messages to send, an operation to run, or the reason to close the socket.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
};

use async_graphql::ServerError;
use futures_util::stream::{AbortHandle, AbortRegistration};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    auth::{authorization::is_empty, caller::Caller, request_context::RequestContext},
    domain::error::Error,
    graphql::{
        execute::errors::{ErrorSigner, from_error},
        prepare::documents::OperationRequest,
    },
    http::{
        graphql::{
            json::{self as counted_json, JsonError},
            request::from_parameters,
        },
        websocket::protocol::{
            CloseReason, MAX_ID, MessageKind, MessageLabel, Subprotocol, complete, id, payload,
        },
    },
};

/// What the connection must do for a client's message, beyond sending a reply.
#[derive(Debug)]
pub(crate) enum SessionRequest {
    /// Authenticate with these credentials; if there are none, use the upgrade's caller.
    Init(Vec<Option<String>>),
    /// Run an operation.
    Start(Box<StartRequest>),
}

/// An operation that a client has requested.
#[derive(Debug)]
pub(crate) struct StartRequest {
    pub(crate) label: MessageLabel,
    pub(crate) operation: OperationRequest,
    pub(crate) context: RequestContext,
    /// Aborted when the client ends the operation.
    pub(crate) ending: AbortRegistration,
}

/// What of a message says which operation it starts.
#[derive(Deserialize)]
struct MessageHead<'m> {
    #[serde(borrow)]
    id: Cow<'m, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'m, str>,
}

/// The longest message before a socket is open, in bytes: much more than any token has.
pub(crate) const MAX_UNOPENED: usize = 64 * 1024;

/// Messages to send, oldest first.
pub(crate) type Outbox = VecDeque<String>;

/// The server's side of one socket.
#[derive(Debug)]
pub(crate) struct Session {
    protocol: Subprotocol,
    context: RequestContext,
    signer: ErrorSigner,
    max_operations: usize,
    /// How many values a message may have.
    max_values: u64,
    is_open: bool,
    is_stopping: bool,
    /// How many operations have been started; their number is part of their request id.
    started: u64,
    running: HashMap<Arc<str>, AbortHandle>,
}

impl Session {
    pub(crate) fn new(
        protocol: Subprotocol,
        context: RequestContext,
        signer: ErrorSigner,
        max_operations: usize,
        max_values: u64,
    ) -> Self {
        Self {
            protocol,
            context,
            signer,
            max_operations,
            max_values,
            is_open: false,
            is_stopping: false,
            started: 0,
            running: HashMap::new(),
        }
    }

    /// Returns whether the client is authenticated and admitted.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Starts no operation from now on, as the server is to stop.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Handles a client's message. Replies go to `out`; an error closes the socket.
    pub(crate) fn receive(
        &mut self,
        text: &str,
        out: &mut Outbox,
    ) -> Result<Option<SessionRequest>, CloseReason> {
        if !self.is_open && text.len() > MAX_UNOPENED {
            return Err(CloseReason::too_early());
        }
        let mut message = match counted_json::parse(text.as_bytes(), self.max_values) {
            Ok(Json::Object(message)) => message,
            Ok(_) => return Err(CloseReason::bad("a message is a JSON object")),
            Err(JsonError::Syntax(error)) => {
                return Err(CloseReason::bad(format!("a message is JSON: {error}")));
            }
            Err(JsonError::TooManyValues(error)) => return self.refuse_values(text, &error, out),
        };
        let kind = match message.get("type") {
            Some(Json::String(name)) => self.protocol.kind(name).ok_or_else(|| {
                let protocol = self.protocol.name();
                let shown: String = name.chars().take(40).collect();
                CloseReason::bad(format!("type: {protocol} knows no {shown:?} from a client"))
            })?,
            _ => return Err(CloseReason::bad("type: a String is needed")),
        };
        match kind {
            MessageKind::Init => {
                let payload = payload(&mut message)?.unwrap_or_default();
                if self.is_open {
                    return Err(CloseReason::new(4429, "connection_init came a second time"));
                }
                return Ok(Some(SessionRequest::Init(authorization(&payload))));
            }
            MessageKind::Ping => {
                let pong = match payload(&mut message)? {
                    Some(payload) => json!({ "type": "pong", "payload": payload }),
                    None => json!({ "type": "pong" }),
                };
                out.push_back(pong.to_string());
            }
            MessageKind::Pong => {
                // Checked only: a payload of the wrong type breaks the protocol.
                payload(&mut message)?;
            }
            MessageKind::Start => return self.start(&mut message, out),
            MessageKind::Stop => {
                let id = id(&message)?;
                if let Some(running) = self.running.remove(id) {
                    running.abort();
                    // Legacy clients learn its end from this; the newer protocol echoes nothing.
                    if self.protocol == Subprotocol::Legacy {
                        out.push_back(complete(id));
                    }
                }
            }
            MessageKind::Terminate => return Err(CloseReason::new(1000, "")),
        }
        Ok(None)
    }

    /// Whose socket it is.
    pub(crate) fn context(&self) -> &RequestContext {
        &self.context
    }

    /// The client's address.
    pub(crate) fn address(&self) -> IpAddr {
        self.context.address
    }

    /// Returns the caller that the upgrade authenticated.
    pub(crate) fn caller(&self) -> &Caller {
        &self.context.caller
    }

    /// Opens the socket for this caller if `admit` allows it, else returns the reason to close it.
    pub(crate) fn init(
        &mut self,
        caller: Caller,
        admit: impl FnOnce(&RequestContext) -> Result<(), Error>,
        out: &mut Outbox,
    ) -> Result<(), CloseReason> {
        self.context = self.context.clone().with_caller(caller);
        if let Err(refusal) = admit(&self.context) {
            if self.protocol == Subprotocol::Legacy {
                let payload = self.signer.signed(from_error(&refusal));
                out.push_back(
                    json!({ "type": "connection_error", "payload": payload }).to_string(),
                );
            }
            return Err(CloseReason::forbidden(&refusal));
        }
        self.is_open = true;
        out.push_back(json!({ "type": "connection_ack" }).to_string());
        self.keep_alive(out);
        Ok(())
    }

    /// Returns whether the server must send keep-alive messages.
    pub(crate) fn is_kept_alive(&self) -> bool {
        self.is_open && self.protocol == Subprotocol::Legacy
    }

    /// Sends a keep-alive message if the subprotocol has them.
    pub(crate) fn keep_alive(&self, out: &mut Outbox) {
        if self.is_kept_alive() {
            out.push_back(json!({ "type": "ka" }).to_string());
        }
    }

    /// Refuses the operation of a message with too many values; any other message closes.
    fn refuse_values(
        &mut self,
        text: &str,
        error: &Error,
        out: &mut Outbox,
    ) -> Result<Option<SessionRequest>, CloseReason> {
        let head = serde_json::from_str::<MessageHead<'_>>(text).ok();
        let head = head.filter(|head| {
            let kind = self.protocol.kind(&head.kind);
            let has_id = (1..=MAX_ID).contains(&head.id.len());
            self.is_open && matches!(kind, Some(MessageKind::Start)) && has_id
        });
        match head {
            Some(head) if !self.running.contains_key(&*head.id) => {
                let refusal = self.signer.signed(from_error(error));
                out.push_back(self.error(&head.id, &[refusal]));
                Ok(None)
            }
            _ => Err(CloseReason::bad(error.to_string())),
        }
    }

    fn start(
        &mut self,
        message: &mut Map<String, Json>,
        out: &mut Outbox,
    ) -> Result<Option<SessionRequest>, CloseReason> {
        let payload =
            payload(message)?.ok_or_else(|| CloseReason::bad("payload: an object is needed"))?;
        let id = id(message)?;
        let operation =
            from_parameters(payload).map_err(|refusal| CloseReason::bad(refusal.into_message()))?;
        if !self.is_open {
            return Err(CloseReason::new(
                4401,
                "connection_init and its ack come first",
            ));
        }
        // Before the limit: a duplicate id breaks the protocol, however many operations run.
        if self.running.contains_key(id) {
            return Err(CloseReason::new(
                4409,
                format!("an operation with the id {id} runs already"),
            ));
        }
        if self.is_stopping {
            // Without an answer, as an error would end it: after the close to come, clients start
            // it again with the next server.
            return Ok(None);
        }
        if self.running.len() >= self.max_operations {
            let refusal = Error::LimitExceeded {
                limit: "max-socket-operations",
                max: self.max_operations as u64,
                asked: Some(self.running.len() as u64 + 1),
                advice: "end another operation of this socket first, or open another socket",
            };
            let refusal = self.signer.signed(from_error(&refusal));
            out.push_back(self.error(id, &[refusal]));
            return Ok(None);
        }
        let label = MessageLabel::new(self.protocol, id);
        let (handle, ending) = AbortHandle::new_pair();
        self.running.insert(label.id.clone(), handle);
        self.started += 1;
        let request_id = format!("{}.{}", self.context.request_id, self.started);
        Ok(Some(SessionRequest::Start(Box::new(StartRequest {
            label,
            operation,
            context: RequestContext {
                request_id: request_id.into(),
                ..self.context.clone()
            },
            ending,
        }))))
    }

    /// Sends the response of a query or a mutation, and ends it.
    pub(crate) fn executed(&mut self, label: &MessageLabel, answer: &str, out: &mut Outbox) {
        out.push_back(label.result(answer));
        self.ended(label, out);
    }

    /// Ends an operation that was refused or that failed, with these errors.
    pub(crate) fn failed(
        &mut self,
        label: &MessageLabel,
        errors: &[ServerError],
        out: &mut Outbox,
    ) {
        self.running.remove(&label.id);
        out.push_back(self.error(&label.id, errors));
    }

    /// Ends an operation that has nothing more to send.
    pub(crate) fn ended(&mut self, label: &MessageLabel, out: &mut Outbox) {
        self.running.remove(&label.id);
        out.push_back(complete(&label.id));
    }

    /// Makes the message that ends an operation with these errors.
    fn error(&self, id: &str, errors: &[ServerError]) -> String {
        let payload = match self.protocol {
            Subprotocol::Transport => json!(errors),
            // Legacy clients expect a single object with a `message`.
            Subprotocol::Legacy => json!(errors.first()),
        };
        json!({ "id": id, "type": "error", "payload": payload }).to_string()
    }
}

/// Returns the credentials in the payload of `connection_init`: `Authorization` in any letter case,
/// there or in `headers`, and `authToken`. `None` stands for a value that is not a string; null and
/// empty ones, which clients send that have no token, are left out.
fn authorization(payload: &Map<String, Json>) -> Vec<Option<String>> {
    let is_authorization = |name: &str| name.eq_ignore_ascii_case("authorization");
    let headers = payload.get("headers").and_then(Json::as_object);
    let in_headers = headers.into_iter().flatten();
    let in_headers = in_headers.filter(|(name, _)| is_authorization(name));
    let in_payload = payload.iter();
    let in_payload = in_payload.filter(|(name, _)| is_authorization(name) || *name == "authToken");
    in_payload
        .chain(in_headers)
        .filter(|(_, value)| !value.is_null())
        .map(|(_, value)| value.as_str().map(str::to_owned))
        .filter(|value| !value.as_ref().is_some_and(|text| is_empty(text.as_bytes())))
        .collect()
}
