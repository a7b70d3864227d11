//! The README's GraphQL examples match what a fresh demo returns, on each database.
//! `tests/outside/readme.test.mjs` follows the rest of it.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::server::Server;

/// The GraphQL blocks of the README, each with the JSON block that follows it.
fn examples(readme: &str) -> Vec<(&str, Value)> {
    let mut blocks = readme.split("\n```").collect::<Vec<_>>().into_iter();
    let mut examples = Vec::new();
    while let Some(block) = blocks.next() {
        if let Some(query) = block.strip_prefix("graphql\n") {
            let response = blocks
                .find_map(|b| b.strip_prefix("json\n"))
                .expect("an answer");
            examples.push((query, serde_json::from_str(response).unwrap()));
        }
    }
    examples
}

#[tokio::test]
async fn the_readmes_examples_are_real() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let server = Server::start().await;
    // Only the history: running builds would make the answers vary.
    server.handle.add_demo_history().await.unwrap();
    let examples = examples(&readme);
    assert_eq!(examples.len(), 2);
    for (query, response) in examples {
        let client = server.client();
        assert_eq!(client.execute(query, json!({})).await, response, "{query}");
    }
}
