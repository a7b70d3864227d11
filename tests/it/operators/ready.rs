//! `/readyz` where something is missing.

use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    attach::{master, run, serve},
    support::{database::on_sqlite, server::Server, until},
};

async fn ready(server: &Server) -> (StatusCode, Value) {
    let url = format!("http://{}/readyz", server.address);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_migration_that_was_undone_is_named() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let table = "graphql_migrations";
    let last = "m0002_step_events";
    sql.run(&format!(
        "UPDATE {table} SET version = 'm9999' WHERE version = '{last}'"
    ))
    .await;
    // A newer server has migrated: this one goes on, and says so.
    let (status, said) = ready(&server).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert!(
        said["migrations"].as_str().unwrap().starts_with("newer"),
        "{said}"
    );
    sql.run(&format!("DELETE FROM {table} WHERE version = 'm9999'"))
        .await;
    let (status, said) = ready(&server).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    let word = said["migrations"].as_str().unwrap();
    assert!(word.starts_with("pending") && word.contains(last), "{said}");
    assert_eq!(said["database"], "ok");
}

#[tokio::test]
async fn a_database_that_is_gone_is_said_and_nothing_of_it() {
    if !on_sqlite("the others' kills are in fault/") {
        return;
    }
    let server = Server::start().await;
    server.handle.close_database().await;
    let (status, said) = ready(&server).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert!(
        said["database"]
            .as_str()
            .unwrap()
            .contains("does not answer"),
        "{said}"
    );
    assert_eq!(said["migrations"], "unknown");
    // The process lives, and says what it knows.
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
async fn a_masters_revision_and_feed_are_looked_at() {
    let (database, sql) = master().await;
    let server = serve(&database, &[]).await;
    let (status, said) = ready(&server).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(
        (&said["migrations"], &said["writable"]),
        (&"ok".into(), &false.into())
    );
    assert!(
        said["feed"].as_str().unwrap().starts_with("detached"),
        "{said}"
    );
    run("attach", &database).await.unwrap();
    until(async || ready(&server).await.1["feed"] == "ok").await;
    for (revision, status, word) in [
        ("099", StatusCode::OK, "newer"),
        ("062", StatusCode::SERVICE_UNAVAILABLE, "older"),
    ] {
        sql.run(&format!(
            "UPDATE alembic_version SET version_num = '{revision}'"
        ))
        .await;
        let (got, said) = ready(&server).await;
        assert_eq!(got, status, "{said}");
        let migrations = said["migrations"].as_str().unwrap();
        assert!(
            migrations.starts_with(word) && migrations.contains(revision),
            "{said}"
        );
    }
}
