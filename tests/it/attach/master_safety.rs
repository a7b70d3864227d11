//! What attaching must never do to a master's database: refuse a write or leave the schema half
//! changed.

use serde_json::json;

use super::{add_step, master, ready, run, schema, serve, subscribe_when_ready};
use crate::{
    feed::after,
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

#[tokio::test]
async fn a_failed_attach_leaves_nothing_behind() {
    let (database, sql) = master().await;
    for obstacle in ["graphql_feed", "graphql_events"] {
        sql.run(&format!("CREATE VIEW {obstacle} AS SELECT 'x' AS epoch"))
            .await;
        let before = schema(&sql).await;
        let output = run("attach", &database).await.unwrap_err();
        assert!(output.contains("cannot change the database"), "{output}");
        assert_eq!(schema(&sql).await, before);
        sql.run(&format!("DROP VIEW {obstacle}")).await;
    }
    run("attach", &database).await.unwrap();
}

#[tokio::test]
async fn only_a_masters_database_can_be_attached() {
    let ours = Server::start().await;
    let empty = Database::fresh().await;
    for database in [&ours.database, &empty] {
        for what in ["attach", "detach"] {
            let output = run(what, database).await.unwrap_err();
            assert!(!output.contains("added"), "{output}");
            assert!(
                output.contains("alembic_version") || output.contains("there is no such file"),
                "{output}"
            );
        }
    }
    assert!(!empty.url.starts_with("sqlite") || !empty.file().exists());
    let (database, sql) = master().await;
    sql.run("UPDATE alembic_version SET version_num = '062'")
        .await;
    let before = schema(&sql).await;
    let output = run("attach", &database).await.unwrap_err();
    assert!(
        output.contains("\"062\"") && output.contains("upgrade-master"),
        "{output}"
    );
    assert_eq!(schema(&sql).await, before);
}

/// A trigger cannot continue after an error on SQLite.
#[tokio::test]
async fn a_write_succeeds_when_its_event_cannot_be_recorded() {
    if kind() == Kind::Sqlite {
        return;
    }
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let mut ws = subscribe_when_ready(&server, &client).await;
    add_step(&sql, "heard").await;
    let cursor = ws.event().await["cursor"].as_str().unwrap().to_owned();
    sql.run("ALTER TABLE graphql_events ADD CONSTRAINT odd CHECK (name <> 'unheard')")
        .await;
    let stepid = add_step(&sql, "unheard").await;
    // Subscribers learn that an event is missing, both those connected and those who resume.
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    let mut ws = server.ws().await;
    ws.subscribe(&after(&cursor)).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    let found = client
        .data(
            "query($s: Int!) { step(stepid: $s) { name } }",
            json!({ "s": stepid }),
        )
        .await;
    assert_eq!(found["step"]["name"], "unheard");
    let mut ws = subscribe_when_ready(&server, &client).await;
    add_step(&sql, "heard again").await;
    assert_eq!(ws.event().await["step"]["name"], "heard again");
    // Writes succeed even without any of our tables.
    sql.run("DROP TABLE graphql_events, graphql_lost, graphql_feed")
        .await;
    add_step(&sql, "alone").await;
    sql.run(&format!(
        "UPDATE steps SET state_string = 'alone' WHERE id = {stepid}"
    ))
    .await;
    assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
    run("detach", &database).await.unwrap();
}

/// The master's own user may have no privileges on tables that another user attached.
#[tokio::test]
async fn a_master_without_privileges_on_our_tables_still_makes_events() {
    if kind() != Kind::Postgres {
        return;
    }
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let role = format!("master_of_{}", database.url.rsplit('/').next().unwrap());
    sql.run(&format!(
        "CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE ON steps TO {role}; GRANT USAGE ON SEQUENCE steps_id_seq TO {role}"
    ))
    .await;
    let server = serve(&database, &[]).await;
    let mut ws = subscribe_when_ready(&server, &server.client()).await;
    sql.run(&format!("SET ROLE {role}")).await;
    assert!(!sql.try_run("INSERT INTO graphql_lost DEFAULT VALUES").await);
    add_step(&sql, "stranger").await;
    assert_eq!(ws.event().await["step"]["name"], "stranger");
    sql.run("RESET ROLE").await;
    assert_eq!(
        sql.number("SELECT COUNT(*) AS n FROM graphql_lost").await,
        0
    );
}

/// The serving user may differ from the attaching one. Queries need no privilege on our tables. The
/// server reports what subscriptions need, and notices when privileges are granted and revoked.
#[tokio::test]
async fn a_server_without_privileges_on_the_feed_reports_what_it_needs() {
    if kind() == Kind::Sqlite {
        return;
    }
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let name = format!("serves_{}", database.url.rsplit('/').next().unwrap());
    let (create, user) = if kind() == Kind::Postgres {
        (format!("CREATE ROLE {name} LOGIN"), name.clone())
    } else {
        let user = format!("{name}@'127.0.0.1'");
        (format!("CREATE USER {user}"), user)
    };
    sql.run(&create).await;
    let grant = async |what: &str, on: &str| {
        sql.run(&format!("GRANT {what} ON {on} TO {user}")).await;
    };
    for table in ["alembic_version", "builders", "builds", "steps"] {
        grant("SELECT", table).await;
    }
    if kind() == Kind::Mariadb {
        // Without this privilege the server cannot see that there are triggers.
        grant("TRIGGER", "steps").await;
    }
    let server = serve(&database.of_user(&name), &[]).await;
    let client = server.client();
    let refused = async || {
        let query = "{ builds(first: 1) { totalCount } }";
        assert_ne!(
            client.data(query, json!({})).await["builds"]["totalCount"],
            0
        );
        let (code, text) = client.error("{ eventCursor }", json!({})).await;
        assert_eq!(code, "FEED_DETACHED");
        assert!(text.contains("SELECT, UPDATE and DELETE"), "{text}");
        let output = ready(&server).await["feed"].to_string();
        assert!(output.contains(&text), "{output}");
    };
    // MariaDB hides a table from users without any privilege on it.
    if kind() == Kind::Postgres {
        refused().await;
    }
    for table in ["graphql_events", "graphql_feed", "graphql_lost"] {
        grant("SELECT", table).await;
    }
    refused().await;
    for table in ["graphql_events", "graphql_feed"] {
        grant("UPDATE, DELETE", table).await;
    }
    let mut ws = subscribe_when_ready(&server, &client).await;
    add_step(&sql, "granted").await;
    assert_eq!(ws.event().await["step"]["name"], "granted");
    sql.run(&format!("REVOKE UPDATE ON graphql_feed FROM {user}"))
        .await;
    assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
    server.stop().await;
    let drop = if kind() == Kind::Postgres {
        format!("DROP OWNED BY {name}; DROP ROLE {name}")
    } else {
        format!("DROP USER {user}")
    };
    sql.run(&drop).await;
}

/// There is no moment at which nobody uses the tables.
#[tokio::test]
async fn attach_finds_its_turn_where_transactions_overlap() {
    if kind() == Kind::Sqlite {
        return;
    }
    let (database, _sql) = master().await;
    let mut writers = Vec::new();
    for place in 0..3 {
        let sql = Sql::open(&database).await;
        writers.push(tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(place * 100)).await;
            loop {
                sql.run("BEGIN").await;
                sql.run(&format!(
                    "UPDATE steps SET state_string = 'busy' WHERE id = {place}"
                ))
                .await;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                sql.run("COMMIT").await;
            }
        }));
    }
    for what in ["attach", "detach"] {
        let output = run(what, &database).await.unwrap();
        assert!(output.len() > 3, "{output:?}");
    }
    for writer in writers {
        writer.abort();
    }
}

