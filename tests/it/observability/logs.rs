//! Logs: as text or JSON, with request ids, and without secrets.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::{
    client::Client,
    database::Database,
    process::{Process, command},
    ws::Ws,
};

/// A variable's value and a caller's secret: neither may appear in a log.
const VALUE: &str = "ein-wert-aus-der-anfrage";
const TOKEN: &str = "ein-geheimes-token";

/// The log of a server that received some requests and stopped.
async fn log(flags: &[&str], environment: &[(&str, &str)]) -> String {
    let database = Database::fresh().await;
    let flags = [flags, &["--trusted-proxy", "127.0.0.1"]].concat();
    let (mut process, mut log) = Process::logging(&database, &flags, environment).await;
    let client = Client::new(process.address).with_request_id("of-the-test");
    let query = format!("{{ builder(name: \"{VALUE}\") {{ builderid }} nothing(a: \"{VALUE}\") }}");
    client.execute(&query, json!({ "v": VALUE })).await;
    let url = client.url.replace("/graphql", "/api/v2/builders");
    let asked = client
        .http
        .get(format!("{url}?name={VALUE}"))
        .bearer_auth(TOKEN);
    asked.send().await.unwrap();
    process.signal("TERM").await;
    assert!(process.exit_status(Duration::from_secs(20)).await.success());
    let mut text = String::new();
    log.read_to_string(&mut text).await.unwrap();
    text
}

/// The lines of a JSON log.
fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect()
}

#[tokio::test]
async fn a_json_log_has_one_object_per_line_with_the_request_id() {
    let flags = [
        "--log-format",
        "json",
        "--log",
        "info,buildbot_graphql=debug",
    ];
    let log = log(&flags, &[]).await;
    let lines = lines(&log);
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    assert!(lines.iter().any(|l| l["message"] == "stopping"), "{log}");
    let answered: Vec<&Value> = lines
        .iter()
        .filter(|l| l["target"] == "buildbot_graphql::access")
        .collect();
    assert_eq!(answered.len(), 2, "{log}");
    for (line, route, method) in [
        (answered[0], "/graphql", "POST"),
        (answered[1], "/api/{*path}", "GET"),
    ] {
        assert_eq!(line["spans"][0]["id"], "of-the-test", "{line}");
        assert_eq!(line["spans"][0]["name"], "request", "{line}");
        assert!(line["spans"][0]["caller"].is_string(), "{line}");
        assert_eq!(
            (&line["route"], &line["method"]),
            (&json!(route), &json!(method))
        );
        assert!(line["status"].is_u64() && line["ms"].is_f64(), "{line}");
    }
    for secret in [VALUE, TOKEN] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test]
async fn no_log_level_reveals_secrets() {
    let log = log(&["--log", "debug,buildbot_graphql=trace"], &[]).await;
    assert!(log.contains("of-the-test"), "{log}");
    for secret in [VALUE, TOKEN] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test]
async fn a_text_log_follows_the_environments_filter() {
    let said = log(&[], &[]).await;
    assert!(
        said.contains(" INFO ") && said.contains("stopping"),
        "{said}"
    );
    // By default there is no line per request.
    assert!(!said.contains("of-the-test"), "{said}");
    let access = "warn,buildbot_graphql::access=debug";
    for name in ["RUST_LOG", "BUILDBOT_GRAPHQL_LOG"] {
        let said = log(&[], &[(name, access)]).await;
        assert!(said.contains("request{id=of-the-test"), "{name}: {said}");
        assert!(!said.contains("stopping"), "{name}: {said}");
    }
    // The flag wins over the variable that is meant for all programs.
    let said = log(&["--log", "warn"], &[("RUST_LOG", "info")]).await;
    assert!(said.is_empty(), "{said}");
    let said = log(&[], &[("BUILDBOT_GRAPHQL_LOG_FORMAT", "json")]).await;
    assert!(!lines(&said).is_empty());
}

#[tokio::test]
async fn every_command_logs_alike_and_a_bad_filter_is_refused() {
    let (dir, log) = (tempfile::tempdir().unwrap(), ["--log-format", "json"]);
    let url = format!("sqlite://{}", dir.path().join("none.sqlite").display());
    let done = command()
        .args(["migrate", "--database-url", &url])
        .args(log)
        .output()
        .await
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = lines(&String::from_utf8(done.stderr).unwrap());
    assert_eq!(said[0]["level"], "ERROR", "{said:?}");
    for wrong in [
        ["--log", "a=b=c"],
        ["--log", "loud,=9"],
        ["--log-format", "xml"],
    ] {
        let done = command().arg("migrate").args(wrong).output().await.unwrap();
        assert_eq!(done.status.code(), Some(2), "{wrong:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.contains(wrong[0]) && said.contains(wrong[1]), "{said}");
    }
}

#[tokio::test]
async fn a_subscription_by_an_unknown_id_is_in_the_log_at_debug() {
    for (level, is_told) in [("debug", true), ("info", false)] {
        let database = Database::fresh().await;
        let flags = ["--log", level];
        let (mut process, mut log) = Process::logging(&database, &flags, &[]).await;
        let client = Client::new(process.address);
        let build = client.add_build("known").await;
        client.new_step(build, "s").await;
        let mut ws = Ws::connect(process.address).await;
        let all = "(snapshot: true, where: { builderid: 1, buildid: 1, stepid: 1 })";
        ws.subscribe(all).await;
        ws.event().await;
        // Each begins only once the one before has.
        for id in ["builderid: 97", "buildid: 98", "stepid: 99", "stepid: -1"] {
            let query = format!("subscription {{ stepEvents(where: {{ {id} }}) {{ kind }} }}");
            ws.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
                .await;
        }
        ws.send(json!({ "id": "end", "type": "subscribe", "payload": { "query": "subscription { stepEvents(snapshot: true, where: { stepid: 1 }) { kind } }" } })).await;
        assert_eq!(ws.receive().await["id"], "end");
        process.signal("TERM").await;
        assert!(process.exit_status(Duration::from_secs(20)).await.success());
        let mut text = String::new();
        log.read_to_string(&mut text).await.unwrap();
        let told = text.matches("that does not exist").count();
        assert_eq!(told, if is_told { 4 } else { 0 }, "{text}");
        for (kind, id) in [("builder", 97), ("build", 98), ("step", 99)] {
            let (id, what) = (format!("id={id}"), format!("a {kind} that"));
            // The id of a request may begin like it.
            let is_found = text
                .lines()
                .any(|line| line.contains(&id) && line.contains(&what));
            assert_eq!(is_found, is_told, "{kind} {id}: {text}");
        }
    }
}
