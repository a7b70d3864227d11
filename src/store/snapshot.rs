//! Steps as they are at one moment of the feed.

use sea_orm::{
    ConnectionTrait, DbBackend, IsolationLevel, QueryTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, Query, SelectStatement},
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::Result,
        filter::{Filter, Order},
        id::{BuilderId, ChangeId},
        page::Rows,
        step::StepField,
    },
    store::{
        build,
        db::{database::Db, dialect::SqlDialect},
        event::unsequenced,
        event_bookmark,
        query::{filter::condition, order::order_by, rows::read},
        step,
    },
};

/// Steps as they are at one moment of the feed.
#[derive(Clone, Debug)]
pub(crate) struct StepSnapshot {
    /// The newest event's.
    pub(crate) bookmark: Bookmark,
    /// Changes that the steps show already and that have no position yet: they will get positions
    /// after the newest.
    pub(crate) ahead: Vec<ChangeId>,
    pub(crate) steps: Rows<step::Model>,
}

/// At most `size` steps that pass the filter, and the end of the feed, all of one moment.
pub(crate) async fn read_snapshot(
    db: &Db,
    filter: &Filter<StepField>,
    builder: Option<BuilderId>,
    order: &Order<StepField>,
    size: u64,
) -> Result<StepSnapshot> {
    let dialect = db.dialect();
    let is_sqlite = dialect.backend == DbBackend::Sqlite;
    // The transaction reads one moment, that of its first read. SQLite's do so by default.
    let level = (!is_sqlite).then_some(IsolationLevel::RepeatableRead);
    let reader = db.reader().await?;
    let txn = reader.begin(level).await?;
    let bookmark = event_bookmark::newest(&txn).await?;
    // On SQLite a change has its position from the start.
    let ahead = if is_sqlite {
        Vec::new()
    } else {
        unsequenced(&txn, None).await?
    };
    let mut select = select_steps(dialect, filter, builder);
    // One row more than asked for shows whether there are more.
    select.limit(size + 1);
    order_by(dialect, &mut select, order, false);
    let rows = txn.query_all_raw(dialect.backend.build(&select)).await?;
    txn.commit().await?;
    Ok(StepSnapshot {
        bookmark,
        ahead,
        steps: read(rows.iter(), size),
    })
}

/// The steps that pass the filter, of all builders or of one.
fn select_steps(
    dialect: SqlDialect,
    filter: &Filter<StepField>,
    builder: Option<BuilderId>,
) -> SelectStatement {
    let mut query = step::Entity::find().filter(condition(dialect, filter));
    if let Some(builderid) = builder {
        let builds = Query::select()
            .column(build::Column::Id)
            .from(build::Entity)
            .and_where(build::Column::Builderid.eq(builderid))
            .take();
        query = query.filter(Expr::col((step::Entity, step::Column::Buildid)).in_subquery(builds));
    }
    query.into_query()
}
