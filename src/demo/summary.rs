//! How a step or a build ended, in Buildbot's words.

use crate::domain::results::Results;

/// The state string of a finished step, which `done` says what it did.
pub(crate) fn of_step(done: &str, results: Results) -> String {
    match results {
        Results::Success => done.to_owned(),
        other => format!("{done} ({})", name(other)),
    }
}

/// The state string of a finished build; `causes` are those of the steps that did not succeed.
pub(crate) fn of_build(results: Results, causes: &[String]) -> String {
    let word = match results {
        Results::Success => return "build successful".to_owned(),
        Results::Failure => "failed",
        other => name(other),
    };
    let words: Vec<&str> = [word]
        .into_iter()
        .chain(causes.iter().map(String::as_str))
        .collect();
    words.join(" ")
}

/// The rank from best to worst, in Buildbot's order.
pub(crate) fn severity(results: Results) -> usize {
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
