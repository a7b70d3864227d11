//! The simulated builders, and what happens in their builds.

use crate::domain::results::Results;

/// The builders, with the steps of their builds.
pub(crate) const BUILDERS: [(&str, &[SimulatedStep]); 4] = [
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
            // Twice, so that the second gets the first free form of the name.
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

/// A step of a simulated build: how long it takes, and how it may end.
#[derive(Clone, Copy)]
pub(crate) struct SimulatedStep {
    pub(crate) name: &'static str,
    pub(crate) seconds: u64,
    pub(crate) needs_lock: bool,
    pub(crate) urls: [Option<&'static str>; 2],
    pub(crate) is_hidden_on_success: bool,
    /// How it ends if not in success, and in how many of a hundred builds.
    pub(crate) mishap: Option<(Results, u64)>,
}

impl SimulatedStep {
    const fn new(name: &'static str, seconds: u64) -> Self {
        Self {
            name,
            seconds,
            needs_lock: false,
            urls: [None, None],
            is_hidden_on_success: false,
            mishap: None,
        }
    }

    const fn quick(name: &'static str) -> Self {
        Self::new(name, 1)
    }

    const fn long(name: &'static str) -> Self {
        Self::new(name, 4)
    }

    const fn waits_for_lock(mut self) -> Self {
        self.needs_lock = true;
        self
    }

    const fn hides_on_success(mut self) -> Self {
        self.is_hidden_on_success = true;
        self
    }

    const fn with_url(mut self, name: &'static str) -> Self {
        self.urls = [self.urls[1], Some(name)];
        self
    }

    const fn ends(mut self, results: Results, percent: u64) -> Self {
        self.mishap = Some((results, percent));
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
