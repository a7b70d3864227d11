//! What happens to open sockets and streams, and to operations on them, when their token is
//! revoked.

use buildbot_graphql::testing::Scope;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{LISTEN, QUERY, WRITE, builders, create, revoke};
use crate::{
    feed::{after, newest_cursor},
    support::{TIMEOUT, client::Client, server::Server, wait_until, ws::Ws},
};

/// A socket with this subprotocol and token.
async fn open(server: &Server, protocol: &str, token: &str) -> Ws {
    let mut ws = Ws::open(server.address, protocol).await.unwrap();
    let payload = json!({ "Authorization": format!("Bearer {token}") });
    ws.send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    assert_eq!(ws.receive().await["type"], "connection_ack");
    ws
}

fn begin(protocol: &str, query: &str) -> Value {
    let word = if protocol == "graphql-ws" {
        "start"
    } else {
        "subscribe"
    };
    json!({ "id": "1", "type": word, "payload": { "query": query } })
}

async fn stream(client: &Client, query: &str) -> reqwest::Response {
    let request = client.http.get(&client.url).query(&[("query", query)]);
    let response = request.header("accept", "text/event-stream").send().await;
    let response = response.unwrap();
    assert_eq!(response.status(), 200);
    response
}

#[tokio::test]
async fn a_revocation_ends_only_the_tokens_sockets_and_streams() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let start = newest_cursor(&client).await;
    let gone = create(&server, "gone", Scope::Read).await;
    let kept = create(&server, "kept", Scope::Read).await;
    let mut sockets = Vec::new();
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        // One with a subscription, and one without.
        for query in [Some(LISTEN), None] {
            let mut ws = open(&server, protocol, &gone).await;
            if let Some(query) = query {
                ws.send(begin(protocol, query)).await;
            }
            sockets.push(ws);
        }
    }
    // Sent with the upgrade.
    let (new, value) = ("graphql-transport-ws", format!("Bearer {gone}"));
    let mut ws = Ws::open_as(server.address, new, Some(&value))
        .await
        .unwrap();
    ws.send(json!({ "type": "connection_init" })).await;
    assert_eq!(ws.receive().await["type"], "connection_ack");
    sockets.push(ws);
    let query = format!(
        "subscription {{ stepEvents{} {{ cursor }} }}",
        after(&start)
    );
    let ended = stream(&Client::with_token(server.address, &gone), &query).await;
    let mut others = vec![open(&server, new, &kept).await, server.ws().await];
    for other in &mut others {
        other.subscribe(&after(&start)).await;
    }
    client.set_state(stepid, "before").await;
    for other in &mut others {
        other.event().await;
    }
    revoke(&server, "gone").await;
    for mut ws in sockets {
        let closing = ws.close_frame().await.unwrap();
        assert_eq!(closing, (4403, "the token was revoked".to_owned()));
    }
    let output = timeout(TIMEOUT, ended.text()).await.unwrap().unwrap();
    let (events, last) = output.split_once(r#"data: {"errors""#).unwrap();
    assert!(events.contains(r#"{"data""#), "{output}");
    assert!(
        last.contains("UNAUTHENTICATED") && last.contains("revoked"),
        "{output}"
    );
    assert!(last.ends_with("event: complete\ndata:\n\n"), "{output}");
    client.set_state(stepid, "after").await;
    for other in &mut others {
        assert_eq!(other.event().await["step"]["stateString"], "after");
    }
}

/// Each operation is authorised anew: nothing runs between the revocation and the end of the
/// socket.
#[tokio::test]
async fn a_revoked_token_allows_nothing_on_an_open_socket() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    for round in 0..5 {
        let name = format!("t{round}");
        let token = create(&server, &name, Scope::Write).await;
        let mut ws = open(&server, "graphql-transport-ws", &token).await;
        let write = format!("mutation {{ findBuilder(name: \"{name}\") {{ builderid }} }}");
        ws.send(begin("", &write)).await;
        assert_eq!(
            ws.receive().await["payload"]["data"]["findBuilder"]["builderid"],
            round + 1
        );
        assert_eq!(ws.receive().await["type"], "complete");
        revoke(&server, &name).await;
        ws.send(begin("", WRITE)).await;
        let closing = match ws.message_or_close().await {
            Err(closing) => closing,
            Ok(message) => {
                assert_eq!(message["type"], "error", "{message:#}");
                let error = &message["payload"][0];
                assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED");
                ws.close_frame().await.unwrap()
            }
        };
        assert_eq!(closing.0, 4403);
        assert_eq!(builders(&server).await, round + 1);
    }
}

/// Operations sent during the revocation are either done or refused, and none succeeds after a
/// refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_during_writes_stops_them() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let token = create(&server, "t", Scope::Write).await;
    let mut ws = open(&server, "graphql-transport-ws", &token).await;
    let mut done = 0;
    let writing = async {
        for number in 0.. {
            let write = format!("mutation {{ findBuilder(name: \"{number}\") {{ builderid }} }}");
            ws.send(begin("", &write)).await;
            match ws.message_or_close().await {
                Ok(message) if message["type"] == "next" => done += 1,
                Ok(message) => {
                    assert_eq!(
                        message["payload"][0]["extensions"]["code"],
                        "UNAUTHENTICATED"
                    );
                    return ws.close_frame().await.unwrap().0;
                }
                Err((code, _)) => return code,
            }
            assert_eq!(ws.receive().await["type"], "complete");
        }
        0
    };
    let revoking = async {
        wait_until(async || builders(&server).await > 3).await;
        revoke(&server, "t").await;
    };
    let (code, ()) = timeout(TIMEOUT, Box::pin(async { tokio::join!(writing, revoking) }))
        .await
        .unwrap();
    assert_eq!(code, 4403);
    assert_eq!(builders(&server).await, done);
}

