//! What the mutations store, and what they refuse.

use serde_json::{Value, json};

use super::{LOG, add_log, append, chunks, texts, with_step, write};
use crate::support::server::Server;

#[tokio::test]
async fn a_log_is_added_written_and_finished() {
    let (server, client) = with_step(&[]).await;
    let added = write(&client, r#"addLog(stepid: 1, name: "build log.txt")"#).await;
    let mut expected = json!({
        "logid": 1, "stepid": 1, "name": "build log.txt", "slug": "build_log_txt",
        "type": "STDIO", "complete": false, "numLines": 0
    });
    assert_eq!(added["log"], expected);
    let appended = append(&client, 1, "one\ntwo\r\nthree").await;
    expected["numLines"] = json!(3);
    assert_eq!(appended["log"], expected);
    write(
        &client,
        r#"appendLog(logid: 1, content: "\u001b[31mbad\u001b[0m\n\n", stream: STDERR)"#,
    )
    .await;
    write(
        &client,
        r#"appendLog(logid: 1, content: "exit 1", stream: HEADER)"#,
    )
    .await;
    let query = "{ log(logid: 1) { numLines lines { next lines { number stream text } } } }";
    let read = client.data(query, json!({})).await;
    let line = |number, stream, text| json!({ "number": number, "stream": stream, "text": text });
    assert_eq!(
        read["log"]["lines"]["lines"],
        json!([
            line(0, "STDOUT", "one"),
            line(1, "STDOUT", "two"),
            line(2, "STDOUT", "three"),
            line(3, "STDERR", "\u{1b}[31mbad\u{1b}[0m"),
            line(4, "STDERR", ""),
            line(5, "HEADER", "exit 1"),
        ])
    );
    expected["numLines"] = json!(6);
    expected["complete"] = json!(true);
    // As a step, it can be finished again.
    for _ in 0..2 {
        let finished = write(&client, "finishLog(logid: 1)").await;
        assert_eq!(finished["log"], expected);
    }
    let stored = server.sql().await;
    let stored = stored
        .rows("SELECT json_array(id, name, slug, stepid, complete, num_lines, type) AS json FROM logs")
        .await;
    assert_eq!(
        stored,
        [json!([1, "build log.txt", "build_log_txt", 1, 1, 6, "s"])]
    );
}

#[tokio::test]
async fn a_taken_slug_is_counted_on_and_each_step_counts_alone() {
    let (_server, client) = with_step(&[]).await;
    client.new_step(1, "test").await;
    let mut slugs = Vec::new();
    for (step, name) in [(1, "a b"), (1, "a b"), (1, "a_b"), (2, "a b"), (1, "a b_1")] {
        let added = write(&client, &format!("addLog(stepid: {step}, name: {name:?})")).await;
        assert_eq!(added["log"]["name"], name);
        slugs.push(added["log"]["slug"].clone());
    }
    // `a_b_1` is taken, and so is `a_b_2`.
    assert_eq!(slugs, ["a_b", "a_b_1", "a_b_2", "a_b", "a_b_3"]);
}

#[tokio::test]
async fn a_long_text_is_cut_into_chunks_without_holes() {
    let (server, client) = with_step(&["--max-document-bytes", "2000000"]).await;
    add_log(&client, "stdio").await;
    let lines = (0..2_000).map(|n| format!("{n} {}", "x".repeat(100)));
    let content = lines.collect::<Vec<_>>().join("\n");
    append(&client, 1, &content).await;
    append(&client, 1, &"é".repeat(5_000)).await;
    let sql = server.sql().await;
    let rows = chunks(&sql, 1).await;
    assert!(rows.len() >= 5, "{rows:?}");
    let mut next = json!(0);
    for row in &rows {
        assert_eq!(row[0], next, "{rows:?}");
        next = json!(row[1].as_i64().unwrap() + 1);
    }
    assert_eq!(next, 2_002);
    let too_long = "SELECT COUNT(*) AS n FROM logchunks WHERE LENGTH(content) > 65536";
    assert_eq!(sql.number(too_long).await, 0);
    let last = texts_from(&client, 1_999).await;
    assert_eq!(last[1].chars().count(), 4_096);
    assert_eq!(last[2].chars().count(), 904);
}

async fn texts_from(client: &crate::support::client::Client, from: i32) -> Vec<String> {
    let query = format!("{{ log(logid: 1) {{ lines(from: {from}) {{ lines {{ text }} }} }} }}");
    let data = client.data(&query, json!({})).await;
    let lines = data["log"]["lines"]["lines"].as_array().unwrap();
    let text = |line: &Value| line["text"].as_str().unwrap().to_owned();
    lines.iter().map(text).collect()
}

async fn contents(server: &Server) -> Vec<Value> {
    let sql = server.sql().await;
    let mut all = Vec::new();
    for rows in [
        "SELECT json_array(id, slug, complete, num_lines, type) AS json FROM logs ORDER BY id",
        "SELECT json_array(logid, first_line, last_line) AS json FROM logchunks ORDER BY logid, first_line",
        "SELECT json_array(id, kind) AS json FROM graphql_events ORDER BY id",
    ] {
        all.extend(sql.rows(rows).await);
    }
    all
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_and_nothing_is_written() {
    let (server, client) = with_step(&[]).await;
    add_log(&client, "stdio").await;
    append(&client, 1, "a").await;
    write(&client, r#"addLog(stepid: 1, name: "page", type: HTML)"#).await;
    write(&client, r#"addLog(stepid: 1, name: "done", type: TEXT)"#).await;
    append(&client, 3, "a").await;
    write(&client, "finishLog(logid: 3)").await;
    write(&client, r#"addLog(stepid: 1, name: "gone")"#).await;
    server
        .sql()
        .await
        .run("UPDATE logs SET type = 'd' WHERE id = 4")
        .await;
    let before = contents(&server).await;
    let long = "x".repeat(256);
    for (field, code, message) in [
        (
            r#"addLog(stepid: 9, name: "x")"#,
            "NOT_FOUND",
            "there is no step 9",
        ),
        (
            r#"appendLog(logid: 9, content: "x")"#,
            "NOT_FOUND",
            "there is no log 9",
        ),
        ("finishLog(logid: -1)", "NOT_FOUND", "there is no log -1"),
        (
            r#"addLog(stepid: 1, name: "")"#,
            "BAD_USER_INPUT",
            "name: 1 to 255 characters, got 0",
        ),
        (
            &format!("addLog(stepid: 1, name: {long:?})"),
            "BAD_USER_INPUT",
            "name: 1 to 255 characters, got 256",
        ),
        (
            r#"addLog(stepid: 1, name: "a\u0000")"#,
            "BAD_USER_INPUT",
            "name: no NUL character, got one",
        ),
        (
            r#"addLog(stepid: 1, name: "x", type: DELETED)"#,
            "BAD_USER_INPUT",
            "type: STDIO, TEXT or HTML, got DELETED",
        ),
        (
            r#"appendLog(logid: 1, content: "")"#,
            "BAD_USER_INPUT",
            "content: at least one line, got an empty text",
        ),
        (
            r#"appendLog(logid: 2, content: "x", stream: STDERR)"#,
            "BAD_USER_INPUT",
            "stream: STDOUT for a log of type TEXT or HTML, which has no other stream",
        ),
        (
            r#"appendLog(logid: 3, content: "x")"#,
            "BAD_USER_INPUT",
            "logid: a log that is not finished, got 3",
        ),
        (
            r#"appendLog(logid: 4, content: "x")"#,
            "BAD_USER_INPUT",
            "logid: a log whose lines are kept, got one of type DELETED",
        ),
    ] {
        let text = format!("mutation {{ it: {field} {{ log {{ {LOG} }} }} }}");
        let error = client.error(&text, json!({})).await;
        assert_eq!(error, (code.to_owned(), message.to_owned()), "{field}");
    }
    assert_eq!(contents(&server).await, before);
    assert_eq!(texts(&client, 1).await, ["a"]);
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    let flags = ["--max-body-bytes", "3000000"];
    let (_server, client) = with_step(&flags).await;
    add_log(&client, "stdio").await;
    let query = "mutation($c: String!) { appendLog(logid: 1, content: $c) { log { numLines } } }";
    let content = "x\n".repeat(524_289);
    let error = client.error(query, json!({ "c": content })).await;
    let message = "content: at most 1048576 bytes at once, got 1048578";
    assert_eq!(error, ("BAD_USER_INPUT".to_owned(), message.to_owned()));
    let content = "x\n".repeat(524_288);
    let data = client.data(query, json!({ "c": content })).await;
    assert_eq!(data["appendLog"]["log"]["numLines"], 524_288);
}
