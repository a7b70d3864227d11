//! Runs simulated builds in real time.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    demo::{
        course::{Course, StepFate, StepTurn},
        history::{doing, link},
        live_log::LiveLog,
        output::output,
        script::{SimulatedBuilder, SimulatedStep},
        summary,
    },
    domain::{
        error::{Error, Result},
        id::{BuildId, StepId},
        results::Results,
    },
    service::{self, writer::Writer},
    store::{build, demo_run},
};

/// Runs builds. A server that stops interrupts them: they end with RETRY.
pub(crate) struct Simulation {
    app: App,
    writer: Writer,
    /// The demo's run. Once there is a later one, builds break off: that one has ended them.
    run: i32,
}

impl Simulation {
    pub(crate) fn new(app: App, run: i32) -> Self {
        Self {
            app,
            writer: Writer::local(),
            run,
        }
    }

    /// Fails where a later run has begun.
    async fn expect_newest(&self) -> Result<()> {
        let is_newest = demo_run::is_newest(&self.app.db, self.run).await?;
        is_newest.then_some(()).ok_or(Error::Conflict)
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
        let mut course = Course::new(build.id, build.number);
        for step in builder.steps {
            if app.stop.is_cancelled() {
                course.interrupt();
                break;
            }
            self.expect_newest().await?;
            let (turn, fate) = course.next(step);
            let results = match turn {
                StepTurn::Run => self.run_step(build, step, &fate).await?,
                StepTurn::Skip => self.skip_step(build.id, step).await?,
                StepTurn::LeaveOut => continue,
            };
            course.record(step, results);
        }
        self.expect_newest().await?;
        let (results, summary) = course.end();
        self.set_build_state(build.id, &summary).await?;
        service::build::finish_build(app, writer, build.id, results).await?;
        Ok(())
    }

    async fn run_step(
        &self,
        build: &build::Model,
        script: &SimulatedStep,
        fate: &StepFate,
    ) -> Result<Results> {
        let (app, writer) = (&self.app, &self.writer);
        let (step, _) = service::step::new_step(app, writer, build.id, script.name).await?;
        service::step::start_step(app, writer, step.id, None, !script.needs_lock).await?;
        if script.needs_lock {
            self.set_state(step.id, "waiting for a lock").await?;
            self.wait(fate.lock_seconds).await?;
            service::step::set_step_locks_acquired_at(app, writer, step.id, None).await?;
        }
        let lines = output(script, build.number, fate.results);
        let mut log = LiveLog::begin(app, writer, step.id, lines).await?;
        self.work(step.id, script, fate.seconds, &mut log).await?;
        if !app.stop.is_cancelled() {
            log.write_until(1, 1).await?;
        }
        log.finish().await?;
        let results = if app.stop.is_cancelled() {
            Results::Retry
        } else {
            fate.results
        };
        for name in script.urls.into_iter().flatten() {
            let url = link(build.id, step.number, name);
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

    /// Takes a step's time. Its state string and its log say each second how far it is.
    async fn work(
        &self,
        stepid: StepId,
        script: &SimulatedStep,
        seconds: u32,
        log: &mut LiveLog<'_>,
    ) -> Result<()> {
        if script.total.is_none() {
            self.set_state(stepid, script.doing).await?;
            log.write_until(1, 2).await?;
            return self.wait(seconds).await;
        }
        for second in 0..seconds {
            if self.app.stop.is_cancelled() {
                break;
            }
            let text = doing(script, second.into(), seconds.into());
            self.set_state(stepid, &text).await?;
            log.write_until(second + 1, seconds + 1).await?;
            self.wait(1).await?;
        }
        Ok(())
    }

    /// Lets so much time go by, unless the server stops. Fails where a later run has begun.
    async fn wait(&self, seconds: u32) -> Result<()> {
        let time = Duration::from_secs(seconds.into());
        self.app.stop.run_until_cancelled(sleep(time)).await;
        self.expect_newest().await
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
