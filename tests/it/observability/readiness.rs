//! `/readyz` when something is missing.

use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    attach::{master, run, serve},
    support::{database::on_sqlite, outlast_readiness, server::Server, wait_until},
};

async fn ready(server: &Server) -> (StatusCode, Value) {
    outlast_readiness().await;
    let url = format!("http://{}/readyz", server.address);
    let response = reqwest::get(url).await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_missing_migration_is_named() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let table = "graphql_migrations";
    let last = "m0002_step_events";
    sql.run(&format!(
        "UPDATE {table} SET version = 'm9999' WHERE version = '{last}'"
    ))
    .await;
    // A newer server has migrated the database: this one keeps serving and reports it.
    let (status, output) = ready(&server).await;
    assert_eq!(status, StatusCode::OK, "{output}");
    assert!(
        output["migrations"].as_str().unwrap().starts_with("newer"),
        "{output}"
    );
    sql.run(&format!("DELETE FROM {table} WHERE version = 'm9999'"))
        .await;
    let (status, output) = ready(&server).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{output}");
    let word = output["migrations"].as_str().unwrap();
    assert!(
        word.starts_with("pending") && word.contains(last),
        "{output}"
    );
    assert_eq!(output["database"], "ok");
}

#[tokio::test]
async fn a_lost_database_is_reported_without_details() {
    if !on_sqlite("the others' kills are in fault/") {
        return;
    }
    let server = Server::start().await;
    server.handle.close_database().await;
    let (status, output) = ready(&server).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{output}");
    // Its last connection has removed the log beside the file.
    let word = output["database"].as_str().unwrap();
    assert!(word.contains("deleted or replaced"), "{output}");
    assert!(!output.to_string().contains('/'), "{output}");
    assert_eq!(output["migrations"], "unknown");
    // The process lives and reports what it knows.
    for path in ["/healthz", "/metrics"] {
        let url = format!("http://{}{path}", server.address);
        assert_eq!(
            reqwest::get(url).await.unwrap().status(),
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_masters_revision_and_feed_are_checked() {
    let (database, sql) = master().await;
    let server = serve(&database, &[]).await;
    let (status, output) = ready(&server).await;
    assert_eq!(status, StatusCode::OK, "{output}");
    assert_eq!(
        (&output["migrations"], &output["writable"]),
        (&"ok".into(), &false.into())
    );
    assert!(
        output["feed"].as_str().unwrap().starts_with("detached"),
        "{output}"
    );
    run("attach", &database).await.unwrap();
    wait_until(async || ready(&server).await.1["feed"] == "ok").await;
    for (revision, status, word) in [
        ("099", StatusCode::OK, "newer"),
        ("062", StatusCode::SERVICE_UNAVAILABLE, "older"),
    ] {
        sql.run(&format!(
            "UPDATE alembic_version SET version_num = '{revision}'"
        ))
        .await;
        let (got, output) = ready(&server).await;
        assert_eq!(got, status, "{output}");
        let migrations = output["migrations"].as_str().unwrap();
        assert!(
            migrations.starts_with(word) && migrations.contains(revision),
            "{output}"
        );
    }
}
