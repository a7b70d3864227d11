//! The revisions of Buildbot's schema, as Alembic numbers them.

use sea_orm::{DatabaseConnection, DbErr};

use crate::store::db::catalog::read_texts;

/// The oldest revision that has every column of `steps`.
pub(crate) const OLDEST_REVISION: &str = "063";
/// The first that has `builds.locks_duration_s`.
pub(crate) const WITH_LOCK_DURATIONS: &str = "066";
/// The newest revision that we know.
pub(crate) const NEWEST_REVISION: &str = "067";

/// The revision of a Buildbot master's database; empty where it names none.
pub(crate) async fn revision(db: &DatabaseConnection) -> Result<String, DbErr> {
    let revisions = read_texts(db, "SELECT version_num AS text FROM alembic_version").await?;
    Ok(revisions.into_iter().next().unwrap_or_default())
}
