//! Writes the builds that the demo's builders have had, each whole at once.

use std::collections::HashSet;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    entity::prelude::*,
};

use crate::{
    domain::{
        error::Result,
        id::{BuildId, BuilderId},
        results::Results,
        step::free_name,
        url::Url,
    },
    store::{build, builder, db::transaction::Txn, step},
};

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
    Ok(txn.one(builds).await?.is_some())
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
    let buildid = build::Entity::insert(row)
        .exec(&txn.0)
        .await?
        .last_insert_id;
    step::Entity::insert_many(steps(buildid, &past.steps))
        .exec(&txn.0)
        .await?;
    Ok(())
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
