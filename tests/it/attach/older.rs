//! A master whose `builds` has no `locks_duration_s` answers as one whose builds never waited.

use serde_json::{Value, json};

use super::{master, run, serve};
use crate::support::server::Server;

/// One read for each way in which builds are read.
const QUERIES: [&str; 8] = [
    "{ build(buildid: 1) { locksDurationS } }",
    "{ builder(builderid: 1) { build(number: 7) { buildid locksDurationS } } }",
    "{ builds(first: 3) { totalCount nodes { buildid locksDurationS } pageInfo { endCursor } } }",
    "{ builds(last: 3, orderBy: { field: STARTED_AT, direction: DESC }) { nodes { buildid locksDurationS } } }",
    "{ steps(first: 5) { nodes { build { buildid locksDurationS } } } }",
    // A page of each of many builders, by a union.
    "{ builders { nodes { builds(last: 2) { totalCount nodes { buildid locksDurationS } } } } }",
    "{ builders { nodes { builds(where: { complete: true }, orderBy: { field: COMPLETE_AT }) { nodes { buildid locksDurationS } } } } }",
    "{ builder(builderid: 2) { builds(first: 2) { nodes { buildid locksDurationS } } } }",
];

/// The same with more values than a union may bind, so that rows are numbered.
const NUMBERED: &str = "query($numbers: [Int!]) { builders { nodes { \
    builds(first: 2, where: { number: { in: $numbers } }) { totalCount nodes { buildid locksDurationS } } } } }";

const PATHS: [&str; 14] = [
    "builds/1",
    // A master on SQLite has the first of these, others the second.
    "builders/1/builds/1",
    "builders/1/builds/7",
    "builds",
    "builds?field=locks_duration_s&field=buildid",
    "builds?order=locks_duration_s&order=-buildid",
    "builds?order=-locks_duration_s&limit=3&offset=1",
    "builds?locks_duration_s=0&limit=2",
    "builds?locks_duration_s__eq=0&locks_duration_s__ne=1",
    "builds?locks_duration_s__gt=0",
    "builds?locks_duration_s__ge=0&locks_duration_s__lt=1&order=-number",
    "builds?locks_duration_s__contains=0",
    "builders/1/builds?order=locks_duration_s&locks_duration_s__le=0",
    "builders/1/builds?locks_duration_s__eq=0&locks_duration_s__eq=5",
];

/// What a server says to all of it.
async fn answers(server: &Server) -> Vec<Value> {
    let client = server.client();
    let mut answers = Vec::new();
    for query in QUERIES {
        answers.push(client.data(query, json!({})).await);
    }
    let numbers: Vec<i32> = (0..900).collect();
    answers.push(client.data(NUMBERED, json!({ "numbers": numbers })).await);
    for path in PATHS {
        let url = format!("http://{}/api/v2/{path}", server.address);
        let response = client.http.get(url).send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        answers.push(json!([status, body]));
    }
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true, where: { builderid: 1 })")
        .await;
    let mut event = ws.event().await;
    answers.push(event["step"].take());
    answers
}

#[tokio::test]
async fn no_column_reads_as_no_waits() {
    let mut all = Vec::new();
    for (change, revision) in [
        ("UPDATE builds SET locks_duration_s = 0", "067"),
        ("ALTER TABLE builds DROP COLUMN locks_duration_s", "064"),
    ] {
        let (database, sql) = master().await;
        sql.run(change).await;
        let revision = format!("UPDATE alembic_version SET version_num = '{revision}'");
        sql.run(&revision).await;
        run("attach", &database).await.unwrap();
        all.push(answers(&serve(&database, &[]).await).await);
    }
    let reads = QUERIES.iter().chain([&NUMBERED]).chain(&PATHS);
    for (i, read) in reads.chain([&"a snapshot"]).enumerate() {
        assert_eq!(all[0][i], all[1][i], "{read}");
    }
    // Three reads find nothing, as they must: one number, what is greater than 0, and the
    // snapshot.
    let count = |answer: &Value| answer.to_string().matches("\"locks_duration_s\":0").count();
    let found = all[1].iter().skip(QUERIES.len() + 1).map(count);
    assert_eq!(found.filter(|n| *n == 0).count(), 3);
}
