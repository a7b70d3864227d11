//! Documents that ask for too much: each is refused by a named limit, over every transport, and the
//! server stays alive. Documents exactly at a limit are accepted.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{server::Server, ws::Ws};

mod answer_bytes;
mod boundaries;
mod execution;
mod json_values;
mod nesting;
mod persisted_documents;
mod text_bytes;

/// An operation that must work after any refusal.
const VALID: &str = "{ builds(first: 1) { nodes { number steps { name } } totalCount } }";

/// How an operation is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Post,
    Get,
    Stream,
    Socket,
}

const TRANSPORTS: [Transport; 4] = [
    Transport::Post,
    Transport::Get,
    Transport::Stream,
    Transport::Socket,
];

impl Transport {
    /// Sends these parameters and returns an object with `data` or `errors`.
    async fn send(self, server: &Server, parameters: &Value) -> Value {
        let client = server.client();
        match self {
            Self::Socket => {
                let mut ws = Ws::connect(server.address).await;
                ws.send(json!({ "id": "1", "type": "subscribe", "payload": parameters }))
                    .await;
                let message = ws.receive().await;
                match message["type"].as_str() {
                    Some("next") => message["payload"].clone(),
                    Some("error") => json!({ "errors": message["payload"] }),
                    _ => panic!("{message:#}"),
                }
            }
            Self::Stream => {
                let request = client.http.post(&client.url).json(parameters);
                let request = request.header("accept", "text/event-stream");
                let text = request.send().await.unwrap().text().await.unwrap();
                let data = text.lines().find_map(|line| line.strip_prefix("data: "));
                serde_json::from_str(data.unwrap_or_else(|| panic!("{text}"))).unwrap()
            }
            Self::Post => {
                let request = client.http.post(&client.url).json(parameters);
                request.send().await.unwrap().json().await.unwrap()
            }
            Self::Get => {
                let pairs = parameters.as_object().unwrap().iter();
                let pairs: Vec<(&str, String)> = pairs
                    .map(|(name, value)| {
                        let text = value.as_str().map(str::to_owned);
                        (name.as_str(), text.unwrap_or_else(|| value.to_string()))
                    })
                    .collect();
                let request = client.http.request(Method::GET, &client.url).query(&pairs);
                let request = request.header("graphql-require-preflight", "1");
                request.send().await.unwrap().json().await.unwrap()
            }
        }
    }

    /// Whether this transport can carry the parameters: a URL is short.
    fn can_carry(self, parameters: &Value) -> bool {
        self != Self::Get || parameters.to_string().len() < 20_000
    }
}

/// The single error of an operation that was refused before it ran.
fn refusal(response: &Value) -> &Value {
    assert!(response.get("data").is_none(), "{response:#}");
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{response:#}");
    &errors[0]
}

/// `{ … }` with this many levels of fragments, each spread twice by the one before: 2^levels
/// fields.
fn doubling(levels: usize) -> String {
    let fragment = |i: usize| {
        let next = i + 1;
        format!(" fragment F{i} on Query {{ ...F{next} ...F{next} }}")
    };
    let fragments = (0..levels).map(fragment).collect::<String>();
    format!("{{ ...F0 }}{fragments} fragment F{levels} on Query {{ __typename }}")
}

fn nested(n: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(n), close.repeat(n))
}

/// The documents. Each has a name, the limit that refuses it when all limits have their defaults,
/// and the one that refuses it when the lexical limits are out of reach.
fn documents() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let alias = |i: usize| format!(" a{i}: __typename");
    let aliases = (0..20_000).map(alias).collect::<String>();
    let connections = nested(60, "nodes { builder { builds { ", "totalCount", " } } }");
    let filters = nested(3_000, "not: { ", "number: { eq: 1 }", " }");
    let lists = nested(20_000, "[", "1", "]");
    let (tokens, nesting, bytes) = ("max-tokens", "max-nesting", "max-document-bytes");
    vec![
        ("30 levels of fragments", doubling(30), "max-fields", "max-fields"),
        ("200 levels of fragments", doubling(200), tokens, nesting),
        ("20,000 aliases", format!("{{{aliases} }}"), bytes, "max-fields"),
        (
            "20,000 directives",
            format!("{{ __typename{} }}", " @a".repeat(20_000)),
            tokens,
            "max-directives",
        ),
        (
            "60 nested connections",
            format!("{{ builds {{ {connections} }} }}"),
            nesting,
            nesting,
        ),
        (
            "3,000 nested filters",
            format!("{{ builds(where: {{ {filters} }}) {{ totalCount }} }}"),
            tokens,
            nesting,
        ),
        (
            "20,000 nested lists",
            format!("{{ builds(where: {{ number: {{ in: {lists} }} }}) {{ totalCount }} }}"),
            tokens,
            nesting,
        ),
        ("50,000 open braces", "{".repeat(50_000), tokens, nesting),
        (
            "a cycle of fragments",
            "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }".to_owned(),
            "",
            "",
        ),
        (
            "wide pages",
            "{ builders(first: 500) { nodes { builds(first: 500) { nodes { steps(limit: 10000) { name } } } } } }".to_owned(),
            "max-cost",
            "max-cost",
        ),
        (
            "20,000 repeated fields",
            format!("{{{} }}", " eventCursor".repeat(20_000)),
            bytes,
            "max-fields",
        ),
        (
            "a string of 900 KB",
            format!("{{ builder(name: \"{}\") {{ name }} }}", "x".repeat(900_000)),
            bytes,
            "",
        ),
    ]
}

