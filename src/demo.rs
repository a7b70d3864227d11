//! `serve --demo`: builders whose simulated builds run step after step, through the same services
//! as everybody's.

pub(crate) mod builders;
pub(crate) mod cleanup;
pub(crate) mod dice;
pub(crate) mod script;
pub(crate) mod simulation;
pub(crate) mod summary;

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    clock::Clock,
    demo::{
        builders::BUILDERS,
        cleanup::{end_build, end_interrupted_builds},
        script::SimulatedBuilder,
        simulation::{Simulation, Timeline},
    },
    domain::{
        builder::BuilderInfo,
        error::Result,
        filter::Filter,
        id::{BuildId, BuilderId},
    },
    service::{
        builder::{find_builder, update_builder_info},
        writer::Writer,
    },
    store::{build, demo_run},
};

/// How many builds each builder has had before the first start: one in each of the last hours.
const HISTORY: u32 = 5;
/// The time between two builds of a builder in the history, in seconds.
const HISTORY_PAUSE: i64 = 3_600;
/// The time between the builds of two builders in the history, in seconds.
const HISTORY_STAGGER: i64 = 600;
/// The pause between two builds of a builder.
const BUILD_PAUSE: Duration = Duration::from_secs(3);
/// The delay between the starts of two builders, so that their steps change at different times.
const STAGGER: Duration = Duration::from_millis(500);

/// Ends what an earlier run has left, adds the history to a new database, and keeps a build of each
/// builder running until the server stops or another one runs the demo in the same database.
pub(crate) async fn run(app: &App) -> Result<()> {
    let run = demo_run::begin(&app.db, app.clock.now()).await?;
    end_interrupted_builds(app).await?;
    add_history(app).await?;
    let mut delay = Duration::ZERO;
    for builder in &BUILDERS {
        let app = app.clone();
        app.tasks
            .clone()
            .spawn(async move { run_builds(app, run, builder, delay).await });
        delay += STAGGER;
    }
    Ok(())
}

/// Adds the builders, and the builds that they have had before, as far as they are not there.
pub(crate) async fn add_history(app: &App) -> Result<()> {
    let ids = add_builders(app).await?;
    let now = app.clock.now();
    // Hour by hour, so that the ids of builds are in the order of their times.
    for hour in 0..HISTORY {
        let mut start = now - i64::from(HISTORY - hour) * HISTORY_PAUSE;
        for (builder, id) in BUILDERS.iter().zip(&ids) {
            // Each time, as a demo that has started at the same moment adds some too.
            let past = build::counts_of(&app.db, &Filter::everything(), &[*id]).await?;
            let is_there = past.get(id).is_some_and(|count| *count > u64::from(hour));
            if !is_there && !app.stop.is_cancelled() {
                let clock = Clock::fixed(start);
                let past = app.with_clock(clock.clone());
                let simulation = Simulation::new(past, Timeline::Simulated(clock), None);
                let build = simulation.begin_build(builder).await?;
                simulation.run_build(builder, &build).await?;
            }
            start += HISTORY_STAGGER;
        }
    }
    Ok(())
}

/// Adds the builders with their descriptions and tags. Returns their ids.
async fn add_builders(app: &App) -> Result<Vec<BuilderId>> {
    let writer = Writer::local();
    let mut ids = Vec::with_capacity(BUILDERS.len());
    for builder in &BUILDERS {
        let row = find_builder(app, &writer, builder.name).await?;
        if row.description.is_none() {
            let info = BuilderInfo {
                description: Some(builder.description.to_owned()),
                tags: Some(builder.tags.iter().map(|tag| (*tag).to_owned()).collect()),
                ..BuilderInfo::default()
            };
            update_builder_info(app, &writer, row.id, info).await?;
        }
        ids.push(row.id);
    }
    Ok(ids)
}

/// Runs builds of a builder one after the other.
async fn run_builds(app: App, run: i32, builder: &SimulatedBuilder, delay: Duration) {
    let stop = app.stop.clone();
    let mut pause = delay;
    let mut broken = None;
    let simulation = Simulation::new(app.clone(), Timeline::Real, Some(run));
    while stop.run_until_cancelled(sleep(pause)).await.is_some() {
        let done = run_next(&app, &simulation, builder, &mut broken).await;
        if matches!(demo_run::is_newest(&app.db, run).await, Ok(false)) {
            let builder = builder.name;
            tracing::info!(builder, "another server runs the demo in this database now");
            return;
        }
        if let Err(error) = done {
            tracing::warn!(%error, builder = builder.name, "a simulated build broke off");
        }
        pause = BUILD_PAUSE;
    }
    if let Some(build) = broken
        && let Err(error) = end_build(&app, build).await
    {
        tracing::warn!(%error, %build, "a simulated build could not be ended");
    }
}

/// Runs a build, after ending the one that broke off before. Leaves its own in `broken` if it
/// breaks off.
async fn run_next(
    app: &App,
    simulation: &Simulation,
    builder: &SimulatedBuilder,
    broken: &mut Option<BuildId>,
) -> Result<()> {
    if let Some(build) = *broken {
        end_build(app, build).await?;
        *broken = None;
    }
    let build = simulation.begin_build(builder).await?;
    *broken = Some(build.id);
    simulation.run_build(builder, &build).await?;
    *broken = None;
    Ok(())
}
