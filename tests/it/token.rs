//! Tokens: created and revoked on the command line, sent over every transport, and the connections
//! that they keep open.

use buildbot_graphql::testing::Scope;
use serde_json::{Value, json};

use crate::support::{client::Client, server::Server};

mod access;
mod commands;
mod expiry;
mod headers;
mod identity_provider;
mod jwt;
mod master_database;
mod revocation;
mod secrets;

const QUERY: &str = "{ builds { totalCount } }";
const WRITE: &str = "mutation { findBuilder(name: \"b\") { builderid } }";
const LISTEN: &str = "subscription { stepEvents { cursor } }";

/// Creates a token in this server's database, and returns its text.
async fn create(server: &Server, name: &str, scope: Scope) -> String {
    server.handle.create_token(name, scope).await.unwrap()
}

async fn revoke(server: &Server, name: &str) {
    server.handle.revoke_token(name).await.unwrap();
}

async fn builders(server: &Server) -> i64 {
    let sql = server.sql().await;
    sql.number("SELECT COUNT(*) AS n FROM builders").await
}

/// The response of any route: its status, its challenge and its body.
async fn response(request: reqwest::RequestBuilder) -> (u16, String, Value) {
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap());
    let (status, challenge) = (response.status().as_u16(), challenge.to_owned());
    let body = response.text().await.unwrap();
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    (status, challenge, body)
}

/// One request for each way of reading.
fn reads(server: &Server) -> Vec<(&'static str, reqwest::RequestBuilder)> {
    let Client { http, url } = server.client();
    let base = url.trim_end_matches("/graphql");
    let body = json!({ "query": QUERY });
    let of = |accept: &str| http.get(&url).header("accept", accept);
    vec![
        ("POST", http.post(&url).json(&body)),
        (
            "GET",
            of("application/graphql-response+json").query(&[("query", QUERY)]),
        ),
        ("SSE", of("text/event-stream").query(&[("query", QUERY)])),
        (
            "subscription",
            of("text/event-stream").query(&[("query", LISTEN)]),
        ),
        ("REST", http.get(format!("{base}/api/v2/builders"))),
        ("metrics", http.get(format!("{base}/metrics"))),
    ]
}
