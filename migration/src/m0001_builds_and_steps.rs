//! Builders with their tags, builds and steps: Buildbot's names, types and unique indexes.
//! Columns that point at tables we do not have are nullable and bare, and times are 64 bits wide.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::{create_index, long_text, with_table_options};

/// An index's name, its table and its columns.
type IndexColumns = (&'static str, &'static str, &'static [&'static str]);

const UNIQUE_INDEXES: [IndexColumns; 6] = [
    ("builder_name_hash", "builders", &["name_hash"]),
    ("tag_name_hash", "tags", &["name_hash"]),
    (
        "builders_tags_unique",
        "builders_tags",
        &["builderid", "tagid"],
    ),
    ("builds_number", "builds", &["builderid", "number"]),
    ("steps_number", "steps", &["buildid", "number"]),
    ("steps_name", "steps", &["buildid", "name"]),
];

const INDEXES: [IndexColumns; 7] = [
    ("builders_projectid", "builders", &["projectid"]),
    ("builders_tags_builderid", "builders_tags", &["builderid"]),
    ("builds_buildrequestid", "builds", &["buildrequestid"]),
    // Ours alone: a builder's last builds without reading and sorting all of them.
    ("graphql_builds_of_builder", "builds", &["builderid", "id"]),
    ("builds_workerid", "builds", &["workerid"]),
    ("builds_masterid", "builds", &["masterid"]),
    ("steps_started_at", "steps", &["started_at"]),
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables(manager.get_database_backend()) {
            manager.create_table(table).await?;
        }
        for (name, table, columns) in UNIQUE_INDEXES {
            let index = index(name, table, columns).unique().take();
            create_index(manager, name, table, index).await?;
        }
        for (name, table, columns) in INDEXES {
            create_index(manager, name, table, index(name, table, columns)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["steps", "builds", "builders_tags", "tags", "builders"] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}

/// All tables, a parent before its children.
fn tables(backend: DbBackend) -> Vec<TableCreateStatement> {
    let [builders, tags, builders_tags] = builder_tables(backend);
    vec![
        builders,
        tags,
        builders_tags,
        builds(backend),
        steps(backend),
    ]
}

fn builder_tables(backend: DbBackend) -> [TableCreateStatement; 3] {
    let builders = table(backend, "builders")
        .col(ColumnDef::new("name").text().not_null())
        .col(ColumnDef::new("description").text())
        .col(ColumnDef::new("description_format").text())
        .col(ColumnDef::new("description_html").text())
        .col(ColumnDef::new("projectid").integer())
        .col(ColumnDef::new("name_hash").string_len(40).not_null())
        .take();
    let tags = table(backend, "tags")
        .col(ColumnDef::new("name").text().not_null())
        .col(ColumnDef::new("name_hash").string_len(40).not_null())
        .take();
    let builders_tags = table(backend, "builders_tags")
        .col(ColumnDef::new("builderid").integer().not_null())
        .col(ColumnDef::new("tagid").integer().not_null())
        .foreign_key(&mut belongs_to("builders_tags", "builderid", "builders"))
        .foreign_key(&mut belongs_to("builders_tags", "tagid", "tags"))
        .take();
    [builders, tags, builders_tags]
}

fn builds(backend: DbBackend) -> TableCreateStatement {
    table(backend, "builds")
        .col(ColumnDef::new("number").integer().not_null())
        .col(ColumnDef::new("builderid").integer().not_null())
        .col(ColumnDef::new("buildrequestid").integer())
        .col(ColumnDef::new("workerid").integer())
        .col(ColumnDef::new("masterid").integer())
        .col(ColumnDef::new("started_at").big_integer().not_null())
        .col(ColumnDef::new("complete_at").big_integer())
        .col(ColumnDef::new("locks_duration_s").integer().not_null())
        .col(long_text(backend, "state_string").not_null())
        .col(ColumnDef::new("results").integer())
        .foreign_key(&mut belongs_to("builds", "builderid", "builders"))
        .take()
}

fn steps(backend: DbBackend) -> TableCreateStatement {
    let hidden = ColumnDef::new("hidden")
        .small_integer()
        .not_null()
        .default(0)
        .take();
    table(backend, "steps")
        .col(ColumnDef::new("number").integer().not_null())
        .col(ColumnDef::new("name").string_len(50).not_null())
        .col(ColumnDef::new("buildid").integer().not_null())
        .col(ColumnDef::new("started_at").big_integer())
        .col(ColumnDef::new("locks_acquired_at").big_integer())
        .col(ColumnDef::new("complete_at").big_integer())
        .col(long_text(backend, "state_string").not_null())
        .col(ColumnDef::new("results").integer())
        .col(long_text(backend, "urls_json").not_null())
        .col(hidden)
        .foreign_key(&mut belongs_to("steps", "buildid", "builds"))
        .take()
}

fn table(backend: DbBackend, name: &'static str) -> TableCreateStatement {
    // Unlike Buildbot's, our ids are never used twice: an event may be of a step that was deleted.
    let id = ColumnDef::new("id")
        .integer()
        .not_null()
        .auto_increment()
        .primary_key()
        .take();
    with_table_options(backend, Table::create().table(name).col(id).take())
}

fn belongs_to(
    table: &'static str,
    column: &'static str,
    to: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table, column)
        .to(to, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

fn index(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table).take();
    for column in columns {
        index.col(*column);
    }
    index
}
