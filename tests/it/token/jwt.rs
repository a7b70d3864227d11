//! JWTs of an identity provider: which are accepted and what they allow.

use buildbot_graphql::testing::Scope;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{
    LISTEN, QUERY, WRITE, builders, create,
    identity_provider::{
        AUDIENCE, ISSUER, Key, LEEWAY, Provider, claims, claims_with, hs256, none, now,
    },
    reads, response,
};
use crate::{
    cli::run,
    support::{client::Client, server::Server, wait_until, ws::Ws},
};

mod confusion;
mod keys;

const READ: &str = "openid buildbot:read profile";

/// A server that trusts this provider's JWTs and lets anonymous callers write.
async fn trusting(provider: &Provider, flags: &[&str]) -> Server {
    let url = provider.url();
    let trust = [
        "--anonymous",
        "write",
        "--jwks-url",
        &url,
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
    ];
    Server::with_flags(&[&trust, flags].concat()).await
}

/// The code and message of a query with this token. None if the query succeeds.
async fn refusal(server: &Server, token: &str) -> Option<(String, String)> {
    let client = Client::with_token(server.address, token);
    let response = client.execute(QUERY, json!({})).await;
    let error = response["errors"].get(0)?;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some((text(&error["extensions"]["code"]), text(&error["message"])))
}

#[tokio::test]
async fn a_jwt_of_each_algorithm_allows_what_its_claim_says() {
    let keys = ["RS256", "PS256", "ES256", "EdDSA"].map(|algorithm| Key::new(algorithm, algorithm));
    let provider = Provider::start(&keys.each_ref()).await;
    let server = trusting(&provider, &[]).await;
    for (number, key) in keys.iter().enumerate() {
        let reader = key.sign(&claims(READ));
        for (what, request) in reads(&server) {
            let status = request.bearer_auth(&reader).send().await.unwrap().status();
            assert_eq!(status, 200, "{what} {}", key.algorithm);
        }
        let (code, message) = Client::with_token(server.address, &reader)
            .error(WRITE, json!({}))
            .await;
        assert_eq!(code, "FORBIDDEN");
        assert!(message.contains("this token has read"), "{message}");
        let writer = Client::with_token(server.address, &key.sign(&claims("buildbot:write")));
        let write = format!("mutation {{ findBuilder(name: \"{number}\") {{ builderid }} }}");
        writer.data(&write, json!({})).await;
        writer.data(QUERY, json!({})).await;
    }
    assert_eq!(builders(&server).await, 4);
    // The server's own tokens still work.
    let own = create(&server, "own", Scope::Read).await;
    assert_eq!(refusal(&server, &own).await, None);
    // A list of scopes, a list of audiences and a missing key id are accepted.
    let mut listed = claims("");
    listed["scope"] = json!(["x", "buildbot:read"]);
    listed["aud"] = json!(["other", AUDIENCE]);
    let token = keys[2].sign_with(&json!({ "alg": "ES256" }), &listed);
    assert_eq!(refusal(&server, &token).await, None);
}

/// Checks that each of these is refused, even though anonymous callers may write here.
async fn all_refused(server: &Server, bad: &[(&str, String, &str)]) {
    for (what, token, about) in bad {
        let (code, message) = refusal(server, token).await.expect(what);
        assert_eq!(code, "UNAUTHENTICATED", "{what}");
        assert!(message.contains(about), "{what}: {message}");
        let client = Client::with_token(server.address, token);
        let (code, _) = client.error(WRITE, json!({})).await;
        assert_eq!(code, "UNAUTHENTICATED", "{what}");
    }
    assert_eq!(builders(server).await, 0);
}

