//! Documents that are named instead of sent: by Apollo's protocol, by `documentId`, and from the operator's file.

use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{WAYS, Way, refusal};
use crate::{
    process::run,
    support::{database::Database, server::Server},
};

const COUNT: &str = "query Count($n: Int) { builds(first: $n) { totalCount } }";
/// Fits no limit: 500 builds with 50 steps each.
const COSTLY: &str = "{ builds(first: 500) { nodes { steps(limit: 50) { name } } } }";

fn hash(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}

fn apollo(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

fn code(answer: &Value) -> &str {
    let code = &refusal(answer)["extensions"]["code"];
    code.as_str().unwrap()
}

fn is_counted(answer: &Value) -> bool {
    answer["data"]["builds"]["totalCount"].is_number()
}

#[tokio::test]
async fn a_document_is_known_once_it_was_sent() {
    for way in WAYS {
        let server = Server::start().await;
        let known = json!({ "extensions": apollo(&hash(COUNT)), "variables": { "n": 3 } });
        let answer = way.send(&server, &known).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND", "{way:?}");
        // Apollo's clients look for this text.
        assert_eq!(refusal(&answer)["message"], "PersistedQueryNotFound");

        let wrong = json!({ "query": COUNT, "extensions": apollo(&hash("{ other }")) });
        let answer = way.send(&server, &wrong).await;
        assert_eq!(code(&answer), "BAD_USER_INPUT", "{way:?}");
        assert_eq!(
            code(&way.send(&server, &known).await),
            "PERSISTED_QUERY_NOT_FOUND"
        );

        let both = json!({ "query": COUNT, "extensions": apollo(&hash(COUNT)) });
        assert!(is_counted(&way.send(&server, &both).await), "{way:?}");
        assert!(is_counted(&way.send(&server, &known).await), "{way:?}");
        for id in [
            hash(COUNT),
            format!("sha256:{}", hash(COUNT)),
            format!("sha256:{}", hash(COUNT).to_uppercase()),
        ] {
            let by_id = json!({ "documentId": id, "operationName": "Count" });
            assert!(is_counted(&way.send(&server, &by_id).await), "{way:?} {id}");
        }
        // Its variables count as ever, and so do its limits.
        let answer = way
            .send(&server, &json!({ "documentId": "sha256:00" }))
            .await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND", "{way:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let server = Server::start().await;
    for text in ["{ builds {", &"{ __typename } ".repeat(2_000)] {
        let both = json!({ "query": text, "extensions": apollo(&hash(text)) });
        assert!(Way::Post.send(&server, &both).await["errors"].is_array());
        let known = json!({ "extensions": apollo(&hash(text)) });
        let answer = Way::Post.send(&server, &known).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND", "{text}");
    }
    // What depends on variables is looked at each time.
    let text = "query($n: Int) { builds(first: $n) { nodes { steps(limit: 100) { name } } } }";
    let send =
        |n| json!({ "query": text, "variables": { "n": n }, "extensions": apollo(&hash(text)) });
    assert!(Way::Post.send(&server, &send(1)).await["data"].is_object());
    assert_eq!(
        code(&Way::Post.send(&server, &send(500)).await),
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_the_oldest_goes() {
    let server = Server::with(&["--document-cache-bytes", "10000"]).await;
    let text = |i: usize| format!("{{ a{i}: __typename }}");
    for i in 0..10 {
        let both = json!({ "query": text(i), "extensions": apollo(&hash(&text(i))) });
        assert!(Way::Post.send(&server, &both).await["data"].is_object());
        // The first is used again and again.
        let first = json!({ "extensions": apollo(&hash(&text(0))) });
        assert!(
            Way::Post.send(&server, &first).await["data"].is_object(),
            "{i}"
        );
    }
    let known = |i: usize| json!({ "extensions": apollo(&hash(&text(i))) });
    assert_eq!(
        code(&Way::Post.send(&server, &known(1)).await),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    assert!(Way::Post.send(&server, &known(9)).await["data"].is_object());

    let none = Server::with(&["--document-cache-bytes", "0"]).await;
    let both = json!({ "query": COUNT, "extensions": apollo(&hash(COUNT)) });
    assert!(is_counted(&Way::Post.send(&none, &both).await));
    let known = json!({ "extensions": apollo(&hash(COUNT)) });
    assert_eq!(
        code(&Way::Post.send(&none, &known).await),
        "PERSISTED_QUERY_NOT_FOUND"
    );
}

#[tokio::test]
async fn what_is_no_name_of_a_document_is_said() {
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
        let answer = Way::Post.send(&server, &parameters).await;
        assert_eq!(code(&answer), "BAD_USER_INPUT", "{parameters}");
        let message = refusal(&answer)["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
}

fn file(dir: &TempDir, content: &Value) -> String {
    let path = dir.path().join("documents.json");
    std::fs::write(&path, content.to_string()).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn the_operators_documents_run_and_no_others_where_that_is_said() {
    let dir = TempDir::new().unwrap();
    let plain = json!({ "count": COUNT });
    let manifest = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{ "id": hash(COUNT), "name": "Count", "type": "query", "body": COUNT }],
    });
    for (content, id) in [(plain, "count".to_owned()), (manifest, hash(COUNT))] {
        let path = file(&dir, &content);
        let open = Server::with(&["--documents", &path]).await;
        let only = Server::with(&["--documents", &path, "--only-documents"]).await;
        for way in WAYS {
            for server in [&open, &only] {
                for known in [
                    json!({ "documentId": id }),
                    json!({ "documentId": format!("sha256:{}", hash(COUNT)) }),
                    json!({ "extensions": apollo(&hash(COUNT)) }),
                ] {
                    assert!(
                        is_counted(&way.send(server, &known).await),
                        "{way:?} {known}"
                    );
                }
            }
            let wrong = json!({ "query": "{ __typename }", "extensions": apollo(&hash(COUNT)) });
            for server in [&open, &only] {
                let answer = way.send(server, &wrong).await;
                assert_eq!(code(&answer), "BAD_USER_INPUT", "{way:?}");
            }
            let sent = json!({ "query": COUNT });
            assert!(is_counted(&way.send(&open, &sent).await), "{way:?}");
            for other in [
                sent,
                json!({ "query": "{ __schema { queryType { name } } }" }),
                json!({ "query": "{ __typename }", "extensions": apollo(&hash("{ __typename }")) }),
                json!({ "documentId": "other" }),
                json!({ "extensions": apollo(&hash("{ other }")) }),
            ] {
                let answer = way.send(&only, &other).await;
                assert_eq!(code(&answer), "PERSISTED_QUERY_ONLY", "{way:?} {other}");
                let message = refusal(&answer)["message"].as_str().unwrap();
                assert!(message.contains("documentId"), "{message}");
            }
        }
    }
}

/// What the server says that does not start with these documents.
async fn does_not_start(path: &str, flags: &[&str]) -> String {
    let database = Database::fresh_file();
    let place = ["--database-url", &database.url, "--documents", path];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let (code, _, said) = run(&[&serve[..], &place, flags].concat()).await;
    assert_eq!(code, Some(1), "{said}");
    said
}

#[tokio::test]
async fn documents_that_cannot_be_run_keep_the_server_from_starting() {
    let dir = TempDir::new().unwrap();
    for (text, part) in [
        ("{ builds {", "-->"),
        ("{ buildz { totalCount } }", "buildz"),
        (COSTLY, "max-cost"),
        ("{ a: __typename b: __typename }", "max-aliases"),
    ] {
        let path = file(&dir, &json!({ "good": COUNT, "bad": text }));
        let said = does_not_start(&path, &["--max-aliases", "1"]).await;
        assert!(said.contains("\"bad\"") && said.contains(part), "{said}");
    }
    for content in [
        json!([]),
        json!({ "a": 1 }),
        json!({ "format": "other", "operations": [] }),
    ] {
        let path = file(&dir, &content);
        let said = does_not_start(&path, &[]).await;
        assert!(said.contains("--documents"), "{said}");
    }
    let nowhere = Path::new("/nowhere/documents.json").display().to_string();
    assert!(
        does_not_start(&nowhere, &[])
            .await
            .contains("/nowhere/documents.json")
    );
}
