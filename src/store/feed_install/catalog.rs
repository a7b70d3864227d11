//! Which objects of the feed a database has.

use migration::feed::FeedObject;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

/// A table, or a trigger on `steps` and its function, as the database's catalog lists it.
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

/// Whether every object is there and works.
pub(crate) fn is_whole(objects: &[FeedObject], catalog: &[CatalogEntry]) -> bool {
    let works = |object| catalog.iter().any(|e| e.is(object) && e.works == 1);
    objects.iter().all(works)
}

/// Reads the catalog.
pub(crate) async fn read_catalog(db: &impl ConnectionTrait) -> Result<Vec<CatalogEntry>, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => {
            "SELECT type AS kind, name, 1 AS works FROM sqlite_master \
             WHERE type = 'table' OR (type = 'trigger' AND tbl_name = 'steps')"
        }
        DbBackend::MySql => {
            "SELECT 'table' AS kind, CAST(table_name AS CHAR) AS name, 1 AS works FROM information_schema.tables \
             WHERE table_schema = DATABASE() \
             UNION ALL SELECT 'trigger', CAST(trigger_name AS CHAR), 1 FROM information_schema.triggers \
             WHERE trigger_schema = DATABASE() AND event_object_table = 'steps'"
        }
        // A trigger can be switched off.
        _ => {
            "SELECT 'table' AS kind, CAST(tablename AS text) AS name, 1 AS works FROM pg_tables \
             WHERE schemaname = current_schema() \
             UNION ALL SELECT 'function', CAST(proname AS text), 1 FROM pg_proc \
             WHERE pronamespace = to_regnamespace(current_schema()) \
             UNION ALL SELECT 'trigger', CAST(tgname AS text), CASE WHEN tgenabled IN ('O', 'A') THEN 1 ELSE 0 END FROM pg_trigger \
             WHERE tgrelid = to_regclass('steps')"
        }
    };
    CatalogEntry::find_by_statement(Statement::from_string(backend, sql))
        .all(db)
        .await
}
