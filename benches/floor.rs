//! The floor: the same rows over the same HTTP library, written as JSON without GraphQL, limits or
//! logs. `scripts/bench` measures requests beside it. The environment has its `DATABASE_URL`; it
//! prints its address.
#![expect(clippy::print_stdout, reason = "it prints its address")]

use std::{cell::RefCell, env, io::Write, sync::Arc};

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use sea_orm::sqlx::{self, PgPool, Row as _, postgres::PgRow};
use tokio::net::TcpListener;

/// Every error ends the run.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The columns of a step, in the order of the statement, and their names in JSON.
const NAMES: [&str; 11] = [
    "stepid",
    "number",
    "name",
    "startedAt",
    "locksAcquiredAt",
    "completeAt",
    "stateString",
    "results",
    "urls",
    "hidden",
    "buildid",
];
/// Which of them is JSON already.
const URLS: usize = 8;
const STEPS: &str = "SELECT id, number, name, started_at, locks_acquired_at, complete_at, \
     state_string, results, urls_json, hidden, buildid FROM steps WHERE";
/// The last builds of a builder.
const BUILDS: &str = "SELECT id FROM builds WHERE builderid = $1 ORDER BY number DESC LIMIT 50";

/// The steps of a build.
const OF_BUILD: &str = "buildid = $1 ORDER BY number";

/// Which steps a request asks for.
#[derive(Clone, Copy)]
enum Shape {
    Step,
    Build,
    Builds,
}

#[derive(Clone)]
enum Database {
    File(Arc<str>),
    Postgres(PgPool),
}

thread_local! {
    /// This thread's connection to the file.
    static FILE: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = env::var("DATABASE_URL")?;
    let database = match url.strip_prefix("sqlite://") {
        Some(file) => Database::File(file.into()),
        None => Database::Postgres(PgPool::connect(&url).await?),
    };
    let route = |shape, id| get(move |State(database)| answer(database, shape, id));
    let app = Router::new()
        .route("/step", route(Shape::Step, 12_345))
        .route("/build", route(Shape::Build, 777))
        .route("/builds", route(Shape::Builds, 3))
        .with_state(database);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn answer(database: Database, shape: Shape, id: i32) -> impl IntoResponse {
    let json = match &database {
        Database::File(file) => from_file(file, shape, id),
        Database::Postgres(pool) => from_postgres(pool, shape, id).await,
    };
    // What cannot be read ends the connection, and the run says so.
    let json = json.unwrap_or_else(|error| panic!("{error}"));
    ([(header::CONTENT_TYPE, "application/json")], json)
}

fn from_file(file: &str, shape: Shape, id: i32) -> Result<Vec<u8>> {
    FILE.with_borrow_mut(|connection| {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(open(file)?),
        };
        let mut json = Vec::new();
        for (test, id) in match shape {
            Shape::Step => vec![("id = $1", id)],
            Shape::Build => vec![(OF_BUILD, id)],
            Shape::Builds => {
                let mut builds = connection.prepare_cached(BUILDS)?;
                let ids = builds.query_map([id], |row| row.get(0))?;
                let of_build = |id: rusqlite::Result<i32>| id.map(|id| (OF_BUILD, id));
                ids.map(of_build).collect::<rusqlite::Result<_>>()?
            }
        } {
            let mut steps = connection.prepare_cached(&format!("{STEPS} {test}"))?;
            let mut rows = steps.query([id])?;
            json.push(b'[');
            while let Some(row) = rows.next()? {
                for (at, name) in NAMES.iter().enumerate() {
                    let column = match row.get_ref(at)? {
                        ValueRef::Integer(number) => Column::Number(number),
                        ValueRef::Text(text) => Column::Text(std::str::from_utf8(text)?),
                        _ => Column::Null,
                    };
                    column.write(&mut json, at, name)?;
                }
            }
            json.push(b']');
        }
        Ok(json)
    })
}

fn open(file: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.execute_batch("PRAGMA mmap_size = 1000000000")?;
    Ok(connection)
}

async fn from_postgres(pool: &PgPool, shape: Shape, id: i32) -> Result<Vec<u8>> {
    let steps = match shape {
        Shape::Step => format!("{STEPS} id = $1"),
        Shape::Build => format!("{STEPS} {OF_BUILD}"),
        Shape::Builds => format!("{STEPS} buildid IN ({BUILDS}) ORDER BY buildid, number"),
    };
    let steps = sqlx::query(sqlx::AssertSqlSafe(steps));
    let mut json = b"[".to_vec();
    for row in steps.bind(id).fetch_all(pool).await? {
        for (at, name) in NAMES.iter().enumerate() {
            column(&row, at)?.write(&mut json, at, name)?;
        }
    }
    json.push(b']');
    Ok(json)
}

fn column(row: &PgRow, at: usize) -> Result<Column<'_>> {
    Ok(match NAMES[at] {
        "name" | "stateString" | "urls" => Column::Text(row.try_get(at)?),
        "hidden" => Column::Number(row.try_get::<i16, _>(at)?.into()),
        "startedAt" | "locksAcquiredAt" | "completeAt" => {
            let time: Option<i64> = row.try_get(at)?;
            time.map_or(Column::Null, Column::Number)
        }
        _ => {
            let number: Option<i32> = row.try_get(at)?;
            number.map_or(Column::Null, |number| Column::Number(number.into()))
        }
    })
}

/// A column of a row.
enum Column<'r> {
    Null,
    Number(i64),
    Text(&'r str),
}

impl Column<'_> {
    /// Writes it as a member of the row's object, which the first begins and the last ends.
    fn write(&self, json: &mut Vec<u8>, at: usize, name: &str) -> Result<()> {
        write!(json, "{}\"{name}\":", if at == 0 { '{' } else { ',' })?;
        match self {
            Self::Null => json.extend_from_slice(b"null"),
            Self::Number(number) => write!(json, "{number}")?,
            Self::Text(text) if at == URLS => json.extend_from_slice(text.as_bytes()),
            Self::Text(text) => serde_json::to_writer(&mut *json, text)?,
        }
        if at + 1 == NAMES.len() {
            json.extend_from_slice(b"},");
        }
        Ok(())
    }
}