/// Attaching waits for a running transaction of the master, and does not block others meanwhile.
#[tokio::test]
async fn attach_does_not_block_a_busy_master() {
    let (database, sql) = master().await;
    let other = Sql::open(&database).await;
    for what in ["attach", "detach"] {
        sql.run(if kind() == Kind::Sqlite {
            "BEGIN IMMEDIATE"
        } else {
            "BEGIN"
        })
        .await;
        sql.run("UPDATE steps SET state_string = 'busy' WHERE id = 1")
            .await;
        let attaching = tokio::spawn({
            let database = database.clone();
            async move { run(what, &database).await }
        });
        if kind() != Kind::Sqlite {
            for i in 0..30 {
                add_step(&other, &format!("{what}{i}")).await;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
        assert!(!attaching.is_finished(), "{what} did not wait");
        sql.run("COMMIT").await;
        let output = attaching.await.unwrap().unwrap();
        assert!(output.len() > 3, "{output:?}");
    }
}

/// Buildbot 3.11's database lacks one column of `builds`. An upgrade adds it while the server runs.
#[tokio::test]
async fn an_older_master_can_be_served_and_upgraded() {
    let (database, sql) = master().await;
    sql.run("ALTER TABLE builds DROP COLUMN locks_duration_s")
        .await;
    sql.run("UPDATE alembic_version SET version_num = '064'")
        .await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let query = "{ build(buildid: 1) { locksDurationS builder { build(number: 1) { locksDurationS } builds { totalCount nodes { locksDurationS } } } }
                   builds { totalCount nodes { locksDurationS steps { name build { locksDurationS } } } } steps { nodes { build { locksDurationS } } } }";
    let before = client.data(query, json!({})).await;
    assert_eq!(before["build"]["locksDurationS"], 0);
    let mut ws = subscribe_when_ready(&server, &client).await;
    add_step(&sql, "old").await;
    assert_eq!(ws.event().await["step"]["name"], "old");
    sql.run("ALTER TABLE builds ADD COLUMN locks_duration_s INTEGER NOT NULL DEFAULT 7")
        .await;
    sql.run("UPDATE alembic_version SET version_num = '067'")
        .await;
    crate::support::wait_until(async || {
        let response = client
            .execute("{ build(buildid: 1) { locksDurationS } }", json!({}))
            .await;
        response["data"]["build"]["locksDurationS"] == 7
    })
    .await;
    let after = client.data(query, json!({})).await;
    assert_eq!(
        after["builds"]["totalCount"],
        before["builds"]["totalCount"]
    );
    add_step(&sql, "new").await;
    assert_eq!(ws.event().await["step"]["name"], "new");
}
