//! A Buildbot master's database is read and never written: no row, no journal mode, no feed.

use serde_json::json;

use super::{live, serve};
use crate::support::{client::Client, database::on_sqlite};

const MUTATIONS: [&str; 10] = [
    "newStep(buildid: 1, name: \"x\") { cursor }",
    "startStep(stepid: 1) { cursor }",
    "setStepLocksAcquiredAt(stepid: 1) { cursor }",
    "setStepStateString(stepid: 1, stateString: \"x\") { cursor }",
    "addStepURL(stepid: 1, name: \"x\", url: \"https://example.org/\") { cursor }",
    "finishStep(stepid: 1, results: SUCCESS) { cursor }",
    "findBuilder(name: \"42\") { name }",
    "addBuild(builderid: 1) { build { number } }",
    "setBuildStateString(buildid: 1, stateString: \"x\") { build { number } }",
    "finishBuild(buildid: 1, results: SUCCESS) { build { number } }",
];

pub(crate) async fn try_mutations(client: &Client) {
    for mutation in MUTATIONS {
        let (code, message) = client
            .error(&format!("mutation {{ {mutation} }}"), json!({}))
            .await;
        assert_eq!(code, "READ_ONLY", "{mutation}: {message}");
    }
}

pub(crate) async fn try_everything(client: &Client) {
    try_mutations(client).await;
    let (code, message) = client.error("{ eventCursor }", json!({})).await;
    assert_eq!(code, "FEED_DETACHED");
    assert!(message.contains("attach"), "{message}");
}

/// Neither a byte of the file nor a file beside it changes. Setting our own journal mode would
/// change both.
#[tokio::test]
async fn a_masters_file_is_never_written() {
    // `server.rs` tests the other databases.
    if !on_sqlite("it looks at the file") {
        return;
    }
    let server = serve().await;
    let client = server.client();
    try_everything(&client).await;
    client
        .data(
            "{ steps(first: 500) { nodes { build { builder { tags } } } } }",
            json!({}),
        )
        .await;
    for arguments in ["", "(snapshot: true)"] {
        let mut ws = server.ws().await;
        ws.subscribe(arguments).await;
        let message = ws.receive().await;
        let error = match message["type"].as_str() {
            Some("next") => &message["payload"]["errors"][0],
            _ => &message["payload"][0],
        };
        assert_eq!(error["extensions"]["code"], "FEED_DETACHED", "{message:#}");
        let text = error["message"].as_str().unwrap();
        assert!(text.contains("attach"), "{text}");
    }
    let beside = || -> Vec<String> {
        let folder = std::fs::read_dir(server.database.file().parent().unwrap()).unwrap();
        folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(beside(), ["steps.sqlite"]);
    let (before, file) = (
        std::fs::read(live()).unwrap(),
        server.database.file().to_owned(),
    );
    assert!(
        std::fs::read(&file).unwrap() == before,
        "the file was changed while served"
    );
    // Bytes 18 and 19 give the journal mode: 1 is a rollback journal, 2 a write-ahead log.
    assert_eq!(before[18..20], [1, 1]);
    server.handle.close_database().await;
    assert_eq!(beside(), ["steps.sqlite"]);
    assert!(
        std::fs::read(&file).unwrap() == before,
        "the file was changed on the way out"
    );
}
