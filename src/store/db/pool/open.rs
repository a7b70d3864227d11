//! Opening a pool.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
    sqlx::{self, mysql::MySqlConnectOptions, postgres::PgConnectOptions},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    config::database::DatabaseConfig,
    store::db::{
        error_kind::is_busy,
        pool::{
            pooler::expect_sessions,
            purpose::Purpose,
            session::{begin_with, mysql_session, postgres_session},
            sqlite::set_sqlite_options,
        },
    },
};

/// How long a connection is idle before it is tested at its next use: the database may have been
/// restarted.
const TEST_AFTER: Duration = Duration::from_secs(1);

/// How long `diagnose` may take to connect once.
const DIAGNOSIS: Duration = Duration::from_secs(1);

/// The pause before a busy file is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What connections lead to.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t> {
    /// Without a password, which traces would have.
    pub(crate) url: &'t str,
    pub(crate) password: Option<&'t str>,
    pub(crate) backend: DbBackend,
}

impl Target<'_> {
    fn mysql_options(self) -> Result<MySqlConnectOptions, sqlx::Error> {
        Ok(with_mysql_password(self.url.parse()?, self.password))
    }

    fn postgres_options(self) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(for_postgres(self.url.parse()?, self.password))
    }
}

/// Opens a pool of at most `connections`.
pub(crate) async fn open(
    target: Target<'_>,
    config: &DatabaseConfig,
    purpose: Purpose,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(target.url);
    let password = target.password.map(str::to_owned);
    options
        .max_connections(connections.max(1))
        .sqlx_logging(false)
        // Without the values; there are spans only where traces are built in.
        .record_stmt_in_spans(true)
        // A file needs no test; servers are tested after idling, see below.
        .test_before_acquire(false)
        .connect_lazy(purpose == Purpose::KeepFeed);
    match target.backend {
        DbBackend::Sqlite => {
            set_sqlite_options(&mut options, config, purpose);
            return connect_when_free(options, config.busy()).await;
        }
        DbBackend::MySql => {
            let session = mysql_session(config, purpose);
            options.map_sqlx_mysql_pool_opts(move |pool| begin_with(pool, &session));
            options.map_sqlx_mysql_opts(move |o| with_mysql_password(o, password.as_deref()));
        }
        _ => {
            // Every command inspects first, and before it nothing is set.
            if purpose == Purpose::Inspect {
                let options = target.postgres_options();
                let options = options.map_err(|e| DbErr::Custom(format!("{e}")))?;
                if let Err(error) = expect_sessions(options, config).await {
                    return Err(diagnose(target).await.unwrap_or(error));
                }
            }
            let session = postgres_session(config, purpose);
            options.map_sqlx_postgres_pool_opts(move |pool| begin_with(pool, &session));
            options.map_sqlx_postgres_opts(move |o| {
                for_postgres(o, password.as_deref()).application_name("buildbot-graphql")
            });
        }
    }
    options
        .acquire_timeout(Duration::from_secs(config.connect_seconds.max(1)))
        .test_before_acquire_if_idle_for(TEST_AFTER);
    match Database::connect(options).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(diagnose(target).await.unwrap_or(error)),
    }
}

/// Adds the password, and leaves out a setting that PgBouncer refuses; there are no columns of
/// floating-point numbers.
fn for_postgres(options: PgConnectOptions, password: Option<&str>) -> PgConnectOptions {
    let options = options.extra_float_digits(None);
    match password {
        Some(password) => options.password(password),
        None => options,
    }
}

fn with_mysql_password(
    options: MySqlConnectOptions,
    password: Option<&str>,
) -> MySqlConnectOptions {
    match password {
        Some(password) => options.password(password),
        None => options,
    }
}

/// Connects to a file. Where another process turns on its write-ahead log at the same moment,
/// SQLite may report that it is busy sooner than its timeout.
async fn connect_when_free(
    options: ConnectOptions,
    patience: Duration,
) -> Result<DatabaseConnection, DbErr> {
    let deadline = Instant::now() + patience;
    loop {
        match Database::connect(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                sleep(BUSY_PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Why a server refuses a connection: a pool that has tried again and again says only that it had
/// no time left.
async fn diagnose(target: Target<'_>) -> Option<DbErr> {
    let error = match target.backend {
        DbBackend::MySql => try_once(target.mysql_options().ok()?).await,
        _ => try_once(target.postgres_options().ok()?).await,
    };
    Some(DbErr::Conn(RuntimeErr::SqlxError(error?.into())))
}

/// The error of a single attempt, if it comes soon.
async fn try_once<O>(options: O) -> Option<sqlx::Error>
where
    O: sqlx::ConnectOptions<Connection: Sized>,
{
    timeout(DIAGNOSIS, options.connect()).await.ok()?.err()
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

    use crate::{
        config::database::DatabaseConfig,
        store::db::pool::{
            open::{Target, open},
            purpose::Purpose,
            session::{mysql_session, postgres_session},
        },
    };

    fn config(url: String) -> DatabaseConfig {
        DatabaseConfig {
            database_url: Some(url),
            database_url_file: None,
            readers: 1,
            cache_bytes: 0,
            writers: 1,
            snapshot_readers: 1,
            snapshot_seconds: 1,
            busy_seconds: 1,
            connect_seconds: 1,
            statement_seconds: 1,
            read_only: false,
        }
    }

    async fn run(db: &DatabaseConnection, sql: &str) -> Result<u64, DbErr> {
        Ok(db.execute_unprepared(sql).await?.rows_affected())
    }

    #[tokio::test]
    async fn inspecting_writes_nothing() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("new.sqlite");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let config = config(url.clone());
        let target = Target {
            url: &url,
            password: None,
            backend: DbBackend::Sqlite,
        };
        let connect = |purpose| open(target, &config, purpose, 1);
        // As for a database that is not there yet.
        let inspecting = connect(Purpose::Inspect).await?;
        assert_eq!(run(&inspecting, "SELECT 1").await?, 0);
        let commanding = connect(Purpose::Command).await?;
        run(&commanding, "CREATE TABLE t (n INTEGER)").await?;
        assert_eq!(run(&commanding, "INSERT INTO t VALUES (1)").await?, 1);
        for write in ["INSERT INTO t VALUES (2)", "DELETE FROM t", "DROP TABLE t"] {
            let refused = run(&inspecting, write).await.map_err(|e| e.to_string());
            let reason = refused.expect_err(write);
            assert!(reason.contains("readonly database"), "{write}: {reason}");
        }
        Ok(())
    }

    #[test]
    fn sessions_read_unless_they_are_to_write() {
        let config = config(String::new());
        for purpose in [Purpose::Inspect, Purpose::Read, Purpose::ReadBuildbots] {
            let on = "SET default_transaction_read_only = on;";
            assert!(postgres_session(&config, purpose).contains(on));
            assert!(mysql_session(&config, purpose).ends_with(", READ ONLY"));
        }
        for purpose in [
            Purpose::Command,
            Purpose::Write,
            Purpose::KeepFeed,
            Purpose::Install,
        ] {
            // As the database has it.
            let set = "default_transaction_read_only";
            assert!(!postgres_session(&config, purpose).contains(set));
            assert!(mysql_session(&config, purpose).ends_with(" READ COMMITTED"));
        }
    }
}
