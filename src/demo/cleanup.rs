//! Ends the builds that an earlier server left running when it was killed.

use crate::{
    app::App,
    auth::caller::Caller,
    domain::{
        error::Result,
        filter::{BuildField, Direction, Filter, StepField, Test},
        page::{KeysetRange, MAX_SIZE, PageArgs},
        results::Results,
    },
    service,
    store::{
        build,
        step::{self, StepsArgs},
    },
};

/// Finishes every running build, after its open steps, with RETRY, as Buildbot does with its own.
pub(crate) async fn end_interrupted_builds(app: &App) -> Result<()> {
    let caller = Caller::local();
    let running = PageArgs {
        filter: Filter::Field(BuildField::CompleteAt, Test::IsNull),
        order: vec![(BuildField::Buildid, Direction::Asc)],
        window: KeysetRange {
            size: MAX_SIZE,
            backward: false,
            after: None,
            before: None,
        },
    };
    let open_steps = StepsArgs {
        filter: Filter::Field(StepField::CompleteAt, Test::IsNull),
        order: step::by_number(),
        range: None,
    };
    for build in build::page(&app.db, &running).await?.rows {
        let steps = step::of_builds(&app.db, &open_steps, &[build.id], u64::MAX).await?;
        for step in steps.into_values().flatten() {
            service::step::finish_step(app, &caller, step.id, Results::Retry, false).await?;
        }
        service::build::finish_build(app, &caller, build.id, Results::Retry).await?;
    }
    Ok(())
}
