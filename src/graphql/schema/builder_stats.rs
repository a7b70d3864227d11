//! The GraphQL type `BuilderStats`: how the newest builds of a builder ended, and where their time
//! went.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};

use crate::{
    domain::{
        builder_stats::{StepSummary, percentile},
        error::Result,
        results,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{results::Results, text::Text},
    },
    store::{build::Model, unchecked_int::UncheckedInt},
};

/// What the newest complete builds of a builder add up to. Times are in whole seconds; those that are negative or cannot be read are left out. A percentile is a value that occurs, by the nearest-rank method.
pub(crate) struct BuilderStats(pub(crate) Arc<Vec<Model>>);

/// How many builds ended so.
#[derive(SimpleObject)]
pub(crate) struct ResultCount {
    /// How they ended.
    results: Results,
    /// How many.
    count: i32,
}

/// What the steps of one name add up to.
pub(crate) struct StepStats(StepSummary);

/// What the newest complete builds of a builder add up to. Times are in whole seconds; those that are negative or cannot be read are left out. A percentile is a value that occurs, by the nearest-rank method.
#[Object]
impl BuilderStats {
    /// How many builds these are; fewer than asked for if there are no more.
    async fn builds(&self) -> i32 {
        count(self.0.len())
    }

    /// How many builds had each result that occurs, in the order of the codes. A result that is none of the seven is in no count.
    async fn results(&self) -> Vec<ResultCount> {
        let counts = results::Results::ALL.map(|results| ResultCount {
            results: results.into(),
            count: count(self.with(results)),
        });
        counts.into_iter().filter(|of| of.count > 0).collect()
    }

    /// SUCCESS and WARNINGS over all, 0 to 1; null without builds.
    async fn success_rate(&self) -> Option<f64> {
        use results::Results::{Success, Warnings};
        let successful = f64::from(count(self.with(Success) + self.with(Warnings)));
        let all = f64::from(count(self.0.len()));
        (all > 0.0).then(|| successful / all)
    }

    /// How long a build took, the median: half of them took no longer. Null without such a time.
    async fn median_duration_s(&self) -> Option<i32> {
        self.duration(50)
    }

    /// How long a build took, the 95th percentile. Null without such a time.
    async fn p95_duration_s(&self) -> Option<i32> {
        self.duration(95)
    }

    /// Where the time goes: the steps of these builds by name, the slowest by median first, and equally slow ones by name. A step that never started or was skipped did not run, and is left out.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<StepStats>> {
        let builds = self.0.iter().map(|build| build.id).collect();
        let steps = ctx.loaders().step_sums(builds).await?;
        Ok(steps.iter().cloned().map(StepStats).collect())
    }
}

impl BuilderStats {
    /// How many builds ended so.
    fn with(&self, results: results::Results) -> usize {
        let code = Some(results.code());
        let ended_so = |build: &&Model| build.results.as_ref().and_then(UncheckedInt::int) == code;
        self.0.iter().filter(ended_so).count()
    }

    fn duration(&self, percent: usize) -> Option<i32> {
        let mut durations: Vec<i32> = self.0.iter().filter_map(Model::duration_s).collect();
        percentile(&mut durations, percent)
    }
}

/// What the steps of one name add up to.
#[Object]
impl StepStats {
    /// The name.
    async fn name(&self) -> Text<&str> {
        Text(&self.0.name)
    }

    /// How often it ran.
    async fn runs(&self) -> i32 {
        self.0.runs
    }

    /// How many runs ended as FAILURE or EXCEPTION.
    async fn failures(&self) -> i32 {
        self.0.failures
    }

    /// How long a run took, the median. Null without such a time.
    async fn median_duration_s(&self) -> Option<i32> {
        self.0.median_duration
    }

    /// How long a run took, the 95th percentile. Null without such a time.
    async fn p95_duration_s(&self) -> Option<i32> {
        self.0.p95_duration
    }

    /// How long a run waited for its locks, the median. Null without such a time.
    async fn median_lock_wait_s(&self) -> Option<i32> {
        self.0.median_lock_wait
    }
}

/// A count of rows, which are never so many.
fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}
