//! Tokens that expire.

use buildbot_graphql::testing::{Clock, Scope};
use serde_json::json;

use super::{LISTEN, QUERY, WRITE, builders, create, reads, response};
use crate::{
    attach::{master, serve},
    cli::run,
    support::{client::Client, database::Database, server::Server, sql::Sql, wait_until, ws::Ws},
};

/// `token create`, with when it expires.
async fn token(database: &Database, name: &str, expires: &str) -> (Option<i32>, String, String) {
    let args = ["token", "create", "--name", name, "--scope", "write"];
    let more = ["--expires", expires, "--database-url", &database.url];
    run(&[&args[..], &more].concat()).await
}

#[tokio::test]
async fn a_token_is_listed_with_when_it_expires() {
    let database = Database::fresh().await;
    for (expires, seconds) in [
        ("90d", 90 * 86_400),
        ("12h", 43_200),
        ("30m", 1_800),
        ("2w", 1_209_600),
        ("45s", 45),
        ("3600", 3_600),
        ("36500d", 36_500 * 86_400),
    ] {
        let (code, printed, stderr) = token(&database, expires, expires).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(printed.starts_with("bbg_"), "{printed}");
        let sql = Sql::open(&database).await;
        let kept = format!(
            "SELECT expires_at - created_at AS n FROM graphql_tokens WHERE name = '{expires}'"
        );
        assert_eq!(sql.number(&kept).await, seconds, "{expires}");
    }
    let sql = Sql::open(&database).await;
    sql.run("UPDATE graphql_tokens SET expires_at = 1000000000 WHERE name = '12h'")
        .await;
    sql.run("UPDATE graphql_tokens SET expires_at = NULL WHERE name = '30m'")
        .await;
    let list = ["token", "list", "--database-url", &database.url];
    let (_, listed, _) = run(&list).await;
    let line = |name: &str| {
        let line = listed.lines().find(|line| line[29..].starts_with(name));
        line.unwrap()[29..].to_owned()
    };
    assert_eq!(line("12h"), "12h  (expired 2001-09-09T01:46:40Z)");
    assert_eq!(line("30m"), "30m");
    assert!(line("90d").starts_with("90d  (expires 2"), "{listed}");
}

