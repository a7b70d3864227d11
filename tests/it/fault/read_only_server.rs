//! A database server that takes no writes: queries are served, and writes come back by themselves.

use serde_json::json;

use super::{free_address, postgres::Postgres, serve};
use crate::{
    database_file::ready,
    support::{
        client::Client,
        database::{Database, Kind, kind},
        process::Process,
        sql::Sql,
        wait_until,
    },
};

const ADD: &str = "mutation { findBuilder(name: \"x\") { builderid } }";
const COUNT: &str = "{ builders { totalCount } }";

/// Waits until `/readyz` says that the server is read-only, and checks what is served then.
async fn is_read_only(process: &Process) {
    let client = Client::new(process.address);
    wait_until(async || {
        let (status, body) = ready(process.address).await;
        assert_eq!(status, 200, "{body}");
        let writable = &body["writable"];
        writable
            .as_str()
            .is_some_and(|w| w.starts_with("read-only"))
    })
    .await;
    let (code, message) = client.error(ADD, json!({})).await;
    assert_eq!(code, "READ_ONLY", "{message}");
    assert!(message.contains("standby, or set read-only"), "{message}");
    client.data(COUNT, json!({})).await;
}

async fn is_writable(process: &Process) {
    wait_until(async || ready(process.address).await.1["writable"] == true).await;
    // Every connection that writes has noticed.
    for _ in 0..8 {
        Client::new(process.address).data(ADD, json!({})).await;
    }
}

#[tokio::test]
async fn a_database_that_is_set_read_only_is_served() {
    let database = Database::fresh().await;
    let name = database.url.rsplit('/').next().unwrap();
    let (on, off, user) = match kind() {
        Kind::Sqlite => return,
        Kind::Postgres => (
            format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
            format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
            database.clone(),
        ),
        Kind::Mariadb => (
            "SET GLOBAL read_only = 1".to_owned(),
            "SET GLOBAL read_only = 0".to_owned(),
            database.of_user("plain"),
        ),
    };
    let sql = Sql::open(&database).await;
    if kind() == Kind::Mariadb {
        // The tests' own user, and so every other test, is exempt.
        sql.run(&format!(
            "CREATE USER plain@'127.0.0.1'; GRANT ALL ON {name}.* TO plain@'127.0.0.1'"
        ))
        .await;
    }
    let process = Process::start(&user, &[]).await;
    is_writable(&process).await;
    sql.run(&on).await;
    if kind() == Kind::Mariadb {
        is_read_only(&process).await;
        // Users with a right of their own write all the same.
        let exempt = Process::start(&database, &[]).await;
        is_writable(&exempt).await;
        // An empty database gets its tables.
        let fresh = Process::start(&Database::fresh().await, &[]).await;
        is_writable(&fresh).await;
    }
    // It starts, too.
    process.kill().await;
    let process = Process::start(&user, &[]).await;
    is_read_only(&process).await;
    sql.run(&off).await;
    is_writable(&process).await;
}

/// The database's own error is raised by a trigger: no disk of a server is filled here.
#[tokio::test]
async fn a_full_disk_is_named_until_there_is_room() {
    let database = Database::fresh().await;
    let (fill, free) = match kind() {
        // Its disk is filled in `disk.rs`.
        Kind::Sqlite => return,
        Kind::Postgres => (
            "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION $$no room$$ USING ERRCODE = $$53100$$; END'; \
             CREATE TRIGGER fill BEFORE INSERT ON builders FOR EACH ROW EXECUTE FUNCTION full()",
            "DROP TRIGGER fill ON builders",
        ),
        Kind::Mariadb => (
            "CREATE TRIGGER fill BEFORE INSERT ON builders FOR EACH ROW \
             SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'no room'",
            "DROP TRIGGER fill",
        ),
    };
    let process = Process::start(&database, &[]).await;
    let client = Client::new(process.address);
    let sql = Sql::open(&database).await;
    sql.run(fill).await;
    let (code, message) = client.error(ADD, json!({})).await;
    assert_eq!(code, "UNAVAILABLE", "{message}");
    assert!(message.contains("the disk is full"), "{message}");
    let (status, body) = ready(process.address).await;
    assert_eq!(status, 200, "{body}");
    let writable = body["writable"].as_str().unwrap();
    assert!(writable.contains("the disk is full"), "{body}");
    client.data(COUNT, json!({})).await;
    sql.run(free).await;
    is_writable(&process).await;
}

#[tokio::test]
async fn a_standby_is_served_and_written_to_once_it_is_promoted() {
    if kind() != Kind::Postgres {
        return;
    }
    let primary = Postgres::start().await;
    let database = Database::on(&primary.url()).await;
    let writer = serve(free_address(), &database, &[]).await;
    Client::new(writer.address).data(ADD, json!({})).await;
    let standby = primary.standby().await;
    let name = database.url.rsplit('/').next().unwrap();
    let replica = database.by(format!("{}/{name}", standby.url()));
    let process = Process::start(&replica, &["--feed-prune-seconds", "1"]).await;
    is_read_only(&process).await;
    standby.promote().await;
    is_writable(&process).await;
}
