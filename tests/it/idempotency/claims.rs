//! Whose a key is, and how long it is kept.

use buildbot_graphql::testing::Scope;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{NEW, execute, post, refusal};
use crate::{
    feed::after,
    support::{TIMEOUT, client::Client, server::Server},
};

const KEYS: &str = "SELECT COUNT(*) AS n FROM graphql_idempotency_keys";
const PAYLOADS: &str = "SELECT COUNT(*) AS n FROM graphql_idempotency_payloads";

#[tokio::test]
async fn each_caller_has_its_own_keys() {
    let server = Server::start().await;
    let build = server.client().add_build("b").await;
    let mut clients = vec![server.client()];
    for name in ["one", "two"] {
        let token = server
            .handle
            .create_token(name, Scope::Write)
            .await
            .unwrap();
        clients.push(Client::with_token(server.address, &token));
    }
    for (i, client) in clients.iter().enumerate() {
        // Other variables than the callers before.
        let variables = json!({ "b": build, "n": format!("s{i}") });
        let first = execute(client, "k", NEW, &variables).await;
        assert_eq!(first["data"]["newStep"]["step"]["name"], format!("s{i}"));
        assert_eq!(execute(client, "k", NEW, &variables).await, first);
    }
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM steps")
            .await,
        3
    );
}

#[tokio::test]
async fn a_reader_claims_no_key() {
    let server = Server::with_flags(&["--anonymous", "read"]).await;
    let answer = execute(&server.client(), "k", NEW, &json!({ "b": 1, "n": "s" })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(answer["errors"][0]["path"], json!(["newStep"]));
    assert_eq!(server.sql().await.number(KEYS).await, 0);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let server = Server::start().await;
    let (client, sql) = (server.client(), server.sql().await);
    let build = client.add_build("b").await;
    let (one, two) = (
        json!({ "b": build, "n": "one" }),
        json!({ "b": build, "n": "two" }),
    );
    let first = execute(&client, "k", NEW, &one).await;
    let age = |seconds: i64| {
        format!("UPDATE graphql_idempotency_keys SET claimed_at = claimed_at - {seconds}")
    };
    sql.run(&age(86_300)).await;
    assert_eq!(execute(&client, "k", NEW, &one).await, first);
    assert_eq!(refusal(&client, "k", NEW, &two).await.0, 422);
    sql.run(&age(200)).await;
    let second = execute(&client, "k", NEW, &two).await;
    assert_eq!(second["data"]["newStep"]["step"]["name"], "two");
    assert_eq!(refusal(&client, "k", NEW, &one).await.0, 422);
    assert_eq!((sql.number(KEYS).await, sql.number(PAYLOADS).await), (1, 1));
}

#[tokio::test]
async fn old_keys_are_pruned_with_their_payloads() {
    let server = Server::with_flags(&["--anonymous", "write", "--feed-prune-seconds", "1"]).await;
    let (client, sql) = (server.client(), server.sql().await);
    let build = client.add_build("b").await;
    for key in ["old", "new"] {
        post(&client, key, NEW, &json!({ "b": build, "n": key })).await;
        if key == "old" {
            sql.run("UPDATE graphql_idempotency_keys SET claimed_at = claimed_at - 90100")
                .await;
        }
    }
    let pruned = async {
        while sql.number(KEYS).await != 1 {
            sleep(TIMEOUT / 200).await;
        }
    };
    timeout(TIMEOUT, pruned).await.expect("the old key stays");
    assert_eq!(sql.number(PAYLOADS).await, 1);
    let again = execute(&client, "new", NEW, &json!({ "b": build, "n": "new" })).await;
    assert_eq!(again["data"]["newStep"]["step"]["name"], "new");
}

#[tokio::test]
async fn a_repetition_is_told_even_after_its_event_is_gone() {
    let server = Server::with_flags(&["--anonymous", "write", "--feed-keep-events", "1"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let variables = json!({ "b": build, "n": "s" });
    let first = execute(&client, "k", NEW, &variables).await;
    client.new_step(build, "later").await;
    client.new_step(build, "latest").await;
    // With those of the builder and the build.
    assert_eq!(server.handle.prune().await.unwrap(), 4);
    let again = execute(&client, "k", NEW, &variables).await;
    assert!(again.get("errors").is_none(), "{again:#}");
    assert_eq!(
        again["data"]["newStep"]["step"],
        first["data"]["newStep"]["step"]
    );
    // Its cursor leads nowhere, as the first one does by now.
    let mut ws = server.ws().await;
    let cursor = again["data"]["newStep"]["cursor"].as_str().unwrap();
    ws.subscribe(&after(cursor)).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
}
