//! Events of builders and builds beside those of steps. A database made since has them from the
//! start.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DbErr, Statement},
};

use crate::{
    feed::{FeedOwner, earlier::take_over, feed_objects, record_again},
    noun::NounSet,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_over(manager, FeedOwner::Us, true).await?;
        let (db, backend) = (manager.get_connection(), manager.get_database_backend());
        let recorded = Statement::from_string(backend, "SELECT recorded FROM graphql_feed");
        let recorded = db.query_one_raw(recorded).await?;
        let recorded = recorded.map_or(Ok(0), |row| row.try_get("", "recorded"))?;
        let objects = feed_objects(backend, FeedOwner::Us);
        for noun in NounSet::BEFORE_LOGS
            .without(NounSet::from_codes(recorded))
            .iter()
        {
            for statement in record_again(&objects, backend, noun) {
                db.execute_unprepared(&statement).await?;
            }
        }
        Ok(())
    }
}
