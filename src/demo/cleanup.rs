//! Ends the builds that an earlier server left running when it was killed.

use crate::{
    app::App,
    domain::{
        build::BuildField,
        error::Result,
        filter::{Direction, Filter, Test},
        keyset::KeysetRange,
        page::PageArgs,
        page_input::MAX_SIZE,
        results::Results,
        step::{StepField, StepsArgs, by_number},
    },
    service::{self, writer::Writer},
    store::{build, step},
};

/// Finishes every running build, after its open steps, with RETRY, as Buildbot does with its own.
pub(crate) async fn end_interrupted_builds(app: &App) -> Result<()> {
    let writer = Writer::local();
    let running = PageArgs {
        filter: Filter::Field(BuildField::CompleteAt, Test::IsNull),
        order: vec![(BuildField::Buildid, Direction::Asc)],
        range: KeysetRange {
            size: MAX_SIZE,
            backward: false,
            after: None,
            before: None,
        },
    };
    let open_steps = StepsArgs {
        filter: Filter::Field(StepField::CompleteAt, Test::IsNull),
        order: by_number(),
        range: None,
    };
    for build in build::page(&app.db, &running).await?.rows {
        let steps = step::of_builds(&app.db, &open_steps, &[build.id], u64::MAX).await?;
        for step in steps.into_values().flatten() {
            service::step::finish_step(app, &writer, step.id, Results::Retry, false).await?;
        }
        // After its steps, so that no finished build has an open one.
        service::build::finish_build(app, &writer, build.id, Results::Retry).await?;
    }
    Ok(())
}
