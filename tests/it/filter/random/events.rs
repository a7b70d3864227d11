//! A filter of events in memory, by backfill and live, and the same filter in SQL for a snapshot,
//! against one reference.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{
    check,
    rows::{self, Rows},
};

use crate::filter::seed::rows as read;
use crate::{
    feed::{after, newest_cursor, position},
    support::{server::Server, ws::Ws},
};

/// Rows, and which properties of the last step the filter tests. The last event therefore always
/// passes and marks the end.
#[derive(Debug)]
struct FilteredEvents {
    rows: Rows,
    /// Whether the filter tests the builder, the build, the step and whether the step is hidden.
    tests: [bool; 4],
    /// The builder by name, by number, or not at all.
    which: Option<bool>,
    kinds: Option<Vec<&'static str>>,
    /// The order in which steps are changed.
    changes: Vec<Index>,
}

impl AsRef<Rows> for FilteredEvents {
    fn as_ref(&self) -> &Rows {
        &self.rows
    }
}

fn filtered_events() -> impl Strategy<Value = FilteredEvents> {
    let kinds = prop::option::of(prop_oneof![
        Just(vec!["NEW", "UPDATED"]),
        Just(vec!["FINISHED", "UPDATED", "NEW", "NEW"])
    ]);
    (
        rows::rows(),
        any::<[bool; 4]>(),
        any::<Option<bool>>(),
        kinds,
        vec(any::<Index>(), 0..4),
    )
        .prop_map(|(rows, tests, which, kinds, changes)| FilteredEvents {
            rows,
            tests,
            which,
            kinds,
            changes,
        })
}

impl FilteredEvents {
    /// The filter's input.
    fn filter(&self, builder: &Value, last: &Value) -> Value {
        let [builder_too, build_too, step_too, hidden_too] = self.tests;
        let mut filter = json!({});
        if builder_too {
            filter["builderid"] = builder.clone();
        }
        if build_too {
            filter["buildid"] = last["buildid"].clone();
        }
        if step_too {
            filter["stepid"] = last["stepid"].clone();
        }
        if hidden_too {
            filter["hidden"] = (last["hidden"] != 0).into();
        }
        let name = last["name"].as_str().unwrap();
        let is_number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        match self.which {
            Some(true) if !is_number => filter["nameOrNumber"] = name.into(),
            Some(_) => filter["nameOrNumber"] = last["number"].clone(),
            None => {}
        }
        if let Some(kinds) = &self.kinds {
            filter["kinds"] = json!(kinds);
        }
        filter
    }

    async fn check(&self, server: &Server) {
        let steps = read(server, "steps").await;
        let Some(last) = steps.last() else { return };
        let builds = read(server, "builds").await;
        let builder = |step: &Value| {
            let build = builds.iter().find(|b| b["buildid"] == step["buildid"]);
            build.unwrap()["builderid"].clone()
        };
        let filter = self.filter(&builder(last), last);
        let passes = |step: &Value| {
            filter
                .as_object()
                .unwrap()
                .iter()
                .all(|(key, asked)| match key.as_str() {
                    "kinds" => true,
                    "builderid" => builder(step) == *asked,
                    "hidden" => (step["hidden"] != 0) == *asked,
                    "nameOrNumber" => step["name"] == *asked || step["number"] == *asked,
                    key => step[key] == *asked,
                })
        };
        let expected: Vec<&Value> = steps
            .iter()
            .filter(|s| passes(s))
            .map(|s| &s["stepid"])
            .collect();

        // The newest event is the last one of the transaction that wrote the rows.
        let written = i64::try_from(steps.len()).unwrap();
        let start = cursor_before(server, written).await;

        for arguments in [json!({ "after": start }), json!({ "snapshot": true })] {
            let mut ws = server.ws().await;
            subscribe(&mut ws, &filter, &arguments).await;
            for stepid in &expected {
                assert_eq!(
                    ws.event().await["step"]["stepid"],
                    **stepid,
                    "{arguments} {filter}"
                );
            }
            // Live events; the filter passes the last one.
            let changed = self.changes.iter().map(|i| i.get(&steps)).chain([last]);
            let sql = server.sql().await;
            for (i, step) in changed.enumerate() {
                sql.run(&format!(
                    "UPDATE steps SET state_string = '{}{i}' WHERE id = {}",
                    arguments["snapshot"], step["stepid"]
                ))
                .await;
                if passes(step) {
                    assert_eq!(
                        ws.event().await["step"]["stepid"],
                        step["stepid"],
                        "{arguments} {filter}"
                    );
                }
            }
        }
    }
}

/// A cursor behind which steps have the newest events, this many.
async fn cursor_before(server: &Server, count: i64) -> String {
    let newest = newest_cursor(&server.client()).await;
    let at = position(&json!(newest)) - count;
    let mut ws = server.ws().await;
    let mut cursor = format!("{}{:016x}{:08x}", &newest[..8], 0, 0);
    ws.subscribe(&after(&cursor)).await;
    loop {
        let event = ws.event().await;
        if position(&event["cursor"]) > at {
            return cursor;
        }
        event["cursor"].as_str().unwrap().clone_into(&mut cursor);
    }
}

async fn subscribe(ws: &mut Ws, filter: &Value, arguments: &Value) {
    let query = "subscription($where: StepEventFilter, $after: EventCursor, $snapshot: Boolean! = false) { \
                 stepEvents(where: $where, after: $after, snapshot: $snapshot) { kind step { stepid } } }";
    let mut variables = arguments.clone();
    variables["where"] = filter.clone();
    let payload = json!({ "query": query, "variables": variables });
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
}

#[test]
fn event_filters_agree_in_memory_and_in_sql() {
    check(
        32,
        &filtered_events(),
        &async |server, case: &FilteredEvents| {
            case.check(server).await;
        },
    );
}
