//! `serve --demo`: builders whose simulated builds run step after step, through the same services
//! as everybody's.

pub(crate) mod builders;
pub(crate) mod cleanup;
pub(crate) mod course;
pub(crate) mod dice;
pub(crate) mod history;
pub(crate) mod live_log;
pub(crate) mod output;
pub(crate) mod script;
pub(crate) mod simulation;
pub(crate) mod summary;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::{
    app::App,
    demo::{
        builders::BUILDERS,
        cleanup::{end_build, end_interrupted_builds},
        history::{history, standing},
        script::SimulatedBuilder,
        simulation::Simulation,
    },
    domain::{
        builder::BuilderInfo,
        error::Result,
        id::{BuildId, BuilderId},
    },
    service::{
        builder::{find_builder, update_builder_info},
        writer::Writer,
    },
    store::{
        db::transaction::{Txn, Work},
        demo_history::{self, PastBuild},
        demo_run,
    },
};

/// The pause between two builds of a builder.
const BUILD_PAUSE: Duration = Duration::from_secs(3);
/// The delay between the starts of two builders, so that their steps change at different times.
const STAGGER: Duration = Duration::from_millis(250);

/// Ends what an earlier run has left, adds the history to a new database, and keeps a build of each
/// builder running until the server stops or another one runs the demo in the same database. With
/// `--demo-at` nothing runs, and the database is left as that time finds it.
pub(crate) async fn run(app: &App) -> Result<()> {
    if let Some(at) = app.config.demo_at {
        return add_builds(app, at, true).await;
    }
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
    add_builds(app, app.clock.now(), false).await
}

/// Adds the history up to a time to each builder without a build, and, if the demo is to stand
/// still, the builds that run then.
async fn add_builds(app: &App, at: i64, stands_still: bool) -> Result<()> {
    let ids = add_builders(app).await?;
    let mut builds = history(at);
    if stands_still {
        builds.extend(standing(at, builds.len()));
    }
    app.db.write(&Builds { ids, builds }).await?;
    app.feed.wake();
    Ok(())
}

/// What is written at once.
struct Builds {
    ids: Vec<BuilderId>,
    /// Each with the index of its builder.
    builds: Vec<(usize, PastBuild)>,
}

impl Work<()> for Builds {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<()>> {
        Box::pin(async move {
            let mut is_new = Vec::with_capacity(self.ids.len());
            for id in &self.ids {
                // A demo that starts at the same moment waits here.
                is_new.push(!demo_history::has_builds(txn, *id).await?);
            }
            for (builder, build) in &self.builds {
                if is_new[*builder] {
                    demo_history::add(txn, self.ids[*builder], build).await?;
                }
            }
            Ok(())
        })
    }
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
    let simulation = Simulation::new(app.clone(), run);
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
