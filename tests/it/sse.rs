//! Server-sent events: what a stream sends, how it resumes, and how it ends.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    feed::{after, backfill::add_rows, newest_cursor},
    support::{TIMEOUT, client::Client, server::Server},
};

mod negotiation;

const STREAM: &str = "text/event-stream";

/// An event as a client reads it.
#[derive(Debug, PartialEq)]
struct Event {
    id: Option<String>,
    name: String,
    data: Option<String>,
}

impl Event {
    fn complete() -> Self {
        Self {
            id: None,
            name: "complete".to_owned(),
            data: Some(String::new()),
        }
    }

    /// The result in the event's data.
    fn result(&self) -> Value {
        assert_eq!(self.name, "next", "{self:?}");
        serde_json::from_str(self.data.as_ref().unwrap()).unwrap()
    }

    /// The cursor in the event's data, which must equal its id.
    fn cursor(&self) -> String {
        let cursor = self.result()["data"]["stepEvents"]["cursor"].clone();
        assert_eq!(self.id.as_deref(), cursor.as_str(), "{self:?}");
        cursor.as_str().unwrap().to_owned()
    }
}

/// A stream that is read incrementally.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    fn new(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], STREAM);
        let text = String::new();
        Self { response, text }
    }

    /// The next block of lines up to an empty one. None at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = timeout(TIMEOUT, self.response.chunk())
                .await
                .expect("nothing in time");
            let Some(chunk) = chunk.expect("the body broke off") else {
                assert_eq!(self.text, "", "half an event");
                return None;
            };
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event, without comments. None at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let mut values = block.lines().filter_map(|line| {
                    let value = line.strip_prefix(name)?.strip_prefix(':')?;
                    Some(value.strip_prefix(' ').unwrap_or(value).to_owned())
                });
                let value = values.next();
                assert!(values.next().is_none(), "{block}");
                value
            };
            if let Some(name) = field("event") {
                let (id, data) = (field("id"), field("data"));
                return Some(Event { id, name, data });
            }
            assert!(block.lines().all(|line| line.starts_with(':')), "{block}");
        }
    }

    async fn event(&mut self) -> Event {
        self.next().await.expect("the stream ended")
    }
}

/// A POST that accepts an event stream.
fn post(client: &Client, query: &str) -> RequestBuilder {
    let body = json!({ "query": query });
    let request = client.http.post(&client.url).json(&body);
    request.header("accept", STREAM)
}

/// The GET of an `EventSource`.
fn get(client: &Client, query: &str) -> RequestBuilder {
    let request = client.http.request(Method::GET, &client.url);
    request.query(&[("query", query)]).header("accept", STREAM)
}

async fn events(request: RequestBuilder) -> Events {
    Events::new(request.send().await.unwrap())
}

pub(crate) fn subscription(arguments: &str) -> String {
    format!("subscription {{ stepEvents{arguments} {{ cursor kind }} }}")
}

pub(crate) async fn one_step(server: &Server) -> (Client, i64, String) {
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, cursor) = client.new_step(build, "s").await;
    (client, stepid, cursor)
}

#[tokio::test]
async fn events_arrive_live_over_post_and_get() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let query = subscription(&after(&start));
    let mut streams = [
        events(post(&client, &query)).await,
        events(get(&client, &query)).await,
    ];
    for state in ["one", "two", "three"] {
        let written = client.set_state(stepid, state).await;
        for stream in &mut streams {
            assert_eq!(stream.event().await.cursor(), written);
        }
    }
    let headers = streams[0].response.headers();
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
}

/// As an `EventSource` reconnects: the same URL, and the id of the last event.
#[tokio::test]
async fn a_stream_resumes_after_last_event_id() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    // The arguments in the URL count only for the first connection.
    for arguments in [String::new(), after(&start), "(snapshot: true)".to_owned()] {
        let query = subscription(&arguments);
        let last = newest_cursor(&client).await;
        let missed = client.set_state(stepid, "missed").await;
        let again = get(&client, &query).header("last-event-id", &last);
        let mut stream = events(again).await;
        assert_eq!(stream.event().await.cursor(), missed);
        let live = client.set_state(stepid, "live").await;
        assert_eq!(stream.event().await.cursor(), live);
    }
    // An empty id counts as none.
    let query = subscription(&after(&start));
    let mut stream = events(get(&client, &query).header("last-event-id", "")).await;
    assert!(stream.event().await.cursor() > start);
}