#[tokio::test]
async fn a_jwt_with_invalid_claims_is_refused() {
    let key = Key::new("b", "EdDSA");
    let provider = Provider::start(&[&key]).await;
    let server = trusting(&provider, &[]).await;
    let claims_with = |name, value: Value| key.sign(&claims_with(name, value));
    let missing = "exp, iss and aud";
    let late = now() + LEEWAY + 60;
    let bad = [
        (
            "another issuer",
            claims_with("iss", json!("https://evil.example.org/")),
            "issuer",
        ),
        ("no issuer", claims_with("iss", json!(null)), missing),
        (
            "an issuer of another type",
            claims_with("iss", json!(7)),
            missing,
        ),
        (
            "another audience",
            claims_with("aud", json!("other")),
            "audience",
        ),
        ("no audience", claims_with("aud", json!(null)), missing),
        (
            "expired",
            claims_with("exp", json!(now() - LEEWAY - 2)),
            "expired",
        ),
        ("no expiry", claims_with("exp", json!(null)), missing),
        (
            "an expiry of another type",
            claims_with("exp", json!("never")),
            missing,
        ),
        (
            "an expiry before all time",
            claims_with("exp", json!(-1)),
            missing,
        ),
        (
            "not yet valid",
            claims_with("nbf", json!(late)),
            "not valid yet",
        ),
        (
            "a beginning of another type",
            claims_with("nbf", json!("99999999999")),
            "cannot be read",
        ),
        (
            "too long",
            claims_with("filler", json!("x".repeat(20_000))),
            "too long",
        ),
    ];
    all_refused(&server, &bad).await;
    // Clocks may differ a little.
    for (name, value) in [("exp", now() - LEEWAY + 10), ("nbf", now() + LEEWAY - 10)] {
        assert_eq!(
            refusal(&server, &claims_with(name, json!(value))).await,
            None,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_jwt_with_an_invalid_signature_is_refused() {
    let (rsa, ed) = (Key::new("a", "RS256"), Key::new("b", "EdDSA"));
    let (forged, unknown) = (Key::new("b", "EdDSA"), Key::new("c", "EdDSA"));
    let provider = Provider::start(&[&rsa, &ed]).await;
    let server = trusting(&provider, &[]).await;
    let good = claims(READ);
    let (signed, other) = (rsa.sign(&good), ed.sign(&claims_with("sub", "other")));
    let of_ed = ed.sign(&good);
    let cut = |token: &str| {
        token
            .rsplit_once('.')
            .map(|(m, s)| (m.to_owned(), s.to_owned()))
    };
    let ((message, signature), (_, others)) = (cut(&of_ed).unwrap(), cut(&other).unwrap());
    let modulus = rsa.public()["n"].as_str().unwrap().to_owned();
    let header = |value: Value| ed.sign_with(&value, &good);
    let bad = [
        ("another's key", forged.sign(&good), "key"),
        (
            "the same without a name",
            forged.sign_with(&json!({ "alg": "EdDSA" }), &good),
            "key",
        ),
        ("another's signature", format!("{message}.{others}"), "key"),
        ("an unknown key", unknown.sign(&good), "key"),
        (
            "a key of another kind",
            header(json!({ "alg": "EdDSA", "kid": "a" })),
            "key",
        ),
        (
            "an algorithm of another kind",
            header(json!({ "alg": "RS256", "kid": "b" })),
            "key",
        ),
        ("an empty signature", format!("{message}."), "key"),
        ("none", none(&good), "nor a JWT"),
        ("HS256", hs256("a", modulus.as_bytes(), &good), "nor a JWT"),
        (
            "HS256 with an empty secret",
            hs256("b", b"", &good),
            "nor a JWT",
        ),
        (
            "an algorithm that is not taken",
            header(json!({ "alg": "ES384", "kid": "b" })),
            "nor a JWT",
        ),
        ("no algorithm", header(json!({ "kid": "b" })), "nor a JWT"),
        (
            "a condition",
            header(json!({ "alg": "EdDSA", "kid": "b", "crit": ["x"] })),
            "nor a JWT",
        ),
        ("half", signed[..signed.len() / 2].to_owned(), "JWT"),
        ("no signature", message.clone(), "nor a JWT"),
        (
            "a fourth part",
            format!("{message}.{signature}.x"),
            "nor a JWT",
        ),
        ("no JWT", "abc".to_owned(), "nor a JWT"),
        (
            "a wrong token of ours",
            format!("bbg_{}", "0".repeat(64)),
            "not known",
        ),
    ];
    all_refused(&server, &bad).await;
    for good in [&signed, &other] {
        assert_eq!(refusal(&server, good).await, None);
    }
}

/// The caller is known and has less access than an anonymous one, and must not be treated as
/// anonymous.
#[tokio::test]
async fn a_jwt_without_a_scope_allows_nothing() {
    let key = Key::new("a", "ES256");
    let provider = Provider::start(&[&key]).await;
    let server = trusting(&provider, &[]).await;
    for scope in [
        json!(""),
        json!("buildbot"),
        json!("buildbot:readx"),
        json!(7),
        json!({}),
        Value::Null,
    ] {
        let token = key.sign(&claims_with("scope", scope.clone()));
        for (what, request) in reads(&server) {
            let (status, challenge, body) = response(request.bearer_auth(&token)).await;
            assert_eq!(status, 403, "{what} {scope}: {body}");
            assert_eq!(challenge, "Bearer error=\"insufficient_scope\"", "{what}");
        }
        let (code, message) = refusal(&server, &token).await.unwrap();
        assert_eq!(code, "FORBIDDEN");
        assert_eq!(
            message,
            "this needs the scope \"read\", and this token has none"
        );
    }
}

#[tokio::test]
async fn the_claim_and_its_values_are_configurable() {
    let key = Key::new("a", "ES256");
    let provider = Provider::start(&[&key]).await;
    for path in ["realm_access.roles", "https://example.org/roles", "a.b.c"] {
        let flags = [
            "--jwt-scope-claim",
            path,
            "--jwt-read",
            "viewer",
            "--jwt-write",
            "ci admin",
        ];
        let server = trusting(&provider, &flags).await;
        let mut claims = claims("buildbot:write viewer");
        let token = key.sign(&claims);
        assert_eq!(refusal(&server, &token).await.unwrap().0, "FORBIDDEN");
        claims["https://example.org/roles"] = json!(["viewer"]);
        claims["realm_access"] = json!({ "roles": ["viewer", "x"] });
        claims["a.b"] = json!({ "c": "viewer" });
        let reader = Client::with_token(server.address, &key.sign(&claims));
        reader.data(QUERY, json!({})).await;
        assert_eq!(reader.error(WRITE, json!({})).await.0, "FORBIDDEN");
        claims["https://example.org/roles"] = json!(["ci admin"]);
        claims["realm_access"] = json!({ "roles": ["ci admin"] });
        claims["a.b"] = json!({ "c": ["ci admin"] });
        let writer = Client::with_token(server.address, &key.sign(&claims));
        writer.data(WRITE, json!({})).await;
    }
}

#[tokio::test]
async fn a_socket_and_a_stream_end_when_their_jwt_expires() {
    let key = Key::new("a", "ES256");
    let provider = Provider::start(&[&key]).await;
    let server = trusting(&provider, &[]).await;
    assert_eq!(refusal(&server, &key.sign(&claims(READ))).await, None);
    let token = key.sign(&claims_with("exp", now() - LEEWAY + 6));
    let mut ws = Ws::open(server.address, "graphql-transport-ws")
        .await
        .unwrap();
    ws.send(json!({ "type": "connection_init", "payload": { "authorization": token } }))
        .await;
    assert_eq!(ws.receive().await["type"], "connection_ack");
    ws.subscribe("").await;
    let client = Client::with_token(server.address, &token);
    let request = client.http.get(&client.url).query(&[("query", LISTEN)]);
    let stream = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let closing = ws.close_frame().await.unwrap();
    assert_eq!(closing, (4403, "the JWT has expired".to_owned()));
    let output = stream.text().await.unwrap();
    assert!(
        output.contains("UNAUTHENTICATED") && output.ends_with("event: complete\ndata:\n\n"),
        "{output}"
    );
    wait_until(async || refusal(&server, &token).await.is_some()).await;
}

/// A half-configured server would accept anybody's JWTs.
#[tokio::test]
async fn a_server_with_half_configured_jwts_does_not_start() {
    let folder = tempdir().unwrap();
    let database = format!("sqlite://{}?mode=rwc", folder.path().join("x").display());
    let (url, issuer, audience) = (
        ["--jwks-url", "https://login.example.org/keys"],
        ["--jwt-issuer", ISSUER],
        ["--jwt-audience", AUDIENCE],
    );
    let of = |url: &'static str| ["--jwks-url", url];
    let all = |url: [&'static str; 2]| [url, issuer, audience].concat();
    for (flags, about) in [
        (url.to_vec(), "--jwt-issuer"),
        ([url, issuer].concat(), "--jwt-audience"),
        ([issuer, audience].concat(), "--jwks-url"),
        (all(of("http://login.example.org/keys")), "https"),
        (all(of("http://127.0.0.1.example.org/")), "https"),
        (all(of("file:///etc/keys")), "https"),
        (
            all(of("https://user:secret@example.org/keys")),
            "without user",
        ),
        (all(of("login.example.org")), "https"),
        (
            [&url[..], &issuer, &["--jwt-audience", ""]].concat(),
            "--jwt-audience",
        ),
    ] {
        let args = [
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--database-url",
                &database,
            ][..],
            &flags,
        ]
        .concat();
        let (code, _, stderr) = run(&args).await;
        assert_eq!(code, Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(about), "{flags:?}: {stderr}");
    }
}
