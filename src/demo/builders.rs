//! The simulated builders, and what happens in their builds.

use crate::{
    demo::script::{SimulatedBuilder, SimulatedStep},
    domain::results::Results,
};

/// The builders, with the steps of their builds.
pub(crate) const BUILDERS: [SimulatedBuilder; 12] = [
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
    SimulatedBuilder {
        name: "lint",
        description: "Formatting, types and spelling of every change",
        tags: &["lint", "linux"],
        steps: LINT,
    },
    SimulatedBuilder {
        name: "compile-arm64",
        description: "Cross-compiles for Linux on ARM",
        tags: &["compile", "linux", "arm64"],
        steps: ARM64,
    },
    SimulatedBuilder {
        name: "runtests-macos",
        description: "Unit tests on macOS 15",
        tags: &["tests", "macos"],
        steps: MACOS,
    },
    SimulatedBuilder {
        name: "package/deb",
        description: "Packages for Debian and Ubuntu, installed once each",
        tags: &["packages", "linux"],
        steps: DEB,
    },
    SimulatedBuilder {
        name: "sanitizers",
        description: "Unit tests with address and thread sanitizers, each night",
        tags: &["nightly", "linux"],
        steps: SANITIZERS,
    },
    SimulatedBuilder {
        name: "benchmarks",
        description: "Measures on the one fast worker, which the nightly fuzzing needs too",
        tags: &["benchmarks", "linux"],
        steps: BENCHMARKS,
    },
    SimulatedBuilder {
        name: "deploy",
        description: "The website and its manual, first to staging",
        tags: &["deploy"],
        steps: DEPLOY,
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

/// Broken for some builds, until somebody looked at it.
const WINDOWS: &[SimulatedStep] = &[
    prepare("worker windows-2 ready"),
    GIT,
    SimulatedStep::new("compile", "compiling", 11)
        .counts_to(127)
        .with_url("warnings")
        .during(Results::Failure, 3, 9),
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

/// Short, and strict.
const LINT: &[SimulatedStep] = &[
    prepare("worker linux-2 ready"),
    GIT,
    SimulatedStep::new("format", "checking", 1),
    SimulatedStep::new("types", "checking", 5).counts_to(412),
    SimulatedStep::new("spelling", "checking", 2)
        .counts_to(96)
        .with_url("words")
        .sometimes(Results::Failure, 20),
    CLEANUP,
];

/// Green, with warnings now and then.
const ARM64: &[SimulatedStep] = &[
    prepare("worker linux-3 ready"),
    GIT,
    SimulatedStep::new("configure", "configuring", 3),
    SimulatedStep::new("compile", "compiling", 15)
        .counts_to(130)
        .with_url("warnings")
        .sometimes(Results::Warnings, 25),
    SimulatedStep::new("link", "linking", 4),
    CLEANUP,
];

/// Its tests take longer with each of the newest builds.
const MACOS: &[SimulatedStep] = &[
    prepare("worker macos-1 ready"),
    GIT,
    SimulatedStep::new("compile", "compiling", 9).counts_to(128),
    SimulatedStep::new("unit-tests", "testing", 8)
        .counts_to(804)
        .with_url("coverage")
        .slower_since(15)
        .sometimes(Results::Failure, 8),
    SimulatedStep::new("upload", "uploading", 1).with_url("logs"),
    CLEANUP,
];

/// The installation fails where a mirror is down.
const DEB: &[SimulatedStep] = &[
    prepare("worker linux-1 ready"),
    GIT,
    SimulatedStep::new("source", "packing", 2),
    SimulatedStep::new("binary-amd64", "building", 7).with_url("package"),
    SimulatedStep::new("binary-arm64", "building", 8).with_url("package"),
    SimulatedStep::new("install", "installing", 3).sometimes(Results::Exception, 12),
    CLEANUP,
];

/// Fails each night since a race came in.
const SANITIZERS: &[SimulatedStep] = &[
    prepare("worker linux-2 ready"),
    GIT,
    SimulatedStep::new("compile", "compiling", 12).counts_to(130),
    SimulatedStep::new("address", "testing", 10).counts_to(812),
    SimulatedStep::new("thread", "testing", 13)
        .counts_to(812)
        .with_url("report")
        .during(Results::Failure, 20, i32::MAX),
    CLEANUP,
];

/// Waits for the fast worker.
const BENCHMARKS: &[SimulatedStep] = &[
    prepare("worker fast-1 ready"),
    GIT,
    SimulatedStep::new("compile", "compiling", 6).counts_to(130),
    SimulatedStep::new("benchmark", "measuring", 12)
        .counts_to(36)
        .waits_for_lock()
        .with_url("figures"),
    CLEANUP,
];

/// Seldom fails, and then early.
const DEPLOY: &[SimulatedStep] = &[
    prepare("worker linux-3 ready"),
    GIT,
    SimulatedStep::new("build-site", "building", 5).counts_to(340),
    SimulatedStep::new("staging", "deploying", 3)
        .with_url("staging")
        .sometimes(Results::Failure, 6),
    SimulatedStep::new("smoke-test", "testing", 3).counts_to(18),
    SimulatedStep::new("production", "deploying", 3)
        .waits_for_lock()
        .with_url("site"),
    CLEANUP,
];

const GIT: SimulatedStep = SimulatedStep::new("git", "updating", 1).done("update");

const CLEANUP: SimulatedStep = SimulatedStep::new("cleanup", "cleaning up", 1)
    .hides_on_success()
    .always_runs();

const fn prepare(done: &'static str) -> SimulatedStep {
    SimulatedStep::new("worker_preparation", "preparing worker", 1).done(done)
}
