//! Ends the builds that an earlier server left running when it was killed.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    demo::{builders::BUILDERS, summary},
    domain::{
        build::BuildField,
        error::Result,
        filter::{Direction, Filter, Test, Value},
        id::BuildId,
        keyset::KeysetRange,
        page::PageArgs,
        page_input::MAX_SIZE,
        results::Results,
        step::{StepField, StepsArgs, by_number},
    },
    service::{
        build::{finish_build, set_build_state_string},
        log::finish_log,
        step::{finish_step, set_step_state_string},
        writer::Writer,
    },
    store::{build, builder, log, step},
};

/// How long an earlier server that still runs may take for what it was about to write. Once it sees
/// the later run it writes no more, or steps would be added to builds that have ended.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// Finishes every running build of the demo's builders with RETRY, as Buildbot does with its own.
/// Builds of other builders are their owners'.
pub(crate) async fn end_interrupted_builds(app: &App) -> Result<()> {
    let running = running_builds(app).await?;
    if !build::page(&app.db, &running).await?.rows.is_empty() {
        sleep(LAST_WRITES).await;
    }
    loop {
        let rows = build::page(&app.db, &running).await?.rows;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            end_build(app, row.id).await?;
        }
    }
}

/// The first running builds of the demo's builders.
async fn running_builds(app: &App) -> Result<PageArgs<BuildField>> {
    let names = BUILDERS.map(|builder| builder.name.to_owned());
    let builders = builder::by_names(&app.db, &names).await?;
    let ids = builders.values().map(|row| Value::Int(row.id.0.into()));
    Ok(PageArgs {
        filter: Filter::All(vec![
            Filter::Field(BuildField::CompleteAt, Test::IsNull),
            Filter::Field(BuildField::Builderid, Test::In(ids.collect())),
        ]),
        order: vec![(BuildField::Buildid, Direction::Asc)],
        range: KeysetRange {
            size: MAX_SIZE,
            backward: false,
            after: None,
            before: None,
        },
    })
}

/// Finishes a build, after its open steps, with RETRY.
pub(crate) async fn end_build(app: &App, id: BuildId) -> Result<()> {
    let writer = Writer::local();
    let open_steps = StepsArgs {
        filter: Filter::Field(StepField::CompleteAt, Test::IsNull),
        order: by_number(),
        range: None,
    };
    let steps = step::of_builds(&app.db, &open_steps, &[id], u64::MAX).await?;
    let steps: Vec<_> = steps.into_values().flatten().collect();
    let ids: Vec<_> = steps.iter().map(|step| step.id).collect();
    let logs = log::of_steps(&app.db, &ids, u64::MAX).await?;
    for log in logs.into_values().flatten() {
        if !log.is_complete() {
            finish_log(app, &writer, log.id).await?;
        }
    }
    let mut causes = Vec::new();
    for step in steps {
        let text = summary::of_step(&step.name, Results::Retry);
        set_step_state_string(app, &writer, step.id, text.clone()).await?;
        finish_step(app, &writer, step.id, Results::Retry, false).await?;
        causes.push(text);
    }
    let text = summary::of_build(Results::Retry, &causes);
    set_build_state_string(app, &writer, id, text).await?;
    // After its steps, so that no finished build has an open one.
    finish_build(app, &writer, id, Results::Retry).await?;
    Ok(())
}
