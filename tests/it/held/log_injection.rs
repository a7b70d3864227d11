//! Log injection: nothing that a caller sends begins a line of the log or commands a terminal.

use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::support::{client::Client, database::Database, process::Process};

#[tokio::test]
async fn no_line_of_the_log_is_forged() {
    for format in ["json", "text"] {
        let database = Database::fresh().await;
        let flags = ["--log-format", format, "--log", "debug"];
        let (mut process, mut log) = Process::logging(&database, &flags, &[]).await;
        let client = Client::new(process.address);
        let base = client.url.replace("/graphql", "");
        let hostile = [
            "a\u{9b}2K",
            "forged\tline",
            "id\" forged=\"1",
            "x{y}",
            "\u{85}x",
        ];
        for value in hostile {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            for name in [
                "x-request-id",
                "origin",
                "authorization",
                "user-agent",
                "traceparent",
            ] {
                let sent = client
                    .http
                    .get(format!("{base}/api/v2/builds"))
                    .header(name, value.clone());
                sent.send().await.unwrap();
            }
        }
        for line in [
            "%0d%0a2026-11-27T00:00:00Z%20ERROR%20forged",
            "%1b%5b2Kforged",
        ] {
            let at = format!("{base}/api/v2/{line}?{line}={line}");
            let response = client.http.get(at).send().await.unwrap();
            assert!(response.status().is_client_error());
        }
        client
            .execute(
                "query \"\n2026-11-27T00:00:00Z ERROR forged\"",
                json!({ "\nforged": "\nforged" }),
            )
            .await;
        process.signal("TERM").await;
        assert!(process.exit_status(Duration::from_secs(20)).await.success());
        let mut text = String::new();
        log.read_to_string(&mut text).await.unwrap();
        for line in text.lines() {
            assert!(!line.starts_with("2026-11-27T00:00:00Z"), "{line}");
            assert!(!line.contains("ERROR"), "{line}");
            let control = |c: char| c.is_control() && c != '\t';
            // The text log is coloured only for a terminal.
            assert!(!line.contains(control), "{line:?}");
        }
    }
}
