//! Which objects of the feed a database has.

use migration::{
    feed::{FeedObject, columns::LOGID},
    noun::{Noun, NounSet},
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

/// A table, a column of the events, or a trigger and its function, as the database's catalog lists
/// it.
#[derive(FromQueryResult)]
pub(crate) struct CatalogEntry {
    kind: String,
    pub(crate) name: String,
    /// 0 for a trigger that is switched off.
    works: i32,
}

impl CatalogEntry {
    pub(crate) fn is(&self, object: &FeedObject) -> bool {
        self.kind == object.kind.name() && self.name == object.name
    }
}

/// Whether everything that serves all nouns is there.
pub(crate) fn has_tables(objects: &[FeedObject], catalog: &[CatalogEntry]) -> bool {
    let mut tables = objects.iter().filter(|object| object.noun.is_none());
    tables.all(|object| works(object, catalog))
}

/// Whether the table of events has the columns of logs.
pub(crate) fn has_log_columns(catalog: &[CatalogEntry]) -> bool {
    let is_column = |entry: &CatalogEntry| entry.kind == "column" && entry.name == LOGID;
    catalog.iter().any(is_column)
}

/// The nouns whose triggers are all there and work.
pub(crate) fn triggered(objects: &[FeedObject], catalog: &[CatalogEntry]) -> NounSet {
    let is_whole = |noun: &Noun| {
        let mut of_noun = objects.iter().filter(|object| object.noun == Some(*noun));
        of_noun.all(|object| works(object, catalog))
    };
    Noun::ALL.into_iter().filter(is_whole).collect()
}

fn works(object: &FeedObject, catalog: &[CatalogEntry]) -> bool {
    catalog.iter().any(|e| e.is(object) && e.works == 1)
}

/// Reads the catalog.
pub(crate) async fn read_catalog(db: &impl ConnectionTrait) -> Result<Vec<CatalogEntry>, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => {
            "SELECT type AS kind, name, 1 AS works FROM sqlite_master WHERE type IN ('table', 'trigger') \
             UNION ALL SELECT 'column', name, 1 FROM pragma_table_info('graphql_events')"
        }
        DbBackend::MySql => {
            "SELECT 'table' AS kind, CAST(table_name AS CHAR) AS name, 1 AS works FROM information_schema.tables \
             WHERE table_schema = DATABASE() \
             UNION ALL SELECT 'trigger', CAST(trigger_name AS CHAR), 1 FROM information_schema.triggers \
             WHERE trigger_schema = DATABASE() \
             UNION ALL SELECT 'column', CAST(column_name AS CHAR), 1 FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = 'graphql_events'"
        }
        // A trigger can be switched off.
        _ => {
            "SELECT 'table' AS kind, CAST(tablename AS text) AS name, 1 AS works FROM pg_tables \
             WHERE schemaname = current_schema() \
             UNION ALL SELECT 'function', CAST(proname AS text), 1 FROM pg_proc \
             WHERE pronamespace = to_regnamespace(current_schema()) \
             UNION ALL SELECT 'trigger', CAST(tgname AS text), CASE WHEN tgenabled IN ('O', 'A') THEN 1 ELSE 0 END \
             FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid \
             WHERE relnamespace = to_regnamespace(current_schema()) AND NOT tgisinternal \
             UNION ALL SELECT 'column', CAST(attname AS text), 1 FROM pg_attribute \
             WHERE attrelid = to_regclass('graphql_events') AND attnum > 0 AND NOT attisdropped"
        }
    };
    CatalogEntry::find_by_statement(Statement::from_string(backend, sql))
        .all(db)
        .await
}
