//! The rows of the change feed, and marking them with the kind that the writer meant.

use std::sync::Arc;

use migration::{feed::GAP, noun::Noun};
use sea_orm::{
    ConnectionTrait, DbBackend, IdenStatic, Iterable, QueryOrder, QuerySelect, Select,
    entity::prelude::*, sea_query::ExprTrait,
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        event::EventKind,
        id::{BuildId, BuilderId, ChangeId, LogId, StepId},
    },
    store::{
        build, builder,
        db::{database::Db, dialect::SqlDialect, transaction::Txn},
        log,
        position::position_expr,
        row::from_row,
        row_bytes::RowBytes,
        step,
        unchecked_int::UncheckedInt,
    },
};

/// How many columns an event has. What else is read with it has the places after them.
pub(crate) const COLUMNS: usize = 25;

/// How many bytes an event takes in memory beside its texts.
pub(crate) const EVENT_BYTES: usize = 256;

/// A row of `graphql_events`: an object as a change left it. A noun uses the columns that it has.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: ChangeId,
    pub(crate) noun: i16,
    pub(crate) kind: i16,
    pub(crate) occurred_at: i64,
    pub(crate) builderid: Option<BuilderId>,
    pub(crate) buildid: Option<BuildId>,
    pub(crate) stepid: Option<StepId>,
    pub(crate) number: Option<i32>,
    pub(crate) name: Option<String>,
    pub(crate) buildrequestid: Option<i32>,
    pub(crate) workerid: Option<i32>,
    pub(crate) masterid: Option<i32>,
    pub(crate) started_at: Option<UncheckedInt>,
    pub(crate) locks_acquired_at: Option<UncheckedInt>,
    pub(crate) complete_at: Option<UncheckedInt>,
    pub(crate) locks_duration_s: Option<i32>,
    pub(crate) state_string: Option<String>,
    pub(crate) results: Option<UncheckedInt>,
    pub(crate) urls_json: Option<String>,
    pub(crate) hidden: Option<UncheckedInt>,
    pub(crate) logid: Option<LogId>,
    pub(crate) slug: Option<String>,
    pub(crate) complete: Option<UncheckedInt>,
    pub(crate) num_lines: Option<i32>,
    /// Of the log.
    #[sea_orm(column_name = "type")]
    pub(crate) letter: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

from_row!(Model {
    id,
    noun,
    kind,
    occurred_at,
    builderid,
    buildid,
    stepid,
    number,
    name,
    buildrequestid,
    workerid,
    masterid,
    started_at,
    locks_acquired_at,
    complete_at,
    locks_duration_s,
    state_string,
    results,
    urls_json,
    hidden,
    logid,
    slug,
    complete,
    num_lines,
    letter,
});

/// An event, as readers get it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) change: ChangeId,
    pub(crate) bookmark: Bookmark,
    pub(crate) kind: EventKind,
    /// When, in seconds since the epoch.
    pub(crate) occurred_at: i64,
    /// The builder, or that of the build or of the step's build; `None` if the build has no row.
    pub(crate) builderid: Option<BuilderId>,
    pub(crate) object: EventObject,
}

/// What an event is about.
#[derive(Clone, Debug)]
pub(crate) enum EventObject {
    /// A builder as it is when its event is read: the event itself does not carry it.
    Builder {
        id: BuilderId,
        /// `None` where it is gone.
        row: Option<Arc<builder::Model>>,
    },
    /// A build as the change left it.
    Build(Arc<build::Model>),
    /// A step as the change left it.
    Step(Arc<step::Model>),
    /// A log as the change left it.
    Log {
        log: Arc<log::Model>,
        /// Its step's build; `None` if the step has no row, and where nobody asks.
        buildid: Option<BuildId>,
    },
    /// No change: those of this noun before it were not all recorded.
    Gap(Noun),
}

impl EventObject {
    pub(crate) fn noun(&self) -> Noun {
        match self {
            Self::Builder { .. } => Noun::Builder,
            Self::Build(_) => Noun::Build,
            Self::Step(_) => Noun::Step,
            Self::Log { .. } => Noun::Log,
            Self::Gap(noun) => *noun,
        }
    }

    /// About how many bytes an event of it takes in memory.
    pub(crate) fn event_bytes(&self) -> usize {
        EVENT_BYTES
            + match self {
                Self::Builder { row, .. } => row.as_ref().map_or(0, |row| row.text_bytes()),
                Self::Gap(_) => 0,
                Self::Build(build) => build.text_bytes(),
                Self::Step(step) => step.text_bytes(),
                Self::Log { log, .. } => log.text_bytes(),
            }
    }
}

impl Model {
    /// What the event is about, without a builder's row; an error where a column that its noun
    /// needs is empty.
    pub(crate) fn object(self) -> Result<EventObject, DbErr> {
        let noun = Noun::from_code(self.noun).ok_or_else(|| unreadable("noun"))?;
        Ok(match noun {
            _ if self.kind == GAP => EventObject::Gap(noun),
            Noun::Builder => EventObject::Builder {
                id: required(self.builderid, "builderid")?,
                row: None,
            },
            Noun::Build => EventObject::Build(Arc::new(self.try_into()?)),
            Noun::Step => EventObject::Step(Arc::new(self.try_into()?)),
            Noun::Log => EventObject::Log {
                // That of its step, which the event does not carry.
                buildid: self.buildid,
                log: Arc::new(self.try_into()?),
            },
        })
    }
}

