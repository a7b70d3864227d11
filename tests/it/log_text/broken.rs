//! Rows that no Buildbot writes: an error names them, and their neighbours are read.

use std::fs;

use serde_json::json;

use super::TestLog;
use crate::{rest::data, support::server::Server};

/// The rows that Buildbot's own compressors wrote: codec, content, text.
fn rows() -> Vec<(i16, Vec<u8>, String)> {
    let text = fs::read_to_string(data("logs/log-chunks.txt")).unwrap();
    let rows = text.lines().map(|row| {
        let columns: Vec<&str> = row.split(' ').collect();
        let text = String::from_utf8(decode(columns[2])).unwrap();
        (columns[0].parse().unwrap(), decode(columns[1]), text)
    });
    rows.collect()
}

#[tokio::test]
async fn rows_of_every_codec_are_read() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let log = TestLog::new(&server, "STDIO").await;
    let (mut next, mut wanted) = (0, Vec::new());
    for (codec, content, text) in rows() {
        let lines: Vec<String> = text.lines().map(|line| line[1..].to_owned()).collect();
        let last = next + i32::try_from(lines.len()).unwrap() - 1;
        log.add_chunk(&sql, next, last, codec, &content).await;
        next = last + 1;
        wanted.extend(lines);
    }
    let page = log.field("lines { next lines { text } }").await;
    let texts = page["lines"].as_array().unwrap().iter();
    let texts: Vec<&str> = texts.map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, wanted);
    let found = log
        .field("search(text: \"no such file\") { matches { stream } }")
        .await;
    assert_eq!(found["matches"].as_array().unwrap().len(), rows().len());
    assert_eq!(found["matches"][0]["stream"], "STDERR");
}

#[tokio::test]
async fn a_broken_row_is_named_and_its_neighbours_are_read() {
    let server =
        Server::with_flags(&["--anonymous", "write", "--max-log-chunk-bytes", "4000"]).await;
    let sql = server.sql().await;
    let packed = rows().into_iter().find(|row| row.0 == 1).unwrap().1;
    let too_much = vec![b'x'; 4_001];
    for (codec, content, fault) in [
        (7, &b"x"[..], "its codec 7 is unknown"),
        (4, b"not zstd", "it is not valid zstd"),
        (1, &packed[..20], "it is not valid zlib"),
        (
            3,
            b"\xff\xff\xff\xff\0",
            "it unpacks to more than max-log-chunk-bytes, 4000",
        ),
        (3, b"\x01\0", "it is not valid lz4"),
        (2, b"", "it is not valid bz2"),
        (5, b"\xff\xff", "it is not valid brotli"),
        (
            0,
            &too_much,
            "it unpacks to more than max-log-chunk-bytes, 4000",
        ),
    ] {
        let log = TestLog::new(&server, "TEXT").await;
        log.append("a\nb").await;
        log.add_chunk(&sql, 2, 4, codec, content).await;
        log.add_chunk(&sql, 5, 5, 0, b"after").await;
        let wanted = format!("lines 2 to 4 of log {} cannot be read: {fault}", log.logid);
        for field in ["lines { next }", "search(text: \"a\") { next }"] {
            let (code, text) = log.refused(field).await;
            assert_eq!((code.as_str(), &text), ("INTERNAL", &wanted), "{field}");
        }
        let before = log.field("lines(limit: 2) { next lines { text } }").await;
        assert_eq!(
            before,
            json!({ "next": 2, "lines": [{ "text": "a" }, { "text": "b" }] })
        );
        let after = log.field("lines(from: 5) { lines { text } }").await;
        assert_eq!(after["lines"], json!([{ "text": "after" }]));
    }
}

#[tokio::test]
async fn what_is_not_text_is_shown_as_such() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let log = TestLog::new(&server, "STDIO").await;
    log.add_chunk(&sql, 0, 3, 0, b"oa\xff\r\no10%\r20%\nxodd\ne")
        .await;
    let lines = log.field("lines { lines { stream text } }").await;
    assert_eq!(
        lines["lines"],
        json!([
            { "stream": "STDOUT", "text": "a\u{fffd}" },
            { "stream": "STDOUT", "text": "10%\r20%" },
            { "stream": "STDOUT", "text": "xodd" },
            { "stream": "STDERR", "text": "" },
        ])
    );
}

#[tokio::test]
async fn rows_that_say_something_else_than_they_hold_are_read_once() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let log = TestLog::new(&server, "TEXT").await;
    // More lines than it says, fewer, the same again, and none.
    log.add_chunk(&sql, 0, 1, 0, b"a\nb\nc").await;
    log.add_chunk(&sql, 2, 5, 0, b"d").await;
    log.add_chunk(&sql, 4, 5, 0, b"e\nf").await;
    log.add_chunk(&sql, 9, 8, 0, b"never").await;
    log.add_chunk(&sql, 10, 10, 0, b"end").await;
    let page = log.field("lines { next lines { number text } }").await;
    let line = |number: i32, text: &str| json!({ "number": number, "text": text });
    let wanted = json!([
        line(0, "a"),
        line(1, "b\nc"),
        line(2, "d"),
        line(4, "e"),
        line(5, "f"),
        line(10, "end"),
    ]);
    assert_eq!(page, json!({ "next": null, "lines": wanted }));
    let hole = log
        .field("lines(from: 6, limit: 2) { next lines { text } }")
        .await;
    assert_eq!(hole, json!({ "next": 8, "lines": [] }));
}

fn decode(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
