//! Writes the builds that the demo's builders have had, each whole at once.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    QueryOrder, QuerySelect,
    entity::prelude::*,
};

use crate::{
    domain::{
        error::Result,
        id::{BuildId, BuilderId, LogId, StepId},
        log::LogType,
        log_text::codec::RAW,
        results::Results,
        step::free_name,
        url::Url,
    },
    store::{build, builder, db::transaction::Txn, log, log_chunk, step},
};

/// What a step's log is called, as Buildbot calls it.
pub(crate) const NAME: &str = "stdio";

/// A build, which has ended or is as it stands.
#[derive(Clone, Debug)]
pub(crate) struct PastBuild {
    pub(crate) number: i32,
    pub(crate) started_at: i64,
    pub(crate) complete_at: Option<i64>,
    pub(crate) results: Option<Results>,
    pub(crate) state_string: String,
    pub(crate) steps: Vec<PastStep>,
}

impl PastBuild {
    pub(crate) fn running(number: i32, started_at: i64, steps: Vec<PastStep>) -> Self {
        Self {
            number,
            started_at,
            complete_at: None,
            results: None,
            state_string: "building".to_owned(),
            steps,
        }
    }

    /// How long its steps have waited for locks, in seconds.
    fn lock_seconds(&self) -> i64 {
        let wait = |step: &PastStep| Some(step.locks_acquired_at? - step.started_at);
        self.steps.iter().filter_map(wait).sum()
    }
}

/// A step of such a build.
#[derive(Clone, Debug)]
pub(crate) struct PastStep {
    pub(crate) name: &'static str,
    pub(crate) started_at: i64,
    pub(crate) locks_acquired_at: Option<i64>,
    pub(crate) complete_at: Option<i64>,
    pub(crate) results: Option<Results>,
    pub(crate) state_string: String,
    pub(crate) urls: Vec<Url>,
    pub(crate) is_hidden: bool,
    /// `None` for a step that has not run.
    pub(crate) log: Option<PastLog>,
}

/// The log of such a step.
#[derive(Clone, Debug)]
pub(crate) struct PastLog {
    pub(crate) num_lines: i32,
    /// The lines, as one chunk.
    pub(crate) content: Vec<u8>,
    pub(crate) is_complete: bool,
}

impl PastStep {
    pub(crate) fn begun(name: &'static str, started_at: i64) -> Self {
        Self {
            name,
            started_at,
            locks_acquired_at: None,
            complete_at: None,
            results: None,
            state_string: String::new(),
            urls: Vec::new(),
            is_hidden: false,
            log: None,
        }
    }
}

/// Locks the builder until the transaction ends, and returns whether it has had a build.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn has_builds(txn: &Txn, id: BuilderId) -> Result<bool> {
    builder::lock(txn, id).await?;
    let builds = build::Entity::find().filter(build::Column::Builderid.eq(id));
    let newest: Option<build::Model> = txn.one(builds).await?;
    Ok(newest.is_some())
}

/// Adds a build with its steps.
pub(crate) async fn add(txn: &Txn, builderid: BuilderId, past: &PastBuild) -> Result<()> {
    let row = build::ActiveModel {
        id: NotSet,
        number: Set(past.number),
        builderid: Set(builderid),
        buildrequestid: Set(None),
        workerid: Set(None),
        masterid: Set(None),
        started_at: Set(past.started_at.into()),
        complete_at: Set(past.complete_at.map(Into::into)),
        locks_duration_s: Set(i32::try_from(past.lock_seconds()).unwrap_or(i32::MAX)),
        state_string: Set(past.state_string.clone()),
        results: Set(past.results.map(|results| results.code().into())),
    };
    let buildid = txn.insert(row).await?;
    let steps = step::Entity::insert_many(steps(buildid, &past.steps));
    txn.execute(steps).await?;
    add_logs(txn, buildid, &past.steps).await
}

/// Adds the logs of the steps of a build, with a chunk each.
async fn add_logs(txn: &Txn, buildid: BuildId, past: &[PastStep]) -> Result<()> {
    let ids = step::Entity::find()
        .select_only()
        .column(step::Column::Id)
        .filter(step::Column::Buildid.eq(buildid))
        .order_by_asc(step::Column::Number);
    let ids: Vec<(StepId,)> = txn.all(ids).await?;
    let ids: Vec<StepId> = ids.into_iter().map(|(id,)| id).collect();
    let logs = ids.iter().zip(past);
    let logs: Vec<_> = logs
        .filter_map(|(id, step)| Some((*id, step.log.as_ref()?)))
        .collect();
    let rows = logs.iter().map(|(stepid, past)| log::ActiveModel {
        id: NotSet,
        name: Set(NAME.to_owned()),
        slug: Set(NAME.to_owned()),
        stepid: Set(*stepid),
        complete: Set(i64::from(past.is_complete).into()),
        num_lines: Set(past.num_lines),
        letter: Set(LogType::Stdio.letter().to_owned()),
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    txn.execute(log::Entity::insert_many(rows)).await?;
    let ids = log::Entity::find()
        .select_only()
        .columns([log::Column::Stepid, log::Column::Id])
        .filter(log::Column::Stepid.is_in(ids));
    let ids: Vec<(StepId, LogId)> = txn.all(ids).await?;
    let ids: HashMap<StepId, LogId> = ids.into_iter().collect();
    let chunks = logs.into_iter().filter_map(|(stepid, past)| {
        Some(log_chunk::Model {
            logid: *ids.get(&stepid)?,
            first_line: 0,
            last_line: past.num_lines - 1,
            content: past.content.clone(),
            compressed: RAW,
        })
    });
    log_chunk::insert(txn, chunks.collect()).await
}

fn steps(buildid: BuildId, past: &[PastStep]) -> Vec<step::ActiveModel> {
    let mut taken = HashSet::new();
    let mut rows = Vec::with_capacity(past.len());
    for (number, past) in (0..).zip(past) {
        let name = free_name(past.name, |name| taken.contains(name));
        taken.insert(name.clone());
        rows.push(step::ActiveModel {
            id: NotSet,
            number: Set(number),
            name: Set(name),
            buildid: Set(buildid),
            started_at: Set(Some(past.started_at.into())),
            locks_acquired_at: Set(past.locks_acquired_at.map(Into::into)),
            complete_at: Set(past.complete_at.map(Into::into)),
            state_string: Set(past.state_string.clone()),
            results: Set(past.results.map(|results| results.code().into())),
            urls_json: Set(Url::write(&past.urls)),
            hidden: Set(i64::from(past.is_hidden).into()),
        });
    }
    rows
}
