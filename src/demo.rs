//! `serve --demo`: builders whose simulated builds run step after step, through the same services as everybody's.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    app::App,
    auth::caller::Caller,
    clock::Clock,
    domain::{
        build::BuildField,
        error::Result,
        filter::{Direction, Filter, Test},
        id::{BuildId, BuilderId, StepId},
        keyset::KeysetRange,
        page::PageArgs,
        page_input::MAX_SIZE,
        results::Results,
        step::{StepField, StepsArgs, by_number},
        url::Url,
    },
    service,
    store::{build, step},
};

/// The builders, with the steps of their builds.
const BUILDERS: [(&str, &[SimulatedStep]); 4] = [
    (
        "runtests-linux",
        &[
            SimulatedStep::quick("worker_preparation"),
            SimulatedStep::quick("git"),
            SimulatedStep::long("compile").warns(20),
            SimulatedStep::long("test").fails(25).with_url("coverage"),
            SimulatedStep::quick("upload").hides_on_success(),
        ],
    ),
    (
        "docs",
        &[
            SimulatedStep::quick("worker_preparation"),
            SimulatedStep::quick("git"),
            SimulatedStep::long("sphinx").warns(50).with_url("preview"),
            SimulatedStep::quick("linkcheck").skipped(40),
        ],
    ),
    (
        "release ü",
        &[
            SimulatedStep::quick("worker_preparation"),
            SimulatedStep::quick("locks_acquire").waits_for_lock(),
            SimulatedStep::long("wheel"),
            SimulatedStep::long("wheel"),
            SimulatedStep::quick("signieren-日本語").excepts(20),
            SimulatedStep::quick("publish")
                .with_url("package")
                .with_url("changelog"),
        ],
    ),
    (
        "nightly",
        &[
            SimulatedStep::quick("worker_preparation"),
            SimulatedStep::long("fuzz").cancelled(20).waits_for_lock(),
            SimulatedStep::long("benchmark").retried(15),
            SimulatedStep::quick("cleanup").hides_on_success(),
        ],
    ),
];

/// How many builds each builder has had before the first start.
const HISTORY: usize = 5;

/// A step of a play: how long it takes, and how it may end.
#[derive(Clone, Copy)]
struct SimulatedStep {
    name: &'static str,
    seconds: u64,
    lock: bool,
    urls: [Option<&'static str>; 2],
    hides: bool,
    /// How it ends otherwise than well, and in how many of a hundred builds.
    else_ends: Option<(Results, u64)>,
}

impl SimulatedStep {
    const fn of(name: &'static str, seconds: u64) -> Self {
        Self {
            name,
            seconds,
            lock: false,
            urls: [None, None],
            hides: false,
            else_ends: None,
        }
    }

    const fn quick(name: &'static str) -> Self {
        Self::of(name, 1)
    }

    const fn long(name: &'static str) -> Self {
        Self::of(name, 4)
    }

    const fn waits_for_lock(mut self) -> Self {
        self.lock = true;
        self
    }

    const fn hides_on_success(mut self) -> Self {
        self.hides = true;
        self
    }

    const fn with_url(mut self, name: &'static str) -> Self {
        self.urls = [self.urls[1], Some(name)];
        self
    }

    const fn ends(mut self, results: Results, percent: u64) -> Self {
        self.else_ends = Some((results, percent));
        self
    }

    const fn warns(self, percent: u64) -> Self {
        self.ends(Results::Warnings, percent)
    }

    const fn fails(self, percent: u64) -> Self {
        self.ends(Results::Failure, percent)
    }

    const fn skipped(self, percent: u64) -> Self {
        self.ends(Results::Skipped, percent)
    }

    const fn excepts(self, percent: u64) -> Self {
        self.ends(Results::Exception, percent)
    }

    const fn cancelled(self, percent: u64) -> Self {
        self.ends(Results::Cancelled, percent)
    }

