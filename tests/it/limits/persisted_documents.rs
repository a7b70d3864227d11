//! Documents sent by name: by Apollo's protocol, by `documentId`, and from the operator's file.

use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{TRANSPORTS, Transport, refusal};
use crate::{
    cli::run,
    support::{database::Database, server::Server},
};

const COUNT: &str = "query Count($n: Int) { builds(first: $n) { totalCount } }";
/// Exceeds every limit: 500 builds with 50 steps each.
const COSTLY: &str = "{ builds(first: 500) { nodes { steps(limit: 50) { name } } } }";

fn hash(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}

fn apollo(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

fn code(response: &Value) -> &str {
    let code = &refusal(response)["extensions"]["code"];
    code.as_str().unwrap()
}

fn is_counted(response: &Value) -> bool {
    response["data"]["builds"]["totalCount"].is_number()
}

#[tokio::test]
async fn a_document_is_known_after_it_was_sent_once() {
    for transport in TRANSPORTS {
        let server = Server::start().await;
        let known = json!({ "extensions": apollo(&hash(COUNT)), "variables": { "n": 3 } });
        let response = transport.send(&server, &known).await;
        assert_eq!(
            code(&response),
            "PERSISTED_QUERY_NOT_FOUND",
            "{transport:?}"
        );
        // Apollo's clients look for this text.
        assert_eq!(refusal(&response)["message"], "PersistedQueryNotFound");

        let wrong = json!({ "query": COUNT, "extensions": apollo(&hash("{ other }")) });
        let response = transport.send(&server, &wrong).await;
        assert_eq!(code(&response), "BAD_USER_INPUT", "{transport:?}");
        assert_eq!(
            code(&transport.send(&server, &known).await),
            "PERSISTED_QUERY_NOT_FOUND"
        );

        let both = json!({ "query": COUNT, "extensions": apollo(&hash(COUNT)) });
        assert!(
            is_counted(&transport.send(&server, &both).await),
            "{transport:?}"
        );
        let beside = json!({ "query": "", "extensions": apollo(&hash(COUNT)) });
        for known in [&known, &beside] {
            assert!(
                is_counted(&transport.send(&server, known).await),
                "{transport:?}"
            );
        }
        for id in [
            hash(COUNT),
            format!("sha256:{}", hash(COUNT)),
            format!("sha256:{}", hash(COUNT).to_uppercase()),
        ] {
            let by_id = json!({ "documentId": id, "operationName": "Count" });
            // A client whose library wants a document sends an empty one.
            let beside = json!({ "documentId": id, "query": "" });
            for by_id in [by_id, beside] {
                assert!(
                    is_counted(&transport.send(&server, &by_id).await),
                    "{transport:?} {id}"
                );
            }
        }
        // Its variables still count, and so do its limits.
        let response = transport
            .send(&server, &json!({ "documentId": "sha256:00" }))
            .await;
        assert_eq!(
            code(&response),
            "PERSISTED_QUERY_NOT_FOUND",
            "{transport:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_document_is_not_cached() {
    let server = Server::start().await;
    for text in ["{ builds {", &"{ __typename } ".repeat(2_000)] {
        let both = json!({ "query": text, "extensions": apollo(&hash(text)) });
        assert!(Transport::Post.send(&server, &both).await["errors"].is_array());
        let known = json!({ "extensions": apollo(&hash(text)) });
        let response = Transport::Post.send(&server, &known).await;
        assert_eq!(code(&response), "PERSISTED_QUERY_NOT_FOUND", "{text}");
    }
    // Checks that depend on variables run for each request.
    let text = "query($n: Int) { builds(first: $n) { nodes { steps(limit: 100) { name } } } }";
    let send =
        |n| json!({ "query": text, "variables": { "n": n }, "extensions": apollo(&hash(text)) });
    assert!(Transport::Post.send(&server, &send(1)).await["data"].is_object());
    assert_eq!(
        code(&Transport::Post.send(&server, &send(500)).await),
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn the_document_cache_is_bounded_and_evicts_the_least_recently_used() {
    let server = Server::with_flags(&["--document-cache-bytes", "16000"]).await;
    let text = |i: usize| format!("{{ a{i}: __typename }}");
    for i in 0..10 {
        let both = json!({ "query": text(i), "extensions": apollo(&hash(&text(i))) });
        assert!(Transport::Post.send(&server, &both).await["data"].is_object());
        // The first document is used repeatedly.
        let first = json!({ "extensions": apollo(&hash(&text(0))) });
        assert!(
            Transport::Post.send(&server, &first).await["data"].is_object(),
            "{i}"
        );
    }
    let known = |i: usize| json!({ "extensions": apollo(&hash(&text(i))) });
    assert_eq!(
        code(&Transport::Post.send(&server, &known(1)).await),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    assert!(Transport::Post.send(&server, &known(9)).await["data"].is_object());

    let none = Server::with_flags(&["--document-cache-bytes", "0"]).await;
    let both = json!({ "query": COUNT, "extensions": apollo(&hash(COUNT)) });
    assert!(is_counted(&Transport::Post.send(&none, &both).await));
    let known = json!({ "extensions": apollo(&hash(COUNT)) });
    assert_eq!(
        code(&Transport::Post.send(&none, &known).await),
        "PERSISTED_QUERY_NOT_FOUND"
    );
}

#[tokio::test]
async fn an_invalid_document_name_is_refused_with_a_reason() {
    let server = Server::start().await;
    for (parameters, part) in [
        (json!({}), "query:"),
        (json!({ "documentId": 1 }), "documentId:"),
        (json!({ "documentId": "x", "query": COUNT }), "documentId:"),
        (
            json!({ "extensions": { "persistedQuery": 1 } }),
            "persistedQuery.version",
        ),
        (
            json!({ "extensions": { "persistedQuery": { "version": 2, "sha256Hash": hash(COUNT) } } }),
            "persistedQuery.version",
        ),
        (
            json!({ "extensions": apollo("abc") }),
            "64 hexadecimal digits",
        ),
        (
            json!({ "extensions": apollo(&"é".repeat(64)) }),
            "64 hexadecimal digits",
        ),
    ] {
        let response = Transport::Post.send(&server, &parameters).await;
        assert_eq!(code(&response), "BAD_USER_INPUT", "{parameters}");
        let message = refusal(&response)["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
}

fn file(dir: &TempDir, content: &Value) -> String {
    let path = dir.path().join("documents.json");
    std::fs::write(&path, content.to_string()).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn only_trusted_documents_run_where_a_flag_says_so() {
    let dir = TempDir::new().unwrap();
    let plain = json!({ "count": COUNT });
    let manifest = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{ "id": hash(COUNT), "name": "Count", "type": "query", "body": COUNT }],
    });
    for (content, id) in [(plain, "count".to_owned()), (manifest, hash(COUNT))] {
        let path = file(&dir, &content);
        let open = Server::with_flags(&["--documents", &path]).await;
        let only = Server::with_flags(&["--documents", &path, "--only-documents"]).await;
        for transport in TRANSPORTS {
            for server in [&open, &only] {
                for known in [
                    json!({ "documentId": id }),
                    json!({ "documentId": format!("sha256:{}", hash(COUNT)) }),
                    json!({ "extensions": apollo(&hash(COUNT)) }),
                ] {
                    assert!(
                        is_counted(&transport.send(server, &known).await),
                        "{transport:?} {known}"
                    );
                }
            }
            let wrong = json!({ "query": "{ __typename }", "extensions": apollo(&hash(COUNT)) });
            for server in [&open, &only] {
                let response = transport.send(server, &wrong).await;
                assert_eq!(code(&response), "BAD_USER_INPUT", "{transport:?}");
            }
            // Its exact text is as good as its id.
            let sent = json!({ "query": COUNT });
            for server in [&open, &only] {
                assert!(
                    is_counted(&transport.send(server, &sent).await),
                    "{transport:?}"
                );
            }
            for other in [
                json!({ "query": format!("{COUNT} ") }),
                json!({ "query": "x".repeat(200) }),
                json!({ "query": "{ __schema { queryType { name } } }" }),
                json!({ "query": "{ __typename }", "extensions": apollo(&hash("{ __typename }")) }),
                json!({ "documentId": "other" }),
                json!({ "extensions": apollo(&hash("{ other }")) }),
            ] {
                let response = transport.send(&only, &other).await;
                assert_eq!(
                    code(&response),
                    "PERSISTED_QUERY_ONLY",
                    "{transport:?} {other}"
                );
                let message = refusal(&response)["message"].as_str().unwrap();
                assert!(message.contains("documentId"), "{message}");
                let names_id = message.contains("unknown documentId \"other\"");
                assert_eq!(names_id, other["documentId"] == "other", "{message}");
            }
        }
    }
}

/// What a server that must not start with these documents prints.
async fn startup_error(path: &str, flags: &[&str]) -> String {
    let database = Database::fresh_file();
    let serve_flags = ["--database-url", &database.url, "--documents", path];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let (code, _, output) = run(&[&serve[..], &serve_flags, flags].concat()).await;
    assert_eq!(code, Some(1), "{output}");
    output
}

#[tokio::test]
async fn invalid_trusted_documents_prevent_the_start() {
    let dir = TempDir::new().unwrap();
    for (text, part) in [
        ("{ builds {", "syntax error"),
        ("{ buildz { totalCount } }", "buildz"),
        (COSTLY, "max-cost"),
        (
            "{ __typename @skip(if: false) @include(if: true) }",
            "max-directives",
        ),
    ] {
        let path = file(&dir, &json!({ "good": COUNT, "bad": text }));
        let output = startup_error(&path, &["--max-directives", "1"]).await;
        assert!(
            output.contains("\"bad\"") && output.contains(part),
            "{output}"
        );
    }
    for content in [
        json!([]),
        json!({ "a": 1 }),
        json!({ "": COUNT }),
        json!({ " ": COUNT }),
        json!({ "format": "other", "operations": [] }),
    ] {
        let path = file(&dir, &content);
        let output = startup_error(&path, &[]).await;
        assert!(output.contains("--documents"), "{output}");
    }
    let nowhere = Path::new("/nowhere/documents.json").display().to_string();
    assert!(
        startup_error(&nowhere, &[])
            .await
            .contains("/nowhere/documents.json")
    );
}
