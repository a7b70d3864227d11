//! The rows of the change feed: read in order, marked with the kind that the writer meant, dropped when old.
//!
//! An event's position is its place in the feed. On SQLite, which has one writer at a time, that is its id. Elsewhere
//! ids are taken while transactions run and show up in any order; there it is given after the commit, in `place`.

use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, IsolationLevel, JoinType, QueryOrder, QuerySelect,
    QueryTrait, Statement, TransactionTrait, entity::prelude::*, sea_query::ExprTrait,
};

use crate::{
    domain::{
        error::{Error, Result},
        event::EventKind,
        filter::{Filter, StepField},
        id::{BuildId, BuilderId, ChangeId, Position, StepId},
        page::{Order, Rows},
    },
    store::{
        Db, Txn, build,
        query::list,
        sequencer::{position_column, position_expr, unsequenced},
        step,
        unchecked_int::UncheckedInt,
    },
};

/// A row of `graphql_step_events`: a step as a change left it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_step_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: ChangeId,
    pub(crate) kind: i16,
    pub(crate) occurred_at: i64,
    pub(crate) stepid: StepId,
    pub(crate) number: i32,
    pub(crate) name: String,
    pub(crate) buildid: BuildId,
    pub(crate) started_at: Option<UncheckedInt>,
    pub(crate) locks_acquired_at: Option<UncheckedInt>,
    pub(crate) complete_at: Option<UncheckedInt>,
    pub(crate) state_string: String,
    pub(crate) results: Option<UncheckedInt>,
    pub(crate) urls_json: String,
    pub(crate) hidden: UncheckedInt,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "build::Entity",
        from = "Column::Buildid",
        to = "build::Column::Id"
    )]
    Build,
}

impl ActiveModelBehavior for ActiveModel {}

/// An event, ready to be handed on.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The change that it is.
    pub(crate) change: ChangeId,
    /// Its place in the feed.
    pub(crate) position: Position,
    /// What it was.
    pub(crate) kind: EventKind,
    /// When, in seconds since the epoch.
    pub(crate) occurred_at: i64,
    /// The builder of the step's build; none where the build has no row.
    pub(crate) builderid: Option<BuilderId>,
    /// The step as the change left it.
    pub(crate) step: std::sync::Arc<step::Model>,
}

impl From<Model> for step::Model {
    fn from(row: Model) -> Self {
        Self {
            id: row.stepid,
            number: row.number,
            name: row.name,
            buildid: row.buildid,
            started_at: row.started_at,
            locks_acquired_at: row.locks_acquired_at,
            complete_at: row.complete_at,
            state_string: row.state_string,
            results: row.results,
            urls_json: row.urls_json,
            hidden: row.hidden,
        }
    }
}

/// The places of the feed that are still there: the newest event's, and the one before the oldest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeedReach {
    /// A reader who stands here has missed nothing that is gone.
    pub(crate) floor: Position,
    /// The newest event's place.
    pub(crate) newest: Position,
}

async fn reach_in(db: &impl ConnectionTrait) -> Result<FeedReach> {
    #[derive(FromQueryResult)]
    struct Row {
        oldest: Option<i64>,
        newest: Option<i64>,
    }
    // Two look-ups at the ends of the key; one query for both ends would read the whole table.
    let backend = db.get_database_backend();
    let position = position_column(backend);
    let statement = Statement::from_string(
        backend,
        format!(
            "SELECT (SELECT MIN({position}) FROM graphql_step_events) AS oldest, \
             (SELECT MAX({position}) FROM graphql_step_events) AS newest"
        ),
    );
    let row = Row::find_by_statement(statement).one(db).await?;
    let (oldest, newest) = row.map_or((None, None), |row| (row.oldest, row.newest));
    Ok(FeedReach {
        floor: Position(oldest.map_or(0, |id| id - 1)),
        newest: Position(newest.unwrap_or(0)),
    })
}

/// How far the feed reaches back and forth.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn reach(db: &Db) -> Result<FeedReach> {
    reach_in(db.reader()).await
}

/// Events read together.
#[derive(Clone, Debug)]
pub(crate) struct EventBatch {
    /// Those that can be read, in order.
    pub(crate) events: Vec<Event>,
    /// The place of the last, readable or not; none where there is nothing behind the place asked for.
    pub(crate) last: Option<Position>,
    /// None is missing between the place asked for and the last.
    pub(crate) is_whole: bool,
}

/// At most `limit` events behind a place, in order.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn after(db: &Db, position: Position, limit: u64) -> Result<EventBatch> {
    #[derive(FromQueryResult)]
    struct Row {
        #[sea_orm(nested)]
        event: Model,
        position: Position,
        builderid: Option<BuilderId>,
    }
    let column = position_expr(db.backend());
    let query = Entity::find()
        .expr_as(column.clone(), "position")
        .column(build::Column::Builderid)
        .join(JoinType::LeftJoin, Relation::Build.def())
        .filter(column.clone().gt(position))
        .order_by_asc(column)
        .limit(limit)
        .into_query();
    let rows = db.reader().query_all_raw(db.statement(&query)).await?;
    let last: Option<Position> = rows
        .last()
        .map(|row| row.try_get("", "position"))
        .transpose()?;
    let event = |row: Row| Event {
        change: row.event.id,
        position: row.position,
        kind: EventKind::from_code(row.event.kind),
        occurred_at: row.event.occurred_at,
        builderid: row.builderid,
        step: std::sync::Arc::new(row.event.into()),
    };
    let readable = rows
        .iter()
        .filter_map(|row| list::readable(Row::from_query_result(row, "")));
    Ok(EventBatch {
        events: readable.map(event).collect(),
        // Places have no holes, so so many rows reach so far.
        is_whole: last.is_none_or(|last| i64::try_from(rows.len()) == Ok(last.0 - position.0)),
        last,
    })
}

