//! The builds that the demo's builders have had before it started, and those of a demo that stands
//! still. They are written as they are in the end, in one transaction, which takes no time.

use crate::{
    demo::{
        builders::BUILDERS,
        course::{Course, StepTurn},
        dice::Dice,
        output::{output, stored},
        script::{SimulatedBuilder, SimulatedStep},
        summary,
    },
    domain::{id::BuildId, results::Results, url::Url},
    store::demo_history::{PastBuild, PastLog, PastStep},
};

/// How many builds each builder has had.
const BUILDS: i32 = 24;
/// How many builders there were at first, and for how many builds of each they were alone.
const FIRST_BUILDERS: usize = 5;
const ALONE: i32 = 5;
/// The time between two builds of the first builders, and of those that came later, in seconds.
const PAUSE: i64 = 5_400;
const LATER_PAUSE: i64 = 4_100;
/// The time between the builds of two builders, in seconds.
const STAGGER: i64 = 600;
const LATER_STAGGER: i64 = 450;

/// The builds that run in a demo that stands still: for how many seconds, and whether they wait
/// for a lock, which another of them holds.
const STANDING: [(&str, u32, bool); 7] = [
    ("runtests-linux", 15, false),
    ("docs", 9, false),
    ("nightly", 13, false),
    ("compile-arm64", 17, false),
    ("runtests-macos", 24, false),
    ("sanitizers", 19, false),
    ("benchmarks", 13, true),
];

/// A build before it is written: of which builder, and when it began.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    started_at: i64,
    builder: usize,
    number: i32,
}

/// The history up to a time, each build with the index of its builder, in the order of their times.
pub(crate) fn history(end: i64) -> Vec<(usize, PastBuild)> {
    let each = |builder| (1..=BUILDS).map(move |number| slot(end, builder, number));
    let mut slots: Vec<_> = (0..BUILDERS.len()).flat_map(each).collect();
    slots.sort();
    let builds = (1..).zip(slots);
    builds
        .map(|(id, slot)| (slot.builder, build(id, &slot, None)))
        .collect()
}

/// The builds that run at a time, after so many others.
pub(crate) fn standing(at: i64, others: usize) -> Vec<(usize, PastBuild)> {
    let first = i32::try_from(others).unwrap_or(0) + 1;
    let find = |name| BUILDERS.iter().position(|builder| builder.name == name);
    let found = STANDING
        .iter()
        .filter_map(|(name, seconds, waits)| Some((find(*name)?, *seconds, *waits)));
    (first..)
        .zip(found)
        .map(|(id, (builder, seconds, waits))| {
            let slot = Slot {
                started_at: at - i64::from(seconds),
                builder,
                number: BUILDS + 1,
            };
            (builder, build(id, &slot, Some(Standstill { at, waits })))
        })
        .collect()
}

/// When a build of the history began.
fn slot(end: i64, builder: usize, number: i32) -> Slot {
    let index = i64::try_from(builder).unwrap_or(0);
    let seed = (index.unsigned_abs() + 1) * 1_000 + u64::from(number.unsigned_abs());
    let chance = i64::try_from(Dice::seeded(seed).roll_percent()).unwrap_or(0);
    let is_first = builder < FIRST_BUILDERS;
    // At first in turn, so that the ids of the first builds do not depend on later builders.
    let jitter = match (is_first, number <= ALONE) {
        (true, true) => chance * 3,
        (true, false) => chance * 24,
        (false, _) => chance * 30,
    };
    let started_at = if is_first {
        end - i64::from(BUILDS + 1 - number) * PAUSE + index * STAGGER
    } else {
        let begin = end - i64::from(BUILDS - ALONE) * PAUSE;
        begin + i64::from(number - 1) * LATER_PAUSE + (index - 5) * LATER_STAGGER
    };
    Slot {
        started_at: started_at + jitter,
        builder,
        number,
    }
}

/// Where a build stands still.
#[derive(Clone, Copy)]
struct Standstill {
    at: i64,
    /// Whether it does not get the lock that it needs.
    waits: bool,
}

