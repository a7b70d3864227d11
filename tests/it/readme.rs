//! What the README shows is what a first start of the demo answers.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::server::Server;

/// The GraphQL blocks of the README, each with the JSON block that follows it.
fn examples(readme: &str) -> Vec<(&str, Value)> {
    let mut blocks = readme.split("\n```").collect::<Vec<_>>().into_iter();
    let mut examples = Vec::new();
    while let Some(block) = blocks.next() {
        if let Some(query) = block.strip_prefix("graphql\n") {
            let answer = blocks
                .find_map(|b| b.strip_prefix("json\n"))
                .expect("an answer");
            examples.push((query, serde_json::from_str(answer).unwrap()));
        }
    }
    examples
}

#[tokio::test]
async fn the_readmes_answers_are_real() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let server = Server::start().await;
    // The history alone: the builds that run would come in between.
    server.handle.add_demo_history().await.unwrap();
    let examples = examples(&readme);
    assert_eq!(examples.len(), 3);
    // The name of a request is its own, so it asks by that of the example.
    let named = examples
        .iter()
        .find_map(|(_, answer)| answer["errors"][0]["extensions"]["requestId"].as_str());
    let client = server.client().named(named.unwrap());
    for (query, answer) in examples {
        assert_eq!(client.execute(query, json!({})).await, answer, "{query}");
    }
}
