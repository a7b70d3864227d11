//! The update methods of steps. Each returns the step after the update, and the bookmark of the
//! event that the update caused.
//!
//! Each fails with `NotFound` for its step or build, `Invalid` for its arguments, and
//! `WrittenUnread` where it is written but has no position yet.

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        event::EventKind,
        id::{BuildId, StepId},
        results::Results,
        state_string::check_state_string,
        step::check_step_name,
        url::Url,
    },
    service::{
        rule::time_or_now,
        write::{Updated, write_event},
        writer::Writer,
    },
    store::{
        event,
        step::{self, Model, StepChange},
    },
};

/// Adds a step to a build, under the first free form of its name.
pub(crate) async fn new_step(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    name: &str,
) -> Result<Updated<Model>> {
    check_step_name(name).map_err(|reason| Error::invalid("name", reason))?;
    let name = name.to_owned();
    write_event(app, writer, |txn| {
        // `write` calls this again after a conflict, so each call needs its own copy.
        let name = name.clone();
        Box::pin(async move {
            let stepid = step::insert(txn, buildid, &name).await?;
            event::of_step(txn, stepid, EventKind::New).await
        })
    })
    .await
}

/// Starts a step. `locks_acquired` says that it needs no locks or has them all: they get the same
/// time.
pub(crate) async fn start_step(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    started_at: Option<i64>,
    locks_acquired: bool,
) -> Result<Updated<Model>> {
    let change = time_or_now(app, "startedAt", started_at).map(|started_at| StepChange::Start {
        started_at,
        locks_acquired,
    });
    update(app, writer, stepid, change, EventKind::Started).await
}

/// Sets the time at which a step had all its locks.
pub(crate) async fn set_step_locks_acquired_at(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    locks_acquired_at: Option<i64>,
) -> Result<Updated<Model>> {
    let at = time_or_now(app, "locksAcquiredAt", locks_acquired_at);
    let change = at.map(StepChange::LocksAcquiredAt);
    update(app, writer, stepid, change, EventKind::Updated).await
}

/// Replaces a step's state string.
pub(crate) async fn set_step_state_string(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    state_string: String,
) -> Result<Updated<Model>> {
    check_state_string(&state_string)?;
    let change = Ok(StepChange::StateString(state_string));
    update(app, writer, stepid, change, EventKind::Updated).await
}

/// Adds a link to a step. A link that it already has is not added again, but the event is still
/// recorded.
pub(crate) async fn add_step_url(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    url: Url,
) -> Result<Updated<Model>> {
    url.check()?;
    write_event(app, writer, |txn| {
        let url = url.clone();
        Box::pin(async move {
            // Without the lock, one of two links added at the same time would be lost.
            let step = step::lock(txn, stepid).await?;
            let mut urls = Url::read(&step.urls_json).ok_or_else(|| {
                let rule = "a step whose links can be read, since they would be lost, got";
                Error::invalid("stepid", format!("{rule} {stepid}"))
            })?;
            if !urls.contains(&url) {
                urls.push(url);
            }
            step::update(txn, stepid, StepChange::Urls(urls)).await?;
            event::of_step(txn, stepid, EventKind::Updated).await
        })
    })
    .await
}

/// Marks a step as finished now, with these results.
pub(crate) async fn finish_step(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    results: Results,
    hidden: bool,
) -> Result<Updated<Model>> {
    let change = Ok(StepChange::Finish {
        complete_at: app.clock.now(),
        results,
        hidden,
    });
    update(app, writer, stepid, change, EventKind::Finished).await
}

/// Changes a step. A change that is refused by the clock fails only here: what is kept under an
/// idempotency key was judged by the clock of its time.
async fn update(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    change: Result<StepChange>,
    kind: EventKind,
) -> Result<Updated<Model>> {
    write_event(app, writer, |txn| {
        let change = change.clone();
        Box::pin(async move {
            let waits_in = step::update(txn, stepid, change?).await?;
            let updated = event::of_step(txn, stepid, kind).await?;
            // Only now, as this may change the build, which then has the last event.
            if let Some(build) = waits_in {
                step::sum_lock_waits(txn, build).await?;
            }
            Ok(updated)
        })
    })
    .await
}
