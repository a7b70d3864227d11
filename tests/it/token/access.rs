//! What a token allows, and that an invalid one allows nothing, on each transport.

use buildbot_graphql::testing::Scope;
use serde_json::{Value, json};

use super::{QUERY, WRITE, builders, create, reads, response, revoke};
use crate::support::{client::Client, server::Server, ws::Ws};

const PROTOCOLS: [&str; 2] = ["graphql-transport-ws", "graphql-ws"];

/// Sends the first message of a socket with this payload, and returns the close code if the caller
/// is refused.
async fn authenticate(ws: &mut Ws, payload: Value) -> Result<(), (u16, String)> {
    ws.send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    let mut message = ws.message_or_close().await?;
    // The legacy subprotocol sends an error message before the close frame.
    if message["type"] == "connection_error" {
        assert!(message["payload"]["message"].is_string(), "{message:#}");
        message = ws.message_or_close().await?;
    }
    assert_eq!(message["type"], "connection_ack", "{message:#}");
    Ok(())
}

#[tokio::test]
async fn a_token_allows_what_its_scope_says_until_revoked() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let (r, w) = (
        create(&server, "r", Scope::Read).await,
        create(&server, "w", Scope::Write).await,
    );
    let (reader, writer) = (
        Client::with_token(server.address, &r),
        Client::with_token(server.address, &w),
    );
    for (what, request) in reads(&server) {
        let (status, challenge, body) = response(request).await;
        assert_eq!((status, &*challenge), (401, "Bearer"), "{what}: {body}");
    }
    for token in [&r, &w] {
        for (what, request) in reads(&server) {
            let request = request.header("authorization", format!("bEaReR   {token}"));
            // A stream stays open, so its body is not read.
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200, "{what}");
        }
    }
    let (code, message) = reader.error(WRITE, json!({})).await;
    assert_eq!(code, "FORBIDDEN");
    assert_eq!(
        message,
        "this needs the scope \"write\", and this token has read"
    );
    assert_eq!(builders(&server).await, 0);
    writer.data(WRITE, json!({})).await;
    assert_eq!(builders(&server).await, 1);

    revoke(&server, "r").await;
    revoke(&server, "w").await;
    for token in [&r, &w] {
        for (what, request) in reads(&server) {
            let (status, challenge, body) = response(request.bearer_auth(token)).await;
            assert_eq!(status, 401, "{what}: {body}");
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{what}");
            assert!(!body.to_string().contains(token), "{what}: {body}");
        }
    }
    assert_eq!(writer.error(WRITE, json!({})).await.0, "UNAUTHENTICATED");
}

