//! Finds a pooler in front of PostgreSQL that shares sessions, such as PgBouncer in transaction
//! mode.

use std::time::Duration;

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{
        self, Postgres, Row,
        pool::PoolConnection,
        postgres::{PgConnectOptions, PgPoolOptions},
        raw_sql,
    },
};
use tokio::time::timeout;

use crate::config::database::DatabaseConfig;

/// What an operator is told of such a pooler.
const SHARED: &str = "a connection pooler in front of it, such as PgBouncer in transaction or statement mode, gives \
     a client another session with each statement; use session mode (pool_mode = session), or connect to PostgreSQL itself";

/// How often each of two clients asks for its session. A busy pooler may give a client the same one
/// a few times by chance.
const ROUNDS: usize = 8;

/// Refuses a server where a client has no session of its own. What one sets would stay behind for
/// other clients of the pooler, and be missing where it is needed, so this runs before anything is
/// set.
pub(crate) async fn expect_sessions(
    options: PgConnectOptions,
    config: &DatabaseConfig,
) -> Result<(), DbErr> {
    let patience = Duration::from_secs(config.connect_seconds.max(1));
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(patience)
        .connect_lazy_with(options);
    // Each has to connect and to answer: a pooler may have a single session to give.
    let shares = timeout(2 * patience, shares_sessions(&pool)).await;
    pool.close().await;
    Err(DbErr::Conn(match shares {
        Ok(Ok(false)) => return Ok(()),
        Ok(Ok(true)) => RuntimeErr::Internal(SHARED.to_owned()),
        Ok(Err(error)) => RuntimeErr::SqlxError(error.into()),
        Err(_) => {
            let waited = 2 * patience.as_secs();
            RuntimeErr::Internal(format!("two connections were not served within {waited} s"))
        }
    }))
}

/// Whether two clients get the same session, or one of them another than before.
async fn shares_sessions(pool: &sqlx::PgPool) -> Result<bool, sqlx::Error> {
    let mut clients = [pool.acquire().await?, pool.acquire().await?];
    let mut sessions: [Option<i32>; 2] = [None, None];
    for _ in 0..ROUNDS {
        // Each asks twice in a row, so that a pooler with two sessions that takes turns is found.
        for client in [0, 1, 1, 0] {
            let now = session(&mut clients[client]).await?;
            let before = sessions[client].replace(now);
            if sessions[1 - client] == Some(now) || before.is_some_and(|before| before != now) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The id of the process that runs a client's statement. As a text without parameters, so that no
/// prepared statement is left behind.
async fn session(client: &mut PoolConnection<Postgres>) -> Result<i32, sqlx::Error> {
    let row = raw_sql("SELECT pg_backend_pid()").fetch_one(&mut **client);
    row.await?.try_get(0)
}
