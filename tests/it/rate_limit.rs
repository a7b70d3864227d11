//! What one caller may use: points and sockets. Subscriptions are limited for the whole server.

use buildbot_graphql::testing::check_flags;
use reqwest::{Response, header::HeaderMap};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{TIMEOUT, server::Server, wait_until, ws::Ws};

/// Points that do not refill during a test.
const FEW: [&str; 6] = [
    "--anonymous",
    "write",
    "--rate-points",
    "1000",
    "--rate-points-per-second",
    "1",
];

async fn send(server: &Server, accept: &str) -> Response {
    let client = server.client();
    let body = json!({ "query": "{ __typename }" });
    let request = client.http.post(&client.url).json(&body);
    request.header("accept", accept).send().await.unwrap()
}

/// The numbers of a header such as `"points";r=5;t=1`.
fn numbers(headers: &HeaderMap, name: &str) -> Vec<u64> {
    let text = headers[name].to_str().unwrap();
    assert!(text.starts_with("\"points\";"), "{text}");
    text.split(';')
        .skip(1)
        .map(|part| part.split_once('=').unwrap().1.parse().unwrap())
        .collect()
}

/// Charges an address more points than refill during a test.
pub(crate) fn overcharge(server: &Server, address: &str) {
    server.handle.charge(address.parse().unwrap(), 100_000_000);
}

#[tokio::test]
async fn a_caller_without_points_learns_when_to_retry() {
    let server = Server::with_flags(&FEW).await;
    let first = send(&server, "application/json").await;
    assert_eq!(first.status(), 200);
    assert_eq!(numbers(first.headers(), "ratelimit-policy"), [1_000, 1_000]);
    let [left, full_in] = numbers(first.headers(), "ratelimit")[..] else {
        panic!("{first:?}");
    };
    assert!(left <= 999 && full_in >= 1, "{left} {full_in}");
    let refused = loop {
        let response = send(&server, "application/json").await;
        if response.status() != 200 {
            break response;
        }
    };
    // Prevents a refill during the checks.
    overcharge(&server, "127.0.0.1");
    for refused in [
        refused,
        send(&server, "application/graphql-response+json").await,
        send(&server, "text/event-stream").await,
    ] {
        assert_eq!(refused.status(), 429);
        let headers = refused.headers().clone();
        // Clients that retry take only this type as a failed request, whatever they accept.
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        assert_eq!(numbers(&headers, "ratelimit")[0], 0);
        let body: Value = refused.json().await.unwrap();
        assert!(body.get("data").is_none());
        let error = &body["errors"][0];
        assert_eq!(error["extensions"]["code"], "RATE_LIMITED");
        assert_eq!(error["extensions"]["max"], 1_000);
        let seconds = error["extensions"]["retryAfter"].to_string();
        assert_eq!(headers["retry-after"], seconds);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("rate-points is 1000"), "{message}");
        assert!(message.contains(&format!("in {seconds} s")), "{message}");
    }
    // All protocols share one bucket.
    let rest = format!("http://{}/api/v2/builds", server.address);
    let refused = server.client().http.get(rest).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let body: Value = refused.json().await.unwrap();
    assert!(body["error"].as_str().unwrap().contains("rate-points"));
    let mut ws = server.ws().await;
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ __typename }" } }))
        .await;
    assert_eq!(ws.stream_error().await.0, "RATE_LIMITED");
    ws.subscribe("").await;
    assert_eq!(ws.stream_error().await.0, "RATE_LIMITED");
    // Routes without a cost still work.
    for path in ["/healthz", "/", "/builders/a", "/graphiql", "/metrics"] {
        let url = format!("http://{}{path}", server.address);
        let response = server.client().http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.headers().contains_key("ratelimit"), "{path}");
    }
}