/// Even though anonymous callers may write here.
#[tokio::test]
async fn an_invalid_token_is_refused_and_never_anonymous() {
    let server = Server::start().await;
    let good = create(&server, "good", Scope::Write).await;
    let (other, upper) = (format!("bbg_{}", "5".repeat(64)), good.to_uppercase());
    let two = format!("Bearer {good}, Bearer {good}");
    let ascii: Vec<(String, &str)> = vec![
        (format!("Bearer {other}"), "not known"),
        (format!("Bearer {}", &good[..67]), "form"),
        (format!("Bearer {good}0"), "form"),
        (format!("Bearer {upper}"), "form"),
        (format!("Bearer {good} {good}"), "form"),
        (two, "form"),
        ("Bearer bbg_".to_owned(), "form"),
        ("Bearer ey.ey.ey".to_owned(), "form"),
        (format!("Bearer {}", "x".repeat(20_000)), "form"),
        ("Bearer".to_owned(), "no token"),
        ("Bearer   ".to_owned(), "no token"),
        ("Basic dXNlcjpwYXNz".to_owned(), "another scheme"),
        (good.clone(), "another scheme"),
        (format!("Token {good}"), "another scheme"),
    ];
    for (value, about) in &ascii {
        for (what, request) in reads(&server) {
            let (status, challenge, body) = response(request.header("authorization", value)).await;
            assert_eq!(status, 401, "{what} with {value}: {body}");
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{what}");
            let text = body.to_string();
            assert!(text.contains(about), "{what} with {value}: {text}");
            assert!(
                !text.contains(&good[4..]) && !text.contains(&other),
                "{text}"
            );
        }
    }
    for (what, request) in reads(&server) {
        let value = format!("Bearer {good}");
        let request = request
            .header("authorization", &value)
            .header("authorization", &value);
        let (status, _, body) = response(request).await;
        assert_eq!(status, 401, "{what}");
        assert!(body.to_string().contains("several"), "{what}: {body}");
    }
    for (what, request) in reads(&server) {
        let (status, ..) = response(request.header("authorization", &b"Bearer \xff"[..])).await;
        assert_eq!(status, 401, "{what}");
    }
    let wrong = Client::with_token(server.address, &other);
    assert_eq!(wrong.error(WRITE, json!({})).await.0, "UNAUTHENTICATED");
    assert_eq!(builders(&server).await, 0);
    // Liveness and readiness are public and need no token.
    for path in ["healthz", "readyz"] {
        let url = format!("http://{}/{path}", server.address);
        let request = reqwest::Client::new().get(url).bearer_auth(&other);
        assert_eq!(response(request).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_socket_accepts_a_token_in_its_init_or_its_upgrade() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let good = create(&server, "good", Scope::Read).await;
    let bad = format!("bbg_{}", "7".repeat(64));
    let (bearer, of_bad) = (format!("Bearer {good}"), format!("Bearer {bad}"));
    let good_ones = [
        json!({ "Authorization": bearer }),
        json!({ "authorization": bearer }),
        json!({ "AUTHORIZATION": good, "other": 1 }),
        json!({ "authorization": format!(" bearer  {good} ") }),
        json!({ "headers": { "Authorization": bearer } }),
        json!({ "headers": { "authorization": good, "other": 1 } }),
        json!({ "authToken": bearer }),
        json!({ "authToken": good, "Authorization": "", "headers": { "authorization": null } }),
    ];
    let bad_ones = [
        (json!({ "Authorization": of_bad }), "not known"),
        (json!({ "authorization": bad }), "not known"),
        (json!({ "authorization": "Bearer " }), "no token"),
        (
            json!({ "authorization": format!("Basic {good}") }),
            "scheme",
        ),
        (json!({ "authorization": 7 }), "a text"),
        (json!({ "authorization": [bearer] }), "a text"),
        (
            json!({ "authorization": bearer, "Authorization": bearer }),
            "several",
        ),
        (
            json!({ "authToken": bearer, "headers": { "authorization": bearer } }),
            "several",
        ),
        (
            json!({ "headers": { "Authorization": of_bad } }),
            "not known",
        ),
        (json!({ "authToken": bad }), "not known"),
        (json!({ "authToken": 7 }), "a text"),
    ];
    for protocol in PROTOCOLS {
        for header in [None, Some(&*of_bad), Some(&*bearer)] {
            for payload in &good_ones {
                let mut ws = Ws::open_as(server.address, protocol, header).await.unwrap();
                let outcome = authenticate(&mut ws, payload.clone()).await;
                assert_eq!(outcome, Ok(()), "{protocol} {payload}");
            }
            for (payload, about) in &bad_ones {
                let mut ws = Ws::open_as(server.address, protocol, header).await.unwrap();
                let outcome = authenticate(&mut ws, payload.clone()).await;
                let (code, reason) = outcome.unwrap_err();
                assert_eq!(code, 4403, "{protocol} {payload}");
                assert!(reason.contains(about), "{payload}: {reason}");
            }
        }
        for (header, is_good) in [(&*bearer, true), (&*of_bad, false), ("Basic eA==", false)] {
            for payload in [
                json!(null),
                json!({}),
                json!({ "authorization": null }),
                json!({ "authorization": " " }),
                json!({ "authToken": "", "headers": { "Authorization": "" } }),
                json!({ "headers": null }),
                json!({ "headers": "none" }),
            ] {
                let mut ws = Ws::open_as(server.address, protocol, Some(header))
                    .await
                    .unwrap();
                let outcome = authenticate(&mut ws, payload).await;
                assert_eq!(outcome.is_ok(), is_good, "{protocol} {header}: {outcome:?}");
            }
        }
    }
    // The token's scope also applies on a socket.
    let mut ws = Ws::open_as(server.address, PROTOCOLS[0], None)
        .await
        .unwrap();
    authenticate(&mut ws, good_ones[0].clone()).await.unwrap();
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": WRITE } }))
        .await;
    let code = &ws.receive().await["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "FORBIDDEN");
    assert_eq!(builders(&server).await, 0);
}

/// Clients without a token send an empty one.
#[tokio::test]
async fn an_empty_header_counts_as_none() {
    let open = Server::start().await;
    let closed = Server::with_flags(&["--anonymous", "none"]).await;
    let good = create(&closed, "good", Scope::Read).await;
    for empty in ["", "  "] {
        for (what, request) in reads(&open) {
            let response = request.header("authorization", empty).send().await.unwrap();
            assert_eq!(response.status(), 200, "{what}");
        }
        for (what, request) in reads(&closed) {
            let (status, challenge, body) = response(request.header("authorization", empty)).await;
            assert_eq!((status, &*challenge), (401, "Bearer"), "{what}: {body}");
        }
        for (what, request) in reads(&closed) {
            let request = request.header("authorization", empty).bearer_auth(&good);
            assert_eq!(request.send().await.unwrap().status(), 200, "{what}");
        }
    }
}

/// Without the database the caller is unknown, which is neither anonymous nor a wrong token.
#[tokio::test]
async fn a_lost_database_is_unavailable_and_not_unauthenticated() {
    let server = Server::start().await;
    let good = create(&server, "good", Scope::Write).await;
    server.handle.close_database().await;
    for (what, request) in reads(&server) {
        let (status, challenge, body) = response(request.bearer_auth(&good)).await;
        assert_eq!((status, &*challenge), (503, ""), "{what}: {body}");
    }
    let request = server.client().http.post(&server.client().url);
    let request = request.json(&json!({ "query": QUERY })).bearer_auth(&good);
    let request = request.header("accept", "application/graphql-response+json");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    let mut ws = Ws::open(server.address, PROTOCOLS[0]).await.unwrap();
    let outcome = authenticate(&mut ws, json!({ "authorization": good })).await;
    let (code, reason) = outcome.unwrap_err();
    assert!(
        code == 4403 && reason.contains("does not answer"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_token_with_an_unknown_scope_is_refused() {
    let server = Server::start().await;
    let token = create(&server, "odd", Scope::Read).await;
    let sql = server.sql().await;
    sql.run("UPDATE graphql_tokens SET scope = 'everything'")
        .await;
    let client = Client::with_token(server.address, &token);
    assert_eq!(client.error(QUERY, json!({})).await.0, "UNAUTHENTICATED");
}
