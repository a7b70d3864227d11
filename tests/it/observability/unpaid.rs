//! Work that nobody pays for: refused tokens, and routes for operators.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use buildbot_graphql::testing::{Clock, OnStatement, PlainToken, Scope};
use reqwest::{Method, RequestBuilder};

use crate::{
    rate_limit::overcharge,
    support::{outlast_readiness, server::Server},
};

/// A server with few points that counts its statements.
async fn counting() -> (Server, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let on_statement: OnStatement = Box::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let flags = ["--rate-points", "1000", "--rate-points-per-second", "1"];
    let server = Server::build(&flags, None, Clock::System, Some(on_statement)).await;
    (server, count)
}

fn request(server: &Server, method: Method, path: &str, token: &str) -> RequestBuilder {
    let url = format!("http://{}{path}", server.address);
    reqwest::Client::new()
        .request(method, url)
        .bearer_auth(token)
}

fn unknown() -> String {
    PlainToken::generate().unwrap().reveal().to_owned()
}

#[tokio::test]
async fn a_refused_token_costs_points_on_every_route() {
    for (method, path) in [
        (Method::GET, "/metrics"),
        (Method::GET, "/api/v2/builders"),
        (Method::GET, "/api/v2/nothing/at/all"),
        (Method::POST, "/api/v2/builders"),
        (Method::OPTIONS, "/api/v2/builders"),
        (Method::OPTIONS, "/graphql"),
        (Method::GET, "/graphql/stream"),
        (Method::DELETE, "/graphql"),
    ] {
        let (server, count) = counting().await;
        for _ in 0..10 {
            let response = request(&server, method.clone(), path, &unknown());
            assert_ne!(response.send().await.unwrap().status(), 429, "{path}");
        }
        let response = request(&server, Method::GET, "/metrics", &unknown());
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), 429, "{method} {path}");
        assert!(response.headers().contains_key("retry-after"));
        overcharge(&server, "127.0.0.1");
        let before = count.load(Ordering::Relaxed);
        for _ in 0..50 {
            let response = request(&server, method.clone(), path, &unknown());
            response.send().await.unwrap();
        }
        // Not one for each: at most one a second, and what the server does by itself.
        let statements = count.load(Ordering::Relaxed) - before;
        assert!(statements < 25, "{method} {path}: {statements}");
    }
}

#[tokio::test]
async fn a_good_token_works_where_its_address_is_out_of_points() {
    let (server, _) = counting().await;
    let token = server.handle.create_token("ci", Scope::Read).await.unwrap();
    overcharge(&server, "127.0.0.1");
    let answer = request(&server, Method::GET, "/metrics", &unknown());
    assert_eq!(answer.send().await.unwrap().status(), 429);
    for path in ["/metrics", "/api/v2/builders"] {
        let answer = request(&server, Method::GET, path, &token);
        assert_eq!(answer.send().await.unwrap().status(), 200, "{path}");
    }
    server.handle.revoke_token("ci").await.unwrap();
    let answer = request(&server, Method::GET, "/metrics", &token);
    assert_eq!(answer.send().await.unwrap().status(), 429);
}

#[tokio::test]
async fn a_token_without_points_is_not_looked_up_each_time() {
    let (server, count) = counting().await;
    let token = server.handle.create_token("ci", Scope::Read).await.unwrap();
    let list = || request(&server, Method::GET, "/api/v2/builders", &token);
    while list().send().await.unwrap().status() != 429 {}
    let before = count.load(Ordering::Relaxed);
    let mut refused = 0;
    for _ in 0..50 {
        refused += usize::from(list().send().await.unwrap().status() == 429);
    }
    let statements = count.load(Ordering::Relaxed) - before;
    assert!(refused > 40 && statements < 25, "{refused} {statements}");
}

#[tokio::test]
async fn probes_share_a_statement() {
    let (server, count) = counting().await;
    for path in ["/readyz", "/metrics"] {
        outlast_readiness().await;
        let before = count.load(Ordering::Relaxed);
        for _ in 0..50 {
            let url = format!("http://{}{path}", server.address);
            let response = reqwest::get(url).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        }
        let statements = count.load(Ordering::Relaxed) - before;
        assert!(statements < 25, "{path}: {statements}");
    }
}