async fn check(server: &Server, transport: Transport, name: &str, query: &str, limit: &str) {
    let parameters = json!({ "query": query });
    if !transport.can_carry(&parameters) {
        return;
    }
    let response = transport.send(server, &parameters).await;
    let shown = format!("{name} by {transport:?}: {response:#}");
    let error = refusal(&response);
    let message = error["message"].as_str().unwrap();
    if limit.is_empty() {
        assert_eq!(
            error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
            "{shown}"
        );
        assert!(message.contains("contains itself"), "{shown}");
    } else {
        let extensions = &error["extensions"];
        assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{shown}");
        assert_eq!(extensions["limit"], limit, "{shown}");
        let max = extensions["max"].as_u64().unwrap();
        let asked = extensions["asked"].as_u64().unwrap();
        assert!(asked > max, "{shown}");
        for part in [limit, &max.to_string(), &asked.to_string()] {
            assert!(message.contains(part), "{shown}");
        }
        // A document that is too long has no single location.
        assert_eq!(
            error["locations"].is_array(),
            limit != "max-document-bytes",
            "{shown}"
        );
    }
    let honest = transport.send(server, &json!({ "query": VALID })).await;
    assert_eq!(honest["data"]["builds"]["totalCount"], 1, "after {shown}");
}

#[tokio::test]
async fn hostile_documents_are_refused_by_a_named_limit() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    for (name, query, limit, _) in documents() {
        for transport in TRANSPORTS {
            check(&server, transport, name, &query, limit).await;
        }
    }
}

/// Each limit works alone: with the earlier ones out of reach, the next one still refuses.
#[tokio::test]
async fn hostile_documents_are_refused_without_the_lexical_limits() {
    let far = "100000000";
    let flags = [
        "--anonymous",
        "write",
        "--max-document-bytes",
        far,
        "--max-tokens",
        far,
    ];
    let server = Server::with_flags(&flags).await;
    server.client().add_build("b").await;
    for (name, query, _, limit) in documents() {
        if name.starts_with("a string") {
            // Only its length is wrong.
            let data = server.client().data(&query, json!({})).await;
            assert_eq!(data["builder"], Value::Null);
        } else {
            check(&server, Transport::Post, name, &query, limit).await;
        }
    }
}

/// Variables can be hostile, too.
#[tokio::test]
async fn hostile_variables_are_refused_by_a_named_limit() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let query = "query($w: BuildFilter, $n: Int) { builds(where: $w, first: $n) { nodes { steps(limit: 100) { name } } } }";
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({ "not": deep });
    }
    let many: Vec<i32> = (0..5_000).collect();
    let wide = json!({ "or": vec![json!({ "number": { "eq": 1 } }); 2_000] });
    for (variables, code, part) in [
        (
            json!({ "w": deep }),
            "BAD_USER_INPUT",
            "nest at most 20 deep",
        ),
        (
            json!({ "w": { "number": { "in": many } } }),
            "BAD_USER_INPUT",
            "at most 1000 conditions and values",
        ),
        (json!({ "w": wide }), "BAD_USER_INPUT", "at most 1000"),
        (
            json!({ "n": 500 }),
            "LIMIT_EXCEEDED",
            "max-cost is 20000, and this has 50501",
        ),
        // Refused for its content, and costly to process until then.
        (
            json!({ "n": -1 }),
            "LIMIT_EXCEEDED",
            "max-cost is 20000, and this has 50501",
        ),
    ] {
        for transport in TRANSPORTS {
            let parameters = json!({ "query": query, "variables": variables });
            if !transport.can_carry(&parameters) {
                continue;
            }
            let response = transport.send(&server, &parameters).await;
            let error = &response["errors"][0];
            assert_eq!(
                error["extensions"]["code"], code,
                "{transport:?}: {response:#}"
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(part), "{transport:?}: {message}");
            let honest = transport.send(&server, &json!({ "query": VALID })).await;
            assert_eq!(honest["data"]["builds"]["totalCount"], 1);
        }
    }
}
