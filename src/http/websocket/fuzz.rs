//! The conversation on a socket, given any messages at any moment, against a simple account of who runs.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use async_graphql::{Response, ServerError};
use futures_util::stream::Abortable;
use serde_json::Value as Json;

use crate::{
    auth::{caller::Caller, request_context::RequestContext},
    graphql::execute::errors::ErrorSigner,
    http::websocket::{
        protocol::{MessageLabel, Subprotocol},
        session::{Outbox, Session, SessionRequest},
    },
};

const MAX_OPERATIONS: usize = 3;

/// An operation that the session let begin, as the socket holds it.
struct HeldOperation {
    label: MessageLabel,
    life: Abortable<()>,
}

/// The first byte chooses the subprotocol. A line is a client's message; one that begins with `!` is the server's turn:
/// what it says of which operation. `+id` and `-id` are short for an operation's beginning and end.
///
/// # Panics
/// The session lets in what it should not, or tells a client of an operation that is not running.
pub fn session(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let protocol = Subprotocol::ALL[usize::from(choice & 1)];
    let context = RequestContext {
        caller: Caller::local(),
        address: Ipv4Addr::LOCALHOST.into(),
        request_id: "fuzz".into(),
        wants_cost: false,
    };
    let signer = ErrorSigner {
        request_id: context.request_id.clone(),
        metrics: Arc::default(),
    };
    let mut session = Session::new(protocol, context, signer, MAX_OPERATIONS);
    let mut held: Vec<HeldOperation> = Vec::new();
    let mut account = Account::default();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(line) = str::from_utf8(line) else {
            continue;
        };
        let mut out = Outbox::new();
        if let Some(turn) = line.strip_prefix('!') {
            say(&mut session, &mut held, turn, &mut out, &mut account);
            account.hear(out);
            continue;
        }
        let message = spelled(protocol, line);
        let ended = account.ends(protocol, &message);
        let received = session.receive(&message, &mut out);
        match received {
            Err(closing) => {
                assert!(
                    [1000, 4400, 4401, 4403, 4409, 4429].contains(&closing.code),
                    "{closing:?}"
                );
                assert!(closing.reason.len() <= 123, "{closing:?}");
                return;
            }
            Ok(Some(SessionRequest::Init(_))) => {
                assert!(!session.is_open(), "{message}");
                let let_in = session.init(Caller::local(), |_| Ok(()), &mut out);
                assert!(let_in.is_ok() && session.is_open());
            }
            Ok(Some(SessionRequest::Start(start))) => {
                assert!(session.is_open(), "{message}");
                assert!(account.running.len() < MAX_OPERATIONS, "{message}");
                let id = start.label.id.to_string();
                assert!(!account.running.contains_key(&id), "{id} twice");
                account.running.insert(id, true);
                held.push(HeldOperation {
                    label: start.label,
                    life: Abortable::new((), start.ending),
                });
            }
            Ok(None) => {}
        }
        account.hear(out);
        if let Some(id) = ended {
            account.running.remove(&id);
        }
        // Who is ended is cut, and nobody else.
        for operation in &held {
            let id = &*operation.label.id;
            assert!(
                operation.life.is_aborted() || account.running.contains_key(id),
                "{id}"
            );
        }
        let alive = held.iter().filter(|operation| !operation.life.is_aborted());
        assert_eq!(alive.count(), account.running.len());
    }
}

/// What is written in full for a short line.
fn spelled(protocol: Subprotocol, line: &str) -> String {
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

/// The server's turn: an operation that was not cut says something, as the socket lets it.
fn say(
    session: &mut Session,
    held: &mut Vec<HeldOperation>,
    turn: &str,
    out: &mut Outbox,
    account: &mut Account,
) {
    held.retain(|operation| !operation.life.is_aborted());
    let (what, which) = turn.split_at_checked(1).unwrap_or(("", turn));
    if what == "k" {
        return session.keep_alive(out);
    }
    let which = which.len();
    if which >= held.len() {
        return;
    }
    let HeldOperation { label, life } = held.swap_remove(which);
    account.speaks = Some(label.id.to_string());
    match what {
        "n" => {
            out.push_back(label.result(r#"{"data":null}"#));
            held.push(HeldOperation { label, life });
            return;
        }
        "f" => session.failed(&label, &[ServerError::new("no", None)], out),
        "r" => session.failed(&label, &[], out),
        "a" => session.executed(&label, &Response::new(Json::default().to_string()), out),
        _ => session.ended(&label, out),
    }
    assert!(!out.is_empty(), "{} ended without a word", label.id);
}

/// Who runs, as a client can tell from what was said.
#[derive(Default)]
struct Account {
    running: BTreeMap<String, bool>,
    /// Whose turn it is.
    speaks: Option<String>,
}

impl Account {
    /// The operation that a client's message ends.
    fn ends(&self, protocol: Subprotocol, message: &str) -> Option<String> {
        let json: Json = serde_json::from_str(message).ok()?;
        let ends = match protocol {
            Subprotocol::Transport => "complete",
            Subprotocol::Legacy => "stop",
        };
        let id = json.get("id")?.as_str()?;
        (json.get("type")? == ends && self.running.contains_key(id)).then(|| id.to_owned())
    }

    /// Hears what the server says.
    fn hear(&mut self, out: Outbox) {
        let speaks = self.speaks.take();
        for text in out {
            let json: Json = serde_json::from_str(&text).expect("JSON");
            let kind = json["type"].as_str().expect("a type");
            let Some(id) = json.get("id").map(|id| id.as_str().expect("a text")) else {
                let known = ["connection_ack", "connection_error", "ka", "pong"];
                assert!(known.contains(&kind), "{text}");
                continue;
            };
            // Only what was refused because too many run never ran.
            let refused = speaks.is_none() && kind == "error";
            assert!(refused || self.running.contains_key(id), "{text}");
            assert!(speaks.as_deref().is_none_or(|of| of == id), "{text}");
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
