//! Each level is one statement, and only what is asked for is read.

use serde_json::json;

use crate::loader::RecordingServer;

/// Completes the first four builds of each builder.
const COMPLETE: &str = "UPDATE builds SET complete_at = 9, results = 0 WHERE number <= 4";

#[tokio::test]
async fn a_level_of_answers_is_one_statement() {
    let recording = RecordingServer::with(120).await;
    recording.run_sql(COMPLETE).await;
    for (inner, statements) in [
        ("builds(first: 6) { nodes { durationS } }", 2),
        ("builds(first: 6) { nodes { expectedCompleteAt } }", 3),
        ("builds(first: 6) { nodes { currentStep { name } } }", 3),
        (
            "builds(first: 6) { nodes { currentStep { build { number } } expectedCompleteAt } }",
            5,
        ),
        // Complete builds have neither.
        (
            "builds(first: 4) { nodes { currentStep { name } expectedCompleteAt } }",
            2,
        ),
        ("stats { builds successRate medianDurationS }", 2),
        ("stats { __typename }", 2),
        ("stats { steps { name runs } }", 3),
        (
            "a: stats { steps { name } } b: stats(last: 2) { steps { name } }",
            4,
        ),
        ("stats { steps @skip(if: true) { name } builds }", 2),
    ] {
        let query = format!("{{ builders(first: 500) {{ nodes {{ {inner} }} }} }}");
        recording.expect_statements(&query, statements).await;
    }
}

/// Without a complete build there are no steps to read.
#[tokio::test]
async fn nothing_to_add_up_is_no_statement() {
    let recording = RecordingServer::with(3).await;
    let query = "{ builders { nodes { stats { builds steps { name } } } } }";
    recording.expect_statements(query, 2).await;
}

/// Above five hundred builds the statement is another one.
#[tokio::test]
async fn a_thousand_running_builds_have_their_own_steps() {
    let recording = RecordingServer::with(300).await;
    recording
        .run_sql("UPDATE steps SET complete_at = 1 WHERE number = 2 AND buildid % 2 = 0")
        .await;
    let query = "{ builders(first: 500) { nodes { builds(first: 6) { nodes { buildid \
                 currentStep { number buildid } } } } } }";
    let data = recording.expect_statements(query, 3).await;
    let mut builds = 0;
    for builder in data["builders"]["nodes"].as_array().unwrap() {
        for build in builder["builds"]["nodes"].as_array().unwrap() {
            let id = build["buildid"].as_i64().unwrap();
            let step = json!({ "number": 1 + id % 2, "buildid": id });
            assert_eq!(build["currentStep"], step);
            builds += 1;
        }
    }
    assert_eq!(builds, 1_800);
}
