//! What an attached database must never do to its master: refuse a write, or be left half changed.

use serde_json::json;

use super::{add_step, master, ready, run, schema, serve, subscribed};
use crate::{
    feed::after,
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

#[tokio::test]
async fn a_failure_half_way_leaves_nothing_behind() {
    let (database, sql) = master().await;
    for obstacle in ["graphql_feed", "graphql_step_events"] {
        sql.run(&format!("CREATE VIEW {obstacle} AS SELECT 'x' AS epoch"))
            .await;
        let before = schema(&sql).await;
        let said = run("attach", &database).await.unwrap_err();
        assert!(said.contains("cannot change the database"), "{said}");
        assert_eq!(schema(&sql).await, before);
        sql.run(&format!("DROP VIEW {obstacle}")).await;
    }
    run("attach", &database).await.unwrap();
}

#[tokio::test]
async fn only_a_masters_database_is_attached() {
    let ours = Server::start().await;
    let empty = Database::fresh().await;
    for database in [&ours.database, &empty] {
        for what in ["attach", "detach"] {
            let said = run(what, database).await.unwrap_err();
            assert!(!said.contains("added"), "{said}");
            assert!(
                said.contains("alembic_version") || said.contains("unable to open"),
                "{said}"
            );
        }
    }
    assert!(!empty.url.starts_with("sqlite") || !empty.file().exists());
    let (database, sql) = master().await;
    sql.run("UPDATE alembic_version SET version_num = '062'")
        .await;
    let before = schema(&sql).await;
    let said = run("attach", &database).await.unwrap_err();
    assert!(
        said.contains("\"062\"") && said.contains("upgrade-master"),
        "{said}"
    );
    assert_eq!(schema(&sql).await, before);
}

/// On SQLite a trigger has no way to go on after an error.
#[tokio::test]
async fn what_cannot_be_recorded_is_written_all_the_same_and_told() {
    if kind() == Kind::Sqlite {
        return;
    }
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let mut ws = subscribed(&server, &client).await;
    add_step(&sql, "heard").await;
    let cursor = ws.event().await["cursor"].as_str().unwrap().to_owned();
    sql.run("ALTER TABLE graphql_step_events ADD CONSTRAINT odd CHECK (name <> 'unheard')")
        .await;
    let stepid = add_step(&sql, "unheard").await;
    // Who listens is told that something is missing, and so is who comes back.
    assert_eq!(ws.ending().await.0, "CURSOR_EXPIRED");
    let mut ws = server.ws().await;
    ws.subscribe(&after(&cursor)).await;
    assert_eq!(ws.ending().await.0, "CURSOR_EXPIRED");
    let found = client
        .data(
            "query($s: Int!) { step(stepid: $s) { name } }",
            json!({ "s": stepid }),
        )
        .await;
    assert_eq!(found["step"]["name"], "unheard");
    let mut ws = subscribed(&server, &client).await;
    add_step(&sql, "heard again").await;
    assert_eq!(ws.event().await["step"]["name"], "heard again");
    // Even without any of our tables.
    sql.run("DROP TABLE graphql_step_events, graphql_lost, graphql_feed")
        .await;
    add_step(&sql, "alone").await;
    sql.run(&format!(
        "UPDATE steps SET state_string = 'alone' WHERE id = {stepid}"
    ))
    .await;
    assert_eq!(ws.ending().await.0, "FEED_DETACHED");
    run("detach", &database).await.unwrap();
}

/// The master's own user may have no rights on what another one attached.
#[tokio::test]
async fn a_master_without_rights_on_our_tables_is_heard() {
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
    let mut ws = subscribed(&server, &server.client()).await;
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

/// Who serves may be another user than who attached. Queries need no right on our tables; what subscriptions need is said,
/// and noticed when it is given and taken.
#[tokio::test]
async fn a_server_without_rights_on_the_feed_says_what_it_needs() {
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
        // Else it does not see that there are triggers.
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
        let said = ready(&server).await["feed"].to_string();
        assert!(said.contains(&text), "{said}");
    };
    // On MariaDB a table without any right on it is not seen.
    if kind() == Kind::Postgres {
        refused().await;
    }
    for table in ["graphql_step_events", "graphql_feed", "graphql_lost"] {
        grant("SELECT", table).await;
    }
    refused().await;
    for table in ["graphql_step_events", "graphql_feed"] {
        grant("UPDATE, DELETE", table).await;
    }
    let mut ws = subscribed(&server, &client).await;
    add_step(&sql, "granted").await;
    assert_eq!(ws.event().await["step"]["name"], "granted");
    sql.run(&format!("REVOKE UPDATE ON graphql_feed FROM {user}"))
        .await;
    assert_eq!(ws.ending().await.0, "FEED_DETACHED");
    server.stop().await;
    let drop = if kind() == Kind::Postgres {
        format!("DROP OWNED BY {name}; DROP ROLE {name}")
    } else {
        format!("DROP USER {user}")
    };
    sql.run(&drop).await;
}

/// Whoever attaches waits for a running transaction of the master's, and lets the others pass meanwhile.
#[tokio::test]
async fn a_busy_master_is_not_held_up() {
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
        let said = attaching.await.unwrap().unwrap();
        assert!(said.len() > 3, "{said:?}");
    }
}

/// Buildbot 3.11's database has everything but a column of `builds`; an upgrade adds it while it is served.
#[tokio::test]
async fn an_older_master_is_served_and_upgraded() {
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
    let mut ws = subscribed(&server, &client).await;
    add_step(&sql, "old").await;
    assert_eq!(ws.event().await["step"]["name"], "old");
    sql.run("ALTER TABLE builds ADD COLUMN locks_duration_s INTEGER NOT NULL DEFAULT 7")
        .await;
    sql.run("UPDATE alembic_version SET version_num = '067'")
        .await;
    crate::support::until(async || {
        let answer = client
            .execute("{ build(buildid: 1) { locksDurationS } }", json!({}))
            .await;
        answer["data"]["build"]["locksDurationS"] == 7
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
