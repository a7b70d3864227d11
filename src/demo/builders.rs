//! The simulated builders, and what happens in their builds.

use crate::{
    demo::script::{SimulatedBuilder, SimulatedStep},
    domain::results::Results,
};

/// The builders, with the steps of their builds.
pub(crate) const BUILDERS: [SimulatedBuilder; 5] = [
    SimulatedBuilder {
        name: "runtests-linux",
        description: "Unit and integration tests on Debian 12",
        tags: &["tests", "linux"],
        steps: LINUX,
    },
    SimulatedBuilder {
        name: "runtests-windows",
        description: "Unit tests on Windows Server 2022",
        tags: &["tests", "windows"],
        steps: WINDOWS,
    },
    SimulatedBuilder {
        name: "docs",
        description: "The manual, in English and Japanese",
        tags: &["docs"],
        steps: DOCS,
    },
    SimulatedBuilder {
        name: "release",
        description: "Packages for PyPI, signed; one build at a time may publish",
        tags: &["release", "linux"],
        steps: RELEASE,
    },
    SimulatedBuilder {
        name: "nightly",
        description: "Fuzzing and benchmarks on the one fast worker",
        tags: &["nightly", "linux"],
        steps: NIGHTLY,
    },
];

/// Flaky tests.
const LINUX: &[SimulatedStep] = &[
    prepare("worker linux-1 ready"),
    GIT,
    SimulatedStep::new("compile", "compiling", 8)
        .counts_to(130)
        .sometimes(Results::Warnings, 15),
    SimulatedStep::new("unit-tests", "testing", 9)
        .counts_to(812)
        .with_url("coverage")
        .sometimes(Results::Failure, 30),
    SimulatedStep::new("integration-tests", "testing", 6)
        .counts_to(64)
        .sometimes(Results::Failure, 10),
    SimulatedStep::new("upload", "uploading", 1).with_url("logs"),
    CLEANUP,
];

/// Broken since a commit that nobody has looked at yet.
const WINDOWS: &[SimulatedStep] = &[
    prepare("worker windows-2 ready"),
    GIT,
    SimulatedStep::new("compile", "compiling", 11)
        .counts_to(127)
        .with_url("warnings")
        .since(Results::Failure, 3),
    SimulatedStep::new("unit-tests", "testing", 10).counts_to(798),
    CLEANUP,
];

/// Usually green.
const DOCS: &[SimulatedStep] = &[
    prepare("worker linux-2 ready"),
    GIT,
    SimulatedStep::new("html-en", "building", 5)
        .counts_to(96)
        .with_url("preview"),
    SimulatedStep::new("html-日本語", "building", 5)
        .counts_to(96)
        .with_url("preview"),
    SimulatedStep::new("linkcheck", "checking", 4)
        .counts_to(340)
        .sometimes(Results::Warnings, 8),
    CLEANUP,
];

/// Waits for a lock, and may be stopped by the key server.
const RELEASE: &[SimulatedStep] = &[
    prepare("worker linux-3 ready"),
    GIT,
    // Twice, so that the second gets the first free form of the name.
    SimulatedStep::new("wheel", "building", 4),
    SimulatedStep::new("wheel", "building", 4),
    SimulatedStep::new("sign", "signing", 1).sometimes(Results::Exception, 15),
    SimulatedStep::new("publish", "publishing", 2)
        .waits_for_lock()
        .with_url("package")
        .with_url("changelog"),
    CLEANUP,
];

/// Long steps, which people cancel.
const NIGHTLY: &[SimulatedStep] = &[
    prepare("worker fast-1 ready"),
    GIT,
    SimulatedStep::new("fuzz", "fuzzing", 14)
        .counts_to(50_000)
        .waits_for_lock()
        .sometimes(Results::Cancelled, 15),
    SimulatedStep::new("benchmark", "measuring", 8)
        .counts_to(24)
        .with_url("figures")
        .sometimes(Results::Retry, 10),
    CLEANUP,
];

const GIT: SimulatedStep = SimulatedStep::new("git", "updating", 1).done("update");

const CLEANUP: SimulatedStep = SimulatedStep::new("cleanup", "cleaning up", 1)
    .hides_on_success()
    .always_runs();

const fn prepare(done: &'static str) -> SimulatedStep {
    SimulatedStep::new("worker_preparation", "preparing worker", 1).done(done)
}
