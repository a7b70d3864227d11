//! The rows of the change feed, and marking them with the kind that the writer meant.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DbBackend, QueryOrder, QuerySelect, entity::prelude::*, sea_query::ExprTrait,
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        event::EventKind,
        id::{BuildId, BuilderId, ChangeId, StepId},
    },
    store::{
        build,
        db::{database::Db, transaction::Txn},
        position::position_expr,
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

/// An event, as readers get it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) change: ChangeId,
    pub(crate) bookmark: Bookmark,
    pub(crate) kind: EventKind,
    /// When, in seconds since the epoch.
    pub(crate) occurred_at: i64,
    /// The builder of the step's build; `None` if the build has no row.
    pub(crate) builderid: Option<BuilderId>,
    /// The step as the change left it.
    pub(crate) step: Arc<step::Model>,
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

/// When the newest event happened, in seconds since the epoch; `None` if there is none.
pub(crate) async fn newest_at(db: &Db) -> Result<Option<i64>> {
    let column = position_expr(db.backend());
    Ok(Entity::find()
        .select_only()
        .column(Column::OccurredAt)
        // On PostgreSQL a change without a position would come first.
        .filter(column.clone().is_not_null())
        .order_by_desc(column)
        .limit(1)
        .into_tuple()
        .one(&db.reader().await?)
        .await?)
}

/// At most `limit` changes that are committed and have no position yet.
pub(crate) async fn unsequenced(
    db: &impl ConnectionTrait,
    limit: Option<u64>,
) -> Result<Vec<ChangeId>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(position_expr(db.get_database_backend()).is_null())
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// The event of this transaction's last change of a step, and the step as the change left it. The
/// trigger can only compare values, so `kind` corrects the kind that it recorded.
///
/// # Errors
/// `FeedDetached` if there is no such event: the triggers are missing.
pub(crate) async fn of_change(
    txn: &Txn,
    stepid: StepId,
    kind: EventKind,
) -> Result<(ChangeId, step::Model)> {
    let mut events = Entity::find().filter(Column::Stepid.eq(stepid));
    if txn.0.get_database_backend() == DbBackend::Postgres {
        // The last id of this session's trigger. By the order alone, the planner may choose
        // another way than backwards through the ids.
        let last = "currval(pg_get_serial_sequence('graphql_step_events', 'id'))";
        events = events.filter(Expr::col((Entity, Column::Id)).eq(Expr::cust(last)));
    }
    let event = events
        .order_by_desc(Column::Id)
        .one(&txn.0)
        .await?
        .ok_or(Error::FeedDetached)?;
    if event.kind != kind.code() {
        Entity::update_many()
            .col_expr(Column::Kind, kind.code().into())
            .filter(Column::Id.eq(event.id))
            .exec(&txn.0)
            .await?;
    }
    Ok((event.id, event.into()))
}
