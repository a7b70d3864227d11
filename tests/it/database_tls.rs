//! Connections to a PostgreSQL or MariaDB server with TLS. `DATABASE_CA` names the CA certificate;
//! `scripts/test` starts such servers.

use buildbot_graphql::testing::Clock;

use crate::{
    attach::run,
    feed::{after, newest_cursor},
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

fn authority() -> Option<String> {
    std::env::var("DATABASE_CA").ok()
}

/// The same database, with verification of the server's certificate.
fn verified(mut database: Database, authority: Option<&str>) -> Database {
    let (mode, file) = match kind() {
        Kind::Postgres => ("sslmode=verify-full", "sslrootcert"),
        _ => ("ssl-mode=VERIFY_IDENTITY", "ssl-ca"),
    };
    let authority = authority.map(|path| format!("&{file}={path}"));
    database.url = format!("{}?{mode}{}", database.url, authority.unwrap_or_default());
    database
}

#[tokio::test]
async fn every_connection_is_encrypted() {
    let Some(authority) = authority() else {
        return;
    };
    let mut database = Database::fresh().await;
    let sql = Sql::open(&database).await;
    if kind() == Kind::Mariadb {
        // From here on the server accepts only encrypted connections.
        let (_, name) = database.url.rsplit_once('/').unwrap();
        let user = format!("only_{name}");
        sql.run(&format!("CREATE USER {user}@'127.0.0.1' REQUIRE SSL"))
            .await;
        sql.run(&format!("GRANT ALL ON {name}.* TO {user}@'127.0.0.1'"))
            .await;
        database = database.of_user(&user);
        let mut plain = database.clone();
        plain.url += "?ssl-mode=DISABLED";
        let refused = run("migrate", &plain).await.unwrap_err();
        assert!(refused.contains("Access denied"), "{refused}");
    }
    let database = verified(database, Some(&authority));
    let server = Server::on(database, &["--anonymous", "write"], Clock::System, None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&newest_cursor(&client).await)).await;
    client.set_state(stepid, "secret").await;
    assert_eq!(ws.event().await["step"]["stateString"], "secret");
    if kind() == Kind::Postgres {
        let of_ours = "SELECT COUNT(*) AS n FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
             WHERE datname = current_database() AND application_name = 'buildbot-graphql'";
        assert_ne!(sql.number(&format!("{of_ours} AND ssl")).await, 0);
        assert_eq!(sql.number(&format!("{of_ours} AND NOT ssl")).await, 0);
    }
}

#[tokio::test]
async fn a_server_without_a_valid_certificate_is_refused() {
    if kind() == Kind::Sqlite {
        return;
    }
    let why = match authority() {
        Some(_) => "invalid peer certificate: UnknownIssuer",
        None => "server does not support TLS",
    };
    let database = verified(Database::fresh().await, None);
    let refused = run("migrate", &database).await.unwrap_err();
    assert!(refused.contains(why), "{refused}");
}
