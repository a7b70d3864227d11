//! Tests of the state machine.

use super::*;

fn session(part: WatchedPart) -> WatchSession {
    WatchSession::new(part, Some(BearerToken("t".to_owned())), false)
}

fn build() -> WatchedPart {
    WatchedPart::Build("b".to_owned(), 7)
}

fn row(buildid: i64) -> Value {
    json!({ "buildid": buildid, "number": 7, "builder": { "name": "b" }, "stateString": "s",
        "complete": false, "results": null, "startedAt": "2026-11-22T06:16:00Z" })
}

fn next(id: &str, data: &Value) -> String {
    json!({ "id": id, "type": "next", "payload": { "data": data } }).to_string()
}

/// What is sent for a message.
fn sent(session: &mut WatchSession, message: &Value) -> Value {
    let mut out = Vec::new();
    session.receive(&message.to_string(), &mut out).unwrap();
    let [text] = &out[..] else {
        panic!("one message: {out:?}")
    };
    serde_json::from_str(text).unwrap()
}

fn event(cursor: &str, kind: &str) -> String {
    let event = json!({ "cursor": cursor, "kind": kind, "occurredAt": "now" });
    next(EVENTS, &json!({ "events": event }))
}

#[test]
fn a_snapshot_comes_first_and_then_what_changed_after_it() {
    let mut session = session(build());
    let init: Value = serde_json::from_str(&session.connect(vec![])).unwrap();
    assert_eq!(init["payload"], json!({ "Authorization": "Bearer t" }));
    let query = sent(&mut session, &json!({ "type": "connection_ack" }));
    assert_eq!(query["id"], SNAPSHOT);
    assert_eq!(
        query["payload"]["variables"],
        json!({ "name": "b", "number": 7 })
    );

    let mut out = Vec::new();
    let data = json!({ "eventCursor": "c1", "builder": { "build": row(3) } });
    let heard = session.receive(&next(SNAPSHOT, &data), &mut out);
    let Ok(Heard::Snapshot(rows)) = heard else {
        panic!("no snapshot: {heard:?}")
    };
    assert_eq!(rows.builds[0].0.started_at, Some(1_795_328_160));
    let subscribe: Value = serde_json::from_str(&out[0]).unwrap();
    let expected = json!({ "after": "c1", "where": { "types": ["BUILD", "STEP"], "buildid": 3 } });
    assert_eq!(subscribe["payload"]["variables"], expected);
}

#[test]
fn another_connection_goes_on_at_the_last_cursor() {
    let mut session = session(WatchedPart::Everything);
    session.connect(vec![]);
    let data = json!({ "eventCursor": "c1", "running": { "nodes": [] } });
    session
        .receive(&next(SNAPSHOT, &data), &mut Vec::new())
        .unwrap();
    session
        .receive(&event("c2", "CAUGHT_UP"), &mut Vec::new())
        .unwrap();
    session.connect(vec![]);
    let ack = json!({ "type": "connection_ack" });
    let subscribe = sent(&mut session, &ack);
    assert_eq!(subscribe["payload"]["variables"]["after"], "c2");
    session.begin_anew();
    session.connect(vec![4]);
    let query = sent(&mut session, &ack);
    assert_eq!(query["payload"]["variables"], json!({ "known": [4] }));
}

#[test]
fn what_is_not_there_is_refused() {
    for (part, data, named) in [
        (
            build(),
            json!({ "eventCursor": "c", "builder": null }),
            "--builder \"b\"",
        ),
        (
            build(),
            json!({ "eventCursor": "c", "builder": { "build": null } }),
            "--build 7",
        ),
        (
            WatchedPart::Builder("b".to_owned()),
            json!({ "eventCursor": "c", "builder": null }),
            "--builder",
        ),
        (WatchedPart::Everything, json!({}), "eventCursor"),
    ] {
        let refused = session(part).receive(&next(SNAPSHOT, &data), &mut Vec::new());
        let Err(Setback::Refused(why)) = refused else {
            panic!("{data}: {refused:?}")
        };
        assert!(why.contains(named), "{why}");
    }
}

#[test]
fn pings_are_answered_and_strangers_refused() {
    let mut session = session(WatchedPart::Everything);
    let pong = sent(&mut session, &json!({ "type": "ping" }));
    assert_eq!(pong, json!({ "type": "pong" }));
    for text in ["hello", "", "{"] {
        let refused = session.receive(text, &mut Vec::new());
        assert!(matches!(refused, Err(Setback::Refused(_))), "{text}");
    }
    let ended = json!({ "id": EVENTS, "type": "complete" }).to_string();
    let ended = session.receive(&ended, &mut Vec::new());
    assert!(matches!(ended, Err(Setback::Lost(..))));
}

#[test]
fn a_list_that_goes_on_is_noticed() {
    let mut row = row(3);
    row["currentStep"] = json!({ "number": 0, "name": "s", "stateString": "x", "complete": false,
        "results": null, "startedAt": null, "completeAt": null });
    let list = json!({ "nodes": [row], "pageInfo": { "hasNextPage": true } });
    let data = json!({ "eventCursor": "c", "running": list });
    let mut session = session(WatchedPart::Everything);
    let heard = session.receive(&next(SNAPSHOT, &data), &mut Vec::new());
    let Ok(Heard::Snapshot(rows)) = heard else {
        panic!("no snapshot: {heard:?}")
    };
    assert!(rows.has_more);
    assert_eq!(rows.builds[0].1[0].name, "s");
}
