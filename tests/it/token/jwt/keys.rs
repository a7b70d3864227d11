//! The provider's keys: how they are fetched and kept.

use futures_util::future::join_all;
use serde_json::json;

use super::super::{
    QUERY,
    identity_provider::{Key, Provider, claims},
    response,
};
use super::{READ, refusal, trusting};
use crate::support::{client::Client, server::Server, wait_until};

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
