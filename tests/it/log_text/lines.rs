//! Lines by number, whatever chunks they are in.

use serde_json::{Value, json};

use super::TestLog;
use crate::support::{server::Server, wait_until};

/// Asks for lines: where they begin, where the next one is, their numbers and texts.
async fn lines(log: &TestLog, arguments: &str) -> (Value, Value, Vec<(i64, String)>) {
    let field = format!("lines{arguments} {{ from next lines {{ number text }} }}");
    let page = log.field(&field).await;
    let line = |line: &Value| {
        let text = line["text"].as_str().unwrap().to_owned();
        (line["number"].as_i64().unwrap(), text)
    };
    let lines = page["lines"].as_array().unwrap().iter().map(line);
    (page["from"].clone(), page["next"].clone(), lines.collect())
}

fn numbered(numbers: std::ops::Range<i64>) -> Vec<(i64, String)> {
    numbers.map(|n| (n, format!("line {n}"))).collect()
}

#[tokio::test]
async fn lines_are_found_by_number_before_and_after_the_merge() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let log = TestLog::new(&server, "STDIO").await;
    assert_eq!(lines(&log, "").await, (json!(0), Value::Null, vec![]));
    for part in 0..40 {
        let text: Vec<String> = (0..5).map(|n| format!("line {}", part * 5 + n)).collect();
        log.append(&text.join("\n")).await;
    }
    let check = async || {
        assert_eq!(
            lines(&log, "").await,
            (json!(0), Value::Null, numbered(0..200))
        );
        let middle = lines(&log, "(from: 97, limit: 8)").await;
        assert_eq!(middle, (json!(97), json!(105), numbered(97..105)));
        let end = lines(&log, "(from: -3)").await;
        assert_eq!(end, (json!(197), Value::Null, numbered(197..200)));
        let all = lines(&log, "(from: -1000, limit: 2)").await;
        assert_eq!(all, (json!(0), json!(2), numbered(0..2)));
        for beyond in ["(from: 200)", "(from: 2147483647)"] {
            let (_, next, lines) = lines(&log, beyond).await;
            assert_eq!((next, lines), (Value::Null, vec![]), "{beyond}");
        }
        let none = lines(&log, "(from: 5, limit: 0)").await;
        assert_eq!(none.2, []);
    };
    check().await;
    assert_eq!(log.chunks(&sql).await, (40, 0));
    log.finish().await;
    wait_until(async || log.chunks(&sql).await == (1, 1)).await;
    check().await;
}

#[tokio::test]
async fn lines_have_their_streams_and_keep_their_escapes() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "STDIO").await;
    log.append_to("make", "HEADER").await;
    log.append("\u{1b}[32mok\u{1b}[0m größer ✓").await;
    log.append_to("oh", "STDERR").await;
    let lines = log.field("lines { lines { number stream text } }").await;
    assert_eq!(
        lines["lines"],
        json!([
            { "number": 0, "stream": "HEADER", "text": "make" },
            { "number": 1, "stream": "STDOUT", "text": "\u{1b}[32mok\u{1b}[0m größer ✓" },
            { "number": 2, "stream": "STDERR", "text": "oh" },
        ])
    );
    // The same by the library, which other fields than plain ones take.
    let fragment = "lines { ... on LogLines @include(if: true) { lines { stream } } }";
    assert_eq!(log.field(fragment).await["lines"][2]["stream"], "STDERR");
}

#[tokio::test]
async fn a_page_of_long_lines_is_cut_and_goes_on() {
    let server = Server::with_flags(&["--anonymous", "write", "--max-text-bytes", "100000"]).await;
    let log = TestLog::new(&server, "TEXT").await;
    let text = "x".repeat(4_000);
    for _ in 0..20 {
        log.append(&text).await;
    }
    let (mut from, mut seen) = (json!(0), 0);
    while !from.is_null() {
        let (_, next, lines) = lines(&log, &format!("(from: {from})")).await;
        assert_eq!(lines[0].0, from.as_i64().unwrap());
        assert!(lines.len() < 10, "{}", lines.len());
        seen += lines.len();
        from = next;
    }
    assert_eq!(seen, 20);
}

#[tokio::test]
async fn too_much_is_refused() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    let (code, text) = log.refused("lines(limit: 10001) { next }").await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert_eq!(text, "limit: 0 to 10000, got 10001");
    let (code, _) = log.refused("lines(limit: -1) { next }").await;
    assert_eq!(code, "BAD_USER_INPUT");
    let fields = "a: lines(limit: 9000) { lines { number } } b: lines(limit: 9000) { lines { number } } \
                  c: lines(limit: 9000) { lines { number } }";
    let query = format!("{{ log(logid: {}) {{ {fields} }} }}", log.logid);
    let (code, text) = log.client.error(&query, json!({})).await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(text.contains("max-cost"), "{text}");
}

#[tokio::test]
async fn a_deleted_log_has_no_lines() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    log.append("a\nb").await;
    log.finish().await;
    let sql = server.sql().await;
    sql.run(&format!(
        "UPDATE logs SET type = 'd' WHERE id = {}",
        log.logid
    ))
    .await;
    assert_eq!(log.field("type").await, "DELETED");
    assert_eq!(log.field("numLines").await, 2);
    assert_eq!(lines(&log, "").await, (json!(0), Value::Null, vec![]));
    let found = log
        .field("search(text: \"a\") { next matches { number } }")
        .await;
    assert_eq!(found, json!({ "next": null, "matches": [] }));
}