#[tokio::test]
async fn an_impossible_time_is_refused() {
    let database = Database::fresh().await;
    for bad in [
        "0",
        "0d",
        "-1",
        "-5d",
        "",
        "d",
        "never",
        "1y",
        "1.5d",
        "1 d",
        "+1d",
        "1D",
        "90dd",
        "36501d",
        "99999999999999999999",
        "9223372036854775807w",
    ] {
        let (code, stdout, stderr) = token(&database, "bad", bad).await;
        assert_eq!((code, &*stdout), (Some(2), ""), "{bad}: {stderr}");
        let names = stderr.contains("--expires") && (bad.is_empty() || stderr.contains(bad));
        assert!(names, "{bad}: {stderr}");
        let rule = stderr.contains("from 1s to 36500d") || bad.is_empty();
        assert!(rule, "{bad}: {stderr}");
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_and_never_anonymous() {
    let server = Server::start().await;
    let token = create(&server, "t", Scope::Write).await;
    let sql = server.sql().await;
    let client = Client::with_token(server.address, &token);
    let set = async |seconds: i64| {
        let end = Clock::System.now() + seconds;
        sql.run(&format!("UPDATE graphql_tokens SET expires_at = {end}"))
            .await;
    };
    set(600).await;
    client.data(QUERY, json!({})).await;
    // At its very second it is over.
    for seconds in [0, -1, -1_000_000] {
        set(seconds).await;
        for (what, request) in reads(&server) {
            let (status, challenge, body) = response(request.bearer_auth(&token)).await;
            assert_eq!(status, 401, "{what}: {body}");
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{what}");
            let says = body.to_string().contains("the token has expired");
            assert!(says, "{what}: {body}");
        }
        assert_eq!(client.error(WRITE, json!({})).await.0, "UNAUTHENTICATED");
    }
    assert_eq!(builders(&server).await, 0);
}

#[tokio::test]
async fn a_socket_and_a_stream_end_when_their_token_expires() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let (_, printed, _) = token(&server.database, "short", "3s").await;
    let token = printed.trim();
    let mut sockets = Vec::new();
    for query in [Some(LISTEN), None] {
        let mut ws = Ws::open(server.address, "graphql-transport-ws")
            .await
            .unwrap();
        ws.send(json!({ "type": "connection_init", "payload": { "authorization": token } }))
            .await;
        assert_eq!(ws.receive().await["type"], "connection_ack");
        if let Some(query) = query {
            ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
                .await;
        }
        sockets.push(ws);
    }
    let client = Client::with_token(server.address, token);
    let request = client.http.get(&client.url).query(&[("query", LISTEN)]);
    let request = request.header("accept", "text/event-stream");
    let stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    for mut ws in sockets {
        let closing = ws.close_frame().await.unwrap();
        assert_eq!(closing, (4403, "the token has expired".to_owned()));
    }
    let output = stream.text().await.unwrap();
    let said = output.contains("UNAUTHENTICATED") && output.contains("has expired");
    assert!(said, "{output}");
    let (code, message) = client.error(QUERY, json!({})).await;
    assert_eq!(
        (&*code, &*message),
        ("UNAUTHENTICATED", "the token has expired")
    );
}

/// The table of an earlier version is served as it is, and the next token adds the column.
#[tokio::test]
async fn a_masters_table_of_an_earlier_version_gets_the_column() {
    let (database, sql) = master().await;
    let server = serve(&database, &["--anonymous", "none"]).await;
    let old = create(&server, "old", Scope::Read).await;
    sql.run("ALTER TABLE graphql_tokens DROP COLUMN expires_at")
        .await;
    let client = Client::with_token(server.address, &old);
    client.data(QUERY, json!({})).await;
    let list = ["token", "list", "--database-url", &*database.url];
    assert!(run(&list).await.1.ends_with("  read   old\n"));
    let wrong = Client::with_token(server.address, &format!("bbg_{}", "0".repeat(64)));
    assert_eq!(wrong.error(QUERY, json!({})).await.0, "UNAUTHENTICATED");

    let (code, printed, stderr) = token(&database, "new", "1h").await;
    assert_eq!(code, Some(0), "{stderr}");
    let (added, new) = printed.trim_end().split_once('\n').unwrap();
    assert_eq!(added, "added column graphql_tokens.expires_at");
    Client::with_token(server.address, new)
        .data(QUERY, json!({}))
        .await;
    client.data(QUERY, json!({})).await;
    let (code, printed, _) = token(&database, "newer", "1h").await;
    assert_eq!((code, printed.lines().count()), (Some(0), 1));
    sql.run("UPDATE graphql_tokens SET expires_at = 1 WHERE name = 'new'")
        .await;
    let new = Client::with_token(server.address, new);
    wait_until(async || new.execute(QUERY, json!({})).await["errors"].is_array()).await;
}

/// Our own table of an earlier version is migrated, and its tokens never expire.
#[tokio::test]
async fn our_table_of_an_earlier_version_is_migrated() {
    let database = Database::fresh().await;
    let (_, printed, _) = token(&database, "old", "1h").await;
    let sql = Sql::open(&database).await;
    sql.run("ALTER TABLE graphql_tokens DROP COLUMN expires_at")
        .await;
    sql.run("DELETE FROM graphql_migrations WHERE version = 'm0005_token_expiry'")
        .await;
    let list = ["token", "list", "--database-url", &database.url];
    assert!(run(&list).await.1.ends_with("  write  old\n"));
    let migrate = ["migrate", "--database-url", &database.url];
    assert_eq!(run(&migrate).await.1, "Applied m0005_token_expiry.\n");
    let server = Server::on(database, &["--anonymous", "none"], Clock::System, None).await;
    let client = Client::with_token(server.address, printed.trim());
    client.data(QUERY, json!({})).await;
}
