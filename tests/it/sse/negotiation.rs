//! Which Accept header asks for a stream, which requests are refused, and how.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Event, STREAM, events, get, post, subscription};
use crate::support::server::Server;

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// Checks that a response is JSON with this status and one error, and returns its code and message.
async fn refused(response: Response, status: u16) -> (String, String) {
    assert_eq!(response.status(), status);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with(JSON), "{content_type}");
    let body: Value = response.json().await.unwrap();
    assert!(body.get("data").is_none(), "{body:#}");
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{body:#}"))
            .to_owned()
    };
    let error = &body["errors"][0];
    (text(&error["extensions"]["code"]), text(&error["message"]))
}

#[tokio::test]
async fn the_accept_header_decides() {
    let server = Server::start().await;
    let client = server.client();
    let body = json!({ "query": "{ __typename }" });
    for (accept, media) in [
        ("text/event-stream", STREAM),
        ("text/event-stream, application/json", STREAM),
        ("application/json;q=0.9, text/event-stream", STREAM),
        ("*/*;q=0.1, text/event-stream;q=0.2", STREAM),
        ("application/json, text/event-stream", JSON),
        ("text/event-stream;q=0.5, application/json", JSON),
        ("text/event-stream;q=0, */*", JSON),
        (
            "text/event-stream;q=0.5, application/graphql-response+json",
            GRAPHQL,
        ),
        ("*/*", JSON),
    ] {
        let request = client.http.post(&client.url).json(&body);
        let response = request.header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{accept}");
        let content_type = response.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with(media), "{accept}: {content_type}");
    }
    let request = client.http.post(&client.url).json(&body);
    let response = request.header("accept", "text/html").send().await.unwrap();
    let (_, message) = refused(response, 406).await;
    assert!(message.contains(STREAM), "{message}");
}

/// A client that reads a stream sees only its events, so errors arrive as events.
#[tokio::test]
async fn a_refusal_is_an_event() {
    let server = Server::start().await;
    let client = server.client();
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { stepEvents { nothing } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        for request in [post(&client, query), get(&client, query)] {
            assert_eq!(refusal(request).await, code, "{query}");
        }
    }
}

/// The code of the only error of the only event.
async fn refusal(request: reqwest::RequestBuilder) -> String {
    let mut stream = events(request).await;
    let result = stream.event().await.result();
    assert!(result.get("data").is_none(), "{result:#}");
    assert_eq!(result["errors"].as_array().unwrap().len(), 1, "{result:#}");
    assert_eq!(stream.next().await, Some(Event::complete()));
    result["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn an_invalid_request_gets_no_stream() {
    let server = Server::start().await;
    let client = server.client();
    let mutation = "mutation { findBuilder(name: \"b\") { builderid } }";
    let response = get(&client, mutation).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    refused(response, 405).await;
    let request = client.http.post(&client.url).header("accept", STREAM);
    let response = request
        .header("content-type", "text/plain")
        .body("{}")
        .send()
        .await
        .unwrap();
    refused(response, 415).await;
}

#[tokio::test]
async fn an_invalid_last_event_id_is_refused() {
    let server = Server::start().await;
    let client = server.client();
    for (id, codes) in [
        (
            "00000000000000000000000f",
            ["CURSOR_EXPIRED", "CURSOR_EXPIRED"],
        ),
        ("nonsense", ["BAD_USER_INPUT", "CURSOR_EXPIRED"]),
        ("ü", ["BAD_USER_INPUT", "CURSOR_EXPIRED"]),
    ] {
        let request = get(&client, &subscription("")).header("last-event-id", id);
        let code = refusal(request).await;
        assert!(codes.contains(&&*code), "{id}: {code}");
    }
}

#[tokio::test]
async fn anonymous_callers_get_401() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let client = server.client();
    for query in ["{ __typename }", "subscription { stepEvents { cursor } }"] {
        for request in [post(&client, query), get(&client, query)] {
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(refused(response, 401).await.0, "UNAUTHENTICATED");
        }
    }
}

/// An `EventSource` cannot send headers, so its page's origin decides.
#[tokio::test]
async fn pages_of_other_sites_cannot_open_a_stream() {
    let server = Server::with_flags(&["--allow-origin", "https://ci.example.org"]).await;
    let client = server.client();
    let own = format!("http://{}", server.address);
    for good in [&*own, "https://ci.example.org"] {
        let request = get(&client, "{ __typename }").header("origin", good);
        let mut stream = events(request).await;
        let headers = stream.response.headers();
        // Without this header the browser would withhold the events.
        assert_eq!(headers["access-control-allow-origin"], good);
        assert_eq!(headers["vary"], "Origin");
        assert_eq!(stream.event().await.result()["data"]["__typename"], "Query");
        assert_eq!(stream.next().await, Some(Event::complete()));
    }
    for bad in ["https://evil.example", "null", "http://ci.example.org"] {
        for request in [
            get(&client, "{ __typename }"),
            post(&client, "{ __typename }"),
        ] {
            let response = request.header("origin", bad).send().await.unwrap();
            refused(response, 403).await;
        }
    }
}

#[tokio::test]
async fn a_subscription_over_json_is_refused_with_advice() {
    let server = Server::start().await;
    let client = server.client();
    for accept in [JSON, GRAPHQL] {
        let request = post(&client, &subscription(""));
        let mut request = request.build().unwrap();
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        let answer: Value = client
            .http
            .execute(request)
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("WebSocket") && message.contains(STREAM),
            "{message}"
        );
    }
}

#[tokio::test]
async fn the_path_of_streams_has_nothing_else() {
    let server = Server::start().await;
    let client = server.client();
    let url = format!("{}/stream", client.url);
    let body = json!({ "query": "{ __typename }" });
    let post = |accept| client.http.post(&url).json(&body).header("accept", accept);
    let query = [("query", "{ __typename }")];
    let get = |accept| client.http.get(&url).query(&query).header("accept", accept);
    for accept in [STREAM, "application/json, text/event-stream;q=0.1"] {
        for request in [post(accept), get(accept)] {
            let mut events = events(request).await;
            let event = events.event().await;
            assert_eq!(event.result()["data"], json!({ "__typename": "Query" }));
        }
    }
    for accept in [JSON, GRAPHQL, "*/*", "text/html", "text/event-stream;q=0"] {
        for request in [post(accept), get(accept)] {
            let (_, message) = refused(request.send().await.unwrap(), 406).await;
            assert!(message.contains("/graphql/stream"), "{message}");
        }
    }
    let foreign = get(STREAM).header("origin", "https://evil.example");
    refused(foreign.send().await.unwrap(), 403).await;
    let own = format!("http://{}", server.address);
    let options = client.http.request(reqwest::Method::OPTIONS, &url);
    let options = options.header("origin", &own).send().await.unwrap();
    assert_eq!(options.status(), 204);
    assert_eq!(options.headers()["access-control-allow-origin"], own);
    let put = client.http.put(&url).header("accept", STREAM);
    assert_eq!(put.send().await.unwrap().status(), 405);
}
