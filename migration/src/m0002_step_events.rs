//! The change feed: triggers on `steps` write one event per change, in the transaction that makes it.
//!
//! The same objects can be put into a Buildbot master's database, so the triggers read only NEW and OLD,
//! and nothing here can refuse a write: no constraint, no foreign key, no error.

use std::hash::{BuildHasher, Hasher, RandomState};

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

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
const KIND_OF_UPDATE: &str = "CASE \
    WHEN NEW.complete_at IS NOT NULL AND (OLD.complete_at IS NOT NEW.complete_at \
        OR OLD.results IS NOT NEW.results OR OLD.hidden IS NOT NEW.hidden) THEN 4 \
    WHEN NEW.started_at IS NOT NULL AND OLD.started_at IS NOT NEW.started_at THEN 2 \
    ELSE 3 END";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        if db.get_database_backend() != DbBackend::Sqlite {
            return Err(DbErr::Custom(
                "the change feed is written for SQLite so far".into(),
            ));
        }
        manager
            .create_table(
                Table::create()
                    .table("graphql_step_events")
                    .col(
                        ColumnDef::new("id")
                            .integer()
                            .not_null()
                            .auto_increment()
                            .primary_key(),
                    )
                    .col(ColumnDef::new("kind").small_integer())
                    .col(ColumnDef::new("occurred_at").big_integer())
                    .col(ColumnDef::new("stepid").integer())
                    .col(ColumnDef::new("number").integer())
                    .col(ColumnDef::new("name").text())
                    .col(ColumnDef::new("buildid").integer())
                    .col(ColumnDef::new("started_at").big_integer())
                    .col(ColumnDef::new("locks_acquired_at").big_integer())
                    .col(ColumnDef::new("complete_at").big_integer())
                    .col(ColumnDef::new("state_string").text())
                    .col(ColumnDef::new("results").integer())
                    .col(ColumnDef::new("urls_json").text())
                    .col(ColumnDef::new("hidden").small_integer())
                    .take(),
            )
            .await?;
        // The feed's name, part of every cursor, so that a cursor of another database is not taken for one of this.
        manager
            .create_table(
                Table::create()
                    .table("graphql_feed")
                    .col(ColumnDef::new("epoch").string_len(16).not_null())
                    .take(),
            )
            .await?;
        let epoch = format!("{:08x}", RandomState::new().build_hasher().finish() >> 32);
        db.execute(
            Query::insert()
                .into_table("graphql_feed")
                .columns(["epoch"])
                .values_panic([epoch.into()]),
        )
        .await?;

        let to: Vec<&str> = CARRIED.iter().map(|(_, here)| *here).collect();
        let from: Vec<String> = CARRIED
            .iter()
            .map(|(there, _)| format!("NEW.{there}"))
            .collect();
        for (name, moment, kind) in [
            ("graphql_steps_insert", "INSERT", "1"),
            ("graphql_steps_update", "UPDATE", KIND_OF_UPDATE),
        ] {
            db.execute_unprepared(&format!(
                "CREATE TRIGGER {name} AFTER {moment} ON steps BEGIN \
                 INSERT INTO graphql_step_events (kind, occurred_at, {to}) \
                 VALUES ({kind}, CAST(strftime('%s', 'now') AS INTEGER), {from}); END",
                to = to.join(", "),
                from = from.join(", "),
            ))
            .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for trigger in ["graphql_steps_insert", "graphql_steps_update"] {
            db.execute_unprepared(&format!("DROP TRIGGER {trigger}"))
                .await?;
        }
        for table in ["graphql_step_events", "graphql_feed"] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}
