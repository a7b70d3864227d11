//! What is known of the builds that are watched: takes snapshots and events, and says what each
//! changed.

use std::{
    collections::{BTreeMap, VecDeque},
    mem::take,
};

use crate::watch::row::{BuildRow, HeardEvent, HeardObject, SnapshotRows, WatchedStep};

/// How many ended builds are remembered, so that a new snapshot does not show them again.
const REMEMBERED: usize = 500;

/// The kind of a change that a snapshot found.
pub(crate) const SNAPSHOT: &str = "SNAPSHOT";

/// A change of a build or a step, as a line shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoardChange {
    /// When it happened, as the server writes it.
    pub(crate) at: String,
    pub(crate) builder: String,
    pub(crate) number: i64,
    /// The number and name of a step; `None` where the build itself changed.
    pub(crate) step: Option<(i64, String)>,
    pub(crate) kind: String,
    pub(crate) complete: bool,
    pub(crate) results: Option<String>,
    pub(crate) state: String,
}

/// A build with its steps by number, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct WatchedBuild {
    pub(crate) build: BuildRow,
    pub(crate) steps: BTreeMap<i64, WatchedStep>,
}

impl WatchedBuild {
    /// The step that runs: the unfinished one of the highest number.
    pub(crate) fn current_step(&self) -> Option<&WatchedStep> {
        self.steps.values().rev().find(|step| !step.complete)
    }
}

/// The builds that run. Ended builds leave it, unless it keeps the one that is watched.
#[derive(Debug, Default)]
pub(crate) struct Board {
    keeps_ended: bool,
    builds: BTreeMap<i64, WatchedBuild>,
    gone: VecDeque<i64>,
    /// What was known before the snapshot that has not caught up yet.
    before: Option<BTreeMap<i64, WatchedBuild>>,
}

impl Board {
    pub(crate) fn new(keeps_ended: bool) -> Self {
        Self {
            keeps_ended,
            ..Self::default()
        }
    }

    /// The builds, by id.
    pub(crate) fn builds(&self) -> impl Iterator<Item = &WatchedBuild> {
        self.builds.values()
    }

    /// The build that has ended, of those that are kept, once it is known for sure.
    pub(crate) fn ended(&self) -> Option<&BuildRow> {
        let mut builds = self.builds.values().map(|watched| &watched.build);
        builds.find(|build| build.complete && self.before.is_none())
    }

    /// The ids of the builds that were running when something was last heard of them.
    pub(crate) fn running_ids(&self) -> Vec<i64> {
        let builds = self.before.as_ref().unwrap_or(&self.builds);
        let running = builds.iter().filter(|(_, watched)| !watched.build.complete);
        running.map(|(id, _)| *id).collect()
    }

    /// Takes a snapshot. Until `catch_up`, it is not known of what moment its rows are: events
    /// since its cursor are in some and not in others.
    pub(crate) fn load(&mut self, rows: SnapshotRows) {
        let old = take(&mut self.builds);
        // Of two snapshots in a row, what was known before the first is what was shown.
        self.before.get_or_insert(old);
        for (build, steps) in rows.builds {
            let watched = self.builds.entry(build.buildid);
            let watched = watched.or_insert_with(|| WatchedBuild {
                build: build.clone(),
                steps: BTreeMap::new(),
            });
            let steps = steps.into_iter().map(|step| (step.number, step));
            watched.steps.extend(steps);
        }
    }

    /// Takes an event. Returns what it changed, as far as a line shows it; what comes before
    /// `catch_up` is a part of the snapshot.
    pub(crate) fn apply(&mut self, event: HeardEvent) -> Option<BoardChange> {
        let change = self.change(event)?;
        if self.before.is_some() {
            return None;
        }
        if change.step.is_none() && change.complete {
            self.retire();
        }
        Some(change)
    }

    fn change(&mut self, event: HeardEvent) -> Option<BoardChange> {
        let HeardEvent { at, kind, object } = event;
        match object {
            HeardObject::Build(build) => {
                let change = build_change(&build, at, &kind);
                let is_complete = build.complete;
                match self.builds.get_mut(&build.buildid) {
                    Some(watched) => {
                        let is_same = watched.build.reads_as(&build);
                        watched.build = build;
                        (!is_same).then_some(change)
                    }
                    // That it changed once more is no reason to show it as running.
                    None if is_complete && self.gone.contains(&build.buildid) => Some(change),
                    None => {
                        let steps = BTreeMap::new();
                        self.builds
                            .insert(build.buildid, WatchedBuild { build, steps });
                        Some(change)
                    }
                }
            }
            HeardObject::Step(step, build) => {
                let change = step_change(&step, &build.builder.name, build.number, at, &kind);
                let Some(watched) = self.builds.get_mut(&build.buildid) else {
                    return Some(change);
                };
                let old = watched.steps.insert(step.number, step.clone());
                (old.as_ref() != Some(&step)).then_some(change)
            }
        }
    }

    /// Ends a snapshot, or a replay. Returns what a snapshot shows that was not known before.
    pub(crate) fn catch_up(&mut self, at: &str) -> Vec<BoardChange> {
        let Some(before) = self.before.take() else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        for (id, watched) in &self.builds {
            let WatchedBuild { build, steps } = watched;
            if build.complete && self.gone.contains(id) {
                continue;
            }
            let old = before.get(id);
            if !old.is_some_and(|old| old.build.reads_as(build)) {
                changes.push(build_change(build, at.to_owned(), SNAPSHOT));
            }
            for step in steps.values() {
                if old.and_then(|old| old.steps.get(&step.number)) != Some(step) {
                    let at = at.to_owned();
                    let name = &build.builder.name;
                    changes.push(step_change(step, name, build.number, at, SNAPSHOT));
                }
            }
        }
        self.retire();
        changes
    }

    /// Lets ended builds go.
    fn retire(&mut self) {
        if self.keeps_ended {
            return;
        }
        let ended = self
            .builds
            .extract_if(.., |_, watched| watched.build.complete);
        self.gone.extend(ended.map(|(id, _)| id));
        let surplus = self.gone.len().saturating_sub(REMEMBERED);
        self.gone.drain(..surplus);
    }
}

fn build_change(build: &BuildRow, at: String, kind: &str) -> BoardChange {
    BoardChange {
        at,
        builder: build.builder.name.clone(),
        number: build.number,
        step: None,
        kind: kind.to_owned(),
        complete: build.complete,
        results: build.results.clone(),
        state: build.state_string.clone(),
    }
}

fn step_change(
    step: &WatchedStep,
    builder: &str,
    number: i64,
    at: String,
    kind: &str,
) -> BoardChange {
    BoardChange {
        at,
        builder: builder.to_owned(),
        number,
        step: Some((step.number, step.name.clone())),
        kind: kind.to_owned(),
        complete: step.complete,
        results: step.results.clone(),
        state: step.state_string.clone(),
    }
}

#[cfg(test)]
mod tests;
