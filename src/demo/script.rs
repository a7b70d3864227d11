//! What a simulated builder and its steps do.

use crate::domain::results::Results;

/// A simulated builder.
pub(crate) struct SimulatedBuilder {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) tags: &'static [&'static str],
    pub(crate) steps: &'static [SimulatedStep],
}

/// A step of a simulated build: how long it takes, what it says meanwhile, and how it may end.
#[derive(Clone, Copy)]
pub(crate) struct SimulatedStep {
    pub(crate) name: &'static str,
    /// Its state string while it runs.
    pub(crate) doing: &'static str,
    /// Its state string when it has ended.
    pub(crate) done: &'static str,
    pub(crate) seconds: u32,
    /// How many things it goes through, which its state string counts.
    pub(crate) total: Option<u32>,
    pub(crate) needs_lock: bool,
    pub(crate) urls: [Option<&'static str>; 2],
    pub(crate) is_hidden_on_success: bool,
    /// Whether it runs after a failure too.
    pub(crate) always_runs: bool,
    pub(crate) mishap: Option<Mishap>,
    /// The first of the builds in which it takes longer each time.
    pub(crate) slower_since: Option<i32>,
}

/// How a step ends if not in success.
#[derive(Clone, Copy)]
pub(crate) enum Mishap {
    /// In so many of a hundred builds.
    Sometimes(Results, u64),
    /// In each build from this number on, up to before that one.
    During(Results, i32, i32),
}

impl SimulatedStep {
    pub(crate) const fn new(name: &'static str, doing: &'static str, seconds: u32) -> Self {
        Self {
            name,
            doing,
            done: name,
            seconds,
            total: None,
            needs_lock: false,
            urls: [None, None],
            is_hidden_on_success: false,
            always_runs: false,
            mishap: None,
            slower_since: None,
        }
    }

    pub(crate) const fn done(mut self, done: &'static str) -> Self {
        self.done = done;
        self
    }

    pub(crate) const fn counts_to(mut self, total: u32) -> Self {
        self.total = Some(total);
        self
    }

    pub(crate) const fn waits_for_lock(mut self) -> Self {
        self.needs_lock = true;
        self
    }

    pub(crate) const fn with_url(mut self, name: &'static str) -> Self {
        self.urls = [self.urls[1], Some(name)];
        self
    }

    pub(crate) const fn hides_on_success(mut self) -> Self {
        self.is_hidden_on_success = true;
        self
    }

    pub(crate) const fn always_runs(mut self) -> Self {
        self.always_runs = true;
        self
    }

    pub(crate) const fn sometimes(mut self, results: Results, percent: u64) -> Self {
        self.mishap = Some(Mishap::Sometimes(results, percent));
        self
    }

    pub(crate) const fn during(mut self, results: Results, from: i32, before: i32) -> Self {
        self.mishap = Some(Mishap::During(results, from, before));
        self
    }

    pub(crate) const fn slower_since(mut self, build: i32) -> Self {
        self.slower_since = Some(build);
        self
    }
}