/// A snapshot cannot be resumed: only its last event has an id.
#[tokio::test]
async fn each_event_of_a_long_replay_has_its_own_id() {
    let server = Server::start().await;
    let (client, _, before) = one_step(&server).await;
    add_rows(&server.sql().await, 150, "'row'").await;
    let query = subscription(&after(&before));
    let mut stream = events(post(&client, &query)).await;
    let mut ids = Vec::new();
    for _ in 0..150 {
        ids.push(stream.event().await.cursor());
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:#?}");
}

#[tokio::test]
async fn an_event_without_a_position_has_no_id() {
    let server = Server::start().await;
    let (client, stepid, _) = one_step(&server).await;
    let mut stream = events(get(&client, &subscription("(snapshot: true)"))).await;
    let first = stream.event().await;
    assert_eq!(first.result()["data"]["stepEvents"]["kind"], "SNAPSHOT");
    let live = client.set_state(stepid, "live").await;
    assert_eq!(stream.event().await.cursor(), live);
}

#[tokio::test]
async fn a_query_or_mutation_is_one_event_and_complete() {
    let server = Server::start().await;
    let client = server.client();
    let write = "mutation { findBuilder(name: \"b\") { builderid } }";
    let data = json!({ "data": { "findBuilder": { "builderid": 1 } } });
    let name = json!({ "data": { "__typename": "Query" } });
    for (request, data) in [
        (post(&client, write), &data),
        (post(&client, "{ __typename }"), &name),
        (get(&client, "{ __typename }"), &name),
    ] {
        let mut stream = events(request).await;
        let next = stream.event().await;
        assert_eq!((next.result(), next.id), (data.clone(), None));
        assert_eq!(stream.next().await, Some(Event::complete()));
        assert_eq!(stream.next().await, None);
    }
    // A failure during execution is a result.
    let failing = "mutation { addBuild(builderid: 9) { build { number } } }";
    let mut stream = events(post(&client, failing)).await;
    let errors = &stream.event().await.result()["errors"];
    assert_eq!(errors[0]["extensions"]["code"], "NOT_FOUND");
    assert_eq!(stream.next().await, Some(Event::complete()));
    let text = "a\nb\r\n\u{2028}\u{0}data: x\n\n".to_owned();
    let query = format!(
        "mutation {{ findBuilder(name: {}) {{ name }} }}",
        json!(text)
    );
    let mut stream = events(post(&client, &query)).await;
    let next = stream.event().await;
    assert!(next.result()["data"].is_object() || next.result()["errors"].is_array());
    assert_eq!(stream.next().await, Some(Event::complete()));
}

/// A lagging subscriber receives an error, and then the stream ends, without `complete`, so that
/// the client reconnects.
#[tokio::test]
async fn an_interrupted_stream_sends_its_error_and_breaks_off() {
    let flags = ["--anonymous", "write", "--feed-queue-bytes", "1"];
    let server = Server::with_flags(&flags).await;
    let (client, _, start) = one_step(&server).await;
    let mut stream = events(get(&client, &subscription(&after(&start)))).await;
    let sql = server.sql().await;
    // A batch that the tail dispatches at once exceeds a queue of one event.
    let batch = "UPDATE steps SET state_string = 'busy'; ".repeat(400);
    let errors = timeout(TIMEOUT, async {
        loop {
            sql.run(&format!("BEGIN; {batch} COMMIT")).await;
            for _ in 0..400 {
                let result = stream.event().await.result();
                if result.get("data").is_none() {
                    return result["errors"].clone();
                }
            }
        }
    });
    let errors = errors.await.expect("a queue of one was never full");
    assert_eq!(errors[0]["extensions"]["code"], "FEED_LAGGED");
    assert!(errors[0]["extensions"]["cursor"].is_string());
    assert_eq!(stream.block().await.as_deref(), Some("retry: 1000"));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_quiet_stream_gets_comments() {
    let server = Server::with_flags(&["--socket-ping-seconds", "1"]).await;
    let mut stream = events(get(&server.client(), &subscription(""))).await;
    for _ in 0..3 {
        assert_eq!(stream.block().await.as_deref(), Some(":"));
    }
}

/// Without `complete`, so that the client reconnects.
#[tokio::test]
async fn a_stopping_server_ends_the_stream_without_complete() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let mut stream = events(get(&client, &subscription(&after(&start)))).await;
    client.set_state(stepid, "one").await;
    stream.event().await;
    let silent = events(get(&client, &subscription(""))).await;
    server.handle.stop();
    for mut stream in [stream, silent] {
        let last = stream.block().await.expect("a last block");
        assert_eq!(last, ": the server is stopping\nretry: 1000");
        assert_eq!(stream.block().await, None);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_subscription() {
    let server = Server::start().await;
    let (client, stepid, start) = one_step(&server).await;
    let before = server.handle.tasks();
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = events(get(&client, &subscription(&after(&start)))).await;
        client.set_state(stepid, "busy").await;
        stream.event().await;
        streams.push(stream);
    }
    // Each stream, and their shared subscription.
    assert_eq!(server.handle.tasks(), before + 6);
    drop(streams);
    let gone = timeout(TIMEOUT, async {
        while server.handle.tasks() > before {
            sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.expect("a stream outlived its client");
}
