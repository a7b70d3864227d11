//! Fuzzes the session of a socket with arbitrary messages, against a simple model of which
//! operations run.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use async_graphql::ServerError;
use futures_util::stream::Abortable;
use serde_json::Value as Json;

use crate::{
    auth::{caller::Caller, request_context::RequestContext},
    graphql::execute::errors::ErrorSigner,
    http::websocket::{
        protocol::{CloseReason, MessageLabel, Subprotocol},
        session::{Outbox, Session, SessionRequest},
    },
};

const MAX_OPERATIONS: usize = 3;

/// An operation that the session has started, as the connection holds it.
struct HeldOperation {
    label: MessageLabel,
    abortable: Abortable<()>,
}

/// Runs a session. The first byte chooses the subprotocol. Each line is a client's message, except
/// that one beginning with `!` lets an operation send something. `+id` and `-id` are short for a
/// start and a stop.
///
/// # Panics
/// The session starts an operation that it must not, or sends a message of one that does not run.
pub fn session(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let protocol = Subprotocol::ALL[usize::from(choice & 1)];
    let address = Ipv4Addr::LOCALHOST.into();
    let context = RequestContext::new(Caller::local(), address, "fuzz".into(), false);
    let signer = ErrorSigner {
        request_id: context.request_id.clone(),
        metrics: Arc::default(),
    };
    let mut session = Session::new(protocol, context, signer, MAX_OPERATIONS, 10_000);
    let mut held: Vec<HeldOperation> = Vec::new();
    let mut account = Account::default();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(line) = str::from_utf8(line) else {
            continue;
        };
        let mut out = Outbox::new();
        if let Some(turn) = line.strip_prefix('!') {
            take_turn(&mut session, &mut held, turn, &mut out, &mut account);
            account.receive(out);
            continue;
        }
        let message = expand(protocol, line);
        let ended = account.ends(protocol, &message);
        match session.receive(&message, &mut out) {
            Err(closing) => {
                check_close(&closing);
                return;
            }
            Ok(request) => {
                let started = fulfil(&mut session, request, &mut out, &mut account);
                held.extend(started);
            }
        }
        account.receive(out);
        if let Some(id) = ended {
            account.running.remove(&id);
        }
        // Exactly the operations that the client ended are aborted.
        for operation in &held {
            let id = &*operation.label.id;
            assert!(
                operation.abortable.is_aborted() || account.running.contains_key(id),
                "{id}"
            );
        }
        let alive = held
            .iter()
            .filter(|operation| !operation.abortable.is_aborted());
        assert_eq!(alive.count(), account.running.len());
    }
}

fn check_close(closing: &CloseReason) {
    assert!(
        [1000, 1009, 4400, 4401, 4403, 4409, 4429].contains(&closing.code),
        "{closing:?}"
    );
    assert!(closing.reason.len() <= 123, "{closing:?}");
}

/// Does what a message requests, and returns the operation that it starts.
fn fulfil(
    session: &mut Session,
    request: Option<SessionRequest>,
    out: &mut Outbox,
    account: &mut Account,
) -> Option<HeldOperation> {
    match request? {
        SessionRequest::Init(_) => {
            assert!(!session.is_open());
            let outcome = session.init(Caller::local(), |_| Ok(()), out);
            assert!(outcome.is_ok() && session.is_open());
            None
        }
        SessionRequest::Start(start) => {
            assert!(session.is_open());
            assert!(account.running.len() < MAX_OPERATIONS);
            let id = start.label.id.to_string();
            assert!(!account.running.contains_key(&id), "{id} twice");
            account.running.insert(id, true);
            Some(HeldOperation {
                label: start.label,
                abortable: Abortable::new((), start.ending),
            })
        }
    }
}

/// Expands a shorthand line into a message.
fn expand(protocol: Subprotocol, line: &str) -> String {
    let (start, stop) = match protocol {
        Subprotocol::Transport => ("subscribe", "complete"),
        Subprotocol::Legacy => ("start", "stop"),
    };
    let payload = serde_json::json!({ "query": "{ __typename }" });
    let message = match line.split_at_checked(1) {
        _ if line == "init" => serde_json::json!({ "type": "connection_init" }),
        Some(("+", id)) => serde_json::json!({ "type": start, "id": id, "payload": payload }),
        Some(("-", id)) => serde_json::json!({ "type": stop, "id": id }),
        _ => return line.to_owned(),
    };
    message.to_string()
}

/// Lets one operation that is not aborted send something. The first character says what, and the
/// number of the others says which.
fn take_turn(
    session: &mut Session,
    held: &mut Vec<HeldOperation>,
    turn: &str,
    out: &mut Outbox,
    account: &mut Account,
) {
    held.retain(|operation| !operation.abortable.is_aborted());
    let (what, which) = turn.split_at_checked(1).unwrap_or(("", turn));
    if what == "k" {
        return session.keep_alive(out);
    }
    let which = which.len();
    if which >= held.len() {
        return;
    }
    let HeldOperation { label, abortable } = held.swap_remove(which);
    account.current = Some(label.id.to_string());
    match what {
        "n" => {
            out.push_back(label.result(r#"{"data":null}"#));
            held.push(HeldOperation { label, abortable });
            return;
        }
        "f" => session.failed(&label, &[ServerError::new("no", None)], out),
        "r" => session.failed(&label, &[], out),
        "a" => session.executed(&label, "{\"data\":null}", out),
        _ => session.ended(&label, out),
    }
    assert!(!out.is_empty(), "{} ended without a word", label.id);
}

/// The model: which operations run, as far as a client can tell from the messages.
#[derive(Default)]
struct Account {
    running: BTreeMap<String, bool>,
    /// The operation that is sending.
    current: Option<String>,
}

impl Account {
    /// Returns the id of the operation that a client's message ends.
    fn ends(&self, protocol: Subprotocol, message: &str) -> Option<String> {
        let json: Json = serde_json::from_str(message).ok()?;
        let ends = match protocol {
            Subprotocol::Transport => "complete",
            Subprotocol::Legacy => "stop",
        };
        let id = json.get("id")?.as_str()?;
        (json.get("type")? == ends && self.running.contains_key(id)).then(|| id.to_owned())
    }

    /// Checks and applies the server's messages.
    fn receive(&mut self, out: Outbox) {
        let current = self.current.take();
        for text in out {
            let json: Json = serde_json::from_str(&text).expect("JSON");
            let kind = json["type"].as_str().expect("a type");
            let Some(id) = json.get("id").map(|id| id.as_str().expect("a text")) else {
                let known = ["connection_ack", "connection_error", "ka", "pong"];
                assert!(known.contains(&kind), "{text}");
                continue;
            };
            // An error for an operation that never ran: too many were running.
            let refused = current.is_none() && kind == "error";
            assert!(refused || self.running.contains_key(id), "{text}");
            assert!(current.as_deref().is_none_or(|of| of == id), "{text}");
            match kind {
                "next" | "data" => {}
                "error" | "complete" => {
                    self.running.remove(id);
                }
                other => panic!("{other}: {text}"),
            }
        }
    }
}