    const fn retried(self, percent: u64) -> Self {
        self.ends(Results::Retry, percent)
    }
}

/// Where the time of a play comes from: it passes, or it is told.
enum Timeline {
    Live,
    Told(Clock),
}

impl Timeline {
    async fn wait(&self, seconds: u64) {
        match self {
            Self::Live => sleep(Duration::from_secs(seconds)).await,
            Self::Told(clock) => clock.set(clock.now() + i64::try_from(seconds).unwrap_or(0)),
        }
    }
}

/// Makes the builders and their history where there are none, and ends what an earlier run left behind.
///
/// # Errors
/// As every write: a database that is Buildbot's is `ReadOnly`.
pub(crate) async fn prepare(app: &App) -> Result<()> {
    let caller = Caller::local();
    let is_new = build::count(&app.db, &Filter::everything()).await? == 0;
    end_what_was_left(app, &caller).await?;
    if !is_new {
        return Ok(());
    }
    for (i, (name, plays)) in BUILDERS.iter().enumerate() {
        let builder = service::builder::find_builder(app, &caller, name).await?;
        let hours = i64::try_from(HISTORY + i).unwrap_or(0);
        let clock = Clock::fixed(app.clock.now() - hours * 3_600);
        let past = app.with_clock(clock.clone());
        let stage = Timeline::Told(clock);
        for _ in 0..HISTORY {
            perform(&past, &caller, &stage, builder.id, plays).await?;
            stage.wait(3_000).await;
        }
    }
    Ok(())
}

/// Keeps a build of each builder running until the server stops.
pub(crate) fn start(app: &App) {
    for (i, (name, plays)) in BUILDERS.into_iter().enumerate() {
        let running = app.clone();
        let forever = async move {
            // One after the other, so that there is always something to see and never a rush.
            sleep(Duration::from_millis(500 * i as u64)).await;
            loop {
                if let Err(error) = build_once(&running, name, plays).await {
                    tracing::warn!(%error, builder = name, "a simulated build broke off");
                }
                sleep(Duration::from_secs(3)).await;
            }
        };
        let stop = app.stop.clone();
        app.tasks
            .spawn(async move { stop.run_until_cancelled(forever).await });
    }
}

async fn build_once(app: &App, name: &str, plays: &[SimulatedStep]) -> Result<()> {
    let caller = Caller::local();
    let builder = service::builder::find_builder(app, &caller, name).await?;
    perform(app, &caller, &Timeline::Live, builder.id, plays).await
}

/// One build, from its first step to its result.
async fn perform(
    app: &App,
    caller: &Caller,
    stage: &Timeline,
    builderid: BuilderId,
    plays: &[SimulatedStep],
) -> Result<()> {
    let build = service::build::add_build(app, caller, builderid).await?;
    let mut chance = Dice::new(build.id);
    let mut worst = Results::Success;
    for play in plays {
        let results = act(app, caller, stage, build.id, *play, &mut chance).await?;
        if severity(results) > severity(worst) {
            worst = results;
        }
        if severity(results) >= severity(Results::Failure) {
            break;
        }
    }
    let text = match worst {
        Results::Success => "build successful".to_owned(),
        other => format!("build ended with {}", word(other)),
    };
    service::build::set_build_state_string(app, caller, build.id, text).await?;
    service::build::finish_build(app, caller, build.id, worst).await?;
    Ok(())
}

async fn act(
    app: &App,
    caller: &Caller,
    stage: &Timeline,
    buildid: BuildId,
    play: SimulatedStep,
    chance: &mut Dice,
) -> Result<Results> {
    let (step, _) = service::step::new_step(app, caller, buildid, play.name).await?;
    service::step::start_step(app, caller, step.id, None, !play.lock).await?;
    if play.lock {
        service::step::set_step_state_string(app, caller, step.id, "waiting for a lock".to_owned())
            .await?;
        stage.wait(2).await;
        service::step::set_step_locks_acquired_at(app, caller, step.id, None).await?;
    }
    service::step::set_step_state_string(app, caller, step.id, "running".to_owned()).await?;
    stage.wait(play.seconds).await;
    for name in play.urls.into_iter().flatten() {
        let url = Url {
            name: name.to_owned(),
            url: format!("https://example.org/builds/{buildid}/{name}"),
        };
        service::step::add_step_url(app, caller, step.id, url).await?;
    }
    let results = match play.else_ends {
        Some((results, percent)) if chance.percent() < percent => results,
        _ => Results::Success,
    };
    let text = match results {
        Results::Success => "finished".to_owned(),
        other => format!("finished ({})", word(other)),
    };
    service::step::set_step_state_string(app, caller, step.id, text).await?;
    let hidden = play.hides && results == Results::Success;
    service::step::finish_step(app, caller, step.id, results, hidden).await?;
    Ok(results)
}

/// A build that a killed server left running ends as Buildbot ends its own: its open steps and itself with RETRY.
async fn end_what_was_left(app: &App, caller: &Caller) -> Result<()> {
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
        let open: Vec<StepId> = steps.into_values().flatten().map(|step| step.id).collect();
        for id in open {
            service::step::finish_step(app, caller, id, Results::Retry, false).await?;
        }
        service::build::finish_build(app, caller, build.id, Results::Retry).await?;
    }
    Ok(())
}

/// Best to worst, as Buildbot ranks them.
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

fn word(results: Results) -> &'static str {
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

/// The luck of a build: the same build has the same each time.
struct Dice(u64);

impl Dice {
    fn new(build: BuildId) -> Self {
        let seed = u64::from(build.0.unsigned_abs());
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 99: xorshift, which is luck enough for a play.
    fn percent(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % 100
    }
}
