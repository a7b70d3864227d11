//! How a simulated build goes: what chance has in store for each step, and what follows from how
//! the steps before it ended.

use crate::{
    demo::{
        dice::Dice,
        script::{Mishap, SimulatedStep},
        summary::{self, severity},
    },
    domain::{id::BuildId, results::Results},
};

/// How much longer a step takes with each build, in percent, and how much at most.
const GROWTH: u32 = 18;
const MAX_GROWTH: u32 = 200;

/// What is done with a step.
pub(crate) enum StepTurn {
    Run,
    Skip,
    LeaveOut,
}

/// What happens to a step that runs, unless something interrupts it.
pub(crate) struct StepFate {
    pub(crate) results: Results,
    /// How long it waits for its lock, if it needs one, and how long it works then.
    pub(crate) lock_seconds: u32,
    pub(crate) seconds: u32,
}

/// A build that is under way.
pub(crate) struct Course {
    build: BuildId,
    number: i32,
    dice: Dice,
    /// How many steps there have been.
    steps: u64,
    worst: Results,
    causes: Vec<String>,
}

impl Course {
    pub(crate) fn new(build: BuildId, number: i32) -> Self {
        Self {
            build,
            number,
            dice: Dice::new(build),
            steps: 0,
            worst: Results::Success,
            causes: Vec::new(),
        }
    }

    /// What is done with the next step, and what happens to it if it runs.
    pub(crate) fn next(&mut self, step: &SimulatedStep) -> (StepTurn, StepFate) {
        self.steps += 1;
        let turn = if step.always_runs || severity(self.worst) < severity(Results::Failure) {
            StepTurn::Run
        } else if self.worst == Results::Failure {
            StepTurn::Skip
        } else {
            // As Buildbot does after a step that was stopped.
            StepTurn::LeaveOut
        };
        let results = match step.mishap {
            Some(Mishap::Sometimes(results, percent)) if self.dice.roll_percent() < percent => {
                results
            }
            Some(Mishap::During(results, from, before))
                if (from..before).contains(&self.number) =>
            {
                results
            }
            _ => Results::Success,
        };
        // Other dice, so that times have no part in results.
        let seed = u64::from(self.build.0.unsigned_abs()) * 64 + self.steps;
        let mut dice = Dice::seeded(seed + (1 << 32));
        let fate = StepFate {
            results,
            lock_seconds: 1 + u32::try_from(dice.roll_percent() % 6).unwrap_or(0),
            seconds: varied(step, self.number, &mut dice),
        };
        (turn, fate)
    }

    /// Notes how a step ended.
    pub(crate) fn record(&mut self, step: &SimulatedStep, results: Results) {
        if severity(results) > severity(Results::Success) {
            self.causes.push(summary::of_step(step.done, results));
        }
        if severity(results) > severity(self.worst) {
            self.worst = results;
        }
    }

    /// Notes that the server stops.
    pub(crate) fn interrupt(&mut self) {
        self.worst = Results::Retry;
    }

    /// The results of the build after all its steps, and its state string.
    pub(crate) fn end(&self) -> (Results, String) {
        (self.worst, summary::of_build(self.worst, &self.causes))
    }
}

/// A step's time in this build: up to 15 percent more or less than usual, and more where it has
/// become slower.
fn varied(step: &SimulatedStep, number: i32, dice: &mut Dice) -> u32 {
    let percent = 85 + u32::try_from(dice.roll_percent() % 31).unwrap_or(15);
    let growth = match step.slower_since {
        Some(since) if number >= since => {
            let builds = (number - since).unsigned_abs().saturating_add(1);
            builds.saturating_mul(GROWTH).min(MAX_GROWTH)
        }
        _ => 0,
    };
    let percent = percent * (100 + growth) / 100;
    ((step.seconds * percent + 50) / 100).max(1)
}
