//! `serve --demo`: builders whose simulated builds run step after step, through the same services
//! as everybody's.

pub(crate) mod cleanup;
pub(crate) mod dice;
pub(crate) mod script;
pub(crate) mod simulation;

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    clock::Clock,
    demo::{
        cleanup::end_interrupted_builds,
        script::{BUILDERS, SimulatedStep},
        simulation::{Simulation, Timeline},
    },
    domain::{error::Result, filter::Filter},
    store::build,
};

/// How many builds each builder has had before the first start.
const HISTORY: usize = 5;
/// The time between two builds of the history, in seconds.
const HISTORY_PAUSE: u64 = 3_000;
/// The pause between two builds of a builder.
const BUILD_PAUSE: Duration = Duration::from_secs(3);
/// The delay between the starts of two builders, so that their steps change at different times.
const STAGGER: Duration = Duration::from_millis(500);

/// Adds the builders and their history to a new database, and ends what an earlier run left behind
/// in an old one.
pub(crate) async fn prepare(app: &App) -> Result<()> {
    let is_new = build::count(&app.db, &Filter::everything()).await? == 0;
    end_interrupted_builds(app).await?;
    if !is_new {
        return Ok(());
    }
    for (i, (name, steps)) in BUILDERS.iter().enumerate() {
        // Five builds, 50 minutes apart, must end before now.
        let hours = i64::try_from(HISTORY + i).unwrap_or(0);
        let clock = Clock::fixed(app.clock.now() - hours * 3_600);
        let past = app.with_clock(clock.clone());
        let simulation = Simulation::new(past, Timeline::Simulated(clock));
        for _ in 0..HISTORY {
            simulation.run_build(name, steps).await?;
            simulation.timeline.wait(HISTORY_PAUSE).await;
        }
    }
    Ok(())
}

/// Keeps a build of each builder running until the server stops.
pub(crate) fn start(app: &App) {
    let mut delay = Duration::ZERO;
    for (name, steps) in BUILDERS {
        let builds = run_builds(app.clone(), name, steps, delay);
        let stop = app.stop.clone();
        app.tasks
            .spawn(async move { stop.run_until_cancelled(builds).await });
        delay += STAGGER;
    }
}

async fn run_builds(app: App, name: &str, steps: &[SimulatedStep], delay: Duration) {
    sleep(delay).await;
    let simulation = Simulation::new(app, Timeline::Real);
    loop {
        if let Err(error) = simulation.run_build(name, steps).await {
            tracing::warn!(%error, builder = name, "a simulated build broke off");
        }
        sleep(BUILD_PAUSE).await;
    }
}