#[tokio::test]
async fn a_refused_document_costs_points() {
    let server = Server::with_flags(&FEW).await;
    let client = server.client();
    for (i, query) in [
        "{",
        "{ builds(first: 500) { nodes { steps(limit: 500) { name } } } }",
    ]
    .into_iter()
    .cycle()
    .enumerate()
    {
        let (code, _) = client.error(query, json!({})).await;
        if code == "RATE_LIMITED" {
            assert!(i >= 100, "{i}");
            break;
        }
        assert!(
            ["GRAPHQL_PARSE_FAILED", "LIMIT_EXCEEDED"].contains(&&*code),
            "{code}"
        );
        assert!(i < 110, "it may ask for ever");
    }
}

#[tokio::test]
async fn a_long_request_costs_points_before_it_is_read() {
    let server = Server::with_flags(&FEW).await;
    let client = server.client();
    // 300 KiB that are no JSON, by POST; then on a socket, a long query.
    let send = async || {
        let body = "x".repeat(300 * 1_024);
        let request = client.http.post(&client.url).body(body);
        let request = request.header("content-type", "application/json");
        request.send().await.unwrap()
    };
    let mut refused = 0;
    while send().await.status() == 400 {
        refused += 1;
        assert!(refused < 5, "it may send for ever");
    }
    assert_eq!(refused, 3);
    let limited = send().await;
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("retry-after"));
    let mut ws = server.ws().await;
    let query = format!("{{ __typename }} #{}", "x".repeat(90_000));
    let error = loop {
        ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
            .await;
        let message = ws.receive().await;
        if message["type"] == "error" {
            break message;
        }
        assert_eq!(ws.receive().await["type"], "complete");
    };
    let error = &error["payload"][0];
    assert_eq!(error["extensions"]["code"], "RATE_LIMITED", "{error:#}");
}

#[tokio::test]
async fn points_refill() {
    let flags = ["--rate-points", "10", "--rate-points-per-second", "10"];
    let server = Server::with_flags(&flags).await;
    wait_until(async || send(&server, "application/json").await.status() == 429).await;
    wait_until(async || send(&server, "application/json").await.status() == 200).await;
}

#[tokio::test]
async fn a_rest_request_costs_its_rows() {
    let server = Server::with_flags(&FEW).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for i in 0..20 {
        client.new_step(build, &format!("s{i}")).await;
    }
    let left = async |path: &str| {
        let url = format!("http://{}/api/v2/{path}", server.address);
        let response = client.http.get(url).send().await.unwrap();
        numbers(response.headers(), "ratelimit")[0]
    };
    // A point may refill in between, and the statements' milliseconds cost some.
    let before = left("builders/0").await;
    let list = left("builds/1/steps").await;
    let one = left("steps/1").await;
    assert!(before - list >= 19, "{before} {list}");
    assert!(list - one >= 1, "{list} {one}");
    assert!(list - one < before - list, "{before} {list} {one}");
}

#[tokio::test]
async fn an_unauthenticated_request_costs_points() {
    let flags = [&FEW[2..], &["--anonymous", "none"]].concat();
    let server = Server::with_flags(&flags).await;
    let mut refused = 0;
    loop {
        let response = send(&server, "application/json").await;
        if response.status() == 429 {
            break;
        }
        assert_eq!(response.status(), 401);
        refused += 1;
        assert!(refused <= 20, "it may ask for ever");
    }
    assert!(refused >= 10, "{refused}");
    let rest = format!("http://{}/api/v2/builds", server.address);
    let response = server.client().http.get(rest).send().await.unwrap();
    assert_eq!(response.status(), 429);
}

#[tokio::test]
async fn a_wrong_token_on_a_socket_costs_points() {
    let server = Server::with_flags(&FEW).await;
    for attempt in 1.. {
        let mut ws = Ws::open(server.address, "graphql-transport-ws")
            .await
            .unwrap();
        let payload = json!({ "Authorization": "Bearer wrong" });
        ws.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        let (code, reason) = ws.close_frame().await.unwrap();
        assert_eq!(code, 4_403);
        if reason.contains("rate-points is 1000") {
            assert!(attempt > 10, "{attempt}");
            break;
        }
        assert!(attempt <= 20, "it may guess for ever: {reason}");
    }
}

