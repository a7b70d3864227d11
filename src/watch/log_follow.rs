//! Follows one log of a build over as many connections as it takes, to its end: each line is
//! written once.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    config::watch::{BearerToken, ServerAddress},
    log::TARGET,
    watch::{
        ending::Ending, line::escape, log_line::log_line, setback::Setback, socket::WatchSocket,
    },
};

/// The ids of the operations.
const FIND: &str = "find";
const TAIL: &str = "tail";
/// How many steps of the build are looked at for the log, the newest.
const MOST_STEPS: usize = 500;
/// The pause before the log is looked for again, and the longest before a new connection.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// After so much silence the server is asked whether it is there; after as much again it is not.
const SILENCE: Duration = Duration::from_secs(15);

/// The log to follow.
pub(crate) struct LogName {
    pub(crate) builder: String,
    pub(crate) build: i64,
    /// `STEP/LOG`, or `LOG` of the last step that has one.
    pub(crate) log: String,
}

/// Follows one log.
pub(crate) struct LogFollower {
    address: ServerAddress,
    token: Option<BearerToken>,
    name: LogName,
    /// `None` until it is found.
    logid: Option<i64>,
    /// The number of the next line.
    next: i64,
    was_reached: bool,
}

impl LogFollower {
    pub(crate) fn new(address: ServerAddress, token: Option<BearerToken>, name: LogName) -> Self {
        Self {
            address,
            token,
            name,
            logid: None,
            next: 0,
            was_reached: false,
        }
    }

    /// Follows until the log is finished.
    ///
    /// # Errors
    /// Why trying again is of no use.
    pub(crate) async fn run(mut self) -> Result<Ending, String> {
        let mut pause = PAUSE;
        loop {
            let before = self.next;
            let why = match self.run_connection().await {
                Ok(ending) => return Ok(ending),
                Err(Setback::Refused(why)) => return Err(why),
                Err(Setback::Unreachable(why)) if !self.was_reached => return Err(why),
                Err(Setback::Detached) => "the database has no change feed".to_owned(),
                Err(Setback::Unreachable(why) | Setback::Lost(why, _) | Setback::Expired(why)) => {
                    why
                }
            };
            if self.next > before {
                pause = PAUSE;
            }
            tracing::warn!(target: TARGET, why = %escape(&why), "the connection is lost; reconnecting");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn run_connection(&mut self) -> Result<Ending, Setback> {
        let mut socket = WatchSocket::open(&self.address).await?;
        let payload = match &self.token {
            Some(BearerToken(token)) => json!({ "Authorization": format!("Bearer {token}") }),
            None => json!({}),
        };
        let first = json!({ "type": "connection_init", "payload": payload });
        socket.send(first.to_string()).await?;
        let mut is_asked = false;
        loop {
            let Ok(text) = timeout(SILENCE, socket.receive()).await else {
                if is_asked {
                    return Err(Setback::lost("the server does not answer"));
                }
                is_asked = true;
                socket.send(json!({ "type": "ping" }).to_string()).await?;
                continue;
            };
            is_asked = false;
            let Some(text) = text? else { continue };
            let message: Value = serde_json::from_str(&text).map_err(|_| {
                Setback::Refused("this is no buildbot-graphql: a message is not JSON".to_owned())
            })?;
            if let Some(ending) = self.hear(&message, &mut socket).await? {
                return Ok(ending);
            }
        }
    }

    async fn hear(
        &mut self,
        message: &Value,
        socket: &mut WatchSocket,
    ) -> Result<Option<Ending>, Setback> {
        let payload = &message["payload"];
        let id = message["id"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap_or_default() {
            "connection_ack" => {
                self.was_reached = true;
                socket.send(self.operation()).await?;
            }
            "ping" => socket.send(json!({ "type": "pong" }).to_string()).await?,
            "error" => return Err(Setback::from_errors(payload)),
            "next" if payload["errors"].is_array() => {
                return Err(Setback::from_errors(&payload["errors"]));
            }
            "next" if id == FIND => {
                self.logid = self.find(&payload["data"]).map_err(Setback::Refused)?;
                if self.logid.is_none() {
                    sleep(PAUSE).await;
                }
            }
            // The next operation has the same id.
            "complete" if id == FIND => socket.send(self.operation()).await?,
            "next" => {
                let tail = &payload["data"]["logTail"];
                if self.write(tail).is_err() {
                    return Ok(Some(Ending::Unread));
                }
                if tail["complete"] == true {
                    return Ok(Some(Ending::LogFinished));
                }
            }
            "complete" => return Err(Setback::lost("the server ended the subscription")),
            _ => {}
        }
        Ok(None)
    }

    /// What to send next: a query for the log, or the subscription to its lines.
    fn operation(&self) -> String {
        let LogName { builder, build, .. } = &self.name;
        let (id, query, variables) = match self.logid {
            None => (
                FIND,
                format!(
                    "query($name: String!, $number: Int!) {{ builder(name: $name) {{ build(number: $number) {{ complete \
                     steps(limit: {MOST_STEPS}, orderBy: [{{ field: NUMBER, direction: DESC }}]) {{ name logs {{ logid slug }} }} }} }} }}"
                ),
                json!({ "name": builder, "number": build }),
            ),
            Some(logid) => (
                TAIL,
                "subscription($logid: Int!, $from: Int!) { logTail(logid: $logid, from: $from) { next complete lines { text } } }"
                    .to_owned(),
                json!({ "logid": logid, "from": self.next }),
            ),
        };
        let payload = json!({ "query": query, "variables": variables });
        json!({ "id": id, "type": "subscribe", "payload": payload }).to_string()
    }

    /// The id of the log in an answer; `None` where it may still be added.
    fn find(&self, data: &Value) -> Result<Option<i64>, String> {
        let LogName {
            builder,
            build,
            log,
        } = &self.name;
        let found = &data["builder"]["build"];
        if found.is_null() {
            return Err(format!(
                "--build {build}: there is no such build of the builder {builder:?}"
            ));
        }
        let (step, slug) = match log.rsplit_once('/') {
            Some((step, slug)) => (Some(step), slug),
            None => (None, log.as_str()),
        };
        let steps = found["steps"].as_array().into_iter().flatten();
        let mut logs = steps
            .filter(|of| step.is_none_or(|step| of["name"] == step))
            .flat_map(|of| of["logs"].as_array().into_iter().flatten());
        match logs.find(|log| log["slug"] == slug) {
            Some(log) => Ok(log["logid"].as_i64()),
            None if found["complete"] == true => {
                Err(format!("--follow-log {log:?}: the build has no such log"))
            }
            None => Ok(None),
        }
    }

    fn write(&mut self, tail: &Value) -> io::Result<()> {
        let mut text = String::new();
        for line in tail["lines"].as_array().into_iter().flatten() {
            text.push_str(&log_line(line["text"].as_str().unwrap_or_default()));
            text.push('\n');
        }
        self.next = tail["next"].as_i64().unwrap_or(self.next);
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}
