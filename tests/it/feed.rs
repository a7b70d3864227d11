//! The change feed, and what tests need to read it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{client::Client, sql::Sql, ws::Ws};

pub(crate) mod backfill;
mod cursor;
mod filter;
mod foreign_writes;
mod live;
mod noun_filters;
mod nouns;
mod replayed;
mod restored;
mod retention;
mod shared_subscription;
mod slow_clients;
mod snapshot;
mod socket;

/// Every field of a step that an event or a payload can have.
pub(crate) const STEP: &str = "stepid buildid number name startedAt locksAcquiredAt complete completeAt results \
     stateString urls { name url } hidden durationS lockWaitS";

/// The cursor of the feed's newest position.
pub(crate) async fn newest_cursor(client: &Client) -> String {
    let data = client.data("{ eventCursor }", json!({})).await;
    data["eventCursor"].as_str().unwrap().to_owned()
}

/// The arguments of a subscription that starts after a cursor.
pub(crate) fn after(cursor: &str) -> String {
    format!("(after: {cursor:?})")
}

/// The event row that a cursor names. Cursors are opaque to clients.
pub(crate) fn position(cursor: &Value) -> i64 {
    let cursor = cursor.as_str().unwrap();
    i64::from_str_radix(&cursor[8..24], 16).unwrap()
}

/// The next events, this many.
pub(crate) async fn next_events(ws: &mut Ws, count: usize) -> Vec<Value> {
    let mut received = Vec::with_capacity(count);
    for _ in 0..count {
        received.push(ws.event().await);
    }
    received
}

/// A short form of an event, as [`event_log`] returns it.
pub(crate) fn summary(event: &Value) -> Value {
    let step = &event["step"];
    json!([
        position(&event["cursor"]),
        event["kind"],
        step["stepid"],
        step["name"],
        step["stateString"]
    ])
}

/// The events of steps after a position, as the table holds them.
pub(crate) async fn event_log(sql: &Sql, position: i64) -> Vec<Value> {
    let column = sql.position_column();
    sql.rows(&format!(
        "SELECT json_array({column}, CASE kind WHEN 1 THEN 'NEW' WHEN 2 THEN 'STARTED' WHEN 3 THEN 'UPDATED' \
         WHEN 4 THEN 'FINISHED' END, stepid, name, state_string) AS json \
         FROM graphql_events WHERE noun = 4 AND {column} > {position} ORDER BY {column}"
    ))
    .await
}

/// Writes to this step until the subscriber, who started at "now", receives an event. A
/// subscription does not announce when it is live.
pub(crate) async fn write_until_live(ws: &mut Ws, client: &Client, stepid: i64) {
    loop {
        let written = client.set_state(stepid, "are you there?").await;
        let Ok(mut event) = timeout(Duration::from_millis(200), ws.event()).await else {
            continue;
        };
        while event["cursor"] != written.as_str() {
            assert_eq!(event["step"]["stepid"], stepid);
            event = ws.event().await;
        }
        return;
    }
}
