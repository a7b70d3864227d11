//! `/metrics`: what it counts, who may read it, and that no client text becomes a label.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    feed::newest_cursor,
    support::{
        client::Client,
        database::{Kind, kind},
        outlast_readiness,
        server::Server,
        wait_until,
        ws::Ws,
    },
};

/// Every sample by name and labels.
pub(crate) async fn samples(client: &Client) -> BTreeMap<String, f64> {
    let url = client.url.replace("/graphql", "/metrics");
    let response = client.http.get(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.strip_prefix("buildbot_graphql_").unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// How much a sample has grown.
fn grown(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>, name: &str) -> f64 {
    let after = after
        .get(name)
        .unwrap_or_else(|| panic!("no {name}: {after:#?}"));
    after - before.get(name).unwrap_or(&0.0)
}

#[tokio::test]
async fn requests_operations_and_errors_are_counted_by_label() {
    let server = Server::start().await;
    let client = server.client();
    let before = samples(&client).await;
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    client.data("{ steps { totalCount } }", json!({})).await;
    client
        .error("mutation { startStep(stepid: 99) { cursor } }", json!({}))
        .await;
    client.error("{ nothing }", json!({})).await;
    client.error("{", json!({})).await;
    let rest = client.url.replace("/graphql", "/api/v2/nothing");
    client.http.get(rest).send().await.unwrap();
    let after = samples(&client).await;
    for (name, many) in [
        ("requests_total{route=\"graphql\",status=\"2xx\"}", 7.0),
        ("requests_total{route=\"rest\",status=\"4xx\"}", 1.0),
        ("request_duration_seconds_count{route=\"graphql\"}", 7.0),
        ("operations_total{kind=\"query\",outcome=\"ok\"}", 1.0),
        ("operations_total{kind=\"mutation\",outcome=\"ok\"}", 3.0),
        (
            "operations_total{kind=\"mutation\",outcome=\"failed\"}",
            1.0,
        ),
        ("operation_duration_seconds_count{kind=\"mutation\"}", 4.0),
        ("errors_total{code=\"NOT_FOUND\"}", 1.0),
        ("errors_total{code=\"GRAPHQL_VALIDATION_FAILED\"}", 1.0),
        ("errors_total{code=\"GRAPHQL_PARSE_FAILED\"}", 1.0),
    ] {
        let got = grown(&before, &after, name);
        assert!((got - many).abs() < 0.5, "{name}: {got}, not {many}");
    }
    let refused = after
        .iter()
        .filter(|(name, _)| name.contains("outcome=\"refused\""));
    let refused: f64 = refused.map(|(_, many)| many).sum();
    assert!((refused - 2.0).abs() < 0.5, "{after:#?}");
    for pool in ["read", "write"] {
        let name = format!("statement_duration_seconds_count{{pool=\"{pool}\"}}");
        assert!(grown(&before, &after, &name) >= 1.0, "{name}");
    }
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert!((after[&version] - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn open_connections_and_subscriptions_are_gauges() {
    let server = Server::start().await;
    let client = server.client();
    let stream = client
        .http
        .get(&client.url)
        .query(&[("query", "subscription { stepEvents { cursor } }")])
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut ws = server.ws().await;
    ws.subscribe("").await;
    let is = async |sockets: f64, streams: f64, subscribers: f64| {
        let now = samples(&client).await;
        [
            ("sockets", sockets),
            ("event_streams", streams),
            ("feed_subscribers", subscribers),
        ]
        .iter()
        .all(|(name, many)| (now[*name] - many).abs() < 0.5)
    };
    wait_until(async || is(1.0, 1.0, 2.0).await).await;
    drop((stream, ws));
    // The server notices a disconnected client when it writes to it.
    let build = client.add_build("b").await;
    wait_until(async || {
        client.new_step(build, "s").await;
        is(0.0, 0.0, 0.0).await
    })
    .await;
}

#[tokio::test]
async fn the_feed_and_the_pools_have_metrics() {
    let server = Server::with_flags(&["--anonymous", "write", "--readers", "3"]).await;
    let client = server.client();
    assert!(samples(&client).await["feed_last_event_timestamp_seconds"].abs() < 0.5);
    let before = chrono_now();
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    newest_cursor(&client).await;
    // The time of the last event is known without subscribers. The database's clock gave it.
    outlast_readiness().await;
    let shown = samples(&client).await;
    let last = shown["feed_last_event_timestamp_seconds"];
    assert!(
        (before - 5.0..before + 60.0).contains(&last),
        "{last} {before}"
    );
    assert!((shown["feed_attached"] - 1.0).abs() < 0.1);
    let limit = shown["pool_limit{pool=\"read\"}"];
    // One is the server's own, and a database server has two for look-ups.
    let is_sqlite = kind() == Kind::Sqlite;
    let expected = if is_sqlite { 4.0 } else { 6.0 };
    assert!((limit - expected).abs() < 0.1, "{limit}");
    for pool in ["read", "snapshot", "write", "watch"] {
        let of = |name: &str| shown[&format!("{name}{{pool=\"{pool}\"}}")];
        assert!(
            of("pool_idle") <= of("pool_connections"),
            "{pool} {shown:#?}"
        );
        assert!(
            of("pool_connections") <= of("pool_limit"),
            "{pool} {shown:#?}"
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "until the year 280 million")]
fn chrono_now() -> f64 {
    buildbot_graphql::testing::Clock::System.now() as f64
}

#[tokio::test]
async fn a_caller_without_read_access_gets_no_metrics() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let client = server.client();
    let ask = async |path: &str| {
        let url = client.url.replace("/graphql", path);
        client.http.get(url).send().await.unwrap()
    };
    let refused = ask("/metrics").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert!(!refused.text().await.unwrap().contains("buildbot_graphql_"));
    // Supervisors start and stop servers by these routes, which need no token.
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn no_client_text_becomes_a_label() {
    let server = Server::start().await;
    let client = server.client();
    let series = samples(&client).await.len();
    let mut ws = Ws::connect(server.address).await;
    for i in 0..50 {
        let name = format!("zzz{i}");
        let query = format!("query {name} {{ {name} }}");
        let body = json!({ "query": query, "operationName": name });
        let asked = client.http.post(&client.url).header("x-request-id", &name);
        asked.json(&body).send().await.unwrap();
        ws.send(json!({ "id": name, "type": "subscribe", "payload": body }))
            .await;
        ws.receive().await;
        for path in ["", "/api/", "/graphiql/", "/page", "/builders", "/metrics/"] {
            let url = client.url.replace("/graphql", &format!("{path}/{name}"));
            let method = reqwest::Method::from_bytes(name.as_bytes()).unwrap();
            client.http.get(&url).send().await.unwrap();
            client.http.request(method, &url).send().await.unwrap();
        }
    }
    let after = samples(&client).await;
    assert!(!after.keys().any(|name| name.contains("zzz")), "{after:#?}");
    // Some series appear only when something is counted.
    assert!(after.len() < series + 150, "{} of {series}", after.len());
}
