//! Runs simulated builds, in real time or in a past that takes no time.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    clock::Clock,
    demo::{dice::Dice, script::SimulatedStep},
    domain::{
        error::Result,
        id::{BuildId, StepId},
        results::Results,
        url::Url,
    },
    service::{self, writer::Writer},
};

/// How long a step waits for its lock, in seconds.
const LOCK_SECONDS: u64 = 2;

/// The time of a simulation.
pub(crate) enum Timeline {
    Real,
    /// The app's clock, which is advanced instead of waited for.
    Simulated(Clock),
}

impl Timeline {
    pub(crate) async fn wait(&self, seconds: u64) {
        match self {
            Self::Real => sleep(Duration::from_secs(seconds)).await,
            Self::Simulated(clock) => clock.set(clock.now() + i64::try_from(seconds).unwrap_or(0)),
        }
    }
}

/// Runs builds on one timeline.
pub(crate) struct Simulation {
    app: App,
    writer: Writer,
    pub(crate) timeline: Timeline,
}

impl Simulation {
    pub(crate) fn new(app: App, timeline: Timeline) -> Self {
        Self {
            app,
            writer: Writer::local(),
            timeline,
        }
    }

    /// Runs a build of the builder of this name, from its first step to its results.
    pub(crate) async fn run_build(&self, builder: &str, steps: &[SimulatedStep]) -> Result<()> {
        let (app, writer) = (&self.app, &self.writer);
        let builder = service::builder::find_builder(app, writer, builder).await?;
        let build = service::build::add_build(app, writer, builder.id).await?;
        let mut dice = Dice::new(build.id);
        let mut worst = Results::Success;
        for step in steps {
            let results = self.run_step(build.id, step, &mut dice).await?;
            if severity(results) > severity(worst) {
                worst = results;
            }
            // As Buildbot does after a step with `haltOnFailure`.
            if severity(results) >= severity(Results::Failure) {
                break;
            }
        }
        let text = match worst {
            Results::Success => "build successful".to_owned(),
            other => format!("build ended with {}", name(other)),
        };
        service::build::set_build_state_string(app, writer, build.id, text).await?;
        service::build::finish_build(app, writer, build.id, worst).await?;
        Ok(())
    }

    async fn run_step(
        &self,
        buildid: BuildId,
        script: &SimulatedStep,
        dice: &mut Dice,
    ) -> Result<Results> {
        let (app, writer) = (&self.app, &self.writer);
        let (step, _) = service::step::new_step(app, writer, buildid, script.name).await?;
        service::step::start_step(app, writer, step.id, None, !script.needs_lock).await?;
        if script.needs_lock {
            self.set_state(step.id, "waiting for a lock").await?;
            self.timeline.wait(LOCK_SECONDS).await;
            service::step::set_step_locks_acquired_at(app, writer, step.id, None).await?;
        }
        self.set_state(step.id, "running").await?;
        self.timeline.wait(script.seconds).await;
        for name in script.urls.into_iter().flatten() {
            let url = Url {
                name: name.to_owned(),
                url: format!("https://example.org/builds/{buildid}/{name}"),
            };
            service::step::add_step_url(app, writer, step.id, url).await?;
        }
        let results = match script.mishap {
            Some((results, percent)) if dice.roll_percent() < percent => results,
            _ => Results::Success,
        };
        self.finish_step(step.id, script, results).await?;
        Ok(results)
    }

    async fn finish_step(
        &self,
        stepid: StepId,
        script: &SimulatedStep,
        results: Results,
    ) -> Result<()> {
        match results {
            Results::Success => self.set_state(stepid, "finished").await?,
            other => {
                let text = format!("finished ({})", name(other));
                self.set_state(stepid, &text).await?;
            }
        }
        let hidden = script.is_hidden_on_success && results == Results::Success;
        let (app, writer) = (&self.app, &self.writer);
        service::step::finish_step(app, writer, stepid, results, hidden).await?;
        Ok(())
    }

    async fn set_state(&self, stepid: StepId, text: &str) -> Result<()> {
        let (app, writer) = (&self.app, &self.writer);
        service::step::set_step_state_string(app, writer, stepid, text.to_owned()).await?;
        Ok(())
    }
}

/// The rank from best to worst, in Buildbot's order.
fn severity(results: Results) -> usize {
    const RANKED: [Results; 7] = [
        Results::Skipped,
        Results::Success,
        Results::Warnings,
        Results::Failure,
        Results::Exception,
        Results::Retry,
        Results::Cancelled,
    ];
    RANKED
        .iter()
        .position(|r| *r == results)
        .unwrap_or(RANKED.len())
}

fn name(results: Results) -> &'static str {
    match results {
        Results::Success => "success",
        Results::Warnings => "warnings",
        Results::Failure => "failure",
        Results::Skipped => "skipped",
        Results::Exception => "exception",
        Results::Retry => "retry",
        Results::Cancelled => "cancelled",
    }
}
