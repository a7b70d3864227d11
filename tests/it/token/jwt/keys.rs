//! The provider's keys: how they are fetched and kept.

use futures_util::future::join_all;
use serde_json::json;

use super::super::{
    LISTEN, QUERY,
    identity_provider::{Key, Provider, claims},
    response,
};
use super::{READ, refusal, trusting};
use crate::support::{client::Client, server::Server, wait_until, ws::Ws};

#[tokio::test]
async fn a_new_key_is_fetched_and_fetches_are_rate_limited() {
    let (old, new) = (Key::new("old", "EdDSA"), Key::new("new", "EdDSA"));
    let provider = Provider::start(&[&old]).await;
    let server = trusting(&provider, &[]).await;
    let (of_old, of_new) = (old.sign(&claims(READ)), new.sign(&claims(READ)));
    assert_eq!(refusal(&server, &of_old).await, None);
    assert_eq!(
        refusal(&server, &of_new).await.unwrap().0,
        "UNAUTHENTICATED"
    );
    provider.serve_keys(&[&new]);
    wait_until(async || refusal(&server, &of_new).await.is_none()).await;
    // A key that the provider has dropped is no longer accepted.
    assert_eq!(
        refusal(&server, &of_old).await.unwrap().0,
        "UNAUTHENTICATED"
    );
    let request_count = provider.request_count();
    let strange = Key::new("strange", "EdDSA").sign(&claims(READ));
    for _ in 0..50 {
        assert_eq!(
            refusal(&server, &strange).await.unwrap().0,
            "UNAUTHENTICATED"
        );
    }
    assert!(
        provider.request_count() < request_count + 20,
        "{}",
        provider.request_count()
    );
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_start_is_retried() {
    let old = Key::new("old", "EdDSA");
    let provider = Provider::start(&[&old]).await;
    provider.respond_with(503, "");
    // The server starts all the same, and cannot verify JWTs.
    let server = trusting(&provider, &[]).await;
    let of_old = old.sign(&claims(READ));
    let (code, message) = refusal(&server, &of_old).await.unwrap();
    assert_eq!(code, "UNAVAILABLE", "{message}");
    let client = Client::with_token(server.address, &of_old);
    let request = client
        .http
        .post(&client.url)
        .json(&json!({ "query": QUERY }));
    assert_eq!(response(request).await.0, 503);
    assert_eq!(
        server.client().execute(QUERY, json!({})).await["data"]["builds"]["totalCount"],
        0
    );
    provider.serve_keys(&[&old]);
    wait_until(async || refusal(&server, &of_old).await.is_none()).await;
}

#[tokio::test]
async fn a_response_without_keys_keeps_the_known_ones() {
    let (old, new) = (Key::new("old", "EdDSA"), Key::new("new", "ES256"));
    let huge = json!({ "keys": [new.public()], "filler": "x".repeat(1 << 20) });
    // Each has its own provider, because a provider is asked rarely.
    let broken = [
        (500, "{}".to_owned()),
        (302, String::new()),
        (200, "no JSON".to_owned()),
        (200, "{}".to_owned()),
        (200, huge.to_string()),
    ]
    .map(async |(status, body)| {
        let provider = Provider::start(&[&old]).await;
        let server = trusting(&provider, &[]).await;
        let (of_old, of_new) = (old.sign(&claims(READ)), new.sign(&claims(READ)));
        assert_eq!(refusal(&server, &of_old).await, None);
        provider.respond_with(status, body);
        let request_count = provider.request_count();
        wait_until(async || {
            let (code, _) = refusal(&server, &of_new).await.unwrap();
            assert_eq!(code, "UNAUTHENTICATED");
            provider.request_count() > request_count
        })
        .await;
        assert_eq!(refusal(&server, &of_old).await, None, "{status}");
    });
    join_all(broken).await;
}

/// Over TLS, too.
#[tokio::test]
async fn an_unreachable_provider_is_unavailable() {
    let flags = [
        "--jwks-url",
        "https://127.0.0.1:1/",
        "--jwt-issuer",
        "i",
        "--jwt-audience",
        "a",
    ];
    let server = Server::with_flags(&flags).await;
    let token = Key::new("a", "ES256").sign(&claims(READ));
    assert_eq!(refusal(&server, &token).await.unwrap().0, "UNAVAILABLE");
    assert!(server.client().execute(QUERY, json!({})).await["data"].is_object());
}

/// An unreadable key does not hide the others.
#[tokio::test]
async fn unreadable_keys_are_skipped() {
    let new = Key::new("new", "ES256");
    let unreadable = [
        json!({ "kty": "EC", "crv": "secp256k1", "x": "", "y": "" }),
        json!({ "kty": "RSA", "kid": "old", "n": "!", "e": "AQAB" }),
        json!({ "kty": "RSA", "kid": "old", "n": "", "e": "" }),
        json!({ "kty": "oct", "kid": "new", "k": "AAAA" }),
        json!({ "kty": "new", "kid": 7 }),
        json!(7),
        new.public(),
    ];
    let provider = Provider::start(&[]).await;
    provider.respond_with(200, json!({ "keys": unreadable }).to_string());
    let server = trusting(&provider, &[]).await;
    assert_eq!(refusal(&server, &new.sign(&claims(READ))).await, None);
}

/// A socket and a stream whose JWT this key has signed.
async fn open(server: &Server, key: &Key) -> (Ws, reqwest::Response) {
    let token = key.sign(&claims(READ));
    let mut ws = Ws::open(server.address, "graphql-transport-ws")
        .await
        .unwrap();
    ws.send(json!({ "type": "connection_init", "payload": { "authorization": token } }))
        .await;
    assert_eq!(ws.receive().await["type"], "connection_ack");
    ws.subscribe("").await;
    let client = Client::with_token(server.address, &token);
    let request = client.http.get(&client.url).query(&[("query", LISTEN)]);
    let request = request.header("accept", "text/event-stream");
    (ws, request.send().await.unwrap())
}

#[tokio::test]
async fn sockets_end_when_their_key_is_rotated_out() {
    let (old, kept, new) = (
        Key::new("old", "EdDSA"),
        Key::new("kept", "ES256"),
        Key::new("new", "EdDSA"),
    );
    // The same name is not the same key.
    let renewed = Key::new("old", "EdDSA");
    let provider = Provider::start(&[&old, &kept]).await;
    let server = trusting(&provider, &["--jwks-max-age", "4"]).await;
    let (of_old, of_kept) = (old.sign(&claims(READ)), kept.sign(&claims(READ)));
    wait_until(async || refusal(&server, &of_old).await.is_none()).await;
    let (mut ended, stream) = open(&server, &old).await;
    let (mut stays, _stream) = open(&server, &kept).await;
    provider.serve_keys(&[&kept, &new, &renewed]);
    let (code, reason) = ended.close_frame().await.unwrap();
    assert_eq!(code, 4403);
    assert!(reason.contains("no longer names"), "{reason}");
    let output = stream.text().await.unwrap();
    let said = output.contains("UNAUTHENTICATED") && output.contains("no longer names");
    assert!(said, "{output}");
    assert_eq!(
        refusal(&server, &of_old).await.unwrap().0,
        "UNAUTHENTICATED"
    );
    // Others go on.
    assert_eq!(refusal(&server, &of_kept).await, None);
    let client = server.client();
    client.add_build("b").await;
    client.new_step(1, "s").await;
    stays.event().await;
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_anew_are_good_for_a_while() {
    let key = Key::new("a", "ES256");
    let provider = Provider::start(&[&key]).await;
    let server = trusting(&provider, &["--jwks-max-age", "4"]).await;
    let token = key.sign(&claims(READ));
    wait_until(async || refusal(&server, &token).await.is_none()).await;
    let (mut ws, stream) = open(&server, &key).await;
    // As long as the provider answers, they are fetched anew.
    let request_count = provider.request_count();
    wait_until(async || provider.request_count() > request_count + 4).await;
    assert_eq!(refusal(&server, &token).await, None);
    provider.respond_with(503, "");
    let (code, reason) = ws.close_frame().await.unwrap();
    assert_eq!(code, 4403);
    assert!(reason.contains("identity provider"), "{reason}");
    assert!(stream.text().await.unwrap().contains("UNAVAILABLE"));
    let (code, message) = refusal(&server, &token).await.unwrap();
    assert_eq!(code, "UNAVAILABLE", "{message}");
    // They are good again once the provider is back.
    provider.serve_keys(&[&key]);
    wait_until(async || refusal(&server, &token).await.is_none()).await;
}
