//! What the newest builds of a builder tell: which of them count, and what their steps add up to.

use std::cmp::Reverse;

use crate::domain::{invalid_argument::InvalidArgument, results::Results};

/// How many builds `stats` reads at most.
pub(crate) const MAX_LAST: u64 = 500;
/// How many it reads unless the caller says.
pub(crate) const DEFAULT_LAST: u64 = 50;

/// Which builds of a builder, all of them complete; the newest have the highest numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NewestBuilds {
    pub(crate) limit: u64,
    /// Only those that were successful.
    pub(crate) successful: bool,
}

impl NewestBuilds {
    /// By which the end of a build is expected.
    pub(crate) const EXPECTATION: Self = Self {
        limit: 20,
        successful: true,
    };

    /// The newest builds of any result, from 1 to `MAX_LAST`.
    ///
    /// # Errors
    /// The rule that the number breaks.
    pub(crate) fn last(last: i32) -> Result<Self, InvalidArgument> {
        let limit = u64::try_from(last).ok();
        let limit = limit.filter(|limit| (1..=MAX_LAST).contains(limit));
        let refuse = || format!("a number from 1 to {MAX_LAST}, got {last}");
        Ok(Self {
            limit: limit.ok_or_else(|| InvalidArgument::new("last", refuse()))?,
            successful: false,
        })
    }
}

/// The least of these values that so many percent of them do not exceed, by the nearest-rank
/// method; `None` without values. It sorts them.
pub(crate) fn percentile(values: &mut [i32], percent: usize) -> Option<i32> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

/// How one step of a build went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepRun {
    pub(crate) results: Option<Results>,
    /// In seconds, as is the wait; `None` where it is unknown.
    pub(crate) duration: Option<i32>,
    pub(crate) lock_wait: Option<i32>,
}

/// All runs of the steps of one name.
#[derive(Debug, Default)]
pub(crate) struct StepRuns {
    runs: i32,
    failures: i32,
    durations: Vec<i32>,
    lock_waits: Vec<i32>,
}

impl StepRuns {
    pub(crate) fn add(&mut self, run: StepRun) {
        let failed = matches!(run.results, Some(Results::Failure | Results::Exception));
        self.runs += 1;
        self.failures += i32::from(failed);
        self.durations.extend(run.duration);
        self.lock_waits.extend(run.lock_wait);
    }
}

/// What the runs of the steps of one name add up to; times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepSummary {
    pub(crate) name: String,
    pub(crate) runs: i32,
    pub(crate) failures: i32,
    pub(crate) median_duration: Option<i32>,
    pub(crate) p95_duration: Option<i32>,
    pub(crate) median_lock_wait: Option<i32>,
}

/// Sums up the runs of each name: the slowest by median first, those of unknown duration last, and
/// equally slow ones by name.
pub(crate) fn summarize(steps: impl IntoIterator<Item = (String, StepRuns)>) -> Vec<StepSummary> {
    let summary = |(name, mut steps): (String, StepRuns)| StepSummary {
        name,
        runs: steps.runs,
        failures: steps.failures,
        median_duration: percentile(&mut steps.durations, 50),
        p95_duration: percentile(&mut steps.durations, 95),
        median_lock_wait: percentile(&mut steps.lock_waits, 50),
    };
    let mut summaries: Vec<StepSummary> = steps.into_iter().map(summary).collect();
    summaries.sort_unstable_by(|a, b| {
        let by_median = Reverse(a.median_duration).cmp(&Reverse(b.median_duration));
        by_median.then_with(|| a.name.cmp(&b.name))
    });
    summaries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_value_at_the_nearest_rank() {
        for (values, percent, expected) in [
            (vec![], 50, None),
            (vec![7], 50, Some(7)),
            (vec![7], 95, Some(7)),
            (vec![2, 1], 50, Some(1)),
            (vec![3, 1, 2], 50, Some(2)),
            (vec![50, 20, 15, 40, 35], 30, Some(20)),
            (vec![50, 20, 15, 40, 35], 40, Some(20)),
            (vec![50, 20, 15, 40, 35], 100, Some(50)),
            ((1..=20).rev().collect(), 95, Some(19)),
            ((1..=21).collect(), 95, Some(20)),
        ] {
            let mut sorted = values.clone();
            assert_eq!(percentile(&mut sorted, percent), expected, "{values:?}");
        }
    }

    #[test]
    fn the_number_of_builds_has_bounds() {
        assert_eq!(NewestBuilds::last(1).map(|newest| newest.limit), Ok(1));
        assert_eq!(NewestBuilds::last(500).map(|newest| newest.limit), Ok(500));
        for bad in [0, -1, 501, i32::MAX] {
            let refused = NewestBuilds::last(bad).expect_err("out of bounds");
            assert_eq!(refused.argument, "last");
            assert_eq!(refused.reason, format!("a number from 1 to 500, got {bad}"));
        }
    }
}
