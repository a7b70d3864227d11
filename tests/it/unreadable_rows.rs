//! Unreadable rows, which anybody can write on SQLite: they are left out, nothing else is missing,
//! and no page ends early.

use serde_json::{Value, json};

use crate::support::{database::on_sqlite, server::Server};

const WHY: &str = "it alone keeps a text in a number's column";

/// A build with several steps, the third of which has an unreadable number.
async fn seeded(flags: &[&str]) -> Server {
    let mut all = vec!["--anonymous", "write"];
    all.extend(flags);
    let server = Server::with_flags(&all).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for name in ["a", "b", "odd", "c", "d"] {
        client.new_step(build, name).await;
    }
    let spoil = "UPDATE steps SET number = 'x' WHERE name = 'odd'";
    server.sql().await.run(spoil).await;
    server
}

#[tokio::test]
async fn a_walk_continues_after_an_unreadable_row() {
    if !on_sqlite(WHY) {
        return;
    }
    let server = seeded(&[]).await;
    for size in 2..=5 {
        for (ahead, back, turned) in [("first", "after", false), ("last", "before", true)] {
            let (mut seen, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let query = format!(
                    "query($c: String) {{ steps({ahead}: {size}, {back}: $c) {{ nodes {{ name }} \
                     pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
                );
                let data = server.client().data(&query, json!({ "c": cursor })).await;
                let (page, nodes) = (&data["steps"]["pageInfo"], &data["steps"]["nodes"]);
                let mut names: Vec<Value> = nodes.as_array().unwrap().clone();
                if turned {
                    names.reverse();
                }
                seen.extend(names.iter().map(|n| n["name"].as_str().unwrap().to_owned()));
                let (more, next) = if turned {
                    ("hasPreviousPage", "startCursor")
                } else {
                    ("hasNextPage", "endCursor")
                };
                if page[more] == false {
                    break;
                }
                cursor = page[next].clone();
            }
            let mut expected = vec!["a", "b", "c", "d"];
            if turned {
                expected.reverse();
            }
            assert_eq!(seen, expected, "{ahead}: {size}");
        }
    }
}

/// With no row to continue from, the page is an error: neither an early end nor a cursor back to
/// the start.
#[tokio::test]
async fn a_page_of_unreadable_rows_is_an_error() {
    if !on_sqlite(WHY) {
        return;
    }
    let server = seeded(&[]).await;
    let page = "{ steps(first: 2) { pageInfo { endCursor } } }";
    let data = server.client().data(page, json!({})).await;
    let cursor = &data["steps"]["pageInfo"]["endCursor"];
    let query = "query($c: String) { steps(first: 1, after: $c) { nodes { name } } }";
    let (code, message) = server.client().error(query, json!({ "c": cursor })).await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(
        message.starts_with("first: ") && message.ends_with("got 1"),
        "{message}"
    );
}

#[tokio::test]
async fn a_builders_builds_continue_after_an_unreadable_row() {
    if !on_sqlite(WHY) {
        return;
    }
    let server = seeded(&[]).await;
    let client = server.client();
    for _ in 0..3 {
        client.add_build("b").await;
    }
    let spoil = "UPDATE builds SET locks_duration_s = 'x' WHERE number = 2";
    server.sql().await.run(spoil).await;
    let query =
        "{ builders { nodes { builds(first: 2) { nodes { number } pageInfo { hasNextPage } } } } }";
    let data = client.data(query, json!({})).await;
    let builds = &data["builders"]["nodes"][0]["builds"];
    assert_eq!(builds["nodes"], json!([{ "number": 1 }]));
    assert_eq!(builds["pageInfo"]["hasNextPage"], true);
}

/// Five steps exceed a limit of four, whether or not all can be read. A truncated snapshot must say
/// so.
#[tokio::test]
async fn a_snapshots_limit_counts_unreadable_rows() {
    if !on_sqlite(WHY) {
        return;
    }
    let server = seeded(&["--feed-snapshot-steps", "4"]).await;
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true)").await;
    assert_eq!(ws.stream_error().await.0, "LIMIT_EXCEEDED");
}
