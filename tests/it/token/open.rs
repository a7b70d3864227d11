//! What a token holds open when it is revoked: sockets, streams, and what is sent on them.

use buildbot_graphql::testing::Scope;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{LISTEN, QUERY, WRITE, builders, create, revoke};
use crate::{
    feed::{after, now},
    support::{PATIENCE, client::Client, server::Server, until, ws::Ws},
};

/// A socket in a subprotocol that was let in with this token.
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
    let answer = request.header("accept", "text/event-stream").send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

#[tokio::test]
async fn a_revoked_token_ends_its_sockets_and_streams_and_no_others() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let start = now(&client).await;
    let gone = create(&server, "gone", Scope::Read).await;
    let kept = create(&server, "kept", Scope::Read).await;
    let mut sockets = Vec::new();
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        // One that listens, and one that is silent.
        for query in [Some(LISTEN), None] {
            let mut ws = open(&server, protocol, &gone).await;
            if let Some(query) = query {
                ws.send(begin(protocol, query)).await;
            }
            sockets.push(ws);
        }
    }
    // Shown at the upgrade.
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
    let ended = stream(&Client::showing(server.address, &gone), &query).await;
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
        let closing = ws.closing().await.unwrap();
        assert_eq!(closing, (4403, "the token was revoked".to_owned()));
    }
    let said = timeout(PATIENCE, ended.text()).await.unwrap().unwrap();
    let (events, last) = said.split_once(r#"data: {"errors""#).unwrap();
    assert!(events.contains(r#"{"data""#), "{said}");
    assert!(
        last.contains("UNAUTHENTICATED") && last.contains("revoked"),
        "{said}"
    );
    assert!(last.ends_with("event: complete\ndata:\n\n"), "{said}");
    client.set_state(stepid, "after").await;
    for other in &mut others {
        assert_eq!(other.event().await["step"]["stateString"], "after");
    }
}

/// Each operation is judged anew: nothing is done between the revocation and the end of the socket.
#[tokio::test]
async fn a_revoked_token_does_nothing_more_on_an_open_socket() {
    let server = Server::with(&["--anonymous", "none"]).await;
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
        let closing = match ws.closing_or_message().await {
            Err(closing) => closing,
            Ok(message) => {
                assert_eq!(message["type"], "error", "{message:#}");
                let error = &message["payload"][0];
                assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED");
                ws.closing().await.unwrap()
            }
        };
        assert_eq!(closing.0, 4403);
        assert_eq!(builders(&server).await, round + 1);
    }
}

/// Operations that are sent while the token is revoked: each is either done whole or refused, and none follows a refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_in_the_middle_of_writes_ends_them() {
    let server = Server::with(&["--anonymous", "none"]).await;
    let token = create(&server, "t", Scope::Write).await;
    let mut ws = open(&server, "graphql-transport-ws", &token).await;
    let mut done = 0;
    let writing = async {
        for number in 0.. {
            let write = format!("mutation {{ findBuilder(name: \"{number}\") {{ builderid }} }}");
            ws.send(begin("", &write)).await;
            match ws.closing_or_message().await {
                Ok(message) if message["type"] == "next" => done += 1,
                Ok(message) => {
                    assert_eq!(
                        message["payload"][0]["extensions"]["code"],
                        "UNAUTHENTICATED"
                    );
                    return ws.closing().await.unwrap().0;
                }
                Err((code, _)) => return code,
            }
            assert_eq!(ws.receive().await["type"], "complete");
        }
        0
    };
    let revoking = async {
        until(async || builders(&server).await > 3).await;
        revoke(&server, "t").await;
    };
    let (code, ()) = timeout(
        PATIENCE,
        Box::pin(async { tokio::join!(writing, revoking) }),
    )
    .await
    .unwrap();
    assert_eq!(code, 4403);
    assert_eq!(builders(&server).await, done);
}

/// A look that fails is no revocation; an operation that cannot be judged is not done.
#[tokio::test]
async fn a_database_that_cannot_tell_leaves_sockets_open() {
    let server = Server::with(&["--anonymous", "none"]).await;
    let token = create(&server, "t", Scope::Write).await;
    let mut ws = open(&server, "graphql-transport-ws", &token).await;
    let sql = server.sql().await;
    sql.run("ALTER TABLE graphql_tokens RENAME COLUMN hash TO other")
        .await;
    // Long enough for the look.
    sleep(PATIENCE / 8).await;
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

/// What is answered depends on the scope alone, so it is executed once for all who have the same.
#[tokio::test]
async fn subscribers_with_different_tokens_share_an_execution() {
    let server = Server::with(&["--anonymous", "none"]).await;
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
    // Each socket, and one group.
    until(async || server.handle.subscribers() == 3).await;
    assert_eq!(server.handle.tasks(), before + 4);
    // It goes on for the others when whoever has begun it may no longer listen.
    revoke(&server, "one").await;
    assert_eq!(sockets.remove(0).close_code().await, Some(4403));
    Client::showing(server.address, &writer)
        .add_build("b")
        .await;
    let client = Client::showing(server.address, &writer);
    client.new_step(1, "s").await;
    for ws in &mut sockets {
        assert!(ws.event().await["cursor"].is_string());
    }
    client.data(QUERY, json!({})).await;
}
