//! Rows that Buildbot would not write: they take nothing else with them.

use serde_json::json;

use crate::support::{database::on_sqlite, server::Server};

const WHY: &str = "it alone keeps a text in a number's column";

/// A builder with three complete builds of 10, 20 and 30 seconds and one that runs, with two steps
/// each.
async fn seeded() -> Server {
    let server = Server::start().await;
    let client = server.client();
    for _ in 0..4 {
        let build = client.add_build("b").await;
        client.new_step(build, "one").await;
        client.new_step(build, "two").await;
    }
    let sql = "UPDATE builds SET started_at = 100, complete_at = 100 + 10 * number, results = 0 WHERE number < 4; \
               UPDATE builds SET started_at = 1000 WHERE number = 4; \
               UPDATE steps SET started_at = 0, locks_acquired_at = 1, complete_at = 5, results = 0 \
               WHERE buildid IN (SELECT id FROM builds WHERE number < 4)";
    server.sql().await.run(sql).await;
    server
}

const ALL: &str = "{ builders { nodes { stats { builds successRate medianDurationS results { count } \
     steps { name runs failures medianDurationS medianLockWaitS } } \
     builds { nodes { durationS expectedCompleteAt currentStep { name } } } } } }";

/// After this SQL, what is at these places of the answer.
async fn expect(sql: &str, expected: &[(&str, serde_json::Value)]) {
    let server = seeded().await;
    server.sql().await.run(sql).await;
    let data = server.client().data(ALL, json!({})).await;
    let builder = &data["builders"]["nodes"][0];
    for (pointer, value) in expected {
        let found = builder
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"));
        assert_eq!(found, value, "{sql}\n{pointer}\n{builder:#}");
    }
}

#[tokio::test]
async fn untouched_rows_answer() {
    let step = |name| json!({ "name": name, "runs": 3, "failures": 0, "medianDurationS": 5, "medianLockWaitS": 1 });
    expect(
        "SELECT 1",
        &[
            ("/stats/builds", json!(3)),
            ("/stats/successRate", json!(1.0)),
            ("/stats/medianDurationS", json!(20)),
            ("/stats/steps", json!([step("one"), step("two")])),
            ("/builds/nodes/2/durationS", json!(30)),
            ("/builds/nodes/2/expectedCompleteAt", json!(null)),
            ("/builds/nodes/3/durationS", json!(null)),
            (
                "/builds/nodes/3/expectedCompleteAt",
                json!("1970-01-01T00:17:00Z"),
            ),
            // Not started yet, but of the highest number.
            ("/builds/nodes/3/currentStep/name", json!("two")),
        ],
    )
    .await;
}

#[tokio::test]
async fn negative_times_and_unknown_results_are_left_out() {
    expect(
        "UPDATE builds SET complete_at = 99 WHERE number = 2; \
         UPDATE builds SET results = 7 WHERE number = 1; \
         UPDATE steps SET complete_at = -1, locks_acquired_at = -1, results = 4 WHERE name = 'two'",
        &[
            ("/stats/builds", json!(3)),
            ("/stats/results", json!([{ "count": 2 }])),
            ("/stats/successRate", json!(2.0 / 3.0)),
            ("/stats/medianDurationS", json!(10)),
            ("/builds/nodes/1/durationS", json!(null)),
            // Of the builds that were successful only the third has a duration.
            ("/builds/nodes/3/expectedCompleteAt", json!("1970-01-01T00:17:10Z")),
            (
                "/stats/steps/1",
                json!({ "name": "two", "runs": 3, "failures": 3, "medianDurationS": null, "medianLockWaitS": null }),
            ),
            // Every step is finished now, with whatever time.
            ("/builds/nodes/3/currentStep/name", json!("one")),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_unfinished_step_of_a_complete_build_does_not_run() {
    expect(
        "UPDATE steps SET complete_at = NULL",
        &[
            ("/builds/nodes/0/currentStep", json!(null)),
            ("/builds/nodes/3/currentStep/name", json!("two")),
            ("/stats/steps/0/runs", json!(3)),
            ("/stats/steps/0/medianDurationS", json!(null)),
        ],
    )
    .await;
}

#[tokio::test]
async fn skipped_and_unstarted_steps_did_not_run() {
    expect(
        "UPDATE steps SET results = 3 WHERE name = 'one'; \
         UPDATE steps SET started_at = NULL WHERE name = 'two' AND buildid = (SELECT id FROM builds WHERE number = 1)",
        &[(
            "/stats/steps",
            json!([{ "name": "two", "runs": 2, "failures": 0, "medianDurationS": 5, "medianLockWaitS": 1 }]),
        )],
    )
    .await;
}

#[tokio::test]
async fn times_beyond_all_years_are_unknown() {
    let late = "UPDATE builds SET started_at = 253402300795 WHERE number = 4";
    let end = [("/builds/nodes/3/expectedCompleteAt", json!(null))];
    expect(late, &end).await;
    let never = format!(
        "UPDATE builds SET started_at = {} WHERE number = 4",
        i64::MAX
    );
    expect(&never, &end).await;
    let none = "UPDATE builds SET results = 2 WHERE number < 4";
    expect(none, &[end[0].clone(), ("/stats/successRate", json!(0.0))]).await;
}

#[tokio::test]
async fn texts_in_numbers_columns_are_unknown() {
    if !on_sqlite(WHY) {
        return;
    }
    expect(
        "UPDATE builds SET complete_at = 'soon' WHERE number = 3; \
         UPDATE builds SET results = 'good' WHERE number = 2; \
         UPDATE steps SET complete_at = 'soon', results = 'bad' WHERE name = 'one'",
        &[
            ("/stats/builds", json!(3)),
            ("/stats/results", json!([{ "count": 2 }])),
            ("/stats/medianDurationS", json!(10)),
            ("/builds/nodes/2/durationS", json!(null)),
            (
                "/builds/nodes/3/expectedCompleteAt",
                json!("1970-01-01T00:16:50Z"),
            ),
            ("/stats/steps/1/name", json!("one")),
            ("/stats/steps/1/runs", json!(3)),
            ("/stats/steps/1/medianDurationS", json!(null)),
        ],
    )
    .await;
    // What is no number is not the highest: the rows are left out, the others are not.
    expect(
        "UPDATE steps SET number = 'x' WHERE name = 'two'; UPDATE builds SET number = 'x' WHERE number = 3",
        &[
            ("/stats/builds", json!(2)),
            ("/builds/nodes/2/currentStep/name", json!("one")),
        ],
    )
    .await;
}
