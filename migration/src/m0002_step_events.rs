//! The change feed: triggers on `steps` write one event per change, in the transaction that makes it.
//!
//! The same objects can be put into a Buildbot master's database, so the triggers read only NEW and OLD,
//! nothing in them can refuse a write (no constraint, no foreign key, no error), and no writer waits for another:
//! on PostgreSQL and MariaDB, where transactions end in another order than they began, an event gets its position
//! only after its commit, from the server that reads the feed.

use std::hash::{BuildHasher, Hasher, RandomState};

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::{in_own_words, long_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The columns of `steps` that an event carries, as they are called there and here.
const CARRIED: [(&str, &str); 11] = [
    ("id", "stepid"),
    ("number", "number"),
    ("name", "name"),
    ("buildid", "buildid"),
    ("started_at", "started_at"),
    ("locks_acquired_at", "locks_acquired_at"),
    ("complete_at", "complete_at"),
    ("state_string", "state_string"),
    ("results", "results"),
    ("urls_json", "urls_json"),
    ("hidden", "hidden"),
];

/// What a change was, as far as the values tell: 4 finished, 2 started, 3 any other. The server
/// corrects the kind of its own writes where they change no value, such as finishing twice.
fn kind_of_update(backend: DbBackend) -> String {
    let changed = |column: &str| match backend {
        // SQLite knows IS DISTINCT FROM since 3.39; a Buildbot master may bring an older one.
        DbBackend::Sqlite => format!("OLD.{column} IS NOT NEW.{column}"),
        DbBackend::MySql => format!("NOT (OLD.{column} <=> NEW.{column})"),
        _ => format!("OLD.{column} IS DISTINCT FROM NEW.{column}"),
    };
    format!(
        "CASE WHEN NEW.complete_at IS NOT NULL AND ({} OR {} OR {}) THEN 4 \
         WHEN NEW.started_at IS NOT NULL AND {} THEN 2 ELSE 3 END",
        changed("complete_at"),
        changed("results"),
        changed("hidden"),
        changed("started_at"),
    )
}

/// The seconds since the epoch by the database's clock.
fn now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER)",
        DbBackend::MySql => "UNIX_TIMESTAMP()",
        _ => "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint)",
    }
}

/// The statements that make the triggers.
fn triggers(backend: DbBackend) -> Vec<String> {
    let to: Vec<&str> = CARRIED.iter().map(|(_, here)| *here).collect();
    let from: Vec<String> = CARRIED
        .iter()
        .map(|(there, _)| format!("NEW.{there}"))
        .collect();
    let insert = |kind: &str| {
        format!(
            "INSERT INTO graphql_step_events (kind, occurred_at, {to}) VALUES ({kind}, {now}, {from})",
            to = to.join(", "),
            now = now(backend),
            from = from.join(", "),
        )
    };
    let of_update = kind_of_update(backend);
    let moments = [
        ("graphql_steps_insert", "INSERT", "1"),
        ("graphql_steps_update", "UPDATE", of_update.as_str()),
    ];
    moments
        .into_iter()
        .flat_map(|(name, moment, kind)| match backend {
            DbBackend::Sqlite => vec![format!(
                "CREATE TRIGGER {name} AFTER {moment} ON steps BEGIN {}; END",
                insert(kind)
            )],
            DbBackend::MySql => vec![
                format!("DROP TRIGGER IF EXISTS {name}"),
                format!(
                    "CREATE TRIGGER {name} AFTER {moment} ON steps FOR EACH ROW {}",
                    insert(kind)
                ),
            ],
            // With the path of today, whoever writes later and wherever they look for tables.
            _ => vec![
                format!(
                    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS \
                     $$ BEGIN {}; RETURN NULL; END $$",
                    insert(kind)
                ),
                format!(
                    "CREATE TRIGGER {name} AFTER {moment} ON steps FOR EACH ROW EXECUTE FUNCTION {name}()"
                ),
            ],
        })
        .collect()
}

fn events(backend: DbBackend) -> TableCreateStatement {
    let mut id = ColumnDef::new("id");
    // SQLite counts only a column of the very type INTEGER by itself.
    if backend == DbBackend::Sqlite {
        id.integer();
    } else {
        id.big_integer();
    }
    let mut table = Table::create()
        .table("graphql_step_events")
        .col(id.not_null().auto_increment().primary_key())
        .col(ColumnDef::new("kind").small_integer())
        .col(ColumnDef::new("occurred_at").big_integer())
        .col(ColumnDef::new("stepid").integer())
        .col(ColumnDef::new("number").integer())
        .col(ColumnDef::new("name").text())
        .col(ColumnDef::new("buildid").integer())
        .col(ColumnDef::new("started_at").big_integer())
        .col(ColumnDef::new("locks_acquired_at").big_integer())
        .col(ColumnDef::new("complete_at").big_integer())
        .col(long_text(backend, "state_string"))
        .col(ColumnDef::new("results").integer())
        .col(long_text(backend, "urls_json"))
        .col(ColumnDef::new("hidden").small_integer())
        .take();
    if backend != DbBackend::Sqlite {
        // Null until the event has its place in the feed.
        table.col(ColumnDef::new("position").big_integer().unique_key());
    }
    in_own_words(backend, table)
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let db = manager.get_connection();
        manager.create_table(events(backend)).await?;
        // The feed's name, part of every cursor, so that a cursor of another database is not taken for one of this,
        // and the last position that was given out.
        let mut epoch = ColumnDef::new("epoch").string_len(16).not_null().take();
        if backend != DbBackend::Sqlite {
            // Clusters of MariaDB want a key.
            epoch.primary_key();
        }
        let mut feed = Table::create().table("graphql_feed").col(epoch).take();
        if backend != DbBackend::Sqlite {
            feed.col(
                ColumnDef::new("position")
                    .big_integer()
                    .not_null()
                    .default(0),
            );
        }
        manager.create_table(in_own_words(backend, feed)).await?;
        for trigger in triggers(backend) {
            db.execute_unprepared(&trigger).await?;
        }
        let epoch = format!("{:08x}", RandomState::new().build_hasher().finish() >> 32);
        db.execute_unprepared("DELETE FROM graphql_feed").await?;
        db.execute(
            Query::insert()
                .into_table("graphql_feed")
                .columns(["epoch"])
                .values_panic([epoch.into()]),
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let db = manager.get_connection();
        for trigger in ["graphql_steps_insert", "graphql_steps_update"] {
            let drop = match backend {
                DbBackend::Postgres => format!("DROP FUNCTION {trigger}() CASCADE"),
                _ => format!("DROP TRIGGER {trigger}"),
            };
            db.execute_unprepared(&drop).await?;
        }
        for table in ["graphql_step_events", "graphql_feed"] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}
