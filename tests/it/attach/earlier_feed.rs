//! The feed of an earlier version, which recorded steps alone, is taken over: in our own database
//! by a migration, in a master's by `attach`.

use buildbot_graphql::testing::Clock;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{master, run, schema, serve};
use crate::{
    feed::{after, newest_cursor, position},
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
        ws::Ws,
    },
};

/// Cursors that the earlier version gave for the second and the third event of `EVENTS`.
const CURSORS: [&str; 2] = [
    "0ff822dc000000000000000228873a78",
    "0ff822dc000000000000000322005bfc",
];

/// The events of a step that was added, started and described.
const EVENTS: &str = "INSERT INTO graphql_step_events \
     (id, kind, occurred_at, stepid, number, name, buildid, started_at, state_string, urls_json, hidden) VALUES \
     (1, 1, 1800000000, 1, 0, 'compile', 1, NULL, 'pending', '[]', 0), \
     (2, 2, 1800000000, 1, 0, 'compile', 1, 1800000000, 'pending', '[]', 0), \
     (3, 3, 1800000001, 1, 0, 'compile', 1, 1800000000, 'compiling — ü', '[]', 0)";

const RECORD: &str = "INSERT INTO graphql_step_events \
     (kind, occurred_at, stepid, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, \
     results, urls_json, hidden) VALUES (KIND, 1800000002, NEW.id, NEW.number, NEW.name, NEW.buildid, NEW.started_at, \
     NEW.locks_acquired_at, NEW.complete_at, NEW.state_string, NEW.results, NEW.urls_json, NEW.hidden)";

/// Makes the earlier feed as that version made it, with its events.
async fn make_earlier_feed(sql: &Sql, is_buildbots: bool) {
    let (id, int, text) = match kind() {
        Kind::Sqlite => ("integer NOT NULL PRIMARY KEY", "integer", "text"),
        Kind::Postgres => ("bigserial PRIMARY KEY", "bigint", "text"),
        Kind::Mariadb => (
            "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
            "bigint",
            "mediumtext",
        ),
    };
    let options = match kind() {
        Kind::Mariadb => " DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin",
        _ => "",
    };
    let (position, feed) = match kind() {
        Kind::Sqlite => ("", "epoch varchar(16) NOT NULL"),
        _ => (
            ", position bigint UNIQUE",
            "epoch varchar(16) NOT NULL PRIMARY KEY, position bigint NOT NULL DEFAULT 0",
        ),
    };
    sql.run(&format!(
        "CREATE TABLE graphql_step_events (id {id}, kind smallint, occurred_at {int}, stepid integer, \
         number integer, name text, buildid integer, started_at {int}, locks_acquired_at {int}, complete_at {int}, \
         state_string {text}, results integer, urls_json {text}, hidden smallint{position}){options}"
    ))
    .await;
    sql.run(&format!("CREATE TABLE graphql_feed ({feed})"))
        .await;
    if is_buildbots && kind() != Kind::Sqlite {
        sql.run(&format!("CREATE TABLE graphql_lost (id {id})"))
            .await;
    }
    sql.run(EVENTS).await;
    if kind() == Kind::Sqlite {
        sql.run("INSERT INTO graphql_feed VALUES ('0ff822dc')")
            .await;
    } else {
        sql.run("UPDATE graphql_step_events SET position = id")
            .await;
        sql.run("INSERT INTO graphql_feed VALUES ('0ff822dc', 3)")
            .await;
    }
    if kind() == Kind::Postgres {
        sql.run("SELECT setval('graphql_step_events_id_seq', 3)")
            .await;
    }
    for (event, code) in [("INSERT", "1"), ("UPDATE", "3")] {
        let name = format!("graphql_steps_{}", event.to_lowercase());
        let record = RECORD.replace("KIND", code);
        let body = match kind() {
            Kind::Sqlite => format!("BEGIN {record}; END"),
            Kind::Mariadb => format!("FOR EACH ROW {record}"),
            Kind::Postgres => {
                sql.run(&format!(
                    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS \
                     $$ BEGIN {record}; RETURN NULL; END $$"
                ))
                .await;
                format!("FOR EACH ROW EXECUTE FUNCTION {name}()")
            }
        };
        sql.run(&format!(
            "CREATE TRIGGER {name} AFTER {event} ON steps {body}"
        ))
        .await;
    }
}

/// A database of ours as the earlier version left it, with a step.
async fn earlier_database() -> (Database, Sql) {
    let database = Database::fresh().await;
    let server = Server::on(
        database.clone(),
        &["--anonymous", "write"],
        Clock::System,
        None,
    )
    .await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "compile").await;
    server.stop().await;
    let sql = Sql::open(&database).await;
    for (table, changes) in [
        ("builders", ["insert", "update"]),
        ("builders_tags", ["insert", "delete"]),
        ("builds", ["insert", "update"]),
        ("steps", ["insert", "update"]),
        ("logs", ["insert", "update"]),
    ] {
        for change in changes {
            let name = format!("graphql_{table}_{change}");
            if kind() == Kind::Postgres {
                sql.run(&format!(
                    "DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()"
                ))
                .await;
            } else {
                sql.run(&format!("DROP TRIGGER {name}")).await;
            }
        }
    }
    sql.run("DROP TABLE graphql_events").await;
    sql.run("DROP TABLE graphql_feed").await;
    sql.run("DROP TABLE logchunks").await;
    sql.run("DROP TABLE logs").await;
    sql.run("DELETE FROM graphql_migrations WHERE version IN ('m0006_events', 'm0007_logs')")
        .await;
    make_earlier_feed(&sql, false).await;
    (database, sql)
}

