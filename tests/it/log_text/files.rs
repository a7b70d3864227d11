//! A log as REST gives it: `contents`, `raw`, `raw_inline`.

use reqwest::{Method, Response};
use serde_json::json;

use super::TestLog;
use crate::support::server::Server;

/// The path of a file of the log.
fn path(log: &TestLog, form: &str) -> String {
    format!("/api/v2/logs/{}/{form}", log.logid)
}

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = reqwest::Client::new();
    let mut request = client.request(Method::GET, format!("http://{}{path}", server.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

async fn small_log(server: &Server, log_type: &str) -> TestLog {
    let log = TestLog::new(server, log_type).await;
    log.append("one\ntwo").await;
    log.append("three ✓").await;
    log
}

#[tokio::test]
async fn contents_are_lines_as_they_are_stored() {
    let server = Server::start().await;
    let log = small_log(&server, "STDIO").await;
    let contents = async |query: &str| {
        let response = get(&server, &path(&log, &format!("contents{query}")), &[]).await;
        let status = response.status().as_u16();
        (status, response.json::<serde_json::Value>().await.unwrap())
    };
    let body = |firstline: i32, content: &str| {
        let chunk = json!({ "content": content, "firstline": firstline, "logid": log.logid });
        (200, json!({ "logchunks": [chunk], "meta": {} }))
    };
    assert_eq!(contents("").await, body(0, "oone\notwo\nothree ✓\n"));
    assert_eq!(contents("?offset=1&limit=1").await, body(1, "otwo\n"));
    assert_eq!(contents("?limit=2").await, body(0, "oone\notwo\n"));
    assert_eq!(contents("?offset=2").await, body(2, "othree ✓\n"));
    assert_eq!(contents("?offset=9&limit=5").await, body(9, ""));
    let selected = contents("?field=firstline&limit=1").await.1;
    assert_eq!(selected["logchunks"], json!([{ "firstline": 0 }]));
    for refused in ["?offset=9", "?limit=0"] {
        assert_eq!(contents(refused).await.0, 404, "{refused}");
    }
    for refused in ["?firstline=1", "?offset=-1", "?field=x"] {
        assert_eq!(contents(refused).await.0, 400, "{refused}");
    }
    let text = get(
        &server,
        &path(&log, "contents"),
        &[("accept", "text/plain")],
    )
    .await;
    assert_eq!(
        header(&text, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    let text = text.text().await.unwrap();
    assert!(
        text.contains("\n      \"content\": \"oone\\notwo"),
        "{text}"
    );
}

#[tokio::test]
async fn logs_are_found_by_every_path() {
    let server = Server::start().await;
    let log = small_log(&server, "STDIO").await;
    let ids = log.field("step { stepid buildid }").await;
    let (step, build) = (&ids["stepid"], &ids["buildid"]);
    let wanted = json!({
        "complete": false, "logid": log.logid, "name": "stdio", "num_lines": 3, "slug": "stdio",
        "stepid": step, "type": "s",
    });
    let steps = [
        format!("steps/{step}"),
        format!("builds/{build}/steps/compile"),
        format!("builds/{build}/steps/0"),
        "builders/1/builds/1/steps/compile".to_owned(),
        "builders/runtests/builds/1/steps/0".to_owned(),
    ];
    let json = async |path: &str| {
        let response = get(&server, &format!("/api/v2/{path}"), &[]).await;
        let status = response.status().as_u16();
        (status, response.json::<serde_json::Value>().await.unwrap())
    };
    let mut logs = vec![format!("logs/{}", log.logid)];
    for step in steps {
        let list = json(&format!(
            "{step}/logs?num_lines__gt=2&slug=stdio&order=-name"
        ))
        .await;
        let body = json!({ "logs": [wanted], "meta": { "total": 1 } });
        assert_eq!(list, (200, body), "{step}");
        logs.push(format!("{step}/logs/stdio"));
    }
    for path in logs {
        assert_eq!(json(&path).await.1["logs"], json!([wanted]), "{path}");
        let contents = json(&format!("{path}/contents?limit=1")).await;
        assert_eq!(contents.1["logchunks"][0]["content"], "oone\n", "{path}");
        let raw = get(&server, &format!("/api/v2/{path}/raw_inline"), &[]).await;
        assert!(
            raw.text().await.unwrap().ends_with("one\ntwo\nthree ✓\n"),
            "{path}"
        );
    }
    let none = format!("steps/{step}/logs/nothing");
    for path in ["logs/99999", "logs/99999/contents", "logs/99999/raw", &none] {
        assert_eq!(json(path).await.0, 404, "{path}");
    }
    assert_eq!(json("steps/99999/logs").await.1["logs"], json!([]));
}

#[tokio::test]
async fn raw_is_a_file_of_text() {
    let server = Server::start().await;
    let log = small_log(&server, "STDIO").await;
    log.append_to("oh", "STDERR").await;
    let text = "Builder: runtests\nBuild number: 1\none\ntwo\nthree ✓\noh\n";
    let raw = get(&server, &path(&log, "raw"), &[]).await;
    assert_eq!(
        header(&raw, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        header(&raw, "content-disposition"),
        Some("attachment; filename=runtests_build_1_step_compile_log_stdio")
    );
    assert_eq!(header(&raw, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&raw, "etag"), None, "it still grows");
    assert_eq!(raw.text().await.unwrap(), text);
    let inline = get(
        &server,
        &path(&log, "raw_inline"),
        &[("range", "bytes=0-1")],
    )
    .await;
    assert_eq!(inline.status(), 200, "it still grows");
    assert_eq!(header(&inline, "content-disposition"), None);
    assert_eq!(inline.text().await.unwrap(), text);
    let plain = small_log(&server, "TEXT").await;
    let raw = get(&server, &path(&plain, "raw"), &[]).await;
    assert_eq!(raw.text().await.unwrap(), "one\ntwo\nthree ✓\n");
}

#[tokio::test]
async fn html_runs_nothing() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "HTML").await;
    log.append("<script>alert(1)</script>").await;
    for form in ["raw", "raw_inline"] {
        let raw = get(&server, &path(&log, form), &[]).await;
        assert_eq!(
            header(&raw, "content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(header(&raw, "x-content-type-options"), Some("nosniff"));
        let policy = header(&raw, "content-security-policy").unwrap();
        assert!(
            policy.starts_with("sandbox; default-src 'none';"),
            "{policy}"
        );
        assert!(
            !policy.contains("allow-") && !policy.contains("script"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_finished_log_has_versions_and_ranges() {
    let server = Server::start().await;
    let log = small_log(&server, "TEXT").await;
    log.finish().await;
    let raw = path(&log, "raw");
    let whole = get(&server, &raw, &[]).await;
    assert_eq!(header(&whole, "accept-ranges"), Some("bytes"));
    let tag = header(&whole, "etag").unwrap().to_owned();
    let bytes = whole.bytes().await.unwrap();
    let length = bytes.len();
    let known = format!("\"x\", W/{tag}");
    let same = get(&server, &raw, &[("if-none-match", &known)]).await;
    assert_eq!(
        (same.status().as_u16(), header(&same, "etag")),
        (304, Some(&*tag))
    );
    assert_eq!(same.bytes().await.unwrap().len(), 0);
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=2-9", 2, 9),
        ("bytes=4-", 4, length - 1),
        ("bytes=-3", length - 3, length - 1),
        ("bytes=0-99999", 0, length - 1),
    ] {
        let part = get(&server, &raw, &[("range", range), ("if-range", &tag)]).await;
        assert_eq!(part.status(), 206, "{range}");
        let wanted = format!("bytes {first}-{last}/{length}");
        assert_eq!(header(&part, "content-range"), Some(&*wanted));
        let size = (last - first + 1).to_string();
        assert_eq!(header(&part, "content-length"), Some(&*size), "{range}");
        assert_eq!(part.bytes().await.unwrap(), bytes[first..=last], "{range}");
    }
    for (range, status) in [
        ("bytes=99999-", 416),
        ("bytes=-0", 416),
        ("bytes=0-1,3-4", 200),
        ("lines=0-1", 200),
    ] {
        let part = get(&server, &raw, &[("range", range)]).await;
        assert_eq!(part.status(), status, "{range}");
        if status == 416 {
            let all = format!("bytes */{length}");
            assert_eq!(header(&part, "content-range"), Some(&*all));
        }
    }
    let old = get(
        &server,
        &raw,
        &[("range", "bytes=0-1"), ("if-range", "\"old\"")],
    )
    .await;
    assert_eq!(old.status(), 200);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_an_error_and_not_half_a_file() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let log = TestLog::new(&server, "TEXT").await;
    log.add_chunk(&sql, 0, 0, 4, b"not zstd").await;
    for form in ["raw", "raw_inline", "contents"] {
        let response = get(&server, &path(&log, form), &[]).await;
        assert_eq!(response.status(), 500, "{form}");
        let body: serde_json::Value = response.json().await.unwrap();
        let text = body["error"].as_str().unwrap();
        assert!(text.contains("lines 0 to 0 of log"), "{text}");
    }
    let later = TestLog::new(&server, "TEXT").await;
    later.append("fine").await;
    later.add_chunk(&sql, 1, 1, 4, b"not zstd").await;
    for form in ["raw", "contents"] {
        // The connection breaks off, perhaps before anything was sent.
        let url = format!("http://{}{}", server.address, path(&later, form));
        let whole = match reqwest::get(url).await {
            Ok(response) => response.bytes().await,
            Err(error) => Err(error),
        };
        whole.expect_err("it is cut short");
    }
}

#[tokio::test]
async fn files_are_compressed_for_those_who_ask() {
    let server = Server::start().await;
    let log = TestLog::new(&server, "TEXT").await;
    log.append(&"again and again\n".repeat(5_000)).await;
    log.finish().await;
    for encoding in ["gzip", "zstd"] {
        let asked = [("accept-encoding", encoding)];
        let raw = get(&server, &path(&log, "raw"), &asked).await;
        assert_eq!(header(&raw, "content-encoding"), Some(encoding));
        assert!(raw.bytes().await.unwrap().len() < 8_000, "{encoding}");
        // Some clients accept zstd and cannot read it; they ask for JSON.
        let json = get(&server, &path(&log, "contents"), &asked).await;
        let expected = (encoding == "gzip").then_some(encoding);
        assert_eq!(header(&json, "content-encoding"), expected);
        let part = [("accept-encoding", encoding), ("range", "bytes=0-4999")];
        let part = get(&server, &path(&log, "raw"), &part).await;
        assert_eq!(header(&part, "content-encoding"), None);
        assert_eq!(part.bytes().await.unwrap().len(), 5_000);
    }
}
