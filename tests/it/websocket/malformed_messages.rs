//! Hundreds of malformed messages: each is ignored, gets a response or closes its own socket, and
//! the server continues.

use serde_json::json;

use super::{NEW, OLD, check_alive, init, open, send_text, subscribe};
use crate::support::{server::Server, ws::Ws};

/// Valid messages, truncated and altered.
fn malformed() -> Vec<String> {
    let good = [
        init().to_string(),
        subscribe("1", "subscription { stepEvents { cursor } }").to_string(),
        json!({ "id": "1", "type": "start", "payload": { "query": "{ __typename }", "variables": { "ü": "💥" } } })
            .to_string(),
        json!({ "id": "1", "type": "complete" }).to_string(),
        json!({ "type": "ping", "payload": { "a": [1, 2.5e9, null, true] } }).to_string(),
    ];
    let mut all = Vec::new();
    for text in &good {
        let ends = (0..text.len()).filter(|i| text.is_char_boundary(*i));
        all.extend(ends.step_by(3).map(|end| text[..end].to_owned()));
        for (from, to) in [
            ("\"", ""),
            ("\"", "'"),
            (":", ""),
            ("}", "]"),
            ("1", "null"),
            ("{", "{{"),
            ("\"1\"", "1"),
            ("\"1\"", "{}"),
            ("\"1\"", "\"\""),
            ("query", "Query"),
            ("type", "kind"),
            ("e", "\u{202e}e"),
            ("e", "\\u0000"),
            ("e", "\\ud800"),
        ] {
            all.push(text.replace(from, to));
            all.push(text.replacen(from, to, 1));
        }
    }
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    for n in [10, 127, 128, 1_000, 100_000] {
        all.push(deep(n));
        all.push(format!(
            r#"{{"type":"ping","payload":{{"a":{}}}}}"#,
            deep(n)
        ));
        let query = "{a".repeat(n) + &"}".repeat(n);
        all.push(subscribe("1", &query).to_string());
    }
    for value in ["null", "true", "-0", "1e999", "\"\"", "[]", "{}", "[null]"] {
        all.push(value.to_owned());
        for field in [
            "id",
            "type",
            "payload",
            "query",
            "variables",
            "operationName",
        ] {
            all.push(format!(
                r#"{{"id":"1","type":"subscribe","payload":{{"query":"{{__typename}}","{field}":{value}}},"{field}":{value}}}"#
            ));
        }
    }
    all.push("\u{feff}{}".to_owned());
    all.push(" ".repeat(10_000));
    all.push("{\"type\":\"ping\"}".repeat(2));
    all
}

#[tokio::test]
async fn a_malformed_message_closes_at_most_its_own_socket() {
    let server = Server::start().await;
    let malformed = malformed();
    assert!(malformed.len() > 300, "{}", malformed.len());
    for protocol in [NEW, OLD] {
        let mut closed = 0;
        for text in &malformed {
            let mut ws: Ws = open(&server, protocol).await;
            send_text(&mut ws, text).await;
            // An ignored message leaves the socket open; this text closes it in any case.
            send_text(&mut ws, "the end").await;
            let shown: String = text.chars().take(100).collect();
            let (code, reason) = ws
                .close_frame()
                .await
                .unwrap_or_else(|| panic!("no close frame: {shown}"));
            assert!([4400, 4429].contains(&code), "{code} {reason}: {shown}");
            assert!(!reason.is_empty() && reason.len() <= 123, "{reason}");
            closed += usize::from(!reason.contains("line 1 column 2"));
        }
        assert!(closed > 100, "{protocol}: all was taken: {closed}");
    }
    let mut ws = open(&server, NEW).await;
    check_alive(&mut ws, NEW).await;
}
