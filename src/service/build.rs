//! The update methods of builds, without which steps would have no parent.

use crate::{
    app::App,
    domain::{
        error::Result,
        id::{BuildId, BuilderId},
        results::Results,
        state_string::check_state_string,
    },
    service::{write::write, writer::Writer},
    store::build::{self, BuildChange, Model},
};

/// Adds a running build with the builder's next number.
pub(crate) async fn add_build(app: &App, writer: &Writer, builderid: BuilderId) -> Result<Model> {
    let now = app.clock.now();
    write(app, writer, |txn| {
        Box::pin(build::insert(txn, builderid, now))
    })
    .await
}

/// Replaces a build's state string.
pub(crate) async fn set_build_state_string(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    state_string: String,
) -> Result<Model> {
    check_state_string(&state_string)?;
    change(app, writer, buildid, BuildChange::StateString(state_string)).await
}

/// Marks a build as finished now, with these results.
pub(crate) async fn finish_build(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    results: Results,
) -> Result<Model> {
    let complete_at = app.clock.now();
    change(
        app,
        writer,
        buildid,
        BuildChange::Finish {
            complete_at,
            results,
        },
    )
    .await
}

async fn change(
    app: &App,
    writer: &Writer,
    buildid: BuildId,
    change: BuildChange,
) -> Result<Model> {
    write(app, writer, |txn| {
        Box::pin(build::update(txn, buildid, change.clone()))
    })
    .await
}
