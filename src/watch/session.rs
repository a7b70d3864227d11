//! The client's side of `graphql-transport-ws` as a state machine without I/O: takes the server's
//! messages, and returns what they say and what to send.

use serde::Deserialize;
use serde_json::{Value, from_value, json};

use crate::{
    config::watch::BearerToken,
    watch::{
        document::{WatchedPart, events, read_snapshot, snapshot},
        row::{BuildRow, HeardEvent, HeardObject, SnapshotRows, StepBuild, WatchedStep},
        setback::Setback,
    },
};

/// The ids of the operations.
const SNAPSHOT: &str = "snapshot";
const EVENTS: &str = "events";

/// What a message of the server says.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing of builds: an answer to a ping, or a step of the protocol.
    Nothing,
    /// All there is. What changed since comes next, and then `CaughtUp`.
    Snapshot(SnapshotRows),
    Event(Box<HeardEvent>),
    /// What follows is live; when that was, by the server's clock.
    CaughtUp(String),
}

/// One watch, over as many connections as it takes.
#[derive(Debug)]
pub(crate) struct WatchSession {
    part: WatchedPart,
    token: Option<BearerToken>,
    wants_expected: bool,
    /// Where to go on; `None` until there is a snapshot.
    cursor: Option<String>,
    /// The one build that is watched, once it is known.
    buildid: Option<i64>,
    /// Builds that a new snapshot must tell of, even if they have ended.
    known: Vec<i64>,
}

impl WatchSession {
    pub(crate) fn new(part: WatchedPart, token: Option<BearerToken>, wants_expected: bool) -> Self {
        Self {
            part,
            token,
            wants_expected,
            cursor: None,
            buildid: None,
            known: Vec::new(),
        }
    }

    /// Begins on a new connection; returns its first message.
    pub(crate) fn connect(&mut self, known: Vec<i64>) -> String {
        self.known = known;
        let payload = match &self.token {
            Some(BearerToken(token)) => json!({ "Authorization": format!("Bearer {token}") }),
            None => json!({}),
        };
        json!({ "type": "connection_init", "payload": payload }).to_string()
    }

    /// Leaves the cursor, so that the next connection begins with a snapshot.
    pub(crate) fn begin_anew(&mut self) {
        self.cursor = None;
    }

    /// Takes a message; replies go to `out`.
    ///
    /// # Errors
    /// Why the connection cannot go on.
    pub(crate) fn receive(&mut self, text: &str, out: &mut Vec<String>) -> Result<Heard, Setback> {
        let not_ours = |why: &str| Setback::Refused(format!("this is no buildbot-graphql: {why}"));
        let mut message: Value =
            serde_json::from_str(text).map_err(|_| not_ours("a message is not JSON"))?;
        let payload = message["payload"].take();
        let id = message["id"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap_or_default() {
            "connection_ack" => out.push(self.first_operation()),
            "ping" => out.push(json!({ "type": "pong" }).to_string()),
            "next" if id == SNAPSHOT => return self.read_snapshot(payload, out),
            "next" if id == EVENTS => return self.read_event(payload),
            "error" => return Err(Setback::from_errors(&payload)),
            "complete" if id == EVENTS => {
                return Err(Setback::lost("the server ended the subscription"));
            }
            _ => {}
        }
        Ok(Heard::Nothing)
    }

    fn first_operation(&self) -> String {
        match &self.cursor {
            Some(cursor) => self.subscribe(cursor),
            None => start(
                SNAPSHOT,
                &snapshot(&self.part, self.wants_expected, &self.known),
            ),
        }
    }

    fn subscribe(&self, after: &str) -> String {
        let payload = events(&self.part, self.buildid, self.wants_expected, after);
        start(EVENTS, &payload)
    }

    fn read_snapshot(
        &mut self,
        mut payload: Value,
        out: &mut Vec<String>,
    ) -> Result<Heard, Setback> {
        if payload["errors"].is_array() {
            return Err(Setback::from_errors(&payload["errors"]));
        }
        let mut data = payload["data"].take();
        let Value::String(cursor) = data["eventCursor"].take() else {
            return Err(Setback::Refused(
                "the server gave no eventCursor".to_owned(),
            ));
        };
        let rows = read_snapshot(&self.part, data).map_err(Setback::Refused)?;
        if let (WatchedPart::Build(..), Some((build, _))) = (&self.part, rows.builds.first()) {
            self.buildid = Some(build.buildid);
        }
        out.push(self.subscribe(&cursor));
        self.cursor = Some(cursor);
        Ok(Heard::Snapshot(rows))
    }

    fn read_event(&mut self, mut payload: Value) -> Result<Heard, Setback> {
        if payload["errors"].is_array() {
            return Err(Setback::from_errors(&payload["errors"]));
        }
        let event = from_value::<ReadEvent>(payload["data"]["events"].take());
        let event = event.map_err(|e| Setback::Refused(format!("an event cannot be read: {e}")))?;
        self.cursor = Some(event.cursor);
        let object = match (event.build, event.step) {
            (Some(build), _) => HeardObject::Build(build),
            (None, Some(step)) => HeardObject::Step(step.step, step.build),
            (None, None) if event.kind == "CAUGHT_UP" => {
                return Ok(Heard::CaughtUp(event.occurred_at));
            }
            // A noun that this version does not know.
            (None, None) => return Ok(Heard::Nothing),
        };
        Ok(Heard::Event(Box::new(HeardEvent {
            at: event.occurred_at,
            kind: event.kind,
            object,
        })))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadEvent {
    cursor: String,
    kind: String,
    occurred_at: String,
    build: Option<BuildRow>,
    step: Option<ReadStep>,
}

#[derive(Deserialize)]
struct ReadStep {
    #[serde(flatten)]
    step: WatchedStep,
    build: StepBuild,
}

fn start(id: &str, payload: &Value) -> String {
    json!({ "id": id, "type": "subscribe", "payload": payload }).to_string()
}

#[cfg(test)]
mod tests;