#[tokio::test]
async fn a_rate_of_zero_disables_the_limit() {
    let server = Server::with_flags(&["--rate-points", "0"]).await;
    let response = send(&server, "application/json").await;
    assert_eq!(response.status(), 200);
    for name in ["ratelimit", "ratelimit-policy"] {
        assert!(!response.headers().contains_key(name));
    }
}

#[tokio::test]
async fn the_number_of_sockets_per_address_is_limited() {
    let server = Server::with_flags(&["--max-sockets-per-address", "2"]).await;
    let first = server.ws().await;
    let mut second = server.ws().await;
    assert!(Ws::try_connect(server.address).await.is_none());
    let client = server.client();
    let upgrade = client
        .http
        .get(&client.url)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "graphql-transport-ws");
    let refused = upgrade.send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "10");
    let body: Value = refused.json().await.unwrap();
    let extensions = &body["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "LIMIT_EXCEEDED");
    assert_eq!(extensions["limit"], "max-sockets-per-address");
    assert_eq!(extensions["max"], 2);
    // Existing sockets continue, and a freed slot can be used.
    second.send(json!({ "type": "ping" })).await;
    assert_eq!(second.receive().await["type"], "pong");
    drop(first);
    wait_until(async || Ws::try_connect(server.address).await.is_some()).await;
}

/// Subscribes and returns the error that refuses it, if one does.
async fn refusal(ws: &mut Ws, id: usize) -> Option<Value> {
    let query = "subscription { stepEvents { cursor } }";
    ws.send(json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": query } }))
        .await;
    // The pong follows any refusal.
    ws.send(json!({ "type": "ping" })).await;
    let mut message = ws.receive().await;
    if message["type"] == "pong" {
        return None;
    }
    assert_eq!(message["type"], "error", "{message:#}");
    assert_eq!(ws.receive().await["type"], "pong");
    Some(message["payload"][0]["extensions"].take())
}

#[tokio::test]
async fn the_number_of_subscriptions_is_limited() {
    let server = Server::with_flags(&["--max-subscriptions", "2"]).await;
    let mut first = server.ws().await;
    let mut second = server.ws().await;
    assert_eq!(refusal(&mut first, 1).await, None);
    assert_eq!(refusal(&mut first, 2).await, None);
    let refused = refusal(&mut second, 3).await.unwrap();
    assert_eq!(refused["code"], "LIMIT_EXCEEDED");
    assert_eq!(refused["limit"], "max-subscriptions");
    assert_eq!(refused["max"], 2);
    // An event stream is refused as for a busy server, not for a wrong request.
    let client = server.client();
    let stream = client
        .http
        .post(&client.url)
        .header("accept", "text/event-stream");
    let body = json!({ "query": "subscription { stepEvents { cursor } }" });
    let answer = stream.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("max-subscriptions"));
    // Ending one subscription lets another start.
    first.send(json!({ "id": "1", "type": "complete" })).await;
    first.send(json!({ "type": "ping" })).await;
    assert_eq!(first.receive().await["type"], "pong");
    assert_eq!(refusal(&mut second, 4).await, None);
    assert!(refusal(&mut first, 5).await.is_some());
    // A disconnect ends all subscriptions of the client.
    drop(second);
    let mut id = 6;
    while refusal(&mut first, id).await.is_some() {
        id += 1;
        sleep(TIMEOUT / 400).await;
        assert!(id < 400, "no place becomes free");
    }
}

#[test]
fn an_invalid_flag_is_refused() {
    for (flag, bad) in [
        ("--rate-points-per-second", "0"),
        ("--rate-points", "x"),
        ("--max-sockets-per-address", "many"),
        ("--trusted-proxy", "proxy.example.org"),
        ("--trusted-proxy", "10.0.0.0/33"),
        ("--trusted-proxy", "10.0.0.1,"),
        ("--idle-timeout-seconds", "0"),
        ("--read-timeout-seconds", "86401"),
        ("--tls-cert", "only.pem"),
        ("--tls-key", "only.pem"),
    ] {
        let refused = check_flags(&["test", flag, bad]).unwrap_err();
        assert!(refused.contains(flag), "{flag} {bad}");
    }
}