/// When the newest event happened, in seconds since the epoch; none where there is none.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn newest_at(db: &Db) -> Result<Option<i64>> {
    let column = position_expr(db.backend());
    Ok(Entity::find()
        .select_only()
        .column(Column::OccurredAt)
        .filter(column.clone().is_not_null())
        .order_by_desc(column)
        .limit(1)
        .into_tuple()
        .one(db.reader())
        .await?)
}

/// Steps as they are at one moment of the feed.
#[derive(Clone, Debug)]
pub(crate) struct StepSnapshot {
    /// The newest event's place.
    pub(crate) position: Position,
    /// Changes that the steps show already, and that have no place yet: they will come behind the newest.
    pub(crate) shown: Vec<ChangeId>,
    /// The steps.
    pub(crate) steps: Rows<step::Model>,
}

/// At most `size` steps that pass the filter, and where the feed is, all of one moment.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn snapshot(
    db: &Db,
    filter: &Filter<StepField>,
    builder: Option<BuilderId>,
    order: &Order<StepField>,
    size: u64,
) -> Result<StepSnapshot> {
    let backend = db.backend();
    // A transaction reads one moment (SQLite's always do), but only from its first read on: begin, then read.
    let level = (backend != DbBackend::Sqlite).then_some(IsolationLevel::RepeatableRead);
    let txn = db.reader().begin_with_config(level, None).await?;
    let position = reach_in(&txn).await?.newest;
    let shown = if backend == DbBackend::Sqlite {
        Vec::new()
    } else {
        unsequenced(&txn, None).await?
    };
    let mut query =
        step::Entity::find().filter(crate::store::query::filter::condition(backend, filter));
    if let Some(builderid) = builder {
        let builds = sea_orm::sea_query::Query::select()
            .column(build::Column::Id)
            .from(build::Entity)
            .and_where(build::Column::Builderid.eq(builderid))
            .take();
        query = query.filter(Expr::col((step::Entity, step::Column::Buildid)).in_subquery(builds));
    }
    let mut select = query.limit(size + 1).into_query();
    crate::store::query::filter::order_by(backend, &mut select, order, false);
    let raw = txn.query_all_raw(db.statement(&select)).await?;
    txn.commit().await?;
    Ok(StepSnapshot {
        position,
        shown,
        steps: list::read(&raw.iter().collect::<Vec<_>>(), size),
    })
}

/// Drops, of the oldest `batch` events, those up to a place or before a time; the newest event always stays,
/// so that the feed knows where it is. Says how many went. What goes is found first, so that writers wait only for the deletion.
///
/// # Errors
/// `Unavailable`, or `Internal`.
pub(crate) async fn prune(db: &Db, up_to: Position, before: i64, batch: u64) -> Result<u64> {
    let newest = reach(db).await?.newest;
    let column = position_expr(db.backend());
    let oldest: Vec<(i64, i64)> = Entity::find()
        .select_only()
        .expr_as(column.clone(), "position")
        .column(Column::OccurredAt)
        .filter(column.clone().is_not_null())
        .order_by_asc(column.clone())
        .limit(batch)
        .into_tuple()
        .all(db.reader())
        .await?;
    // Only from the old end on: a clock that jumped must not tear a hole.
    let Some((last, _)) = oldest
        .into_iter()
        .take_while(|(position, at)| *position < newest.0 && (*position <= up_to.0 || *at < before))
        .last()
    else {
        return Ok(0);
    };
    let done = Entity::delete_many()
        .filter(column.lte(last))
        .exec(&db.writer)
        .await?;
    Ok(done.rows_affected)
}

impl Txn {
    /// The event that this transaction's change of a step has caused, and the step with it.
    /// The trigger can only compare values, so the kind is what the caller says it was.
    ///
    /// # Errors
    /// `FeedDetached` where there is no such event: the triggers are gone. Else `Unavailable`, or `Internal`.
    pub(crate) async fn event_of(
        &self,
        stepid: StepId,
        kind: EventKind,
    ) -> Result<(ChangeId, step::Model)> {
        let mut events = Entity::find().filter(Column::Stepid.eq(stepid));
        if self.0.get_database_backend() == DbBackend::Postgres {
            // What this session's trigger wrote last; a planner may take another way than backwards through the ids.
            let last = "currval(pg_get_serial_sequence('graphql_step_events', 'id'))";
            events = events.filter(Expr::col((Entity, Column::Id)).eq(Expr::cust(last)));
        }
        let event = events
            .order_by_desc(Column::Id)
            .one(&self.0)
            .await?
            .ok_or(Error::FeedDetached)?;
        if event.kind != kind.code() {
            Entity::update_many()
                .col_expr(Column::Kind, kind.code().into())
                .filter(Column::Id.eq(event.id))
                .exec(&self.0)
                .await?;
        }
        Ok((event.id, event.into()))
    }
}
