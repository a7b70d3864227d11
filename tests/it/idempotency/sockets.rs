//! Keys on a socket, where they stand in the extensions, and what a stopping server still answers
//! there.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{NEW, execute};
use crate::support::{
    TIMEOUT, client::Client, database::Database, process::Process, server::Server, sql::Sql, ws::Ws,
};

/// The message that starts an operation.
fn start(id: &str, query: &str, variables: &Value, key: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": {
        "query": query, "variables": variables, "extensions": { "idempotencyKey": key },
    } })
}

/// The next message of this operation.
async fn answer(ws: &mut Ws, id: &str) -> Value {
    let message = ws.receive().await;
    assert_eq!(message["id"], id, "{message:#}");
    message
}

#[tokio::test]
async fn a_key_holds_across_transports() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let variables = json!({ "b": build, "n": "s" });
    let mut ws = server.ws().await;
    ws.send(start("1", NEW, &variables, "k")).await;
    let first = answer(&mut ws, "1").await["payload"].take();
    assert_eq!(first["data"]["newStep"]["step"]["name"], "s");
    assert_eq!(answer(&mut ws, "1").await["type"], "complete");
    assert_eq!(execute(&client, "k", NEW, &variables).await, first);
    ws.send(start("2", NEW, &variables, "k")).await;
    assert_eq!(answer(&mut ws, "2").await["payload"], first);
    assert_eq!(answer(&mut ws, "2").await["type"], "complete");
    ws.send(start("3", NEW, &json!({ "b": build, "n": "other" }), "k"))
        .await;
    let refused = answer(&mut ws, "3").await;
    assert_eq!(refused["type"], "error", "{refused:#}");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "CONFLICT");
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM steps")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_finishes_the_mutations_of_its_sockets() {
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let database = Database::fresh().await;
        let mut server = Process::start(&database, &[]).await;
        let client = Client::new(server.address);
        let build = client.add_build("b").await;
        let mut ws = Ws::open(server.address, protocol).await.unwrap();
        ws.send(json!({ "type": "connection_init" })).await;
        assert_eq!(ws.receive().await["type"], "connection_ack");
        let start = if protocol == "graphql-ws" {
            assert_eq!(ws.receive().await["type"], "ka");
            "start"
        } else {
            "subscribe"
        };
        let message = |id: &str, query: &str| json!({ "id": id, "type": start, "payload": { "query": query } });
        ws.send(message("stream", "subscription { stepEvents { cursor } }"))
            .await;
        // While another connection locks the database, the mutation has begun and cannot end.
        let sql = Sql::open(&database).await;
        let looking = Sql::open(&database).await;
        sql.block_writers().await;
        let fields = (0..5).map(|i| {
            format!("s{i}: newStep(buildid: {build}, name: \"s{i}\") {{ step {{ name }} }} ")
        });
        let five = format!("mutation {{ {} }}", fields.collect::<String>());
        ws.send(message("five", &five)).await;
        looking.wait_until_blocked().await;
        server.signal("TERM").await;
        sleep(Duration::from_millis(500)).await;
        let late = format!("mutation {{ newStep(buildid: {build}, name: \"late\") {{ cursor }} }}");
        ws.send(message("late", &late)).await;
        sql.run("COMMIT").await;
        let done = answer(&mut ws, "five").await;
        for i in 0..5 {
            let name = &done["payload"]["data"][format!("s{i}")]["step"]["name"];
            assert_eq!(*name, format!("s{i}"), "{done:#}");
        }
        assert_eq!(answer(&mut ws, "five").await["type"], "complete");
        // Neither is the subscription completed nor what came late answered: their client is to
        // reconnect, and start them again.
        let (code, reason) = ws.message_or_close().await.unwrap_err();
        assert_eq!((code, &*reason), (1001, "the server is going down"));
        let status = server.exit_status(Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(0), "{status}");
        assert_eq!(sql.number("SELECT COUNT(*) AS n FROM steps").await, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_cut_its_mutation() {
    const FIELDS: i64 = 100;
    for over_socket in [false, true] {
        let server = Server::start().await;
        let client = server.client();
        let build = client.add_build("b").await;
        let fields = (0..FIELDS)
            .map(|i| format!("s{i}: newStep(buildid: {build}, name: \"s\") {{ cursor }} "));
        let many = format!("mutation {{ {} }}", fields.collect::<String>());
        let sql = server.sql().await;
        let until_written = async |count| {
            while sql.number("SELECT COUNT(*) AS n FROM steps").await < count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        // The client leaves once the mutation has begun: before, it would not be run.
        if over_socket {
            let mut ws = server.ws().await;
            ws.send(start("1", &many, &json!({}), "k")).await;
            until_written(1).await;
            drop(ws);
        } else {
            let asking = tokio::spawn(async move { client.execute(&many, json!({})).await });
            until_written(1).await;
            asking.abort();
        }
        timeout(TIMEOUT, until_written(FIELDS))
            .await
            .expect("it was cut");
    }
}
