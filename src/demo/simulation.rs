//! Runs simulated builds, in real time or in a past that takes no time.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    clock::Clock,
    demo::{
        dice::Dice,
        script::{Mishap, SimulatedBuilder, SimulatedStep},
        summary::{self, severity},
    },
    domain::{
        error::{Error, Result},
        id::{BuildId, StepId},
        results::Results,
        url::Url,
    },
    service::{self, writer::Writer},
    store::{build, demo_run},
};

/// How long a step waits for its lock, in seconds.
const LOCK_SECONDS: u32 = 3;

/// The time of a simulation.
pub(crate) enum Timeline {
    Real,
    /// The app's clock, which is advanced instead of waited for.
    Simulated(Clock),
}

/// Runs builds on one timeline. A server that stops interrupts them: they end with RETRY.
pub(crate) struct Simulation {
    app: App,
    writer: Writer,
    timeline: Timeline,
    /// The demo's run, of builds in real time. Once there is a later one, they break off: that one
    /// has ended them.
    run: Option<i32>,
}

impl Simulation {
    pub(crate) fn new(app: App, timeline: Timeline, run: Option<i32>) -> Self {
        Self {
            app,
            writer: Writer::local(),
            timeline,
            run,
        }
    }

    /// Fails where a later run has begun.
    async fn expect_newest(&self) -> Result<()> {
        match self.run {
            Some(run) if !demo_run::is_newest(&self.app.db, run).await? => Err(Error::Conflict),
            _ => Ok(()),
        }
    }

    /// Begins a build of this builder.
    pub(crate) async fn begin_build(&self, builder: &SimulatedBuilder) -> Result<build::Model> {
        self.expect_newest().await?;
        let (app, writer) = (&self.app, &self.writer);
        let row = service::builder::find_builder(app, writer, builder.name).await?;
        let (build, _) = service::build::add_build(app, writer, row.id).await?;
        Ok(build)
    }

    /// Runs a build of this builder, from its first step to its results.
    pub(crate) async fn run_build(
        &self,
        builder: &SimulatedBuilder,
        build: &build::Model,
    ) -> Result<()> {
        let (app, writer) = (&self.app, &self.writer);
        self.set_build_state(build.id, "building").await?;
        let mut dice = Dice::new(build.id);
        let mut worst = Results::Success;
        let mut causes = Vec::new();
        for step in builder.steps {
            if app.stop.is_cancelled() {
                worst = Results::Retry;
                break;
            }
            self.expect_newest().await?;
            let planned = planned_results(step, build.number, &mut dice);
            let results = if step.always_runs || severity(worst) < severity(Results::Failure) {
                self.run_step(build.id, step, planned).await?
            } else if worst == Results::Failure {
                self.skip_step(build.id, step).await?
            } else {
                // As Buildbot does after a step that was stopped.
                continue;
            };
            if severity(results) > severity(Results::Success) {
                causes.push(summary::of_step(step.done, results));
            }
            if severity(results) > severity(worst) {
                worst = results;
            }
        }
        self.expect_newest().await?;
        let summary = summary::of_build(worst, &causes);
        self.set_build_state(build.id, &summary).await?;
        service::build::finish_build(app, writer, build.id, worst).await?;
        Ok(())
    }

    async fn run_step(
        &self,
        build: BuildId,
        script: &SimulatedStep,
        planned: Results,
    ) -> Result<Results> {
        let (app, writer) = (&self.app, &self.writer);
        let (step, _) = service::step::new_step(app, writer, build, script.name).await?;
        service::step::start_step(app, writer, step.id, None, !script.needs_lock).await?;
        if script.needs_lock {
            self.set_state(step.id, "waiting for a lock").await?;
            self.wait(LOCK_SECONDS).await?;
            service::step::set_step_locks_acquired_at(app, writer, step.id, None).await?;
        }
        self.work(step.id, script).await?;
        let results = if app.stop.is_cancelled() {
            Results::Retry
        } else {
            planned
        };
        for name in script.urls.into_iter().flatten() {
            let url = Url {
                name: name.to_owned(),
                url: format!(
                    "https://example.org/builds/{build}/steps/{}/{name}",
                    step.number
                ),
            };
            service::step::add_step_url(app, writer, step.id, url).await?;
        }
        let is_hidden = script.is_hidden_on_success && results == Results::Success;
        self.finish_step(step.id, script, results, is_hidden)
            .await?;
        Ok(results)
    }

    /// Adds a step that does not run, since an earlier one has failed.
    async fn skip_step(&self, build: BuildId, script: &SimulatedStep) -> Result<Results> {
        let (app, writer) = (&self.app, &self.writer);
        let (step, _) = service::step::new_step(app, writer, build, script.name).await?;
        service::step::start_step(app, writer, step.id, None, true).await?;
        self.finish_step(step.id, script, Results::Skipped, false)
            .await?;
        Ok(Results::Skipped)
    }

    /// Takes a step's time. In real time its state string says each second how far it is.
    async fn work(&self, stepid: StepId, script: &SimulatedStep) -> Result<()> {
        if let Timeline::Simulated(_) = self.timeline {
            return self.wait(script.seconds).await;
        }
        let Some(total) = script.total else {
            self.set_state(stepid, script.doing).await?;
            return self.wait(script.seconds).await;
        };
        for second in 0..script.seconds {
            if self.app.stop.is_cancelled() {
                break;
            }
            let count = total * second / script.seconds;
            let text = format!("{} {count} of {total}", script.doing);
            self.set_state(stepid, &text).await?;
            self.wait(1).await?;
        }
        Ok(())
    }

    /// Lets so much time go by, unless the server stops. Fails where a later run has begun.
    async fn wait(&self, seconds: u32) -> Result<()> {
        match &self.timeline {
            Timeline::Real => {
                let time = Duration::from_secs(seconds.into());
                self.app.stop.run_until_cancelled(sleep(time)).await;
                self.expect_newest().await
            }
            Timeline::Simulated(clock) => {
                clock.set(clock.now() + i64::from(seconds));
                Ok(())
            }
        }
    }

    async fn finish_step(
        &self,
        stepid: StepId,
        script: &SimulatedStep,
        results: Results,
        is_hidden: bool,
    ) -> Result<()> {
        let (app, writer) = (&self.app, &self.writer);
        self.set_state(stepid, &summary::of_step(script.done, results))
            .await?;
        service::step::finish_step(app, writer, stepid, results, is_hidden).await?;
        Ok(())
    }

    async fn set_state(&self, stepid: StepId, text: &str) -> Result<()> {
        let (app, writer) = (&self.app, &self.writer);
        service::step::set_step_state_string(app, writer, stepid, text.to_owned()).await?;
        Ok(())
    }

    async fn set_build_state(&self, buildid: BuildId, text: &str) -> Result<()> {
        let (app, writer) = (&self.app, &self.writer);
        service::build::set_build_state_string(app, writer, buildid, text.to_owned()).await?;
        Ok(())
    }
}

/// How a step of this build ends if nothing interrupts it.
fn planned_results(step: &SimulatedStep, build_number: i32, dice: &mut Dice) -> Results {
    match step.mishap {
        Some(Mishap::Sometimes(results, percent)) if dice.roll_percent() < percent => results,
        Some(Mishap::Since(results, number)) if build_number >= number => results,
        _ => Results::Success,
    }
}