/// A build from its beginning to its end, or to where it stands still.
fn build(id: i32, slot: &Slot, still: Option<Standstill>) -> PastBuild {
    let builder: &SimulatedBuilder = &BUILDERS[slot.builder];
    let mut course = Course::new(BuildId(id), slot.number);
    let mut now = slot.started_at;
    let mut steps = Vec::new();
    for script in builder.steps {
        let (turn, fate) = course.next(script);
        let (results, acquired_at, end) = match turn {
            StepTurn::LeaveOut => continue,
            StepTurn::Skip => (Results::Skipped, now, now),
            StepTurn::Run => {
                let wait = if script.needs_lock {
                    fate.lock_seconds
                } else {
                    0
                };
                let acquired_at = now + i64::from(wait);
                (
                    fate.results,
                    acquired_at,
                    acquired_at + i64::from(fate.seconds),
                )
            }
        };
        let mut step = PastStep::begun(script.name, now);
        let lacks_lock =
            still.is_some_and(|still| script.needs_lock && (still.waits || acquired_at > still.at));
        if lacks_lock {
            "waiting for a lock".clone_into(&mut step.state_string);
        } else {
            step.locks_acquired_at = Some(acquired_at);
            match still {
                Some(still) if end > still.at => {
                    let (second, seconds) = (still.at - acquired_at, end - acquired_at);
                    step.state_string = doing(script, second, seconds);
                    step.log = Some(log(script, slot.number, results, Some((second, seconds))));
                }
                _ => {
                    finish(&mut step, script, results, end, (id, steps.len()));
                    if matches!(turn, StepTurn::Run) {
                        step.log = Some(log(script, slot.number, results, None));
                    }
                }
            }
        }
        let is_open = step.complete_at.is_none();
        steps.push(step);
        if is_open {
            return PastBuild::running(slot.number, slot.started_at, steps);
        }
        course.record(script, results);
        now = end;
    }
    let (results, state_string) = course.end();
    PastBuild {
        complete_at: Some(now),
        results: Some(results),
        state_string,
        ..PastBuild::running(slot.number, slot.started_at, steps)
    }
}

/// A step's log, whole or after so many of its seconds.
fn log(
    script: &SimulatedStep,
    number: i32,
    results: Results,
    after: Option<(i64, i64)>,
) -> PastLog {
    let mut lines = output(script, number, results);
    if let Some((second, seconds)) = after {
        let of_all = i64::try_from(lines.len()).unwrap_or(0) * second / seconds.max(1);
        lines.truncate(usize::try_from(of_all).unwrap_or(0).max(1));
    }
    PastLog {
        num_lines: i32::try_from(lines.len()).unwrap_or(0),
        content: stored(&lines),
        is_complete: after.is_none(),
    }
}

/// Ends a step. Only a step that has run has links.
fn finish(
    step: &mut PastStep,
    script: &SimulatedStep,
    results: Results,
    end: i64,
    (build, number): (i32, usize),
) {
    step.complete_at = Some(end);
    step.results = Some(results);
    step.state_string = summary::of_step(script.done, results);
    step.is_hidden = script.is_hidden_on_success && results == Results::Success;
    if results != Results::Skipped {
        let names = script.urls.into_iter().flatten();
        step.urls = names
            .map(|name| link(BuildId(build), number, name))
            .collect();
    }
}

/// A link of a step.
pub(crate) fn link(build: BuildId, step: impl std::fmt::Display, name: &str) -> Url {
    Url {
        name: name.to_owned(),
        url: format!("https://example.org/builds/{build}/steps/{step}/{name}"),
    }
}

/// What a step says of itself after so many of its seconds.
pub(crate) fn doing(script: &SimulatedStep, second: i64, seconds: i64) -> String {
    let Some(total) = script.total else {
        return script.doing.to_owned();
    };
    let count = i64::from(total) * second / seconds.max(1);
    format!("{} {count} of {total}", script.doing)
}
