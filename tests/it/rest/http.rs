//! Methods, headers, callers, origins and limits.

use std::sync::{Arc, Mutex};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName},
};
use serde_json::json;

use super::{Rest, data, recordings::serve};
use crate::{
    filter::seed::seeded,
    support::{
        database::{Kind, kind},
        server::{Server, WITHOUT_CACHE},
    },
};

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name: HeaderName = name.parse().unwrap();
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = serve("live.sqlite", &[]).await;
    let rest = Rest::of(&server);
    for (path, status) in [
        ("/api/v2/builds?limit=3", 200),
        ("/api/v2/steps/64", 200),
        ("/api/v2/openapi.json", 200),
        ("/api/v2/steps/0", 404),
        ("/api/nothing", 404),
        ("/api/v2/builds?x=1", 400),
    ] {
        let get = rest.send(Method::GET, path, &[]).await;
        let head = rest.send(Method::HEAD, path, &[]).await;
        assert_eq!(
            (get.status().as_u16(), head.status().as_u16()),
            (status, status),
            "{path}"
        );
        for name in ["content-type", "content-length"] {
            let value = header(get.headers(), name);
            assert!(value.is_some(), "{path}: {name}");
            assert_eq!(value, header(head.headers(), name), "{path}: {name}");
        }
        let length = header(head.headers(), "content-length").unwrap().to_owned();
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        assert_eq!(get.bytes().await.unwrap().len().to_string(), length);
    }
}

