//! Search in a log, by the server.

use std::fmt::Write;

use serde_json::{Value, json};

use super::TestLog;
use crate::support::{server::Server, wait_until};

/// A log of a thousand lines, of which every tenth is an error.
async fn long_log(server: &Server) -> TestLog {
    let log = TestLog::new(server, "STDIO").await;
    for part in 0..10 {
        let mut text = String::new();
        for n in part * 100..part * 100 + 100 {
            let what = if n % 10 == 7 { "Error" } else { "fine" };
            writeln!(text, "{what} {n}").unwrap();
        }
        log.append(&text).await;
    }
    log
}

fn numbers(page: &Value) -> Vec<i64> {
    let lines = page["matches"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line["number"].as_i64().unwrap())
        .collect()
}

async fn search(log: &TestLog, arguments: &str) -> Value {
    let field = format!("search({arguments}) {{ next searchedLines matches {{ number text }} }}");
    log.field(&field).await
}

#[tokio::test]
async fn every_match_is_found_once_page_by_page() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let log = long_log(&server).await;
    let check = async || {
        let wanted: Vec<i64> = (0..100).map(|n| n * 10 + 7).collect();
        let all = search(&log, "text: \"Error\"").await;
        assert_eq!(numbers(&all), wanted);
        assert_eq!(all["matches"][3]["text"], "Error 37");
        assert_eq!(
            (&all["next"], &all["searchedLines"]),
            (&Value::Null, &json!(1_000))
        );
        let (mut from, mut found) = (json!(0), Vec::new());
        while !from.is_null() {
            let page = search(&log, &format!("text: \"Error\", from: {from}, limit: 7")).await;
            found.extend(numbers(&page));
            from = page["next"].clone();
        }
        assert_eq!(found, wanted);
        let first = search(&log, "text: \"Error\", limit: 1").await;
        assert_eq!(
            (&first["next"], &first["searchedLines"]),
            (&json!(8), &json!(8))
        );
        let last = search(&log, "regex: \"^(e|E)rror\\\\s[0-9]+$\", from: -15").await;
        assert_eq!(numbers(&last), [987, 997]);
        assert_eq!(last["searchedLines"], 15);
        let any_case = search(&log, "text: \"ERROR 9\", ignoreCase: true").await;
        assert_eq!(numbers(&any_case).len(), 11);
        let none = search(&log, "text: \"ERROR 9\"").await;
        assert_eq!(none["matches"], json!([]));
    };
    check().await;
    log.finish().await;
    wait_until(async || log.chunks(&sql).await == (1, 1)).await;
    check().await;
}

#[tokio::test]
async fn only_the_streams_that_are_asked_for() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "STDIO").await;
    for stream in ["STDOUT", "STDERR", "HEADER"] {
        log.append_to("same", stream).await;
    }
    let of = async |streams: &str| {
        let page = search(&log, &format!("text: \"same\", streams: {streams}")).await;
        numbers(&page)
    };
    assert_eq!(of("[STDERR]").await, [1]);
    assert_eq!(of("[HEADER, STDOUT]").await, [0, 2]);
    assert_eq!(of("null").await, [0, 1, 2]);
    // The character of a stream is no part of the text.
    let stored = search(&log, "text: \"osame\"").await;
    assert_eq!(stored["matches"], json!([]));
}

#[tokio::test]
async fn a_search_of_much_goes_on_with_the_next_page() {
    let server = Server::with_flags(&["--anonymous", "write", "--log-search-bytes", "3000"]).await;
    let log = long_log(&server).await;
    // Chunks of the log are read many at a time, so a page may search more than it must.
    let (mut from, mut found) = (json!(0), Vec::new());
    while !from.is_null() {
        let page = search(&log, &format!("text: \"Error\", from: {from}")).await;
        found.extend(numbers(&page));
        from = page["next"].clone();
    }
    assert_eq!(found.len(), 100);
}

#[tokio::test]
async fn what_cannot_be_searched_for_is_refused() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    for (arguments, wanted) in [
        (
            "ignoreCase: true",
            "text: give either text or regex, and not both",
        ),
        (
            "text: \"a\", regex: \"a\"",
            "text: give either text or regex, and not both",
        ),
        ("text: \"\"", "text: 1 to 1000 bytes, got 0"),
        ("regex: \"(\"", "regex: unclosed group"),
        (
            "regex: \"(a)\\\\1\"",
            "regex: backreferences are not supported",
        ),
        ("text: \"a\", limit: 10001", "limit: 0 to 10000, got 10001"),
    ] {
        let (code, text) = log
            .refused(&format!("search({arguments}) {{ next }}"))
            .await;
        assert_eq!(
            (code.as_str(), text.as_str()),
            ("BAD_USER_INPUT", wanted),
            "{arguments}"
        );
    }
    // Nothing that takes exponential time, or much memory.
    let nested = "regex: \"(x{900}){900}\"";
    let (code, text) = log.refused(&format!("search({nested}) {{ next }}")).await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(text.contains("1048576 bytes"), "{text}");
}
