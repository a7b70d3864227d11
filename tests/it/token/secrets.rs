//! Tokens appear neither in the database nor in the log at its most verbose level.

use std::process::Stdio;

use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{QUERY, WRITE};
use crate::{
    cli::run,
    support::{
        TIMEOUT,
        client::Client,
        database::{Database, Kind, kind},
        process::{Process, command},
        sql::Sql,
        ws::Ws,
    },
};

/// Creates a token: the name it is listed by, and its text, which is the last printed word.
async fn create(database: &Database, name: &str, scope: &str) -> (String, String) {
    let new = ["token", "create", "--name", name, "--scope", scope];
    let (code, stdout, stderr) =
        run(&[&new[..], &["--database-url", &database.url]].concat()).await;
    assert_eq!(code, Some(0), "{stderr}");
    let token = stdout.split_whitespace().last().unwrap().to_owned();
    (token, stderr)
}

#[tokio::test]
async fn no_token_appears_in_the_database_or_the_log() {
    let database = Database::fresh().await;
    let (good, mut log) = create(&database, "good", "write").await;
    let (revoked, more) = create(&database, "revoked", "read").await;
    log += &more;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut serving = command();
    serving
        .args(["serve", "--listen", "127.0.0.1:0", "--anonymous", "none"])
        .args(["--database-url", &database.url])
        .env("RUST_LOG", "trace")
        .stderr(Stdio::from(std::fs::File::create(&path).unwrap()));
    let mut server = Process::spawn(&mut serving).await;
    let revoke = [
        "token",
        "revoke",
        "revoked",
        "--database-url",
        &database.url,
    ];
    assert_eq!(run(&revoke).await.0, Some(0));
    let wrong = format!("bbg_{}", "8".repeat(64));
    let broken = format!("{}!", &good[..40]);
    // Each kind of token on each transport.
    for token in [&good, &revoked, &wrong, &broken] {
        let client = Client::with_token(server.address, token);
        let (http, url) = (&client.http, &client.url);
        let base = url.trim_end_matches("/graphql");
        client.execute(QUERY, json!({})).await;
        client.execute(WRITE, json!({})).await;
        let graphql = "application/graphql-response+json";
        let requests = [
            http.get(url)
                .header("accept", graphql)
                .query(&[("query", QUERY)]),
            http.get(url)
                .header("accept", "text/event-stream")
                .query(&[("query", QUERY)]),
            http.get(format!("{base}/api/v2/builders")),
            http.get(format!("{base}/metrics")),
            http.get(format!("{base}/healthz")),
            http.post(url).body("{"),
        ];
        for request in requests {
            request.send().await.unwrap().bytes().await.unwrap();
        }
        for protocol in ["graphql-transport-ws", "graphql-ws"] {
            let value = format!("Bearer {token}");
            for (header, payload) in [
                (Some(&*value), json!(null)),
                (None, json!({ "Authorization": value })),
                (None, json!({ "authorization": token })),
                (None, json!({ "authorization": [token] })),
            ] {
                let mut ws = Ws::open_as(server.address, protocol, header).await.unwrap();
                ws.send(json!({ "type": "connection_init", "payload": payload }))
                    .await;
                let _ = ws.message_or_close().await;
                // The server does not log an invalid message either.
                let mut ws = Ws::open_as(server.address, protocol, header).await.unwrap();
                let broken = format!("{{\"type\": \"connection_init\", \"payload\": {token}");
                ws.socket.send(Message::text(broken)).await.unwrap();
                ws.close_code().await;
            }
        }
    }
    server.signal("TERM").await;
    server.exit_status(TIMEOUT).await;
    log += &std::fs::read_to_string(path).unwrap();
    assert!(log.contains("stopping"), "the log tells nothing: {log}");
    let mut kept = String::new();
    if kind() == Kind::Sqlite {
        for entry in std::fs::read_dir(database.file().parent().unwrap()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            kept += &String::from_utf8_lossy(&bytes);
        }
        assert!(kept.contains("graphql_tokens"));
    } else {
        let sql = Sql::open(&database).await;
        let rows = "SELECT json_array(name, hash, scope) AS json FROM graphql_tokens";
        kept = json!(sql.rows(rows).await).to_string();
        assert!(kept.contains("good"), "{kept}");
    }
    for token in [&good, &revoked, &wrong] {
        // A part of a token is too much, too.
        for part in [&token[..20], &token[token.len() - 16..]] {
            assert!(!log.contains(part), "{part} of {token} is in the log");
            assert!(!kept.contains(part), "{part} of {token} is in the database");
        }
    }
}

#[test]
fn a_token_hides_itself_in_debug_output() {
    let token = buildbot_graphql::testing::PlainToken::generate().unwrap();
    let shown = format!("{token:?} {:?}", token.hash());
    assert!(!shown.contains(&token.reveal()[4..12]), "{shown}");
}
