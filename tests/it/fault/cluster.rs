//! Several servers over one database, killed in turn, and foreign transactions that commit long
//! after they began.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Load, free_address, serve};
use crate::support::{
    client::Client,
    database::{Database, Kind, kind},
    sql::Sql,
};

/// Adds steps past the servers, as another program would, and returns their names.
async fn insert(sql: Sql, build: i64, stop: CancellationToken) -> BTreeSet<String> {
    let mut inserted = BTreeSet::new();
    for i in 0.. {
        if stop.is_cancelled() {
            break;
        }
        sql.run(&format!(
            "INSERT INTO steps (number, name, buildid, state_string, urls_json) \
             VALUES ({i}, 'direct-{i}', {build}, 'pending', '[]')"
        ))
        .await;
        inserted.insert(format!("direct-{i}"));
        sleep(Duration::from_millis(7)).await;
    }
    inserted
}

/// Writes an event and commits a second later.
async fn commit_slowly(sql: Sql, build: i64, number: i64) -> String {
    let name = format!("late-{number}");
    sql.run("BEGIN").await;
    sql.run(&format!(
        "INSERT INTO steps (number, name, buildid, state_string, urls_json) \
         VALUES ({number}, '{name}', {build}, 'late', '[]')"
    ))
    .await;
    sleep(Duration::from_secs(1)).await;
    sql.run("COMMIT").await;
    name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_killed_in_turn_lose_nothing() {
    let database = Database::fresh().await;
    let addresses = [free_address(), free_address()];
    let mut processes = [
        Some(serve(addresses[0], &database, &[]).await),
        Some(serve(addresses[1], &database, &[]).await),
    ];
    let build = Client::new(addresses[0]).add_build("foreign").await;
    let load = Load::start(&addresses, 16, 2).await;
    let foreign = tokio::spawn(insert(Sql::open(&database).await, build, load.stop.clone()));
    let mut late = BTreeSet::new();
    for i in 0..4_usize {
        sleep(Duration::from_millis(600)).await;
        // On SQLite a slow transaction blocks everybody, because there is one writer at a time.
        let slow_transaction = (i < 3 && kind() != Kind::Sqlite).then(|| {
            let number = 1_000_000 + i64::try_from(i).unwrap();
            let database = &database;
            async move { commit_slowly(Sql::open(database).await, build, number).await }
        });
        let kill = async {
            sleep(Duration::from_millis(300)).await;
            let server = i % 2;
            processes[server].take().unwrap().kill().await;
            // Long enough for some client to meet a dead server.
            sleep(Duration::from_millis(150)).await;
            processes[server] = Some(serve(addresses[server], &database, &[]).await);
        };
        if let Some(slow_transaction) = slow_transaction {
            late.insert(tokio::join!(slow_transaction, kill).0);
        } else {
            kill.await;
        }
    }
    sleep(Duration::from_millis(600)).await;
    load.reach(100).await;
    let sql = Sql::open(&database).await;
    let foreigners = "SELECT COUNT(*) AS n FROM steps WHERE name LIKE 'direct-%'";
    while sql.number(foreigners).await < 50 {
        sleep(Duration::from_millis(20)).await;
    }
    load.stop.cancel();
    let inserted = foreign.await.unwrap();
    let heard = load.finish(&sql).await;
    let new = |prefix: &str| -> BTreeSet<String> {
        let news = heard.iter().filter(|row| row.kind == "NEW");
        news.filter_map(|row| row.name.clone())
            .filter(|name| name.starts_with(prefix))
            .collect()
    };
    assert_eq!(new("direct-"), inserted);
    assert_eq!(new("late-"), late);
    assert_eq!(late.len(), if kind() == Kind::Sqlite { 0 } else { 3 });
}