/// The event that 0.1 has told of, and the one behind it.
async fn check_resumes(ws: &mut Ws) {
    let told = ws.event().await;
    assert_eq!(told["cursor"], CURSORS[1]);
    assert_eq!(told["step"]["stateString"], "compiling — ü");
    assert_eq!(told["kind"], "UPDATED");
}

#[tokio::test]
async fn a_client_of_an_earlier_version_goes_on() {
    let (database, sql) = earlier_database().await;
    // Elsewhere than on SQLite, it has no position yet.
    sql.run("UPDATE steps SET state_string = 'unsequenced'")
        .await;
    for round in 0..2 {
        let server = Server::on(
            database.clone(),
            &["--anonymous", "write"],
            Clock::System,
            None,
        )
        .await;
        let client = server.client();
        let mut ws = server.ws().await;
        ws.subscribe(&after(CURSORS[0])).await;
        check_resumes(&mut ws).await;
        let next = ws.event().await;
        assert_eq!(next["step"]["stateString"], "unsequenced");
        assert_eq!(position(&next["cursor"]), 4);
        if round == 0 {
            let cursor = client.set_state(1, "live").await;
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
        // Of builds it knew nothing.
        let mut builds = server.ws().await;
        builds
            .subscribe_to(&format!(
                "buildEvents(after: {:?}) {{ cursor }}",
                CURSORS[0]
            ))
            .await;
        assert_eq!(builds.stream_error().await.0, "CURSOR_EXPIRED");
        let now = newest_cursor(&client).await;
        let mut all = server.ws().await;
        all.subscribe_to(&format!("events(after: {now:?}) {{ kind }}"))
            .await;
        assert_eq!(all.event().await["kind"], "CAUGHT_UP");
        client.add_build(&format!("new{round}")).await;
        for _ in 0..2 {
            assert_eq!(all.event().await["kind"], "NEW");
        }
        server.stop().await;
        // On MariaDB a migration that broke off at its end runs once more.
        sql.run("DELETE FROM graphql_migrations WHERE version = 'm0006_events'")
            .await;
    }
}

/// On MariaDB, a migration may break off after any statement.
#[tokio::test]
async fn a_migration_that_broke_off_goes_on() {
    let (database, sql) = earlier_database().await;
    sql.run("ALTER TABLE graphql_feed ADD COLUMN recorded smallint NOT NULL DEFAULT 0")
        .await;
    sql.run("ALTER TABLE graphql_step_events ADD COLUMN noun smallint DEFAULT 4")
        .await;
    let server = Server::on(database, &["--anonymous", "write"], Clock::System, None).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(CURSORS[0])).await;
    check_resumes(&mut ws).await;
}

/// A master goes on writing while `attach` takes the feed over: nothing of a step is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attach_takes_an_earlier_feed_over() {
    let (database, sql) = master().await;
    let before = schema(&sql).await;
    make_earlier_feed(&sql, true).await;
    let stop = CancellationToken::new();
    let writer = tokio::spawn(write(Sql::open(&database).await, stop.clone()));
    let said = run("attach", &database).await.unwrap();
    assert!(
        said.contains(&"added columns of graphql_events".to_owned()),
        "{said:?}"
    );
    stop.cancel();
    let count = writer.await.unwrap();
    let server = serve(&database, &[]).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(CURSORS[0])).await;
    check_resumes(&mut ws).await;
    for n in 1..=count {
        assert_eq!(
            ws.event().await["step"]["stateString"],
            format!("write {n}")
        );
    }
    sql.run("UPDATE steps SET state_string = 'live' WHERE id = 1")
        .await;
    assert_eq!(ws.event().await["step"]["stateString"], "live");
    let mut builds = server.ws().await;
    builds
        .subscribe_to(&format!(
            "buildEvents(after: {:?}) {{ cursor }}",
            CURSORS[0]
        ))
        .await;
    assert_eq!(builds.stream_error().await.0, "CURSOR_EXPIRED");
    server.stop().await;
    run("detach", &database).await.unwrap();
    assert_eq!(schema(&sql).await, before);
}

/// Updates a step until it is stopped, ten times at least, and returns how often.
async fn write(sql: Sql, stop: CancellationToken) -> usize {
    for n in 1.. {
        // SQLite lets one write at a time.
        while !sql
            .try_run(&format!(
                "UPDATE steps SET state_string = 'write {n}' WHERE id = 1"
            ))
            .await
        {}
        if n >= 10 && stop.is_cancelled() {
            return n;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn an_earlier_feed_that_missed_changes_says_so() {
    let (database, sql) = master().await;
    make_earlier_feed(&sql, true).await;
    sql.run(match kind() {
        Kind::Postgres => "DROP TRIGGER graphql_steps_update ON steps",
        _ => "DROP TRIGGER graphql_steps_update",
    })
    .await;
    sql.run("UPDATE steps SET state_string = 'unheard' WHERE id = 1")
        .await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(CURSORS[0])).await;
    check_resumes(&mut ws).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
}

/// Without having been served by this version.
#[tokio::test]
async fn detach_takes_an_earlier_feed_out() {
    let (database, sql) = master().await;
    let before = schema(&sql).await;
    make_earlier_feed(&sql, true).await;
    let server = serve(&database, &[]).await;
    let error = server.client().error("{ eventCursor }", json!({})).await;
    assert_eq!(error.0, "FEED_DETACHED");
    server.stop().await;
    run("detach", &database).await.unwrap();
    assert_eq!(schema(&sql).await, before);
}