/// A failed check is no revocation; an operation that cannot be authorised does not run.
#[tokio::test]
async fn a_lost_database_leaves_sockets_open() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let token = create(&server, "t", Scope::Write).await;
    let mut ws = open(&server, "graphql-transport-ws", &token).await;
    let sql = server.sql().await;
    sql.run("ALTER TABLE graphql_tokens RENAME COLUMN hash TO other")
        .await;
    // Long enough for the check.
    sleep(TIMEOUT / 8).await;
    ws.send(begin("", WRITE)).await;
    let refused = ws.receive().await;
    assert_eq!(refused["type"], "error", "{refused:#}");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "INTERNAL");
    assert_eq!(builders(&server).await, 0);
    sql.run("ALTER TABLE graphql_tokens RENAME COLUMN other TO hash")
        .await;
    ws.send(begin("", WRITE)).await;
    assert_eq!(ws.receive().await["type"], "next");
    assert_eq!(builders(&server).await, 1);
}

/// A response depends on the scope alone, so all callers with the same scope share one execution.
#[tokio::test]
async fn subscribers_with_different_tokens_share_an_execution() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let mut tokens = Vec::new();
    for name in ["one", "two", "three"] {
        tokens.push(create(&server, name, Scope::Read).await);
    }
    let writer = create(&server, "writer", Scope::Write).await;
    let before = server.handle.tasks();
    let mut sockets = Vec::new();
    for token in &tokens {
        let mut ws = open(&server, "graphql-transport-ws", token).await;
        ws.send(begin("", LISTEN)).await;
        sockets.push(ws);
    }
    // One per socket, and the shared subscription.
    wait_until(async || server.handle.subscribers() == 3).await;
    assert_eq!(server.handle.tasks(), before + 4);
    // The shared subscription continues for the others when the caller that started it loses
    // access.
    revoke(&server, "one").await;
    assert_eq!(sockets.remove(0).close_code().await, Some(4403));
    Client::with_token(server.address, &writer)
        .add_build("b")
        .await;
    let client = Client::with_token(server.address, &writer);
    client.new_step(1, "s").await;
    for ws in &mut sockets {
        assert!(ws.event().await["cursor"].is_string());
    }
    client.data(QUERY, json!({})).await;
}
