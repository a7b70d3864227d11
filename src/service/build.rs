//! The update methods of builds. Each returns the build after the update, and the bookmark of the
//! event that the update caused.
//!
//! Each fails with `NotFound` for its build or builder, `Invalid` for its arguments, and
//! `WrittenUnread` where it is written but has no position yet.

use crate::{
    app::App,
    domain::{
        error::Result,
        event::EventKind,
        id::{BuildId, BuilderId},
        results::Results,
        state_string::check_state_string,
    },
    service::{
        write::{Updated, write_event},
        writer::Writer,
    },
    store::{
        build::{self, BuildChange, Model},
        event,
    },
};

/// Adds a running build with the builder's next number.
pub(crate) async fn add_build(
    app: &App,
    writer: &Writer,
    builderid: BuilderId,
) -> Result<Updated<Model>> {
    let now = app.clock.now();
    write_event(app, writer, |txn| {
        Box::pin(async move {
            let buildid = build::insert(txn, builderid, now).await?;
            event::of_build(txn, buildid, EventKind::New).await
        })
    })
    .await
}

/// Replaces a build's state string.
pub(crate) async fn set_build_state_string(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    state_string: String,
) -> Result<Updated<Model>> {
    check_state_string(&state_string)?;
    let change = BuildChange::StateString(state_string);
    update(app, writer, buildid, change, EventKind::Updated).await
}

/// Marks a build as finished now, with these results.
pub(crate) async fn finish_build(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    results: Results,
) -> Result<Updated<Model>> {
    let change = BuildChange::Finish {
        complete_at: app.clock.now(),
        results,
    };
    update(app, writer, buildid, change, EventKind::Finished).await
}

async fn update(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    change: BuildChange,
    kind: EventKind,
) -> Result<Updated<Model>> {
    write_event(app, writer, |txn| {
        let change = change.clone();
        Box::pin(async move {
            build::update(txn, buildid, change).await?;
            event::of_build(txn, buildid, kind).await
        })
    })
    .await
}