#[tokio::test]
async fn the_rest_api_is_read_only() {
    let server = serve("live.sqlite", &["--anonymous", "write"]).await;
    let rest = Rest::of(&server);
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
        for path in ["/api/v2/builds/1", "/api/v2/nothing", "/api"] {
            let response = rest.send(method.parse().unwrap(), path, &[]).await;
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(
                header(response.headers(), "allow"),
                Some("GET, HEAD, OPTIONS")
            );
            let body: serde_json::Value = response.json().await.unwrap();
            assert!(body["error"].is_string(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_read() {
    let server = serve("live.sqlite", &["--allow-origin", "https://ci.example.org"]).await;
    let rest = Rest::of(&server);
    let path = "/api/v2/steps/1";
    let own = rest.base.clone();
    for origin in ["https://ci.example.org", own.as_str()] {
        let response = rest.send(Method::GET, path, &[("Origin", origin)]).await;
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(header(headers, "access-control-allow-origin"), Some(origin));
        assert_eq!(
            header(headers, "access-control-allow-headers"),
            Some("Authorization, Content-Type")
        );
        assert_eq!(header(headers, "access-control-max-age"), Some("3600"));
        assert!(headers.get_all("vary").iter().any(|v| v == "Origin"));
        // A page may read errors, too.
        let response = rest
            .send(Method::GET, "/api/v2/steps/0", &[("Origin", origin)])
            .await;
        assert_eq!(response.status(), 404);
        assert_eq!(
            header(response.headers(), "access-control-allow-origin"),
            Some(origin)
        );
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 400), ("DELETE", 400)] {
            let headers = [
                ("Origin", origin),
                ("Access-Control-Request-Method", method),
                ("Access-Control-Request-Headers", "traceparent"),
            ];
            let response = rest.send(Method::OPTIONS, path, &headers).await;
            assert_eq!(response.status(), status, "{method}");
            assert_eq!(
                header(response.headers(), "access-control-allow-headers"),
                Some("traceparent")
            );
            assert_eq!(
                header(response.headers(), "access-control-allow-origin"),
                Some(origin)
            );
        }
    }
    for origin in [
        "https://evil.example",
        "null",
        "",
        "https://ci.example.org.evil",
        "https://ci.example.org:8443",
    ] {
        for method in [Method::GET, Method::OPTIONS, Method::POST] {
            let response = rest.send(method, path, &[("Origin", origin)]).await;
            assert_eq!(response.status(), 400, "{origin}");
            assert_eq!(
                header(response.headers(), "access-control-allow-origin"),
                None
            );
            assert!(
                response.text().await.unwrap().contains("invalid origin"),
                "{origin}"
            );
        }
    }
    let response = rest.send(Method::GET, path, &[]).await;
    assert_eq!(
        header(response.headers(), "access-control-allow-origin"),
        None
    );
    let response = rest.send(Method::OPTIONS, path, &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        header(response.headers(), "allow"),
        Some("GET, HEAD, OPTIONS")
    );
}

#[tokio::test]
async fn a_caller_without_read_access_is_refused() {
    let server = serve("live.sqlite", &["--anonymous", "none"]).await;
    let rest = Rest::of(&server);
    for path in [
        "/api/v2/builds",
        "/api/v2/steps/0",
        "/api/v2/nothing",
        "/api/v2/builds?x=1",
        "/api",
    ] {
        let response = rest.send(Method::GET, path, &[]).await;
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(
            header(response.headers(), "www-authenticate"),
            Some("Bearer")
        );
        let body: serde_json::Value = response.json().await.unwrap();
        assert!(body["error"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn a_client_can_ask_for_plain_text() {
    let server = serve("live.sqlite", &[]).await;
    let rest = Rest::of(&server);
    for (accept, is_text) in [
        ("text/plain", true),
        ("application/json;q=0.5, text/plain", true),
        ("application/json, text/plain, */*", false),
        ("text/html, */*;q=0.8", false),
        ("text/plain;q=0", false),
        ("*/*", false),
        ("rubbish;;", false),
        ("", false),
    ] {
        let response = rest
            .send(Method::GET, "/api/v2/steps/64", &[("Accept", accept)])
            .await;
        let media = header(response.headers(), "content-type")
            .unwrap()
            .to_owned();
        let text = response.text().await.unwrap();
        let expected = if is_text {
            "text/plain; charset=utf-8"
        } else {
            "application/json; charset=utf-8"
        };
        assert_eq!(media, expected, "{accept}");
        assert_eq!(text.contains("\n  \""), is_text, "{accept}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, rest.found("/api/v2/steps/64").await);
    }
    let response = rest
        .send(Method::GET, "/api/v2/steps/0", &[("Accept", "text/plain")])
        .await;
    assert_eq!(
        header(response.headers(), "content-type"),
        Some("application/json; charset=utf-8")
    );
}

/// A truncated response says so, and offsets reach everything.
#[tokio::test]
async fn responses_are_bounded() {
    let server = serve("live.sqlite", &["--rest-max-rows", "10"]).await;
    let rest = Rest::of(&server);
    for (query, n, capped) in [
        ("", 10, true),
        ("limit=10", 10, false),
        ("limit=11", 10, true),
        ("limit=99999999999999999999", 10, true),
        ("offset=46", 10, false),
        ("offset=45", 10, true),
        ("offset=50", 6, false),
        ("offset=100", 0, false),
        ("buildid__le=10", 10, false),
        ("buildid__le=11", 10, true),
        ("limit=0", 0, false),
    ] {
        let body = rest.found(&format!("/api/v2/builds?{query}")).await;
        let total = if query.starts_with("buildid") {
            body["meta"]["total"].as_u64().unwrap()
        } else {
            56
        };
        let mut meta = json!({ "total": total });
        if capped {
            meta["capped"] = true.into();
        }
        assert_eq!(body["builds"].as_array().unwrap().len(), n, "{query}");
        assert_eq!(body["meta"], meta, "{query}");
    }
    assert_eq!(
        rest.found("/api/v2/builders").await["meta"],
        json!({ "total": 16, "capped": true })
    );
    let steps = rest.found("/api/v2/builds/15/steps").await;
    assert_eq!(steps["meta"], json!({ "total": 11, "capped": true }));
}

/// Filters, orders, pages and totals run in the database: only the rows of the response are read.
#[tokio::test]
async fn no_table_is_read_whole() {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = log.clone();
    let database = seeded().await.database.clone();
    let clock = buildbot_graphql::testing::Clock::System;
    let server = Server::on(
        database,
        &[],
        clock,
        Some(Box::new(move |sql| {
            seen.lock().unwrap().push(sql.to_owned());
        })),
    )
    .await;
    let rest = Rest::of(&server);
    for (path, statements) in [
        ("builds?limit=2&order=complete&state_string__contains=a", 2),
        ("builds?complete__lt=true&limit=3&offset=2", 2),
        ("builds?offset=1", 1),
        ("builds/1/steps?order=-results&limit=1&hidden=false", 2),
        ("builders?tags__contains=x&limit=1&field=name&field=tags", 3),
        ("builders?order=tags&field=tags&field=name&limit=1", 3),
        ("builders?order=masterids&field=masterids&limit=1", 2),
        ("builders/a/builds/99/steps?limit=1", 4),
        ("steps/1", 1),
        ("builds/1/steps/18", 1),
    ] {
        log.lock().unwrap().clear();
        rest.get(&format!("/api/v2/{path}")).await;
        let log: Vec<String> = log.lock().unwrap().clone();
        // The feed polls for events meanwhile.
        let ours = log
            .iter()
            .filter(|sql| !sql.contains("graphql_") && !sql.contains("PRAGMA"));
        let ours: Vec<&String> = ours.collect();
        assert!(
            !ours.is_empty() && ours.len() <= statements,
            "{path}: {ours:#?}"
        );
        for sql in ours {
            let bounded = sql.contains("LIMIT") || sql.contains("COUNT(") || sql.contains(" IN (");
            let keyed = sql.contains("\"id\" = ") || sql.contains("name_hash");
            assert!(bounded || keyed, "{path}: {sql}");
        }
    }
}

/// Our own database has neither masters nor properties, and the responses reflect that.
#[tokio::test]
async fn our_own_database_has_no_masters_or_properties() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b/ü").await;
    client.new_step(build, "compile").await;
    let rest = Rest::of(&server);
    let builder = rest.found("/api/v2/builders/b%2F%C3%BC").await["builders"][0].take();
    assert_eq!(
        (&builder["masterids"], &builder["tags"]),
        (&json!([]), &json!([]))
    );
    let body = rest
        .found("/api/v2/builders/b%2F%C3%BC/builds?property=*")
        .await;
    let first = &body["builds"][0];
    assert_eq!(first["properties"], json!({}));
    assert_eq!(
        (&first["buildrequestid"], &first["masterid"]),
        (&json!(null), &json!(null))
    );
    for (query, total) in [
        ("masterids__contains=1", 0),
        ("masterids=1", 0),
        ("masterids__ne=1", 1),
        ("order=-masterids", 1),
    ] {
        assert_eq!(
            rest.found(&format!("/api/v2/builders?{query}")).await["meta"]["total"],
            total,
            "{query}"
        );
    }
    let step = rest
        .found("/api/v2/builders/b%2F%C3%BC/builds/1/steps/compile")
        .await;
    assert_eq!(step["steps"][0]["state_string"], "pending");
    assert_eq!(step["steps"][0]["urls"], json!([]));
}

/// While the database is unavailable, so are we, and the response does not say why.
#[tokio::test]
async fn a_lost_database_is_unavailable() {
    if kind() != Kind::Sqlite {
        return;
    }
    let server = Server::over_copy_of(&data("live.sqlite"), &WITHOUT_CACHE).await;
    let rest = Rest::of(&server);
    server
        .sql()
        .await
        .run("ALTER TABLE steps RENAME TO elsewhere")
        .await;
    assert_eq!(
        rest.refused("/api/v2/steps/1").await,
        (500, "internal error".into())
    );
    server.handle.close_database().await;
    assert_eq!(rest.refused("/api/v2/builds/1").await.0, 503);
}