fn required<T>(value: Option<T>, column: &str) -> Result<T, DbErr> {
    value.ok_or_else(|| unreadable(column))
}

fn unreadable(column: &str) -> DbErr {
    DbErr::Type(format!("an event lacks a value of `{column}`"))
}

impl TryFrom<Model> for step::Model {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: required(row.stepid, "stepid")?,
            number: required(row.number, "number")?,
            name: required(row.name, "name")?,
            buildid: required(row.buildid, "buildid")?,
            started_at: row.started_at,
            locks_acquired_at: row.locks_acquired_at,
            complete_at: row.complete_at,
            state_string: required(row.state_string, "state_string")?,
            results: row.results,
            urls_json: required(row.urls_json, "urls_json")?,
            hidden: required(row.hidden, "hidden")?,
        })
    }
}

impl TryFrom<Model> for build::Model {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: required(row.buildid, "buildid")?,
            number: required(row.number, "number")?,
            builderid: required(row.builderid, "builderid")?,
            buildrequestid: row.buildrequestid,
            workerid: row.workerid,
            masterid: row.masterid,
            started_at: required(row.started_at, "started_at")?,
            complete_at: row.complete_at,
            // Older revisions of Buildbot's schema count no waits.
            locks_duration_s: row.locks_duration_s.unwrap_or(0),
            state_string: required(row.state_string, "state_string")?,
            results: row.results,
        })
    }
}

impl TryFrom<Model> for log::Model {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: required(row.logid, "logid")?,
            name: required(row.name, "name")?,
            slug: required(row.slug, "slug")?,
            stepid: required(row.stepid, "stepid")?,
            complete: required(row.complete, "complete")?,
            num_lines: required(row.num_lines, "num_lines")?,
            letter: required(row.letter, "type")?,
        })
    }
}

/// Selects events. A table that an earlier version made has no columns of logs; they are null then.
pub(crate) fn find(dialect: SqlDialect) -> Select<Entity> {
    if dialect.has_log_events {
        return Entity::find();
    }
    let mut events = Entity::find().select_only();
    for column in Column::iter() {
        events = match column {
            Column::Logid | Column::Slug | Column::Complete | Column::NumLines | Column::Letter => {
                events.expr_as(Expr::cust("NULL"), column.as_str())
            }
            column => events.column(column),
        };
    }
    events
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

/// The event of this transaction's last change, which was of this step, and the step as the change
/// left it.
///
/// # Errors
/// `FeedDetached` if there is no such event: the triggers are missing.
pub(crate) async fn of_step(
    txn: &Txn,
    stepid: StepId,
    kind: EventKind,
) -> Result<(ChangeId, step::Model)> {
    let event = of_change(txn, Column::Stepid.eq(stepid), Noun::Step, kind).await?;
    Ok((event.id, event.try_into()?))
}

/// The same of a build.
///
/// # Errors
/// As of a step.
pub(crate) async fn of_build(
    txn: &Txn,
    buildid: BuildId,
    kind: EventKind,
) -> Result<(ChangeId, build::Model)> {
    let event = of_change(txn, Column::Buildid.eq(buildid), Noun::Build, kind).await?;
    Ok((event.id, event.try_into()?))
}

/// The same of a log.
///
/// # Errors
/// As of a step.
pub(crate) async fn of_log(
    txn: &Txn,
    logid: LogId,
    kind: EventKind,
) -> Result<(ChangeId, log::Model)> {
    let event = of_change(txn, Column::Logid.eq(logid), Noun::Log, kind).await?;
    Ok((event.id, event.try_into()?))
}

/// The same of a builder, whose events do not carry it.
///
/// # Errors
/// As of a step.
pub(crate) async fn of_builder(txn: &Txn, builderid: BuilderId) -> Result<ChangeId> {
    let id = Column::Builderid.eq(builderid);
    let event = of_change(txn, id, Noun::Builder, EventKind::Updated).await?;
    Ok(event.id)
}

/// The event of this transaction's last change. The trigger can only compare values, so `kind`
/// corrects the kind that it recorded.
async fn of_change(txn: &Txn, id: Expr, noun: Noun, kind: EventKind) -> Result<Model> {
    let mut events = Entity::find()
        .filter(Column::Noun.eq(noun.code()))
        .filter(id);
    if txn.backend() == DbBackend::Postgres {
        // The last id of this session's trigger. By the order alone, the planner may choose
        // another way than backwards through the ids.
        let last = "currval(pg_get_serial_sequence('graphql_events', 'id'))";
        events = events.filter(Expr::col((Entity, Column::Id)).eq(Expr::cust(last)));
    }
    let newest = txn.one(events.order_by_desc(Column::Id)).await?;
    let event: Model = newest.ok_or(Error::FeedDetached)?;
    if event.kind != kind.code() {
        let update = Entity::update_many()
            .col_expr(Column::Kind, kind.code().into())
            .filter(Column::Id.eq(event.id));
        txn.execute(update).await?;
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_so_many_columns() {
        assert_eq!(Column::iter().count(), COLUMNS);
    }
}
